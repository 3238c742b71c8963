"""What is measured: four programs in which the framework, not the model, takes the time.

The model returns a message that was prepared beforehand, the retriever the same four documents, the
tool a short string.  So whatever a handler adds stands out, and nothing waits for a network.

Used by `run`; knows nothing of handlers and clocks.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.tools import tool

CHUNKS = 200
MODEL_STEPS = 6
HISTORY_BYTES = 50_000
HISTORY_MESSAGES = 20

USAGE = {"input_tokens": 812, "output_tokens": 46, "total_tokens": 858}
RESPONSE = {"model_name": "prepared-1", "finish_reason": "stop"}
PARAGRAPH = "A lamp may be sent back within 30 days of its purchase, in its box and with the receipt. "


@dataclass(frozen=True, slots=True)
class Workload:
    """One program, and how many runs of it make a window that a clock can measure."""

    name: str
    runs: int
    """Runs in one window."""
    window: Callable[[int, list[Any]], None]
    """Run it so many times with these callbacks, on the calling thread."""
    limit_us: float | None = None
    """Added CPU on the caller's path per span that the project allows itself, in µs."""
    limit_ratio: float | None = None
    """The same as a multiple of what a handler that does nothing adds."""
    units: int | None = None
    """Divide by this many per run (the tokens of a stream) instead of by the spans."""


class PreparedModel(BaseChatModel):
    """Answers with the next of its messages; which one is told by the answers already in the input."""

    answers: list[AIMessage]
    model_name: str = "prepared-1"

    @property
    def _llm_type(self) -> str:
        return "prepared"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[{"type": "function", "function": {"name": one.name}} for one in tools])

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        step = 0 if len(self.answers) == 1 else sum(1 for message in messages if message.type == "ai")
        # A copy, because LangChain writes the run's id into the message.
        return ChatResult(generations=[ChatGeneration(message=self.answers[step].model_copy())])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return self._generate(messages)


class PreparedStream(PreparedModel):
    """Streams words of one length, then the usage."""

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for _ in range(CHUNKS - 1):
            yield ChatGenerationChunk(message=AIMessageChunk(content="word "))
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=USAGE, response_metadata=RESPONSE)
        )

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages):
            yield chunk


class PreparedRetriever(BaseRetriever):
    """Finds the same four documents whatever is asked."""

    found: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.found

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.found


def workloads() -> list[Workload]:
    """Everything that is measured, in the order of the table."""
    chain = rag_chain()
    agent = tool_agent()
    stream = PreparedStream(answers=[_answer()])
    questions = map("How long may I keep the lamp, in case {}?".format, itertools.count())
    short = [HumanMessage("Hello."), AIMessage("Hello, how can I help?")]

    def rag(runs: int, callbacks: list[Any]) -> None:
        for _ in range(runs):
            chain.invoke({"question": next(questions), "history": short}, {"callbacks": callbacks})

    def rag_async(runs: int, callbacks: list[Any]) -> None:
        async def calls() -> None:
            for _ in range(runs):
                await chain.ainvoke({"question": next(questions), "history": short}, {"callbacks": callbacks})

        asyncio.run(calls())

    def rag_history(runs: int, callbacks: list[Any]) -> None:
        # One conversation for each window: its history is new once and then sent again with each turn.
        past = history(next(questions))
        for _ in range(runs):
            chain.invoke({"question": next(questions), "history": past}, {"callbacks": callbacks})

    def agent_steps(runs: int, callbacks: list[Any]) -> None:
        for _ in range(runs):
            agent.invoke({"messages": [HumanMessage(next(questions))]}, {"callbacks": callbacks})

    def tokens(runs: int, callbacks: list[Any]) -> None:
        for _ in range(runs):
            for _chunk in stream.stream(next(questions), {"callbacks": callbacks}):
                pass

    return [
        Workload("RAG chain", 3, rag, limit_us=15),
        Workload("RAG chain, async", 3, rag_async, limit_us=15),
        Workload("RAG chain, history of 50 KB", 3, rag_history, limit_us=15),
        Workload("agent, 6 model and 5 tool steps", 1, agent_steps, limit_us=30),
        Workload(f"stream of {CHUNKS} chunks (per token)", 2, tokens, limit_ratio=1.3, units=CHUNKS),
    ]


def rag_chain() -> Runnable[Any, str]:
    """Retrieve, fill in the prompt, ask, parse: ten spans."""
    retriever = PreparedRetriever(
        found=[
            Document(
                f"{number}. {PARAGRAPH * 5}", id=f"faq-{number}", metadata={"source": f"faq.md#{number}"}
            )
            for number in range(4)
        ]
    )
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Answer from the context alone.\n\n{context}"),
            MessagesPlaceholder("history"),
            ("human", "{question}"),
        ]
    )
    search: Runnable[Any, str] = (lambda given: given["question"]) | retriever | _as_text
    return (
        RunnablePassthrough.assign(context=search)
        | prompt
        | PreparedModel(answers=[_answer()])
        | StrOutputParser()
    )


def tool_agent() -> Any:
    """An agent that looks something up five times and then answers."""
    calls = [
        _answer(
            content="",
            tool_calls=[{"name": "look_up", "args": {"order": f"LO-{step}"}, "id": f"call-{step}"}],
        )
        for step in range(MODEL_STEPS - 1)
    ]
    return create_agent(PreparedModel(answers=[*calls, _answer()]), [look_up], system_prompt="Be brief.")


def history(topic: str) -> list[BaseMessage]:
    """Alternating messages of human and model, 50 KB in all."""
    size = HISTORY_BYTES // HISTORY_MESSAGES
    texts = [f"{number} {topic} {PARAGRAPH * (size // len(PARAGRAPH) + 1)}"[:size] for number in range(20)]
    return [HumanMessage(text) if number % 2 == 0 else AIMessage(text) for number, text in enumerate(texts)]


@tool
def look_up(order: str) -> str:
    """Find an order by its number."""
    return f"Order {order}: one lamp, delivered on 3 March, paid."


def _as_text(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


def _answer(content: str = PARAGRAPH, **more: Any) -> AIMessage:
    return AIMessage(content, usage_metadata=USAGE, response_metadata=RESPONSE, **more)
