"""What stands before a number: the word that tells a telephone from an order.

The nearest word decides, within one line and a few words.  Used by the rules for numbers.
"""

import re
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.words import words

REACH: Final = 64
"""How many characters back a word is still about the number."""

_PHONE_WORDS: Final = frozenset(
    words(
        "tel tél telephone téléphone telefon telefono teléfono telefone telefoon puhelin phone phones "
        "phonenumber call calling called calls callback mobile mobil móvil movil celular cell cellphone handy "
        "fax dial dialled whatsapp sms text texted texting reach contact ring rang messages registered "
        "rufnummer hotline gsm portable telefonnummer mobiltelefon handynummer kontakt contacto contatto "
        "appelez appeler anrufen llame llamar chiamare bel ligue tlf voicemail landline helpline signal viber "
        "wechat telegram home office work desk answering landlines 電話 电话 手机 携帯 전화 тел телефон هاتف फ़ोन"
    )
)
_NUMBER_WORDS: Final = frozenset(words("number numbers nummer numero número numéro num nr no"))
_OTHER_WORDS: Final = frozenset(
    words(
        "order orders invoice ticket tracking serial isbn issn ean upc sku part item product model version "
        "build release commit revision port pid code score id ids uuid ref reference case batch lot seed "
        "timestamp epoch ts time date account booking confirmation transaction po rma bug issue line page "
        "article chapter step range bytes total amount price size count population distance length width "
        "height job request shipment parcel package policy claim member customer contract bestellnummer "
        "rechnungsnummer artikelnummer kundennummer gtin asin vin imei doi arxiv patent rfc cve zip percent "
        "usd eur sum rate seconds ms unix year years hash checksum patient form mod modulo digit digits "
        "random pi order_id request_id user_id trace span node row index key value offset balance revenue "
        "sales weight temperature pressure grant award project registration section permit docket flight room route gate factory warehouse sort routing ssn passport license licence card "
        "iban"
    )
)
_WORD = re.compile(r"[^\W\d_]+")
PHONE_SIEVE: Final = (
    "(?i:(?:"  # wherever a word ends like one: what is read before a number may begin within a word
    + "|".join(sorted(word for word in _PHONE_WORDS | _NUMBER_WORDS if word.isascii()))
    + "|(?:me|us|him|her|them)[^A-Za-z]+at)(?:$|[^A-Za-z]))|"
    + "|".join(sorted(word for word in _PHONE_WORDS | _NUMBER_WORDS if not word.isascii()))
)
"""Matches, in RE2, where there is a word of telephones; see `sieves`."""


def is_about_a_phone(page: Page, at: int) -> bool:
    """Whether the nearest telling word before `at` is one of telephones."""
    before = page.folded[max(0, at - REACH) : at].replace("\\n", "\n").replace("\\t", "\t")
    line = before.rfind("\n")
    if line >= 0 and before[line + 1 :].strip():
        before = before[line + 1 :]
    said = _WORD.findall(before)
    counted = False
    for place in range(len(said) - 1, -1, -1):
        word = said[place]
        if word in _PHONE_WORDS:
            return True
        if word in _OTHER_WORDS:
            return False
        counted = counted or word in _NUMBER_WORDS
        if word == "at" and place and said[place - 1] in ("me", "us", "him", "her", "them"):
            return True
    return counted and "#" not in before


_VERSION_BEFORE = re.compile(
    r"(?:\bv|ver(?:sion)?s?|release|rev(?:ision)?|build|firmware|driver|chapter|section|clause|oid|§|kernel|chrome|edge|safari|app|sdk|update|patch|upgrade[d]? to|schema|protocol|spec)[\s:=/]{0,3}(?:is |to |from )?\Z",
    re.IGNORECASE,
)
_ADDRESS_BEFORE = re.compile(
    r"\b(?:ip|ipv4|host|addr(?:ess)?|server|client|from|remote|forwarded|for|ping|ssh|peer|dns|gateway|inet|src|dst|source|login|connect\w*|visitor|user|origin|by|at|to|node)\b[^\n]{0,12}\Z|(?:://|@)\Z",
    re.IGNORECASE,
)


def is_version(page: Page, at: int) -> bool:
    """Whether the number at `at` is announced as a version."""
    return _VERSION_BEFORE.search(page.text, max(0, at - 16), at) is not None


def is_about_a_host(page: Page, at: int) -> bool:
    """Whether the number at `at` is announced as a network address."""
    return _ADDRESS_BEFORE.search(page.text, max(0, at - 32), at) is not None
