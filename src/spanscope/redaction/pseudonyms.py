"""Keyed hashes: the same person or text gets the same name, and nobody without the key can guess whose.

A plain hash of an e-mail address is as good as the address, for there are not that many addresses.
The key stays on the machine: from `SPANSCOPE_KEY`, from a file beside the store, or, where there is
no store, from memory for the life of the process.

Used by `seal` and by queries that look for a user.
"""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from spanscope.exceptions import ConfigError

KEY_VARIABLE: Final = "SPANSCOPE_KEY"
_MIN_KEY_CHARS: Final = 16


class Pseudonyms:
    """Names made from a key.  Each purpose has its own space: a user and a text never share a name."""

    def __init__(self, key: bytes) -> None:
        master = hashlib.blake2b(key, digest_size=32, person=b"spanscope.master").digest()
        # Made once and copied for each use, which costs half of making one.
        self._user = hashlib.blake2b(key=master, digest_size=8, person=b"spanscope.user")
        self._session = hashlib.blake2b(key=master, digest_size=8, person=b"spanscope.sessn")
        self._content = hashlib.blake2b(key=master, digest_size=16, person=b"spanscope.text")
        self._digest = hashlib.blake2b(key=master, digest_size=8, person=b"spanscope.digest")
        self._key_id = hashlib.blake2b(key=master, digest_size=4, person=b"spanscope.keyid").hexdigest()

    @property
    def key_id(self) -> str:
        """Eight hex digits that tell one key from another and say nothing about it."""
        return self._key_id

    def user(self, value: str) -> str:
        """`u_` and 16 hex digits."""
        return f"u_{_hex(self._user, value)}"

    def session(self, value: str) -> str:
        """`s_` and 16 hex digits, for a session named after a person."""
        return f"s_{_hex(self._session, value)}"

    def content_id(self, role: str, text: str) -> str:
        """32 hex digits, equal for equal role and text."""
        state = self._content.copy()
        state.update(role.encode("utf-8", "surrogatepass") + b"\0")
        state.update(text.encode("utf-8", "surrogatepass"))
        return state.hexdigest()

    def digest(self, text: str) -> str:
        """16 hex digits: hashes of message lists, prompts and documents."""
        return _hex(self._digest, text)


def _hex(base: "hashlib.blake2b", text: str) -> str:
    state = base.copy()
    state.update(text.encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def load_key(folder: Path | None) -> Pseudonyms:
    """The key of this environment, of this folder (made on first use, mode 0600), or of this process.

    Raises `ConfigError` when the key given is too short, or its file cannot be read or made.
    """
    if (given := os.environ.get(KEY_VARIABLE, "").strip()) != "":
        return Pseudonyms(_parsed(given, where=KEY_VARIABLE))
    if folder is None:
        return Pseudonyms(secrets.token_bytes(32))
    path = folder / "key"
    try:
        if not path.exists():
            _create(path)
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(
            f"the key for pseudonyms cannot be kept in {path} ({type(fault).__name__}): "
            f"make {folder} writable, or set {KEY_VARIABLE}"
        ) from fault
    return Pseudonyms(_parsed(text, where=str(path)))


def _parsed(text: str, *, where: str) -> bytes:
    if len(text) < _MIN_KEY_CHARS:
        raise ConfigError(
            f"{where} holds a key of {len(text)} characters; give at least {_MIN_KEY_CHARS}, "
            "for example from: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode("utf-8", "surrogatepass")


def _create(path: Path) -> None:
    """Put a new key in place in one step; when another process was first, its key stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"key.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32) + "\n")
        # A link, unlike a rename, fails when the name is taken, and shows the file only when complete.
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()
