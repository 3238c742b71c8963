"""Say in the language of RE2, over the bytes of UTF-8, where a pattern of `re` may match.

RE2 has no lookaround, nothing possessive and no back references, and its automata grow with each counted
repeat.  So the pattern is loosened: what RE2 cannot say is left out, long counts are cut short, and any
character beyond ASCII stands for all of them.  The result matches wherever the pattern does, and elsewhere
too, which is all that a sieve needs.

Used by `sieves`.
"""

import re
from typing import Any, Final

_MOST: Final = 8
"""Up to how far a repeat is counted."""
_REPEATS: Final = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_REST: Final = r"[\x80-\xbf]*"
"""What follows the first byte of a character beyond ASCII."""
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": re.compile(r"\d", re.ASCII),
    "CATEGORY_SPACE": re.compile(r"\s"),
    "CATEGORY_WORD": re.compile(r"\w", re.ASCII),
    "CATEGORY_NOT_DIGIT": re.compile(r"\D", re.ASCII),
    "CATEGORY_NOT_SPACE": re.compile(r"\S"),
    "CATEGORY_NOT_WORD": re.compile(r"\W", re.ASCII),
}


BEGINNING: Final = r"(?:^|[^0-9A-Za-z_]|\\[nrt])"
"""Before a word or number: no other one, or an escaped line break."""


def relaxed(*patterns: re.Pattern[str]) -> str:
    """A pattern for RE2, Latin-1, that matches the UTF-8 of every text in which one of `patterns` matches."""
    several = []
    for pattern in patterns:
        parsed: Any = re._parser.parse(pattern.pattern, pattern.flags)  # type: ignore[attr-defined]
        several.append(_Relaxing().sequence(_core(list(parsed)), pattern.flags))
    return f"(?:{'|'.join(several)})"


def _core(parsed: list[Any]) -> list[Any]:
    """Without what need not be there at either end; of what repeats at the end no more than it takes."""
    while parsed and _may_be_empty(*parsed[0]):
        del parsed[0]
    while parsed and _may_be_empty(*parsed[-1]):
        del parsed[-1]
    if parsed and str(parsed[-1][0]) in _REPEATS:
        operator, (low, _, inner) = parsed[-1]
        parsed[-1] = (operator, (low, low, inner))
    return parsed


def _may_be_empty(operator: Any, argument: Any) -> bool:
    match str(operator):
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return True
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return bool(argument[0] == 0)
        case "BRANCH":
            return any(all(_may_be_empty(*one) for one in branch) for branch in argument[1])
    return False


class _Relaxing:
    """The groups seen so far, for what refers back to them."""

    def __init__(self) -> None:
        self._groups: dict[int, str] = {}

    def sequence(self, parsed: Any, flags: int) -> str:
        return "".join([self._one(str(operator), argument, flags) for operator, argument in parsed])

    def _one(self, operator: str, argument: Any, flags: int) -> str:
        match operator:
            case "LITERAL":
                return _literal(argument, flags)
            case "NOT_LITERAL":
                return _any_of([("LITERAL", argument)], flags, negated=True)
            case "ANY":
                return r"(?s:.)" if flags & re.DOTALL else r"[^\n]"
            case "IN":
                parts = [(str(kind), value) for kind, value in argument]
                negated = parts[0][0] == "NEGATE"
                return _any_of(parts[negated:], flags, negated=negated)
            case "BRANCH":
                return f"(?:{'|'.join([self.sequence(branch, flags) for branch in argument[1]])})"
            case "SUBPATTERN":
                number, added, removed, inner = argument
                found = f"(?:{self.sequence(inner, (flags | added) & ~removed)})"
                if number is not None:
                    self._groups[number] = found
                return found
            case "ATOMIC_GROUP":
                return f"(?:{self.sequence(argument, flags)})"
            case "GROUPREF":
                return self._groups[argument]
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                low, high, inner = argument
                return _repeated(self.sequence(inner, flags), low, high)
            case "AT" | "ASSERT" | "ASSERT_NOT":
                return ""
        raise ValueError(f"{operator} cannot be said to RE2")


def _repeated(inner: str, low: int, high: int) -> str:
    if not inner or high == 0:
        return ""
    low = min(low, _MOST)
    if high > _MOST:
        times = {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    else:
        times = f"{{{low}}}" if low == high else f"{{{low},{high}}}"
    return f"(?:{inner}){times}" if times != "{1}" else inner


def _literal(code: int, flags: int) -> str:
    char = chr(code)
    forms = {char.lower(), char.upper()} if flags & re.IGNORECASE else {char}
    return _bytes(char) if len(forms) == 1 else f"(?:{'|'.join(sorted(map(_bytes, forms)))})"


def _bytes(text: str) -> str:
    return re.escape(text) if text.isascii() else "".join([f"\\x{byte:02x}" for byte in text.encode()])


def _any_of(parts: list[tuple[str, Any]], flags: int, *, negated: bool) -> str:
    chars: set[int] = set()
    beyond = negated
    for kind, value in parts:
        if kind == "CATEGORY":
            category = str(value)
            chars.update([code for code in range(128) if _CATEGORIES[category].match(chr(code))])
            beyond = beyond or "_NOT_" in category or not flags & re.ASCII
        else:
            low, high = value if kind == "RANGE" else (value, value)
            chars.update(range(low, min(high, 127) + 1))
            beyond = beyond or high > 127
    if flags & re.IGNORECASE:
        chars.update([ord(chr(code).swapcase()) for code in chars])
    listed = _listed(set(range(128)) - chars if negated else chars)
    return f"[{listed}\\x80-\\xff]{_REST}" if beyond else f"[{listed}]"


def _listed(codes: set[int]) -> str:
    """These characters for the inside of a class, those in a row as a range."""
    written, first = [], None
    for code in sorted(codes):
        if code - 1 not in codes:
            first = code
        if code + 1 not in codes:
            written.append(f"\\x{code:02x}" if first == code else f"\\x{first:02x}-\\x{code:02x}")
    return "".join(written)
