"""Secrets by their place in a header or a command: `Authorization: Bearer …`, `curl -u name:…`, `--token …`.

Part of `catalogue`.
"""

import base64
import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.guesses import is_opaque, looks_random
from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule, from_words, matches_from

_SCHEME = re.compile(r"(bearer|basic|token|digest|apikey)[ \t]{1,4}+([\w.~+/=|:-]{6,}+)", re.IGNORECASE)
_COOKIE = re.compile(
    r"cookie2?\\?[\"']?\s?[:=]\s?\\?[\"']?((?:[^\s=;\"'\\]{1,256}=[^\s\n;\"'\\]{0,4096}+(?:;\s?)?(?:(?:path|expires|max-age|samesite|domain)=[^;\n\"']*;?\s?|(?:secure|httponly);?\s?)*){1,60})",
    re.IGNORECASE,
)
_CURL_USER = re.compile(
    r"curl\b[^\n]{0,400}?\s(?:-u|--user)(?:=|\s{0,4})[\"']?([^\s:\"']{1,128}:[^\s\"']{3,256})", re.IGNORECASE
)
_NETRC = re.compile(r"machine\s+\S{1,128}\s+login\s+\S{1,128}\s+password\s+(\S{1,256})", re.IGNORECASE)
_FLAG = re.compile(
    r"--(?:password|passwd|pass|token|secret|api-key|apikey|access-key|secret-key|auth-token)[ \t]+[\"']?([^\s\"'-][^\s\"']{2,256})"
)


def _schemes(page: Page, start: int, end: int) -> Iterable[Place]:
    for match in matches_from(("bearer", "basic", "token", "digest", "apikey"), _SCHEME, page, start, end):
        if match.start() and page.text[match.start() - 1].isalnum():
            continue
        scheme, value = match[1].lower(), match[2]
        if scheme == "basic":
            secret = _is_basic(value)
        elif scheme == "bearer":
            secret = is_opaque(value)
        else:
            secret = len(value) >= 16 and looks_random(value.rstrip(".:"))
        if secret:
            yield match.start(2), match.end(2) - (value[-1] in ".:")


def _is_basic(value: str) -> bool:
    """Whether this is `user:password` in base64."""
    try:
        return b":" in base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4))
    except ValueError:
        return False


RULES: Final = (
    Rule("cookie", "SECRET", from_words(("cookie",), _COOKIE, 1), triggers=("cookie",)),
    Rule("authorization", "SECRET", _schemes, triggers=("bearer", "basic", "token", "digest", "apikey")),
    Rule("curl user", "SECRET", from_words(("curl",), _CURL_USER, 1), triggers=("curl",)),
    Rule("netrc", "SECRET", from_words(("machine",), _NETRC, 1), triggers=("machine",)),
    Rule(
        "flag",
        "SECRET",
        from_words(("--pass", "--token", "--secret", "--api", "--access", "--auth"), _FLAG, 1),
        triggers=("--",),
    ),
)
