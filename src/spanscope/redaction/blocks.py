"""The lines of a postal address around its street: flat, town, region, postal code, country.

A street is known by words of its own (see `streets`); what stands beside it is known by standing there.  Here
is how far such a block reaches, and the addresses whose street no list knows, but whose flat or postal code
gives them away.  The forms are those of the Universal Postal Union's country sheets.

Used by `streets` and `addresses`; its rules are part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Labels, Place, Rule
from spanscope.redaction.words import either

REACH: Final = 200
"""How many characters behind a street its last line may end."""

CAPITAL: Final = r"[^\W\d_a-zß-öø-ÿ]"
"""A letter that is no small one of Latin-1: capitals, and letters of scripts and alphabets beyond."""
NAME: Final = rf"{CAPITAL}[\w'’.\-]{{0,30}}+"
WORD: Final = r"[^\W\d_][\w'’.\-]{0,30}+"
_SMALL = r"[^\W\d_]{1,5}\.?"
TOWN: Final = rf"{NAME}(?: (?:{_SMALL} ){{0,2}}[(/]?{NAME}\)?){{0,3}}"
_BREAK = r"[ \t]{0,4},?[ \t]{0,4}(?:(?:\r?\n|\\[nr])[>|?}* \t,]{0,8}){1,3}"
GAP: Final = rf"(?:,[ \t\u00a0]{{1,4}}| ,[ \t]?| [-–] |{_BREAK})"
"""Between two lines: a comma, or line breaks with what a mail program puts before a quotation."""
_EITHER_GAP = rf"(?:{GAP}|[ ])"

_UNIT_WORDS: Final = ("apartment", "apt", "suite", "ste", "unit", "flat")
UNIT: Final = (
    r"(?:(?i:apartment|apt|suite|ste|unit|flat|floor|fl|room|rm|bldg|building|lot|level|appartement|appt|app|étage|bât|bte|bus"
    r"|appartamento|interno|scala|int|piso|puerta|pta|esc|dpto|depto|oficina|of|apartamento|apto|ap|bloco|bl|sala"
    r"|wohnung|whg|top|stiege|lok|m|byt|lejl|lgh|as|кв|стр|корп|к|офис|torre|dto|casa)\.? ?(?:#|[nN][oº°]\.? ?)?[0-9][0-9A-Za-z/\-]{0,5}(?!\w)"
    r"|(?:[0-9]{1,2}(?:st|nd|rd|th)|First|Second|Third|Fourth|Fifth) [Ff]loor(?!\w)|# ?[0-9]{1,5}[A-Za-z]?(?!\w))"
)
_PREFIX = r"(?:[A-Z]{1,3}-|(?:CP|C\.P\.|PLZ|CEP:?|T\.?K\.?|Τ\.?Κ\.?) )?"
"""What may stand before a postal code: the country, or that it is one."""
_CODE = (
    rf"(?:{_PREFIX}(?:[0-9]{{5}}-[0-9]{{3,4}}|[0-9]{{4}}-[0-9]{{3}}|[0-9]{{3}} [0-9]{{2}}|[0-9]{{2}}-[0-9]{{3}}|[0-9]{{4}} ?[A-Z]{{2}}"
    rf"|[0-9]{{4,8}}|[0-9]{{3}}(?= {CAPITAL}))|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[A-Z]{{1,2}}[0-9][A-Z0-9]? ?[0-9][A-Z]{{2}}|[A-Z][0-9][0-9W] [A-Z0-9]{{4}})(?!\w|[ .\-]?[0-9])"
)
"""A postal code: digits, as the Dutch, the Canadian, the British or the Irish one."""
STATES: Final = (
    r"(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|PR|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
    r"|ACT|NSW|NT|QLD|SA|TAS|VIC|AB|BC|MB|NB|NL|NS|NU|ON|PE|QC|SK|YT)"
)
"""Of the United States, Australia and Canada, as the post abbreviates them."""
_COUNTRIES = either(
    """Afghanistan, Albania, Algeria, Andorra, Angola, Argentina, Armenia, Australia, Austria, Azerbaijan, Bahamas, Bahrain,
    Bangladesh, Belarus, Belgium, Bolivia, Bosnia, Brazil, Bulgaria, Cambodia, Cameroon, Canada, Chile, China, Colombia, Costa Rica,
    Croatia, Cuba, Cyprus, Czechia, Czech Republic, Denmark, Dominican Republic, Ecuador, Egypt, El Salvador, England, Estonia,
    Ethiopia, Finland, France, Georgia, Germany, Ghana, Greece, Greenland, Guatemala, Honduras, Hong Kong, Hungary, Iceland, India,
    Indonesia, Iran, Iraq, Ireland, Israel, Italy, Jamaica, Japan, Jordan, Kazakhstan, Kenya, Korea, Kosovo, Kuwait, Latvia, Lebanon,
    Libya, Liechtenstein, Lithuania, Luxembourg, Malaysia, Malta, Mexico, Moldova, Monaco, Mongolia, Montenegro, Morocco, Nepal,
    Netherlands, New Zealand, Nicaragua, Nigeria, North Macedonia, Norway, Oman, Pakistan, Panama, Paraguay, Peru, Philippines,
    Poland, Portugal, Puerto Rico, Qatar, Romania, Russia, Saudi Arabia, Scotland, Senegal, Serbia, Singapore, Slovakia, Slovenia,
    South Africa, South Korea, Spain, Sri Lanka, Sweden, Switzerland, Syria, Taiwan, Tanzania, Thailand, Tunisia, Turkey, Uganda,
    Ukraine, United Arab Emirates, United Kingdom, United States, UK, U\\.K\\., USA, U\\.S\\.A\\., US, Uruguay, Venezuela, Vietnam, Wales,
    Deutschland, Österreich, Schweiz, España, Italia, Nederland, België, Belgique, Suisse, Brasil, Polska, Sverige, Norge, Danmark, Suomi"""
)

_UNITS_BEHIND = re.compile(rf"(?: ?[/\-] ?[0-9]{{1,4}}[A-Za-z]?(?!\w))?\.?(?:{_EITHER_GAP}{UNIT}){{0,2}}")
_PART = rf"(?:{TOWN}(?: [0-9]{{1,2}}(?!\w|[ .\-]?[0-9]))?|[a-z]{{2,3}}(?!\w)|[0-9]{{1,2}}(?!\w))"
"""A town, with its district or without, or a region in short."""
_TO_CODE = re.compile(
    rf"(?:{_EITHER_GAP}{TOWN})?(?:{GAP}{_PART}){{0,3}}?"
    rf"{_EITHER_GAP}(?:[A-Z]{{1,3}}[-, ]{{1,3}})?{_CODE}(?:,? ?{TOWN})?(?: ?[/(\-] ?[A-Z]{{2}}\)?(?!\w))?"
)
_TO_COUNTRY = re.compile(
    rf"(?:{_EITHER_GAP}{TOWN})?(?:{GAP}[^\W\d_][\w '’.\-]{{1,30}}){{0,3}}?{_EITHER_GAP}(?i:{_COUNTRIES})(?!\w)(?: \(\w+\))?"
)
_TO_TOWN = re.compile(rf"(?:, {TOWN}){{1,2}}")
_TO_TOWN_OF_UNIT = re.compile(rf"{_EITHER_GAP}{TOWN}")
_UNIT_AHEAD = re.compile(rf"(?<![\w.]){UNIT}{_EITHER_GAP}\Z")
_UNIT_WORD_AHEAD = re.compile(rf"(?<![\w.])(?i:{'|'.join(_UNIT_WORDS)})\.? ?#?\Z")
_NUMBER_AHEAD = re.compile(r"[0-9](?:(?<![\w.,$€£#:/\-].)|(?<=\\[nrt].))[0-9]{0,5},? \Z")
_NAME_AHEAD = re.compile(rf"(?:(?<!\w)|(?<=\\[nrt])){NAME} and \Z")


def _from(text: str, first: int) -> int:
    """Where an address begins whose street does at `first`: at the flat, or at another number or street before it."""
    number = _NUMBER_AHEAD.search(text, max(0, first - 9), first)
    first = first if number is None else number.start()
    if (word := _UNIT_WORD_AHEAD.search(text, max(0, first - 12), first)) is not None:
        return word.start()
    if any(map(str.isdigit, text[max(0, first - 12) : first])):
        unit = _UNIT_AHEAD.search(text, max(0, first - 24), first)
        return first if unit is None else unit.start()
    if text.endswith(" and ", 0, first) and (name := _NAME_AHEAD.search(text, max(0, first - 36), first)):
        return name.start()
    return first


def whole(page: Page, first: int, last: int) -> Place:
    """The address whose street is known to stand from `first` to `last`, with the lines around it."""
    text = page.text
    while last > first and text[last - 1].isspace():
        last -= 1
    first = _from(text, first)
    end = min(len(text), last + REACH)
    units = _UNITS_BEHIND.match(text, last, end)
    after = last if units is None else units.end()
    has_unit = after > last + 1
    for pattern in (_TO_CODE, _TO_COUNTRY, _TO_TOWN_OF_UNIT if has_unit else _TO_TOWN):
        more = pattern.match(text, after, end)
        if more is not None:
            return first, more.end()
    return first, after


# --- lines without a word of streets --------------------------------------------------------------------------
_MONTHS = (
    r"(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sept?|oct|okt|nov|dec|dez|january?|januari|february?|februari|märz|march|mars|april|june?|juni|july?|juli|august|september"
    r"|o[ck]tober|november|de[cz]ember|janvier|février|avril|juin|juillet|août|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|maggio|junio|julio|agosto"
    r"|septiembre|octubre|noviembre|diciembre|gennaio|febbraio|aprile|giugno|luglio|settembre|ottobre|dicembre|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro)\.?"
)
_NO_NAME = rf"(?!(?i:{_MONTHS}|of|the|in|to|a|an|and|for|with|on|is|at|as|more|per|or|by|from|was|are|times|days|hours|minutes|seconds) )"
_NO_YEAR = r"(?!(?<=1)9[0-9]{2}(?!\w)|(?<=2)0[0-9]{2}(?!\w))"
_IN_FRONT = (
    rf"[0-9](?:(?<![\w.,$€£#:/\-].)|(?<=\\[nrt].)){_NO_YEAR}[0-9]{{0,5}}[A-Za-z]?(?: [0-9]{{1,4}}[A-Za-z]?)?"
)
"""A house number before its street, and of two numbers both; from its first digit, for a search to be quick."""
_BEHIND = r"(?:(?:[Nn][º°]|[Nn]o\.|[Nn]r\.|д\.|буд\.) ?)?[0-9]{1,5}[^\W\d_]?\.?(?:[/\-][0-9]{1,4}[^\W\d_]?)?"
_NAMED = rf"{_NO_NAME}{NAME}(?: {_NO_NAME}{WORD}){{0,5}}"
_NUMBER_FIRST = rf"{_IN_FRONT} {_NAMED}"
TWO_NUMBERS: Final = rf"{_NUMBER_FIRST} {_BEHIND}"
_LINE = rf"(?:{_NUMBER_FIRST}(?:,? {_BEHIND})?|(?:(?<!\w)|(?<=\\[nrt])){_NAMED},? {_BEHIND})"

_LINE_BEFORE_UNIT = re.compile(rf"{_LINE}{_EITHER_GAP}\Z")
_LINE_BEHIND_UNIT = re.compile(rf"{_EITHER_GAP}({_NUMBER_FIRST}(?: {_BEHIND})?)")
_UNIT = re.compile(UNIT)
_UNIT_LABELS = Labels(_UNIT_WORDS)


def _words_back(text: str, at: int, words: int) -> int:
    """Where the last so many words before `at` begin, or a little before: no line of an address is longer."""
    lowest = max(0, at - 128)
    for _ in range(words):
        found = text.rfind(" ", lowest, at)
        if found < 0:
            return lowest
        at = found
    return at


def _with_unit(page: Page, start: int, end: int) -> Iterable[Place]:
    """`6750 Koskikatu 25 Apt. 864`, `Flat 51`, and in the next line `5 Clark Dell`: a flat gives its street away."""
    text = page.text
    for at, _ in _UNIT_LABELS.places(page, start, end):
        unit = _UNIT.match(text, at)
        if unit is None:
            continue
        street = _LINE_BEFORE_UNIT.search(text, _words_back(text, at, 10), at)
        if street is not None and may_be_street(text, street.start(), at):
            yield whole(page, street.start(), unit.end())
            continue
        street = _LINE_BEHIND_UNIT.match(text, unit.end(), min(len(text), unit.end() + 96))
        if street is not None:
            yield whole(page, *street.span(1))


_COUNTED = r"(?:Bytes|Words|Pages|Points|Miles|Steps|Items|Rows|Lines|Files|Users|Fans|Open|Build|Tokens|Requests|Calls|Records|USD|EUR)(?!\w)"
"""What a number before it counts, so that it is no postal code."""
_CODE_LINE = re.compile(
    rf"(?:,[ ]|\n|\\n)[>|?}}* \t,]{{0,8}}(?:{_PREFIX}(?:[0-9]{{4,5}}|[0-9]{{5}}-?[0-9]{{3}}|[0-9]{{4}}(?:-[0-9]{{3}}| ?[A-Z]{{2}})|[0-9]{{3}} [0-9]{{2}}|[0-9]{{2}}-[0-9]{{3}}),? (?!{_COUNTED}){CAPITAL}"
    rf"|{STATES},?[ ]{{1,2}}(?:[0-9]{{4,5}}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9])(?!\w)|(?:{NAME}[ –\-])?[0-9]{{5,7}}(?!\w| (?i:{_COUNTED})))"
    rf"|[ ]{STATES},?[ ]{{1,2}}(?:[0-9]{{5}}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9])(?!\w)"
)
_LINE_BEFORE_CODE = re.compile(rf"({_LINE})(?:{_EITHER_GAP}{UNIT}){{0,2}}(?:{GAP}{TOWN}){{0,2}},{{0,2}} ?\Z")
_LETTER = re.compile(CAPITAL)
_CODE_SIEVE = (
    r"(?:,|\n|\\n)[>|?}* \t,]*(?:[A-Z]{1,3}-|[CTP\x80-\xff][A-Z.:\x80-\xff]* )?[0-9]{2,5}[ \-]?[0-9A-Z]{0,3},? (?:[A-Z]|[\x80-\xff])"
    r"|(?:,|\n|\\n)[>|?}* \t,]*(?:(?:[A-Z]|[\x80-\xff])[^ \n]*(?: |–|-))?[0-9]{5}"
    rf"|[ ,>?}}\n]{STATES},?[ ]{{1,2}}[0-9A-Z]{{3}}"
)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}(?! ?[A-Z]{2}(?!\w)|[0-9]| [0-9])")
_NUMBERED_THINGS = either(
    """table, figure, fig, section, chapter, page, version, part, step, line, volume, vol, release, issue, no, lesson, module, level, grade,
    book, week, day, course, core, test, phase, stage, round, class, team, group, exercise, question, item, episode, season, epoch, run, type,
    model, generation, gen, top, windows, terminal, gate, platform, percent, points, row, column, zone, bus, game, http, order, revenue"""
)
_NO_STREET = re.compile(rf"(?i)\b(?:{_MONTHS}|{_NUMBERED_THINGS}) [0-9]")
"""What is numbered and is no street."""
_ROWS = re.compile(r"[ \t]*\n[ \t]*[0-9]+ [^\n]*\n[ \t]*[1-9][0-9]* [^\W\d]")
"""The next lines of a table, rather than a town."""


def may_be_street(text: str, first: int, last: int) -> bool:
    """Whether a name between numbers may be a street: no `Lesson 3`, no row of a table."""
    return _NO_STREET.search(text, first, last) is None and _ROWS.match(text, last, last + 160) is None


def _with_code(page: Page, start: int, end: int) -> Iterable[Place]:
    """`Glorieta de la Paz 51`, and in the next line `28013 Madrid`: a postal code gives the street before it away."""
    text, done = page.text, 0
    for code in _CODE_LINE.finditer(text, start, end):
        if code.start() < done:
            continue
        if _LETTER.search(text, max(0, code.start() - 64), code.start()) is None:
            continue  # a row of numbers
        street = _LINE_BEFORE_CODE.search(text, _words_back(text, code.start(), 16), code.start())
        if street is None or not may_be_street(text, *street.span(1)):
            continue
        place = whole(page, *street.span(1))
        in_line = "\n" not in text[street.end() : code.end()]
        if place[1] >= code.end() and not (in_line and _YEAR.match(code[0].lstrip(", "))):
            yield place
            done = place[1]


RULES: Final = (
    Rule(
        "address with unit",
        "ADDRESS",
        _with_unit,
        labels=_UNIT_WORDS,
        sieve=rf"(?i:(?:{'|'.join(_UNIT_WORDS)})\.? ?(?:#|no\.? ?|n[^ ]{{1,2}} ?)?[0-9])",
        numbered=True,
    ),
    Rule("address with code", "ADDRESS", _with_code, sieve=_CODE_SIEVE, numbered=True),
)
