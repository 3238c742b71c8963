"""Who speaks in the demo: scripted models by default, a real one when asked for.

A real model is taken from an OpenAI-compatible URL, or from the first provider that has a key in the
environment.  Whatever is missing is said with its remedy before anything runs.
"""

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from spanscope.exceptions import ConfigError, MissingExtra
from spanscope.testing import ProviderError, ScriptedChatModel

ANSWER_TOKENS = 250
CUT_TOKENS = 24
LIVE_CUT_TOKENS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The models of one demo."""

    busy: BaseChatModel
    """Refuses every call with a 429: scripted even when the others are real."""
    fallback: BaseChatModel
    agent: BaseChatModel
    cut: BaseChatModel
    """Its limit of output tokens is too low for what it is asked."""
    told: str
    """One line on who they are."""
    expected_model: str | None
    """The name that the verdict is to hold against the one that answered."""


class _Provider(NamedTuple):
    key: str
    provider: str
    package: str
    model: str | None
    """What is asked when no model is named; None: the user has to name one."""


_PROVIDERS = (
    _Provider("OPENAI_API_KEY", "openai", "langchain-openai", "gpt-4.1-mini"),
    _Provider("ANTHROPIC_API_KEY", "anthropic", "langchain-anthropic", "claude-haiku-4-5"),
    _Provider("GOOGLE_API_KEY", "google_genai", "langchain-google-genai", "gemini-2.5-flash"),
    _Provider("MISTRAL_API_KEY", "mistralai", "langchain-mistralai", "mistral-small-latest"),
    _Provider("GROQ_API_KEY", "groq", "langchain-groq", "llama-3.3-70b-versatile"),
    _Provider("DEEPSEEK_API_KEY", "deepseek", "langchain-deepseek", "deepseek-chat"),
    _Provider("XAI_API_KEY", "xai", "langchain-xai", None),
    _Provider("COHERE_API_KEY", "cohere", "langchain-cohere", None),
    _Provider("OPENROUTER_API_KEY", "openrouter", "langchain-openrouter", None),
    _Provider("TOGETHER_API_KEY", "together", "langchain-together", None),
    _Provider("FIREWORKS_API_KEY", "fireworks", "langchain-fireworks", None),
)


def scripted_cast() -> Cast:
    """Models that need no network: short delays make the durations look like something."""
    timing: dict[str, Any] = {"provider": "scripted", "delay_s": 0.12, "chunk_delay_s": 0.003}
    return Cast(
        busy=_busy_model("shop-large"),
        fallback=ScriptedChatModel(
            model_name="shop-small",
            replies=[
                "Yes. Lamps have a warranty of five years from the day of delivery, so yours is covered; "
                "only the bulb is not."
            ],
            **timing,
        ),
        agent=ScriptedChatModel(
            model_name="shop-large",
            replies=[
                _call("find_order", order_number="LO-20417"),
                _call("warranty_ends", product="kettle", delivered="2025-03-14"),
                _call("open_repair", order_number="LO-20417", problem="leaks at the spout"),
                "Your kettle is under warranty until 14 March 2027, so the repair is free. "
                "I have opened repair R-20417-1; it takes about ten days.",
            ],
            **timing,
        ),
        cut=ScriptedChatModel(
            model_name="shop-large",
            max_tokens=CUT_TOKENS,
            replies=[
                "1. Open your order and choose the lamp. 2. Print the return label. 3. Pack the lamp in its "
                "box. 4. Hand the parcel in at a post office. 5. Keep the receipt until the refund is there, "
                "within five working days after the parcel reached us."
            ],
            **timing,
        ),
        told="scripted models, offline",
        expected_model="shop-large",
    )


def live_cast(
    *, url: str | None = None, model: str | None = None, environ: Mapping[str, str] = os.environ
) -> Cast:
    """A real model in every part but the busy one's.

    `url`: an OpenAI-compatible server (then `model` is its name there).  Otherwise `model` is
    `provider:name`, or a name at the first provider whose key is in `environ`.  ConfigError says which keys
    are understood when there is none.
    """
    arguments = _server(url, model, environ) if url else _from_keys(model, environ)

    def speak(max_tokens: int) -> BaseChatModel:
        return _init(arguments | {"max_tokens": max_tokens})

    where = f" at {url}" if url else ""
    return Cast(
        busy=_busy_model("stand-in-for-a-busy-model"),
        fallback=speak(ANSWER_TOKENS),
        agent=speak(ANSWER_TOKENS),
        cut=speak(LIVE_CUT_TOKENS),
        told=f"{arguments['model']}{where}, live; only the model that is too busy to answer is scripted",
        expected_model=arguments["model"].rpartition(":")[2],
    )


def _server(url: str, model: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    if model is None:
        raise ConfigError("--url needs --model: the name under which the server knows its model")
    if importlib.util.find_spec("langchain_openai") is None:
        raise MissingExtra("spanscope demo --url", "demo")
    return {
        "model": model,
        "model_provider": "openai",
        "base_url": url,
        # Servers on one's own machine mostly want no key, but the client wants one.
        "api_key": environ.get("OPENAI_API_KEY") or "none",
        "stream_usage": True,
        "temperature": 0,
        "max_retries": 0,
        # Small models go on with a question of their own.
        "stop": ["\nQuestion:"],
    }


def _from_keys(model: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    if model is not None and ":" in model:
        return {"model": model}
    found = next((provider for provider in _PROVIDERS if environ.get(provider.key)), None)
    if found is None:
        keys = ", ".join(provider.key for provider in _PROVIDERS)
        raise ConfigError(
            f"--live found no model: set one of {keys}; or give --model PROVIDER:NAME; "
            "or --url http://HOST:PORT/v1 --model NAME of an OpenAI-compatible server"
        )
    name = model or found.model
    if name is None:
        raise ConfigError(f"{found.key} is set; say which model to ask: --model NAME")
    if importlib.util.find_spec(found.package.replace("-", "_")) is None:
        raise ConfigError(f"{found.key} is set, but its package is not here: pip install {found.package}")
    return {"model": name, "model_provider": found.provider}


def _init(arguments: dict[str, Any]) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    try:
        model: BaseChatModel = init_chat_model(**arguments)
    except Exception as refused:  # noqa: BLE001  each SDK raises errors of its own making here
        # The first line alone: validation errors go on with the arguments, and the key is among them.
        reason = str(refused).partition("\n")[0] or type(refused).__name__
        raise ConfigError(f"no model can be made from {arguments['model']!r}: {reason}") from None
    return model


def _busy_model(name: str) -> BaseChatModel:
    refusal = ProviderError("429 Too Many Requests: rate limit reached, try again in 20 s", status_code=429)
    return ScriptedChatModel(model_name=name, replies=[refusal], delay_s=0.03)


def _call(tool: str, **args: str) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": tool, "args": args, "id": f"call_{tool}"}])
