"""The stored tree does not depend on the order in which events arrive, nor on when they are written."""

import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording import all_traces, handler_in, settled, shape

from spanscope import ObsHandler


@dataclass(frozen=True)
class Call:
    """One call of a hook."""

    run: int
    what: str
    parent: int | None = None

    def make(self, handler: ObsHandler, ids: list[uuid.UUID]) -> None:
        if self.what == "start":
            above = None if self.parent is None else ids[self.parent]
            handler.on_chain_start(
                {}, {"n": 1}, run_id=ids[self.run], parent_run_id=above, name=f"run {self.run}", tags=[]
            )
        elif self.what == "end":
            handler.on_chain_end({"n": 1}, run_id=ids[self.run])
        else:
            handler.on_chain_error(ValueError("broken"), run_id=ids[self.run])


@st.composite
def recordings(draw: st.DrawFn) -> list[Call]:
    """The calls of one tree of runs in any order that keeps each run's start before its end."""
    count = draw(st.integers(1, 8))
    calls = []
    for run in range(count):
        parent = draw(st.integers(0, run - 1)) if run else None
        calls.append(Call(run, "start", parent))
        calls.append(Call(run, draw(st.sampled_from(["end", "error"]))))
    shuffled = draw(st.permutations(calls))
    begun: set[int] = set()
    ordered = []
    for call in shuffled:
        # The first call of a run in this permutation is its start, the second its end.
        pair = [one for one in calls if one.run == call.run]
        ordered.append(pair[1] if call.run in begun else pair[0])
        begun.add(call.run)
    return ordered


def stored(
    calls: list[Call],
    *,
    flush_after: frozenset[int] = frozenset(),
    placed_after: frozenset[int] = frozenset(),
) -> Any:
    """The traces that these calls leave in a store, with their shapes and statuses."""
    ids = [uuid.UUID(int=number, version=4) for number in range(1, 9)]
    with tempfile.TemporaryDirectory() as folder:
        handler = handler_in(Path(folder))
        for number, call in enumerate(calls):
            call.make(handler, ids)
            if number in flush_after:
                settled(handler)
            if number in placed_after:
                handler.recorder.catch_up(2)
        traces = all_traces(handler)
        handler.runtime.shutdown()
    statuses = {span.span_id: span.status for trace in traces for span in trace.spans}
    return [(trace.trace_id, shape(trace)) for trace in traces], statuses


def in_order(calls: list[Call]) -> list[Call]:
    """The same calls as a framework makes them: parents start first and end last."""
    starts = sorted((call for call in calls if call.what == "start"), key=lambda call: call.run)
    ends = sorted((call for call in calls if call.what != "start"), key=lambda call: -call.run)
    return [*starts, *ends]


quick = settings(
    max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@quick
@given(recordings())
def test_any_order_of_events_gives_the_same_tree(calls: list[Call]) -> None:
    assert stored(calls) == stored(in_order(calls))


@quick
@given(recordings(), st.frozensets(st.integers(0, 15), min_size=1, max_size=3))
def test_a_flush_in_between_gives_the_same_tree(calls: list[Call], flush_after: frozenset[int]) -> None:
    assert stored(calls, flush_after=flush_after) == stored(in_order(calls))


@quick
@given(recordings(), st.frozensets(st.integers(0, 15), min_size=1, max_size=8))
def test_somebody_who_asks_in_between_changes_no_tree(
    calls: list[Call], placed_after: frozenset[int]
) -> None:
    assert stored(calls, placed_after=placed_after) == stored(in_order(calls))
