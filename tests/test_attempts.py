"""Retries and fallbacks: which attempt it was, what failed, and what was tried next."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from recording import handler_in, recorded


class Flaky(FakeListChatModel):
    """A model that fails some times before it answers."""

    responses: list[str] = ["It rains."]
    name: str = "flaky"
    model_name: str = "flaky-1"
    fails: int = 2
    calls: int = 0

    def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
        return {"ls_provider": "tests", "ls_model_name": self.model_name, "ls_model_type": "chat"}

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self.calls += 1
        if self.calls <= self.fails:
            raise ConnectionError("the provider hung up")
        message = AIMessage(
            "It rains.", usage_metadata={"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


OTHER = {"model_name": "steady-1", "name": "steady", "fails": 0}
AGAIN = {"stop_after_attempt": 3, "wait_exponential_jitter": False}


def told(handler):
    (group,) = recorded(handler).attempts
    return [
        (one.number, one.of, one.error_type, one.then, one.next and one.next.request_model) for one in group
    ]


RETRIED = [
    (1, 3, "ConnectionError", "retry", "flaky-1"),
    (2, 3, "ConnectionError", "retry", "flaky-1"),
    (3, 3, None, None, None),
]
FELL_BACK = [(1, 2, "ConnectionError", "fallback", "steady-1"), (2, 2, None, None, None)]


@pytest.fixture
def handler(tmp_path):
    made = handler_in(tmp_path)
    yield made
    made.runtime.shutdown()


@pytest.fixture
def asked(handler):
    def ask(runnable, question="hi"):
        runnable.invoke(question, {"callbacks": [handler]})
        return told(handler)

    return ask


def test_retries_are_numbered(asked):
    assert asked(Flaky().with_retry(**AGAIN)) == RETRIED


def test_retries_inside_a_chain_are_numbered(asked):
    assert (
        asked(ChatPromptTemplate.from_template("{q}") | Flaky().with_retry(**AGAIN), {"q": "hi"}) == RETRIED
    )


def test_a_fallback_is_another_model(asked):
    assert asked(Flaky(fails=9).with_fallbacks([Flaky(**OTHER)])) == FELL_BACK


def test_retries_before_a_fallback_are_one_group_each(handler):
    """The wrapper of the retries stands between: it is what fell back."""
    chain = Flaky(fails=9).with_retry(**AGAIN).with_fallbacks([Flaky(**OTHER)])
    chain.invoke("hi", {"callbacks": [handler]})
    trace = recorded(handler)
    (retries,) = trace.attempts
    assert [one.number for one in retries] == [1, 2, 3]
    assert trace.totals.errors >= 3


@pytest.mark.parametrize(
    ("middleware", "fails", "wanted"),
    [
        (lambda: ModelRetryMiddleware(max_retries=3, initial_delay=0, jitter=False), 2, RETRIED),
        (lambda: ModelFallbackMiddleware(Flaky(**OTHER)), 9, FELL_BACK),
    ],
    ids=["retry", "fallback"],
)
def test_the_middleware_of_agents_is_seen(asked, middleware, fails, wanted):
    agent = create_agent(Flaky(fails=fails), middleware=[middleware()])
    assert asked(agent, {"messages": [("user", "hi")]}) == wanted


def test_calls_that_are_not_attempts_are_in_no_group(handler):
    def twice(question):
        return [Flaky(fails=0).invoke(question), Flaky(fails=0).invoke(question)]

    RunnableLambda(twice).invoke("hi", {"callbacks": [handler]})
    assert recorded(handler).attempts == ()


def test_another_question_after_a_failure_is_no_attempt(handler):
    def go_on(question):
        try:
            return Flaky().invoke(question)
        except ConnectionError:
            return Flaky(fails=0).invoke("something else")

    RunnableLambda(go_on).invoke("hi", {"callbacks": [handler]})
    assert recorded(handler).attempts == ()


class Strict(BaseOutputParser[str]):
    """Refuses the first answer."""

    refused: bool = False

    def parse(self, text: str) -> str:
        if not self.refused:
            self.refused = True
            raise OutputParserException("not like this")
        return text


def test_totals_hold_what_failed_attempts_have_used(handler):
    """The first answer was paid for, though nobody could parse it."""
    chain = (Flaky(fails=0) | Strict()).with_retry(**AGAIN)
    chain.invoke("hi", {"callbacks": [handler]})
    totals = recorded(handler).totals
    assert (totals.llm_calls, totals.input_tokens, totals.output_tokens) == (2, 20, 10)
