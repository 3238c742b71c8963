"""The questions people ask of a store, as SQL conditions on traces and on spans.

One keyword, one condition; all that are given must hold.  What is asked of a trace's spans (a text, a
name, a model) is answered by one pass over the spans, not by a look at each trace.

Used by `queries`.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import or_, select

from spanscope import semconv
from spanscope.exceptions import ConfigError
from spanscope.store.matching import Condition, Matching
from spanscope.store.moments import Moment, moment
from spanscope.store.rows import dumps
from spanscope.store.tables import SPANS, TRACES

Aliases = Callable[[str], Sequence[str]]
"""A user or session as given -> the values it may be stored as (itself, its pseudonym)."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def trace_conditions(
    matching: Matching,
    aliases: Aliases,
    *,
    trace_id_prefix: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    thread_id: str | None = None,
    status: str | None = None,
    name: str | None = None,
    model: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    text: str | None = None,
    environment: str | None = None,
    tag: str | None = None,
    prompt_version: str | None = None,
) -> Iterator[Condition]:
    """Conditions on a row of `traces`.  `since` is included, `until` is not; naive times are local ones.

    Raises ConfigError for a status that there is not, and for a time that is none.
    """
    t = TRACES.c
    _known("status", status, semconv.STATUSES)
    if trace_id_prefix is not None:
        yield starts_with(t.trace_id, trace_id_prefix)
    yield from _labels(TRACES, aliases, session_id=session_id, user_id=user_id)
    yield from _equal(
        TRACES, thread_id=thread_id, status=status, environment=environment, prompt_version=prompt_version
    )
    yield from between(t.start_ns, since, until)
    if tag is not None:
        yield matching.holds(t.tags, dumps(tag))
    if name is not None:
        yield or_(t.name == name, _of_a_span(SPANS.c.name == name))
    if model is not None:
        yield or_(matching.holds(t.models, dumps(model)), _of_a_span(_is_model(model)))
    if text is not None:
        yield _of_a_span(_previews(matching, text))


def span_conditions(
    matching: Matching,
    aliases: Aliases,
    *,
    trace_id: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    name: str | None = None,
    model: str | None = None,
    error_type: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    text: str | None = None,
    environment: str | None = None,
    tag: str | None = None,
    prompt_name: str | None = None,
    prompt_version: str | None = None,
) -> Iterator[Condition]:
    """Conditions on a row of `spans`.  Session and user are those of the span's trace; raises as above."""
    _known("status", status, semconv.STATUSES)
    _known("kind", kind, semconv.KINDS)
    yield from _equal(
        SPANS,
        trace_id=trace_id,
        kind=kind,
        status=status,
        name=name,
        error_type=error_type,
        environment=environment,
        prompt_name=prompt_name,
        prompt_version=prompt_version,
    )
    of_trace = list(_labels(TRACES, aliases, session_id=session_id, user_id=user_id))
    if of_trace:
        yield SPANS.c.trace_id.in_(select(TRACES.c.trace_id).where(*of_trace))
    yield from between(SPANS.c.start_ns, since, until)
    if model is not None:
        yield _is_model(model)
    if tag is not None:
        yield matching.holds(SPANS.c.tags, dumps(tag))
    if text is not None:
        yield _previews(matching, text)


def starts_with(column: Any, prefix: str) -> Condition:
    """For hex digits.  By range and not by LIKE, so that the index is taken."""
    found: Condition = column.between(prefix, prefix + "g")
    return found


def nanoseconds(time: datetime) -> int:
    """Since the epoch, exactly; a naive time is taken as local."""
    aware = time if time.tzinfo else time.astimezone()
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000


def _equal(table: Any, **values: Any) -> Iterator[Condition]:
    for name, value in values.items():
        if value is not None:
            yield table.c[name] == value


def _labels(table: Any, aliases: Aliases, **values: str | None) -> Iterator[Condition]:
    for name, value in values.items():
        if value is not None:
            yield table.c[name].in_(aliases(value))


def _known(name: str, value: str | None, words: Collection[str]) -> None:
    """A word outside the vocabulary would match nothing, and look like an empty store."""
    if value is not None and value not in words:
        near = difflib.get_close_matches(str(value), words, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"{name} {value!r} is unknown{meant}: known are {', '.join(sorted(words))}")


def between(column: Any, since: Moment | None, until: Moment | None) -> Iterator[Condition]:
    if since is not None:
        yield column >= nanoseconds(moment(since, name="since"))
    if until is not None:
        yield column < nanoseconds(moment(until, name="until"))


def _of_a_span(condition: Condition) -> Condition:
    return TRACES.c.trace_id.in_(select(SPANS.c.trace_id).where(condition))


def _is_model(model: str) -> Condition:
    """Asked for or answering; the answering one often has a date in its name."""
    return or_(SPANS.c.request_model == model, SPANS.c.response_model == model)


def _previews(matching: Matching, text: str) -> Condition:
    return or_(
        matching.contains(SPANS.c.input_preview, text),
        matching.contains(SPANS.c.output_preview, text),
    )
