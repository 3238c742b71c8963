"""Encrypt what the vault keeps, and open it again, with one of several keys.

AES-256-GCM of `cryptography`, with a random nonce for each text.  What a text belongs to is authenticated
with it, so that a row that was moved or whose expiry was changed does not open.

Used by `vault`.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import Any, Final

from spanscope.exceptions import MissingExtra, VaultError

_NONCE_BYTES: Final = 12


class Ciphers:
    """Seals with the first key, opens with any of them.

    Raises MissingExtra when `cryptography` is not installed.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise MissingExtra("the vault", "vault") from None
        self._invalid: type[Exception] = InvalidTag
        self._by_id: dict[str, Any] = {}
        self._chain_keys: dict[str, bytes] = {}
        for key in keys:
            key_id = _derived(key, b"vault.keyid", 4).hex()
            self._by_id.setdefault(key_id, AESGCM(_derived(key, b"vault.texts", 32)))
            self._chain_keys.setdefault(key_id, _derived(key, b"vault.chain", 32))
        self.key_ids = tuple(self._by_id)
        """The newest first."""

    def seal(self, text: str, *, place: str) -> bytes:
        """The text encrypted with the newest key; it opens at this place only."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed: bytes = self._by_id[self.key_ids[0]].encrypt(
            nonce, text.encode("utf-8", "surrogatepass"), place.encode()
        )
        return nonce + sealed

    def open(self, sealed: bytes, *, key_id: str, place: str) -> str:
        """The text.  Raises VaultError when the key is not here, or the row is not as it was written."""
        cipher = self._by_id.get(key_id)
        if cipher is None:
            raise VaultError(f"it was sealed with the key {key_id}, which is not here")
        try:
            plain: bytes = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except self._invalid:
            raise VaultError("its row was changed after it was written") from None
        return plain.decode("utf-8", "surrogatepass")

    def link(self, text: str, *, key_id: str | None = None) -> str | None:
        """A keyed hash of a line of the access log; None when its key is not here."""
        key = self._chain_keys.get(key_id or self.key_ids[0])
        if key is None:
            return None
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()


def _derived(key: bytes, purpose: bytes, size: int) -> bytes:
    """A key for one purpose, so that none of them tells anything about the others."""
    master = hashlib.blake2b(key, digest_size=32, person=b"spanscope.vault").digest()
    return hashlib.blake2b(key=master, digest_size=size, person=purpose).digest()
