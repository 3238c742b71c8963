"""Turn a span of OpenTelemetry into a draft.  Pure functions on the worker thread.

Three dialects say the same under different names: OpenTelemetry's GenAI conventions (whose names changed
twice), OpenInference, and OpenLLMetry (traceloop).  A table gives the names of each fact in the order of
trust; the texts are read by `_opentelemetry_text`.

Fed with the spans that `handlers.opentelemetry` noted; called by `assembler`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from spanscope import semconv
from spanscope.drafts import Draft
from spanscope.handlers import _opentelemetry_text as texts
from spanscope.handlers._timing import tell_times
from spanscope.providers import finish, normal
from spanscope.providers.reading import count
from spanscope.runs import Run

Attributes = Mapping[str, Any]

_OPENINFERENCE: Final = {
    **{kind.upper(): kind for kind in semconv.KINDS - {"graph", "parser", "span"}},
    "UNKNOWN": "span",
}
_OPERATIONS: Final = {
    **dict.fromkeys(("chat", "text_completion", "generate_content", "completion", "response"), "llm"),
    **dict.fromkeys(("embeddings", "embedding"), "embedding"),
    **dict.fromkeys(("invoke_agent", "create_agent"), "agent"),
    **dict.fromkeys(("execute_tool",), "tool"),
    **dict.fromkeys(("retrieval", "retrieve"), "retriever"),
    **dict.fromkeys(("rerank",), "reranker"),
    **dict.fromkeys(("invoke_workflow",), "chain"),
}
_TRACELOOP: Final = {"workflow": "chain", "task": "chain", "agent": "agent", "tool": "tool"}

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "provider": ("gen_ai.provider.name", "llm.provider", "gen_ai.system", "llm.system", "llm.vendor"),
    "request_model": ("gen_ai.request.model", "llm.request.model_name", "llm.request.model"),
    "response_model": ("gen_ai.response.model", "llm.response.model_name", "llm.response.model"),
    "temperature": ("gen_ai.request.temperature", "llm.temperature"),
    "max_tokens": ("gen_ai.request.max_tokens", "llm.request.max_tokens"),
    "session_id": ("session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id"),
    "user_id": ("user.id", "enduser.id", "traceloop.association.properties.user_id"),
    "prompt_name": ("gen_ai.prompt.name", "prompt.id", "traceloop.prompt.key"),
    "prompt_version": ("gen_ai.prompt.version", "llm.prompt_template.version", "traceloop.prompt.version"),
}
_COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "taken": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
              "llm.usage.prompt_tokens"),
    "made": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
             "llm.usage.completion_tokens"),
    "total": ("gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens"),
    "read": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
             "llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
    "written": ("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens",
                "gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write"),
    "reasoning": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
                  "llm.token_count.completion_details.reasoning"),
}  # fmt: skip
_PROVIDERS: Final = {
    **dict.fromkeys(("azure.ai.openai", "az.ai.openai", "azure.ai.inference", "az.ai.inference"), "azure"),
    **dict.fromkeys(("aws.bedrock", "aws", "bedrock"), "amazon_bedrock"),
    **dict.fromkeys(("gcp.gemini", "gcp.gen_ai", "gemini", "google"), "google_genai"),
    **dict.fromkeys(("gcp.vertex_ai", "vertexai", "vertex_ai"), "google_vertexai"),
    **dict.fromkeys(("mistral_ai", "mistralai"), "mistral"),
    "x_ai": "xai",
    "ibm.watsonx.ai": "ibm",
}
"""Other conventions' words for providers, in the words that all our handlers use."""
_KEPT: Final = {
    "gen_ai.operation.name": semconv.OPERATION_NAME,
    "gen_ai.response.id": semconv.RESPONSE_ID,
    "gen_ai.tool.call.id": semconv.TOOL_CALL_ID,
    "tool_call.id": semconv.TOOL_CALL_ID,
    "server.address": semconv.SERVER_ADDRESS,
    "gen_ai.request.stop_sequences": semconv.REQUEST_STOP,
    "gen_ai.openai.response.service_tier": semconv.SERVICE_TIER,
    "openai.response.service_tier": semconv.SERVICE_TIER,
    "http.response.status_code": semconv.HTTP_STATUS_CODE,
    "http.status_code": semconv.HTTP_STATUS_CODE,
}
_CLASS_BEFORE: Final = re.compile(r"([A-Z]\w{0,80}(?:Error|Exception|Timeout|Warning|Exit|Interrupt)): ")
_FIRST_TOKEN_EVENTS: Final = frozenset({"First Token Stream Event", "gen_ai.first_token"})


def kind_of(given: Attributes) -> str | None:
    """Our kind of a span with these attributes; None for one that is not about models at all."""
    if (word := given.get("openinference.span.kind")) is not None:
        return _OPENINFERENCE.get(str(word).upper(), "span")
    if (word := given.get("gen_ai.operation.name")) is not None:
        return _OPERATIONS.get(str(word), "span")
    if (word := given.get("traceloop.span.kind")) is not None:
        return _TRACELOOP.get(str(word), "span")
    if (word := given.get("llm.request.type")) is not None:
        return {"embedding": "embedding", "rerank": "reranker"}.get(str(word), "llm")
    if "gen_ai.request.model" in given or "gen_ai.response.model" in given:
        return "llm"
    return None


def span(run: Run, draft: Draft) -> None:
    """A table of contents: each part reads its facts, and one that fails loses its own and no other's."""
    found = run.output if run.output is not None else run.options[0]
    given: Attributes = found.attributes or {}
    failed = []
    for part in (_place, _status, _named, _parameters, _usage, _finish, _content, _first_token, _events):
        try:
            part(run, draft, found, given)
        except Exception:  # noqa: BLE001  these facts are lost and named, the others stay
            failed.append(part.__name__.strip("_"))
    if failed:
        draft.attributes[semconv.EXTRACT_ERRORS] = failed


def _place(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    """Names, and the times as OpenTelemetry has them."""
    draft.facts["kind"] = run.kind or "span"
    draft.facts["name"] = found.name
    draft.facts["framework"] = "opentelemetry"
    if found.start_time is not None:
        draft.start_ns = found.start_time
    if run.end_ns is not None and found.end_time is not None:
        draft.facts["end_ns"] = found.end_time
    if found.instrumentation_scope is not None:
        draft.attributes[semconv.OTEL_SCOPE] = found.instrumentation_scope.name
    theirs = format(found.context.trace_id, "032x")
    if theirs != draft.trace_id:
        draft.attributes[semconv.OTEL_TRACE_ID] = theirs


def _status(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    """A status of error, or an exception that left the span."""
    draft.status = "ok"
    raised = next(
        (e.attributes for e in reversed(found.events) if e.name == "exception" and e.attributes), None
    )
    kind = str(given.get("error.type") or (raised or {}).get("exception.type") or "")
    # Of `openai.RateLimitError`, and of `<class 'openai.RateLimitError'>` as one release writes it.
    word = kind.rstrip("'>").rpartition(".")[2]
    if word in ("CancelledError", "KeyboardInterrupt"):
        draft.status = "cancelled"
    elif word == "GeneratorExit":
        draft.status = "closed_early"
    elif found.status.status_code.name == "ERROR":
        draft.status = "error"
        said = found.status.description or (raised or {}).get("exception.message")
        draft.facts["error_type"] = word or _class_before(said) or "Error"
        draft.facts["error_message"] = said


def _class_before(said: Any) -> str | None:
    """The class in `ValueError: …`, as the SDK writes it; anything else is content, not a type."""
    found = _CLASS_BEFORE.match(said) if isinstance(said, str) else None
    return found[1] if found else None


def _named(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    """Facts that have one name in each dialect."""
    facts = draft.facts
    for fact, names in _NAMES.items():
        value = next((given[name] for name in names if given.get(name) is not None), None)
        if value is not None:
            facts.setdefault(fact, value) if fact in ("session_id", "user_id") else facts.update(
                {fact: value}
            )
    if provider := facts.get("provider"):
        word = str(provider).lower()
        facts["provider"] = _PROVIDERS.get(word, word)
    for name, key in _KEPT.items():
        if (value := given.get(name)) is not None:
            draft.attributes[key] = list(value) if isinstance(value, tuple) else value


def _parameters(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    """OpenInference keeps the request as JSON, and one model name for what was asked and what answered."""
    facts = draft.facts
    asked = given.get("llm.invocation_parameters") or given.get("embedding.invocation_parameters")
    asked = json.loads(asked) if isinstance(asked, str) else {}
    if isinstance(asked, dict):
        facts.setdefault("request_model", asked.get("model") or asked.get("model_name"))
        facts.setdefault("temperature", asked.get("temperature"))
        for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
            if asked.get(name) is not None:
                facts.setdefault("max_tokens", asked[name])
        if asked.get("stream") is not None:
            facts["streamed"] = bool(asked["stream"])
    if (named := given.get("llm.model_name") or given.get("embedding.model_name")) is not None:
        facts.setdefault("response_model" if facts.get("request_model") else "request_model", named)
    streamed = given.get("gen_ai.request.stream", given.get("llm.is_streaming"))
    if streamed is not None:
        facts["streamed"] = bool(streamed)


def _usage(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    if run.kind not in semconv.MODEL_KINDS:
        return
    counts: dict[str, Any] = {
        part: next((n for name in names if (n := count(given.get(name))) is not None), None)
        for part, names in _COUNTS.items()
    }
    taken, made, total = counts.pop("taken"), counts.pop("made"), counts.pop("total")
    usage = normal(taken, made, total, **counts)
    if usage is None:
        draft.facts["usage_source"] = "missing"
        draft.attributes[semconv.USAGE_MISSING_REASON] = (
            "the call has not ended" if run.end_ns is None else "the instrumentation gave no token counts"
        )
        return
    draft.facts.update(usage.facts())
    if run.kind == "embedding" and draft.facts.get("total_tokens") is None:
        draft.facts["total_tokens"] = taken
    if draft.status != "ok":
        draft.facts["usage_source"] = "partial"


def _finish(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    if run.kind != "llm":
        return
    raw = given.get("gen_ai.response.finish_reasons") or given.get("llm.finish_reason")
    raw = raw or given.get("gen_ai.completion.0.finish_reason") or given.get("llm.response.finish_reason")
    if isinstance(raw, str) and raw.startswith("["):
        raw = json.loads(raw)
    if isinstance(raw, list | tuple):
        raw = raw[0] if raw else None
    said = texts.outputs(given, found.events)
    raw = raw or next((message.finish for message in said if message.finish), None)
    calls = [name for message in said for name in message.calls]
    if calls:
        draft.facts["tool_names"] = tuple(calls)
    if raw:
        # OpenTelemetry's own word for a turn that calls tools is in the singular.
        draft.facts["finish_reason"] = finish(str(raw), calls_tools=bool(calls))
        draft.facts["finish_reason_raw"] = str(raw)


def _content(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    draft.inputs = [message.text for message in texts.inputs(given, found.events)]
    draft.outputs = [message.text for message in texts.outputs(given, found.events)]
    if run.kind == "llm":
        system = [said.text for said in draft.inputs if said.role in ("system", "developer")]
        if system:
            draft.facts["prompt_hash"] = "\n".join(system)
        if tools := texts.tools_offered(given):
            draft.attributes[semconv.TOOLS_OFFERED] = tools
    if run.kind in ("retriever", "reranker"):
        documents = texts.documents(given)
        draft.attributes[semconv.DOCUMENT_COUNT] = len(documents)
        draft.attributes[semconv.DOCUMENTS] = [facts for facts, _ in documents]
        draft.outputs = [text for _, text in documents] or draft.outputs
    if run.kind == "embedding":
        draft.outputs = []  # vectors are not text


def _first_token(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    after_s = given.get("gen_ai.response.time_to_first_chunk")
    if after_s is not None:
        draft.facts["time_to_first_token_ms"] = float(after_s) * 1000
    first = next((e.timestamp for e in found.events if e.name in _FIRST_TOKEN_EVENTS), None)
    if first is not None and found.start_time is not None:
        draft.facts.setdefault("time_to_first_token_ms", (first - found.start_time) / 1_000_000)
    if "time_to_first_token_ms" in draft.facts:
        draft.facts["streamed"] = True
    tell_times(draft, draft.start_ns, draft.facts.get("end_ns") if run.kind == "llm" else None)


def _events(run: Run, draft: Draft, found: Any, given: Attributes) -> None:
    """That something happened and when; what stood in it is content, and is read as such."""
    offset_ns = (
        run.trace.offset_ns
    )  # the assembler adds it to times that are monotonic, as ours are elsewhere
    own = [{"name": e.name, "time_ns": e.timestamp - offset_ns} for e in found.events[:200]]
    if own:
        draft.events = [*draft.events, *own]
