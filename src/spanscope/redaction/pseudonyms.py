"""Keyed hashes: the same person or text gets the same name, and nobody without the key can guess whose.

A plain hash of an e-mail address is as good as the address, for there are not that many addresses.
The key stays on the machine: from `SPANSCOPE_KEY`, from a file beside the store, or, where there is
no store, from memory for the life of the process.  A pseudonym names its key, so that after a rotation
the old ones can still be looked up, and it is known of which key one is when that key is not there.

Used by `seal` and by queries that look for a user.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from spanscope.redaction.keys import KeyPlace, parsed

KEY: Final = KeyPlace(variable="SPANSCOPE_KEY", file_name="key", purpose="pseudonyms")
_PSEUDONYM: Final = re.compile(r"[us]_([0-9a-f]{8})_[0-9a-f]{16}")


class Pseudonyms:
    """Names made from a key.  Each purpose has its own space: a user and a text never share a name."""

    def __init__(self, key: bytes) -> None:
        master = hashlib.blake2b(key, digest_size=32, person=b"spanscope.master").digest()
        # Made once and copied for each use, which costs half of making one.
        self._user = hashlib.blake2b(key=master, digest_size=8, person=b"spanscope.user")
        self._session = hashlib.blake2b(key=master, digest_size=8, person=b"spanscope.sessn")
        self._value = hashlib.blake2b(key=master, digest_size=8, person=b"spanscope.value")
        self._content = hashlib.blake2b(key=master, digest_size=16, person=b"spanscope.text")
        self._digest = hashlib.blake2b(key=master, digest_size=8, person=b"spanscope.digest")
        self._key_id = hashlib.blake2b(key=master, digest_size=4, person=b"spanscope.keyid").hexdigest()

    @property
    def key_id(self) -> str:
        """Eight hex digits that tell one key from another and say nothing about it."""
        return self._key_id

    def user(self, value: str) -> str:
        """`u_`, the key's id, `_` and 16 hex digits."""
        return f"u_{self._key_id}_{_hex(self._user, value)}"

    def session(self, value: str) -> str:
        """The same with `s_`, for a session named after a person."""
        return f"s_{self._key_id}_{_hex(self._session, value)}"

    def token(self, kind: str, value: str) -> str:
        """The key's id, `.` and 16 hex digits: stands for a value of this kind within a text."""
        return f"{self._key_id}.{_hex(self._value, kind + chr(0) + value)}"

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


class Keys:
    """All keys that are known here: the newest makes names, the others only find those that they made."""

    def __init__(self, keys: list[bytes]) -> None:
        # A key given twice would find everything twice.
        self._all = tuple(Pseudonyms(key) for key in dict.fromkeys(keys))

    def __iter__(self) -> Iterator[Pseudonyms]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def ids(self) -> tuple[str, ...]:
        """The keys' ids, the newest first."""
        return tuple(one.key_id for one in self._all)

    def users(self, value: str) -> tuple[str, ...]:
        """What this user was called under each key, the newest first."""
        return tuple(one.user(value) for one in self._all)

    def sessions(self, value: str) -> tuple[str, ...]:
        """What a session of this name was called under each key, if it names a person."""
        return tuple(one.session(value) for one in self._all)


def load_key(folder: Path | None, *, key: str | None = None) -> Pseudonyms:
    """What makes names now: by the key given, of this environment, of this folder, or of this process.

    A folder without a key gets one (mode 0600).  Raises `ConfigError` when a key is too short, or its file
    cannot be read or made.
    """
    keys = _given(key) or KEY.keys(folder) or [secrets.token_bytes(32)]
    return Pseudonyms(keys[0])


def known_keys(folder: Path | None, *, key: str | None = None) -> Keys:
    """The keys by which names can be looked up; none where there are none, for a question makes no key."""
    return Keys(_given(key) or KEY.keys(folder, create=False))


def key_id_of(pseudonym: str) -> str | None:
    """The id of the key that made this pseudonym; None for what is none."""
    found = _PSEUDONYM.fullmatch(pseudonym)
    return found[1] if found else None


def _given(key: str | None) -> list[bytes]:
    return [] if key is None else parsed(key.split(","), where="key=")
