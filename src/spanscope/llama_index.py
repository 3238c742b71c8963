"""spanscope for LlamaIndex: `from spanscope.llama_index import ObsHandler`.

    from spanscope.llama_index import ObsHandler

    with ObsHandler() as handler:
        answer = index.as_query_engine().query(question)
    handler.flush()

Needs the extra `spanscope[llama-index]`.
"""

from spanscope.handlers.llama_index import ObsHandler

__all__ = ["ObsHandler"]
