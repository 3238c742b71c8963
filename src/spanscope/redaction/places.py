"""Where somebody is: coordinates, and the user's name in a path.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule, from_words, matches_from

# --- coordinates --------------------------------------------------------------------------------------------
_FRACTION = re.compile(r"\.[0-9]{3}")
_PAIR_LOOSE = re.compile(
    r"([-+]?[0-9]{1,2}\.[0-9]{3,15})°?\s?[NSns]?\s?[,;/+ ]\s?([-+]?[0-9]{1,3}\.[0-9]{3,15})°?(?:\s?[EWew](?!\w))?(?![\w.])"
)
_ONE_OF_TWO = re.compile(
    r"(?<![a-z])(?:lat(?:itude)?|lon(?:g|gitude)?|lng)[\"'\\]{0,3}\s?[:=]\s?[\"'\\]{0,3}([-+]?[0-9]{1,3}\.[0-9]{3,15})(?![0-9.])",
    re.IGNORECASE,
)
_DMS = re.compile(
    r"[0-9]{1,3}\s?[°º]\s?[0-9]{1,2}(?:\.[0-9]+)?\s?['′’](?:\s?[0-9]{1,2}(?:\.[0-9]+)?\s?(?:[\"″”]|''))?\s?[NSEWO](?:[,;]?\s{0,2}[0-9]{1,3}\s?[°º]\s?[0-9]{1,2}(?:\.[0-9]+)?\s?['′’](?:\s?[0-9]{1,2}(?:\.[0-9]+)?\s?(?:[\"″”]|''))?\s?[NSEWO])?",
    re.IGNORECASE,
)
_IN_URL = re.compile(
    r"[@?&/](?:q=|ll=|center=|loc:|query=)?([-+]?[0-9]{1,2}\.[0-9]{4,15},[-+]?[0-9]{1,3}\.[0-9]{4,15})",
    re.IGNORECASE,
)
_GEO = re.compile(r"geo:([-0-9.]+,[-0-9.]+)", re.IGNORECASE)
_GEO_WORDS = re.compile(
    r"(?<![a-z])(?:coord|gps|lat|lon|lng|location|position|located|geo|map|point|place|where|pin|latlng|near|standort|ubicación)",
    re.IGNORECASE,
)


def _coordinates(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    if _FRACTION.search(text, start, end) is None and "°" not in text and "º" not in text:
        return
    if any(page.folded.find(name, start, end) >= 0 for name in ("lat", "lon", "lng")):
        for match in _ONE_OF_TWO.finditer(text, start, end):
            yield match.span(1)
    for match in _PAIR_LOOSE.finditer(text, start, end):
        latitude, longitude = float(match[1]), float(match[2])
        if abs(latitude) > 90 or abs(longitude) > 180:
            continue
        first, last = match.span()
        before, after = text[max(0, first - 2) : first], text[last : last + 2]
        if before[-1:].isalnum() or (before[-1:] in "._" and before):
            continue
        among = (before.strip()[-1:] in ",;" and before.strip() != "") and text[
            max(0, first - 3) : first
        ].strip(" ,;")[-1:].isdigit()
        if (
            among
            or (after.strip()[:1] in ",;" and after.strip(" ,;")[:1].isdigit())
            or (after[:1] == " " and after[1:].isdigit())
        ):
            continue
        decimals = min(len(match[1].partition(".")[2]), len(match[2].partition(".")[2]))
        told = (
            _GEO_WORDS.search(text, max(0, first - 48), first) is not None
            or text[first:last].rstrip(" EWew°") != text[first:last]
        )
        if told or (
            decimals >= 4
            and (abs(latitude) >= 1 or abs(longitude) >= 1)
            and "," in match[0]
            and decimals <= 8
            and max(abs(latitude), abs(longitude)) >= 5
        ):
            yield first, last
    if "°" in text or "º" in text:
        for match in _DMS.finditer(text, start, end):
            yield match.span()
    for match in _IN_URL.finditer(text, start, end):
        yield match.span(1)
    for match in matches_from(("geo:",), _GEO, page, start, end):
        yield match.span(1)


# --- the user's name in a path ------------------------------------------------------------------------------
_NOBODY = (
    r"(?:shared|public|default|default user|all users|runner|runneradmin|root|ubuntu|debian|centos|user|users|app|apps|node|vscode|jovyan|appuser|ec2-user|circleci|travis|git|www-data|docker|admin|administrator"
    r"|username|user_?name|you|your_?name|me|home|site|web|dev|test|ci|build|jenkins|gitlab-runner|linuxbrew|postgres|nobody|sandbox|vagrant|pi|worker|service|containeradministrator|name|yourname|<.*|\$.*|\{.*|%.*|\.{1,3}|\[.*)"
)
_PATH = re.compile(
    rf"(?:home(?<=(?<![\w.-])/home)(?<!GET /home)(?<!POST /home)(?<!PUT /home)(?<!PATCH /home)(?<!DELETE /home)|Users(?:(?<=(?<![\w.-])/Users)|(?<=[A-Za-z]:/Users)|(?<=/[a-z]/Users))|(?i:users|settings)(?=\\)(?:(?<=\\[Uu]sers)|(?<=\\USERS)|(?<=and Settings)))(?:\\{{1,4}}|/)"
    rf"(?!(?i:{_NOBODY})(?:[/\\\s\"':,)]|\Z))([^/\\\s\"'<>|:*?\]\[)(,;]{{2,64}})"
)

RULES: Final = (
    Rule(
        "coordinates",
        "COORDINATES",
        _coordinates,
        triggers=(".", "°", "º"),
        sieve=r"[0-9]\.[0-9]{3}[0-9]*(?:°|º)?\s?[NSns]?\s?[,;/+ ]\s?[-+]?[0-9]{1,3}\.[0-9]{3}|°|º|(?i:geo:)|(?i:lat|lon|lng)[a-zA-Z]*[\"'\\]*\s?[:=]\s?[\"'\\]*[-+]?[0-9]{1,3}\.[0-9]{3}",
        numbered=True,
    ),
    Rule(
        "user in path",
        "USER",
        from_words(("home/", "users/", "users\\", "settings\\"), _PATH, 1),
        triggers=("home/", "users/", "users\\", "settings\\"),
    ),
)
