"""Settings of the redactor, from arguments or from a TOML file, checked when they are given.

    [operators]
    EMAIL = "hash"            # mask, hash, drop, keep N
    CARD = "keep 4"

    allow = ["support@example.com"]
    allow_patterns = ['.*@example\\.com']
    disable = ["ADDRESS", "mac"]

    [[rules]]
    name = "ticket"
    type = "TICKET"
    pattern = 'TCK-[0-9]{6}'
    keywords = ["tck-"]

Used by `engine`.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from spanscope.exceptions import ConfigError
from spanscope.redaction.catalogue import RULES
from spanscope.redaction.rules import Rule, by_pattern
from spanscope.redaction.scanner import is_safe

FILE_VARIABLE: Final = "SPANSCOPE_REDACTION"
DEFAULT_FILE: Final = "redaction.toml"
_KEYS: Final = ("operators", "allow", "allow_patterns", "disable", "rules", "time_limit_s", "max_depth")
_TYPE = re.compile(r"[A-Z][A-Z0-9_]{1,31}")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arguments for a `Redactor` that a TOML file holds.  Raises `ConfigError`."""
    where = Path(path).expanduser()
    try:
        given = tomllib.loads(where.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigError(f"redaction settings {where} cannot be read ({type(fault).__name__})") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError(f"redaction settings {where} are not TOML: {fault}") from fault
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        raise ConfigError(
            f"redaction settings {where}: unknown {', '.join(unknown)}; known are {', '.join(_KEYS)}"
        )
    given["allow"] = [*_texts(given.get("allow"), "allow"), *_patterns(given.pop("allow_patterns", ()))]
    return given


def _texts(values: Any, what: str) -> list[str]:
    if values is None:
        return []
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ConfigError(f"{what} must be a list of texts, not {type(values).__name__}")
    texts: list[str] = []
    for value in values:
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{what}: {value!r} is no text")
        texts.append(value)
    return texts


def _patterns(values: Any) -> list[re.Pattern[str]]:
    return [compiled(value, "allow_patterns") for value in _texts(values, "allow_patterns")]


def compiled(pattern: Any, where: str, *, flags: int = 0) -> re.Pattern[str]:
    """The pattern, if it compiles and cannot take exponential time."""
    if isinstance(pattern, re.Pattern):
        pattern, flags = pattern.pattern, pattern.flags & ~re.UNICODE
    if not isinstance(pattern, str) or not pattern:
        raise ConfigError(f"{where}: the pattern must be a text")
    try:
        made = re.compile(pattern, flags)
    except re.error as fault:
        raise ConfigError(f"{where}: {pattern!r} is no regular expression: {fault}") from fault
    if not is_safe(pattern):
        raise ConfigError(
            f"{where}: {pattern!r} repeats a repeat, which takes exponential time; use ++ or a bound inside"
        )
    if made.fullmatch("") or made.search(""):
        raise ConfigError(f"{where}: {pattern!r} matches the empty text")
    return made


def allowed(values: Any) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """What is never taken out: exact values, compared in lower case, and patterns for whole values."""
    if values is None:
        return frozenset(), ()
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ConfigError("allow must be a list of texts and patterns")
    texts, patterns = [], []
    for value in values:
        if isinstance(value, re.Pattern):
            patterns.append(compiled(value, "allow"))
        elif isinstance(value, str) and value:
            texts.append(value.lower())
        else:
            raise ConfigError(f"allow: {value!r} is neither text nor pattern")
    return frozenset(texts), tuple(patterns)


def own_rules(given: Any) -> list[Rule]:
    """Rules from tables with `name`, `type`, `pattern`, `keywords` and `ignore_case`, or ready ones."""
    if given is None:
        return []
    if isinstance(given, Mapping | str) or not isinstance(given, Sequence):
        raise ConfigError("rules must be a list of tables")
    return [rule if isinstance(rule, Rule) else _own_rule(rule) for rule in given]


def _own_rule(given: Any) -> Rule:
    if not isinstance(given, Mapping):
        raise ConfigError(f"rules: {type(given).__name__} is no table with name, type and pattern")
    known = ("name", "type", "pattern", "keywords", "ignore_case", "group")
    if unknown := sorted(map(str, set(given) - set(known))):
        raise ConfigError(f"rules: unknown {', '.join(unknown)}; known are {', '.join(known)}")
    name, kind = given.get("name"), given.get("type")
    if not isinstance(name, str) or not name:
        raise ConfigError("rules: each needs a name")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise ConfigError(f"rules: {name}: the type {kind!r} must be upper-case letters, digits and _")
    pattern = compiled(
        given.get("pattern"), f"rules: {name}", flags=re.IGNORECASE if given.get("ignore_case") else 0
    )
    group = given.get("group", 0)
    if not isinstance(group, int) or not 0 <= group <= pattern.groups:
        raise ConfigError(f"rules: {name}: the pattern has {pattern.groups} groups, not {group!r}")
    keywords = tuple(word.lower() for word in _texts(given.get("keywords"), f"rules: {name}: keywords"))
    return Rule(name, kind, by_pattern(pattern, group), triggers=keywords)


def enabled(rules: Sequence[Rule], disable: Any) -> list[Rule]:
    """The rules but for those whose name or type is in `disable`.  Raises `ConfigError` for others."""
    switched_off = set(_texts(disable, "disable"))
    known = {rule.name for rule in rules} | {rule.type for rule in rules}
    if unknown := sorted(switched_off - known):
        raise ConfigError(f"disable: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return [rule for rule in rules if rule.name not in switched_off and rule.type not in switched_off]


def all_rules(given: Any) -> list[Rule]:
    """Own rules, which go first, and the built-in ones."""
    return [*own_rules(given), *RULES]
