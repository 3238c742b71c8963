"""Network addresses: IP and MAC.

Addresses that name no one are left: loopback, netmasks, the first and last of a private network, public
resolvers.  Four numbers that are announced as a version are a version.

Part of `catalogue`.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.context import is_about_a_host, is_version
from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule

_V4_SIMPLE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_NAMELESS = re.compile(
    r"127\.0\..*|0\..*|255\..*|22[4-9]\..*|23[0-9]\..*|169\.254\..*|8\.8\.[48]\.[48]|1\.[01]\.[01]\.1|9\.9\.9\.9"
    r"|(?:10\..*|192\.168\..*|172\.(?:1[6-9]|2[0-9]|3[01])\..*)\.(?:0|1|254|255)"
)
_V6 = re.compile(
    r"[0-9A-Fa-f:](?<![\w:.].)[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?::[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?![\w:]|\.[0-9])"
)
_MAC = re.compile(
    r"[0-9A-Fa-f](?<![0-9A-Za-z].)(?<![0-9A-Fa-f][:-].)[0-9A-Fa-f]([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
_CISCO = re.compile(
    r"[0-9A-Fa-f](?<![0-9A-Za-z.].)[0-9A-Fa-f]{3}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z.])"
)
_DOTS = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_PAIRS = re.compile(r"[:\-][0-9A-Fa-f]{2}[:\-]")
_FOURS = re.compile(r"\.[0-9A-Fa-f]{4}\.")
_TWO_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")


def _v4(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    if _DOTS.search(text, start, end) is None:
        return
    for match in _V4_SIMPLE.finditer(text, start, end):
        octets = match[0].split(".")
        if (
            all(int(octet) < 256 and (len(octet) == 1 or octet[0] != "0") for octet in octets)
            and not _NAMELESS.fullmatch(match[0])
            and _stands_alone(page, *match.span())
            and not is_version(page, match.start())
            # 1.2.3.4 is more often the version of something.
            and (any(int(octet) > 20 for octet in octets) or is_about_a_host(page, match.start()))
        ):
            yield match.span()


def _stands_alone(page: Page, first: int, last: int) -> bool:
    """Whether this is no part of a longer name or number, such as `acme-1.2.3.4.tar.gz` or `acme==1.2.3.4`."""
    before, after = page.text[max(0, first - 2) : first], page.text[last : last + 2]
    if before and (before[-1].isalnum() or before[-1] in "._$^~<>%") and before not in ("\\n", "\\t", "\\r"):
        return False
    if (
        before[-1:] == "-"
        and not is_about_a_host(page, first - 1)
        and (before[0].isalnum() or before[0] in "-=<>~!")
    ):
        return False
    if before[-1:] == "=" and before[0] in "=<>~!" and not is_about_a_host(page, first - 1):
        return False
    if after[:1] == "-":
        return after[1:].isdigit()
    return not (
        after and (after[0].isalnum() or after[0] == "_" or (after[0] == "." and after[1:].isalnum()))
    )


def _v6(page: Page, start: int, end: int) -> Iterable[Place]:
    if _TWO_COLONS.search(page.text, start, end) is None:
        return
    for match in _V6.finditer(page.text, start, end):
        written = match[0].rstrip(":") if not match[0].endswith("::") else match[0]
        if (
            written.count(":") < 2
            or len(written) < 6
            or len(written) > 45
            or not any(map(str.isdigit, written))
        ):
            continue
        if "::" not in written and written.count(":") not in (6, 7):
            continue
        try:
            address = ipaddress.IPv6Address(written)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified or address.is_multicast) and (
            written.count(":") >= 3 or "." in written or address.is_link_local
        ):
            yield match.start(), match.start() + len(written)


def _macs(page: Page, start: int, end: int) -> Iterable[Place]:
    for sign, pattern in ((_PAIRS, _MAC), (_FOURS, _CISCO)):
        if sign.search(page.text, start, end) is None:
            continue
        for match in pattern.finditer(page.text, start, end):
            if len(set(match[0].lower())) > 2 and any(map(str.isdigit, match[0])):
                yield match.span()


RULES: Final = (
    Rule("ipv4", "IP", _v4, triggers=(".",), sieve=r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", numbered=True),
    Rule("ipv6", "IP", _v6, triggers=(":",), sieve=r"::|(?::[0-9A-Fa-f]{1,4}){3}:", numbered=True),
    Rule(
        "mac",
        "MAC",
        _macs,
        triggers=(":", "-", "."),
        sieve=r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]|\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]",
        numbered=True,
    ),
)
