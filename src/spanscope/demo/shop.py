"""The application that the demo records: a lamp and kettle shop's questions answered two ways.

An ordinary LangChain application, as its author would write it: a RAG chain over the shop's help
pages and an agent with tools over its orders.  Nothing here knows that it is recorded.

Used by the demo alone; needs `spanscope[demo]`.
"""

from datetime import date
from typing import Any

from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore

from spanscope.testing import ScriptedEmbeddings

HELP_PAGES = {
    "returns": (
        "Returns. You can return an unused lamp or kettle within 30 days of delivery. Keep the box. "
        "The refund goes to the card you paid with, within five working days after the parcel reached us."
    ),
    "return-steps": (
        "How to send a parcel back. Open your order, choose the items, print the return label, pack the "
        "items in their box, hand the parcel in at a post office and keep the receipt until you are refunded."
    ),
    "warranty": (
        "Warranty. Kettles have a warranty of two years, lamps one of five years, from the day of delivery. "
        "Bulbs and limescale are not covered."
    ),
    "repairs": "Repairs. A kettle that leaks is repaired for free while under warranty; it takes ten days.",
    "shipping": "Shipping. Orders before noon leave on the same day. Shipping is free from 40 euros on.",
    "opening-hours": "The shop in Harbour Street is open from Tuesday to Saturday, ten to six.",
}
ORDERS = {"LO-20417": {"item": "Gooseneck kettle", "delivered": "2025-03-14", "price_eur": 79}}
WARRANTY_YEARS = {"kettle": 2, "lamp": 5}

FAQ_PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "You answer customers of a lamp and kettle shop from these help pages:\n\n{pages}"),
        ("human", "{question}"),
    ]
)
AGENT_PROMPT = (
    "You help customers of a lamp and kettle shop. Look the order up before you answer; never guess a date."
)


def faq_chain(model: Runnable[Any, Any]) -> Runnable[str, str]:
    """Question in, answer out: retrieve two help pages, fill the prompt, ask the model."""
    pages = InMemoryVectorStore(ScriptedEmbeddings())
    pages.add_documents(
        [
            Document(id=name, page_content=text, metadata={"source": f"help/{name}.md"})
            for name, text in HELP_PAGES.items()
        ]
    )
    retriever = pages.as_retriever(search_kwargs={"k": 2})
    chain: Runnable[str, str] = (
        {"pages": retriever | _as_text, "question": RunnablePassthrough()}
        | FAQ_PROMPT
        | model
        | StrOutputParser()
    )
    return chain.with_config(run_name="shop_faq")


def _as_text(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


def order_agent(model: BaseChatModel) -> Runnable[Any, Any]:
    """A LangGraph agent that may look up orders and warranties and open a repair."""
    agent: Runnable[Any, Any] = create_agent(
        model, [find_order, warranty_ends, open_repair], system_prompt=AGENT_PROMPT, name="order_agent"
    )
    return agent


@tool
def find_order(order_number: str) -> dict[str, Any]:
    """Look up an order: the item, its price and the day of delivery."""
    return ORDERS.get(order_number, {"error": f"no order {order_number}"})


@tool
def warranty_ends(product: str, delivered: str) -> str:
    """The last day of the warranty of a product ("kettle", "lamp") delivered on a day (YYYY-MM-DD)."""
    day = date.fromisoformat(delivered)
    years = next((n for word, n in WARRANTY_YEARS.items() if word in product.lower()), 1)
    return day.replace(year=day.year + years).isoformat()


@tool
def open_repair(order_number: str, problem: str) -> str:
    """Open a repair for an order.  Returns the repair's number."""
    return f"R-{order_number.removeprefix('LO-')}-1"
