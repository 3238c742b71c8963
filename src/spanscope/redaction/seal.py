"""The one choke point: a draft with raw text goes in, a span that may leave the process comes out.

Nothing else makes a `Span` of a draft.  Here every field is read by a rule for that field: ids,
numbers and the words of closed vocabularies are checked and kept, a user becomes a pseudonym, all
else is text and passes the redactor.  A field for which there is no rule does not get through.

Runs on the worker thread, after `pricing`; what it returns goes to every backend.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from re import compile as pattern
from typing import TYPE_CHECKING, Any, Final, TypeVar

from spanscope import semconv
from spanscope.drafts import Draft
from spanscope.health import Health
from spanscope.redaction.engine import LABEL_CHARS, Redactor
from spanscope.redaction.errors import error_lines
from spanscope.redaction.fields import as_text, moment, money, one_of, real, truth, whole
from spanscope.redaction.pseudonyms import Pseudonyms
from spanscope.redaction.recent import Recent
from spanscope.redaction.rules import SECRET
from spanscope.redaction.values import meaning
from spanscope.spans import Content, Span, make_span

if TYPE_CHECKING:
    from spanscope.redaction.vault import Vault

STAGE: Final = "redaction"
WITHHELD: Final = "[withheld: redaction failed]"
WITHHELD_BY_POLICY: Final = "[withheld: content policy]"

ERROR_CHARS: Final = 500
_CAUSE_CHARS = 200
_MAX_LABELS = 100
_MAX_EVENTS = 200
_MAX_ATTRIBUTES = 100
_MAX_DOCUMENTS = 200
_DOCUMENT_LISTS = (semconv.DOCUMENTS, semconv.DOCUMENTS_BEFORE)

_NO_TRACE_ID = "0" * 32
_NO_SPAN_ID = "0" * 16
_TRACE_ID = pattern(r"[0-9a-f]{32}")
_SPAN_ID = pattern(r"[0-9a-f]{16}")
_UUID = pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = pattern(r"[0-9a-f]{16}(?:[0-9a-f]{16})?")
_DOCUMENT_KEYS = (semconv.DOC_ID, semconv.DOC_SCORE, semconv.DOC_CHARS, semconv.DOC_SOURCE, semconv.DOC_HASH)
_QUESTION_ROLES = frozenset({"human", "user"})

_LABELS = frozenset(
    {
        *("name", "framework", "environment", "service", "release", "provider", "request_model"),
        *("response_model", "usage_source", "cost_source", "finish_reason_raw", "prompt_name"),
        *("prompt_version", "error_type"),
    }
)
_MAX_PLAIN = 8192
_COUNTS = (
    *("max_tokens", "input_tokens", "output_tokens", "total_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "reasoning_tokens", "message_count", "output_chars"),
)
_INTEGERS = frozenset({*_COUNTS, "end_ns"})
_TOO_LARGE = 2**63
_VOCABULARIES: dict[str, Collection[str]] = {
    "parent_source": frozenset({"framework", "ambient", "remote", "none"}),
    "kind": frozenset(semconv.KINDS),
    "finish_reason": frozenset(semconv.FINISH_REASONS),
}
_MEASURES = ("temperature", "time_to_first_token_ms", "tokens_per_second")

T = TypeVar("T")


class Seal:
    """Makes spans of drafts.  Remembers results for recent messages and names, but nothing secret.

    `preview_chars` is the length of previews, `max_content_chars` that of a text kept in full.
    """

    def __init__(
        self,
        redactor: Redactor,
        pseudonyms: Pseudonyms,
        health: Health,
        *,
        preview_chars: int = 100,
        max_content_chars: int = 100_000,
    ) -> None:
        self._redactor = redactor
        self._pseudonyms = pseudonyms
        self._health = health
        self._preview_chars = preview_chars
        self._max_content_chars = max_content_chars
        self.vault: Vault | None = None
        """Takes the raw texts of spans whose policy is `vault`; without one they are not kept."""
        self._contents: Recent[tuple[str, str], Content] = Recent(max_items=4096, max_weight=8_000_000)
        self._plain: set[str] = set()
        """Short texts that redaction leaves as they are: nearly every name and label is among them."""
        self._keys: dict[str, tuple[str, str | None]] = {}
        """Names of attributes: how they are written, and what they say of their value."""
        self._rules: Mapping[str, Callable[[Any], Any]] = {
            "parent_id": self._span_id,
            **{name: one_of(words) for name, words in _VOCABULARIES.items()},
            "user_id": self._user,
            "session_id": self._session,
            "thread_id": self._session,
            "prompt_hash": self._hash,
            "messages_hash": self._hash,
            "tags": self._labels,
            "tool_names": self._labels,
            "input_preview": self._preview,
            "output_preview": self._preview,
            "error_message": self._error_message,
            "cost_usd": money,
            "end_ns": moment,
            **dict.fromkeys(_LABELS, self._label),
            **dict.fromkeys(_COUNTS, whole),
            **dict.fromkeys(_MEASURES, real),
            **dict.fromkeys(("streamed", "cache_hit", "usage_in_children", "amended"), truth),
        }
        # The quick way of `_facts`, for values that their rules would leave as they are.
        self._harmless: Mapping[str, Collection[str]] = _VOCABULARIES | dict.fromkeys(_LABELS, self._plain)
        self._parts = (
            *(self._facts, self._attributes, self._events, self._error),
            *(self._messages, self._policy),
        )

    def seal(self, draft: Draft) -> Span:
        """The span of this draft, under its content policy.  Never raises, whatever the draft holds."""
        fields: dict[str, Any] = {}
        self._redactor.begin_record()
        for part in self._parts:
            try:
                part(draft, fields)
            except Exception as fault:  # noqa: BLE001  the boundary of `redaction`: the other parts stay
                self._health.fault(STAGE, fault)
        fields.setdefault("kind", "span")
        fields.setdefault("name", fields["kind"])
        fields["trace_id"] = self._guarded(self._trace_id, draft.trace_id, _NO_TRACE_ID)
        fields["span_id"] = self._guarded(self._span_id, draft.span_id, _NO_SPAN_ID)
        fields["start_ns"] = self._guarded(moment, draft.start_ns, None) or 0
        fields["status"] = _KNOWN_STATUS(draft.status) or "abandoned"
        if draft.content == "vault":
            try:
                self._keep_raw(draft, fields["trace_id"], fields["span_id"])
            except Exception as fault:  # noqa: BLE001  the boundary of `vault`: what it cannot take is not kept
                self._health.fault("vault", fault)
        return make_span(fields)

    def session(self, value: str) -> str:
        """The id under which this session is kept: itself, or a pseudonym when it names a person."""
        return value if self._label(value) == value else self._pseudonyms.session(value)

    def _guarded(self, read: Callable[[Any], T], value: Any, otherwise: T) -> T:
        try:
            return read(value)
        except Exception as fault:  # noqa: BLE001  the boundary of `redaction`: this value alone is lost
            self._health.fault(STAGE, fault)
            return otherwise

    # --- facts: one rule for each field of a span -----------------------------------------------------

    def _facts(self, draft: Draft, fields: dict[str, Any]) -> None:
        rules, harmless = self._rules, self._harmless
        for name, value in draft.facts.items():
            if value is None:
                continue
            if type(value) is str:
                if name in harmless and value in harmless[name]:
                    fields[name] = value
                    continue
            elif type(value) is int and name in _INTEGERS and 0 <= value < _TOO_LARGE:
                fields[name] = value
                continue
            rule = rules.get(name)
            if rule is None:
                self._health.count("unknown_facts")
                continue
            try:
                kept = rule(value)
            except Exception as fault:  # noqa: BLE001  the boundary of `redaction`: this field alone is lost
                self._health.fault(STAGE, fault)
                kept = WITHHELD if rule == self._label else None
            if kept is not None:
                fields[name] = kept

    def _trace_id(self, value: Any) -> str:
        # Not one of ours: spans that shared it still share the one put in its place.
        if type(value) is str and _TRACE_ID.fullmatch(value):
            return value
        return self._pseudonyms.content_id("trace", as_text(value))

    def _span_id(self, value: Any) -> str:
        if type(value) is str and _SPAN_ID.fullmatch(value):
            return value
        return self._pseudonyms.digest(as_text(value))

    def _hash(self, value: Any) -> str:
        """A hash of ours as it is; of anything else the keyed hash, so that nobody can try out texts."""
        text = as_text(value)
        return text if _DIGEST.fullmatch(text) else self._pseudonyms.digest(text)

    def _user(self, value: Any) -> str:
        return self._pseudonyms.user(as_text(value))

    def _session(self, value: Any) -> str:
        return self.session(as_text(value))

    def _labels(self, values: Any) -> tuple[str, ...]:
        if isinstance(values, str):
            values = (values,)
        return tuple([self._label(value) for value in islice(values, _MAX_LABELS)])

    def _label(self, value: Any) -> str:
        """A name, tag or other short text, redacted and cut."""
        text = value if type(value) is str else as_text(value)
        if text in self._plain:
            return text
        label = self._redactor.label(text)
        if label == text:  # so that nothing secret is remembered
            if len(self._plain) >= _MAX_PLAIN:
                self._plain.clear()
            self._plain.add(text)
        return label

    def _preview(self, value: Any) -> str:
        return self._redactor.preview(as_text(value), self._preview_chars)

    def _error_message(self, value: Any) -> str:
        return self._redactor.preview(as_text(value), ERROR_CHARS)

    def _error(self, draft: Draft, fields: dict[str, Any]) -> None:
        if draft.error is None:
            return
        fields.setdefault("error_type", self._label(type(draft.error).__name__))
        if "error_message" in fields:
            return
        first, *causes = error_lines(draft.error)
        # The message leaves room for its causes: the last of them often is the true one.
        lines = [self._redactor.preview(first, ERROR_CHARS - (_CAUSE_CHARS if causes else 0))]
        lines += [self._redactor.preview(line, _CAUSE_CHARS) for line in causes]
        fields["error_message"] = "\n".join(lines)[:ERROR_CHARS]

    # --- attributes and events --------------------------------------------------------------------------

    def _attributes(self, draft: Draft, fields: dict[str, Any]) -> None:
        user = draft.facts.get("user_id")
        raw_user = as_text(user) if user is not None else None
        plain, keys, attributes = self._plain, self._keys, dict[str, Any]()
        for key, value in islice(draft.attributes.items(), _MAX_ATTRIBUTES):
            label, said = keys[key] if key in keys else self._key(key)
            if type(value) is str and said is None and value in plain and value != raw_user:
                attributes[label] = value
            else:
                attributes[label] = self._attribute(key, said, value, raw_user)
        fields["attributes"] = attributes
        # The person must not stand beside the pseudonym.
        if raw_user in (tags := fields.get("tags", ())):
            fields["tags"] = tuple([self._user(tag) if tag == raw_user else tag for tag in tags])

    def _key(self, key: Any) -> tuple[str, str | None]:
        if type(key) is not str:
            return self._label(key), None
        known = self._label(key), meaning(key)
        if known[0] == key and len(self._keys) < _MAX_PLAIN:
            self._keys[key] = known
        return known

    def _attribute(self, key: Any, said: str | None, value: Any, raw_user: str | None) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if said == "secret":
            return SECRET
        if kind in (int, float) and -1e6 < value < 1e6:
            return value
        if said == "opaque":
            return self._redactor.opaque(value)
        if key in _DOCUMENT_LISTS:
            return self._guarded(self._documents, value, WITHHELD)
        if kind is str and len(value) <= LABEL_CHARS:
            if value == raw_user or said == "user":
                return self._user(value)
            return self._namespace(value) if key == semconv.CHECKPOINT_NS else self._label(value)
        if kind is list and said is None and _are_short(value) and raw_user not in value:
            return [self._label(each) for each in value]
        return self._value(value, raw_user)

    def _namespace(self, value: str) -> str:
        """LangGraph's path of names and UUIDs (`model:1f0…|tools:…`), new at each step but for its names."""
        steps = []
        for step in value.split("|"):
            name, _, run = step.rpartition(":")
            steps.append(f"{self._label(name)}:{run}" if _UUID.fullmatch(run) else self._label(step))
        return "|".join(steps)

    def _value(self, value: Any, raw_user: str | None = None) -> Any:
        return self._redactor.redact_value(value, user=raw_user, pseudonym=self._pseudonyms.user)

    def _documents(self, documents: Any) -> Any:
        """Ids, scores and sizes of what was retrieved; its text is content."""
        if not isinstance(documents, list | tuple):
            return WITHHELD
        return [self._guarded(self._document, found, WITHHELD) for found in documents[:_MAX_DOCUMENTS]]

    def _document(self, document: Any) -> Any:
        if not isinstance(document, Mapping):
            return WITHHELD
        kept = {key: document[key] for key in _DOCUMENT_KEYS if document.get(key) is not None}
        digest = kept.pop(semconv.DOC_HASH, None)
        redacted = self._value(kept)
        if digest is not None:
            redacted[semconv.DOC_HASH] = self._hash(digest)
        return redacted

    def _events(self, draft: Draft, fields: dict[str, Any]) -> None:
        if draft.events:
            fields["events"] = tuple([self._event(event) for event in draft.events[:_MAX_EVENTS]])

    def _event(self, event: Any) -> dict[str, Any]:
        facts: dict[str, Any] = self._guarded(dict, event, {})
        time_ns = self._guarded(moment, facts.pop("time_ns", None), None)
        redacted: dict[str, Any] = self._value(facts)
        return redacted if time_ns is None else {**redacted, "time_ns": time_ns}

    # --- content -----------------------------------------------------------------------------------------

    def _messages(self, draft: Draft, fields: dict[str, Any]) -> None:
        inputs = self._sealed(draft.inputs, draft.content)
        outputs = self._sealed(draft.outputs, draft.content)
        if inputs:
            fields["inputs"] = inputs
            fields["messages_hash"] = self._pseudonyms.digest("".join([found.content_id for found in inputs]))
            fields["message_count"] = len(draft.inputs)
            question = next(
                (found for found in reversed(inputs) if found.role in _QUESTION_ROLES), inputs[-1]
            )
            fields["input_preview"] = self._shown(question)
        if outputs:
            fields["outputs"] = outputs
            fields["output_chars"] = sum([found.chars for found in outputs])
            fields["output_preview"] = self._shown(outputs[-1])

    def _sealed(self, messages: Sequence[Any], policy: str) -> tuple[Content, ...]:
        contents = []
        for message in messages:
            try:
                contents.append(self._content(message, policy))
            except Exception as fault:  # noqa: BLE001  the boundary of `redaction`: this message alone is lost
                self._health.fault(STAGE, fault)
        return tuple(contents)

    def _keep_raw(self, draft: Draft, trace_id: str, span_id: str) -> None:
        """Hand the raw texts to the vault, and to nothing else."""
        if self.vault is None:
            self._health.count("vault_items_lost", len(draft.inputs) + len(draft.outputs))
            return
        for direction, messages in (("input", draft.inputs), ("output", draft.outputs)):
            said = [(as_text(role), as_text(text)) for role, text in messages]
            texts = [(self._pseudonyms.content_id(role, text), role, text) for role, text in said]
            self.vault.keep(trace_id, span_id, direction, texts)
        if draft.error is not None:
            text = "\n".join(error_lines(draft.error))
            error = (self._pseudonyms.content_id("error", text), "error", text)
            self.vault.keep(trace_id, span_id, "error", [error])

    def _shown(self, content: Content) -> str | None:
        return None if content.text is None else content.text[: self._preview_chars]

    def _content(self, message: Any, policy: str) -> Content:
        role, text = message
        if type(role) is not str:
            role = as_text(role)
        if type(text) is not str:
            text = as_text(text)
        content_id = self._pseudonyms.content_id(role, text)
        if (known := self._contents.get((content_id, policy))) is not None:
            return known
        content = Content(
            content_id=content_id, role=self._label(role), chars=len(text), text=self._text(text, policy)
        )
        self._contents.put((content_id, policy), content, weight=len(content.text or ""))
        return content

    def _text(self, text: str, policy: str) -> str | None:
        """What the policy lets be seen.  One that is not known lets nothing."""
        match policy:
            case "preview":
                return self._redactor.preview(text, self._preview_chars)
            case "redacted" | "vault":
                return self._redactor.bounded(text, self._max_content_chars)
            case _:
                return None

    def _policy(self, draft: Draft, fields: dict[str, Any]) -> None:
        """Without content no error message either: a parser quotes what it could not parse."""
        if draft.content in ("preview", "redacted", "vault"):
            return
        fields.pop("input_preview", None)
        fields.pop("output_preview", None)
        if "error_message" in fields:
            fields["error_message"] = WITHHELD_BY_POLICY


def _are_short(values: list[Any]) -> bool:
    """Whether these are a few labels, as the names of tools or roles are."""
    return (
        len(values) <= _MAX_LABELS
        and set(map(type, values)) == {str}
        and max(map(len, values)) <= LABEL_CHARS
    )


_KNOWN_STATUS = one_of(semconv.STATUSES)
