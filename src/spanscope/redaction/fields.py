"""Read single facts of a draft: each function gives a value of the right type, or None when it cannot be one.

Numbers and words of closed vocabularies are the only things that `seal` keeps without redaction, so
these functions take nothing on trust: a "number" that is a string with digits in it is no number.
"""

import math
import operator
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any


def whole(value: Any) -> int | None:
    """A count."""
    if type(value) is int:
        return value if -(2**63) <= value < 2**63 else None  # what a database column holds
    if type(value) is bool:
        return None
    if type(value) is float:
        return whole(int(value)) if math.isfinite(value) and value == int(value) else None
    try:
        return whole(int(operator.index(value)))
    except TypeError:
        return None


def moment(value: Any) -> int | None:
    """Nanoseconds since the epoch, up to the year 2262."""
    number = whole(value)
    return number if number is not None and number >= 0 else None


def real(value: Any) -> float | None:
    """A finite number."""
    if type(value) not in (int, float):
        if isinstance(value, str | bytes | bool):
            return None
        value = float(value)
    number = float(value)
    return number if math.isfinite(number) else None


def money(value: Any) -> Decimal | None:
    """An amount; floats by their shortest spelling, so that 0.1 is 0.1."""
    amount = value if type(value) is Decimal else Decimal(str(real(value)))
    return amount if amount.is_finite() else None


def truth(value: Any) -> bool | None:
    return value if type(value) is bool else None


def one_of(words: Iterable[str]) -> Callable[[Any], str | None]:
    """A rule that keeps these words and nothing else."""
    known = frozenset(words)

    def keep(value: Any) -> str | None:
        return value if type(value) is str and value in known else None

    return keep


def as_text(value: Any) -> str:
    """The characters of a string, a number as written, of anything else its class: never a `repr`."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int) and int.bit_length(value) > 512:
        return f"<{kind.__name__}>"  # Python refuses to write out the longest
    if issubclass(kind, int | float | Decimal):
        return str(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"<{kind.__name__}>"
