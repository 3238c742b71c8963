"""Keys in files that their owner alone can read, and how one key follows another.

A file holds one key a line: the first makes what is made now, the others are kept so that what they made
can still be found or opened.  An environment variable goes before the file and may hold several keys, too,
with commas between them.

Used by `pseudonyms` and `vault`, each with a file and a variable of its own.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spanscope.exceptions import ConfigError

MIN_KEY_CHARS: Final = 16
_HEADER: Final = "# One key a line, the newest first; the others find what they made.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlace:
    """Where the keys for one purpose are looked for."""

    variable: str
    file_name: str
    purpose: str

    def from_environment(self) -> list[bytes]:
        """The keys of the variable; none when it is not set.  Raises `ConfigError` for a short one."""
        return parsed(os.environ.get(self.variable, "").split(","), where=self.variable)

    def keys(self, folder: Path | None, *, create: bool = True) -> list[bytes]:
        """The keys of the environment, else those of the file in `folder`, the newest first.

        Without a file one is made (mode 0600) if `create`, else there are no keys; without a folder there
        are none.  Raises `ConfigError` when a key is too short, or its file cannot be read or made.
        """
        if given := self.from_environment():
            return given
        if folder is None:
            return []
        path = folder / self.file_name
        try:
            if not path.exists():
                if not create:
                    return []
                _create(path)
            return _read(path)
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(
                f"the key for {self.purpose} cannot be kept in {path} ({type(fault).__name__}): "
                f"make {folder} writable, or set {self.variable}"
            ) from fault

    def rotate(self, folder: Path) -> None:
        """Put a new key before those in the folder's file.

        Raises `ConfigError` when the keys come from the environment, which only its owner can change, or
        when the file cannot be written.
        """
        if self.from_environment():
            raise ConfigError(
                f"the keys come from {self.variable}: put a new one before the old ones, with a comma "
                "between, for example from: python -c 'import secrets; print(secrets.token_hex(32))'"
            )
        path = folder / self.file_name
        if not path.exists():
            raise ConfigError(f"there is no key in {path} to follow: nothing has been recorded there")
        partial = path.with_name(f"{path.name}.new")
        try:
            # One name for all, so that of two who rotate at once the second is told; and taken before the
            # file is read, so that the first does not lose its new key to the second.
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise ConfigError(
                f"{path}.new is there: another rotation runs, or was cut off; look at it"
            ) from None
        except OSError as fault:
            raise _not_replaced(path, fault) from fault
        try:
            old = [line for line in path.read_text(encoding="utf-8").splitlines() if _is_key(line)]
            parsed(old, where=str(path))
            _fill(descriptor, [secrets.token_hex(32), *old])
            partial.replace(path)
        except BaseException as fault:
            partial.unlink(missing_ok=True)
            if isinstance(fault, OSError | UnicodeDecodeError):
                raise _not_replaced(path, fault) from fault
            raise


def parsed(lines: list[str], *, where: str) -> list[bytes]:
    """The keys in these lines: hex digits as the bytes they say, anything else as it stands."""
    keys = []
    for text in map(str.strip, filter(_is_key, lines)):
        if len(text) < MIN_KEY_CHARS:
            raise ConfigError(
                f"{where} holds a key of {len(text)} characters; give at least {MIN_KEY_CHARS}, "
                "for example from: python -c 'import secrets; print(secrets.token_hex(32))'"
            )
        try:
            keys.append(bytes.fromhex(text))
        except ValueError:
            keys.append(text.encode("utf-8", "surrogatepass"))
    return keys


def _is_key(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _read(path: Path) -> list[bytes]:
    keys = parsed(path.read_text(encoding="utf-8").splitlines(), where=str(path))
    if not keys:
        raise ConfigError(f"{path} holds no key: remove it and a new one is made, or put the old one back")
    return keys


def _create(path: Path) -> None:
    """Put a new key in place in one step; when another process was first, its key stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _written(
        path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}"), [secrets.token_hex(32)]
    )
    try:
        # A link, unlike a rename, fails when the name is taken, and shows the file only when complete.
        with suppress(FileExistsError):
            os.link(partial, path)
    finally:
        partial.unlink()


def _written(path: Path, keys: list[str]) -> Path:
    _fill(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), keys)
    return path


def _fill(descriptor: int, keys: list[str]) -> None:
    """Write the keys and close the file."""
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_HEADER + "".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())


def _not_replaced(path: Path, fault: Exception) -> ConfigError:
    return ConfigError(
        f"{path} cannot be replaced ({type(fault).__name__}): make {path.parent} writable and it readable"
    )
