"""Chat models, text models and embeddings that follow a script instead of a network.

They report what real providers report, in the places where LangChain puts it: usage, the model that
answered, the finish reason, tool calls; streamed, the first chunk is empty, the finish reason comes in
a chunk of its own and the usage in the last.  Tokens are words and punctuation marks, so that a
reader can count them.
"""

import asyncio
import itertools
import json
import math
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.language_models.llms import BaseLLM
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk, UsageMetadata
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    GenerationChunk,
    LLMResult,
)
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field, PrivateAttr

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])|\s+\Z")
_WORD = re.compile(r"[a-z]{2,}|\d+")
_STOP_WORDS = frozenset(
    {"the", "an", "and", "or", "of", "to", "in", "on", "at", "is", "are", "be", "it", "its", "this", "that",
     "for", "from", "with", "by", "as", "my", "me", "we", "you", "your", "our", "can", "do", "does", "how",
     "what", "when", "which", "who", "will", "would", "have", "has", "had", "was", "not", "if", "no", "any"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BrokenStream:
    """A reply whose connection breaks: a streaming call gets `text` and then `error`, any other `error`."""

    text: str
    error: BaseException


Reply = str | AIMessage | BaseException | BrokenStream | Callable[[list[BaseMessage]], Any]
"""One line of a script: text, a message, an error to raise, or a function of the messages giving one."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A reply made ready to be sent, whole or in chunks."""

    message: AIMessage
    pieces: tuple[str, ...]
    finish_reason: str
    metadata: dict[str, Any]
    usage: UsageMetadata | None
    breaks_with: BaseException | None = None


class _Script(BaseModel):
    """What scripted models of both sorts are told."""

    replies: list[Any] = Field(repr=False, exclude=True, min_length=1)
    """One `Reply` per call, in order; after the last the first comes again."""
    model_name: str = "scripted-1"
    """The model that is asked for."""
    answered_by: str | None = None
    """The model that says it answered, where that is another one."""
    provider: str = "scripted"
    temperature: float | None = None
    max_tokens: int | None = None
    """A longer reply is cut here, with finish reason `length`; `max_tokens=` of a call goes first."""
    delay_s: float = 0.0
    """Time to the first token."""
    chunk_delay_s: float = 0.0
    """Time between streamed tokens."""
    report_usage: bool = True
    """False: give no token counts, as many servers do for streams."""

    _turn: Any = PrivateAttr(default_factory=itertools.count)  # next() on it is atomic

    def _next_reply(self, given: Any) -> str | AIMessage | BrokenStream:
        reply = self.replies[next(self._turn) % len(self.replies)]
        if not isinstance(reply, type) and callable(reply):
            reply = reply(given)
        if isinstance(reply, BaseException):
            raise reply
        if not isinstance(reply, str | AIMessage | BrokenStream):
            raise TypeError(f"a script holds text, messages, errors or functions, not {type(reply).__name__}")
        return reply

    def _params(self) -> dict[str, Any]:
        params = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return {"model_name": self.model_name} | {k: v for k, v in params.items() if v is not None}


class ScriptedChatModel(_Script, BaseChatModel):
    """A chat model that gives the replies of its script, streamed or whole, sync or async.

    A reply given as `AIMessage` keeps its own tool calls, usage and response metadata; whatever it
    does not say is filled in.  Safe to share between threads, but then who gets which reply is open:
    give a function of the messages where that matters.
    """

    @property
    def _llm_type(self) -> str:
        return "scripted-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self._params()

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=self.provider,
            ls_model_type="chat",
            ls_model_name=kwargs.get("model", self.model_name),
        )
        if (temperature := kwargs.get("temperature", self.temperature)) is not None:
            params["ls_temperature"] = temperature
        if (limit := kwargs.get("max_tokens", self.max_tokens)) is not None:
            params["ls_max_tokens"] = limit
        if stop:
            params["ls_stop"] = stop
        return params

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        """Offer the tools in OpenAI's format.  The script alone decides whether they are called."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _answer(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> _Answer:
        reply = self._next_reply(messages)
        breaks_with = reply.error if isinstance(reply, BrokenStream) else None
        if isinstance(reply, BrokenStream):
            reply = reply.text
        message = AIMessage(reply) if isinstance(reply, str) else reply
        tokens = split_tokens(message.text)
        limit = kwargs.get("max_tokens", self.max_tokens)
        is_cut = limit is not None and len(tokens) > limit
        pieces = tokens[:limit] if is_cut else tokens
        finish_reason = "length" if is_cut else "tool_calls" if message.tool_calls else "stop"
        metadata = {
            "model_name": self.answered_by or kwargs.get("model", self.model_name),
            "model_provider": self.provider,
            "finish_reason": finish_reason,
            **message.response_metadata,
        }
        return _Answer(
            message=message,
            pieces=tuple(pieces),
            finish_reason=metadata["finish_reason"],
            metadata=metadata,
            usage=self._usage(messages, message, pieces, kwargs),
            breaks_with=breaks_with,
        )

    def _usage(
        self, messages: list[BaseMessage], message: AIMessage, pieces: Sequence[str], kwargs: dict[str, Any]
    ) -> UsageMetadata | None:
        if message.usage_metadata is not None or not self.report_usage:
            return message.usage_metadata
        # Three tokens of framing for each message, as the chat formats have.
        asked = sum(len(split_tokens(m.text)) + 3 for m in messages)
        asked += sum(len(split_tokens(json.dumps(tool))) for tool in kwargs.get("tools", ()))
        said = len(pieces) + sum(
            len(split_tokens(call["name"] + json.dumps(call["args"]))) for call in message.tool_calls
        )
        return UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)

    def _result(self, answer: _Answer) -> ChatResult:
        if answer.breaks_with is not None:
            raise answer.breaks_with
        content = answer.message.content if answer.finish_reason != "length" else "".join(answer.pieces)
        message = answer.message.model_copy(
            update={
                "content": content,
                "response_metadata": answer.metadata,
                "usage_metadata": answer.usage,
            }
        )
        llm_output: dict[str, Any] = {"model_name": answer.metadata["model_name"]}
        if answer.usage is not None:
            llm_output["token_usage"] = {
                "prompt_tokens": answer.usage["input_tokens"],
                "completion_tokens": answer.usage["output_tokens"],
                "total_tokens": answer.usage["total_tokens"],
            }
        generation = ChatGeneration(message=message, generation_info={"finish_reason": answer.finish_reason})
        return ChatResult(generations=[generation], llm_output=llm_output)

    def _chunks(self, answer: _Answer) -> Iterator[ChatGenerationChunk]:
        yield _chunk("")  # providers open a stream with a chunk that holds the role alone
        for piece in answer.pieces:
            yield _chunk(piece)
        if answer.breaks_with is not None:
            raise answer.breaks_with
        for index, call in enumerate(answer.message.tool_calls):
            yield _chunk("", tool_call_chunks=[_call_chunk(index, call["id"], call["name"], "")])
            yield _chunk("", tool_call_chunks=[_call_chunk(index, None, None, json.dumps(call["args"]))])
        yield _chunk("", response_metadata=answer.metadata)
        yield _chunk("", usage_metadata=answer.usage, chunk_position="last")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        time.sleep(self.delay_s)
        return self._result(self._answer(messages, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(self.delay_s)
        return self._result(self._answer(messages, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        time.sleep(self.delay_s)
        for chunk in self._chunks(self._answer(messages, kwargs)):
            yield chunk
            if self.chunk_delay_s:
                time.sleep(self.chunk_delay_s)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        await asyncio.sleep(self.delay_s)
        for chunk in self._chunks(self._answer(messages, kwargs)):
            yield chunk
            if self.chunk_delay_s:
                await asyncio.sleep(self.chunk_delay_s)


class ScriptedLLM(_Script, BaseLLM):
    """A text model (prompt in, text out) that gives the replies of its script.

    Like the legacy completion clients it reports usage and model in `llm_output` alone, and in a
    stream not at all.
    """

    @property
    def _llm_type(self) -> str:
        return "scripted-llm"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self._params()

    def _text(self, prompt: str, kwargs: dict[str, Any]) -> tuple[tuple[str, ...], str]:
        """The tokens of the reply and the finish reason."""
        reply = self._next_reply(prompt)
        if isinstance(reply, BrokenStream):
            raise reply.error
        tokens = split_tokens(reply if isinstance(reply, str) else reply.text)
        limit = kwargs.get("max_tokens", self.max_tokens)
        if limit is not None and len(tokens) > limit:
            return tuple(tokens[:limit]), "length"
        return tuple(tokens), "stop"

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        time.sleep(self.delay_s)
        answers = [self._text(prompt, kwargs) for prompt in prompts]
        llm_output: dict[str, Any] = {"model_name": self.answered_by or self.model_name}
        if self.report_usage:
            asked = sum(len(split_tokens(prompt)) for prompt in prompts)
            said = sum(len(tokens) for tokens, _ in answers)
            llm_output["token_usage"] = {
                "prompt_tokens": asked,
                "completion_tokens": said,
                "total_tokens": asked + said,
            }
        return LLMResult(
            generations=[
                [Generation(text="".join(tokens), generation_info={"finish_reason": reason})]
                for tokens, reason in answers
            ],
            llm_output=llm_output,
        )

    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        time.sleep(self.delay_s)
        tokens, reason = self._text(prompt, kwargs)
        for number, token in enumerate(tokens, start=1):
            info = {"finish_reason": reason} if number == len(tokens) else None
            chunk = GenerationChunk(text=token, generation_info=info)
            if run_manager is not None:  # for text models, unlike chat models, that is the model's task
                run_manager.on_llm_new_token(token, chunk=chunk)
            yield chunk
            if self.chunk_delay_s:
                time.sleep(self.chunk_delay_s)


class ScriptedEmbeddings(Embeddings):
    """Bag-of-words vectors: texts that share words are near, in every run and on every machine."""

    def __init__(self, *, dimensions: int = 512) -> None:
        self.dimensions = dimensions

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """A vector of length 1; all zeros but the first where the text has no word."""
        vector = [0.0] * self.dimensions
        for word in _WORD.findall(text.lower()):
            if word not in _STOP_WORDS:
                stem = word.removesuffix("s").removesuffix("e")
                vector[zlib.crc32(stem.encode()) % self.dimensions] += 1.0
        norm = math.hypot(*vector)
        if not norm:
            return [1.0, *vector[1:]]
        return [value / norm for value in vector]


def split_tokens(text: str) -> list[str]:
    """Cut a text into words and punctuation marks with their leading space; joined they are the text."""
    return _TOKEN.findall(text)


def _chunk(text: str, **fields: Any) -> ChatGenerationChunk:
    message = AIMessageChunk(content=text, **fields)
    info = fields.get("response_metadata")
    return ChatGenerationChunk(message=message, generation_info=dict(info) if info else None)


def _call_chunk(index: int, call_id: str | None, name: str | None, args: str) -> ToolCallChunk:
    return ToolCallChunk(index=index, id=call_id, name=name, args=args, type="tool_call_chunk")
