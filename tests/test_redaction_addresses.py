"""Postal addresses in the forms of the national post offices, and what looks like one and is none."""

import pytest

from spanscope.redaction import Redactor

redact = Redactor().redact

WHOLE = [
    # number, name, kind of street; then town, state and code
    "1600 Harbour View Road, Fremantle, WA, 6160",
    "24 Sussex Drive, Ottawa, ON K1M 1M4",
    "Flat 3\n12 Orchard Close\nLeeds LS1 4DY",
    "350 Fifth Avenue, Suite 300\nNew York, NY 10118",
    # the word at the end of the name, or behind it
    "Bahnhofstrasse 12, 8001 Zürich",
    "Karl-Marx-Allee 33\n10178 Berlin",
    "Mannerheimintie 5 B\n00100 Helsinki",
    "Storgata 12, 0155 Oslo",
    "Kossuth utca 4., H-1055 Budapest",
    "Narva maantee 7, 10117 Tallinn",
    # the word before the name
    "12 rue de la Paix, 75002 Paris",
    "calle de Alcalá 48\n28014 Madrid",
    "Av. Paulista, 1578 - 01310-200 São Paulo - SP",
    "ul. Marszałkowska 10, 00-590 Warszawa",
    "náměstí Míru 9, 120 00 Praha",
    "ул. Тверская 7, 125009 Москва",
    "Λεωφόρος Αμαλίας 2, 105 57 Αθήνα",
    "ул. Правды, д. 24 стр. 1, 125040 Москва",
    "Avenida Rivadavia N° 226\nViedma 8500, Río Negro",
    "29 Merrion Row, Dublin 2, D02 X285",
    "上海市浦东新区世纪大道100号",
    "서울특별시 강남구 테헤란로 152",
    # no word of streets at all: the postal code or the flat gives it away
    "Glorieta del Sol 51\nSevilla, 41003",
    "4923 Parmova 109\nApt. 12\nMaribor\nSlovenia 2000",
    "Ladeira da Memória, 6\nCentro\n01047-000 São Paulo / SP",
    "Calle 12B # 34-56, Bogotá",
    # two streets
    "the corner of Elm Street and 5 Oak Avenue",
]

KEPT = [
    "408 Request Timeout, 409 Conflict, and 500 are retried",
    "Copyright 2007, 2008 The Example Project",
    "2010 Example Corporation",
    "Contracts: 4 kept, 0 broken.",
    "existing cache is valid: 0 fonts, 1 dirs",
    "address sizes: 48 bits physical, 48 bits virtual",
    "It moved from May 5, 2015 Monday to later",
    "Table 3, 1200 Rows",
    "unit 5 of 12 is done, and suite 3 of the tests passes",
    "add 3 more tests to unit 5",
    "upgrade to Python 3, then on to Windows 11",
    "See Figure 4, 1024 Bytes each",
    "During 1971, Acme invested",
    "Delegate 3 tasks at Level 7",
    "zip 404 files",
    "zip: 3.11",
    "gzip: 1024 bytes",
    "via HTTP 2 and via Port 80",
    "the corner of the table and the wall",
    "issue #12-3 and run No. 7",
    "Lesson 3 Unit 5 covers verbs",
    "Boeing 747, 12345 Miles flown",
    "Windows 11, 22621 Build",
    "arrive at 3 Terminal 5",
    "Item 1\n2000 Apples\nItem 2\n3000 Pears",
    "zip is 300 pages",
    "cep 300",
]


@pytest.mark.parametrize("address", WHOLE)
@pytest.mark.parametrize("form", ["Send it to Ann at {}", "{}", "> {}"])
def test_an_address_is_taken_out_to_its_last_line(address, form):
    """Of what stands before the town nothing is left, nor of the postal code."""
    out = redact(form.replace("{}", address))
    assert "[ADDRESS]" in out
    assert not any(char.isdigit() for char in out)
    assert len(out) <= len(form) + len("[ADDRESS]") + len("the corner of ")


@pytest.mark.parametrize("text", KEPT)
def test_numbers_beside_names_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("My zip code is 7412 SL", "My zip code is [ADDRESS]"),
        ('{"postcode": "90010-170"}', '{"postcode": "[ADDRESS]"}'),
        ("PLZ: 10115", "PLZ: [ADDRESS]"),
        ("I live on 14 Example Hollow Way", "I live on [ADDRESS]"),
        ("> 12 Main Street\n> Apt. 4\n> Springfield\n> Norway 12345", "> [ADDRESS]"),
        ("at 12 Main Street\\nApt. 4\\nSpringfield, IL 62704\\nHello", "at [ADDRESS]\\nHello"),
        ("meet me at 9816 Rengaskuja 21 tomorrow", "meet me at [ADDRESS] tomorrow"),
        ("Unit 5 Box 120\nAPO AE 09012", "[ADDRESS]"),
    ],
)
def test_an_address_is_told_by_what_stands_beside_it(text, redacted):
    assert redact(text) == redacted
