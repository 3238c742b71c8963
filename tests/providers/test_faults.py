"""A reader that fails loses its own fact: the span stays, says which, and has all the others."""

from collections import UserDict
from types import SimpleNamespace

import pytest

from spanscope import semconv
from spanscope.handlers import _langchain_model as model

from . import wire
from .wire import Said

TOLD = {
    "request_model": "request_model",
    "response_model": "response_model",
    "provider": "provider",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "usage": "input_tokens",
    "finish_reason": "finish_reason",
    "tool_calls": "tool_names",
}
"""A field of the span that each reader gives; the others give attributes."""


GROUPS = ("FACTS", "ATTRIBUTES", "BOTH")
READERS = [
    pytest.param(group, reader, id=reader.__name__) for group in GROUPS for reader in getattr(model, group)
]


@pytest.mark.parametrize(("group", "broken"), READERS)
def test_one_failure_costs_one_fact(call, monkeypatch, group, broken):
    def fail(_):
        raise AttributeError("the payload has another shape")

    fail.__name__ = broken.__name__
    readers = getattr(model, group)
    monkeypatch.setattr(model, group, tuple(fail if one is broken else one for one in readers))
    monkeypatch.setattr(model, "_chosen", {})
    said = Said(text="", tools=(("look_up", '{"city": "Paris"}'),), finish="tool_calls")
    span = call("openai", wire.CHAT.whole(said), tools=True)
    assert span.attributes[semconv.EXTRACT_ERRORS] == [broken.__name__]
    given = {name for name, field in TOLD.items() if getattr(span, field)}
    assert given == TOLD.keys() - {broken.__name__}


class Raising(UserDict):
    """A mapping that cannot be read."""

    def get(self, key, default=None):
        raise RuntimeError("no")


@pytest.mark.parametrize("place", ["response_metadata", "llm_output", "usage"])
def test_a_place_that_cannot_be_read_costs_what_stands_there(place):
    answer = model.Answer(
        message=SimpleNamespace(id="msg_1", additional_kwargs={}),
        content="It rains.",
        usage={"input_tokens": 47, "output_tokens": 12, "total_tokens": 59},
        response_metadata={"model_name": "model-that-answered", "finish_reason": "stop"},
        tool_calls=[{"name": "look_up", "args": {}}],
        invalid_tool_calls=[],
        generation_info={},
        llm_output={},
    )._replace(**{place: Raising({"a": 1})})
    facts, attributes = {}, {}
    failed = model.read(
        model.Call({"temperature": 0.5}, {"ls_model_name": "model-asked-for"}, answer), facts, attributes
    )
    assert failed
    assert (facts["request_model"], facts["temperature"]) == ("model-asked-for", 0.5)
