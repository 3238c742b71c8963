"""Secrets that a weak name and their own looks betray together: `auth_key = 9f86d081…`, `stripe: rk_…`.

A name that might mean anything (`key`, `token`, the name of a vendor) takes only a value that looks made
by a machine; such values are few, so the search begins at the value and then reads the name before it.

Part of `catalogue`; `assignments` and `headers` ask it whether a value looks made.
"""

import re
import string
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule

_OPAQUE = re.compile(r"[0-9]|[a-z][A-Z]|[=+/_~!#$%^*@]|.{24}")


def is_opaque(value: str) -> bool:
    """Whether a word looks like a token rather than like a word."""
    return _OPAQUE.search(value) is not None


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
    r"[^.\n0-9]{0,24}?(?:[ \t:=\"'`(<>]|:\s{1,8})\Z",
    re.IGNORECASE,
)
_SAID = re.compile(r"key|secret|token|pass|pwd|cred|pat|bearer|auth|login with")
"""Is in whatever `_SAID_BEFORE` matches, in lower case."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
_SEGMENTS = re.compile(r"[^A-Za-z0-9]+")
_TURNS = re.compile(r"[0-9](?=[A-Za-z])|[A-Za-z](?=[0-9])|[a-z](?=[A-Z])|[A-Z](?=[a-z])")
_DATE = re.compile(r"(?:19|20)[0-9]{2}-?[01][0-9]-?[0-3][0-9]")


_VOWELS = re.compile(r"[aeiouyAEIOUY]")
_HUMP_WORDS = re.compile(
    r"(?:[A-Z][a-z]+|[a-z]{2,}|[A-Z]{2,}(?=[A-Z][a-z]|[^A-Za-z]|\Z)|[0-9]{1,2}(?![0-9a-z]))+"
)
_HUMP_WORD = re.compile(r"[A-Z][a-z]+|[a-z]{2,}|[A-Z]{2,}(?![a-z])")


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
        and sum(map(len, said)) >= 3 * len(said)
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


_BETWEEN: Final = " \t\n\"'`\\=:>|,([<-?+.!"
_OPERATORS: Final = frozenset("=:>|,(")
_ASSIGNS: Final = frozenset("=:>(")
_QUOTES: Final = frozenset("\"'`")
_MADE = re.compile(r"[0-9]|[A-Za-z]{12}|[a-f]{8}:")
"""Stands in each word that `looks_random` or `looks_made`, and in few others."""
_DIGIT = re.compile("[0-9]")
_TRAILING: Final = ".:%!"


def _by_value(page: Page, start: int, end: int) -> Iterable[Place]:
    text, first = page.text, start
    for token in page.tokens(start, end):
        first = text.find(token, first)
        last = first + len(token)
        if _DIGIT.search(token) is not None or (len(token) >= 12 and _MADE.search(token) is not None):
            for match in _LONG_WORD.finditer(text, first, last):
                word = match[0]
                at = match.start()
                place = _place_of(text, at, word.rstrip(_TRAILING))
                # `name=value` may be one word: the value begins after the first sign that may stand between.
                sign = _SIGN.search(word) if place is None else None
                if sign is not None and sign.end() < len(word) - 9:
                    place = _place_of(text, at + sign.end(), word[sign.end() :].rstrip(_TRAILING))
                if place is not None:
                    yield place
        first = last


_SIGN = re.compile(r"(?:[=:]|%3D)+")


def _place_of(text: str, at: int, word: str) -> Place | None:
    if len(word) >= 10 and "://" not in word and _is_secret_word(text, at, word):
        return at, at + len(word)
    return None


_PAIR = re.compile(r"[0-9a-f]{8}:[0-9a-f]{8}")


def looks_made(word: str) -> bool:
    """The same with less doubt, for where the name of a vendor stands before it."""
    if _PAIR.fullmatch(word):
        return True
    longest = max(_SEGMENTS.split(word), key=len)
    if len(longest) < 12 or _is_camel(word):
        return False
    return any(map(str.isdigit, longest)) or len(_VOWELS.findall(longest)) * 10 < len(longest) * 3


def _is_secret_word(text: str, at: int, word: str) -> bool:
    """Whether the name before the word says that it is secret, as far as it can be told of such a word.

    The name is read first: it is had at a tenth of what it costs to look at the word.
    """
    name = _name_before(text, at)
    if name is not None:
        match _meaning(name):
            case "vendor":
                return looks_random(word) or looks_made(word)
            case "weak":
                return looks_random(word) and _UUID.fullmatch(word) is None and _DATE.search(word) is None
        return False
    if len(word) < 16 or word[0] == "/" or _SAID.search(text[max(0, at - 60) : at].lower()) is None:
        return False
    said = _SAID_BEFORE.search(text, max(0, at - 60), at) is not None
    return said and looks_random(word) and _UUID.fullmatch(word) is None


@lru_cache(maxsize=4096)
def _meaning(name: str) -> str:
    """What a name says of its value: `vendor`, `weak` or nothing."""
    if _NO_WEAK.search(name):
        return ""
    if _VENDOR.search(name):
        return "vendor"
    return "weak" if _WEAK.search(name) is not None else ""


_OF_NAMES: Final = string.ascii_letters + string.digits + "_-."


def _name_before(text: str, at: int) -> str | None:
    """The name that this value is given to: what stands before an operator, quotes and brackets."""
    lowest = max(0, at - 24)
    last = lowest + len(text[lowest:at].rstrip(_BETWEEN))
    given = not _OPERATORS.isdisjoint(text[last:at])
    if text[last - 6 : last].lower() in ("string", "bearer", "token "):
        after = last - 6
        last = lowest + len(text[lowest:after].rstrip(_BETWEEN)) if after > lowest else after
        given = given or not _OPERATORS.isdisjoint(text[last:after])
    if not given:
        return None
    between = text[last:at]
    if _QUOTES.isdisjoint(between) and (
        between.lstrip(" )").startswith("==") or ("\n" in between and _ASSIGNS.isdisjoint(between))
    ):
        return None  # compared; or the next line of a list, which is no value of this one
    first = _start_of_name(text, last)
    name = text[first:last]
    if name.lower() in ("value", "val") and text[first - 1 : first] in (" ", '"', "'"):
        before = _NAME_OF_VALUE.search(text, max(0, first - 80), first)
        return name if before is None else before[1]
    return name if last - first >= 2 else None


def _start_of_name(text: str, last: int) -> int:
    lowest = max(0, last - 60)
    first = lowest + len(text[lowest:last].rstrip(_OF_NAMES))
    while first > lowest and ((char := text[first - 1]).isalnum() or char in "_-."):
        first -= 1  # letters beyond ASCII
    return first


# `<add key="token" value="…">` and `"name": "token", "value": "…"`
_NAME_OF_VALUE = re.compile(r"([\w.\-]{2,60})\\?[\"']\s*,?\s*\\?[\"']?\Z")


_NAMES_OF_VALUES = (
    r"(?i)(?:key|token|secret|passw|auth|cred|access|api|client|signature|session|cert|private|bearer|webhook|license"
    rf"|salt|hmac|pat|pwd|passphrase|login with|{_VENDORS})"
)

# What looks made by a machine has a digit, or twelve letters in a row, or is a pair.
_IN_VALUES = r"[A-Za-z0-9_+/~=.%:!#$*^-]"
_SIEVE_OF_VALUES = rf"[A-Za-z0-9]{{12}}|{_IN_VALUES}{{5}}[0-9]|[0-9]{_IN_VALUES}{{5}}|[a-f]{{8}}:[a-f]{{8}}"

RULES: Final = (Rule("secret-like value", "SECRET", _by_value, sieve=(_NAMES_OF_VALUES, _SIEVE_OF_VALUES)),)
