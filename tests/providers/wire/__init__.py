"""What providers send, written from their public documentation: one `Said`, in each one's own bytes.

A wire format has two functions, for the whole answer and for the parts of a stream.  The counts of a `Said`
are without cached tokens in `uncached` and with reasoning in `made`; each format adds them up as its
provider does.
"""

from .anthropic import ANTHROPIC, anthropic_stream
from .base import SSE, Said, Wire
from .bedrock import CONVERSE, titan_whole
from .google import GOOGLE, google_blocked
from .openai import (
    CHAT,
    DEEPSEEK,
    GROQ,
    MISTRAL,
    RESPONSES,
    WATSONX,
    XAI,
    chat_error,
    chat_stream,
    chat_whole,
)
from .others import COHERE, OLLAMA, ollama_stream

__all__ = [
    "ANTHROPIC",
    "CHAT",
    "COHERE",
    "CONVERSE",
    "DEEPSEEK",
    "GOOGLE",
    "GROQ",
    "MISTRAL",
    "OLLAMA",
    "RESPONSES",
    "SSE",
    "WATSONX",
    "XAI",
    "Said",
    "Wire",
    "anthropic_stream",
    "chat_error",
    "chat_stream",
    "chat_whole",
    "google_blocked",
    "ollama_stream",
    "titan_whole",
]
