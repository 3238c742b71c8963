"""What must be read from raw text and is safe to keep: facts of a prompt that hold no word of it.

Roles of the messages, the system prompt (as text whose hash `redaction` takes), and variables of a template
that nobody filled in.  The same for every framework.

Between `assembler` and `redaction`, on the worker thread.
"""

import re
from collections.abc import Iterable, Iterator
from keyword import iskeyword
from typing import Final

from spanscope import semconv
from spanscope.drafts import Draft, Message
from spanscope.health import Health

STAGE: Final = "signals"
_SYSTEM: Final = frozenset({"system", "developer"})
_ANSWERS: Final = frozenset({"ai", "assistant", "tool", "function", "model"})
"""Whoever writes these is no template."""
_MOST_NAMES: Final = 20
_MOST_CHARS: Final = 200_000
_REMEMBERED: Final = 20_000

# `{name}` and `{{ name }}`: a word alone within the braces.  JSON has quotes or colons there, code and LaTeX
# put something right before the brace, shells a dollar sign.
_VARIABLE: Final = re.compile(
    r"""
    \{\{ \s* ([A-Za-z_][A-Za-z0-9_.]+) \s* \}\} (?!\})
    | (?<! [\w{}$\\/^%#@&=\])"'`-] ) \{ ([A-Za-z_]\w+) \} (?! [\w{}(\[/"'`] )
    """,
    re.VERBOSE | re.ASCII,
)
_LITERALS: Final = frozenset({"true", "false", "null"})
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


class SignalsStage:
    """Adds facts of the prompt to drafts of model calls.  Remembers findings, never texts."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._unfilled: dict[tuple[int, int], tuple[str, ...]] = {}

    def note(self, draft: Draft) -> Draft:
        """The same draft, with what its prompt tells.  Never raises."""
        if draft.facts.get("kind") == "llm" and draft.inputs:
            try:
                self._note(draft)
            except Exception as fault:  # noqa: BLE001  the boundary of `signals`: the span goes on without them
                self._health.fault(STAGE, fault)
        return draft

    def _note(self, draft: Draft) -> None:
        roles: dict[str, int] = {}
        for role, _ in draft.inputs:
            roles[role] = roles.get(role, 0) + 1
        draft.attributes[semconv.ROLES] = roles
        if "prompt_hash" not in draft.facts:
            system = [text for role, text in draft.inputs if role in _SYSTEM]
            if system:
                draft.facts["prompt_hash"] = "\n".join(system)
        names = dict.fromkeys(self._in_all(draft.inputs))
        if names:
            draft.attributes[semconv.UNFILLED_VARIABLES] = list(names)[:_MOST_NAMES]

    def _in_all(self, messages: Iterable[Message]) -> Iterator[str]:
        for role, text in messages:
            if role not in _ANSWERS and "{" in text:
                yield from self._in_one(text)

    def _in_one(self, text: str) -> tuple[str, ...]:
        key = (len(text), hash(text))
        found = self._unfilled.get(key)
        if found is None:
            if len(self._unfilled) >= _REMEMBERED:
                self._unfilled.clear()
            found = self._unfilled[key] = tuple(unfilled_variables(text))
        return found


def unfilled_variables(text: str) -> list[str]:
    """Names of template variables that stand in a finished prompt, in order, each once.

    Prefers to miss one: what stands in code blocks or looks like JSON, LaTeX, a path or a shell is not taken.
    """
    prose = _CODE.sub(" ", text[:_MOST_CHARS])
    names = dict.fromkeys(double or single for double, single in _VARIABLE.findall(prose))
    return [name for name in names if not iskeyword(name) and name not in _LITERALS]
