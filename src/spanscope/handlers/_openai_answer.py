"""What an OpenAI response says, put in the form of a whole one however it came.

A stream of server-sent events becomes the JSON that the same call would have given in one piece, as far
as it has come, so that one set of readers does for both.  Pure; runs on the worker thread.

Used by `_openai_payload`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_DONE: Final = "[DONE]"
_TEXT_DELTA: Final = "response.output_text.delta"
_ENDINGS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


@dataclass(slots=True)
class Answer:
    """One response, as a mapping like that of a call that was not streamed."""

    raw: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    """The provider said that this is all."""
    error: Mapping[str, Any] | None = None
    """What went wrong after the response had begun with 200."""
    first_ns: int | None = None
    """When the first text, reasoning or piece of a tool call came (monotonic)."""
    first_text_ns: int | None = None
    """When the answer itself began, after reasoning or a tool call (monotonic)."""
    events: int = 0


def whole(body: bytes) -> Answer:
    """The answer in a body that came at once; empty when that is no JSON object."""
    try:
        raw = json.loads(body)
    except ValueError:
        return Answer()
    return Answer(raw, complete=True) if isinstance(raw, dict) else Answer()


def streamed(pieces: Iterable[tuple[int, bytes]]) -> Answer:
    """The answer as far as these pieces of a body tell."""
    answer = Answer()
    choices: dict[int, dict[str, Any]] = {}
    partial: dict[tuple[Any, Any], dict[str, Any]] = {}
    for when_ns, name, data in events(pieces):
        if data == _DONE:
            answer.complete = True
            continue
        try:
            event = json.loads(data)
        except ValueError:
            continue
        if not isinstance(event, dict):
            continue
        answer.events += 1
        if isinstance(event.get("error"), Mapping):
            answer.error = event["error"]
            continue
        kind = event.get("type") or name
        if isinstance(kind, str) and (kind.startswith("response.") or kind == "error"):
            says = _response_event(answer, kind, event, partial)
        else:
            says = _chunk(answer.raw, event, choices)
        if says and answer.first_ns is None:
            answer.first_ns = when_ns
        if says and answer.first_text_ns is None and (kind == _TEXT_DELTA or _has_text(choices)):
            answer.first_text_ns = when_ns
    if choices:
        answer.raw["choices"] = [choices[index] for index in sorted(choices)]
    if partial and not answer.raw.get("output"):
        answer.raw["output"] = list(partial.values())
    return answer


def _has_text(choices: Mapping[int, Mapping[str, Any]]) -> bool:
    return any(one.get("text") or (one.get("message") or {}).get("content") for one in choices.values())


def events(pieces: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str | None, str]]:
    """Server-sent events: when the last byte of each came, its name and its data."""
    name: str | None = None
    data: list[str] = []
    rest = b""
    for when_ns, piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            if not text:
                if data:
                    yield when_ns, name, "\n".join(data)
                name, data = None, []
            elif text.startswith("data:"):
                data.append(text[5:].removeprefix(" "))
            elif text.startswith("event:"):
                name = text[6:].strip()


def _chunk(raw: dict[str, Any], chunk: Mapping[str, Any], choices: dict[int, dict[str, Any]]) -> bool:
    """Add a chunk of a chat or legacy completion; true when it says something."""
    for key, value in chunk.items():
        if key != "choices" and value is not None:
            raw[key] = value
    says = False
    for given in chunk.get("choices") or ():
        index = given.get("index") or 0
        choice = choices.setdefault(index, {"index": index, "finish_reason": None})
        choice["finish_reason"] = given.get("finish_reason") or choice["finish_reason"]
        if isinstance(given.get("text"), str):
            choice["text"] = choice.get("text", "") + given["text"]
            says = says or bool(given["text"])
        delta = given.get("delta")
        if isinstance(delta, Mapping):
            says = _add(choice.setdefault("message", {}), delta) or says
    return says


def _add(message: dict[str, Any], delta: Mapping[str, Any]) -> bool:
    says = False
    for key, value in delta.items():
        if key == "role":
            message.setdefault("role", value)
        elif isinstance(value, str) and value:
            message[key] = (message.get(key) or "") + value
            says = True
    for piece in delta.get("tool_calls") or ():
        calls = message.setdefault("tool_calls", [])
        index = piece.get("index")
        call = next((one for one in calls if one["index"] == index), None)
        if call is None:
            call = {"index": index, "id": None, "function": {"name": "", "arguments": ""}}
            calls.append(call)
        call["id"] = piece.get("id") or call["id"]
        said = piece.get("function") or {}
        call["function"]["name"] += said.get("name") or ""
        call["function"]["arguments"] += said.get("arguments") or ""
        says = True
    return says


def _response_event(
    answer: Answer, kind: str, event: Mapping[str, Any], partial: dict[tuple[Any, Any], dict[str, Any]]
) -> bool:
    """Add an event of the Responses API; true when it says something."""
    response = event.get("response")
    if isinstance(response, Mapping):
        answer.raw.update(response)
    if kind in _ENDINGS:
        answer.complete = True
        failed = answer.raw.get("error")
        if kind == "response.failed" and isinstance(failed, Mapping):
            answer.error = failed
        return False
    if kind == "error":
        answer.error = {key: event.get(key) for key in ("code", "message")}
        return False
    item = event.get("item")
    place = (event.get("output_index"), None)
    if isinstance(item, Mapping):
        partial[place] = dict(item)
        return False
    delta = event.get("delta")
    if not kind.endswith(".delta") or not isinstance(delta, str) or not delta:
        return False
    into = partial.setdefault(place, {"type": "message", "content": []})
    if kind == "response.function_call_arguments.delta":
        into["arguments"] = (into.get("arguments") or "") + delta
    elif kind in ("response.output_text.delta", "response.refusal.delta"):
        what = "text" if "text" in kind else "refusal"
        parts = into["content"] = list(into.get("content") or ())
        if not parts:
            parts.append({"type": "output_text" if what == "text" else "refusal", what: ""})
        parts[-1] = {**parts[-1], what: (parts[-1].get(what) or "") + delta}
    return True
