"""Secrets that are known by the name beside them: `password=…`, `"api_key": "…"`, `the token is …`.

Two ways in, for names are many and values are few.  A name that leaves no doubt (`password`,
`client_secret`) takes whatever stands behind it, but for what is plainly not a value: a variable, a call,
a placeholder.  A name that might mean anything (`key`, `token`, the name of a vendor) takes only a value
that looks made by a machine, so there the search begins at the value.

Part of `catalogue`.
"""

import base64
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from spanscope.redaction.names import is_secret_name, squashed
from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule, from_words, matches_from

# --- a name, then its value -----------------------------------------------------------------------------
_OPERATOR = r"(?:=>|->|\?\?=|::?:?=|[?+!.~]?={1,3}|:(?!//)|>|\|(?!\|))"
_TYPE = r"(?:\s?:\s?(?:str|string|String|SecretStr|bytes|Text)(?:\s?\|\s?None)?\s?(?==)|\s(?:string|str|String)\s(?==))"
_AFTER_NAME = re.compile(
    rf"""
    (?P<rest>[\w.\-]{{0,30}}+)
    (?:\\{{0,3}}["'`]|\]|\)){{0,3}}+ (?:\[[0-9]*\])? {_TYPE}?
    (?:\s{{0,4}}+(?P<op>{_OPERATOR})\s{{0,8}}+ (?:[|>]-?\s{{1,8}}+)? (?:"?\s?value\s?=\s?(?="))?
      |(?P<value_attribute>,?\s{{0,4}}+["']?(?:value|val)["']?\s?[:=]\s?(?=\\?["']))
      |(?P<call>\((?=["'])|,\s?(?=["'])|,(?=[\w/+=.-]{{10}})|\.assign\((?="))
      |(?P<space>["']?\s{{1,4}}+(?=["'`\\]))|(?P<said>[ \t]{{1,4}}+(?:is|was|are|lautet|ist|es|est|è|:=)[ \t]?:?[ \t]{{1,4}}+)
      |(?P<glued>(?=["'`]))
    )
    (?P<scheme>(?:bearer|basic|digest|token|apikey)[ \t]{{1,4}}+)?+
    @?
    (?:(?P<escaped>\\{{1,3}}["'])(?P<v1>[^"'\\\n]{{1,2000}}+)
      |"(?P<v2>[^"\n]{{1,2000}}+) |'(?P<v3>[^'\n]{{1,2000}}+) |`(?P<v4>[^`\n]{{1,2000}}+)
      |(?P<v5>[^\s"'`,;&<>\\]{{1,512}}+))
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NAME_WORDS: Final = (
    *("pass", "pwd", "secret", "token", "key", "authorization", "credential", "creds", "jwt", "connectionstring", "connection_string", "dsn"),
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
_NUMBER_NAMES = re.compile(r"pin|cvv|cvc|otp|code")
_NO_SECRET_REST = re.compile(
    r"(?:[_.-]?(?:id|ids|name|names|type|types|count|counts|limit|length|len|size|url|uri|endpoint|path|file|policy|reset"
    r"|hint|field|strength|required|expir\w*|ttl|usage|used|budget|index|idx|class|manager|store|version|provider|label"
    r"|prompt|rules?|check|input|box|page|form|error|invalid|exists?|enabled|rotation|age|format|env|var|header|arn|ref|s))+$",
    re.IGNORECASE,
)
_NO_SECRET_NAME = re.compile(
    r"(?:max|min|num|n|total|input|output|prompt|completion|cached?|reasoning|stop|pad|eos|bos|unk|sep|cls|mask|special"
    r"|first|last|next|prev(?:ious)?|page|continuation|per|used|count|of|image|audio|text|new|budget)[_-]?tokens?$",
    re.IGNORECASE,
)
_OTHER_WORD = re.compile(
    r"tokeni[sz]|secretar|passag|passeng|passiv|passion|compass|bypass|keyboard|jwt_?alg", re.IGNORECASE
)
_HARMLESS = frozenset(
    {
        *("none", "null", "true", "false", "undefined", "nil", "nan", "str", "string", "bytes", "int", "bool", "float"),
        *("optional", "required", "empty", "redacted", "masked", "hidden", "omitted", "missing", "invalid", "expired"),
        *("password", "secret", "token", "key", "value", "changeme", "yes", "no", "any", "object", "text", "sha256", "self"),
    }
)  # fmt: skip
# A variable, a call, a template, a mask, a placeholder of ours.
_REFERENCE = re.compile(
    r"""\$\{?\w+(?:[:.][^}\s]*)?\}? | \$\(.* | \$\{\{.* | \{\{\s*[\w.| ()-]+\}?\}? | \{\w*\}? | <[\w \-.]+>? | %\(?\w*\)?[sd%]? | %\w+%
      | \[[\w: .…-]+\]? | [*•x.X…-]{3,} | \[+ | \(+ | \{+
      | (?:self|this|os|env|environ|process|settings|config|conf|cfg|args|opts|options|request|req|params|props|ctx|context|data|secrets|vars|var|local
          |module|input|form|user|account|creds?|credentials?|response|resp|res|body|event|state|kwargs|payload|session|client|obj|item|row)(?:\??\.|\[|->|::)\S*
      | (?:await\s|new\s|not\s|lambda\b).* | f["'].*
      | [A-Za-z_][\w.]{2,}\((?:[\w\s.,=*:'"\[\]/-]*\)?.*)? | [A-Za-z_]\w*\[.* | [A-Za-z_]{2,}(?:\.[a-z_]{2,})+\(?""",
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


_OPAQUE = re.compile(r"[0-9]|[a-z][A-Z]|[=+/_~!#$%^*@]|.{24}")


def is_opaque(value: str) -> bool:
    """Whether a word looks like a token rather than like a word."""
    return _OPAQUE.search(value) is not None


def _named(page: Page, start: int, end: int) -> Iterable[Place]:
    text, folded = page.text, page.folded
    for word in _NAME_WORDS:
        at = folded.find(word, start, end)
        while at >= 0:
            after = at + len(word)
            place = None
            match = _AFTER_NAME.match(text, after)
            if match is not None:
                place = _value_of(text, at, word, match)
            if place is not None:
                yield place
                after = max(after, place[1])
            at = folded.find(word, after, end)


def _value_of(text: str, at: int, word: str, match: re.Match[str]) -> Place | None:
    group = next(name for name in ("v1", "v2", "v3", "v4", "v5") if match[name] is not None)
    value = match[group]
    begin = match.start(group)
    quoted = group != "v5"
    if not quoted:
        value = _trimmed(value)
    elif group == "v1":
        value = value.rstrip("\\")
    if not any(map(str.isalnum, value)):
        return None
    name = _name_around(text, at, match.start() + len(match["rest"]))
    if word in _PARTS and not _is_certain_name(text, at, word, name):
        return None
    if not _tells_a_secret(name, value, match, quoted=quoted):
        return None
    return begin if match["scheme"] is None else match.start("scheme"), begin + len(value)


_PARTS = frozenset({"pass", "key", "pin", "dsn", "otp", "creds"})


def _is_certain_name(text: str, at: int, word: str, name: str) -> bool:
    """Whether a short word is, or ends, a name of secrets: `api_key`, not `keyboard`; `db_pass`, not `compass`."""
    if word == "key" and text[at - 1 : at] == " ":
        return _BEFORE_KEY.search(text, max(0, at - 12), at) is not None
    if word == "pass" and "passw" in name.lower():
        return True
    return is_secret_name(name) or (word == "key" and is_secret_name(_NO_SUFFIX.sub("", name)))


_NO_SUFFIX = re.compile(r"(?<=[Kk][Ee][Yy])\w{0,12}\Z")


def _name_around(text: str, at: int, end: int) -> str:
    """The whole identifier: `OPENAI_API_KEY` where `API_KEY` was found."""
    first, lowest = at, max(0, at - 40)
    while first > lowest and (text[first - 1].isalnum() or text[first - 1] in "_-."):
        first -= 1
    return text[first:end]


def _tells_a_secret(name: str, value: str, match: re.Match[str], *, quoted: bool) -> bool:
    folded = value.lower()
    if (
        folded in _HARMLESS
        or _REFERENCE.fullmatch(value) is not None
        or value.startswith(("[SECRET", "[withheld"))
    ):
        return False
    if _NO_SECRET_NAME.search(name) or _OTHER_WORD.search(name):
        return False
    rest = match["rest"]
    small = squashed(name)
    if small.endswith(("pin", "pincode", "cvv", "cvc", "otp")) or _NUMBER_NAMES.search(small[-6:]):
        return 3 <= len(value) <= 10 and value.replace("-", "").isalnum() and any(map(str.isdigit, value))
    strong = "passw" in small or "secret" in small or "pwd" in small
    if rest and not is_secret_name(name) and (not strong or _NO_SECRET_REST.search(rest)):
        return len(value) >= 16 and looks_random(value) and not rest.lower().endswith(("id", "ids", "name"))
    if folded == small or squashed(value) == small:
        return False
    if match["said"] is not None or match["space"] is not None or match["glued"] is not None:
        return is_opaque(value) and (quoted or len(value) >= 4) and " " not in value
    if match["call"] is not None:
        return len(value) >= 6 and is_opaque(value) and " " not in value
    soft = small in _SOFT_NAMES
    if soft and value.isdigit() and len(value) <= 6:
        return False  # `stop_token: 3` is an entry of a vocabulary
    if soft and quoted and " " in value.strip() and not is_opaque(value.replace(" ", "")[:23]):
        return False
    certain = not soft or "=" in (match["op"] or "") or quoted
    if certain and not quoted and match["op"] == ":" and name and not name.isascii():
        certain = True
    if certain and quoted and value.count(" ") >= 3 and not any(map(str.isdigit, value)):
        return False  # a sentence about passwords
    return certain or is_opaque(value)


# --- a value, then its name ------------------------------------------------------------------------------
_VENDORS = (
    "adafruit|adobe|airtable|algolia|alibaba|aliyun|amplitude|anthropic|asana|atlassian|auth0|aws|azure|beamer|bitbucket|bitly|bittrex|braintree"
    "|buildkite|circleci|cloudant|cloudflare|codecov|codeclimate|cohere|coinbase|confluen|contentful|contribsys|co_api|datadog|dd_api|deepgram|deepseek"
    "|digitalocean|discord|docusign|droneci|dropbox|elastic|elevenlabs|etsy|facebook|fastly|finicity|finnhub|firebase|fireworks|flickr|freshbooks"
    "|freshdesk|gemini|github|gitlab|gitter|gocardless|grafana|groq|harness|heroku|hubspot|huggingface|ibm|infura|instagram|intercom|jenkins|jfrog"
    "|artifactory|jira|kraken|kucoin|langfuse|langsmith|launchdarkly|linear|linked[_-]?in|lob|looker|mailchimp|mailgun|mandrill|mapbox|mattermost"
    "|meraki|message[_-]?bird|mistral|mongo|netlify|new[_-]?relic|newyorktimes|nytimes|notion|npm|okta|openai|openweather|opsgenie|pagerduty|paypal"
    "|pinecone|plaid|planetscale|private[_-]?ai|pusher|rapidapi|razorpay|reddit|rollbar|salesforce|segment|sendbird|sendgrid|sentry|shodan|shopify"
    "|slack|snyk|softlayer|sonar|sourcegraph|splunk|spotify|square|stripe|sumo|supabase|telegr|together|travis|trello|twilio|twitch|twitter|typeform"
    "|vercel|wandb|weaviate|yandex|zapier|zendesk|zoom"
)
_LONG_WORD = re.compile(r"[A-Za-z0-9_+/~][A-Za-z0-9_+/~=.%:!#$*^\-]{8,}+")
_VENDOR = re.compile(rf"(?:{_VENDORS})", re.IGNORECASE)
_WEAK = re.compile(
    r"key|token|secret|passw|auth|cred|access|api(?!\w*version)|client[_-]?id|signature|session[_-]?(?:id|key)|cert|private|bearer|webhook|license|salt|nonce_?key|hmac",
    re.IGNORECASE,
)
_NO_WEAK = re.compile(
    r"(?:primary|foreign|partition|sort|cache|row|dict|map|public|pub|i18n|locale|translation|group|object|storage|s3|(?<!bit)bucket|lookup|index|hash|unique"
    r"|composite|registry|idempotency|dedup|routing|shard)_?-?key|key(?:board|word|frame|stone|note|_?name|_?type|_?count|s\b|path|_?len|_?error|error)|monkey|author\b|authority"
    r"|tokeniz|(?:max|min|total|num|input|output|prompt|completion|page|next|continuation)_?tokens?|accessib|accessed|accession|capital|rapid(?!api)|api_?(?:base|url|version|host|endpoint|type|name)"
    r"|_at$|_?(?:url|uri|path|file|dir|name|type|version|model|host|port|date|time|arn)$|certif\w*_?(?:path|file)|client_?(?:name|version)|session_?name|turkey|donkey|hockey",
    re.IGNORECASE,
)
_SAID_BEFORE = re.compile(
    r"\b(?:api[ _-]?key|access[ _-]?key|secret|token|password|passwd|pwd|passphrase|credentials?|private key|key|pat|bearer|auth|creds?|login with)\b"
    r"[^.\n0-9]{0,24}?[\s:=\"'`(<>]\Z",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
_SEGMENTS = re.compile(r"[^A-Za-z0-9]+")
_TURNS = re.compile(r"[0-9](?=[A-Za-z])|[A-Za-z](?=[0-9])|[a-z](?=[A-Z])|[A-Z](?=[a-z])")
_DATE = re.compile(r"(?:19|20)[0-9]{2}-?[01][0-9]-?[0-3][0-9]")


_VOWELS = re.compile(r"[aeiouyAEIOUY]")
_HUMP_WORDS = re.compile(r"(?:[A-Z]?[a-z]{2,}|[A-Z]{2,}(?=[A-Z][a-z]|[^A-Za-z]|\Z)|[0-9]{1,2}(?![0-9]))+")
_HUMP_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])")


def _is_camel(value: str) -> bool:
    """Whether this is a name out of code, `DefaultHttp2Client` or `spanscope.SpanProcessor`: words that can be said."""
    parts = [part for part in _SEGMENTS.split(value) if part]
    if not all(_HUMP_WORDS.fullmatch(part) for part in parts):
        return False
    said = [word for part in parts for word in _HUMP_WORD.findall(part)]
    return (
        len(said) >= 2
        and all(_VOWELS.search(word) or len(word) <= 4 for word in said)
        and max(map(len, said)) >= 4
    )


@lru_cache(maxsize=4096)
def looks_random(value: str) -> bool:
    """Whether a machine made this: many different characters in no order of words, dates or numbers."""
    if len(set(value)) < 6:
        return False
    if _UUID.fullmatch(value):
        return True
    if _is_camel(value):
        return False
    parts = [part for part in _SEGMENTS.split(value) if part]
    longest = max(parts, key=len, default="")
    if len(longest) < 6:
        return False
    letters = sum(map(str.isalpha, value))
    digits = sum(map(str.isdigit, value))
    if not digits:
        return (
            len(longest) >= 16 and len(_TURNS.findall(longest)) >= len(longest) // 4 and not longest.islower()
        )
    if not letters:
        return False
    if _HEX.fullmatch(longest) and len(longest) >= 12:
        return True
    turns = sum(len(_TURNS.findall(part)) for part in parts if len(part) >= 5)
    return turns >= max(3, len(longest) // 6)


_BETWEEN: Final = frozenset(" \t\n\"'`\\=:>|,([<-?+.!")
_OPERATORS: Final = frozenset("=:>|,(")


def _by_value(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    for match in _LONG_WORD.finditer(text, start, end):
        word = match[0]
        at = match.start()
        place = _place_of(text, at, word.rstrip(".:%!"))
        # `name=value` may be one word: the value begins after the first sign that may stand between.
        sign = _SIGN.search(word) if place is None else None
        if sign is not None and sign.end() < len(word) - 9:
            place = _place_of(text, at + sign.end(), word[sign.end() :].rstrip(".:%!"))
        if place is not None:
            yield place


_SIGN = re.compile(r"(?:[=:]|%3D)+")


def _place_of(text: str, at: int, word: str) -> Place | None:
    if len(word) >= 10 and _may_be_secret(word) and _is_secret_word(text, at, word):
        return at, at + len(word)
    return None


@lru_cache(maxsize=4096)
def _may_be_secret(word: str) -> bool:
    return looks_random(word) or looks_made(word)


def looks_made(word: str) -> bool:
    """The same with less doubt, for where the name of a vendor stands before it."""
    longest = max(_SEGMENTS.split(word), key=len)
    if len(longest) < 12 or _is_camel(word):
        return False
    return any(map(str.isdigit, longest)) or len(_VOWELS.findall(longest)) * 10 < len(longest) * 3


def _is_secret_word(text: str, at: int, word: str) -> bool:
    """Whether the name before the word says that it is secret, as far as it can be told of such a word."""
    name = _name_before(text, at)
    if name is not None:
        if _NO_WEAK.search(name):
            return False
        if _VENDOR.search(name):
            return True
        return (
            _WEAK.search(name) is not None
            and looks_random(word)
            and _UUID.fullmatch(word) is None
            and _DATE.search(word) is None
        )
    if len(word) < 16 or not looks_random(word) or word[0] == "/" or _UUID.fullmatch(word):
        return False
    return _SAID_BEFORE.search(text, max(0, at - 60), at) is not None


def _name_before(text: str, at: int) -> str | None:
    """The name that this value is given to: what stands before an operator, quotes and brackets."""
    last, lowest, given = at, max(0, at - 24), False
    while last > lowest and (char := text[last - 1]) in _BETWEEN:
        given = given or char in _OPERATORS
        last -= 1
    if text[last - 6 : last].lower() in ("string", "bearer", "token "):
        last -= 6
        while last > lowest and (char := text[last - 1]) in _BETWEEN:
            given = given or char in _OPERATORS
            last -= 1
    between = text[last:at]
    if not given or ("\n" in between and not any(sign in between for sign in "=:>(")):
        return None  # the next line of a list is no value of this one
    first, lowest = last, max(0, last - 60)
    while first > lowest and ((char := text[first - 1]).isalnum() or char in "_-."):
        first -= 1
    name = text[first:last]
    if name.lower() in ("value", "val") and text[first - 1 : first] in (" ", '"', "'"):
        before = _NAME_OF_VALUE.search(text, max(0, first - 80), first)
        return name if before is None else before[1]
    return name if last - first >= 2 else None


# `<add key="token" value="…">` and `"name": "token", "value": "…"`
_NAME_OF_VALUE = re.compile(r"([\w.\-]{2,60})\\?[\"']\s*,?\s*\\?[\"']?\Z")


# --- headers ----------------------------------------------------------------------------------------------
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


_NAMED_SIEVE = (
    "(?i)(?:"
    + "|".join(map(re.escape, _NAME_WORDS))
    + r")[\w.\x80-\xff-]*[\\\"'`\])]*(?:\[[0-9]*\])?(?:\s?:?\s?(?:string|str|bytes|secretstr|text)[ |a-z]*)?"
    r"\s*(?:[=:>|(\"'`\\]|[?+!.~-]=|\?\?=|->|\.assign\(|,\s*[\w/+=.\"'-]|,?\s*(?:value|val)|(?:is|was|are|lautet|ist|es|est|\xc3\xa8)[ \t:])"
)
_NAMES_OF_VALUES = (
    r"(?i)(?:key|token|secret|passw|auth|cred|access|api|client|signature|session|cert|private|bearer|webhook|license"
    rf"|salt|hmac|pat|pwd|passphrase|login with|{_VENDORS})"
)
# Ten characters without a digit that are random have twelve letters in a row.
_IN_VALUES = r"[A-Za-z0-9_+/~=.%:!#$*^-]"
_SIEVE_OF_VALUES = rf"[A-Za-z0-9]{{12}}|{_IN_VALUES}{{5}}[0-9]|[0-9]{_IN_VALUES}{{5}}"

RULES: Final = (
    Rule("cookie", "SECRET", from_words(("cookie",), _COOKIE, 1), triggers=("cookie",)),
    Rule("named secret", "SECRET", _named, triggers=_NAME_WORDS, sieve=_NAMED_SIEVE),
    Rule("authorization", "SECRET", _schemes, triggers=("bearer", "basic", "token", "digest", "apikey")),
    Rule("curl user", "SECRET", from_words(("curl",), _CURL_USER, 1), triggers=("curl",)),
    Rule("netrc", "SECRET", from_words(("machine",), _NETRC, 1), triggers=("machine",)),
    Rule(
        "flag",
        "SECRET",
        from_words(("--pass", "--token", "--secret", "--api", "--access", "--auth"), _FLAG, 1),
        triggers=("--",),
    ),
    Rule("secret-like value", "SECRET", _by_value, sieve=(_NAMES_OF_VALUES, _SIEVE_OF_VALUES)),
)
