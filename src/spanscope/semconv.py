"""Every word that leaves the process: kinds, statuses, finish reasons and attribute keys.

Dashboards, alerts and other people's queries depend on these spellings, so no other file spells
one.  Where OpenTelemetry's GenAI conventions have a word, it is theirs.

Used by everyone; imports nothing of ours.
"""

from typing import Final, Literal

Kind = Literal[
    "chain",
    "agent",
    "graph",
    "llm",
    "embedding",
    "retriever",
    "reranker",
    "tool",
    "prompt",
    "parser",
    "guardrail",
    "evaluator",
    "span",
]
Status = Literal["ok", "error", "cancelled", "closed_early", "interrupted", "handoff", "open", "abandoned"]
FinishReason = Literal[
    "stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "unknown"
]
ParentSource = Literal["framework", "ambient", "remote", "none"]
ContentPolicy = Literal["hash", "preview", "redacted", "vault"]

KINDS: Final[frozenset[str]] = frozenset(Kind.__args__)  # type: ignore[attr-defined]
STATUSES: Final[frozenset[str]] = frozenset(Status.__args__)  # type: ignore[attr-defined]
FINISH_REASONS: Final[frozenset[str]] = frozenset(FinishReason.__args__)  # type: ignore[attr-defined]
CONTENT_POLICIES: Final[tuple[str, ...]] = ContentPolicy.__args__  # type: ignore[attr-defined]

MODEL_KINDS: Final[frozenset[str]] = frozenset({"llm", "embedding"})
"""Kinds whose usage and cost count in a trace's totals."""

# --- attribute keys -------------------------------------------------------------------------------
# OpenTelemetry's words.
HTTP_STATUS_CODE: Final = "http.response.status_code"
SERVER_ADDRESS: Final = "server.address"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
OPERATION_NAME: Final = "gen_ai.operation.name"
REQUEST_STOP: Final = "gen_ai.request.stop_sequences"
RESPONSE_ID: Final = "gen_ai.response.id"

# Ours.
RUN_ID: Final = "spanscope.run_id"
PARENT_MISSING: Final = "spanscope.parent_missing"
LATE: Final = "spanscope.late"
RUN_ID_REUSED: Final = "spanscope.run_id_reused"
LINKED_TRACE: Final = "spanscope.linked_trace_id"
LAST_ACTIVITY_MS: Final = "spanscope.last_activity_ms"
INPUT_SHAPE: Final = "spanscope.input.shape"
OUTPUT_SHAPE: Final = "spanscope.output.shape"
EXTRACT_ERRORS: Final = "spanscope.extract_errors"
ITEMS: Final = "spanscope.items"
ITEMS_KEPT: Final = "spanscope.items_kept"
METADATA: Final = "metadata"
ROLES: Final = "spanscope.message_roles"

DOCUMENTS: Final = "retrieval.documents"
DOCUMENT_COUNT: Final = "retrieval.document_count"
TOP_K: Final = "retrieval.top_k"
TOP_N: Final = "rerank.top_n"
DOCUMENTS_BEFORE: Final = "rerank.documents_before"
DOCUMENT_COUNT_BEFORE: Final = "rerank.document_count_before"
AGENT_NAME: Final = "gen_ai.agent.name"

TOOLS_OFFERED: Final = "llm.tools_offered"
TOOL_CALLS: Final = "llm.tool_calls"
USAGE_MISSING_REASON: Final = "llm.usage_missing_reason"
STREAM_CHUNKS: Final = "llm.stream_chunks"
STREAM_STATE: Final = "llm.stream_state"
"""`not_consumed`: nobody has read the stream; `unobserved`: its class does not tell whether somebody did."""
STRUCTURED_OUTPUT: Final = "llm.structured_output"
OUTPUT_SCHEMA: Final = "llm.output_schema"
"""The name of the form that was asked for."""
CLIENT_RETRIES: Final = "llm.client_retries"
"""How often the client itself sent the request again, where it tells."""
BILLED_INPUT: Final = "llm.billed_input_units"
BILLED_OUTPUT: Final = "llm.billed_output_units"
"""What the provider charges for, where that is not the tokens and the tokens are not told."""
SERVICE_TIER: Final = "llm.service_tier"
"""The tier that the provider says it served the call with (`flex`, `priority`, `batch`, …)."""
REQUEST_ID: Final = "llm.request_id"
"""By which the provider finds the request in its logs: a header's word."""
SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"
RATE_LIMITS: Final = "llm.rate_limits"
"""What the response's headers said of rate limits, by their own names."""
FIRST_TEXT_MS: Final = "llm.time_to_first_text_ms"
"""Until the answer itself began, where reasoning or a tool call came before."""
TIME_PER_TOKEN_MS: Final = "llm.time_per_output_token_ms"
"""Of a stream, after its first token."""
INPUT_AUDIO_TOKENS: Final = "llm.input_audio_tokens"
OUTPUT_AUDIO_TOKENS: Final = "llm.output_audio_tokens"
CACHE_WRITE_1H_TOKENS: Final = "llm.cache_write_1h_tokens"
"""The part of the cache writes that is kept for an hour, which costs more."""
USAGE_METHOD: Final = "llm.usage_estimate_method"
PRICED_MODEL: Final = "llm.priced_model"
"""`provider/model` of the line of the price table that was taken."""
PRICE_TABLE: Final = "llm.price_table"
PRICE_MISSING: Final = "llm.price_missing"
COST_MISSING_REASON: Final = "llm.cost_missing_reason"
COST_SAVED: Final = "llm.cost_saved_usd"
"""What a cached answer would have cost."""
UNFILLED_VARIABLES: Final = "prompt.unfilled_variables"

ATTEMPT: Final = "retry.attempt"
RETRIES: Final = "retry.count"
"""How often a provider's client sent the request again before this answer."""
VECTORS: Final = "embedding.vectors"
EMBEDDING_DIMENSIONS: Final = "embedding.dimensions"
OTEL_SCOPE: Final = "otel.scope.name"
OTEL_TRACE_ID: Final = "otel.trace_id"
"""The trace that a bridged span has in OpenTelemetry, where ours began before it."""
HANDOFF_TARGET: Final = "handoff.target"
INTERRUPTS: Final = "langgraph.interrupts"
RESUMED: Final = "langgraph.resumed"
GRAPH_NODE: Final = "langgraph.node"
GRAPH_STEP: Final = "langgraph.step"
CHECKPOINT_NS: Final = "langgraph.checkpoint_ns"

CONTENT_POLICY: Final = "spanscope_content"
"""Key in a call's metadata: the content policy of this call and of what is below it."""

# --- one document of a retrieval, as it stands in the list under DOCUMENTS ---------------------------
DOC_ID: Final = "id"
DOC_SCORE: Final = "score"
DOC_CHARS: Final = "chars"
DOC_SOURCE: Final = "source"
DOC_HASH: Final = "hash"

# --- metric names -----------------------------------------------------------------------------------
M_LLM_CALLS: Final = "llm.calls.total"
M_LLM_ERRORS: Final = "llm.calls.errors"
M_LLM_FILTERED: Final = "llm.calls.filtered"
M_LLM_TRUNCATED: Final = "llm.calls.truncated"
M_LLM_LATENCY: Final = "llm.latency_ms"
M_LLM_TTFT: Final = "llm.time_to_first_token_ms"
M_TOKENS_INPUT: Final = "llm.tokens.input"
M_TOKENS_OUTPUT: Final = "llm.tokens.output"
M_TOKENS_TOTAL: Final = "llm.tokens.total"
M_COST: Final = "llm.cost_usd"
M_PRICE_MISSING: Final = "llm.price_missing"
M_TRACE_DURATION: Final = "trace.duration_ms"
M_TRACE_TOTAL: Final = "trace.total"
M_TRACE_ERRORS: Final = "trace.errors"
M_DOCUMENTS: Final = "retriever.documents"
M_TOOL_CALLS: Final = "tool.calls.total"
M_TOOL_ERRORS: Final = "tool.calls.errors"
M_SPANS_DROPPED: Final = "obs.spans.dropped"
