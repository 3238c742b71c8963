"""Let the vault keep pace with the other sinks: what was sealed with a batch is committed with it.

It takes nothing from the spans; raw texts come to the vault from the seal alone.

Fed by `pipeline`; the work is done by `redaction.vault`.
"""

from collections.abc import Sequence

from spanscope.redaction.vault import Vault
from spanscope.spans import Span


class VaultBackend:
    """Commits the vault after each batch."""

    accepts_updates = True

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self._complete = True

    def export(self, spans: Sequence[Span]) -> None:
        self._complete = self.vault.commit() and self._complete

    def flush(self, timeout_s: float) -> bool:
        """True when nothing that was to be kept has been lost since the last flush."""
        complete, self._complete = self.vault.commit() and self._complete, True
        return complete

    def shutdown(self) -> None:
        self.vault.commit()
        self.vault.close()

    def reset_after_fork(self) -> None:
        self.vault.reset_after_fork()
