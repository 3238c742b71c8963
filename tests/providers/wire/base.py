"""What all wire formats share: an answer, whoever gives it, and how it is cut into a stream."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..server import Reply

SSE = "text/event-stream"


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer, whoever gives it."""

    model: str = "model-that-answered"
    text: str = "It rains in Paris."
    thought: str = ""
    tools: tuple[tuple[str, str], ...] = ()
    """Name and JSON of the arguments of each call."""
    refusal: str = ""
    finish: str = "stop"
    """The provider's word."""
    uncached: int = 31
    read: int = 16
    written: int = 0
    made: int = 12
    reasoning: int = 0
    tier: str = ""

    @property
    def taken(self) -> int:
        return self.uncached + self.read + self.written


class Wire(NamedTuple):
    whole: Callable[[Said], Reply]
    stream: Callable[[Said], Reply]
    error: Callable[[int], Reply]


def json_reply(value: Any) -> Reply:
    return Reply(body=json.dumps(value).encode())


def sse(events: list[Any], *, named: bool = False, done: bool = True) -> Reply:
    lines = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events
    ]
    parts = tuple(line.encode() for line in lines)
    return Reply(parts=(*parts, b"data: [DONE]\n\n") if done else parts, content_type=SSE)


def halves(text: str) -> list[str]:
    """A stream gives a text in pieces."""
    return [text[: len(text) // 2], text[len(text) // 2 :]] if text else []


def chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"id": f"call0000{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(said.tools)
    ]
