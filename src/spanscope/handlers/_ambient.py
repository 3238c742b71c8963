"""Which run the frameworks' own contexts say the caller is in.

A LangChain tool may call a LlamaIndex engine, which calls a LangChain chain: neither framework knows of
the other, but each keeps what it runs in a context variable of its own.  Read here, never set; the one
that was started last is the innermost.

Each framework's handler adds its variable; asked by all handlers when they begin a run.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from spanscope.runs import Run

_UUID_CHARS: Final = 36


class RunId(NamedTuple):
    """A run id as the recorder takes it: anything that has a number."""

    int: int


Source = Callable[[], Any]
frameworks: Final[list[Source]] = []


def source(read: Source) -> Source:
    """Take `read` as a framework's word: it gives an id with an `int`, or None.  For use as a decorator."""
    frameworks.append(read)
    return read


def innermost(runs: Mapping[int, Run], *, besides: Source | None = None) -> Any:
    """The id of the run around the caller, the last started where two frameworks name one; or None.

    `besides` is left out: a framework that names the parent itself need not be asked again.
    """
    if len(frameworks) == 1 and besides is None:
        return frameworks[0]()  # one framework is in use, as nearly always
    found: Any = None
    for read in frameworks:
        if read is not besides and (named := read()) is not None:
            found = named if found is None else _later(runs, found, named)
    return found


def latest(runs: Mapping[int, Run], ids: Iterable[Any]) -> Any:
    """Of these ids (None: says nothing) the one whose run was started last; or None."""
    found: Any = None
    for named in ids:
        if named is not None:
            found = named if found is None else _later(runs, found, named)
    return found


def _later(runs: Mapping[int, Run], one: Any, other: Any) -> Any:
    this, that = runs.get(one.int), runs.get(other.int)
    return one if that is None or (this is not None and this.start_ns > that.start_ns) else other


@lru_cache(maxsize=16_384)
def run_id_of(span_id: str) -> RunId:
    """The number of an id that is a string: that of the UUID at its end, else its hash (128 bits)."""
    tail = span_id[-_UUID_CHARS:]
    if len(tail) == _UUID_CHARS and tail[8] == tail[13] == tail[18] == tail[23] == "-":
        try:
            return RunId(int(tail.replace("-", ""), 16))  # a quarter of what `uuid.UUID` takes
        except ValueError:
            return _hashed(span_id)
    return _hashed(span_id)


def _hashed(span_id: str) -> RunId:
    return RunId(int.from_bytes(blake2b(span_id.encode(), digest_size=16).digest()))
