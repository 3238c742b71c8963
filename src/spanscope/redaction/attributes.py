"""The seal's rules for attributes and events: what a span tells beside its fields.

Their names are the handlers' and the user's, their values anything.  What a name says of its value goes
first, then what the value is; what is left is walked by the redactor.

Used by `seal`.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from re import compile as pattern
from typing import Any, Final

from spanscope import semconv
from spanscope.redaction.engine import LABEL_CHARS, Redactor
from spanscope.redaction.fields import moment
from spanscope.redaction.guard import WITHHELD, Guard
from spanscope.redaction.labels import MAX_LABELS, Labels
from spanscope.redaction.names import Meaning
from spanscope.redaction.pseudonyms import Pseudonyms
from spanscope.redaction.rules import SECRET

_MAX_ATTRIBUTES: Final = 100
_MAX_DOCUMENTS: Final = 200
_MAX_MAPPINGS: Final = 20
_DOCUMENT_LISTS: Final = (semconv.DOCUMENTS, semconv.DOCUMENTS_BEFORE)
_DOCUMENT_KEYS: Final = (semconv.DOC_ID, semconv.DOC_SCORE, semconv.DOC_CHARS, semconv.DOC_SOURCE)
_UUID = pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Attributes:
    """Redacts what is not a field of a span."""

    def __init__(
        self,
        redactor: Redactor,
        pseudonyms: Pseudonyms,
        labels: Labels,
        hash_of: Callable[[Any], str],
        guarded: Guard,
    ) -> None:
        self._redactor = redactor
        self._pseudonyms = pseudonyms
        self._labels = labels
        self._hash_of = hash_of
        self._guarded = guarded
        self._path = ""
        """The last of LangGraph's paths that was left as it is: it comes with each run of its step."""

    def redacted(self, attributes: Mapping[Any, Any], user: str | None) -> dict[str, Any]:
        """The first hundred of them.  `user` is the raw name of a person who must not stand among them."""
        labels = self._labels
        names, plain, kept = labels.names, labels.plain, dict[str, Any]()
        for key, value in islice(attributes.items(), _MAX_ATTRIBUTES):
            name, said = names.get(key) or labels.name(key)
            if said is None:
                # What most attributes are, and may stay: a text seen before, a size, a shape.
                kind = type(value)
                if kind is str:
                    if (value in plain or value == self._path) and value != user:
                        kept[name] = value
                        continue
                elif kind is int:
                    if -1_000_000 < value < 1_000_000:
                        kept[name] = value
                        continue
                elif kind is dict:
                    # Copied first: the application may go on changing its dictionary.
                    copied = value.copy()
                    if labels.leave_alone(copied, user):
                        kept[name] = copied
                        continue
            kept[name] = self._attribute(name, said, value, user)
        return kept

    def _attribute(self, name: str, said: Meaning, value: Any, user: str | None) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if said == "secret":
            return SECRET
        if kind in (int, float) and -1e6 < value < 1e6:
            return value
        if said == "opaque":
            return self._redactor.opaque(value)
        if name in _DOCUMENT_LISTS:
            return self._guarded(self._documents, value, WITHHELD)
        if kind is str and len(value) <= LABEL_CHARS:
            if value == user or said == "user":
                return self._pseudonyms.user(value)
            return self._namespace(value) if name == semconv.CHECKPOINT_NS else self._labels.label(value)
        if kind is list and said is None and (copied := self._left_alone(value, user)) is not None:
            return copied
        return self._walked(value, user)

    def _left_alone(self, items: list[Any], user: str | None) -> list[Any] | None:
        """A copy of a few labels or flat mappings that need no more than a look; None for all else."""
        kinds = set(map(type, items))
        if kinds == {str}:
            # As the names of tools or roles are.
            if len(items) <= MAX_LABELS and max(map(len, items)) <= LABEL_CHARS and user not in items:
                return list(self._labels.labels(items))
        elif kinds == {dict} and len(items) <= _MAX_MAPPINGS:
            copies = [one.copy() for one in items]
            if all(self._labels.leave_alone(one, user) for one in copies):
                return copies
        return None

    def _namespace(self, value: str) -> str:
        """LangGraph's path of names and UUIDs (`model:1f0…|tools:…`), new at each step but for its names."""
        label, steps = self._labels.label, []
        for step in value.split("|"):
            name, _, run = step.rpartition(":")
            steps.append(f"{label(name)}:{run}" if _UUID.fullmatch(run) else label(step))
        path = "|".join(steps)
        if path == value:
            self._path = value
        return path

    def _walked(self, value: Any, user: str | None = None) -> Any:
        return self._redactor.redact_value(value, user=user, pseudonym=self._pseudonyms.user)

    def _documents(self, documents: Any) -> Any:
        """Ids, scores and sizes of what was retrieved; its text is content."""
        if not isinstance(documents, list | tuple):
            return WITHHELD
        return [self._guarded(self._document, found, WITHHELD) for found in documents[:_MAX_DOCUMENTS]]

    def _document(self, document: Any) -> Any:
        if not isinstance(document, dict | Mapping):
            return WITHHELD
        kept = {key: found for key in _DOCUMENT_KEYS if (found := document.get(key)) is not None}
        if not self._labels.leave_alone(kept, None):
            kept = self._walked(kept)
        if (text := document.get(semconv.DOC_HASH)) is not None:
            kept[semconv.DOC_HASH] = self._hash_of(text)
        return kept

    def event(self, event: Any) -> dict[str, Any]:
        """Something that happened at one instant of the span."""
        facts: dict[str, Any] = self._guarded(dict, event, {})
        time_ns = self._guarded(moment, facts.pop("time_ns", None), None)
        redacted: dict[str, Any] = self._walked(facts)
        return redacted if time_ns is None else {**redacted, "time_ns": time_ns}
