"""Tell whether two spellings name the same model.

Providers answer with a dated name (`gpt-4o` → `gpt-4o-2024-08-06`), and the way in adds prefixes of
its own (`models/`, `eu.anthropic.`, `openai/`).  None of that is another model; `gpt-4o-mini` is.

Used by `model_version`; imports nothing of ours.
"""

import re
from typing import Literal, NamedTuple

Likeness = Literal["same", "other_version", "other"]

_VENDOR = re.compile(
    r"^(?:(?:us|eu|apac|jp|au|ca|sa|us-gov|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|nvidia|openai|qwen|writer)\."
)
_ROUTE = re.compile(r"(?::(?:latest|free|nitro|floor|online)|-v\d+:\d+(?::\w+)?|\.gguf)$")
"""Ollama's default tag, OpenRouter's routes, Bedrock's revision, a weights file's ending."""
_VERSION = re.compile(
    r"[-@](latest|default|\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|00\d)$"
)
_CLAUDE_ZERO = re.compile(r"^(claude-(?:opus|sonnet|haiku)-\d+)-0$")
_ALIASES = {"gpt-4-turbo-preview": "gpt-4-0125-preview"}
"""Moving names whose answer carries another family's spelling."""


class ModelName(NamedTuple):
    """`gpt-4o-2024-08-06` → family `gpt-4o`, version `20240806`."""

    family: str
    version: str | None
    """None when the name leaves the version to the provider."""


def parse(name: str) -> ModelName:
    """Take a name apart, whoever spelled it."""
    text = name.strip().lower().rstrip("/").rsplit("/", 1)[-1]
    text = _ROUTE.sub("", _VENDOR.sub("", text))
    text = text.replace("gpt-35-", "gpt-3.5-")  # Azure allows no dot in a deployment's name
    text = _CLAUDE_ZERO.sub(r"\1", _ALIASES.get(text, text))
    if not (found := _VERSION.search(text)):
        return ModelName(text, None)
    version = found.group(1).replace("-", "")
    return ModelName(text[: found.start()], None if version in {"latest", "default"} else version)


def compare(wanted: str, got: str) -> Likeness:
    """Whether `got` is what `wanted` asks for; a name without a version accepts any version."""
    one, other = parse(wanted), parse(got)
    if one.family != other.family:
        return "other"
    if one.version and other.version and one.version != other.version:
        return "other_version"
    return "same"
