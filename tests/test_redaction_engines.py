"""However a text is searched, the same is found: with RE2 or without, in one piece or in many, in linear time."""

import random
import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanscope.redaction import Redactor, addresses, guesses, identities, labelled, network
from spanscope.redaction import scanner as scanner_module
from spanscope.redaction.catalogue import RULES
from spanscope.redaction.page import Page
from spanscope.redaction.scanner import PIECE, Scanner
from spanscope.redaction.sieves import from_pattern, re2_sieve, word_sieve

pytest.importorskip("re2")
sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import itertools

from redaction_corpus import HARMLESS, build, documents
from redaction_values import VALUES

WITH_RE2 = Scanner(RULES)
WITHOUT = Scanner(RULES, re2=False)
EVERY_RULE = Scanner(RULES, re2=False)
EVERY_RULE._sieve = lambda page, start, end: range(len(RULES))
CORPUS = [one.text for one in build(seed=11, rounds=1)]
PROSE = "The committee met again and put off the vote until the spring, as it had done before. "


def found(scanner, text):
    return [(one.start, one.end, one.type) for one in scanner.find(text)]


@pytest.mark.parametrize("size", [1, 12])
def test_no_sieve_leaves_out_a_rule_that_finds_something(size):
    """The parity of all engines, over the labelled corpus, text by text and in long ones."""
    for at in range(0, len(CORPUS), size):
        text = "\n".join(CORPUS[at : at + size])
        expected = found(EVERY_RULE, text)
        assert found(WITH_RE2, text) == expected
        assert found(WITHOUT, text) == expected


@pytest.mark.parametrize("scanner", [WITH_RE2, WITHOUT], ids=["re2", "re"])
def test_in_pieces_the_same_is_found_as_in_one(scanner, monkeypatch):
    """Long texts with something here and there, behind prose long enough for pieces to be skipped together."""
    texts = [PROSE * 60 + text for text in documents(seed=3, count=6)]
    in_pieces = [found(scanner, text) for text in texts]
    assert all(in_pieces)
    for chars in (256, 1_000_000):
        monkeypatch.setattr(scanner_module, "PIECE", chars)
        assert [found(scanner, text) for text in texts] == in_pieces


pieces_of_values = st.sampled_from(
    [
        "@",
        "a@b.co",
        "+1 555 867 5309",
        "4242 4242 4242 4242",
        "key",
        "=",
        '"',
        "password",
        " ",
        "\n",
        ":",
        "sk-",
        "AKIAIOSFODNN7EXAMPLE",
        "born",
        "3 May 1985",
        "12 Main St",
        "DE89 3704 0044 0532 0130 00",
        "10.2.3.4",
        "é",
        "１",
        "passport",
        "C01X00T47",
        "Users/",
        "/home/ada",
        "eyJhbGciOi.eyJzdWIi.x",
        "52.52, 13.40",
        "id: ",
        "Bearer abc123",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces_of_values | st.text(max_size=6), max_size=12).map("".join))
def test_whatever_the_text_all_engines_find_the_same(text):
    expected = found(EVERY_RULE, text)
    assert found(WITH_RE2, text) == expected
    assert found(WITHOUT, text) == expected


WORDS = sorted({word for rule in RULES for word in (*rule.triggers, *rule.labels)})
GLUE = [
    " ",
    "\n",
    "\\n",
    "=",
    ": ",
    '"',
    "'",
    ",",
    ".",
    "-",
    "/",
    "_",
    "(",
    "@",
    "é",
    "，",
    "ß",
    "\u00a0",
    "X",
    "7",
]
parts = st.one_of(
    st.sampled_from(CORPUS),
    st.sampled_from(HARMLESS),
    st.sampled_from(WORDS),
    st.sampled_from(GLUE),
    st.builds(
        lambda kind, seed: VALUES[kind](random.Random(seed)),
        st.sampled_from(sorted(VALUES)),
        st.integers(0, 99),
    ),
)


@st.composite
def damaged(draw):
    """Texts, values and words in any order, of which pieces are cut out, doubled, or written in another case."""
    text = "".join(draw(st.lists(parts, min_size=1, max_size=5)))
    for _ in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, len(text)))
        last = min(len(text), first + draw(st.integers(0, 12)))
        change = draw(
            st.sampled_from(
                [str.upper, str.lower, str.swapcase, str.title, lambda cut: "", lambda cut: cut + cut]
            )
        )
        text = text[:first] + change(text[first:last]) + draw(st.sampled_from(["", *GLUE])) + text[last:]
    return text


@settings(max_examples=400, deadline=None)
@given(damaged())
def test_what_every_rule_finds_in_a_damaged_text_no_sieve_leaves_out(text):
    expected = found(EVERY_RULE, text)
    assert found(WITH_RE2, text) == expected
    assert found(WITHOUT, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Data Source=h;User ID=sa;Pwd\u00a0=47YhhIreNcty;",  # a space beyond ASCII
        "\tsendbirdToken,İ76FRDtOK-en,76f",  # a letter beyond ASCII, in a value
        "glsoat-JF5J9PhİPqinbpPtuFG98S",
        "EMšO: 508995500237, he wrote",  # in a label, of which the other letters are capitals
        "ether d2:b4:64:36:13:f1 txqViale Muti, 49, 10145 Torino",  # a street behind another word
        "Call the function with 3 arguments; it retURNS@ 2 values.acct ES59 0049 5030 1129 1601 1246.7",
    ],
)
def test_what_a_search_for_gaps_found_is_found_by_all_engines(text):
    expected = found(EVERY_RULE, text)
    assert expected
    assert found(WITH_RE2, text) == expected
    assert found(WITHOUT, text) == expected


SIGNS = {
    "a date has three digits": (labelled._DATE, labelled._THREE_DIGITS),
    "a date ends in a digit, a Z or a day": (labelled._DATE, labelled._ENDS_A_DATE),
    "a postcode ends in a digit and letters": (addresses._UK_POSTCODE.pattern, addresses._INWARD),
    "a town with its code ends in digits": (addresses._CITY_STATE_ZIP.pattern, addresses._FIVE_DIGITS),
    "a Chinese address has ideographs": (addresses._CHINESE.pattern, addresses._IDEOGRAPH),
    "a MAC address has a pair between signs": (network._MAC.pattern, network._PAIRS),
    "what is said before a secret has a word for it": (guesses._SAID_BEFORE.pattern, guesses._SAID),
    **{
        f"{shape.module} has its digits": (shape.written, identities._DIGITS_OF_ONE)
        for shape in identities._OF_LETTERS
        if shape is not identities._LONG_ID
    },
}


@pytest.mark.parametrize("sign", SIGNS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(data=st.data())
def test_what_a_rule_looks_for_first_is_in_all_that_it_matches(sign, data):
    pattern, looked_for = SIGNS[sign]
    text = data.draw(st.from_regex(re.compile(pattern), fullmatch=True, alphabet=CHARACTERS))
    assert looked_for.search(text)


CHARACTERS = st.sampled_from(sorted({*map(chr, range(32, 127)), *"年月日路号市区中日Ñ"}))


@given(st.text(alphabet="abcdefxyzABCXYZ019-_:=.", min_size=1, max_size=40))
def test_a_word_made_by_a_machine_is_never_taken_for_one_of_prose(word):
    if guesses.looks_random(word) or guesses.looks_made(word):
        assert guesses._MADE.search(word)


def test_the_sieves_let_prose_through():
    """A sieve that names every rule would be right, and useless."""
    for sieve in (re2_sieve(RULES), word_sieve(RULES)):
        assert len(sieve(Page(PROSE), 0, len(PROSE))) < len(RULES) / 2
    assert not re2_sieve(RULES)(Page(PROSE), 0, len(PROSE))


def test_a_pattern_for_the_sieve_matches_wherever_the_rule_does():
    assert from_pattern(r"a(?=x(y|[)])*)b{3,}+c{12,}(?!z)d{20}") == "ab{3,}c{8,}d{8,}"


@pytest.mark.parametrize(
    "kind", sorted(set(VALUES) - {"DOB", "PASSPORT", "PLATE", "LICENSE", "OPAQUE", "PASSWORD", "USER"})
)
def test_a_value_is_found_wherever_a_piece_of_the_text_ends(kind):
    value = VALUES[kind](random.Random(kind))
    redactor = Redactor()
    for offset in range(PIECE - len(value) - 3, PIECE + 3, 7):
        before = (PROSE * 40)[:offset]
        before = before[: before.rfind(" ") + 1]
        out = redactor.redact(f"{before}{value} {PROSE * 40}")
        assert value not in out
        assert out.startswith(before[:-60])


def test_a_secret_longer_than_a_piece_is_taken_out_whole():
    """Also where there is no space at which a piece could end."""
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkq+/" * 400 + "\n-----END PRIVATE KEY-----"
    assert Redactor().redact(f"{PROSE}{key} {PROSE}") == f"{PROSE}[SECRET] {PROSE}"
    token = "sk-proj-" + "Ab1_" * 100
    packed = '{"a":"' + "x,y;" * 600 + '","t":"' + token + '","b":"' + "x,y;" * 600 + '"}'
    assert "Ab1_" not in Redactor().redact(packed)


@pytest.mark.parametrize(
    "unit", ["a.", "sk-", '"', ":", "1 ", "@", "-----BEGIN PRIVATE KEY-----", "key=", "eyJ.", "a@b.c "]
)
def test_the_work_grows_with_the_text_and_not_faster(unit, monkeypatch):
    """Counted, not timed: how many places the rules look at, for a text and for one ten times as long."""
    looked = 0

    def counting(rule):
        def find(page, start, end):
            nonlocal looked
            looked += end - start
            for place in rule.find(page, start, end):
                looked += place[1] - place[0]
                yield place

        return find

    scanner = Scanner(RULES)
    monkeypatch.setattr(scanner, "_finders", [counting(rule) for rule in RULES])

    def work(chars):
        nonlocal looked
        looked = 0
        scanner.find((unit * chars)[:chars])
        return looked

    small, large = work(20_000), work(200_000)
    assert large < 10**1.2 * max(small, 20_000)


def test_pieces_cover_the_text_and_overlap():
    for text in ("", "x", PROSE * 100, "x" * 10_000, "ab cd " * 3000):
        pieces = list(scanner_module._pieces(text))
        assert pieces[0][0] == 0
        assert pieces[-1][1] == len(text)
        assert all(start < before_end for (_, before_end), (start, _) in itertools.pairwise(pieces))
