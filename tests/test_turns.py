"""A turn is taken by one thread at a time, and comes back whatever happens to who has it."""

import threading
from typing import Any

import pytest

from spanscope.turns import Turns


class Interrupted:
    """A lock; a Ctrl-C comes right after it was taken."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def acquire(self, **how: Any) -> bool:
        self._lock.acquire(**how)
        raise KeyboardInterrupt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


def taken_elsewhere(turns: Turns) -> bool:
    answers: list[bool] = []
    other = threading.Thread(target=lambda: answers.append(turns.take(int, wait=False)))
    other.start()
    other.join()
    return not answers[0]


def test_a_signal_right_behind_the_taking_leaves_the_turn_to_others():
    turns = Turns()
    lock, turns._lock = turns._lock, Interrupted(turns._lock)
    with pytest.raises(KeyboardInterrupt):
        turns.take(int)
    turns._lock = lock
    assert not taken_elsewhere(turns)


def test_work_that_is_interrupted_leaves_the_turn_to_others():
    turns = Turns()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        turns.take(interrupted)
    assert not taken_elsewhere(turns)


def test_the_turn_is_kept_until_the_outer_work_is_done():
    turns = Turns()
    kept: list[bool] = []
    turns.take(lambda: (turns.take(int), kept.append(taken_elsewhere(turns))))
    assert kept == [True]
    assert not taken_elsewhere(turns)
