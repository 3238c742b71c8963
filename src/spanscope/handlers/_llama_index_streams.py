"""Streams that were handed to the application and not read to their end yet.

LlamaIndex's span of a streamed call is over before its first token, and a streaming query engine calls
its model only when somebody reads, by then in no span at all.  What connects them is the generator: who
reads it has its frame on the stack, and when it is dropped, nobody will read it any more.  A generator is
known here by the identity of its frame and a weak reference; it is never advanced, copied or printed.

Used by `handlers.llama_index`, on the application's threads.
"""

import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

from spanscope.runs import Run

_MAX_FRAMES = 300


class _Stream:
    __slots__ = ("ref", "run", "waiting")

    def __init__(self, ref: Any, run: Run) -> None:
        self.ref = ref
        self.run = run
        self.waiting = [run]


class Streams:
    """Who waits for which generator.  Its steps are atomic, for a collection may call back at any time."""

    def __init__(self, gone: Callable[[Run], None]) -> None:
        self._gone = gone
        self._by_key: dict[int, _Stream] = {}

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)

    def note(self, source: Any, run: Run) -> None:
        """`run` is over when `source` is; the first to say so is the one that makes it."""
        key = id(_frame(source) or source)
        known = self._by_key.get(key)
        if known is not None and known.ref() is source:
            if run not in known.waiting:
                known.waiting.append(run)
            return
        self._by_key[key] = _Stream(weakref.ref(source, lambda ref: self._dropped(key, ref)), run)

    def around(self, frame: FrameType | None) -> Run | None:
        """The maker of the innermost stream that is being read below this frame."""
        for _ in range(_MAX_FRAMES):
            if frame is None:
                return None
            known = self._by_key.get(id(frame))
            if known is not None and _frame(known.ref()) is frame:
                return known.run
            frame = frame.f_back
        return None

    def forget(self) -> list[Run]:
        """Who waits for any stream; from now on nobody does."""
        known, self._by_key = self._by_key, {}
        return [run for stream in known.values() for run in stream.waiting]

    def _dropped(self, key: int, ref: Any) -> None:
        known = self._by_key.get(key)
        if known is None or known.ref is not ref:
            return
        del self._by_key[key]
        for run in known.waiting:
            self._gone(run)


def _frame(source: Any) -> Any:
    """The frame of a generator or async generator; None of anything else, and of one that is over."""
    return getattr(source, "gi_frame", None) or getattr(source, "ag_frame", None)
