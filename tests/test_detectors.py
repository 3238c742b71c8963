"""Detectors of names: what they find is replaced, and when they fail the text is withheld."""

import threading
from types import SimpleNamespace

import pytest

from spanscope.redaction import GlinerDetector, PresidioDetector, Redactor, SpacyDetector


class Names:
    types = frozenset({"PERSON"})

    def detect(self, text):
        at = text.find("Ada")
        return [(at, at + 3, "PERSON")] if at >= 0 else []


class Broken(Names):
    def detect(self, text):
        raise RuntimeError(text)


class Outside(Names):
    def detect(self, text):
        return [(0, 10_000, "PERSON")]


def test_what_a_detector_finds_is_replaced():
    assert Redactor(detectors=[Names()]).redact("ask Ada at ada@example.com") == "ask [PERSON] at [EMAIL]"


def test_a_name_within_an_address_is_the_address():
    assert Redactor(detectors=[Names()]).redact("Ada@example.com") == "[EMAIL]"


@pytest.mark.parametrize("detector", [Broken(), Outside()])
def test_a_detector_that_fails_withholds_the_text_and_is_told(detector):
    faults = []
    redactor = Redactor(detectors=[detector], on_fault=faults.append)
    assert redactor.redact("ask Ada") == "[withheld: detector failed]"
    assert redactor.redact_value({"a": "ask Ada", "n": 3}) == {
        "[withheld: detector failed]": "[withheld: detector failed]",
        "[withheld: detector failed]'": 3,
    }
    assert faults


def test_a_detector_that_hangs_is_given_up_and_the_next_texts_do_not_wait():
    release = threading.Event()

    class Slow(Names):
        def detect(self, text):
            release.wait(20)
            return []

    redactor = Redactor(detectors=[Slow()], time_limit_s=0.05)
    try:
        redactor.begin_record()
        assert redactor.redact("ask Ada") == "[withheld: time limit]"
        assert redactor.redact("ask Bob") == "[withheld: time limit]"
    finally:
        release.set()


def test_the_limit_is_for_a_record_and_not_for_each_of_its_texts():
    class Tardy(Names):
        def detect(self, text):
            threading.Event().wait(0.04)
            return []

    redactor = Redactor(detectors=[Tardy()], time_limit_s=0.1)
    redactor.begin_record()
    out = [redactor.redact(f"text {word}") for word in ("one", "two", "three", "four", "five")]
    assert out[0] == "text one"
    assert out[-1] == "[withheld: time limit]"
    threading.Event().wait(0.2)  # for the call that was given up
    redactor.begin_record()
    assert redactor.redact("text six") == "text six"


def test_a_spacy_pipeline_is_a_detector():
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Ada Lovelace"}])
    assert Redactor(detectors=[SpacyDetector(nlp)]).redact("ask Ada Lovelace") == "ask [PERSON]"


def test_a_gliner_model_is_a_detector():
    def predict(text, labels, threshold):
        return [{"start": 4, "end": 7, "label": "person", "score": 0.9}]

    detector = GlinerDetector(SimpleNamespace(predict_entities=predict))
    assert Redactor(detectors=[detector]).redact("ask Ada") == "ask [PERSON]"


def test_a_presidio_analyzer_is_a_detector():
    presidio = pytest.importorskip("presidio_analyzer")
    pattern = presidio.Pattern("name", r"Ada", 0.9)
    recogniser = presidio.PatternRecognizer("PERSON", patterns=[pattern])

    class Analyzer:
        def analyze(self, text, language, entities, score_threshold):
            return recogniser.analyze(text, entities, None)

    assert Redactor(detectors=[PresidioDetector(Analyzer())]).redact("ask Ada") == "ask [PERSON]"
