"""Find the vault that belongs to a store.

Used by the commands and by whoever reads raw texts from Python.
"""

import os

from spanscope.exceptions import VaultError
from spanscope.redaction.vault import Vault, vault_file
from spanscope.store.location import locate


def open_vault(store: str | os.PathLike[str] | None = None) -> Vault:
    """The vault beside this store (or at SPANSCOPE_VAULT), to open texts in: `.open(span_id, reason="…")`.

    Raises VaultError when there is none or its key is not here, MissingExtra without `cryptography`.
    """
    location = locate(store)
    path = vault_file(location.path.parent if location.path else None)
    if path is None:
        raise VaultError(f"the store {location} is on a server: say in SPANSCOPE_VAULT where its vault is")
    return Vault(path, create=False)
