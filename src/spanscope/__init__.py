"""spanscope: a flight recorder for LangChain, LangGraph and LlamaIndex applications."""
