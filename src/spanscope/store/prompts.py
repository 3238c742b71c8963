"""Versions of prompts side by side: when they were used, and how their calls went.

A call belongs to the name and version that its metadata gives, or the template before it in its chain (which
knows those of LangSmith's hub and of Langfuse).  Where nobody named it, the hash of the template stands for
it, and without a template that of the system prompt; so a changed prompt shows as another version with no
registry.

Used by `queries`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, and_, select

from spanscope.store import filters
from spanscope.store.moments import Moment
from spanscope.store.rows import from_nano
from spanscope.store.tables import SPANS

KnownBy = Literal["name", "template", "system prompt"]
_Call = Any
"""A row of `_CALLS`."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_s = SPANS.c
_ABOVE: Final = SPANS.alias("above")
_LABELS: Final = (_s.prompt_name, _s.prompt_version, _s.prompt_hash)
_TEMPLATES: Final = (
    select(_s.trace_id, _s.parent_id, _s.start_ns, *_LABELS)
    .where(_s.kind == "prompt", _s.parent_id.is_not(None))
    .order_by(_s.start_ns)
)
_CALLS: Final = (
    select(
        *(_s.trace_id, _s.parent_id, _ABOVE.c.parent_id.label("grandparent_id"), _s.start_ns, _s.end_ns),
        *(_s.status, *_LABELS, _s.request_model, _s.response_model, _s.finish_reason, _s.max_tokens),
        *(_s.input_tokens, _s.output_tokens, _s.total_tokens, _s.cost_nano_usd, _s.cache_hit),
    )
    .select_from(
        SPANS.outerjoin(_ABOVE, and_(_ABOVE.c.trace_id == _s.trace_id, _ABOVE.c.span_id == _s.parent_id))
    )
    .where(_s.kind == "llm", _s.status != "open", _s.usage_in_children.is_(False))
    .order_by(_s.start_ns)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptVersion:
    """One version of a prompt and its calls.  What no call says is None, never 0."""

    name: str | None
    version: str | None
    prompt_hash: str | None
    """Keyed hash of the template, else of the system prompt, as it was last."""
    known_by: KnownBy
    hashes: int
    """How many different templates went by this name and version: more than one means that somebody changed
    the prompt and not its version."""
    first_used: datetime
    last_used: datetime
    calls: int
    errors: int
    truncated: int
    """Answers cut by the token limit."""
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cost_usd: Decimal | None
    calls_without_cost: int
    """Calls that no cost is known of: where there are any, the cost is a lower bound."""
    latency_ms: float | None
    """The median; half of the calls were faster."""
    latency_p95_ms: float | None
    models: tuple[str, ...]
    score: float | None = None
    """Always None: scores are not recorded yet."""

    @property
    def error_rate(self) -> float:
        """Share of the calls that failed, 0 to 1."""
        return self.errors / self.calls

    @property
    def truncation_rate(self) -> float:
        """Share of the calls whose answer was cut, 0 to 1."""
        return self.truncated / self.calls

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON; money is a string, times are ISO 8601."""
        return {
            **{one.name: getattr(self, one.name) for one in fields(self)},
            "first_used": self.first_used.isoformat(),
            "last_used": self.last_used.isoformat(),
            "cost_usd": None if self.cost_usd is None else str(self.cost_usd),
            "models": list(self.models),
            "error_rate": self.error_rate,
            "truncation_rate": self.truncation_rate,
        }


class _Template(NamedTuple):
    """A prompt step of a chain: what a model call after it was asked with."""

    start_ns: int
    name: str | None
    version: str | None
    digest: str | None


class _Identity(NamedTuple):
    name: str | None
    version: str | None
    digest: str | None
    """Set where name and version alone do not tell versions apart."""
    known_by: KnownBy


def prompt_versions(
    connection: Connection, *, name: str | None, since: Moment | None, until: Moment | None
) -> list[PromptVersion]:
    """The versions used from `since` on and before `until`, by name and then by first use."""
    period = tuple(filters.between(_s.start_ns, since, until))
    templates: dict[tuple[str, str], list[_Template]] = defaultdict(list)
    for trace_id, parent_id, start_ns, *labels in connection.execute(_TEMPLATES.where(*period)):
        templates[trace_id, parent_id].append(_Template(start_ns, *labels))
    groups: dict[_Identity, list[tuple[_Call, str | None]]] = defaultdict(list)
    for call in connection.execute(_CALLS.where(*period)):
        template = _template_of(call, templates)
        identity = _identity(call, template)
        if identity is not None and name in (None, identity.name):
            groups[identity].append((call, template.digest if template else None))
    found = [_version(identity, calls) for identity, calls in groups.items()]
    return sorted(found, key=lambda one: (one.name is None, one.name or "", one.first_used))


def _template_of(call: _Call, templates: dict[tuple[str, str], list[_Template]]) -> _Template | None:
    """The last prompt step before this call in the same chain, or around what wraps it (a fallback, say)."""
    for chain in (call.parent_id, call.grandparent_id):
        before = [one for one in templates.get((call.trace_id, chain), ()) if one.start_ns <= call.start_ns]
        if before:
            return before[-1]
    return None


def _identity(call: _Call, template: _Template | None) -> _Identity | None:
    name = call.prompt_name or (template.name if template else None)
    version = call.prompt_version or (template.version if template else None)
    digest = template.digest if template is not None and template.digest else call.prompt_hash
    if name is not None or version is not None:
        return _Identity(name, version, None if version is not None else digest, "name")
    if digest is None:
        return None
    return _Identity(None, None, digest, "template" if template and template.digest else "system prompt")


def _version(identity: _Identity, calls: Sequence[tuple[_Call, str | None]]) -> PromptVersion:
    rows = [call for call, _ in calls]
    bought = [row for row in rows if not row.cache_hit]
    templates = {digest for _, digest in calls if digest is not None}
    newest = rows[-1]
    took = sorted(_durations(bought))
    costs = [row.cost_nano_usd for row in bought if row.cost_nano_usd is not None]
    return PromptVersion(
        name=identity.name,
        version=identity.version,
        prompt_hash=calls[-1][1] or newest.prompt_hash,
        known_by=identity.known_by,
        hashes=len(templates) or int(newest.prompt_hash is not None),
        first_used=_moment(rows[0].start_ns),
        last_used=_moment(newest.start_ns),
        calls=len(rows),
        errors=sum(row.status == "error" for row in rows),
        truncated=sum(map(_is_truncated, rows)),
        input_tokens=_sum([row.input_tokens for row in bought]),
        output_tokens=_sum([row.output_tokens for row in bought]),
        total_tokens=_sum([row.total_tokens for row in bought]),
        cost_usd=from_nano(sum(costs)) if costs else (Decimal(0) if rows and not bought else None),
        calls_without_cost=len(bought) - len(costs),
        latency_ms=_quantile(took, 0.5),
        latency_p95_ms=_quantile(took, 0.95),
        models=tuple(dict.fromkeys(model for row in rows if (model := _model(row)) is not None)),
    )


def _model(row: _Call) -> str | None:
    found: str | None = row.response_model or row.request_model
    return found


def _is_truncated(row: _Call) -> bool:
    return row.finish_reason == "length" or bool(
        row.max_tokens and row.output_tokens and row.output_tokens >= row.max_tokens
    )


def _durations(rows: Sequence[_Call]) -> Iterator[float]:
    for row in rows:
        if row.end_ns is not None:
            yield (row.end_ns - row.start_ns) / 1_000_000


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value that this share of all does not exceed (nearest rank)."""
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _moment(time_ns: int) -> datetime:
    # In whole microseconds, never rounded up: as `since=` it must find the call that it is of.
    return _EPOCH + timedelta(microseconds=time_ns // 1000)
