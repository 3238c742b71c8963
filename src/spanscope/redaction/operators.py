"""What stands in the place of what was found: a mask, a keyed hash, the last characters, or nothing.

Used by `engine`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from spanscope.exceptions import ConfigError

Token = Callable[[str, str], str]
"""Type and value to a keyed hash: `Pseudonyms.token`."""
Operator = Callable[[str, str], str]
"""Type and value to what is shown."""

MASK: Final = "mask"
NAMES: Final = ("mask", "hash", "drop", "keep N")
DEFAULT: Final = "default"
_KEEP = re.compile(r"keep(?: last)? ([1-9][0-9]?)")
_WRITTEN_ALIKE: Final = frozenset(
    {"PHONE", "CARD", "IBAN", "SSN", "ID", "PASSPORT", "LICENSE", "PLATE", "ACCOUNT"}
)
_TRIES = 16


def check(operators: Mapping[str, Any] | None, types: frozenset[str]) -> dict[str, str]:
    """The operators by type, as given.  Raises `ConfigError` for a type or operator that does not exist."""
    if operators is None:
        return {}
    if not isinstance(operators, Mapping):
        raise ConfigError(f"operators must be a table of types and operators, not {type(operators).__name__}")
    for kind, operator in operators.items():
        if kind != DEFAULT and kind not in types:
            raise ConfigError(
                f"operators: unknown type {kind!r}: known are {', '.join(sorted(types))} and {DEFAULT!r}"
            )
        if not isinstance(operator, str) or not (operator in NAMES[:3] or _KEEP.fullmatch(operator)):
            raise ConfigError(
                f"operators: {kind} has {operator!r}: known are {', '.join(NAMES)} (N is 1 to 99)"
            )
    return dict(operators)


def operator_for(name: str, token: Token | None) -> Operator:
    """The function for a name that `check` has let through.  A hash without a key is a mask."""
    if name == "drop":
        return lambda kind, value: ""
    if name == "hash" and token is not None:
        return lambda kind, value: _hashed(kind, value, token)
    if (keep := _KEEP.fullmatch(name)) is not None:
        shown = int(keep[1])
        return lambda kind, value: _kept(kind, value, shown)
    return lambda kind, value: f"[{kind}]"


def _hashed(kind: str, value: str, token: Token) -> str:
    """`[EMAIL:5f1c09ab.0123456789abcdef]`: the key's id, and a hash that is the same for the same value.

    The hash is made again where it happens to share four characters with the value.
    """
    plain = _normal(kind, value)
    pieces = {
        part for text in (value.lower(), plain) for at in range(len(text) - 3) if (part := text[at : at + 4])
    }
    for turn in range(_TRIES):
        made = token(kind, plain if turn == 0 else f"{plain}\0{turn}")
        if not any(made[at : at + 4] in pieces for at in range(len(made) - 3)):
            return f"[{kind}:{made}]"
    return f"[{kind}]"


def _normal(kind: str, value: str) -> str:
    """The value as it is compared: equal numbers may be grouped differently."""
    if kind in _WRITTEN_ALIKE:
        return "".join(filter(str.isalnum, value)).lower()
    return value.lower() if kind == "EMAIL" else value


def _kept(kind: str, value: str, shown: int) -> str:
    """`[CARD …4242]`; all of it is masked when less than half would be hidden."""
    compact = "".join(filter(str.isalnum, value))
    return f"[{kind}]" if len(compact) < 2 * shown else f"[{kind} …{compact[-shown:]}]"
