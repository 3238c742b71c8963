"""Postal addresses beside a word that announces them, in post boxes, by their code, at a corner, in East Asia.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.blocks import CAPITAL, TWO_NUMBERS, WORD, may_be_street, whole
from spanscope.redaction.page import Page
from spanscope.redaction.rules import Labels, Place, Rule
from spanscope.redaction.words import phrases

_PO_BOX = re.compile(
    r"(?:P\.?\s?O\.?\s?Box|Post Office Box|Postfach|PSC|Apartado|Boîte postale|B\.P\.|Casella postale|Unit)\s[0-9]{2,6}(?:,?\s(?:Box|BOX)\s[0-9]{1,5})?(?:,?\s{1,3}(?:[A-Z][\w.\-]*\s?){1,3},?\s[A-Z]{2}\s[0-9]{5}(?:-[0-9]{4})?|,?\s{1,2}(?:APO|FPO|DPO)\s(?:AA|AE|AP)\s[0-9]{5}(?:-[0-9]{4})?)?",
    re.IGNORECASE,
)
_MILITARY = re.compile(
    r"(?:USNS|USS|USCGC|USNV|PSC|Unit|CMR)\s\w+(?:\s\w+){0,3}(?:,?\s?Box\s[0-9]+)?,?\s{1,2}(?:APO|FPO|DPO)\s(?:AA|AE|AP)\s[0-9]{5}(?:-[0-9]{4})?",
    re.IGNORECASE,
)
_CITY_STATE_ZIP = re.compile(
    r"[A-Z](?<![\w].)[a-zA-Z.'\-]+(?:\s[A-Z][a-zA-Z.'\-]+){0,2},\s(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|PR|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])\s{1,2}[0-9]{5}(?:-[0-9]{4})?(?![\w])"
)
_UK_POSTCODE = re.compile(r"[A-Z](?<![\w-].)[A-Z]?[0-9][A-Z0-9]?\s[0-9][ABD-HJLNP-UW-Z]{2}(?![\w-])")
_INWARD = re.compile(r"\s[0-9][ABD-HJLNP-UW-Z]{2}")
_FIVE_DIGITS = re.compile(r"[0-9](?<=\s.)[0-9]{4}")
_JAPANESE = re.compile(
    r"〒\s?[0-9]{3}-?[0-9]{4}(?:\s?[^\s,。、]{2,10}[都道府県][^\n。、]{2,40})?|[^\s、。「」]{1,4}[都道府県][^\s、。「」]{1,8}[市区郡][^\s、。「」]{1,14}[0-9]{1,3}(?:[-−丁目番地号ー][0-9丁目番地号]*){1,3}"
)
_CHINESE = re.compile(
    r"(?:[\u4e00-\u9fff]{2,8}(?:省|市|自治区))?[\u4e00-\u9fff]{1,8}(?:市|区|县|區|縣|鎮|镇|鄉|乡)?[\u4e00-\u9fff]{1,12}(?:路|街|道|巷|弄|段)[0-9A-Za-z]{1,5}(?:号|號|座|幢|栋)(?:之[0-9]{1,3})?"
    r"(?:[0-9\u4e00-\u9fff\-]{0,14}(?:室|楼|樓|单元|栋))?(?: [0-9]{6}(?![0-9]))?"
)
_KOREAN = re.compile(
    r"(?:[\uac00-\ud7a3]{1,8}(?:도|시) )?[\uac00-\ud7a3]{1,8}(?:시|군|구|읍|면)(?: [\uac00-\ud7a3]{1,8}(?:구|읍|면))? [\uac00-\ud7a30-9]{1,12}(?:로|길|가|거리) [0-9]{1,5}(?:-[0-9]{1,5})?(?![0-9])"
)
# A label says so: the rest of the line, when there is a number in it.
_LABELS = (
    *("address", "addr:", "ship to", "shipping to", "deliver to", "delivered to", "send it to", "sent to", "lives at", "live at", "living at", "reside", "residing at", "located at", "moved to", "home at", "lives on", "live on", "lived in", "live in", "meet me at", "taxi to", "linked to", "meet you at", "office is at"),
    *("adresse", "anschrift", "wohnhaft", "wohnt in", "dirección", "direccion", "domicilio", "vive en", "indirizzo", "residente in", "abita in", "endereço", "morada", "habite au", "demeurant", "domicilié", "adres", "адрес", "住所", "地址", "주소", "osoite", "cím:"),
)  # fmt: skip
_REST = r"[^\n\"<>{}|;?!]"
_AFTER_LABEL = re.compile(
    r"(?:\s?(?:is|was|to|as|with|:|=|-|es|ist|est|è|lautet|follows|now|changed|new|the same|in|at|of|[A-Z][\w]+ is|same))*[\"'\s:=>]{1,8}(?:(?:is|to|at|in|the)\s)?"
    rf"((?:[A-Z][\w.'’\-]+,?\s){{0,4}}?(?:[0-9]{{1,6}}[A-Za-z]?(?:[-/][0-9]{{1,5}})?,?\s(?:[NSEW]\.\s)?{CAPITAL}{_REST}{{2,70}}"
    rf"|{CAPITAL}[\wÀ-ÿ'’.\- ]{{2,40}},?\s[0-9]{{1,5}}[^\W\d_]?(?![\w.:/]){_REST}{{0,60}}|[0-9]{{1,6}} [^\W\d_]{{4,30}}(?: {WORD}){{0,3}} [0-9]{{1,4}}(?![\w%]){_REST}{{0,60}})"
    rf"(?:\s{{1,6}}(?:[A-Z0-9]{_REST}{{1,40}})){{0,4}}?(?:\s{{1,6}},?\s?[A-Z]{{2,}}{_REST}{{0,24}}|\s{{1,6}}[\w ]{{0,24}}[0-9]{{4,6}}(?:-[0-9]{{3,4}})?)?)(?=[\s\"'<>{{}}|;?!.]|\Z)"
)
_STOP = re.compile(
    r"(?<=[a-z0-9)])[.!?]\s+[A-Z]|\s(?:and|because|so|for|which|if|but|please|could|can|i am|i'm|by|on|before|after|tomorrow|today|instead|with|until|when|where|my|his|her|phone|tel|email|mail|call)\b|[,;]\s?[\"'}]|\s-\s|\s\(|\"|\\n\\n|[a-z]+=|\s\w+:\s",
    re.IGNORECASE,
)


_LABEL_WORDS = Labels(_LABELS)


def _labelled_addresses(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    for _, after in _LABEL_WORDS.places(page, start, end):
        match = _AFTER_LABEL.match(text, after, min(len(text), after + 360))
        if match is not None:
            stop = _STOP.search(text, match.start(1) + 6, match.end(1))
            value = text[match.start(1) : match.end(1) if stop is None else stop.start()].rstrip(" .,\n")
            if (
                any(map(str.isdigit, value))
                and sum(map(str.isalpha, value)) >= 4
                and "@" not in value
                and "://" not in value
            ):
                yield whole(page, match.start(1), match.start(1) + len(value))


def _codes(page: Page, start: int, end: int) -> Iterable[Place]:
    if _FIVE_DIGITS.search(page.text, start, end) is not None:
        for match in _CITY_STATE_ZIP.finditer(page.text, start, end):
            yield match.span()
    for code in _INWARD.finditer(page.text, start, end):
        outward = _UK_POSTCODE.search(page.text, max(0, code.start() - 4), code.end() + 1)
        if outward is not None:
            yield outward.span()


_IDEOGRAPH = re.compile("[\u3012\u4e00-\u9fff\uac00-\ud7a3]")
_ROAD_NUMBER = re.compile(r"[路街道巷弄段][0-9A-Za-z]|[로길가리] [0-9]|[0-9](?:-[0-9]|[丁番号])|〒")


def _eastern(page: Page, start: int, end: int) -> Iterable[Place]:
    if page.text.isascii() or _IDEOGRAPH.search(page.text, start, end) is None:
        return
    done = start
    for number in _ROAD_NUMBER.finditer(page.text, start, end):
        for pattern in (_JAPANESE, _CHINESE, _KOREAN):
            match = pattern.search(page.text, max(done, number.start() - 32), min(end, number.end() + 32))
            if match is not None:
                yield match.span()
                done = match.end()


def _boxes(page: Page, start: int, end: int) -> Iterable[Place]:
    for pattern in (_PO_BOX, _MILITARY):
        for match in pattern.finditer(page.text, start, end):
            if match[0][:4].lower() != "unit" or "box" in match[0].lower() or "po " in match[0].lower():
                yield match.span()


# --- at a corner, between two numbers, and a postal code alone ------------------------------------------------
_PLACE = rf"(?:[0-9]{{1,6}} )?{CAPITAL}[\w'’.\-]{{0,30}}(?: (?!and\b){WORD}){{0,4}}(?: [0-9]{{1,4}}[A-Za-z]?\.?(?!\w)(?: St\.?(?!\w))?)?"
_CORNER = re.compile(rf" (?:the )?({_PLACE} (?:and|&) {_PLACE})")
_CORNER_WORDS = ("corner of", "intersection of", "crossing of")


def _corners(page: Page, start: int, end: int) -> Iterable[Place]:
    for word in _CORNER_WORDS:
        at = page.folded.find(word, start, end)
        while at >= 0:
            after = at + len(word)
            if (corner := _CORNER.match(page.text, after, min(len(page.text), after + 200))) is not None:
                yield whole(page, *corner.span(1))
            at = page.folded.find(word, after, end)


_TWO_NUMBERS = re.compile(rf"({TWO_NUMBERS})(?![\w:/%°$€£]|[.,][0-9])")
_PREPOSITION = re.compile(r"\b(?:at|on|to|in|is|with|off)\s\Z", re.IGNORECASE)


def _between_numbers(page: Page, start: int, end: int) -> Iterable[Place]:
    """`at 9816 Rengaskuja 21`: too little alone, but not behind such a word or before a town."""
    text = page.text
    for match in _TWO_NUMBERS.finditer(text, start, end):
        last = match.end()
        if not may_be_street(text, match.start(), last):
            continue
        if _PREPOSITION.search(text, max(0, match.start() - 8), match.start()):
            yield whole(page, *match.span(1))
        elif text[last : last + 1] in ("\n", ",", "\\") and (place := whole(page, *match.span(1)))[1] > last:
            yield place


# `Calle 12B # 34-56`, the streets and crossings of Colombia.
_GRID = re.compile(
    r"(?i:calle|cll?|carrera|cra?|kra?|diagonal|dg|diag|transversal|tv|trans|avenida|av|ak|ac)\b\.? ?[0-9]{1,3} ?[A-Z]?(?: ?bis)?(?: ?(?i:sur|norte|este|oeste))? ?(?:#|[Nn][oº°]\.?) ?[0-9]{1,3} ?[A-Z]? ?[-–] ?[0-9]{1,3}(?!\w)(?: (?i:sur|norte|este|oeste))?"
)
_GRID_SIGN = re.compile(r"[#Nn](?:(?<=#)|(?<!#)[oº°]\.?) ?[0-9]{1,3} ?[A-Z]? ?[-–] ?[0-9]")


def _on_a_grid(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    for sign in _GRID_SIGN.finditer(text, start, end):
        street = _GRID.search(text, max(0, sign.start() - 40), min(len(text), sign.end() + 16))
        if street is not None:
            yield whole(page, *street.span())


_CODE_LABELS: Final = phrases(
    """zip, zipcode, postal code, postcode, post code, postalcode, plz, postleitzahl, code postal, código postal, codigo postal, cep,
    postnummer, postnr, psč, kod pocztowy, irányítószám, postinumero, postnúmer, sihtnumber, индекс, ταχυδρομικός κώδικας"""
)
_CODE_LABEL_WORDS = Labels(_CODE_LABELS)
_CODE_BEHIND = re.compile(
    r"(?: ?code)?[\"']?(?: ?(?:is|:|=|#|was|number|-|\||\t| ))* ?[\"']?"
    r"((?:[A-Z]{1,3}-)?[0-9]{2,5}(?:[ \-][0-9]{2,4})?(?: ?[A-Z]{2})?|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2})(?![\w]|[.,:/%][0-9]| [a-z]*(?:bytes|[kmg]b|files|entries|levels|pages|items|changes|times|days)\b)",
    re.IGNORECASE,
)


_SIGN = re.compile(r"[:=#|]|\bis\b")


def _labelled_codes(page: Page, start: int, end: int) -> Iterable[Place]:
    for _, after in _CODE_LABEL_WORDS.places(page, start, end):
        match = _CODE_BEHIND.match(page.text, after, min(len(page.text), after + 48))
        if match is not None and len(match[1]) >= (
            3 if _SIGN.search(page.text, after, match.start(1)) else 4
        ):
            yield match.span(1)


_ANY_LETTER = r"(?:[A-Za-z]|[\x80-\xff])"

RULES: Final = (
    Rule("labelled address", "ADDRESS", _labelled_addresses, labels=_LABELS, numbered=True),
    Rule("labelled postal code", "ADDRESS", _labelled_codes, labels=_CODE_LABELS, numbered=True),
    Rule("corner", "ADDRESS", _corners, triggers=_CORNER_WORDS),
    Rule(
        "address between numbers",
        "ADDRESS",
        _between_numbers,
        sieve=rf"(?:^|[^0-9A-Za-z_.]|\\[nrt])[0-9]{{1,6}}[A-Za-z]? (?:[0-9]{{1,4}}[A-Za-z]? )?(?:[A-Z]|[\x80-\xff])[^ \n]*(?: {_ANY_LETTER}[^ \n]*){{0,4}} [0-9]",
        numbered=True,
    ),
    Rule(
        "address on a grid",
        "ADDRESS",
        _on_a_grid,
        triggers=("#", "no", "nº", "n°"),
        sieve=r"[0-9A-Za-z] ?(?:#|[Nn](?:o|º|°)\.?) ?[0-9]{1,3} ?[A-Z]? ?(?:-|–) ?[0-9]",
        numbered=True,
    ),
    Rule(
        "post box",
        "ADDRESS",
        _boxes,
        labels=("box", "postfach", "psc", "apartado", "postale", "apo", "fpo", "dpo"),
        numbered=True,
    ),
    Rule(
        "postal code",
        "ADDRESS",
        _codes,
        sieve=r",\s[A-Z]{2}\s{1,2}[0-9]{5}|[A-Z][0-9][A-Z0-9]?\s[0-9][A-Z]{2}",
        numbered=True,
    ),
    Rule(
        "eastern address",
        "ADDRESS",
        _eastern,
        sieve=r"〒|(?:路|街|道|巷|弄|段)[0-9A-Za-z]|(?:로|길|가|리) [0-9]|[0-9](?:丁|番|号)|(?:都|道|府|県|市|区|郡)[^\n]*[0-9]-[0-9]",
        numbered=True,
    ),
)
