"""What counts as a secret or as personal data in a text, one rule for each kind.

A rule is a pattern that runs in time linear in the text whatever the text is: repeats are possessive
(`++`, never given back) or bounded by a small number, and a pattern starts only at the edge of a
run, so that no run is read once for each of its characters.  `triggers` are cheap to look for; a
pattern is tried only where one of its triggers occurs.

Used by `engine` alone, in the order of `RULES`: what may contain other things comes first.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SECRET: Final = "[SECRET]"
EMAIL: Final = "[EMAIL]"
PHONE: Final = "[PHONE]"
CARD: Final = "[CARD]"
SSN: Final = "[SSN]"

SIGNS: Final = "@_=:%/+-"
"""Characters by which rules are chosen (see `Rule.signs`)."""

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing to take out of a text."""

    name: str
    pattern: re.Pattern[str]
    replacement: Replacement
    triggers: tuple[str, ...] = ()
    """Lower-case strings, of which the lower-cased text holds one where the pattern can match."""
    signs: str = ""
    """Characters of which one occurs in whatever the pattern matches; all of them are in `SIGNS`."""
    also: tuple[str, ...] = ()
    """The same again, for a pattern that needs one of each."""
    digits: int = 0
    """How many decimal digits the text must hold at least."""
    sieve: re.Pattern[str] | None = field(init=False, default=None)
    """The pattern for lower-cased text, which `re` searches ten times as fast as with IGNORECASE."""

    def __post_init__(self) -> None:
        flags = self.pattern.flags
        if flags & re.IGNORECASE:
            object.__setattr__(self, "sieve", re.compile(self.pattern.pattern, flags & ~re.IGNORECASE))


# --- secrets ----------------------------------------------------------------------------------------
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"  # cut off: all the rest is key
)
# Prefixes are case-sensitive, as issued.  The edge before them keeps `risk-…` and `task-…` as they are.
VENDOR_KEY = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      sk-(?:ant|proj|svcacct|admin|or|lf)-[\w-]{6,}+   # Anthropic, OpenAI, OpenRouter, Langfuse
    | sk-[A-Za-z0-9]{16,}+[\w-]*+                      # OpenAI and the many that copied it
    | sk-(?=[\w-]{0,40}\d)[\w-]{8,}+
    | pk-lf-[\w-]{8,}+
    | GOCSPX-[\w-]{16,}+                               # Google
    | gh[pousr]_[A-Za-z0-9]{12,}+ | github_pat_\w{12,}+ | glpat-[\w-]{12,}+
    | xox[a-z]-[\w-]{8,}+ | xapp-[\w-]{8,}+            # Slack
    | [srp]k_(?:live|test)_\w{8,}+ | whsec_[\w+/=]{12,}+              # Stripe
    | hf_[A-Za-z0-9]{12,}+ | gsk_[A-Za-z0-9]{12,}+ | xai-[A-Za-z0-9]{16,}+ | pplx-[A-Za-z0-9]{16,}+
    | lsv2_[a-z]{2}_\w{8,}+ | ls__\w{12,}+             # LangSmith
    | tvly-[\w-]{12,}+ | pcsk_\w{12,}+ | nvapi-[\w-]{12,}+ | r8_[A-Za-z0-9]{16,}+
    | npm_[A-Za-z0-9]{20,}+ | pypi-[\w-]{20,}+ | dop_v1_[a-f0-9]{16,}+
    )""",
    re.VERBOSE,
)
_VENDOR_TRIGGERS = (
    *(
        "sk-",
        "pk-lf-",
        "gocspx-",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "xox",
        "xapp-",
    ),
    *(
        "k_live_",
        "k_test_",
        "whsec_",
        "hf_",
        "gsk_",
        "xai-",
        "pplx-",
        "lsv2_",
        "ls__",
        "tvly-",
        "pcsk_",
        "nvapi-",
    ),
    *("r8_", "npm_", "pypi-", "dop_v1_"),
)
CLOUD_KEY = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{12,}+               # AWS
    | AIza[\w-]{20,}+ | ya29\.[\w.-]{16,}+             # Google
    | SG\.[\w-]{12,}+\.[\w-]{12,}+                    # SendGrid
    )""",
    re.VERBOSE,
)
# Two parts with a dot between, or one long enough to be a cut one; `eyJ` is `{"` in base64.
JWT = re.compile(r"(?<![\w-])eyJ(?:[\w-]{4,}+(?:\.[\w-]*+){1,4}|[\w-]{20,}+)")
AUTH_SCHEME = re.compile(r"\b(bearer|basic|token)[ \t]{1,4}([\w.~+/=-]{6,}+)", re.IGNORECASE)
URL_USER = re.compile(r"(?<=://)([^\s/?#\"'<>\[\]]{1,1024})@")
URL_QUERY_KEY = re.compile(
    r"(?<=[?&])((?:x-amz-|x-goog-)?(?:key|sig|signature|auth|code|credential|security-token))=[^&\s#\"'<>]++",
    re.IGNORECASE,
)

_VALUE = (
    r"(?:(?:bearer|basic|digest|token|apikey)[ \t]{1,4}+)?+"
    r"(?:\\?\"[^\"\n]++\"?|\\?'[^'\n]++'?|[^\s,;&\"'<>(){}\[\]\\]++)"
)
# No edge is asked for before the name: OPENAI_API_KEY, client_secret and accessToken end in one.
_NAME = (
    r"(pass(?:word|wd|phrase|code)|pwd|api[ _.-]?key|access[_.-]?key(?:[_.-]?id)?"
    r"|(?:secret|private|signing)[_.-]?key|secret|token|authorization|credentials?|jwt)"
)
NAME_TRIGGERS = ("key", "pass", "pwd", "secret", "token", "authorization", "credential", "jwt")
ASSIGNMENT = re.compile(rf"{_NAME}(\\?[\"']?\s{{0,4}}(?:=>|:=|==?|:)\s{{0,4}})({_VALUE})", re.IGNORECASE)
SAID_TRIGGERS = ("is ", "is:", "was ", "was:")
SAID = re.compile(rf"{_NAME}([ \t]{{1,4}}(?:is|was):?[ \t]{{1,4}})({_VALUE})", re.IGNORECASE)
_WORDS_IN_PROSE = frozenset({"secret", "token", "authorization", "credential", "credentials", "jwt"})
COOKIE = re.compile(
    r"\b((?:set-)?cookie\\?[\"']?\s?[:=]\s?)\\?[\"']?[^\s=;\"']{1,256}=[^\n\"']++", re.IGNORECASE
)

_OPAQUE = re.compile(r"\d|[a-z][A-Z]|[=+/_~!#$%^*]|.{24}")


def is_opaque(value: str) -> bool:
    """Whether a word looks like a token rather than like a word."""
    return _OPAQUE.search(value) is not None


def _after_scheme(match: re.Match[str]) -> str:
    """`Basic understanding`, `a token embedding` and `bearer certificates` are prose."""
    scheme, value = match[1].lower(), match[2]
    match scheme:
        case "basic":
            secret = _is_basic(value)
        case "token":
            secret = len(value) >= 16 and any(map(str.isdigit, value))
        case _:
            secret = is_opaque(value)
    return f"{match[1]} {SECRET}" if secret else match[0]


def _is_basic(value: str) -> bool:
    """Whether this is `user:password` in base64."""
    try:
        return b":" in base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4))
    except ValueError:
        return False


def _user_of_url(match: re.Match[str]) -> str:
    # `git@` of an ssh address is no secret; a name alone is left to the e-mail rule.
    return f"{SECRET}@" if ":" in match[1] or "@" in match[1] or len(match[1]) > 12 else match[0]


_HARMLESS_VALUES = frozenset({"none", "null", "true", "false", "undefined", "nil"})


def _assigned(match: re.Match[str]) -> str:
    name, operator, value = match.groups()
    bare = value.strip("\\\"'")
    if not bare or bare.lower() in _HARMLESS_VALUES:
        return match[0]
    if name.lower() in _WORDS_IN_PROSE:
        # `stop_token: 3` is an entry of a vocabulary, `the secret: practise` a sentence.
        if bare.isdigit() and len(bare) <= 6:
            return match[0]
        certain = "=" in operator or value[0] in "\"'\\"
    else:
        certain = not operator.strip().lower().startswith(("is", "was"))
    if not certain and not is_opaque(bare):
        return match[0]
    quote = value[: len(value) - len(value.lstrip("\\\"'"))]
    closing = quote if quote and value.endswith(quote[-1]) else ""
    return f"{name}{operator}{quote}{SECRET}{closing}"


# --- personal data ------------------------------------------------------------------------------------
# The local part is read whole, from the edge of its run: a part of an address is still personal.
E_MAIL = re.compile(r"(?<![\w.%+'-])[\w.%+'-]++(?:@[\w-]++(?:\.[\w-]++)+)+")
E_MAIL_ESCAPED = re.compile(r"(?<![\w.+'-])[\w.+'-]++%40[\w-]++(?:\.[\w-]++)+", re.IGNORECASE)

_GAP = r"[ \u00a0\u2007\u2009\u202f\-\u2010-\u2013]"
US_SSN = re.compile(r"(?<!\d)(?<!\d[-.])\d{3}([- ])\d{2}\1\d{4}(?![\w-])")
SSN_SAID = re.compile(
    r"\b(ssn|social security)([^\d\n]{1,24})\d{3}[- .]?\d{2}[- .]?\d{4}(?!\d)", re.IGNORECASE
)

CARD_CANDIDATE = re.compile(
    rf"(?<!\d)\d{{3,19}}+(?:{_GAP}\d{{3,8}}+){{0,7}}+(?!\d)|(?<!\d)\d{{4}}(?:\.\d{{4}}){{3}}(?!\d)"
)
_DIGITS = re.compile(r"\d+")
_HEX_HASH = re.compile(r"[0-9a-f]{32,}", re.IGNORECASE)
# Which lengths go with which first digits: Visa, Amex, Diners, Discover, Mastercard, JCB, UnionPay, Maestro.
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,16}|6(?:011|4[4-9]\d|5\d\d)\d{12,15}"
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|35\d{14,17}|62\d{14,17}|(?:50|5[6-9]|6\d)\d{10,17}"
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_card_number(digits: str) -> bool:
    """Whether these digits, without gaps, have an issuer's prefix and length and pass Luhn's check."""
    if not _ISSUERS.fullmatch(digits):
        return False
    total = sum(int(digit) for digit in digits[-1::-2]) + sum(
        _DOUBLED[int(digit)] for digit in digits[-2::-2]
    )
    return total % 10 == 0


def _cards_in(match: re.Match[str]) -> str:
    """Replace the card numbers among these groups of digits; `12 4242 4242 4242 4242` keeps its 12."""
    text = match[0]
    if len(text) < 12:
        return text
    groups = [(found.start(), found.end(), found[0]) for found in _DIGITS.finditer(text)]
    out, at, index = [], 0, 0
    while index < len(groups):
        digits, end_of_card, after = "", None, index
        for last in range(index, len(groups)):
            digits += groups[last][2]
            if len(digits) > 19:
                break
            if len(digits) >= 12 and is_card_number(digits):
                end_of_card, after = groups[last][1], last
        if end_of_card is not None:
            out += [text[at : groups[index][0]], CARD]
            at, index = end_of_card, after
        index += 1
    if not out or _is_part_of_hash(match):
        return text
    return "".join([*out, text[at:]])


def _is_part_of_hash(match: re.Match[str]) -> bool:
    around = match.string[max(0, match.start() - 64) : match.end() + 64]
    return any(
        len(found[0]) > len(match[0]) and match[0] in found[0] and not found[0].isdigit()
        for found in _HEX_HASH.finditer(around)
    )


_PHONE_GAP = r"(?:[ \u00a0\u2009\u202f.\-\u2010-\u2013/()]{0,3})"
PHONE_INTERNATIONAL = re.compile(
    rf"(?<![\w+])(?:\+|00(?=[1-9]\d?[ .\-(]))[1-9](?:{_PHONE_GAP}\d){{6,14}}(?!\d)"
)
# Neither in the middle of a number, a date or a time, nor a later part of a name with dashes or a path.
_PHONE_EDGE = r"(?<![\w+$])(?<!\w[.\-/])(?<!\d[,:])"
PHONE_GROUPED = re.compile(
    rf"""{_PHONE_EDGE}(?:
      (?:1{_GAP})?(?:\(\d{{3}}\){_GAP}?|\d{{3}}{_GAP})\d{{3}}{_GAP}\d{{4}}   # North America
    | (?:1\.)?[2-9]\d{{2}}\.\d{{3}}\.\d{{4}}
    | \(\d{{2,5}}\){_GAP}?\d{{3,5}}(?:[ .-]?\d{{2,5}}){{1,2}}               # an area code in brackets
    | 1[3-9]\d{_GAP}\d{{4}}{_GAP}\d{{4}}                                    # China, mobile
    | [6-9]\d{{4}}{_GAP}\d{{5}}                                             # India, mobile
    )(?![\w-]|[.,:/]\d)""",
    re.VERBOSE,
)
PHONE_NATIONAL = re.compile(
    _PHONE_EDGE + r"\(?0[1-9]\d{0,4}\)?(?:[ \u00a0\-./]{1,2}\d{2,8}){1,5}+(?![\w-]|[.,:/]\d)"
)
PHONE_SAID = re.compile(
    r"\b(tel(?:ephone)?|phone|mobile|cell(?:phone)?|fax|whatsapp|sms|call|dial)\b([^\d\n]{1,24}?)"
    r"\+?\(?\d(?:[ .\-()/]{0,2}\d){6,14}(?!\d)",
    re.IGNORECASE,
)
_PHONE_TRIGGERS = ("tel", "phone", "mobile", "cell", "fax", "whatsapp", "sms", "call", "dial")
_STARTS_AS_DATE = re.compile(r"\(?\d{2}([./-])\d{2}\1(?:19|20)\d{2}")


def _national(match: re.Match[str]) -> str:
    digits = sum(char.isdigit() for char in match[0])
    return PHONE if 9 <= digits <= 12 and not _STARTS_AS_DATE.match(match[0]) else match[0]


RULES: Final[tuple[Rule, ...]] = (
    Rule("private key", PRIVATE_KEY, SECRET, signs="-", triggers=("private key",)),
    Rule("jwt", JWT, SECRET, triggers=("eyj",), digits=1),
    Rule("cookie", COOKIE, rf"\1{SECRET}", signs="=", triggers=("cookie",)),
    Rule("assignment", ASSIGNMENT, _assigned, signs="=:", triggers=NAME_TRIGGERS),
    Rule("said", SAID, _assigned, triggers=SAID_TRIGGERS, also=NAME_TRIGGERS),
    Rule("authorization", AUTH_SCHEME, _after_scheme, triggers=("bearer", "basic", "token")),
    Rule("vendor key", VENDOR_KEY, SECRET, signs="-_", triggers=_VENDOR_TRIGGERS),
    Rule("cloud key", CLOUD_KEY, SECRET, triggers=("akia", "asia", "abia", "acca", "aiza", "ya29", "sg.")),
    Rule("url user", URL_USER, _user_of_url, signs="@", triggers=("://",)),
    Rule("url query", URL_QUERY_KEY, rf"\1={SECRET}", signs="=", triggers=("?", "&")),
    Rule("e-mail", E_MAIL, EMAIL, signs="@"),
    Rule("e-mail", E_MAIL_ESCAPED, EMAIL, signs="%", triggers=("%40",)),
    Rule("phone", PHONE_INTERNATIONAL, PHONE, triggers=("+", "00"), digits=7),
    Rule("ssn", US_SSN, SSN, digits=9),
    Rule("ssn", SSN_SAID, rf"\1\2{SSN}", triggers=("ssn", "social security"), digits=9),
    Rule("card", CARD_CANDIDATE, _cards_in, digits=12),
    Rule("phone", PHONE_GROUPED, PHONE, digits=8),
    Rule("phone", PHONE_NATIONAL, _national, triggers=("0",), digits=9),
    Rule("phone", PHONE_SAID, rf"\1\2{PHONE}", triggers=_PHONE_TRIGGERS, digits=7),
)
MAX_DIGITS: Final = max(rule.digits for rule in RULES)

# --- what is too big to be read, and not text -----------------------------------------------------------
DATA_URI = re.compile(
    r"data:([\w.+-]{1,64}/[\w.+-]{1,64})?(?:;[\w=.-]{1,64}){0,4},([\w+/=%.~-]*+)", re.IGNORECASE
)
BASE64_RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{512,}+={0,2}")

# --- names that say their value is secret ----------------------------------------------------------------
_SECRET_NAME = re.compile(
    r"(?:api|access|secret|private|signing|encryption|account|master)key(?:id)?s?$|password[s]?$|passwd$|passphrase$"
    r"|passcode$|secrets?$|authorization$|cookies?$|credentials?$|connectionstring$|(?:^|[a-z])(?:auth|id|bearer|refresh|access|api"
    r"|session|security|csrf|bot|user)tokens?$|token$|^(?:pwd|pass|auth|jwt|bearer|apikeys?)$"
)


def is_secret_name(name: str) -> bool:
    """Whether a key says that its value is secret: `OPENAI_API_KEY`, `x-api-key`, `accessToken`."""
    return _SECRET_NAME.search("".join(filter(str.isalnum, name)).lower()) is not None
