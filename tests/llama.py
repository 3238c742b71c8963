"""Small LlamaIndex applications for the tests: models that follow a script, an index, a rerank step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.llms import MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import ToolSelection
from pydantic import PrivateAttr

from spanscope.llama_index import ObsHandler
from spanscope.testing import MemoryBackend

USAGE = {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34}
PAGES = {
    "returns": "Unused lamps can be sent back within 30 days.",
    "warranty": "Kettles have a warranty of two years.",
}


@contextmanager
def recording(folder: Path, **settings: Any) -> Iterator[ObsHandler]:
    """A handler with a store of its own, attached inside the block."""
    handler = ObsHandler(store=folder / "spans.db", backends=[MemoryBackend()], **settings)
    with handler:
        yield handler
    handler.runtime.shutdown(2.0)


def openai_raw(text: str, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A response as OpenAI's API gives it."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "scripted-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": USAGE,
        **more,
    }


class Scripted(FunctionCallingLLM):
    """Answers with the next of its replies: a text, tool selections, or an exception that is raised."""

    replies: list[Any]
    name: str = "scripted-1"
    _taken: int = PrivateAttr(default=0)

    @classmethod
    def class_name(cls) -> str:
        return "Scripted"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True, model_name=self.name)

    def _next(self) -> ChatResponse:
        reply = self.replies[min(self._taken, len(self.replies) - 1)]
        self._taken += 1
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, str):
            return ChatResponse(
                message=ChatMessage(role="assistant", content=reply), raw=openai_raw(reply), delta=reply
            )
        message = ChatMessage(role="assistant", content="", additional_kwargs={"calls": reply})
        return ChatResponse(message=message, raw=openai_raw("", "tool_calls"), delta="")

    def _prepare_chat_with_tools(
        self, tools: Sequence[Any], user_msg: Any = None, chat_history: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        asked = list(chat_history or [])
        if user_msg is not None:
            asked.append(ChatMessage(role="user", content=str(user_msg)))
        return {"messages": asked, "tools": [{"function": {"name": t.metadata.name}} for t in tools]}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        return list(response.message.additional_kwargs.get("calls", []))

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._next()

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self._next()

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        def words() -> Iterator[ChatResponse]:
            yield from self._pieces()

        return words()

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        async def words() -> Any:
            for piece in self._pieces():
                yield piece

        return words()

    def _pieces(self) -> Iterator[ChatResponse]:
        whole = self._next()
        words = (whole.message.content or "").split(" ")
        for number in range(1, len(words) + 1):
            said = " ".join(words[:number])
            message = ChatMessage(
                role="assistant", content=said, additional_kwargs=whole.message.additional_kwargs
            )
            last = number == len(words)
            yield ChatResponse(
                message=message,
                delta=words[0] if number == 1 else f" {words[number - 1]}",
                raw=whole.raw if last else {},
            )

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        said = self.chat([ChatMessage(role="user", content=prompt)], **kwargs)
        return CompletionResponse(text=said.message.content or "", raw=said.raw)

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        said = await self.achat([ChatMessage(role="user", content=prompt)], **kwargs)
        return CompletionResponse(text=said.message.content or "", raw=said.raw)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        def words() -> Iterator[CompletionResponse]:
            for piece in self.stream_chat([ChatMessage(role="user", content=prompt)]):
                yield CompletionResponse(text=piece.message.content or "", delta=piece.delta, raw=piece.raw)

        return words()

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        async def words() -> Any:
            async for piece in await self.astream_chat([ChatMessage(role="user", content=prompt)]):
                yield CompletionResponse(text=piece.message.content or "", delta=piece.delta, raw=piece.raw)

        return words()


def call(name: str, call_id: str = "call-1", **arguments: Any) -> list[ToolSelection]:
    """A reply that calls one tool."""
    return [ToolSelection(tool_id=call_id, tool_name=name, tool_kwargs=arguments)]


def index(**pages: str) -> VectorStoreIndex:
    """An index of a few pages, made with an embedding that makes all alike."""
    documents = [Document(text=text, id_=name) for name, text in (pages or PAGES).items()]
    return VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=4))


def mock() -> MockLLM:
    return MockLLM(max_tokens=3)
