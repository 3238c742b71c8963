"""Every fact of a call, through the real client of each provider, against what the provider's bytes say."""

import pytest

from spanscope import semconv

from .cases import TRIED, answers, expected

CASES = [
    pytest.param(
        name, kind, said, reason, streamed, id=f"{name}, {kind}, {'streamed' if streamed else 'whole'}"
    )
    for name, tried in TRIED.items()
    for kind, said, reason in answers(tried)
    for streamed in (False, True)
]


@pytest.mark.parametrize(("name", "kind", "said", "reason", "streamed"), CASES)
def test_the_span_says_what_the_bytes_say(call, name, kind, said, reason, streamed):
    """A count of 0 may be unknown, for some clients leave zeros out; nothing else may differ."""
    tried = TRIED[name]
    reply = (tried.wire.stream if streamed else tried.wire.whole)(said)
    span = call(name, reply, streamed=streamed, tools=kind == "tools")
    wanted = expected(tried, said, reason, streamed=streamed)
    found = {fact: getattr(span, fact) for fact in wanted}
    assert {fact: value for fact, value in found.items() if value is not None or wanted[fact] != 0} == {
        fact: value for fact, value in wanted.items() if found[fact] is not None or value != 0
    }
    assert semconv.EXTRACT_ERRORS not in span.attributes
    if streamed:
        assert span.streamed
    if streamed and (said.text or said.tools):
        assert 0 < span.time_to_first_token_ms <= span.duration_ms
    if said.tools:
        assert span.attributes[semconv.TOOLS_OFFERED] == ["look_up"]
        assert all(called["args_valid"] for called in span.attributes[semconv.TOOL_CALLS])


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status", [400, 401, 429])
@pytest.mark.parametrize("name", TRIED)
def test_a_refused_call_says_its_status(failed_call, name, status, streamed):
    span = failed_call(name, TRIED[name].wire.error(status), streamed=streamed)
    assert span.status == "error"
    told = not (name == "watsonx" and streamed)  # There it stands in the message alone.
    assert span.attributes.get(semconv.HTTP_STATUS_CODE) == (status if told else None)
    assert span.error_type
    assert span.usage_source == "missing"
    assert span.attributes[semconv.USAGE_MISSING_REASON] == "the call failed before it answered"
    assert (span.input_tokens, span.output_tokens, span.finish_reason) == (None, None, None)
    assert span.request_model == TRIED[name].model
    if name == "openai":
        assert span.attributes[semconv.REQUEST_ID] == "req_1"
        assert span.attributes[semconv.RATE_LIMITS] == {
            "x-ratelimit-remaining-requests": "0", "retry-after": "7"
        }  # fmt: skip
