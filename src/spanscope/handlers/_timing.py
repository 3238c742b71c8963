"""The times of a model call that every handler derives in one way from the moments that it noted.

Used by the payload modules, on the worker thread.
"""

from typing import Final

from spanscope import semconv
from spanscope.drafts import Draft

_MS: Final = 1_000_000
_S: Final = 1_000_000_000


def tell_times(
    draft: Draft, begun_ns: int, ended_ns: int | None, first_ns: int | None = None, text_ns: int | None = None
) -> None:
    """Time to the first piece, to the first text where that came later, and output tokens per second.

    All moments are of one clock; what is not known is None, and what hangs on it is left out.
    """
    facts = draft.facts
    if first_ns is not None:
        facts["time_to_first_token_ms"] = (first_ns - begun_ns) / _MS
        if text_ns is not None and text_ns > first_ns:
            draft.attributes[semconv.FIRST_TEXT_MS] = (text_ns - begun_ns) / _MS
    made = facts.get("output_tokens")
    if made and ended_ns is not None and ended_ns > begun_ns:
        facts["tokens_per_second"] = made / ((ended_ns - begun_ns) / _S)
