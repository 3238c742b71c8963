"""A streaming query engine and an agent of LlamaIndex, recorded, and the faulty answer explained.

    python integrations/llama_index/example.py

Runs offline: the model follows a script and the embedding counts words.  Put yours in their place and nothing
else changes.  Records into the default store, `.spanscope/spans.db` below the current folder.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import ReActAgent
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.tools import FunctionTool

from spanscope import debug_trace, open_store
from spanscope.llama_index import ObsHandler

PAGES = {
    "returns": "Returns: unused lamps can be sent back within 30 days, in their box, with the receipt.",
    "warranty": "Warranty: lamps five years, kettles two, from the day of delivery.",
    "shipping": "Shipping is free from 40 euros on.",
}
WORDS = ("return", "lamp", "back", "warranty", "kettle", "year", "shipping", "free", "euro")


class WordCounts(BaseEmbedding):
    """As many dimensions as there are words that matter."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(text.lower().count(word)) + 0.01 for word in WORDS]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class ScriptedLLM(CustomLLM):
    """Says its replies one after the other, each cut at `max_tokens` words, as OpenAI's API reports it."""

    replies: Sequence[str]
    max_tokens: int = 40
    said: int = 0

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="scripted-1", num_output=self.max_tokens)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        *_, last = self._chunks(prompt)
        return last

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return self._chunks(prompt)

    def _chunks(self, prompt: str) -> Iterator[CompletionResponse]:
        words = self.replies[self.said % len(self.replies)].split(" ")
        self.said += 1
        shown = words[: self.max_tokens]
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(shown)}
        reason = "length" if len(words) > len(shown) else "stop"
        for number, word in enumerate(shown, start=1):
            last = number == len(shown)
            raw = {"model": "scripted-1", "choices": [{"finish_reason": reason if last else None}]}
            text = " ".join(shown[:number])
            delta = word if number == 1 else f" {word}"
            yield CompletionResponse(text=text, delta=delta, raw=raw | ({"usage": usage} if last else {}))


def pages() -> VectorStoreIndex:
    documents = [Document(text=text, id_=name) for name, text in PAGES.items()]
    return VectorStoreIndex.from_documents(documents, embed_model=WordCounts())


def find_order(number: str) -> str:
    """Look an order up by its number."""
    return f"Order {number}: one kettle, delivered on 14 March."


async def ask_agent() -> str:
    """An agent that looks an order up and then answers."""
    model = ScriptedLLM(
        replies=[
            'Thought: I have to look it up.\nAction: find_order\nAction Input: {"number": "LO-20417"}',
            "Thought: I can answer now.\nAnswer: Your kettle came on 14 March: its warranty still runs.",
        ]
    )
    agent = ReActAgent(
        name="orders", tools=[FunctionTool.from_defaults(find_order)], llm=model, streaming=False
    )
    return str(await agent.run("Is my kettle covered?"))


def main() -> None:
    index = pages()
    with (
        ObsHandler(service="shop", environment="example") as handler,
        instrument_tags({"session_id": "visit-1", "user_id": "sam.carter"}),
    ):
        print(asyncio.run(ask_agent()))
        agent_trace = handler.last_trace_id

        # The planted fault: the answer does not fit into the tokens that it may have.
        model = ScriptedLLM(
            replies=["Pack the lamp in its box, add the receipt, print the label, send it within 30 days."],
            max_tokens=8,
        )
        engine = index.as_query_engine(llm=model, streaming=True, similarity_top_k=2)
        for token in engine.query("How do I send a lamp back?").response_gen:
            print(token, end="")
        print()
        answer_trace = handler.last_trace_id

    if not handler.flush(timeout=5.0):
        raise SystemExit("not everything is in the store: see `spanscope doctor`")

    with open_store() as store:
        trace = store.trace(agent_trace)
    print(f"\n{trace.root.name}: {trace.totals.llm_calls} model calls, {len(trace.spans)} spans")
    print(debug_trace(answer_trace, expected_model="scripted-1"))


if __name__ == "__main__":
    main()
