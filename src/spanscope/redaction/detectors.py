"""Names of people and places, which no pattern knows: an optional detector, and adapters for the usual ones.

A detector is slow and may hang, so it runs in a thread of its own with a time limit, on the worker's side.
When it fails or the time is over, the text is withheld.

Used by `engine`.  The adapters take a model that is loaded already; nothing here imports one.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, Final, Protocol, runtime_checkable

from spanscope.exceptions import MissingExtra

Detection = tuple[int, int, str]
"""From where to where in the text, and the type: `(0, 5, "PERSON")`."""

_FROM_SPACY: Final = {
    "PERSON": "PERSON",
    "PER": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
}
_FROM_GLINER: Final = {"person": "PERSON", "location": "LOCATION", "address": "ADDRESS"}
_FROM_PRESIDIO: Final = {"PERSON": "PERSON", "LOCATION": "LOCATION", "NRP": "PERSON"}


@runtime_checkable
class Detector(Protocol):
    """Finds what the rules cannot.  Called by one thread at a time, never by the application's."""

    types: frozenset[str]
    """The types that it may report, such as PERSON."""

    def detect(self, text: str) -> Iterable[Detection]: ...


class SpacyDetector:
    """People and places by a loaded spaCy pipeline: `SpacyDetector(spacy.load("en_core_web_sm"))`."""

    def __init__(self, nlp: Callable[[str], Any], labels: Mapping[str, str] | None = None) -> None:
        self._nlp = nlp
        self._labels = dict(labels or _FROM_SPACY)
        self.types = frozenset(self._labels.values())

    def detect(self, text: str) -> list[Detection]:
        """Entities with a known label."""
        return [
            (entity.start_char, entity.end_char, self._labels[entity.label_])
            for entity in self._nlp(text).ents
            if entity.label_ in self._labels
        ]


class GlinerDetector:
    """People and places by a loaded GLiNER model; `labels` says what to ask it for and what to call it."""

    def __init__(
        self, model: Any, labels: Mapping[str, str] | None = None, *, threshold: float = 0.5
    ) -> None:
        self._model = model
        self._labels = dict(labels or _FROM_GLINER)
        self._threshold = threshold
        self.types = frozenset(self._labels.values())

    def detect(self, text: str) -> list[Detection]:
        """Entities that the model is sure enough of."""
        found = self._model.predict_entities(text, list(self._labels), threshold=self._threshold)
        return [(entity["start"], entity["end"], self._labels[entity["label"]]) for entity in found]


class PresidioDetector:
    """Entities by Presidio: by the analyzer given, or by its default one (`spanscope[presidio]`)."""

    def __init__(
        self,
        analyzer: Any = None,
        labels: Mapping[str, str] | None = None,
        *,
        language: str = "en",
        score: float = 0.4,
    ) -> None:
        if analyzer is None:
            try:
                from presidio_analyzer import AnalyzerEngine
            except ImportError as missing:
                raise MissingExtra("PresidioDetector", "presidio") from missing
            analyzer = AnalyzerEngine()
        self._analyzer = analyzer
        self._labels = dict(labels or _FROM_PRESIDIO)
        self._language = language
        self._score = score
        self.types = frozenset(self._labels.values())

    def detect(self, text: str) -> list[Detection]:
        """Entities of the known types with at least the score asked for."""
        found = self._analyzer.analyze(
            text, language=self._language, entities=list(self._labels), score_threshold=self._score
        )
        return [(entity.start, entity.end, self._labels[entity.entity_type]) for entity in found]


class DetectorFailed(Exception):
    """A detector raised, or was given up; the message says which of them."""


class Supervised:
    """Runs detectors in a daemon thread and waits no longer than it is told.

    While a call that was given up is still running, further texts are refused at once: each would wait
    for its whole time otherwise.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)
        self._busy = threading.Lock()

    def detect(self, text: str, timeout_s: float) -> list[Detection]:
        """What all detectors report.  Raises `DetectorFailed`."""
        if timeout_s <= 0 or not self._busy.acquire(blocking=False):
            raise DetectorFailed("time limit")
        answers: SimpleQueue[list[Detection] | BaseException] = SimpleQueue()

        def run() -> None:
            try:
                answers.put(
                    [_checked(found, text) for detector in self._detectors for found in detector.detect(text)]
                )
            except BaseException as fault:  # noqa: BLE001  the boundary: handed to the caller below
                answers.put(fault)
            finally:
                self._busy.release()

        threading.Thread(target=run, daemon=True, name="spanscope-detector").start()
        try:
            answer = answers.get(timeout=timeout_s)
        except Exception:  # noqa: BLE001  queue.Empty: the time is over
            raise DetectorFailed("time limit") from None
        if isinstance(answer, BaseException):
            raise DetectorFailed("detector failed") from answer
        return answer


def _checked(found: Detection, text: str) -> Detection:
    start, end, kind = found
    if not (0 <= start < end <= len(text)):
        raise ValueError("a place outside the text")
    return int(start), int(end), str(kind)
