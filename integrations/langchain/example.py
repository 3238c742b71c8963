"""A RAG chain and a LangGraph agent, recorded, and the faulty answer explained.

    python integrations/langchain/example.py

Runs offline: the models follow a script.  Put `init_chat_model("…")` in their place and nothing else
changes.  Records into the default store, `.spanscope/spans.db` below the current folder.
"""

from typing import Any

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore

from spanscope import ObsHandler, debug_trace, open_store
from spanscope.testing import ScriptedChatModel, ScriptedEmbeddings

PAGES = {
    "returns": "Returns: unused lamps can be sent back within 30 days, in their box, with the receipt.",
    "warranty": "Warranty: lamps five years, kettles two, from the day of delivery.",
    "shipping": "Shipping is free from 40 euros on.",
}
PROMPT = ChatPromptTemplate.from_messages([("system", "Answer from:\n\n{pages}"), ("human", "{question}")])


def rag_chain(model: Any) -> Any:
    """Question in, answer out."""
    store = InMemoryVectorStore(ScriptedEmbeddings())
    store.add_documents([Document(text, id=name) for name, text in PAGES.items()])
    retriever = store.as_retriever(search_kwargs={"k": 2})

    def as_text(documents: list[Document]) -> str:
        return "\n\n".join(document.page_content for document in documents)

    return (
        {"pages": retriever | as_text, "question": RunnablePassthrough()} | PROMPT | model | StrOutputParser()
    ).with_config(run_name="faq")


@tool
def find_order(number: str) -> str:
    """Look an order up by its number."""
    return f"Order {number}: one kettle, delivered on 14 March."


def order_agent() -> Any:
    """An agent that looks an order up and then answers."""
    call = {"name": "find_order", "args": {"number": "LO-20417"}, "id": "call-1"}
    model = ScriptedChatModel(
        replies=[AIMessage("", tool_calls=[call]), "Your kettle came on 14 March: its warranty still runs."]
    )
    return create_agent(model, [find_order], name="orders")


def main() -> None:
    handler = ObsHandler(service="shop", environment="example")
    config = {"callbacks": [handler], "metadata": {"session_id": "visit-1", "user_id": "sam.carter"}}

    print(
        order_agent().invoke({"messages": [("human", "Is my kettle covered?")]}, config)["messages"][-1].text
    )
    agent_trace = handler.last_trace_id

    # The planted fault: the answer does not fit into the tokens that it may have.
    model = ScriptedChatModel(
        replies=["Pack the lamp in its box, add the receipt, print the label and send it within 30 days."],
        max_tokens=8,
    )
    print(rag_chain(model).invoke("How do I send a lamp back?", config))
    rag_trace = handler.last_trace_id

    if not handler.flush(timeout=5.0):
        raise SystemExit("not everything is in the store: see `spanscope doctor`")

    with open_store() as store:
        trace = store.trace(agent_trace)
    print(f"\n{trace.root.name}: {trace.totals.llm_calls} model calls, {len(trace.spans)} spans")
    print(debug_trace(rag_trace, expected_model="scripted-1"))


if __name__ == "__main__":
    main()
