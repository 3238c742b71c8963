"""Why a model stopped, in one vocabulary.

Every provider has its own words, in its own case, now and then as an enumeration.  The raw word is kept
beside ours; a word that is not known is `unknown`, never a guess.
"""

from typing import Final

from spanscope.semconv import FinishReason

_WORDS: Final[dict[FinishReason, tuple[str, ...]]] = {
    "stop": (
        *("stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed", "done"),
        *("word", "finish", "finished", "stop_criteria_met", "reason_stop", "end"),
    ),
    "length": (
        *("length", "max_tokens", "max_output_tokens", "model_length", "token_limit", "max_length", "limit"),
        *("model_context_window_exceeded", "error_limit", "reason_max_len", "reason_max_context"),
        "time_limit",
    ),
    "tool_calls": ("tool_calls", "tool_use", "function_call", "tool_call", "reason_tool_calls"),
    "content_filter": (
        *("content_filter", "content_filtered", "safety", "recitation", "blocklist", "spii"),
        *("prohibited_content", "guardrail_intervened", "error_toxic", "model_armor", "jailbreak"),
        *("image_safety", "image_prohibited_content", "image_recitation", "blocked"),
    ),
    "refusal": ("refusal",),
    "pause": ("pause_turn", "pause"),
    "error": (
        *(
            "error",
            "failed",
            "timeout",
            "malformed_function_call",
            "malformed_tool_use",
            "malformed_response",
        ),
        *("malformed_model_output", "insufficient_system_resource", "unexpected_tool_call"),
        *("too_many_tool_calls", "missing_thought_signature"),
    ),
}
FINISH: Final[dict[str, FinishReason]] = {word: ours for ours, words in _WORDS.items() for word in words}
"""Providers' words, in lower case and without the name of an enumeration."""


def finish(raw: str, *, calls_tools: bool = False, refused: bool = False) -> FinishReason:
    """Our word for a provider's.

    Some say `stop` of a turn that ends in tool calls, or in a refusal that has a field of its own: what the
    answer holds is believed then.
    """
    known = FINISH.get(raw)
    if known is None:
        known = FINISH.get(raw.rpartition(".")[2].lower().removeprefix("finish_reason_"), "unknown")
    if known == "stop":
        if calls_tools:
            return "tool_calls"
        if refused:
            return "refusal"
    return known
