"""Where somebody is: postal addresses, coordinates, and the user's name in a path.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Labels, Place, Rule, from_words, matches_from

# --- postal addresses ---------------------------------------------------------------------------------------
_NAME = r"(?:[A-ZÀ-ÞŠŽČĆŁ][\wÀ-ÿ'’.\-]*|of|the|de|del|de la|la|du|des|d'|[0-9]{1,3}(?:st|nd|rd|th))"
_SUFFIX = (
    r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct|Circle|Cir|Place|Pl|Square|Sq|Terrace|Ter|Trail|Trl|Parkway|Pkwy|Highway|Hwy|Way|Walk|Crescent|Cres|Close"
    r"|Gardens|Grove|Mews|Row|Alley|Plaza|Loop|Ridge|Hill|Hills|Heights|Park|Pike|Point|Pass|Path|Run|Rise|View|Mount|Mountain|Meadow|Meadows|Manor|Landing|Island|Inlet|Isle|Junction|Key|Knoll|Lake|Light|Mall|Mill|Mission"
    r"|Motorway|Neck|Orchard|Oval|Overpass|Parade|Esplanade|Quay|Passage|Pine|Pines|Plain|Port|Prairie|Radial|Ramp|Ranch|Rapid|Rest|River|Route|Rue|Shoal|Shore|Skyway|Spring|Springs|Spur|Station|Stravenue|Stream|Summit|Throughway|Trace|Track|Trafficway|Tunnel|Turnpike|Underpass|Union|Valley|Viaduct|Village|Ville|Vista|Well|Wells|Ways|Cove|Creek|Crossing|Bend|Bluff|Branch|Bridge|Brook|Burg|Bypass|Camp|Canyon|Cape|Causeway|Center|Cliff|Club|Common|Corner|Course|Curve|Dale|Dam|Divide|Estate|Estates|Expressway|Extension|Fall|Falls|Ferry|Field|Fields|Flat|Flats|Ford|Forest|Forge|Fork|Fort|Freeway|Garden|Gateway|Glen|Green|Harbor|Haven|Hollow"
    r"|St\.|Ave\.|Rd\.|Blvd\.|Dr\.|Ln\.|Ct\.|Pl\.|Sq\.)"
)
_UNIT = r"(?:,?\s{1,3}(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Bldg|Building|Box|#|No|PO Box|P\.O\. Box|PSC)\.?\s?#?\s?[\w\-]{1,6})?"
_CITY = (
    r"(?:,?\s{1,4}(?:[A-ZÀ-Þ][\wÀ-ÿ'’.\-]*[ \-]?){1,3}){0,1}(?:,?\s{1,4}[A-Z]{2})?"
    r"(?:,?\s{1,4}(?:[0-9]{5}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][A-Z0-9]?\s?[0-9][A-Z]{2}|[A-Z][0-9][A-Z]\s?[0-9][A-Z][0-9]|[0-9]{4,6}))?"
)
_ENGLISH = re.compile(
    rf"[0-9](?<![\w.$€£#].)[0-9]{{0,5}}(?:-[0-9]{{1,5}})?[A-Za-z]?,?\s(?:[NSEW]\.?\s|North\s|South\s|East\s|West\s)?(?:{_NAME}[ ]){{1,4}}{_SUFFIX}(?![\wÀ-ÿ])(?:\s(?:NW|NE|SW|SE|[NSEW])\b\.?)?{_UNIT}{_CITY}"
)
_GERMAN = re.compile(
    r"[A-ZÄÖÜ](?<![\w].)[\wäöüß\-]{0,30}?(?:straße|strasse|str\.|weg|platz|gasse|allee|ufer|damm|ring|chaussee|steig|straat|laan|plein|gracht|kade|gatan|vägen|gata|vej|gade|katu|tie|veien)"
    r"[ ][0-9]{1,4}\s?[a-zA-Z]?(?![\w])(?:,?\s{1,3}(?:[A-Z]{1,2}-)?[0-9]{4,5}(?:\s?[A-Z]{2})?\s[A-ZÄÖÜ][\wäöüß.\-]+(?:[ \-](?:am|an der|bei|ob|im)?[ ]?[A-ZÄÖÜ][\wäöüß]+)?)?"
)
_GERMAN_SPACED = re.compile(
    r"(?:Am|An der|Im|In der|Auf dem|Zum|Zur|Alte|Neue|Alter|Neuer|Großer|Kleine|Unter den)\s[A-ZÄÖÜ][\wäöüß\-]+(?:\s(?:Straße|Str\.|Weg|Platz|Allee))?\s[0-9]{1,4}\s?[a-z]?(?![\w.]),?\s(?:D-)?[0-9]{5}\s[A-ZÄÖÜ][\wäöüß]+"
)
_ROMANCE = re.compile(
    r"(?:[0-9]{1,4}(?:\s?(?:bis|ter|quater))?,?\s)?(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|[Cc]hemin|[Pp]lace|[Aa]llée|[Ii]mpasse|[Qq]uai|[Rr]oute|[Cc]ours|Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Pza\.|Paseo|Carrera|Cra\.?|Camino|Ronda|Travesía|Via|Viale|Piazza|Corso|Vicolo|Largo|Strada|Rua|Travessa|Praça|Alameda|Estrada|ul\.|ulica|al\.|ул\.|улица|просп\.)"
    r"\s(?:(?:de|du|des|de la|del|della|dei|di|da|do|dos|la|le|les|los|las|l'|d'|San|Santa|St|G\.|[A-Z]\.)\s?)*(?:[A-ZÀ-ÞŁŚŻА-Я][\wÀ-ÿ'’.\-]*\s?){1,4}(?:,?\s?(?:n[º°.]?\s?|nº\s?|#\s?|No\.?\s?)?[0-9]{1,4}(?![0-9])(?:\s?[-–#]\s?[0-9]{1,4}){0,2}[a-zA-Z]?(?![\w]))?"
    r"(?:,?\s(?:[0-9]{1,2}[º°ªe]\s?[A-Za-z]?,?\s)?[0-9]{4,5}(?:-[0-9]{3})?\s[A-ZÀ-Þ][\wÀ-ÿ'’\-]+(?:[ \-][A-ZÀ-Þ][\wÀ-ÿ'’]+)?)?"
)
_ENGLISH_SIEVE = rf"[0-9]-?[0-9]*[A-Za-z]?,?\s(?:[^\s]+\s)+{_SUFFIX}"
_PO_BOX = re.compile(
    r"(?:P\.?\s?O\.?\s?Box|Post Office Box|Postfach|PSC|Apartado|Boîte postale|B\.P\.|Casella postale|Unit)\s[0-9]{2,6}(?:,?\s(?:Box|BOX)\s[0-9]{1,5})?(?:,?\s{1,3}(?:[A-Z][\w.\-]*\s?){1,3},?\s[A-Z]{2}\s[0-9]{5}(?:-[0-9]{4})?|,?\s{1,2}(?:APO|FPO|DPO)\s(?:AA|AE|AP)\s[0-9]{5}(?:-[0-9]{4})?)?",
    re.IGNORECASE,
)
_MILITARY = re.compile(
    r"(?:USNS|USS|USCGC|USNV|PSC|Unit|CMR)\s[\w]+(?:,?\s?Box\s[0-9]+)?,?\s{1,2}(?:APO|FPO|DPO)\s(?:AA|AE|AP)\s[0-9]{5}(?:-[0-9]{4})?"
)
_CITY_STATE_ZIP = re.compile(
    r"[A-Z](?<![\w].)[a-zA-Z.'\-]+(?:\s[A-Z][a-zA-Z.'\-]+){0,2},\s(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|PR|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])\s{1,2}[0-9]{5}(?:-[0-9]{4})?(?![\w])"
)
_UK_POSTCODE = re.compile(r"[A-Z](?<![\w-].)[A-Z]?[0-9][A-Z0-9]?\s[0-9][ABD-HJLNP-UW-Z]{2}(?![\w-])")
_JAPANESE = re.compile(
    r"〒\s?[0-9]{3}-?[0-9]{4}(?:\s?[^\s,。、]{2,10}[都道府県][^\n。、]{2,40})?|[^\s、。「」]{1,4}[都道府県][^\s、。「」]{1,8}[市区郡][^\s、。「」]{1,14}[0-9]{1,3}(?:[-−丁目番地号ー][0-9丁目番地号]*){1,3}"
)
_CHINESE = re.compile(
    r"(?:[\u4e00-\u9fff]{2,8}(?:省|市|自治区))?[\u4e00-\u9fff]{2,8}(?:市|区|县)[\u4e00-\u9fff]{1,12}(?:路|街|道|巷|弄)[0-9]{1,5}号(?:[0-9\u4e00-\u9fff\-]{0,14}(?:室|楼|单元|栋))?"
)
# A label says so: the rest of the line, when there is a number in it.
_LABELS = (
    *("address", "addr:", "ship to", "shipping to", "deliver to", "delivered to", "send it to", "sent to", "lives at", "live at", "living at", "reside", "residing at", "located at", "moved to", "home at", "lived in", "live in", "meet me at", "taxi to", "linked to"),
    *("adresse", "anschrift", "wohnhaft", "wohnt in", "dirección", "direccion", "domicilio", "vive en", "indirizzo", "residente in", "abita in", "endereço", "morada", "habite au", "demeurant", "domicilié", "adres", "адрес", "住所", "地址", "주소", "osoite", "cím:"),
)  # fmt: skip
_AFTER_LABEL = re.compile(
    r"(?:\s?(?:is|was|to|as|:|=|-|es|ist|est|è|lautet|follows|now|changed|new|the same|in|at|of|[A-Z][\w]+ is|same))*[\"'\s:=>]{1,8}(?:(?:is|to|at|in|the)\s)?"
    r"((?:[A-Z][\w.'’\-]+,?\s){0,4}?(?:[0-9]{1,6}[A-Za-z]?(?:[-/][0-9]{1,5})?,?\s(?:[NSEW]\.\s)?[A-ZÀ-Þ][^\n\"<>{}|;?!]{2,70}|[A-ZÀ-Þ][\wÀ-ÿ'’.\- ]{2,40},?\s[0-9]{1,5}[A-Za-z]?(?![\w.:/])[^\n\"<>{}|;?!]{0,60})"
    r"(?:\s{1,6}(?:[A-Z0-9][^\n\"<>{}|;?!]{1,40})){0,4}?(?:\s{1,6},?\s?[A-Z]{2,}[^\n\"<>{}|;?!]{0,24}|\s{1,6}[\w ]{0,24}[0-9]{4,6}(?:-[0-9]{3,4})?)?)(?=[\s\"'<>{}|;?!.]|\Z)"
)
_STOP = re.compile(
    r"(?<=[a-z0-9)])[.!?]\s+[A-Z]|\s(?:and|because|so|for|which|if|but|please|could|can|i am|i'm|by|on|before|after|tomorrow|today|instead|with|until|when|where|my|his|her|phone|tel|email|mail|call)\b|[,;]\s?[\"'}]|\s-\s|\s\(|\"|\\n\\n|[a-z]+=|\s\w+:\s",
    re.IGNORECASE,
)


# What follows a street: a second number, a flat, and a town with its code.
_NUMBER_TAIL = re.compile(
    r"(?:\s?[/-]\s?[0-9]{1,4}[a-z]?(?![0-9A-Za-z]))?"
    r"(?:,?\s{1,6}(?:Apt|Apartment|Appartamento|Suite|Ste|Unit|Flat|Floor|Fl|Room|Bldg|Piso|Puerta|Esc)\.?\s?#?[0-9A-Za-z]{1,6}(?!\w))?"
)
_TOWN = r"[A-ZÀ-Þ][\wÀ-ÿ'’.\-]{0,30}(?: [A-ZÀ-Þa-z][\wÀ-ÿ'’.\-]{0,30}){0,3}"
_TOWN_TAIL = re.compile(
    rf"\.?(?:(?:,|\s,|\s{{0,2}}\n)\s{{0,4}}{_TOWN}){{0,3}}?(?:,|\s)\s{{0,6}}(?:[A-Z]{{1,3}}[-, ]{{1,3}})?"
    rf"(?:[0-9]{{4,5}}(?:-[0-9]{{3,4}}|\s?[A-Z]{{2}})?|[0-9]{{8}}|[0-9]{{3}} [0-9]{{2}}|[0-9]{{2}}-[0-9]{{3}}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9])(?!\w)(?:,?\s{{1,2}}(?=[A-ZÀ-Þ]){_TOWN.replace('Þa-z', 'Þ')})?"
    r"(?: ?[/(] ?[A-Z]{2}\)?)?"
)


_OUTER_NUMBER = re.compile(r"(?<![\w.,:/$€£-])[0-9]{1,6},? \Z")


def _with_town(page: Page, first: int, last: int) -> Place:
    """The same address with what stands behind it, if that ends in a postal code."""
    text = page.text
    while last > first and text[last - 1].isspace():
        last -= 1
    before = _OUTER_NUMBER.search(text, max(0, first - 8), first)
    first = first if before is None else before.start()
    number = _NUMBER_TAIL.match(text, last, min(len(text), last + 40))
    last = last if number is None else number.end()
    town = _TOWN_TAIL.match(text, last, min(len(text), last + 160))
    return first, last if town is None else town.end()


_YEARS = re.compile(r"(?:19|20)[0-9]{2}-(?:19|20)[0-9]{2}(?![0-9])")


def _addresses(page: Page, start: int, end: int) -> Iterable[Place]:
    for match in _ENGLISH.finditer(page.text, start, end):
        if _YEARS.match(page.text, match.start()):
            continue  # `1991-2013, Thomas G. Lane`
        yield _with_town(page, *match.span())


_ROAD_ENDS: Final = (
    *(
        "straße",
        "strasse",
        "str.",
        "weg",
        "platz",
        "gasse",
        "allee",
        "ufer",
        "damm",
        "ring",
        "chaussee",
        "steig",
    ),
    *(
        "straat",
        "laan",
        "plein",
        "gracht",
        "kade",
        "gatan",
        "vägen",
        "gata",
        "vej",
        "gade",
        "katu",
        "tie",
        "veien",
    ),
)
_SPACE_NUMBER = re.compile(r" [0-9]")
_ROAD_WORDS = Labels(
    (
        *(
            "rue",
            "avenue",
            "boulevard",
            "bd",
            "chemin",
            "place",
            "allée",
            "impasse",
            "quai",
            "route",
            "cours",
            "calle",
            "c/",
        ),
        *(
            "avenida",
            "avda",
            "av.",
            "plaza",
            "pza.",
            "paseo",
            "carrera",
            "cra",
            "camino",
            "ronda",
            "travesía",
            "via",
            "viale",
        ),
        *(
            "piazza",
            "corso",
            "vicolo",
            "largo",
            "strada",
            "rua",
            "travessa",
            "praça",
            "alameda",
            "estrada",
            "ul.",
            "ulica",
            "al.",
        ),
        *("ул.", "улица", "просп."),
    )
)
_PREPOSITIONS = Labels(
    (
        "am",
        "an der",
        "im",
        "in der",
        "auf dem",
        "zum",
        "zur",
        "alte",
        "neue",
        "alter",
        "neuer",
        "großer",
        "kleine",
        "unter den",
    )
)


def _roads(page: Page, start: int, end: int) -> Iterable[Place]:
    text, folded = page.text, page.folded
    for match in _SPACE_NUMBER.finditer(text, start, end):
        at = match.start()
        if folded.endswith(_ROAD_ENDS, max(0, at - 9), at):
            for road in _GERMAN.finditer(text, max(start, at - 40), min(end, at + 80)):
                place = _with_town(page, *road.span())
                if not (_DOUBTFUL.search(road[0]) and place[1] == road.end()):
                    yield place
    for at, _ in _PREPOSITIONS.places(page, start, end):
        if (spaced := _GERMAN_SPACED.match(text, at)) is not None:
            yield spaced.span()
    for at, _ in _ROAD_WORDS.places(page, start, end):
        number = _NUMBER_BEFORE.search(text, max(0, at - 14), at)
        found = _ROMANCE.match(text, at if number is None else number.start())
        if found is not None and any(map(str.isdigit, found[0])):
            yield _with_town(page, *found.span())


# `During 1971` and `Brigade 7` are no streets, unless a town stands behind them.
_DOUBTFUL = re.compile(r"(?:ring|tie|gade) [0-9]{1,4}\s?\Z|(?:19|20)[0-9]{2}\s?\Z")
_NUMBER_BEFORE = re.compile(r"(?<![\w.])[0-9]{1,4}(?:\s?(?:bis|ter|quater))?,?\s\Z")


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
                yield _with_town(page, match.start(1), match.start(1) + len(value))


_UNIT_WORDS = Labels(("apt", "suite", "ste", "unit", "flat"))
_WITH_UNIT = re.compile(
    r"[0-9](?<![\w.].)[0-9]{0,5}\s[A-ZÀ-Þ][\wÀ-ÿ'’.\-]*\s(?:(?:[A-ZÀ-Þ][\wÀ-ÿ'’.\-]*|[a-zà-ÿ]{1,4}\.?)\s){0,3}(?:[0-9]{1,4}[A-Za-z]?[.,]{0,2}\s{1,3})?"
    r"(?:Apt|Suite|Ste|Unit|Flat)\.?\s#?[0-9A-Za-z]{1,5}(?![\w])"
    r"(?:(?:,?\s{1,4},?\s?[A-ZÀ-Þ][\wÀ-ÿ '’.\-]{1,30}){1,3}?,?\s{1,6}[0-9]{4,6}(?![0-9]))?"
)


def _unit_addresses(page: Page, start: int, end: int) -> Iterable[Place]:
    """`6750 Koskikatu 25 Apt. 864`: a street that no list knows, with a flat."""
    text = page.text
    for at, _ in _UNIT_WORDS.places(page, start, end):
        match = _WITH_UNIT.search(text, max(0, at - 60), min(len(text), at + 140))
        if match is not None:
            yield _with_town(page, *match.span())


_END_OF_CODE = re.compile(r"[0-9](?<=\s.)(?:[0-9]{4}|[A-Z]{2})")


def _codes(page: Page, start: int, end: int) -> Iterable[Place]:
    if _END_OF_CODE.search(page.text, start, end) is None:
        return
    for pattern in (_CITY_STATE_ZIP, _UK_POSTCODE):
        for match in pattern.finditer(page.text, start, end):
            yield match.span()


_IDEOGRAPH = re.compile("[\u3012\u4e00-\u9fff]")
_ROAD_NUMBER = re.compile(r"[路街道巷弄][0-9]|[0-9](?:-[0-9]|[丁番号])|〒")


def _eastern(page: Page, start: int, end: int) -> Iterable[Place]:
    if page.text.isascii() or _IDEOGRAPH.search(page.text, start, end) is None:
        return
    done = start
    for number in _ROAD_NUMBER.finditer(page.text, start, end):
        for pattern in (_JAPANESE, _CHINESE):
            match = pattern.search(page.text, max(done, number.start() - 32), min(end, number.end() + 32))
            if match is not None:
                yield match.span()
                done = match.end()


def _boxes(page: Page, start: int, end: int) -> Iterable[Place]:
    for pattern in (_PO_BOX, _MILITARY):
        for match in pattern.finditer(page.text, start, end):
            if match[0][:4].lower() != "unit" or "box" in match[0].lower() or "po " in match[0].lower():
                yield match.span()


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

_ROAD_SIEVE = (
    "(?i)(?:" + "|".join(map(re.escape, _ROAD_ENDS)) + r") [0-9]"
    r"|(?:^|[^a-z])(?:am|an der|im|in der|auf dem|zum|zur|alter?|neuer?|großer|kleine|unter den)\s[^\n]*[0-9]\s?[a-z]?,?\s(?:D-)?[0-9]{5}\s"
    r"|(?:^|[^a-z])(?:rue|avenue|boulevard|bd|chemin|place|allée|impasse|quai|route|cours|calle|c/|avenida|avda\.?|av\.|plaza|pza\.|paseo"
    r"|carrera|cra\.?|camino|ronda|travesía|via|viale|piazza|corso|vicolo|largo|strada|rua|travessa|praça|alameda|estrada|ul\.|ulica|al\.|ул\.|улица|просп\.)\s"
    r"|[a-z](?:Rue|Avenue|Boulevard|Chemin|Place|Impasse|Quai|Route|Cours|Calle|Avenida|Plaza|Paseo|Carrera|Camino|Via|Piazza|Corso|Strada|Rua)\s"
)

RULES: Final = (
    Rule("labelled address", "ADDRESS", _labelled_addresses, labels=_LABELS, numbered=True),
    Rule(
        "address with unit",
        "ADDRESS",
        _unit_addresses,
        labels=("apt", "suite", "ste", "unit", "flat"),
        numbered=True,
    ),
    Rule("address", "ADDRESS", _addresses, sieve=_ENGLISH_SIEVE, numbered=True),
    Rule(
        "road",
        "ADDRESS",
        _roads,
        sieve=_ROAD_SIEVE,
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
        sieve=r"〒|(?:路|街|道|巷|弄)[0-9]|[0-9](?:丁|番|号)|(?:都|道|府|県|市|区|郡)[^\n]*[0-9]-[0-9]",
        numbered=True,
    ),
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
