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
from spanscope.redaction.words import either, phrases

# What may stand between a label and its value: no digit, no new sentence.
_JOINS = either(
    """numbers?, nummer, num, no, nr, n[ºo°], ids?, card, book, code, document, holder, details, is, was, are, reads,
    has, of, the, my, his, her, their, your, on, for, der, die, das, ist, lautet, es, est, è, del, de, du, di, la, le,
    el, as, it'?s, value, text, name, string, us, uk, eu, usa, british, american, german, french, indian, plate, license,
    licence, expires?, ending, starting, issued, new, old, current, valid, with, a, an, and"""
)
_JOIN = rf"(?:[^\w\n]{{0,4}}+(?:{_JOINS})\b){{0,7}}+[^\w\n]{{0,6}}+"
_DATE_LIKE = (
    r"(?:[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}|(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2})(?![0-9])"
    r"|(?:19|20)[0-9]{2}(?![0-9A-Za-z-])"
)


def _has_another_before(text: str, at: int) -> bool:
    """Whether another word of the same name stands before `at`: `process ID`."""
    return at > 1 and text[at - 1] in " _-" and text[at - 2].isalpha()


def _rule(name: str, kind: str, labels: tuple[str, ...], value: str) -> Rule:
    pattern = re.compile(rf"[^\W\d_]*+{_JOIN}(?!{_DATE_LIKE})({value})(?![A-Za-z0-9_])", re.IGNORECASE)
    found = Labels(labels)

    def find(page: Page, start: int, end: int) -> Iterable[Place]:
        for at, after in found.places(page, start, end):
            if after - at == 3 and page.folded.startswith("id:", at) and _has_another_before(page.text, at):
                continue  # of an order, of a process
            match = pattern.match(page.text, after)
            if match is not None:
                yield match.span(1)

    return Rule(name, kind, find, labels=labels, numbered=True)


def _document(digits: int) -> str:
    """So many digits at least, perhaps among letters and in groups."""
    return (
        rf"(?=(?:[^0-9\n]{{0,4}}[0-9]){{{digits}}})"
        r"[A-Z0-9]{1,20}(?:(?:[ .\-/*]|\*\*)[A-Z0-9]{0,3}[0-9][A-Z0-9]{0,12}){0,5}"
    )


# The characters of machine-readable documents, with few digits among them.
_MIXED = r"(?-i:(?=[A-Z]{0,8}[0-9])(?=[0-9]{0,8}[A-Z])[A-Z0-9]{8,9})"
_PLATE = (
    r"(?=[\w ·\-]{0,9}[0-9])(?=[0-9 ·\-]{0,11}[^\W\d_])"
    r"(?-i:[A-ZÄÖÜ\u0410-\u042f0-9]{1,10}(?:[ ·\-][A-ZÄÖÜ\u0410-\u042f0-9]{1,7}){0,3})"
    r"|[\u4e00-\u9fff][A-Z][ ·\-]?[A-Z0-9]{5,6}|[0-9]{2,3} ?[\uac00-\ud7a3] ?[0-9]{4}"
    r"|[\u4e00-\u9fff]{2,4} ?[0-9]{2,3} ?[\u3041-\u3096] ?[・0-9\-]{1,6}"
)

# --- dates of birth ---------------------------------------------------------------------------------------
_MONTH = (
    r"(?:jan(?:uary|uar|vier|eiro)?|feb(?:ruary|ruar|brero|braio)?|f[eé]v(?:rier|ereiro)?|mar(?:ch|s|zo|ço)?|m[aä]rz"
    r"|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mai|mayo|maggio|maio|june?|juni|juin|junio|giugno|junho|july?|juli"
    r"|juillet|julio|luglio|julho|aug(?:ust)?|ao[uû]t|ago(?:sto)?|sept?(?:ember|embre|iembre|tembre|embro)?"
    r"|set(?:tembre|embro)?|oct(?:ober|obre|ubre)?|okt(?:ober)?|ott(?:obre)?|out(?:ubro)?|nov(?:ember|embre|iembre|embro)?"
    r"|dec(?:ember)?|dez(?:ember|embro)?|d[eé]c(?:embre)?|dic(?:iembre|embre)?|enero|gennaio)"
)
_MONTH_FIRST = (
    rf"(?:{_MONTH}\.?[ \-][0-9]{{1,2}}(?:st|nd|rd|th)?,?[ \-][0-9]{{2,4}}|{_MONTH}\.?,? (?:19|20)[0-9]{{2}})"
)
_DATE = (
    r"(?:[0-9]{1,2}\s?[./\-]\s?[0-9]{1,2}\s?[./\-]\s?(?:[0-9]{4}|[0-9]{2})"
    r"|[0-9]{4}\s?[./\-]\s?[0-9]{1,2}\s?[./\-]\s?[0-9]{1,2}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th|\.|er|º)?[ \-](?:of |de |d')?{_MONTH}\.?,?[ \-](?:de |of )?(?:[0-9]{{4}}|['’]?[0-9]{{2}})"
    rf"|{_MONTH_FIRST}|[0-9]{{4}}[ \-]{_MONTH}[ \-][0-9]{{1,2}}"
    r"|(?:19|20)[0-9]{2}\s?[年년]\s?[0-9]{1,2}\s?[月월]\s?[0-9]{1,2}\s?[日일]|(?:19|20)[0-9]{6}"
    r"|(?:昭和|平成|令和)[0-9]{1,2}年[0-9]{1,2}月[0-9]{1,2}日)(?:T00:00:00(?:\.0+)?Z?)?"
)
_BORN = phrases(
    """born, date of birth, dateofbirth, date_of_birth, date-of-birth, birth date, birthdate, birth_date, birthday,
    birth day, dob, d.o.b, bday, b-day, geboren, geburtsdatum, geburtstag, geb., date de naissance, né le, née le,
    né(e) le, fecha de nacimiento, fecha nacimiento, nacido, nacida, nací, data di nascita, nato, nata,
    data de nascimento, nascido, nascida, geboortedatum, födelsedatum, född, fødselsdato, født, syntymäaika,
    data urodzenia, urodzon, дата рождения, родил, 生年月日, 生まれ, 出生日期, 出生, 생년월일, doğum tarihi,
    datum narození, születési, ημερομηνία γέννησης, تاريخ الميلاد, जन्म"""
)
_BORN_WORDS = Labels(_BORN)
_DIGIT = re.compile(r"[0-9]")
_NO_MORE = r"(?![0-9A-Za-z])"
_AFTER_BORN: Final = (
    re.compile(rf"[^\n0-9]{{0,48}}+({_DATE}){_NO_MORE}", re.IGNORECASE),
    re.compile(rf"[^\n0-9]{{0,32}}?\b({_MONTH_FIRST}){_NO_MORE}", re.IGNORECASE),
    re.compile(rf"[^\n0-9]{{0,16}}+\n[^\n0-9]{{0,24}}?\b({_DATE}){_NO_MORE}", re.IGNORECASE),
)
_BEFORE_BORN = re.compile(rf"(?<![0-9])({_DATE})\s?\Z", re.IGNORECASE)
# What every date has, looked for first: reading one takes many times as long.
_THREE_DIGITS = re.compile(r"[0-9][^0-9]*+[0-9][^0-9]*+[0-9]")
_ENDS_A_DATE = re.compile(r"[0-9Zz日일](?:\s?\Z)")


def _birth_dates(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    for at, after in _BORN_WORDS.places(page, start, end):
        match = None
        if _DIGIT.search(text, after, after + 64) and _THREE_DIGITS.search(text, after, after + 112):
            for pattern in _AFTER_BORN:
                if (match := pattern.match(text, after)) is not None:
                    break
        if match is None and _ENDS_A_DATE.search(text, max(0, at - 2), at):  # `am 3.4.1985 geboren`
            match = _BEFORE_BORN.search(text, max(0, at - 32), at)
        if match is not None:
            yield match.span(1)


_PASSPORT = phrases(
    """passport, pasaporte, passeport, reisepass, passnummer, passaporto, passaporte, paspoort, паспорт, 护照,
    パスポート, 여권, travel document"""
)
_LICENCE = phrases(
    """driver's license, drivers license, driver license, driver’s license, driving license, driving licence,
    driver's licence, drivers licence, driver_license, driverlicense, drivers_license, driver licence, license number,
    licence number, license no, licence no, license #, license_number, dl number, dl no, dl#, dl:, führerschein,
    permis de conduire, licencia de conducir, permiso de conducir, patente di guida, carteira de motorista, cnh,
    rijbewijs, körkort"""
)
_PLATES = phrases(
    """license plate, licence plate, number plate, plate, registration, reg no, reg. no, reg:, vrn, vehicle reg,
    tag number, kennzeichen, nummernschild, matrícula, matricula, plaque, immatriculation, targa, placa, kenteken,
    registreringsnummer, rego, plaka, госномер, 车牌, ナンバープレート"""
)
_VIN = phrases("vin, chassis, fahrgestellnummer, vehicle identification")
_IDS = phrases(
    """national id, national_id, nationalid, identity number, identity card, identity_number, id number, id no, id card,
    id_number, identification number, citizen id, resident id, personal number, personal identification, personal id,
    personal code, government id, id:, tax id, tax_id, taxid, taxpayer, tax file, tax number, tax no, tin, itin, ein,
    tfn, utr, national insurance, nino, ni number, nhs, medicare, medicaid, social insurance, social security, sin, nas,
    insurance number, health card, health insurance, member id, member number, subscriber id, policy holder, mrn,
    medical record, patient id, patient number, npi, dea, voter, aadhaar, aadhar, uidai, pan card, pan number, pan no,
    pan, epic, cpf, cnpj, rg, curp, rfc, dni, nif, nie, cuit, cuil, rut, cedula, cédula, nit, nir, insee,
    numéro de sécurité sociale, sécurité sociale, seguridad social, codice fiscale, codice_fiscale, carta d'identità,
    carte d'identité, carte nationale, personalausweis, ausweisnummer, ausweis, steuer-id, steuerid, steuer id,
    steuernummer, steueridentifikationsnummer, idnr, sozialversicherungsnummer, rentenversicherungsnummer,
    versichertennummer, krankenversicherungsnummer, svnr, ahv, bsn, burgerservicenummer, rijksregisternummer,
    numéro national, registre national, personnummer, samordningsnummer, fødselsnummer, fodselsnummer, cpr, hetu,
    henkilötunnus, isikukood, asmens kodas, pesel, nip, dowód, dowod, rodné číslo, rodne cislo, cnp, egn, егн, oib,
    jmbg, emšo, amka, αμκα, αφμ, afm, adószám, személyi, tckn, tc kimlik, kimlik, t.c., снилс, инн, snils, inn,
    teudat zehut, תעודת זהות, 身份证, 身份證, マイナンバー, my number, 주민등록번호, nric, fin, hkid, mykad, ktp, nik,
    cccd, cmnd, philsys, sss, tnin, เลขประจำตัวประชาชน, emirates id, iqama, civil id, cnic, nin, bvn, rsa id,
    south african id, kennitala, kra pin, rif, ruc, npwp, idno, іпн, рнокпп, mst, cartão de cidadão, cartao de cidadao,
    personas kods, pps, ppsn, ird"""
)
_SSN = phrases("ssn, social security, social_security, socialsecurity, ss#, ssn#, soc sec, s.s.n")
_ACCOUNTS = phrases(
    """account number, account no, account_number, accountnumber, account #, acct, bank account, a/c no, a/c,
    kontonummer, konto, numéro de compte, número de cuenta, cuenta, numero di conto, conta corrente, rekeningnummer,
    routing number, routing no, routing_number, routing, aba, sort code, sort_code, bsb, ifsc, clabe, cbu,
    bankleitzahl, blz, transit number, rib"""
)

RULES: Final = (
    Rule("date of birth", "DOB", _birth_dates, labels=_BORN, numbered=True),
    _rule(
        "ssn in context",
        "SSN",
        _SSN,
        rf"[0-9*x]{{3}}[ .\-]?[0-9*x]{{2}}[ .\-]?[0-9]{{4}}(?![0-9])|{_document(9)}|[A-Z]{{2}} ?[0-9]{{6}} ?[A-Z]",
    ),
    _rule("passport", "PASSPORT", _PASSPORT, f"{_document(5)}|{_MIXED}"),
    _rule("driving licence", "LICENSE", _LICENCE, _document(4)),
    _rule("vin", "PLATE", _VIN, r"(?=[A-Z0-9]{0,16}[0-9])[A-HJ-NPR-Z0-9]{17}"),
    _rule("plate", "PLATE", _PLATES, _PLATE),
    _rule("id in context", "ID", _IDS, f"{_document(5)}|{_MIXED}"),
    _rule("bank account", "ACCOUNT", _ACCOUNTS, _document(5)),
)
