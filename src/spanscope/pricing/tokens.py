"""Count the tokens that no provider counted: an estimate, and how it was made.

With tiktoken where its files are on this machine already: in its own cache, or among those that
llama-index-core brings.  tiktoken would fetch what is missing, so it is never asked to load anything itself:
its encodings are built with a loader of ours that reads verified files and nothing else.  Without them, four
characters are taken as a token.  No network, ever.

An agent resends its history with each call: a text is counted once and its count kept, under its hash.

Used by `stage`, on the worker thread.
"""

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, Final, NamedTuple

from spanscope.drafts import Message

CHARS_PER_TOKEN: Final = 4
PER_MESSAGE: Final = 4
"""Tokens by which chat models set a message apart from the next."""
NEWEST: Final = "o200k_base"
_OLDER: Final = "cl100k_base"
_OLDER_MODELS: Final = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding-", "davinci", "babbage")
_PIECE_CHARS: Final = 20_000
"""Longer texts are counted piece by piece, and of very long ones a part is counted."""
_COUNTED_CHARS: Final = 400_000
_REMEMBERED: Final = 50_000

Count = Callable[[str], int]


class Counted(NamedTuple):
    """Tokens, and how they were counted: `tiktoken/o200k_base` or `characters/4`."""

    tokens: int
    method: str


class Estimator:
    """Counts texts; remembers counts, never texts."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int, int], int] = {}

    def messages(self, messages: Iterable[Message], model: str | None) -> Counted:
        """What these messages are for this model, the tools that were offered with them left out."""
        method, count = _counter(_encoding_name(model))
        total = sum(PER_MESSAGE + self._one(message.text, method, count) for message in messages)
        return Counted(total, method)

    def texts(self, messages: Iterable[Message], model: str | None) -> Counted:
        """What the texts alone are: an answer, or what is embedded."""
        method, count = _counter(_encoding_name(model))
        return Counted(sum(self._one(message.text, method, count) for message in messages), method)

    def _one(self, text: str, method: str, count: Count) -> int:
        key = (method, len(text), hash(text))
        known = self._counts.get(key)
        if known is None:
            if len(self._counts) >= _REMEMBERED:
                self._counts.clear()
            known = self._counts[key] = count(text)
        return known


def _encoding_name(model: str | None) -> str:
    """OpenAI's older models have an encoding of their own; for everybody else's the newest is near enough."""
    name = (model or "").lower()
    return _OLDER if name == "gpt-4" or name.startswith(_OLDER_MODELS) else NEWEST


def by_characters(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)


@lru_cache(maxsize=4)
def _counter(encoding_name: str) -> tuple[str, Count]:
    """The method's name and its function, for this encoding."""
    encoding = offline_encoding(encoding_name)
    if encoding is None:
        return f"characters/{CHARS_PER_TOKEN}", by_characters

    def count(text: str) -> int:
        counted = text[:_COUNTED_CHARS]
        # Half an emoji would raise; encoding piece by piece keeps the time in proportion to the length.
        whole = counted.encode("utf-8", "replace").decode("utf-8")
        pieces = range(0, len(whole), _PIECE_CHARS)
        tokens = sum(len(encoding.encode_ordinary(whole[at : at + _PIECE_CHARS])) for at in pieces)
        return tokens if len(text) <= _COUNTED_CHARS else tokens * len(text) // _COUNTED_CHARS

    return f"tiktoken/{encoding_name}", count


def offline_encoding(name: str) -> Any:
    """tiktoken's encoding of this name, from files that are here; None when one is missing."""
    try:
        import tiktoken
        from tiktoken_ext import openai_public
    except ImportError:
        return None
    try:
        # The package's own recipe, run with our loader in the place of the one that would go and fetch.
        recipe = openai_public.ENCODING_CONSTRUCTORS[name]
        surroundings = {**vars(openai_public), "load_tiktoken_bpe": _ranks_on_disk}
        return tiktoken.Encoding(**FunctionType(recipe.__code__, surroundings)())
    except (KeyError, LookupError, ValueError, OSError):
        return None


def _ranks_on_disk(url: str, expected_hash: str | None = None) -> Mapping[bytes, int]:
    """What tiktoken would download from `url`.  Raises LookupError when no verified copy is here."""
    name = hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    for folder in _folders():
        try:
            data = (folder / name).read_bytes()
        except OSError:
            continue
        if expected_hash is None or hashlib.sha256(data).hexdigest() == expected_hash:
            pairs = (line.split() for line in data.splitlines() if line)
            return {base64.b64decode(token): int(rank) for token, rank in pairs}
    raise LookupError(url)


def _folders() -> Iterator[Path]:
    """Where tiktoken keeps what it has fetched before, and where packages carry the same files."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if folder := os.environ.get(variable):
            yield Path(folder)
    yield Path(tempfile.gettempdir()) / "data-gym-cache"
    # The top package alone: importing `llama_index.core` would take seconds.
    spec = find_spec("llama_index")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(place) / "core" / "_static" / "tiktoken_cache"
