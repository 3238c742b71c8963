"""LangChain's own form of usage, as its clients have filled it over the years: one call, the same counts."""

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spanscope.handlers import _langchain_model as model
from spanscope.handlers import _langchain_request as request
from spanscope.handlers._langchain_model import Answer
from spanscope.handlers._langchain_usage import usage_facts

TAKEN = {"input_tokens": 160, "output_tokens": 30, "total_tokens": 190}
BESIDE = {"input_tokens": 100, "output_tokens": 30, "total_tokens": 130}
RAW = {
    "input_tokens": 100,
    "cache_read_input_tokens": 40,
    "cache_creation_input_tokens": 20,
    "output_tokens": 30,
}
PARTS = {"cache_read": 40, "cache_creation": 20}
LIVES = {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0}
SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "langchain-openai": (TAKEN | {"input_token_details": PARTS}, {}),
    "langchain-openai, served as flex": (
        TAKEN | {"input_token_details": {"flex_cache_read": 40, "flex_cache_creation": 20, "flex": 120}},
        {},
    ),
    "langchain-anthropic before 0.2.3": (BESIDE, {"usage": RAW}),
    "langchain-anthropic 0.3": (TAKEN | {"input_token_details": PARTS | LIVES}, {"usage": RAW}),
    "langchain-anthropic 1": (
        TAKEN | {"input_token_details": {"cache_read": 40, "cache_creation": 0, **LIVES}},
        {"usage": RAW},
    ),
    "langchain-anthropic 1, streamed": (
        TAKEN | {"input_token_details": {"cache_read": 40, "cache_creation": 0, **LIVES}},
        {},
    ),
    "langchain-aws 0.2": (BESIDE | {"total_tokens": 190, "input_token_details": PARTS}, {}),
    "langchain-aws 1": (TAKEN | {"input_token_details": PARTS}, {}),
    "no usage_metadata, OpenAI's raw": (
        {},
        {"token_usage": {"prompt_tokens": 160, "completion_tokens": 30, "total_tokens": 190,
                         "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 20}}},
    ),
    "no usage_metadata, Anthropic's raw": ({}, {"usage": RAW}),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_version_gives_the_same_counts(shape):
    given, told = SHAPES[shape]
    answer = Answer(SimpleNamespace(), "", given or None, told, [], [], {}, {})
    facts, _ = usage_facts(answer, None)
    assert (facts["input_tokens"], facts["output_tokens"], facts["total_tokens"]) == (160, 30, 190)
    assert (facts["cache_read_tokens"], facts["cache_write_tokens"]) == (40, 20)
    assert facts["usage_source"] == "provider"


def _names_spelled(*modules):
    """Every name that the source of these modules spells."""
    constants = (
        node.value
        for module in modules
        for node in ast.walk(ast.parse(Path(module.__file__).read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return sorted({text for text in constants if text.isidentifier()})


NESTED = {
    "tools": [{"name": "look_up"}],
    "temperature": 0.5,
    "max_tokens": 7,
    "cost": 0.25,
    "service_tier": "flex",
    "type": "flex",
    "flex": 7,
    "x-request-id": "request-1",
    "RequestId": "request-1",
}
VALUES = ("said", 7, ["said"], NESTED)


@pytest.mark.parametrize("name", _names_spelled(model, request))
def test_no_reader_is_left_out_that_would_have_found_something(name):
    """Which readers are asked is told by the names that stand in a call: here one of them, in each place."""
    nowhere = Answer(None, "", None, {}, None, None, {}, {})
    for value in VALUES:
        given = {name: value}
        for call in (
            model.Call(given, {}, None),
            model.Call({}, given, None),
            *(
                model.Call({}, {}, nowhere._replace(**{place: given}))
                for place in ("usage", "response_metadata", "generation_info", "llm_output")
            ),
        ):
            for asked, readers in zip(model._readers(call), (model.FACTS, model.ATTRIBUTES), strict=True):
                left_out = set(readers) - set(asked)
                assert [one.__name__ for one in left_out if one(call)] == []
