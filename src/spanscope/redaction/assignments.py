"""Secrets that are known by the name beside them: `password=…`, `"api_key": "…"`, `the token is …`.

A name that leaves no doubt (`password`, `client_secret`) takes whatever stands behind it, but for what is
plainly not a value: a variable, a call, a placeholder.  Names that might mean anything are left to `guesses`.

Part of `catalogue`.
"""

import re
import string
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from spanscope.redaction.guesses import is_opaque, looks_random
from spanscope.redaction.names import is_secret_name, squashed
from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule

# --- a name, then its value -----------------------------------------------------------------------------
_OPERATOR = r"(?:=>|->|\?\?=|::?:?=|[?+!.~]?={1,3}|:(?!//)|>|\|(?!\|))"
_TYPE = r"(?:\s?:\s?(?:str|string|String|SecretStr|bytes|Text)(?:\s?\|\s?None)?\s?(?==)|\s(?:string|str|String)\s(?==))"
_AFTER_NAME = re.compile(
    rf"""
    (?P<rest>[\w.\-]{{0,30}}+)
    (?:\\{{0,3}}["'`]|\]|\)){{0,3}}+ (?:\[[0-9]*\])? {_TYPE}?
    (?:[ \t]{{0,4}}+(?P<op>{_OPERATOR})[ \t]{{0,8}}+(?:\r?\n(?:[ \t]{{1,8}}+|(?=\S{{1,512}}+[ \t]{{0,8}}+(?:\n|\Z))))?+ (?:[|>]-?\s{{1,8}}+)? (?:"?\s?value\s?=\s?(?="))?
      |(?P<value_attribute>,?\s{{0,4}}+["']?(?:value|val)["']?\s?[:=]\s?(?=\\?["']))
      |(?P<call>\((?=["'])|,\s?(?=["'])|,(?=[\w/+=.-]{{10}})|\.assign\((?="))
      |(?P<space>["']?\s{{1,4}}+(?=["'`\\]))|(?P<said>[ \t]{{1,4}}+(?:is|was|are|lautet|ist|es|est|è|:=)[ \t]?:?[ \t]{{1,4}}+)
      |(?P<glued>(?=["'`]))|(?P<bare>[ \t]{{1,4}}+(?=[!-~]{{0,24}}[0-9]))
    )
    (?P<scheme>(?:bearer|basic|digest|token|apikey)[ \t]{{1,4}}+)?+
    @?(?:[bBrRfFuU]{{1,2}}(?=["']))?+
    (?:(?P<escaped>\\{{1,3}}["'])(?P<v1>[^"'\\\n]{{1,2000}}+)
      |"(?P<v2>[^"\n]{{1,2000}}+) |'(?P<v3>[^'\n]{{1,2000}}+) |`(?P<v4>[^`\n]{{1,2000}}+)
      |(?P<v5>[^\s"'`,;&<>\\]{{1,512}}+))
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NAME_WORDS: Final = (
    *("pass", "pw", "secret", "token", "key", "authorization", "credential", "creds", "jwt", "connectionstring", "connection_string", "dsn"),
    *("contraseña", "contrasena", "kennwort", "wachtwoord", "mot de passe", "mot_de_passe", "senha", "hasło", "lösenord"),
    *("пароль", "密码", "密碼", "口令", "パスワード", "비밀번호", "identified by", "seed phrase", "mnemonic", "recovery phrase"),
    *("pin", "cvv", "cvc", "otp", "one-time code", "verification code", "security code"),
)  # fmt: skip
_BEFORE_KEY = re.compile(
    r"(?:api|access|secret|private|signing|encryption|master|auth|service|account|client|storage|license|shared|bot|admin) \Z",
    re.IGNORECASE,
)
# In prose these begin many a sentence; only what looks like a token is one.
_SOFT_NAMES = frozenset(
    {
        "secret",
        "secrets",
        "token",
        "tokens",
        "authorization",
        "credential",
        "credentials",
        "jwt",
        "cvc",
        "otp",
    }
)
_NUMBER_NAMES = re.compile(r"(?:pin|cvv2?|cvc2?|otp|(?:pin|otp|mfa|onetime|verification|security)code)\Z")
_NO_SECRET_REST = re.compile(
    r"(?:[_.-]?(?:id|ids|name|names|type|types|count|counts|limit|length|len|size|url|uri|endpoint|path|file|policy|reset"
    r"|hint|field|strength|required|expir\w*|ttl|usage|used|budget|index|idx|class|manager|store|version|provider|label"
    r"|prompt|rules?|check|input|box|page|form|error|invalid|exists?|enabled|rotation|age|format|env|var|header|arn|ref|backend|engine|manager|algorithm|algo|hashers?|validators?|encoder|scopes?|s))+$",
    re.IGNORECASE,
)
_NO_SECRET_NAME = re.compile(
    r"(?:max|min|num|n|total|input|output|prompt|completion|cached?|reasoning|stop|pad|eos|bos|unk|sep|cls|mask|special"
    r"|first|last|next|prev(?:ious)?|page|continuation|per|used|count|of|image|audio|text|new|budget|public_?key)[_-]?tokens?$",
    re.IGNORECASE,
)
_OTHER_WORD = re.compile(
    r"tokeni[sz]|secretar|passag|passeng|passiv|passion|compass|bypass|keyboard|jwt_?alg", re.IGNORECASE
)
_HARMLESS = frozenset(
    {
        *("none", "null", "true", "false", "undefined", "nil", "nan", "str", "string", "bytes", "int", "bool", "float"),
        *("optional", "required", "empty", "redacted", "masked", "hidden", "omitted", "missing", "invalid", "expired", "public", "private", "protected", "bearer", "basic", "digest"),
        *("password", "secret", "token", "key", "value", "changeme", "yes", "no", "any", "object", "text", "sha256", "self"),
    }
)  # fmt: skip
# A variable, a call, a template, a mask, a placeholder of ours.
_REFERENCE = re.compile(
    r"""\$\{?\w+(?:[:.][^}\s]*)?\}? | \$\(.* | \$\{\{.* | \{\{\s*[\w.| ()-]+\}?\}? | \{\w*\}? | <[\w \-.]+>? | %\(?\w*\)?[sd%]? | %\w+%
      | \[[\w: .…-]+\]? | [*•x.X…-]{3,} | \[+ | \(+ | \{+ | !\w+ | (?i:your|insert|enter|my|<your)[_-](?:[A-Za-z]+[_-]?)+>?
      | (?:self|this|os|env|environ|process|settings|config|conf|cfg|args|opts|options|request|req|params|props|ctx|context|data|secrets|vars|var|local
          |module|input|form|user|account|creds?|credentials?|response|resp|res|body|event|state|kwargs|payload|session|client|obj|item|row)(?:\??\.|\[|->|::)\S*
      | (?:await\s|new\s|not\s|lambda\b).* | f["'].*
      | [A-Za-z_][\w.]{2,}\((?:[\w\s.,=*:'"\[\]/-]*\)?.*)? | [A-Za-z_][\w.]*\[.* | %\{\w*\} | \$\w+(?:->|-|\.|\[|;).* | [A-Za-z_]{2,}(?:\.[a-z_]{2,})+\(?""",
    re.VERBOSE,
)
_CLOSERS = {")": "(", "]": "[", "}": "{"}


def _trimmed(value: str) -> str:
    """An unquoted value without the signs of the sentence or structure around it."""
    while value:
        last = value[-1]
        if last in ".?:" or (last in _CLOSERS and value.count(last) > value.count(_CLOSERS[last])):
            value = value[:-1]
        else:
            break
    return value


def _named(page: Page, start: int, end: int) -> Iterable[Place]:
    text, folded, piece = page.text, page.folded, page.folded_piece(start, end)
    for word in _ASCII_NAME_WORDS if piece.isascii() else _NAME_WORDS:
        at = folded.find(word, start, end) if word in piece else -1
        while at >= 0:
            after = at + len(word)
            place = None
            is_worth_it = word not in _PARTS or _may_name_a_secret(text, at, word, after)
            match = _AFTER_NAME.match(text, after) if is_worth_it else None
            if match is not None:
                place = _value_of(text, at, word, match)
            if place is not None:
                yield place
                after = max(after, place[1])
            at = folded.find(word, after, end)


_REST_OF_NAME = re.compile(r"[\w.\-]{0,30}+")


def _may_name_a_secret(text: str, at: int, word: str, after: int) -> bool:
    """Whether it is worth reading what stands behind a short word: of `keyboard` it is not."""
    rest = _REST_OF_NAME.match(text, after)
    if rest is None or (word in ("pass", "pw") and rest.end() == after):
        return True
    name = _name_around(text, at, rest.end())
    return _is_certain_name(text, at, word, name, _about(name))


_ASCII_NAME_WORDS: Final = tuple([word for word in _NAME_WORDS if word.isascii()])


def _value_of(text: str, at: int, word: str, match: re.Match[str]) -> Place | None:
    """Where the value stands, if the name before it makes it a secret; the name is known at a lesser cost."""
    name = _name_around(text, at, match.end("rest"))
    about = _about(name)
    if about.other:
        return None
    weak = word in _PARTS and not _is_certain_name(text, at, word, name, about)
    if weak and not _may_end_a_name(text, at, word, match):
        return None
    group = match.lastgroup or ""  # the value stands last
    value = match[group]
    begin = match.start(group)
    quoted = group != "v5"
    if not quoted:
        value = _trimmed(value)
        if (
            value.startswith(("**", "/^"))
            or (value[:1] in ("[", "(") and not any(map(str.isdigit, value)))
            or _is_code_or_prose(text, value, begin, match)
        ):
            return None
    elif group == "v1":
        value = value.rstrip("\\")
    if not any(map(str.isalnum, value)) or (weak and not _is_password(value)):
        return None
    if not _tells_a_secret(name, about, value, match, quoted=quoted):
        return None
    return begin if match["scheme"] is None else match.start("scheme"), begin + len(value)


class _About(NamedTuple):
    """What can be told of a name alone."""

    other: bool
    """A word for something else: `max_tokens`, `compass`."""
    squashed: str
    numeric: bool
    """Of a short number: `pin`, `cvv`."""
    strong: bool
    secret: bool
    key: bool
    """Secret without what stands behind `key`."""


@lru_cache(maxsize=4096)
def _about(name: str) -> _About:
    small = squashed(name)
    secret = is_secret_name(name)
    return _About(
        other=_NO_SECRET_NAME.search(name) is not None or _OTHER_WORD.search(name) is not None,
        squashed=small,
        numeric=_NUMBER_NAMES.search(small) is not None,
        strong="passw" in small or "secret" in small or "pwd" in small,
        secret=secret,
        key=secret or is_secret_name(_NO_SUFFIX.sub("", name)),
    )


_NAME = re.compile(r"[A-Za-z]+(?:[_-][A-Za-z]+)+|[a-z]+(?:[A-Z][a-z]+)+")
_WORDS = re.compile(r"[A-Za-z]+(?:[_.][A-Za-z]+)*")
_PATH = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+")
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+\w{0,8}")
_MORE = re.compile(r" [a-z]")


def _is_code_or_prose(text: str, value: str, begin: int, match: re.Match[str]) -> bool:
    """Whether an unquoted value is another name, a version, or the beginning of a sentence."""
    if _NAME.fullmatch(value) and is_secret_name(value):
        return True  # `password == confirm_password`
    operator = match["op"] or ""
    if operator == ">" and (
        "://" in value or text[begin - 1] == " " or _VERSION.fullmatch(value.lstrip("="))
    ):
        return True  # `-u <user:password> https://…`, `tiktoken>=0.7.0`, `L<Pod::Token> and …`
    if operator == "::" and value.isidentifier():
        return True  # of C++
    if operator in ("==", "===", "~=", "!=", "!==", "+="):
        return any(pattern.fullmatch(value) for pattern in (_VERSION, _WORDS, _PATH))
    # `SESSION_TOKEN: The token to use`, `libsecret-1-0:amd64`
    if operator == ":":
        apart = value.istitle() or "\n" in text[match.end("op") : begin]
        prose = apart and value.isalpha() and _MORE.match(text, begin + len(value)) is not None
        return prose or (text[begin - 1] == ":" and _VERSION_PART.fullmatch(match["rest"]) is not None)
    return False


_VERSION_PART = re.compile(r"[.-][0-9]+(?:[.-][0-9]+)*")


def _may_end_a_name(text: str, at: int, word: str, match: re.Match[str]) -> bool:
    """`become_pass` and `dbPass`, where a value stands behind them."""
    if word not in ("pass", "pw") or at == 0 or match["rest"] or match["op"] is None:
        return False
    return text[at - 1] in "_-." or (text[at].isupper() and text[at - 1].islower())


def _is_password(value: str) -> bool:
    return len(value) >= 6 and any(map(str.isdigit, value)) and is_opaque(value) and not value.isdigit()


_PARTS = frozenset({"pass", "pw", "key", "pin", "dsn", "otp", "creds"})


def _is_certain_name(text: str, at: int, word: str, name: str, about: _About) -> bool:
    """Whether a short word is, or ends, a name of secrets: `api_key`, not `keyboard`; `db_pass`, not `compass`."""
    if word == "key" and text[at - 1 : at] == " ":
        return _BEFORE_KEY.search(text, max(0, at - 12), at) is not None
    if word == "pass" and "passw" in name.lower():
        return True
    return about.key if word == "key" else about.secret


_NO_SUFFIX = re.compile(r"(?<=[Kk][Ee][Yy])\w{0,12}\Z")
_OF_NAMES: Final = string.ascii_letters + string.digits + "_-."


def _name_around(text: str, at: int, end: int) -> str:
    """The whole identifier: `OPENAI_API_KEY` where `API_KEY` was found."""
    lowest = max(0, at - 40)
    first = lowest + len(text[lowest:at].rstrip(_OF_NAMES))
    while first > lowest and (text[first - 1].isalnum() or text[first - 1] in "_-."):
        first -= 1  # letters beyond ASCII
    return text[first:end]


def _tells_a_secret(name: str, about: _About, value: str, match: re.Match[str], *, quoted: bool) -> bool:
    folded = value.lower()
    if (
        folded.strip() in _HARMLESS
        or _REFERENCE.fullmatch(value) is not None
        or value.startswith(("[SECRET", "[withheld"))
    ):
        return False
    rest = match["rest"]
    small = about.squashed
    if about.numeric:
        return 3 <= len(value) <= 10 and value.replace("-", "").isalnum() and any(map(str.isdigit, value))
    if rest and not about.secret and (not about.strong or _NO_SECRET_REST.search(rest)):
        return len(value) >= 16 and looks_random(value) and not rest.lower().endswith(("id", "ids", "name"))
    if folded == small or squashed(value) == small:
        return False
    if match["bare"] is not None:
        return not quoted and len(value) >= 8 and looks_random(value)
    if match["said"] is not None:
        certain = any(map(str.isdigit, value)) or len(value) >= 6
        return certain and is_opaque(value) and (quoted or len(value) >= 4) and " " not in value
    if match["v4"] is not None and (match["op"] is None or "${" in value):
        return looks_random(value)  # named in prose, or a template
    if (
        small.endswith(("token", "jwt"))
        and not quoted
        and match["op"] == ":"
        and len(value) < 16
        and _WORDS.fullmatch(value)
    ):
        return False
    if match["op"] is None and match["value_attribute"] is None:
        long = len(value) >= 6 or match["call"] is None
        return long and is_opaque(value) and " " not in value and _WORDS.fullmatch(value) is None
    soft = small in _SOFT_NAMES
    if soft and value.isdigit() and len(value) <= 6:
        return False  # `stop_token: 3` is an entry of a vocabulary
    if soft and quoted and " " in value.strip() and not is_opaque(value.replace(" ", "")[:23]):
        return False
    certain = not soft or "=" in (match["op"] or "") or quoted
    if certain and not quoted and match["op"] == ":" and name and not name.isascii():
        certain = True
    if certain and quoted and value.count(" ") >= 3 and not any(map(str.isdigit, value)):
        # A sentence about passwords, or a pass phrase.
        return "pass" not in folded and value.islower() and all(map(str.isalpha, value.split()))
    return certain or is_opaque(value)


_NAMED_SIEVE = (
    r"(?i)(?:"
    + "|".join(map(re.escape, _NAME_WORDS))
    + r")[\w.\x80-\xff-]*[\\\"'`\])]*(?:\[[0-9]*\])?(?:\s?:?\s?(?:string|str|bytes|secretstr|text)[ |a-z]*)?"
    r"\s*(?:[=:>|(\"'`\\]|[?+!.~-]=|\?\?=|->|\.assign\(|,\s*[\w/+=.\"'-]|[!-~]{0,24}[0-9]|,?\s*(?:value|val)|(?:is|was|are|lautet|ist|es|est|\xc3\xa8)[ \t:])"
)
RULES: Final = (Rule("named secret", "SECRET", _named, triggers=_NAME_WORDS, sieve=_NAMED_SIEVE),)
