"""Addresses of crypto wallets, by their check sum or, near a word for them, by their shape.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule, from_words

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {char: value for value, char in enumerate(_ALPHABET)}
_BASE58 = re.compile(r"[13LMDXrTAtzZ9Q245678KS-W](?<![A-Za-z0-9].)[1-9A-HJ-NP-Za-km-z]{24,94}(?![A-Za-z0-9])")
_CONTEXT = re.compile(
    r"\b(?:btc|bitcoin|wallet|crypto|ethereum|solana|sol|litecoin|ltc|dogecoin|doge|xrp|ripple|tron|trx|usdt|monero|xmr|xlm|bch|dash|zcash|coin|payout|deposit|withdraw\w*|donate|donations?|send to)\b",
    re.IGNORECASE,
)
_HEX = re.compile(r"0[xX][0-9a-fA-F]{40}(?![0-9A-Za-z])")
_BECH32 = re.compile(
    r"(?<![A-Za-z0-9])(?![0-9a-f]+(?![0-9A-Za-z]))(?:bc1|tb1|ltc1|addr1|addr_test1|stake1|cosmos1|osmo1|inj1|celestia1|bnb1|terra1|erd1)[a-z0-9]{25,110}(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_CASH = re.compile(r"bitcoincash:[qp][a-z0-9]{38,60}(?![A-Za-z0-9])", re.IGNORECASE)
_STELLAR = re.compile(r"[GS](?<![A-Za-z0-9].)[A-Z2-7]{55}(?![A-Za-z0-9])")


def has_base58_check(text: str) -> bool:
    """Whether the last four bytes are the check sum of the others (Bitcoin and its kin)."""
    number = 0
    for char in text:
        number = number * 58 + _VALUES[char]
    raw = number.to_bytes(max(25, (number.bit_length() + 7) // 8), "big")
    return sha256(sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def _base58(page: Page, start: int, end: int) -> Iterable[Place]:
    for match in _BASE58.finditer(page.text, start, end):
        found = match[0]
        if not any(map(str.isdigit, found)) or found.islower() or found.isupper() or len(set(found)) < 10:
            continue
        if (
            (len(found) <= 35 and has_base58_check(found))
            or (
                (len(found) <= 44 or len(found) in (95, 106))
                and _CONTEXT.search(page.text, max(0, match.start() - 64), match.start())
            )
            or (len(found) == 95 and found[0] in "48")
        ):
            yield match.span()


RULES: Final = (
    Rule("hex wallet", "WALLET", from_words(("0x",), _HEX), triggers=("0x",), sieve=r"0[xX][0-9a-fA-F]{12}"),
    Rule(
        "bech32 wallet",
        "WALLET",
        from_words(
            (
                "bc1",
                "tb1",
                "ltc1",
                "addr1",
                "addr_test1",
                "stake1",
                "cosmos1",
                "osmo1",
                "inj1",
                "celestia1",
                "bnb1",
                "terra1",
                "erd1",
            ),
            _BECH32,
        ),
        long=True,
        sieve=r"(?i)(?:bc|tb|ltc|addr|addr_test|stake|cosmos|osmo|inj|celestia|bnb|terra|erd)1[a-z0-9]",
    ),
    Rule("bitcoin cash wallet", "WALLET", from_words(("bitcoincash:",), _CASH), triggers=("bitcoincash:",)),
    Rule("base58 wallet", "WALLET", _base58, long=True, sieve=r"[1-9A-HJ-NP-Za-km-z]{24}"),
    Rule(
        "stellar wallet",
        "WALLET",
        lambda page, start, end: [match.span() for match in _STELLAR.finditer(page.text, start, end)],
        long=True,
        sieve=r"[GS][A-Z2-7]{20}",
    ),
)
