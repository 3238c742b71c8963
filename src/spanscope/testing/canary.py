"""Canaries: marked secrets that are planted everywhere, and looked for wherever something comes out.

    canary = Canary()
    with canary.watch() as watch:
        chain.invoke(canary.text("my order?"), config={"callbacks": [handler], "metadata": canary.mapping()})
        handler.flush()
    canary.assert_absent(watch, Path(".spanscope"), memory_backend.spans)

Each value is of a shape that the redactor knows and made of letters that stand together nowhere else, so
that a piece of four characters that comes out is a leak and no accident.

Uses the public way to record alone; knows no stage.
"""

import io
import logging
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spanscope.semconv import KINDS

if TYPE_CHECKING:
    from spanscope.handlers._source import Handler

_LETTERS: Final = "jkqvwxz"
_PIECE: Final = 4
_DIGITS: Final = 8
"""Of a number, so many digits in a row: four of them stand in any timestamp."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A canary that came out, or a piece of one."""

    kind: str
    piece: str
    where: str


@dataclass(slots=True)
class Watch:
    """What came out by log, standard streams of our sinks and UDP while it was watched."""

    stream: io.StringIO = field(default_factory=io.StringIO)
    """Give it to a sink that writes lines, such as `StructlogBackend(file=watch.stream)`."""
    log: io.StringIO = field(default_factory=io.StringIO)
    """Every log record of the process at any level, with its arguments and traceback."""
    datagrams: list[bytes] = field(default_factory=list)
    udp_port: int = 0
    """Give it to `DatadogBackend(host="127.0.0.1", port=watch.udp_port)`."""


class Canary:
    """A flock of marked values, the same for the same `seed`."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        word = self._word
        self.values: dict[str, str] = {
            "EMAIL": f"{word(6)}.{word(7)}@{word(8)}.example",
            "PHONE": f"+44 20 7946 0{self._random.randrange(100, 1000)}",
            "CARD": self._card(),
            "OPENAI_KEY": f"sk-proj-{self._mixed(28)}",
            "GITHUB_KEY": f"ghp_{self._mixed(36)}",
            "BEARER": f"Bearer {self._mixed(32)}",
            "PASSWORD": f"password={self._mixed(14)}",
            "URL": f"postgres://app:{self._mixed(14)}@127.0.0.1/shop",
        }
        """By type, as it is planted."""

    # --- planting --------------------------------------------------------------------------------------

    def text(self, before: str = "Hello,") -> str:
        """A text with every value in it."""
        return f"{before} " + "; ".join(self.values.values()) + ". Thank you!"

    def mapping(self) -> dict[str, Any]:
        """Values as values, in lists and mappings, as keys, and under names that are secret."""
        mail, key = self.values["EMAIL"], self.values["OPENAI_KEY"]
        return {
            "note": self.text(),
            "api_key": self._mixed_secret,
            "nested": {"list": [self.text(), {"deep": [mail, (key,)]}], f"of {mail}": key},
            mail: "as a key",
            f"{key}": 1,
        }

    def error(self) -> Exception:
        """An exception with values in its message, arguments, notes and cause; raised, with a traceback."""
        try:
            try:
                raise KeyError(self.text("cause"))
            except KeyError as cause:
                raise ValueError(self.text("message"), self.mapping()) from cause
        except ValueError as error:
            error.add_note(self.text("note"))
            return error

    def plant(self, handler: "Handler") -> str | None:
        """Record a trace with a span of each kind and values in each of their fields; gives its id."""
        from spanscope.handlers.manual import span
        from spanscope.scope import context

        said = self.text()
        labels = dict.fromkeys(("environment", "service", "release", "prompt_name", "prompt_version"), said)
        with (
            context(user_id=said, session_id=said, tags=[said], metadata=self.mapping(), **labels),
            span(said, input=self.mapping(), handler=handler) as root,
        ):
            for kind in sorted(KINDS):
                with span(f"{kind} {said}", kind=kind, input=said) as step:
                    step.set("invocation_params", self.mapping())
                    step.set(said, said)
                    step.set("request_model", said)
                    step.set("finish_reason_raw", said)
                    step.set("tool_names", [said])
                    step.add_event(said, by=said, facts=self.mapping())
                    step.set_output([{"page_content": said, "metadata": self.mapping(), "id": said}])
            try:
                with span("failing"):
                    raise self.error()
            except ValueError:
                root.set_output(said)
        return root.trace_id

    # --- looking ---------------------------------------------------------------------------------------

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Listen to all logs of the process and to a UDP port of its own until the block ends."""
        watch = Watch()
        tap = logging.StreamHandler(watch.log)
        tap.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
        tap.setLevel(logging.NOTSET)
        root, ours = logging.getLogger(), logging.getLogger("spanscope")
        levels = root.level, ours.level
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
            agent.bind(("127.0.0.1", 0))
            agent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
            agent.setblocking(False)
            watch.udp_port = agent.getsockname()[1]
            root.addHandler(tap)
            root.setLevel(logging.NOTSET)
            ours.setLevel(logging.DEBUG)
            try:
                yield watch
            finally:
                root.removeHandler(tap)
                root.setLevel(levels[0])
                ours.setLevel(levels[1])
                watch.datagrams.extend(_received(agent))

    def leaks(self, *places: Any) -> list[Leak]:
        """Where a value, or four characters of one in a row, came out.

        A place is a text, bytes, a `Path` (of a file, or of a folder with all that is in it), a `Watch`, or
        any object, whose `repr` is searched.
        """
        found = []
        for where, said in _said(places):
            folded = said.lower()
            for kind, pieces in self._pieces().items():
                hit = next((piece for piece in pieces if piece in folded), None)
                if hit is not None:
                    found.append(Leak(kind, hit, where))
        return found

    def assert_absent(self, *places: Any) -> None:
        """Raise AssertionError, which names type and place of each leak and repeats none."""
        found = self.leaks(*places)
        if found:
            raise AssertionError("leaked: " + ", ".join(f"{leak.kind} in {leak.where}" for leak in found))

    def _pieces(self) -> dict[str, list[str]]:
        pieces = {}
        for kind, value in {**self.values, "SECRET_NAME": self._mixed_secret}.items():
            if kind in ("PHONE", "CARD"):
                digits = "".join(filter(str.isdigit, value))
                runs = [value, *(digits[at : at + _DIGITS] for at in range(len(digits) - _DIGITS + 1))]
            else:
                folded = value.lower()
                runs = [folded[at : at + _PIECE] for at in range(len(folded) - _PIECE + 1)]
                # Its marked part alone: `example` and `bearer` may well stand somewhere.
                runs = [run for run in runs if all(char in _LETTERS + "0123456789" for char in run)]
                runs = [run for run in runs if sum(char in _LETTERS for char in run) >= _PIECE // 2]
            pieces[kind] = [run.lower() for run in runs]
        return pieces

    # --- making ----------------------------------------------------------------------------------------

    @property
    def _mixed_secret(self) -> str:
        return self.values["PASSWORD"].partition("=")[2][::-1]

    def _word(self, length: int) -> str:
        return "".join(self._random.choices(_LETTERS, k=length))

    def _mixed(self, length: int) -> str:
        """Letters and digits by turns, so that each piece has two of the rare letters."""
        pairs = (self._random.choice(_LETTERS) + self._random.choice("0123456789") for _ in range(length))
        return "".join(pairs)[:length]

    def _card(self) -> str:
        body = [4, *(self._random.randrange(10) for _ in range(14))]
        doubled = [digit * 2 - 9 * (digit > 4) if at % 2 == 0 else digit for at, digit in enumerate(body)]
        digits = "".join(map(str, [*body, -sum(doubled) % 10]))
        return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def _received(agent: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield agent.recv(65_536)
        except BlockingIOError:
            return


def _said(places: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
    """Each place by name, with what stands there."""
    for place in places:
        match place:
            case str():
                yield "text", place
            case bytes():
                yield "bytes", place.decode("utf-8", "replace")
            case Path() if place.is_dir():
                for file in sorted(one for one in place.rglob("*") if one.is_file()):
                    yield str(file), file.read_bytes().decode("utf-8", "replace")
            case Path():
                yield str(place), place.read_bytes().decode("utf-8", "replace")
            case Watch():
                yield "log", place.log.getvalue()
                yield "stream", place.stream.getvalue()
                yield "datagrams", b"\n".join(place.datagrams).decode("utf-8", "replace")
            case _:
                yield type(place).__name__, repr(place)
