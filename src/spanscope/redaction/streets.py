"""Streets, by the words that name them in each language, with the house number before or behind.

The words are those of the national post offices' lists: at the end of the name (`Hauptstraße 5`), behind it
(`Dohány utca 4.`), before it (`calle Mayor 3`, `ul. Miła 53`), or, in English, between number and town.

Uses `blocks` for what stands around a street; its rules are part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.blocks import CAPITAL, WORD, whole
from spanscope.redaction.page import Page
from spanscope.redaction.rules import Labels, Place, Rule
from spanscope.redaction.words import phrases, words

# --- English: number, name, kind of street --------------------------------------------------------------------
_PART = r"(?:[A-ZÀ-ÞŠŽČĆŁ][\wÀ-ÿ'’.\-]*|of|the|de|del|de la|la|du|des|d'|[0-9]{1,3}(?:st|nd|rd|th))"
_KIND = (
    r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct|Circle|Cir|Place|Pl|Square|Sq|Terrace|Ter|Trail|Trl|Parkway|Pkwy|Highway|Hwy|Way|Walk|Crescent|Cres|Close"
    r"|Gardens|Grove|Mews|Row|Alley|Plaza|Loop|Ridge|Hill|Hills|Heights|Park|Pike|Point|Pass|Path|Run|Rise|View|Mount|Mountain|Meadow|Meadows|Manor|Landing|Island|Inlet|Isle|Junction|Key|Knoll|Lake|Light|Mall|Mill|Mission"
    r"|Motorway|Neck|Orchard|Oval|Overpass|Parade|Esplanade|Quay|Passage|Pine|Pines|Plain|Port|Prairie|Radial|Ramp|Ranch|Rapid|Rest|River|Route|Rue|Shoal|Shore|Skyway|Spring|Springs|Spur|Station|Stravenue|Stream|Summit|Throughway|Trace|Track|Trafficway|Tunnel|Turnpike|Underpass|Union|Valley|Viaduct|Village|Ville|Vista|Well|Wells|Ways|Cove|Creek|Crossing|Bend|Bluff|Branch|Bridge|Brook|Burg|Bypass|Camp|Canyon|Cape|Causeway|Center|Cliff|Club|Common|Corner|Course|Curve|Dale|Dam|Divide|Estate|Estates|Expressway|Extension|Fall|Falls|Ferry|Field|Fields|Flat|Flats|Ford|Forest|Forge|Fork|Fort|Freeway|Garden|Gateway|Glen|Green|Harbor|Haven|Hollow"
    r"|Marg|Chowk|Nagar|Str\.?|St\.|Ave\.|Rd\.|Blvd\.|Dr\.|Ln\.|Ct\.|Pl\.|Sq\.)"
)
_ENGLISH = re.compile(
    rf"[0-9](?<![\w.$€£#].)[0-9]{{0,5}}(?:-[0-9]{{1,5}})?[A-Za-z]?,?\s(?:[NSEW]\.?\s|North\s|South\s|East\s|West\s)?"
    rf"(?:{_PART}[ ]){{1,4}}{_KIND}(?![\wÀ-ÿ])(?:\s(?:NW|NE|SW|SE|[NSEW])\b\.?)?"
)
_ENGLISH_SIEVE = (
    r"[0-9][A-Za-z]?,?\s(?:[A-Z0-9d\x80-\xff]|of|the)",
    rf"[0-9]-?[0-9]*[A-Za-z]?,?\s(?:[^\s]+\s)+{_KIND}",
)
_YEARS = re.compile(r"(?:19|20)[0-9]{2}-(?:19|20)[0-9]{2}(?![0-9])")


def _english(page: Page, start: int, end: int) -> Iterable[Place]:
    for match in _ENGLISH.finditer(page.text, start, end):
        if not _YEARS.match(page.text, match.start()):  # `1991-2013, Thomas G. Lane`
            yield whole(page, *match.span())


# --- the word at the end of the name, or behind it, then the number ---------------------------------------------
_ENDINGS: Final = words(
    """straße strasse str. str weg platz gasse allee ufer damm ring chaussee steig stieg stiege graben promenade zeile
    straat laan plein plaats gracht kade singel dijk steeg dreef baan markt
    gatan gata gränd vägen väg stigen backen allén leden torget gade vej vejen vænget stræde stien allé plads
    gaten gate veien vei vegen veg terrasse plass vegur stræti braut katu tie kuja polku kaari raitti aukio"""
)
_BEHIND_NAME: Final = words(
    """straße strasse str. str weg platz gasse allee ring damm ufer straat laan plein weg kade dreef dijk
    utca utcája u. út útja tér tere krt. körút köz sor rakpart sétány fasor
    tänav tn mnt maantee puiestee pst tee põik iela bulvāris prospekts gatvė g. pr. prospektas
    gate gata gatan väg vägen gränd vei veien veg vegen plass gade vej allé plads stræde katu tie polku kuja
    sokak sokağı sk. sok. caddesi cad. cd. mahallesi mah. bulvarı cesta ulica trg nábřeží náměstí třída"""
)
_ROAD_ENDS: Final = (*_ENDINGS, *[f" {word}" for word in _BEHIND_NAME])
_TAILS: Final = frozenset([ending[-3:] for ending in _ROAD_ENDS])
_SPACE_NUMBER = re.compile(r" [0-9]")
_ENDED = re.compile(
    rf"(?<!\w){CAPITAL}(?:[\wÀ-ÿ\-]{{0,30}}?(?:{'|'.join(map(re.escape, _ENDINGS))})"
    rf"|[\w'’.\-]{{0,30}}(?: {WORD}){{0,3}} (?i:{'|'.join(map(re.escape, _BEHIND_NAME))}))[ ][0-9]{{1,4}} ?[a-zA-Z]?(?!\w)"
)
# `During 1971` and `Brigade 7` are no streets, unless a town stands behind them.
_DOUBTFUL = re.compile(
    r"(?:ring|tie|gade|gate|kade|markt|str|singel|plass|allee|zeile|veg|tee|sor|tere|baan| u\.| g\.| pr\.| trg| tn| weg| platz) [0-9]{1,4} ?\Z|(?:19|20)[0-9]{2} ?\Z"
)
_PREPOSITIONS = Labels(
    phrases("am, an der, im, in der, auf dem, zum, zur, alte, neue, alter, neuer, großer, kleine, unter den")
)
_AT_A_ROAD = re.compile(
    r"(?:Am|An der|Im|In der|Auf dem|Zum|Zur|Alte|Neue|Alter|Neuer|Großer|Kleine|Unter den)\s[A-ZÄÖÜ][\wäöüß\-]+(?:\s(?:Straße|Str\.|Weg|Platz|Allee))?\s[0-9]{1,4}\s?[a-z]?(?![\w.]),?\s(?:D-)?[0-9]{5}\s[A-ZÄÖÜ][\wäöüß]+"
)

# --- the word before the name, then the number --------------------------------------------------------------------
# These also in small letters; of the others only with a capital, for they are words of prose.
_SMALL_KINDS: Final = phrases(
    """rue, avenue, boulevard, bd, chemin, place, allée, impasse, quai, route, cours, c/, ul., ulica, al., aleja, aleje, plac,
    pl., os., osiedle, nám., náměstí, námestie, tř., třída, nábř., ulice, ул., улица, вул., вулиця, бул., булевар, булевард, пл.,
    площадь, пр., просп., проспект, пер., переулок, наб., ш., шоссе, шосе, провулок, вул, οδός, οδού, λεωφόρος, λεωφ., λ., πλατεία, πλ., strada, șos., șoseaua, soseaua, drumul"""
)
_GREAT_KINDS: Final = phrases(
    """calle, avenida, avda, av., av, plaza, pza., paseo, pº, carrera, cra, camino, ronda, travesía, pasaje, glorieta, rambla,
    urbanización, urb., callejón, cuesta, carretera, ctra., bulevar, callejuela, costanilla, rúa, calzada, cerrada, circunvalación, periférico, privada, andador,
    jirón, jr., prolongación, diagonal, via, viale, piazza, piazzale, corso, vicolo, largo, borgo, contrada, lungarno, salita, rua, r.,
    travessa, praça, alameda, estrada, ladeira, beco, viela, rodovia, rod., quadra, square, passage, sentier, faubourg, ruelle, esplanade,
    lotissement, résidence, bulevardul, b-dul, calea, aleea, splaiul, piața, intrarea, jalan, jl., jln., lorong, gang, gg."""
)
_SHORT_KINDS: Final = tuple([kind for kind in (*_SMALL_KINDS, *_GREAT_KINDS) if kind[-1] in "./"])
_ROAD_WORDS = Labels((*_SMALL_KINDS, *_GREAT_KINDS))
_SMALL_KIND: Final = frozenset(_SMALL_KINDS)
_NAMED = re.compile(
    r"\.?\s?(?<=[\s./])(?:(?:de|du|des|de la|de las|de los|del|della|delle|dei|di|da|do|dos|das|la|le|les|los|las|l'|d'|dell'|San|Santa|St|G\.|[A-Z]\.)\s?)*"
    rf"(?:(?!N(?:[º°]|[or]\.? ?[0-9])){CAPITAL}[\wÀ-ÿ'’.\-]*\s?|(?:e|y|de|del|da|do|von|og|i)\s){{1,6}}(?:,?\s?(?:[Nn][º°.]?\s?|[Nn]r\.?\s|#\s?|[Nn]o\.?\s?|(?:д|дом|буд|б|бр)\.?\s)?[0-9]{{1,4}}(?![0-9])(?:\s?[-–#/]\s?[0-9]{{1,4}}){{0,2}}[a-zA-Z]?(?![\w]))?"
)
_NUMBER_BEFORE = re.compile(r"(?<![\w.])[0-9]{1,6}(?:\s?(?:bis|ter|quater))?,?\s\Z")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}\Z")


def _ended(page: Page, start: int, end: int) -> Iterable[Place]:
    text, folded, done = page.text, page.folded, 0
    for match in _SPACE_NUMBER.finditer(text, start, end):
        at = match.start()
        if at >= done and folded[at - 3 : at] in _TAILS and folded.endswith(_ROAD_ENDS, max(0, at - 11), at):
            road = _ENDED.search(text, max(start, done, at - 64), min(end, at + 16))
            if road is None:
                continue
            place = whole(page, *road.span())
            if not _DOUBTFUL.search(road[0].lower()) or any(map(str.isdigit, text[road.end() : place[1]])):
                yield place
                done = place[1]
    for at, _ in _PREPOSITIONS.places(page, start, end):
        if (spaced := _AT_A_ROAD.match(text, at)) is not None:
            yield spaced.span()


def _named(page: Page, start: int, end: int) -> Iterable[Place]:
    text, folded = page.text, page.folded
    for at, after in _ROAD_WORDS.places(page, start, end):
        if not (text[at].isupper() or folded[at:after] in _SMALL_KIND):
            continue
        if text[after - 1] in "./" and at and text[at - 1].isalnum() and text[at - 2] != "\\":
            continue  # `yC/Tym`, in base64
        road = _NAMED.match(text, after)
        if road is None:
            continue
        number = _NUMBER_BEFORE.search(text, max(0, at - 14), at)
        first, last = at if number is None else number.start(), road.end()
        if any(map(str.isdigit, text[first:last])):
            place = whole(page, first, last)
            if number is not None or place[1] > last or not _YEAR.search(road[0]):
                yield place


def _roads(page: Page, start: int, end: int) -> Iterable[Place]:
    yield from _ended(page, start, end)
    yield from _named(page, start, end)


def _as_sieve(kinds: tuple[str, ...]) -> str:
    return "|".join([re.escape(kind) for kind in kinds])


_ROAD_WORDS_SIEVE = (
    rf"(?i)(?:{_as_sieve(_ENDINGS)}| (?:{_as_sieve(_BEHIND_NAME)})) [0-9]"
    rf"|(?:^|[^a-z]|\\[nrt])(?:{_as_sieve(_SHORT_KINDS)}|(?:{_as_sieve(_SMALL_KINDS)}|{_as_sieve(_GREAT_KINDS)})[^a-z])"
    rf"|[a-z](?-i:{'|'.join([re.escape(kind[0].upper() + kind[1:]) for kind in (*_SMALL_KINDS, *_GREAT_KINDS) if kind[0].isalpha() and kind.isascii()])})\.?\s"
)
_PREPOSITIONS_SIEVE = (
    r"(?:(?:^|[^a-z])(?:am|an der|im|in der|auf dem|zum|zur|alter?|neuer?|großer|kleine|unter den)"
    r"|[a-z](?-i:Am|An der|Im|In der|Auf dem|Zum|Zur|Alter?|Neuer?|Großer|Kleine|Unter den))\s"
)
_ROAD_SIEVE = (
    rf"{_ROAD_WORDS_SIEVE}|{_PREPOSITIONS_SIEVE}(?-i:[A-Z\xc3])",
    rf"{_ROAD_WORDS_SIEVE}|{_PREPOSITIONS_SIEVE}[^\n]*[0-9]\s?[a-z]?,?\s(?:D-)?[0-9]{{5}}\s",
)

RULES: Final = (
    Rule("address", "ADDRESS", _english, sieve=_ENGLISH_SIEVE, numbered=True),
    Rule("road", "ADDRESS", _roads, sieve=_ROAD_SIEVE, numbered=True),
)
