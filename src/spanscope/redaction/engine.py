"""The redactor: text in, the same text without secrets and personal data out.

Whatever leaves the process has passed `Redactor.redact`.  It knows nothing of spans; `seal` decides
what is shown to it, `values` walks structured values with it, `rules` says what it looks for.

Plain prose is let through after two quick looks at its characters, which is most of the text there is.
"""

import re
import string
from collections.abc import Callable
from typing import Any, Final

from spanscope.redaction import rules
from spanscope.redaction.values import SMALL_INT, Limits, Walk, meaning

# Text with none of these characters holds nothing for the rules, but for what `redact` looks for by name.
_SUSPICIOUS_ASCII = re.compile(r"[0-9@_=:%/+\-]")
_SUSPICIOUS = re.compile(r"[\d@_=:%/+\-]")
_SIGNS = re.compile(f"[{re.escape(rules.SIGNS)}]")
_DIGITS = re.compile(r"\d")
_PLAIN_ID = re.compile(
    r"[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32})?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_PLAIN_ID_CHARS = frozenset({32, 36, 40, 64})

LABEL_CHARS: Final = 200
_MAX_CLEAN = 4096
_LONG = 512
"""Characters from which a run of base64 is taken for a file."""
_KNOWN_ITEMS = 20
"""A mapping with more is walked: its strings together may be more text than is kept of one value."""
_CUT_SLACK = 512
"""How many characters beyond a cut are read, so that what straddles it is recognised."""
_WORD_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.+/=@%~-")
_HALF_PLACEHOLDER = re.compile(r"\[[A-Z]{0,7}\Z")


class Redactor:
    """Replaces e-mail addresses, phone and card numbers, SSNs, keys and passwords by their kind.

    `digest` gives the keyed hash by which equal images can be told without keeping them; without it
    they are described by type and size alone.  `on_fault` is told about values that could not be
    read; they come out as `[withheld: unreadable]` either way.
    """

    def __init__(
        self,
        *,
        digest: Callable[[str], str] | None = None,
        on_fault: Callable[[Exception], None] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._digest = digest
        self._on_fault = on_fault
        self._limits = limits or Limits()
        self._clean: set[str] = set()
        """Short strings that came out as they went in.  Emptied when full, which is soon made good."""
        self._chosen: dict[tuple[frozenset[str], int], tuple[rules.Rule, ...]] = {}

    def redact(self, text: str) -> str:
        """`text` with each secret replaced by `[EMAIL]`, `[PHONE]`, `[CARD]`, `[SSN]` or `[SECRET]`.

        Data URIs and long base64 become `[image/png, 5120 bytes]`.  Takes time linear in the text.
        """
        if text.isascii():
            suspicious = _SUSPICIOUS_ASCII.search(text)
        else:
            text = _encodable(text)
            suspicious = _SUSPICIOUS.search(text)
        if suspicious is None and len(text) < _LONG and not _names_a_secret(text):
            return text.replace("\0", "\ufffd")
        if len(text) in _PLAIN_ID_CHARS and _PLAIN_ID.fullmatch(text):
            return text
        return self._scan(text.replace("\0", "\ufffd"))  # no NUL: PostgreSQL takes none

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

    def _scan(self, text: str) -> str:
        folded = text.lower()
        if "data:" in folded:
            text = rules.DATA_URI.sub(self._media, text)
        for rule in self._candidates(text):
            if rule.triggers and not _any_in(rule.triggers, folded):
                continue
            if rule.also and not _any_in(rule.also, folded):
                continue
            if rule.sieve is None or rule.sieve.search(folded):
                text = rule.pattern.sub(rule.replacement, text)
        if len(text) >= _LONG:
            text = rules.BASE64_RUN.sub(self._blob, text)
        return text

    def _candidates(self, text: str) -> tuple[rules.Rule, ...]:
        """The rules for which the text has the characters they need."""
        if len(text) >= _LONG:
            return rules.RULES
        signs = frozenset(_SIGNS.findall(text))
        digits = min(len(_DIGITS.findall(text)), rules.MAX_DIGITS)
        chosen = self._chosen.get((signs, digits))
        if chosen is None:
            chosen = self._chosen[signs, digits] = tuple(
                rule
                for rule in rules.RULES
                if rule.digits <= digits and (not rule.signs or not signs.isdisjoint(rule.signs))
            )
        return chosen

    def preview(self, text: str, chars: int) -> str:
        """The first `chars` characters of the redacted text; nothing that is cut in two shows a half.

        Reads a little beyond the cut instead of the whole text, which may be megabytes.
        """
        head = text
        if len(text) > chars + _CUT_SLACK:
            if "data:" in text[: chars + _CUT_SLACK]:
                text = rules.DATA_URI.sub(self._media, text)
            head = text[: chars + _CUT_SLACK]
            # A word that goes on from before the cut to the end of the slack may be anything.
            if len(text) > len(head) and (last := _last_word(head)) < chars:
                head = f"{head[:last]}[withheld: long word]"
        redacted = self.redact(head)
        if len(redacted) <= chars:
            return redacted
        return _HALF_PLACEHOLDER.sub("", redacted[:chars])

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
        an unknown class `<ClassName>`, the value under a name like `api_key` `[SECRET]`.  With
        `pseudonym`, the string `user` and whatever stands under a name like `user_id` become its result.
        """
        if type(value) is dict and depth == 0 and (known := self._known_mapping(value, user)) is not None:
            return known
        walk = Walk(self._text_of_value, self._limits, self._on_fault, user=user, pseudonym=pseudonym)
        return walk.copy(value, depth)

    def _known_mapping(self, value: dict[Any, Any], user: str | None) -> dict[str, Any] | None:
        """A copy of a flat mapping in which a walk would change nothing, at a fifth of its cost; else None.

        Shapes, metadata and documents come with every span and seldom hold a string that was not seen before.
        """
        if len(value) > min(_KNOWN_ITEMS, self._limits.items):
            return None
        clean, copied = self._clean, value.copy()
        for key, item in copied.items():
            if type(key) is not str or key not in clean or meaning(key) is not None:
                return None
            kind = type(item)
            if kind is str:
                if item not in clean or item == user:
                    return None
            elif kind is int or kind is float:
                if not -SMALL_INT < item < SMALL_INT:
                    return None
            elif item is not None and kind is not bool:
                return None
        return copied

    def _text_of_value(self, text: str) -> str:
        if len(text) <= LABEL_CHARS:
            return self.label(text)
        limit = self._limits.string_chars
        if len(text) <= limit:
            return self.redact(text)
        if rules.BASE64_RUN.fullmatch(text):
            return rules.BASE64_RUN.sub(self._blob, text)
        return f"{self.preview(text, limit)}… [cut, {len(text)} chars]"

    def _media(self, match: re.Match[str]) -> str:
        if len(match[0]) < 64 and not match[1]:
            return match[0]  # `data:,` in prose
        kind, body = match[1] or "text/plain", match[2]
        size = _base64_bytes(body) if ";base64," in match[0][:512].lower() else len(body)
        return self._described(kind.lower(), size, body)

    def _blob(self, match: re.Match[str]) -> str:
        return self._described("base64", _base64_bytes(match[0]), match[0])

    def _described(self, kind: str, size: int, body: str) -> str:
        return (
            f"[{kind}, {size} bytes]"
            if self._digest is None
            else f"[{kind}, {size} bytes, {self._digest(body)}]"
        )


def _names_a_secret(text: str) -> bool:
    """Whether there may be a secret of letters alone: `Basic dXNlcjpw`, `password is abcDef`, AKIA…"""
    folded = text.lower()
    return (
        "basic" in folded
        or "bearer" in folded
        or "AKIA" in text
        or "ASIA" in text
        or (_any_in(rules.SAID_TRIGGERS, folded) and _any_in(rules.NAME_TRIGGERS, folded))
    )


def _any_in(triggers: tuple[str, ...], text: str) -> bool:
    for trigger in triggers:  # noqa: SIM110  `any` with a generator takes three times as long
        if trigger in text:
            return True
    return False


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


def _base64_bytes(body: str) -> int:
    return len(body.rstrip("=")) * 3 // 4
