"""The redactor: text in, the same text without secrets and personal data out.

Whatever leaves the process has passed `Redactor.redact`.  It knows nothing of spans; `seal` decides
what is shown to it, `values` walks structured values with it, `catalogue` says what it looks for and
`scanner` how.

Plain prose is let through after two quick looks at its characters, which is most of the text there is.
"""

import os
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from secrets import token_bytes
from time import monotonic
from typing import Any, Final, Self

from spanscope.exceptions import ConfigError
from spanscope.redaction import operators as ops
from spanscope.redaction import settings
from spanscope.redaction.detectors import Detector, DetectorFailed, Supervised
from spanscope.redaction.opaque import BASE64_RUN, LONG, base64_bytes, described, opaque_field, without_blobs
from spanscope.redaction.page import folded
from spanscope.redaction.pseudonyms import Pseudonyms
from spanscope.redaction.recent import Recent
from spanscope.redaction.rules import Rule
from spanscope.redaction.scanner import Found, OutOfTime, Scanner
from spanscope.redaction.values import Limits, Walk

# Text with none of these characters holds nothing for the rules, but for what `redact` looks for by name.
_SUSPICIOUS_ASCII = re.compile(r"[0-9@_=:%/+\-]")
_SUSPICIOUS = re.compile(r"[\d@_=:%/+\-\uff20\uff1a\uff1d]")
_NAMES_IN_PROSE = (
    "pass",
    "secret",
    "token",
    "bearer",
    "basic",
    "credential",
    "phrase",
    "mnemonic",
    "[at]",
    "(at)",
    " at ",
    "key",
    "пароль",
)
_LONG_WORD = re.compile(r"[^\s]{20}")
_PLAIN_ID = re.compile(
    r"[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32})?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_PLAIN_ID_CHARS = frozenset({32, 36, 40, 64})

LABEL_CHARS: Final = 200
TIME_LIMIT_S: Final = 2.0
_MAX_CLEAN = 4096
_WORTH_REMEMBERING = 200
_CUT_SLACK = 512
"""How many characters beyond a cut are read, so that what straddles it is recognised."""
_WORD_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.+/=@%~-")
_HALF_PLACEHOLDER = re.compile(r"\[[A-Z]{0,12}(?:[: ][\w.…]{0,40})?\Z")


class Redactor:
    """Replaces personal data and secrets by their type: `[EMAIL]`, `[PHONE]`, `[SECRET]` and so on.

    `operators` says by type (or `default`) what stands in their place: `mask`, `hash`, `drop`, `keep N`;
    a hash needs `pseudonyms`, which the handler lends, and is a mask without.  `allow` holds texts and
    patterns that stay, `disable` names or types of rules, `rules` tables of your own, `detectors` models
    for names.  A record for which detectors need more than `time_limit_s` is withheld.  `enabled` False
    leaves personal data where it is; secrets are taken out still.

    `digest` gives the keyed hash by which equal images can be told without keeping them; without it
    they are described by type and size alone.  `on_fault` is told about values that could not be read or
    searched; they come out as `[withheld: …]` either way.

    Raises `ConfigError` for a setting that is unknown or malformed.
    """

    def __init__(
        self,
        *,
        operators: Mapping[str, str] | None = None,
        allow: Iterable[str | re.Pattern[str]] | None = None,
        disable: Iterable[str] | None = None,
        rules: Sequence[Rule | Mapping[str, Any]] | None = None,
        detectors: Sequence[Detector] = (),
        time_limit_s: float = TIME_LIMIT_S,
        max_depth: int | None = None,
        enabled: bool = True,
        accelerate: bool = True,
        pseudonyms: Pseudonyms | None = None,
        digest: Callable[[str], str] | None = None,
        on_fault: Callable[[Exception], None] | None = None,
        limits: Limits | None = None,
    ) -> None:
        every = settings.all_rules(rules)
        for detector in detectors:
            if not isinstance(detector, Detector):
                raise ConfigError(f"detectors: {type(detector).__name__} has no detect(text) and types")
        if isinstance(time_limit_s, bool) or not isinstance(time_limit_s, int | float) or time_limit_s <= 0:
            raise ConfigError(f"time_limit_s must be a number of seconds above 0, not {time_limit_s!r}")
        if max_depth is not None and (type(max_depth) is not int or max_depth < 1):
            raise ConfigError(f"max_depth must be a whole number above 0, not {max_depth!r}")
        self.types = frozenset({rule.type for rule in every}.union(*(found.types for found in detectors)))
        """All types that this redactor can put in a text's place."""
        self._operators = ops.check(operators, self.types)
        self._allow, self._allow_patterns = settings.allowed(allow)
        self.enabled = bool(enabled)
        """False: only secrets are taken out, by their shape or name."""
        chosen = settings.enabled(every, disable)
        if not enabled:
            chosen = [rule for rule in chosen if rule.type == "SECRET"]
        self._scanner = Scanner(chosen, re2=accelerate)
        self._supervised = Supervised(detectors) if detectors else None
        self._time_limit_s = float(time_limit_s)
        self.limits = limits or (Limits() if max_depth is None else Limits(depth=max_depth))
        """How much of a value is kept."""
        self._bind(pseudonyms, digest, on_fault)

    def _bind(
        self,
        pseudonyms: Pseudonyms | None,
        digest: Callable[[str], str] | None,
        on_fault: Callable[[Exception], None] | None,
    ) -> None:
        self._digest = digest or (pseudonyms.digest if pseudonyms is not None else None)
        self._on_fault = on_fault
        token = pseudonyms.token if pseudonyms is not None else None
        chosen = {
            kind: self._operators.get(kind, self._operators.get(ops.DEFAULT, ops.MASK)) for kind in self.types
        }
        self._replace = {kind: ops.operator_for(name, token) for kind, name in chosen.items()}
        self._clean: set[str] = set()
        """Short strings that came out as they went in.  Emptied when full, which is soon made good."""
        self._seen: Recent[bytes, str] = Recent(max_items=2048, max_weight=8_000_000)
        """Redacted texts by a hash of the raw ones under a key that nobody knows."""
        self._salt = token_bytes(16)
        self._deadline: float | None = None
        self.counts: Counter[str] = Counter()
        """How many values were replaced, by type."""

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **more: Any) -> Self:
        """A redactor with the settings of a TOML file.  Raises `ConfigError`."""
        return cls(**{**settings.read(path), **more})

    def bound(
        self, pseudonyms: Pseudonyms, on_fault: Callable[[Exception], None] | None = None
    ) -> "Redactor":
        """The same redactor with a key and with memories of its own, for one runtime."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._bind(pseudonyms, None, on_fault)
        return copy

    def begin_record(self) -> None:
        """The time limit starts anew: what follows belongs to another record."""
        self._deadline = monotonic() + self._time_limit_s

    # --- text --------------------------------------------------------------------------------------------

    def redact(self, text: str) -> str:
        """`text` with each secret replaced by its type.  Takes time linear in the text.

        Data URIs and long base64 become `[image/png, 5120 bytes]`.  A text that cannot be searched in time
        becomes `[withheld: …]`.
        """
        if text.isascii():
            suspicious = _SUSPICIOUS_ASCII.search(text)
        else:
            text = _encodable(text)
            suspicious = _SUSPICIOUS.search(text)
        if "\0" in text:
            text = text.replace("\0", "\ufffd")  # PostgreSQL takes none
        if self._supervised is None:
            if suspicious is None and len(text) < LONG and not _names_a_secret(text):
                return text
            if len(text) in _PLAIN_ID_CHARS and _PLAIN_ID.fullmatch(text):
                return text
        if len(text) < _WORTH_REMEMBERING:
            return self._searched(text)
        known = blake2b(text.encode(), digest_size=16, key=self._salt).digest()
        redacted = self._seen.get(known)
        if redacted is None:
            redacted = self._searched(text)
            if not redacted.startswith("[withheld"):
                self._seen.put(known, redacted, weight=len(redacted))
        return redacted

    def label(self, text: str, chars: int = LABEL_CHARS) -> str:
        """`redact` for names, tags and other short strings that come again and again; cut at `chars`."""
        if text in self._clean:
            return text
        if len(text) > chars:
            return self.preview(text, chars)
        clean = self.redact(text)
        if clean == text:  # so that nothing secret is remembered
            if len(self._clean) >= _MAX_CLEAN:
                self._clean.clear()
            self._clean.add(text)
        return clean

    def find(self, text: str) -> list[Found]:
        """What would be replaced in `text`, in its order: from where to where, type and rule.

        Values in `allow` are not among it.  Raises `DetectorFailed` and `OutOfTime`.
        """
        deadline = self._deadline
        found = self._scanner.find(text, deadline=deadline)
        if self._supervised is not None and self.enabled and text and not text.isspace():
            left = self._time_limit_s if deadline is None else deadline - monotonic()
            found = _merged(found, self._supervised.detect(text, left))
        if self._allow or self._allow_patterns:
            found = [one for one in found if not self._is_allowed(text[one.start : one.end])]
        return found

    def _searched(self, text: str) -> str:
        text = without_blobs(text, self._digest)
        try:
            found = self.find(text)
        except (DetectorFailed, OutOfTime) as fault:
            if self._on_fault is not None:
                self._on_fault(fault)
            return f"[withheld: {fault}]" if str(fault) else "[withheld: time limit]"
        if not found:
            return text
        parts, at = [], 0
        for one in found:
            parts.append(text[at : one.start])
            parts.append(self._replace[one.type](one.type, text[one.start : one.end]))
            at = one.end
            self.counts[one.type] += 1
        parts.append(text[at:])
        return "".join(parts)

    def _is_allowed(self, value: str) -> bool:
        return value.lower() in self._allow or any(
            pattern.fullmatch(value) for pattern in self._allow_patterns
        )

    def preview(self, text: str, chars: int) -> str:
        """The first `chars` characters of the redacted text; nothing that is cut in two shows a half.

        Reads a little beyond the cut instead of the whole text, which may be megabytes.
        """
        head = text
        if len(text) > chars + _CUT_SLACK:
            if "data:" in text[: chars + _CUT_SLACK]:
                text = without_blobs(text, self._digest)
            head = text[: chars + _CUT_SLACK]
            # A word that goes on from before the cut to the end of the slack may be anything.
            if len(text) > len(head) and (last := _last_word(head)) < chars:
                head = f"{head[:last]}[withheld: long word]"
        redacted = self.redact(head)
        if len(redacted) <= chars:
            return redacted
        return _HALF_PLACEHOLDER.sub("", redacted[:chars])

    def bounded(self, text: str, chars: int) -> str:
        """The redacted text; of one longer than `chars` its beginning, its length and its keyed hash."""
        if len(text) <= chars:
            return self.redact(text)
        shown = text
        if "data:" in text[: chars + _CUT_SLACK]:
            shown = without_blobs(text, self._digest)
            if len(shown) <= chars:  # it was long because of an image
                return self.redact(shown)
        digest = f", {self._digest(text)}" if self._digest is not None else ""
        return f"{self.preview(shown, chars)}… [cut, {len(text)} chars{digest}]"

    # --- values ------------------------------------------------------------------------------------------

    def redact_value(
        self,
        value: Any,
        depth: int = 0,
        *,
        user: str | None = None,
        pseudonym: Callable[[str], str] | None = None,
    ) -> Any:
        """A bounded copy of any value that `json.dumps` takes, with each string and key redacted.

        Never raises and never calls `repr`: what cannot be read becomes `[withheld: …]`, an object of
        an unknown class `<ClassName>`, the value under a name like `api_key` `[SECRET]`, provider state
        and embeddings their type and size.  With `pseudonym`, the string `user` and whatever stands
        under a name like `user_id` become its result.
        """
        walk = Walk(
            self._text_of_value,
            self.limits,
            self._on_fault,
            user=user,
            pseudonym=pseudonym,
            digest=self._digest,
        )
        return walk.copy(value, depth)

    def opaque(self, value: Any) -> Any:
        """What is kept of provider state, such as `encrypted_content`: its size, and its hash."""
        told = opaque_field(value, self._digest)
        return self.redact_value(value) if told is None else told

    def _text_of_value(self, text: str) -> str:
        if len(text) <= LABEL_CHARS:
            return self.label(text)
        limit = self.limits.string_chars
        if len(text) <= limit:
            return self.redact(text)
        if BASE64_RUN.fullmatch(text):
            return described("base64", base64_bytes(text), text, self._digest)
        return self.bounded(text, limit)


def redactor_from(given: Any) -> Redactor:
    """The redactor of a setting: a `Redactor`, its arguments, a path, None for what the environment says.

    Without any setting, `redaction.toml` in the working directory is *not* read: name it, or set
    `SPANSCOPE_REDACTION`.  Raises `ConfigError`.
    """
    if isinstance(given, Redactor):
        return given
    if given is None:
        path = os.environ.get(settings.FILE_VARIABLE)
        return Redactor.from_file(path) if path else Redactor()
    if given is False:
        return Redactor(enabled=False)
    if isinstance(given, Mapping):
        try:
            return Redactor(**given)
        except TypeError as fault:
            raise ConfigError(f"redaction: {fault}") from fault
    if isinstance(given, str | os.PathLike):
        return Redactor.from_file(given)
    raise ConfigError(
        f"redaction must be a Redactor, a mapping, a path, None or False, not {type(given).__name__}"
    )


def _merged(found: list[Found], detected: Iterable[tuple[int, int, str]]) -> list[Found]:
    """Both, where they overlap as the rule's: a detector takes `Alice` of `alice@example.com` for a name."""
    everything = [*found, *[Found(start, end, kind, "detector") for start, end, kind in detected]]
    everything.sort(key=lambda one: one.start)
    merged: list[Found] = []
    for one in everything:
        if merged and one.start < merged[-1].end:
            last = merged[-1]
            kept = last if last.rule != "detector" or one.rule == "detector" else one
            merged[-1] = Found(last.start, max(last.end, one.end), kept.type, kept.rule)
        else:
            merged.append(one)
    return merged


def _names_a_secret(text: str) -> bool:
    """Whether there may be a secret of letters alone: `Basic dXNlcjpw`, `password is abcDef`, AKIA…"""
    small = folded(text)
    for name in _NAMES_IN_PROSE:
        if name in small:
            return True
    return _LONG_WORD.search(text) is not None


def _encodable(text: str) -> str:
    """Without lone surrogates, which no sink can write."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _last_word(text: str) -> int:
    """Where the run at the end of `text` begins that may be one key, address or number."""
    start = len(text)
    while start and text[start - 1] in _WORD_CHARACTERS:
        start -= 1
    return start
