"""What is too big to be read and is no text: images in base64, provider state, embeddings.

Each becomes what can be said of it: its type, its size and, with a key, a hash by which equal ones are
known.

Used by `engine` for texts and by `values` for fields.
"""

import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

Digest = Callable[[str], str]

LONG: Final = 512
"""Characters from which a run of base64 is taken for a file."""
_VECTOR_ITEMS: Final = 24
"""Numbers from which a list of floats is taken for an embedding."""
_VECTOR_IN_TEXT: Final = 128

DATA_URI = re.compile(
    r"data:([\w.+-]{1,64}/[\w.+-]{1,64})?(?:;[\w=.-]{1,64}){0,4},([\w+/=%.~-]*+)", re.IGNORECASE
)
# The character before is looked at after the first, so that `re` can skip what cannot begin one.
BASE64_RUN = re.compile(
    r"[A-Za-z0-9+/_-](?<![A-Za-z0-9+/_-].)(?:[A-Za-z0-9+/_-]{511,}+={0,2}|(?:[A-Za-z0-9+/]{59,75}\r?\n){8,}+[A-Za-z0-9+/]*={0,2})"
)
_VECTOR = re.compile(
    rf"\[\s{{0,4}}(?:-?[0-9]{{1,3}}\.[0-9]{{2,20}}(?:[eE][-+]?[0-9]{{1,3}})?,\s{{0,8}}){{{_VECTOR_IN_TEXT},}}+-?[0-9]{{1,3}}\.[0-9]{{2,20}}(?:[eE][-+]?[0-9]{{1,3}})?\s{{0,4}}\]"
)


def without_blobs(text: str, digest: Digest | None) -> str:
    """The text with data URIs, long base64 and long vectors described instead of shown."""
    if "data:" in text or "DATA:" in text:
        text = DATA_URI.sub(lambda match: _media(match, digest), text)
    if len(text) >= LONG:
        text = BASE64_RUN.sub(
            lambda match: described("base64", base64_bytes(match[0]), match[0], digest), text
        )
        if "[" in text:
            text = _VECTOR.sub(lambda match: f"[vector, {match[0].count(',') + 1} numbers]", text)
    return text


def _media(match: re.Match[str], digest: Digest | None) -> str:
    if len(match[0]) < 64 and not match[1]:
        return match[0]  # `data:,` in prose
    kind, body = match[1] or "text/plain", match[2]
    size = base64_bytes(body) if ";base64," in match[0][:512].lower() else len(body)
    return described(kind.lower(), size, body, digest)


def described(kind: str, size: int, body: str, digest: Digest | None) -> str:
    """`[image/png, 5120 bytes]`, with the keyed hash of `body` where there is a key."""
    return f"[{kind}, {size} bytes]" if digest is None else f"[{kind}, {size} bytes, {digest(body)}]"


def base64_bytes(body: str) -> int:
    """How many bytes this base64 stands for."""
    return len(body.rstrip("=")) * 3 // 4


def opaque_field(value: Any, digest: Digest | None) -> str | None:
    """What is kept of provider state such as `encrypted_content`; None for what is text after all."""
    if isinstance(value, bytes | bytearray):
        return described("opaque", len(value), value.hex() if digest is not None else "", digest)
    if isinstance(value, str) and len(value) >= 24 and not any(char.isspace() for char in value[:256]):
        return described("opaque", len(value), value, digest)
    return None


def is_vector(items: Any) -> bool:
    """Whether a list is an embedding: many numbers, and fractions among the first of them."""
    if len(items) < _VECTOR_ITEMS:
        return False
    first = list(islice(items, 8))
    return (
        all(type(item) in (float, int) for item in first) and sum(type(item) is float for item in first) >= 4
    )


def described_vector(items: Sequence[Any], size: int, digest: Digest | None) -> str:
    """`[embedding, 1536 numbers]`, with a keyed hash of its numbers where there is a key."""
    told = f"[embedding, {size} numbers"
    return f"{told}]" if digest is None else f"{told}, {digest(','.join(map(str, items)))}]"
