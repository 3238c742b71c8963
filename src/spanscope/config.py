"""Settings of one runtime: what the user gave, then SPANSCOPE_* variables, then defaults.

Checked when a handler is made, so that a mistake speaks at once.  Handlers with equal settings share
a runtime, and with it the worker thread, the store and the sinks.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from spanscope.exceptions import ConfigError
from spanscope.semconv import CONTENT_POLICIES, KINDS

DEFAULT_CONTENT: Final = "preview"
DEFAULT: Final = "default"
VAULT_DAYS: Final = 7.0
StoreSetting = str | os.PathLike[str] | None | Literal[False]
ContentSetting = str | Mapping[str, str] | None
"""A policy, or policies by kind of span, with one under `default` for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`store` is a path or URL, or False for none; `backends` are names or objects."""

    store: str | Literal[False]
    backends: tuple[Any, ...] = ()
    content: Mapping[str, str] = field(default_factory=lambda: {DEFAULT: DEFAULT_CONTENT})
    """Policies by kind, and one for the others under `default`."""
    vault_days: float = VAULT_DAYS
    """How long raw texts are kept, where the policy is `vault`."""
    secret: str | None = field(default=None, repr=False)
    """The key for pseudonyms; None for that of the environment or beside the store."""
    pricing: Any = None
    """A `pricing.Pricing`; None for prices as the environment says."""
    redaction: Any = None
    """A `Redactor`, its arguments, a path to them, False, or None for what the environment says."""

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for settings that can share a runtime."""
        redaction = self.redaction
        if isinstance(redaction, os.PathLike):
            redaction = os.fspath(redaction)
        elif not isinstance(redaction, str | bool | None):
            redaction = id(redaction)
        sinks = [one if isinstance(one, str) else id(one) for one in self.backends]
        return (self.store, self.secret, redaction, *sinks)


def settings_from(
    store: StoreSetting,
    backends: Sequence[Any] | Any,
    content: ContentSetting,
    pricing: Any = None,
    secret: str | None = None,
    redaction: Any = None,
) -> Settings:
    """The settings that these arguments and the environment say.  Raises `ConfigError`."""
    environment = os.environ.get("SPANSCOPE_CONTENT") or DEFAULT_CONTENT
    rules = {**content_rules(environment), **content_rules(content)}
    if isinstance(store, bool) and store:
        raise ConfigError("store=True says nothing: give a path or URL, None for the default, False for none")
    if isinstance(backends, str) or not isinstance(backends, Sequence):
        backends = (backends,)
    if store is False and not backends:
        raise ConfigError("store=False and no backends: nothing would be recorded; name a store or a backend")
    if store is None:
        store = os.environ.get("SPANSCOPE_STORE") or ".spanscope/spans.db"
    place: str | Literal[False] = False if store is False else os.fspath(store)
    if place and "://" not in place:
        # Absolute: the application may change its working directory afterwards.
        place = os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111  keeps URLs of sqlite: as text
    return Settings(
        store=place,
        backends=tuple(backends),
        content=rules,
        vault_days=_days("SPANSCOPE_VAULT_DAYS", VAULT_DAYS),
        secret=secret,
        pricing=pricing,
        redaction=redaction,
    )


def content_rules(given: ContentSetting) -> dict[str, str]:
    """Policies by kind and under `default`; empty for None.

    Raises `ConfigError` for a policy or kind that there is not.
    """
    if not given:
        return {}
    rules = {DEFAULT: given} if isinstance(given, str) else dict(given)
    for kind, policy in rules.items():
        if policy not in CONTENT_POLICIES:
            raise ConfigError(f"unknown content policy {policy!r}: known are {', '.join(CONTENT_POLICIES)}")
        if kind != DEFAULT and kind not in KINDS:
            raise ConfigError(
                f"content={{{kind!r}: …}}: no kind of span; known are {', '.join(sorted(KINDS))}"
            )
    return rules


def content_policy(kind: str, *rules: Any) -> str:
    """What holds for a span of this kind: the first rules that say something, be it a policy or by kind.

    Rules may come from a call's metadata, unchecked.  What is no policy then is given back as it is: the
    seal lets nothing through under a policy that it does not know.
    """
    for rule in rules:
        if not rule:
            continue
        if isinstance(rule, str):
            return rule
        if type(rule) is not dict and not isinstance(rule, Mapping):
            return "unknown"
        found = rule.get(kind) or rule.get(DEFAULT)
        if found:
            return found if isinstance(found, str) else "unknown"
    return DEFAULT_CONTENT


def _days(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days < 36_500:
        raise ConfigError(f"{variable}={text!r} is no number of days: write 7 or 0.5")
    return days
