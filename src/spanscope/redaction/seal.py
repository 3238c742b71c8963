"""The one choke point: a draft with raw text goes in, a span that may leave the process comes out.

Nothing else makes a `Span` of a draft.  Here every field is read by a rule for that field: ids,
numbers and the words of closed vocabularies are checked and kept, a user becomes a pseudonym, all
else is text and passes the redactor.  A field for which there is no rule does not get through.

Runs on the worker thread, after `pricing`; what it returns goes to every backend.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from re import Pattern
from re import compile as pattern
from typing import TYPE_CHECKING, Any, Final

from spanscope import semconv
from spanscope.drafts import Draft, Message
from spanscope.health import Health
from spanscope.redaction.attributes import Attributes
from spanscope.redaction.engine import Redactor
from spanscope.redaction.errors import error_lines
from spanscope.redaction.fields import as_text, moment, money, one_of, real, truth, whole
from spanscope.redaction.guard import STAGE, WITHHELD, Guard
from spanscope.redaction.labels import Labels
from spanscope.redaction.pseudonyms import Pseudonyms
from spanscope.redaction.recent import Recent, TextKey, text_key
from spanscope.spans import Content, Span, make_span

if TYPE_CHECKING:
    from spanscope.redaction.vault import Vault

WITHHELD_BY_POLICY: Final = "[withheld: content policy]"

ERROR_CHARS: Final = 500
_CAUSE_CHARS = 200
_MAX_EVENTS = 200

_NO_TRACE_ID = "0" * 32
_NO_SPAN_ID = "0" * 16
_TRACE_ID = pattern(r"[0-9a-f]{32}")
_SPAN_ID = pattern(r"[0-9a-f]{16}")
_DIGEST = pattern(r"[0-9a-f]{16}(?:[0-9a-f]{16})?")
_MAX_IDS = 8192
_QUESTION_ROLES = frozenset({"human", "user"})

_LABELS = frozenset(
    {
        *("name", "framework", "environment", "service", "release", "provider", "request_model"),
        *("response_model", "usage_source", "cost_source", "finish_reason_raw", "prompt_name"),
        *("prompt_version", "error_type"),
    }
)
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
_SHOWN = ("preview", "redacted", "vault")
"""The policies under which texts are seen, in whatever form."""
_Said = tuple[str, TextKey]
"""A content policy and a text."""
_id_of = attrgetter("content_id")
_MEASURES = ("temperature", "time_to_first_token_ms", "tokens_per_second")


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
        self._guarded = Guard(health)
        self._labels = Labels(redactor)
        self._label = self._labels.label
        self._preview_chars = preview_chars
        self._max_content_chars = max_content_chars
        self.vault: Vault | None = None
        """Takes the raw texts of spans whose policy is `vault`; without one they are not kept."""
        self._texts = Recent[_Said, str | None](max_items=2048, max_weight=8_000_000)
        """What is seen of a text.  A question comes as the chain's, the retriever's and the model's."""
        self._contents = Recent[tuple[str, str, int, int], Content](max_items=4096, max_weight=8_000_000)
        """By role, policy and `text_key`: an agent sends its whole history again with each call."""
        self._digests = Recent[TextKey, str](max_items=4096, max_weight=4096)
        self._trace_ids: set[str] = set()
        self._parent_ids: set[str] = set()
        """Well-formed ids that came of late, and will come again with other spans."""
        self._attributes = Attributes(redactor, pseudonyms, self._labels, self._hash, self._guarded)
        self._rules: Mapping[str, Callable[[Any], Any]] = {
            "parent_id": self._span_id,
            **{name: one_of(words) for name, words in _VOCABULARIES.items()},
            "user_id": self._user,
            "session_id": self._session,
            "thread_id": self._session,
            "prompt_hash": self._hash,
            "messages_hash": self._hash,
            "tags": self._several,
            "tool_names": self._several,
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
        # The quick way of `_facts`, for texts that their rules would leave as they are.
        self._harmless: Mapping[str, Collection[str]] = {
            **_VOCABULARIES,
            **dict.fromkeys(_LABELS, self._labels.plain),
            "parent_id": self._parent_ids,
        }
        self._parts = (self._facts, self._extras)
        self._more_parts = (*self._parts, self._events, self._error, self._messages, self._policy)

    def seal(self, draft: Draft) -> Span:
        """The span of this draft, under its content policy.  Never raises, whatever the draft holds."""
        fields = self._place(draft)
        self._redactor.begin_record()
        for part in self._more_parts if _has_more(draft) else self._parts:
            try:
                part(draft, fields)
            except Exception as fault:  # noqa: BLE001  the boundary of `redaction`: the other parts stay
                self._health.fault(STAGE, fault)
        if "name" not in fields:
            fields["name"] = fields["kind"]
        if draft.content == "vault":
            try:
                self._keep_raw(draft, fields["trace_id"], fields["span_id"])
            except Exception as fault:  # noqa: BLE001  the boundary of `vault`: what it cannot take is not kept
                self._health.fault("vault", fault)
        return make_span(fields)

    def session(self, value: str) -> str:
        """The id under which this session is kept: itself, or a pseudonym when it names a person."""
        return value if self._label(value) == value else self._pseudonyms.session(value)

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

    def _place(self, draft: Draft) -> dict[str, Any]:
        """Which span of which trace it is, when it began and how it ended; what every span has."""
        trace_id, span_id, start_ns, status = draft.trace_id, draft.span_id, draft.start_ns, draft.status
        if type(trace_id) is not str or trace_id not in self._trace_ids:
            trace_id = self._guarded(self._trace_id, trace_id, _NO_TRACE_ID)
        if type(span_id) is not str or not _SPAN_ID.fullmatch(span_id):
            span_id = self._guarded(self._span_id, span_id, _NO_SPAN_ID)
        if type(start_ns) is not int or not 0 <= start_ns < _TOO_LARGE:
            start_ns = self._guarded(moment, start_ns, None) or 0
        if type(status) is not str or status not in semconv.STATUSES:
            status = "abandoned"
        return {
            "trace_id": trace_id,
            "span_id": span_id,
            "start_ns": start_ns,
            "kind": "span",
            "status": status,
        }

    def _trace_id(self, value: Any) -> str:
        # Not one of ours: spans that shared it still share the one put in its place.
        if type(value) is str and _well_formed(value, _TRACE_ID, self._trace_ids):
            return value
        return self._pseudonyms.content_id("trace", as_text(value))

    def _span_id(self, value: Any) -> str:
        if type(value) is str and _well_formed(value, _SPAN_ID, self._parent_ids):
            return value
        return self._pseudonyms.digest(as_text(value))

    def _hash(self, value: Any) -> str:
        """A hash of ours as it is; of anything else the keyed hash, so that nobody can try out texts."""
        text = as_text(value)
        key = text_key(text)
        found = self._digests.get(key)
        if found is None:
            if _DIGEST.fullmatch(text):
                return text
            found = self._pseudonyms.digest(text)
            self._digests.put(key, found, weight=1)
        return found

    def _user(self, value: Any) -> str:
        return self._pseudonyms.user(as_text(value))

    def _session(self, value: Any) -> str:
        return self.session(as_text(value))

    def _several(self, values: Any) -> tuple[str, ...]:
        return self._labels.labels((values,) if isinstance(values, str) else values)

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

    def _extras(self, draft: Draft, fields: dict[str, Any]) -> None:
        user = draft.facts.get("user_id")
        raw_user = as_text(user) if user is not None else None
        fields["attributes"] = self._attributes.redacted(draft.attributes, raw_user)
        # The person must not stand beside the pseudonym.
        if raw_user is not None and raw_user in (tags := fields.get("tags", ())):
            fields["tags"] = tuple([self._user(tag) if tag == raw_user else tag for tag in tags])

    def _events(self, draft: Draft, fields: dict[str, Any]) -> None:
        if draft.events:
            fields["events"] = tuple([self._attributes.event(one) for one in draft.events[:_MAX_EVENTS]])

    # --- content -----------------------------------------------------------------------------------------

    def _messages(self, draft: Draft, fields: dict[str, Any]) -> None:
        if draft.inputs and (inputs := self._sealed(draft.inputs, draft.content)):
            fields["inputs"] = inputs
            fields["messages_hash"] = self._pseudonyms.digest("".join(map(_id_of, inputs)))
            fields["message_count"] = len(draft.inputs)
            question = next(
                (found for found in reversed(inputs) if found.role in _QUESTION_ROLES), inputs[-1]
            )
            fields["input_preview"] = self._shown(question)
        if draft.outputs and (outputs := self._sealed(draft.outputs, draft.content)):
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

    def _content(self, message: Message, policy: str) -> Content:
        role, text = message
        if type(role) is not str:
            role = as_text(role)
        if type(text) is not str:
            text = as_text(text)
        key = (role, policy, len(text), hash(text))
        content = self._contents.get(key)
        if content is None:
            said = (policy, text_key(text))
            shown = self._texts.get(said) or self._text(text, policy)
            content = Content(
                content_id=self._pseudonyms.content_id(role, text),
                role=self._label(role),
                chars=len(text),
                text=shown,
            )
            weight = len(shown or "")
            self._texts.put(said, shown, weight=weight)
            self._contents.put(key, content, weight=weight)
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
        if draft.content in _SHOWN:
            return
        fields.pop("input_preview", None)
        fields.pop("output_preview", None)
        if "error_message" in fields:
            fields["error_message"] = WITHHELD_BY_POLICY


def _has_more(draft: Draft) -> bool:
    """Whether there is more than fields and attributes; of a step in between, as most are, there is not."""
    try:
        return bool(
            draft.inputs
            or draft.outputs
            or draft.events
            or draft.error is not None
            or draft.content not in _SHOWN
        )
    except Exception:  # noqa: BLE001  what cannot even be asked is something: each part has its own boundary
        return True


def _well_formed(value: str, form: Pattern[str], known: set[str]) -> bool:
    """Whether it is an id of ours; from then on it is known."""
    if form.fullmatch(value) is None:
        return False
    if len(known) >= _MAX_IDS:
        known.clear()
    known.add(value)
    return True
