"""What only the words beside it make personal: passports, plates, dates of birth, account numbers.

A label, a few words that join it to its value, then a value of the right shape; in the languages in which
we know the labels.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Labels, Place, Rule

# What may stand between a label and its value: no digit, no new sentence.
_JOIN = r"(?:[^\w\n]{0,4}(?:(?:numbers?|nummer|num|number|no|nr|n[ºo°]|id|ids|card|book|code|document|holder|details|is|was|are|reads|has|of|the|my|his|her|their|your|on|for|der|die|das|ist|lautet|es|est|è|del|de|du|di|la|le|el|as|it'?s|value|text|name|string|us|uk|eu|usa|british|american|german|french|indian|plate|license|licence|expires?|ending|starting|issued|new|old|current|valid|with|a|an|and)\b)){0,7}[^\w\n]{0,6}"
_EDGE_AFTER = r"(?![\w])"


def _rule(name: str, kind: str, labels: tuple[str, ...], value: str, *, exclude: str = r"(?!)") -> Rule:
    pattern = re.compile(rf"[\w'’]*{_JOIN}({value}){_EDGE_AFTER}", re.IGNORECASE)
    excluded = re.compile(exclude, re.IGNORECASE)

    words = Labels(labels)

    def find(page: Page, start: int, end: int) -> Iterable[Place]:
        for _, after in words.found(page, start, end):
            match = pattern.match(page.text, after)
            if match is not None and not excluded.match(match[1]):
                yield match.span(1)

    return Rule(name, kind, find, labels=labels)


_DATE_LIKE = r"(?:[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}|(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2})(?![0-9])|(?:19|20)[0-9]{2}(?![0-9A-Za-z-])"
# At least five digits, perhaps among letters and in groups.
_DOCUMENT = r"(?=(?:[^0-9\n]{0,4}[0-9]){5})[A-Z0-9]{1,20}(?:[ .\-/][A-Z0-9]{0,3}[0-9][A-Z0-9]{0,12}){0,5}"
_SHORT_DOCUMENT = (
    r"(?=(?:[^0-9\n]{0,4}[0-9]){4})[A-Z0-9]{1,20}(?:[ .\-/*][A-Z0-9]{0,3}[0-9][A-Z0-9]{0,12}){0,5}"
)
_PLATE = r"(?=[A-ZÄÖÜА-Я0-9 ·\-]{0,9}[0-9])(?=[A-ZÄÖÜА-Я0-9 ·\-]{0,11}[A-ZÄÖÜА-Я])(?-i:[A-ZÄÖÜА-Я0-9]{1,8}(?:[ ·\-][A-ZÄÖÜА-Я0-9]{1,7}){0,3})"

# --- dates of birth ---------------------------------------------------------------------------------------
_MONTH = (
    r"(?:jan(?:uary|uar|vier|eiro)?|feb(?:ruary|ruar)?|f[eé]v(?:rier|ereiro)?|mar(?:ch|s|zo|ço)?|m[aä]rz|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mai|mayo|maggio|maio|june?|juni|juin|junio"
    r"|giugno|junho|july?|juli|juillet|julio|luglio|julho|aug(?:ust)?|ao[uû]t|ago(?:sto)?|sept?(?:ember|embre|iembre|tembre|embro)?|set(?:tembre|embro)?|oct(?:ober|obre|ubre)?|okt(?:ober)?|ott(?:obre)?|out(?:ubro)?"
    r"|nov(?:ember|embre|iembre|embro)?|dec(?:ember)?|dez(?:ember|embro)?|d[eé]c(?:embre)?|dic(?:iembre|embre)?|enero|gennaio|febrero|febbraio)"
)
DATE: Final = (
    rf"(?:[0-9]{{1,2}}\s?[./\-]\s?[0-9]{{1,2}}\s?[./\-]\s?(?:[0-9]{{4}}|[0-9]{{2}})|[0-9]{{4}}\s?[./\-]\s?[0-9]{{1,2}}\s?[./\-]\s?[0-9]{{1,2}}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th|\.|er|º)?[ \-](?:of |de |d')?{_MONTH}\.?,?[ \-](?:de |of )?(?:[0-9]{{4}}|['’]?[0-9]{{2}})|{_MONTH}\.?[ \-][0-9]{{1,2}}(?:st|nd|rd|th)?,?[ \-][0-9]{{2,4}}"
    rf"|{_MONTH}\.?,? (?:19|20)[0-9]{{2}}|[0-9]{{4}}[ \-]{_MONTH}[ \-][0-9]{{1,2}}"
    r"|(?:19|20)[0-9]{2}\s?[年년]\s?[0-9]{1,2}\s?[月월]\s?[0-9]{1,2}\s?[日일]|(?:19|20)[0-9]{6}|(?:昭和|平成|令和)[0-9]{1,2}年[0-9]{1,2}月[0-9]{1,2}日)(?:T00:00:00(?:\.0+)?Z?)?"
)
_BORN = (
    *("born", "date of birth", "dateofbirth", "date_of_birth", "date-of-birth", "birth date", "birthdate", "birth_date", "birthday", "birth day", "dob", "d.o.b", "bday", "b-day"),
    *("geboren", "geburtsdatum", "geburtstag", "geb.", "date de naissance", "né le", "née le", "né(e) le", "fecha de nacimiento", "fecha nacimiento", "nacido", "nacida", "nací"),
    *("data di nascita", "nato", "nata", "data de nascimento", "nascido", "nascida", "geboortedatum", "födelsedatum", "född", "fødselsdato", "født", "syntymäaika", "data urodzenia", "urodzon"),
    *("дата рождения", "родил", "生年月日", "出生日期", "出生", "생년월일", "doğum tarihi", "datum narození", "születési", "ημερομηνία γέννησης", "تاريخ الميلاد", "जन्म"),
)  # fmt: skip
_BORN_WORDS = Labels(_BORN)
_BORN_AFTER = re.compile(rf"[^\n0-9]{{0,48}}?({DATE})(?![0-9A-Za-z])", re.IGNORECASE)
_BORN_LATER = re.compile(rf"[^\n0-9]{{0,16}}\n?[^\n0-9]{{0,24}}?({DATE})(?![0-9A-Za-z])", re.IGNORECASE)


def _birth_dates(page: Page, start: int, end: int) -> Iterable[Place]:
    for _, after in _BORN_WORDS.found(page, start, end):
        match = _BORN_AFTER.match(page.text, after) or _BORN_LATER.match(page.text, after)
        if match is not None:
            yield match.span(1)


_PASSPORT = (
    "passport",
    "pasaporte",
    "passeport",
    "reisepass",
    "passnummer",
    "passaporto",
    "passaporte",
    "paspoort",
    "паспорт",
    "护照",
    "パスポート",
    "여권",
    "travel document",
)
_LICENCE = (
    *("driver's license", "drivers license", "driver license", "driver’s license", "driving license", "driving licence", "driver's licence", "drivers licence", "driver_license", "driverlicense", "drivers_license", "driver licence", "license number", "licence number", "license no", "licence no", "license #", "license_number"),
    *("dl number", "dl no", "dl#", "dl:", "führerschein", "permis de conduire", "licencia de conducir", "permiso de conducir", "patente di guida", "carteira de motorista", "cnh", "rijbewijs", "körkort"),
)  # fmt: skip
_PLATES = (
    *("license plate", "licence plate", "number plate", "plate", "registration", "reg no", "reg. no", "reg:", "vrn", "vehicle reg", "tag number", "kennzeichen", "nummernschild", "matrícula", "matricula", "plaque", "immatriculation", "targa", "placa", "kenteken", "registreringsnummer", "rego", "plaka", "госномер", "车牌", "ナンバープレート"),
)  # fmt: skip
_VIN = ("vin", "chassis", "fahrgestellnummer", "vehicle identification")
_IDS = (
    *("national id", "national_id", "nationalid", "identity number", "identity card", "identity_number", "id number", "id no", "id card", "id_number", "identification number", "citizen id", "resident id", "personal number", "personal identification", "personal id", "personal code", "government id"),
    *("tax id", "tax_id", "taxid", "taxpayer", "tax file", "tax number", "tax no", "tin", "itin", "ein", "tfn", "utr", "national insurance", "nino", "ni number", "nhs", "medicare", "medicaid", "social insurance", "social security", "sin", "nas", "insurance number", "health card", "health insurance", "member id", "member number", "subscriber id", "policy holder", "mrn", "medical record", "patient id", "patient number", "npi", "dea", "voter"),
    *("aadhaar", "aadhar", "uidai", "pan card", "pan number", "pan no", "pan", "epic", "cpf", "cnpj", "rg", "curp", "rfc", "dni", "nif", "nie", "cuit", "cuil", "rut", "cedula", "cédula", "nit", "nir", "insee", "numéro de sécurité sociale", "sécurité sociale", "seguridad social", "codice fiscale", "codice_fiscale", "carta d'identità", "carte d'identité", "carte nationale"),
    *("personalausweis", "ausweisnummer", "ausweis", "steuer-id", "steuerid", "steuer id", "steuernummer", "steueridentifikationsnummer", "idnr", "sozialversicherungsnummer", "rentenversicherungsnummer", "versichertennummer", "krankenversicherungsnummer", "svnr", "ahv", "bsn", "burgerservicenummer", "rijksregisternummer", "numéro national", "registre national", "personnummer", "samordningsnummer", "fødselsnummer", "fodselsnummer", "cpr", "hetu", "henkilötunnus", "isikukood", "asmens kodas", "pesel", "nip", "dowód osobisty", "dowod", "rodné číslo", "rodne cislo", "cnp", "egn", "егн", "oib", "jmbg", "emšo", "amka", "αμκα", "αφμ", "afm", "adószám", "személyi"),
    *("tckn", "tc kimlik", "kimlik", "t.c.", "снилс", "инн", "snils", "inn", "teudat zehut", "תעודת זהות", "身份证", "身份證", "マイナンバー", "my number", "주민등록번호", "nric", "fin", "hkid", "mykad", "ktp", "nik", "cccd", "cmnd", "philsys", "sss", "tnin", "เลขประจำตัวประชาชน", "emirates id", "iqama", "civil id", "cnic", "nin", "bvn", "rsa id", "south african id", "id:"),
)  # fmt: skip
_SSN = ("ssn", "social security", "social_security", "socialsecurity", "ss#", "ssn#", "soc sec", "s.s.n")
_ACCOUNTS = (
    *("account number", "account no", "account_number", "accountnumber", "account #", "acct", "bank account", "a/c no", "a/c", "kontonummer", "konto", "numéro de compte", "número de cuenta", "cuenta", "numero di conto", "conta corrente", "rekeningnummer"),
    *("routing number", "routing no", "routing_number", "routing", "aba", "sort code", "sort_code", "bsb", "ifsc", "clabe", "cbu", "bankleitzahl", "blz", "transit number", "rib"),
)  # fmt: skip

RULES: Final = (
    Rule("date of birth", "DOB", _birth_dates, labels=_BORN),
    _rule("ssn in context", "SSN", _SSN, r"[0-9*xX]{3}[ .\-]?[0-9*xX]{2}[ .\-]?[0-9]{4}"),
    _rule("passport", "PASSPORT", _PASSPORT, _DOCUMENT, exclude=_DATE_LIKE),
    _rule("driving licence", "LICENSE", _LICENCE, _SHORT_DOCUMENT, exclude=_DATE_LIKE),
    _rule("vin", "PLATE", _VIN, r"(?=[A-Z0-9]{0,16}[0-9])[A-HJ-NPR-Z0-9]{17}"),
    _rule("plate", "PLATE", _PLATES, _PLATE, exclude=_DATE_LIKE),
    _rule("id in context", "ID", _IDS, _DOCUMENT, exclude=_DATE_LIKE),
    _rule("bank account", "ACCOUNT", _ACCOUNTS, _DOCUMENT, exclude=_DATE_LIKE),
)
