"""Secrets with a shape of their own: private keys, JSON web tokens, and what a URL carries.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule, from_words, matches_from

_BEGIN = re.compile(
    r"-----BEGIN[ A-Z0-9_-]{0,60}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
    re.IGNORECASE,
)
_END = re.compile(
    r"-----END[ A-Z0-9_-]{0,60}PRIVATE KEY(?: BLOCK)?-----|---- END SSH2[A-Z0-9 ]{0,60} ----", re.IGNORECASE
)


def _private_keys(page: Page, start: int, end: int) -> Iterable[Place]:
    """From the first line to the last one; cut off, all the rest is key."""
    text, folded = page.text, page.folded
    at = folded.find("private key", start, end)
    while at >= 0:
        begin = _BEGIN.search(text, max(start, at - 72), min(len(text), at + 24))
        if begin is not None:
            last = folded.find("-end", begin.end())
            finish = None
            while last >= 0 and finish is None:
                finish = _END.search(text, max(begin.end(), last - 6), last + 90)
                if finish is None:
                    last = folded.find("-end", last + 4, last + 20_000)
            stop = len(text) if finish is None else finish.end()
            yield begin.start(), stop
            at = folded.find("private key", stop, end)
        else:
            at = folded.find("private key", at + 1, end)


# Two parts with a dot between, or one long enough to be a cut one; `eyJ` is `{"` in base64.
_JWT = re.compile(r"(?<![\w-])(?:eyJ|ewogIC|eyAi)(?:[\w-]{4,}+(?:\.[\w=-]*+){1,4}|[\w-]{20,}+={0,2})")
_JWT_TWICE = re.compile(r"ZXlK[\w/+-]{30,}+={0,2}")

# --- URLs -------------------------------------------------------------------------------------------------
_USER = re.compile(r"://([^\s/\"'<>\[\]\\]{1,1024})@")
_QUERY = re.compile(
    r"""[?&;\#](?:x-(?:amz|goog|ms)-)?(?:signature|credential|security-token|access_?token|auth_?token|id_?token|refresh_?token|oauth_?token
        |api_?key|apikey|key|sig|auth|authkey|code|token|secret|client_?secret|password|passwd|pwd|pass|session(?:id|_id|key)?|sid|jwt|ticket|assertion|hmac|sas|se?_?token
        |subscription-key|appid|app_?key|hapikey|private_token|accesskey|user_?key|invite|otp|nonce|magic|reset_?token|confirmation_token|policy)
        =([^&\s\#"'<>\\]++)""",
    re.IGNORECASE | re.VERBOSE,
)
_ENCODED_QUERY = re.compile(
    r"(?:access_token|api_?key|client_secret|password|refresh_token|token|secret)%3D([^&\s\"'<>%]{6,}+)",
    re.IGNORECASE,
)


def _url_users(page: Page, start: int, end: int) -> Iterable[Place]:
    for match in matches_from(("://",), _USER, page, start, end):
        user = match[1]
        if ("?" in user or "#" in user) and (
            ":" not in user
            or page.folded[max(0, match.start() - 5) : match.start()].endswith(("http", "https"))
        ):
            continue  # not before the host but after it
        # A name alone is no secret, and `git@` is nobody; an e-mail address is left to its own rule.
        if ":" in user or "@" in user or len(user) > 12:
            if user.startswith(("$", "{", "<", "%")) and not any(
                map(str.isalnum, user.partition(":")[2][:1])
            ):
                continue
            yield match.span(1)


_TEMPLATE = re.compile(r"[\[{<$%].*|\.\.\.|…|x{3,}|YOUR.*", re.IGNORECASE)


def _query(page: Page, start: int, end: int) -> Iterable[Place]:
    for match in _QUERY.finditer(page.text, start, end):
        if not _TEMPLATE.fullmatch(match[1]):
            yield match.span(1)
    if page.folded.find("%3d", start, end) >= 0:
        for match in _ENCODED_QUERY.finditer(page.text, start, end):
            yield match.span(1)


_CONNECTION = re.compile(
    r"(?:accountkey|sharedaccesskey|sharedaccesssignature|sharedsecretvalue|password|pwd|endpointkey|primarykey|secret)\s?=\s?([^;\s\"'&]{4,}+)",
    re.IGNORECASE,
)


def _connections(page: Page, start: int, end: int) -> Iterable[Place]:
    """`Server=…;Password=…`: one field of several, with semicolons between."""
    text = page.text
    for match in matches_from(_CONNECTION_WORDS, _CONNECTION, page, start, end):
        if _TEMPLATE.fullmatch(match[1]):
            continue
        if (
            text[match.end() : match.end() + 1] == ";"
            or text[max(0, match.start() - 8) : match.start()].rstrip()[-1:] == ";"
        ):
            yield match.span(1)


_CONNECTION_WORDS: Final = (
    "accountkey",
    "sharedaccess",
    "sharedsecret",
    "password",
    "pwd",
    "endpointkey",
    "primarykey",
)

# The user and the password of `jdbc:oracle:thin:scott/tiger@host`.
_ORACLE = re.compile(r"jdbc:oracle:\w{2,8}:([^\s/@\"']{1,128}/[^\s@\"']{1,256})@", re.IGNORECASE)

# --- a Kubernetes secret ---------------------------------------------------------------------------------
_KINDS: Final = ("kind: secret", 'kind: "secret"', "kind: 'secret'", 'kind":"secret"', 'kind": "secret"')
_DATA = re.compile(r"^[ \t]*[\"']?(?:data|stringData)[\"']?:[ \t{]*\n", re.MULTILINE)
_ENTRY = re.compile(
    r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]+[\"']?[\w.-]+[\"']?:[ \t]*(?:[|>][-+]?[ \t]*\n[ \t]+)?[\"']?([\w+/.!@#$%^&*~:-]{6,}+={0,3})?[^\n]*(?:\n|\Z)"
)
_REACH: Final = 8000


def _sealed(page: Page, start: int, end: int) -> Iterable[Place]:
    """All values of `data` in the document that says `kind: Secret`."""
    text, folded = page.text, page.folded
    for kind in _KINDS:
        at, done = folded.find(kind, start, end), start
        while at >= 0:
            if folded[at + len(kind) : at + len(kind) + 1].isalpha():
                at = folded.find(kind, at + 1, end)
                continue
            first = max(done, at - _REACH, text.rfind("\n---", max(done, at - _REACH), at))
            last = text.find("\n---", at, at + _REACH)
            last = min(len(text), at + _REACH) if last < 0 else last
            for data in _DATA.finditer(text, first, last):
                entry = _ENTRY.match(text, data.end(), last)
                while entry is not None:
                    if entry[1] is not None and "{{" not in entry[0]:
                        yield entry.span(1)
                    entry = _ENTRY.match(text, entry.end(), last) if entry.end() < last else None
            done = last
            at = folded.find(kind, max(at + 1, last), end)


RULES: Final = (
    Rule("kubernetes secret", "SECRET", _sealed, triggers=_KINDS),
    Rule("oracle user", "SECRET", from_words(("jdbc:oracle",), _ORACLE, 1), triggers=("jdbc:oracle",)),
    Rule("private key", "SECRET", _private_keys, triggers=("private key",)),
    Rule(
        "jwt",
        "SECRET",
        from_words(("eyj", "ewogic", "eyai"), _JWT),
        triggers=("eyj", "ewogic", "eyai"),
        sieve="eyJ|ewogIC|eyAi",
    ),
    Rule("jwt", "SECRET", from_words(("zxlk",), _JWT_TWICE), triggers=("zxlk",)),
    Rule("url user", "SECRET", _url_users, triggers=("://",), sieve=r"://[^\s/\"'<>\[\]\\]*@"),
    Rule(
        "url query",
        "SECRET",
        _query,
        triggers=("?", "&", ";", "#", "%3d"),
        sieve=(
            r"(?i)[?&;#](?:x-|sig|cred|sec|access|auth|id_?t|refresh|oauth|api|key|code|token|client|pass|pwd|session|sid|jwt|ticket|assert|hmac|sas|se?_?token|sub|app|hap|private|user_?key|invite|otp|nonce|magic|reset|confirm|policy)|%3d",
            r"[?&;#][A-Za-z_-]*=|(?i:%3d)",
        ),
    ),
    Rule(
        "connection string",
        "SECRET",
        _connections,
        triggers=_CONNECTION_WORDS,
        sieve=r"(?i)(?:key|signature|value|password|pwd|secret)\s?=\s?[^;\s\"'&]{4}",
    ),
)
