"""Who serves a model, under which of its many names, and who serves for nothing.

Frameworks spell a provider in their own ways (`google_genai`, `gcp.vertex_ai`), and a model's name may
carry a path, a region or a version that the price table does not have.  Pure functions.

Used by `quotes` and `library`.
"""

import re
from collections.abc import Iterator
from typing import Final

ALIASES: Final[dict[str, str]] = {
    **dict.fromkeys(("mistralai", "mistral_ai"), "mistral"),
    **dict.fromkeys(("amazon_bedrock", "bedrock", "bedrock_converse", "aws_bedrock", "aws.bedrock"), "aws"),
    **dict.fromkeys(("sagemaker", "sagemaker_endpoint", "amazon_sagemaker"), "sagemaker"),
    **dict.fromkeys(("google_genai", "google_vertexai", "vertexai", "vertex_ai", "gemini"), "google"),
    **dict.fromkeys(("gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai", "google_ai_studio"), "google"),
    **dict.fromkeys(("google_anthropic_vertex", "anthropic_vertex"), "google"),
    **dict.fromkeys(("azure_openai", "azure_ai", "azure.ai.openai", "azure.ai.inference"), "azure"),
    **dict.fromkeys(("xai", "x_ai", "grok"), "x-ai"),
    **dict.fromkeys(("together_ai", "togetherai", "together-ai"), "together"),
    **dict.fromkeys(("fireworks_ai", "fireworksai"), "fireworks"),
    **dict.fromkeys(("moonshot", "moonshot_ai"), "moonshotai"),
    **dict.fromkeys(("voyage", "voyage_ai"), "voyageai"),
    **dict.fromkeys(("anthropic_bedrock", "anthropic-bedrock"), "aws"),
    **dict.fromkeys(("watsonx", "ibm", "ibm.watsonx.ai"), "watsonx"),
}
"""How frameworks and OpenTelemetry spell a provider -> its id in the price table."""

LOCAL: Final = frozenset(
    {
        *("ollama", "llama.cpp", "llamacpp", "llama_cpp", "llama-cpp", "xllamacpp", "llamafile", "gpt4all"),
        *(
            "vllm",
            "sglang",
            "lmstudio",
            "lm_studio",
            "mlx",
            "localai",
            "exllamav2",
            "ctransformers",
            "koboldai",
        ),
        *("transformers", "huggingface_pipeline", "openvino", "tgi", "text-generation-inference", "local"),
        *("scripted", "fake", "mock"),
    }
)
"""Who runs on the user's own machines: no call has a price."""

KNOWN: Final = frozenset(
    {
        *(*ALIASES, *ALIASES.values(), *LOCAL),
        *("openai", "anthropic", "google", "aws", "azure", "groq", "deepseek", "cohere", "openrouter"),
        *("perplexity", "cerebras", "together", "fireworks", "databricks", "cloudflare", "novita", "baseten"),
    }
)
"""Names of providers that may stand before a model's name."""

_ROUTERS: Final = frozenset({"litellm", "litellm_router", "router"})
_PATH: Final = re.compile(r"^(?:models/|publishers/[^/]+/models/|projects/.*/models/|arn:.*?/)")
_REGION: Final = re.compile(r"^(?:us|eu|apac|ap|jp|au|ca|sa|us-gov|global)\.(?=[a-z0-9-]+\.)")
_BEDROCK_VERSION: Final = re.compile(r"(?:-v\d+)?:\d+(?::\d+k)?$")
_VERTEX_VERSION: Final = re.compile(r"@(?:default|latest)$")


def canonical(provider: str) -> str:
    """The provider's id in the price table, where we know it; else the name itself, in small letters."""
    name = provider.strip().lower()
    return ALIASES.get(name, name)


def is_local(provider: str, model: str) -> bool:
    """Whether calls cost nothing because the model runs on the user's own machine.

    Ollama also rents out models of its own, whose names end in `cloud`.
    """
    return canonical(provider) in LOCAL and not model.lower().endswith(("-cloud", ":cloud"))


def named_provider(model: str) -> tuple[str, str] | None:
    """Provider and model of a name such as `azure/gpt-4o`; None where no provider stands before the model."""
    head, separator, rest = model.partition("/")
    return (head, rest) if separator and rest and head.lower() in KNOWN else None


def split_route(provider: str | None, model: str) -> tuple[str | None, str]:
    """Who serves the model; where a router or nobody was named, the name of the model may say it."""
    if provider is not None and canonical(provider) not in _ROUTERS:
        return provider, model
    return named_provider(model) or (provider, model)


def spellings(model: str, provider: str) -> Iterator[str]:
    """The model's name as given, then without its path, then without Bedrock's region and version."""
    seen = {model}
    yield model
    bare = _VERTEX_VERSION.sub("", _PATH.sub("", model))
    candidates = [bare]
    if provider == "aws":
        # The region first: where prices differ between regions, the table has it in the name.
        without_region = _REGION.sub("", bare)
        candidates += [
            without_region,
            _BEDROCK_VERSION.sub("", bare),
            _BEDROCK_VERSION.sub("", without_region),
        ]
    for candidate in candidates:
        if candidate and candidate not in seen:
            seen.add(candidate)
            yield candidate
