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
    r"\s(?:-u|--user)(?:=|\s{0,4})[\"']?"
    r"([^\s:\"']{0,128}[\"']?:[\"']?[^\s\"']{3,256}|[^\s:\"']{10,128}:(?=[\"'\s]))",
    re.IGNORECASE,
)
_END_OF_COMMAND = re.compile(r"(?<!\\)\n")
_NO_PASSWORD = re.compile(
    r"[\"']?(?:\$|\{\{|<|\[|\*+\Z|x+\Z|y+\Z|(?:pass(?:word)?|pwd|test|token|changeme|changeit)[\"']?\Z)"
)
# A password among the arguments of programs that take one by a short name.
_COMMAND = re.compile(
    r"(?:mysql(?:dump|admin|import)?|mariadb)\b[^\n|;&]{0,200}?\s-p(?![ro]{2}[a-z]+\b)([^\s\"'$-][^\s\"']{3,128})"
    r"|sshpass\s+-p\s?[\"']?([^\s\"'$][^\s\"']{2,128})"
    r"|redis-cli\b[^\n|;&]{0,160}?\s-a\s+[\"']?([^\s\"'$][^\s\"']{2,128})"
    r"|\blogin\b[^\n|;&]{0,160}?\s-p\s+[\"']?([^\s\"'$][^\s\"']{3,256})",
)
_AUTH_PAIR = re.compile(
    r"auth\s?=\s?\(\s?[\"'][^\"'\n]{1,128}[\"']\s?,\s?[\"']([^\"'\n]{3,256})[\"']", re.IGNORECASE
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
        pair = base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)).decode()
    except ValueError:
        return False
    return ":" in pair and pair.isprintable()


_COMMAND_CHARS: Final = 800
_VALUE_CHARS: Final = 400


def _curl_users(page: Page, start: int, end: int) -> Iterable[Place]:
    """What stands behind `-u`, in the same line or in one that a backslash joins to it."""
    text, folded = page.text, page.folded
    option, read, last = None, start, end + _COMMAND_CHARS  # the next with a value; up to where no other is
    at = folded.find("curl", start, end)
    while at >= 0:
        after, reach = at + 4, at + _COMMAND_CHARS
        if read < last and (option is None or option.start() < at):
            option = _CURL_USER.search(text, max(read, at), last + _VALUE_CHARS)
            read = last if option is None else option.start()
        if option is not None and at < option.start() < reach and not _ends(text, at, option.start(1)):
            user, _, password = option[1].partition(":")
            after = option.end()
            if (
                looks_random(user)
                if not password
                else not (_NO_PASSWORD.match(password) or user.startswith(("<", "[")))
            ):
                yield option.span(1)
        at = folded.find("curl", after, end)


def _ends(text: str, start: int, end: int) -> bool:
    """Whether a command that begins at `start` is over before `end`."""
    return text.find("\n", start, end) >= 0 and _END_OF_COMMAND.search(text, start, end) is not None


_COMMANDS: Final = ("mysql", "mariadb", "sshpass", "redis-cli", "login")


def _commands(page: Page, start: int, end: int) -> Iterable[Place]:
    for match in matches_from(_COMMANDS, _COMMAND, page, start, end):
        yield match.span(match.lastindex or 0)


RULES: Final = (
    Rule("cookie", "SECRET", from_words(("cookie",), _COOKIE, 1), triggers=("cookie",)),
    Rule(
        "authorization",
        "SECRET",
        _schemes,
        triggers=("bearer", "basic", "token", "digest", "apikey"),
        sieve=r"(?i)(?:bearer|basic|token|digest|apikey)[ \t]+[\w.~+/=|:\x80-\xff-]{4}",
    ),
    Rule("curl user", "SECRET", _curl_users, triggers=("curl",)),
    Rule("password of a command", "SECRET", _commands, triggers=_COMMANDS),
    Rule("pair of names", "SECRET", from_words(("auth",), _AUTH_PAIR, 1), triggers=("auth",)),
    Rule("netrc", "SECRET", from_words(("machine",), _NETRC, 1), triggers=("machine",)),
    Rule(
        "flag",
        "SECRET",
        from_words(("--pass", "--token", "--secret", "--api", "--access", "--auth"), _FLAG, 1),
        triggers=("--",),
    ),
)
