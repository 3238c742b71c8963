"""Say which rules can find anything in a piece of text, so that the others need not look.

Two ways that must agree: plain Python, which looks up words and counts digits, and google-re2, which runs
over the bytes once for all rules and holds no lock meanwhile.  Neither may leave out a rule that would have
found something; both may name one that finds nothing.

Used by `scanner`.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Labels, Rule

Sieve = Callable[[Page, int, int], Sequence[int]]
Match = Callable[[bytes], list[int] | None]

_ASCII = re.compile(r"[\x00-\x7f]+")
_DIGIT = re.compile("[0-9]")
_MEMORY_BYTES = 1 << 27
_BEGINNING = r"(?:^|[^A-Za-z0-9]|\\[nrtu])"
"""Of a word, or after an escaped line break."""
_GAP = r"(?:[ .\-/()+]|\xc2\xa0|\xe2\x80.)"


def word_sieve(rules: Sequence[Rule]) -> Sieve:
    """The sieve of plain Python: digits and words are gathered once, what else it takes is looked up in the text."""
    by_stem: dict[str, list[int]] = {}
    gates = []
    for rank, rule in enumerate(rules):
        labels = Labels(rule.labels) if rule.labels else None
        gates.append((rank, rule, labels))
        for stem in labels.stems if labels is not None else ():
            by_stem.setdefault(stem, []).append(rank)
    stems = frozenset(by_stem)
    without_numbers = [gate for gate in gates if not (gate[1].numbered or gate[1].digits)]

    def sieve(page: Page, start: int, end: int) -> list[int]:
        text, folded = page.text, page.folded
        if start or end < len(folded):
            folded = folded[start:end]
        numbers = _DIGIT.search(text, start, end) is not None
        most = max([run[2] for run in page.runs(start, end)], default=0) if numbers else 0
        labelled = {rank for stem in stems & page.stems(start, end) for rank in by_stem[stem]}
        is_ascii = text.isascii()
        long_words = page.long_words(start, end)
        chosen = []
        for rank, rule, labels in gates if numbers else without_numbers:
            if rule.digits:
                if most >= rule.digits:
                    chosen.append(rank)
            elif labels is not None:
                if rank in labelled or labels.has_another(folded, is_ascii=is_ascii):
                    chosen.append(rank)
            elif rule.long and not long_words:
                continue
            elif not rule.triggers:
                chosen.append(rank)
            else:
                for word in rule.triggers:
                    if word in folded:
                        chosen.append(rank)
                        break
        return chosen

    return sieve


def re2_sieve(rules: Sequence[Rule]) -> Sieve | None:
    """The sieve of google-re2; None where it is not installed."""
    try:
        import re2
    except ImportError:
        return None
    options: Any = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes, which makes for smaller automata than UTF-8
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    always: list[int] = []
    families: dict[str, tuple[Any, list[int]]] = {}
    """Of each its automaton, and for each of its patterns the rule's rank."""
    further: dict[int, list[Match]] = {}
    """What must match, too, asked only when the first pattern of a rule does: in the automaton of a family,
    patterns that match often double its states."""

    for rank, rule in enumerate(rules):
        patterns = patterns_for(rule)
        if not patterns:
            always.append(rank)
            continue
        family = _family(rule)
        if family not in families:
            families[family] = (re2.Set.SearchSet(options), [])
        families[family][0].Add(patterns[0])
        families[family][1].append(rank)
        for pattern in patterns[1:]:
            alone = re2.Set.SearchSet(options)
            alone.Add(pattern)
            alone.Compile()
            further.setdefault(rank, []).append(alone.Match)
    for automaton, _ in families.values():
        automaton.Compile()
    everywhere: list[tuple[Match, list[int]]] = []
    numbered: list[tuple[Match, list[int]]] = []
    for family, (automaton, ranks) in families.items():
        (numbered if family in _NUMBERED else everywhere).append((automaton.Match, ranks))
    with_numbers = everywhere + numbered

    def sieve(page: Page, start: int, end: int) -> list[int]:
        text = page.text
        if start or end < len(text):
            text = text[start:end]
        matchers = everywhere if _DIGIT.search(text) is None else with_numbers
        encoded = small = text.encode("utf-8", "replace")
        found = [ranks[index] for match, ranks in matchers for index in match(encoded) or ()]
        if len(encoded) > len(text) and _has_capitals_beyond(text):  # the sets fold ASCII letters only
            small = page.folded[start:end].encode("utf-8", "replace")
            found += [ranks[index] for match, ranks in matchers for index in match(small) or ()]
        if not found:
            return always
        chosen = {*always, *found}
        for rank in further.keys() & chosen:
            for match in further[rank]:
                if not match(encoded) and (small is encoded or not match(small)):
                    chosen.discard(rank)
        return sorted(chosen)

    return sieve


def _has_capitals_beyond(text: str) -> bool:
    """Whether there are upper-case letters that are not ASCII."""
    beyond = _ASCII.sub("", text)
    return beyond != beyond.lower()


def _family(rule: Rule) -> str:
    """Patterns that share an automaton.

    Too many that count, together, have states without end, each of which costs as much as a thousand bytes
    when it is met for the first time: measured on texts not seen before.
    """
    if rule.numbered or rule.digits:
        if rule.type == "ADDRESS":
            return "words with numbers" if rule.labels else "streets"
        if rule.labels:
            return "words with numbers"
        return "national numbers" if rule.name in _NATIONAL else "numbers"
    if rule.long:
        return "long words"
    if rule.type != "SECRET":
        return "signs"
    if rule.name in ("named secret", "secret-like value"):
        return "long names"
    return "signs" if rule.name == "vendor key" else "names"


_NATIONAL: Final = frozenset({"national id", "national phone", "phone in context"})
_NUMBERED: Final = frozenset({"words with numbers", "streets", "national numbers", "numbers"})


def patterns_for(rule: Rule) -> list[str]:
    """The rule's sieve for RE2, over the bytes of UTF-8: patterns that all match; none when it has no sieve."""
    if rule.sieve:
        several = rule.sieve if isinstance(rule.sieve, tuple) else (rule.sieve,)
        return [f"{_BEGINNING}(?:{_bytes(one)})" if rule.long else _bytes(one) for one in several]
    if rule.digits:
        return [rf"[0-9](?:{_GAP}*[0-9]){{{rule.digits - 1}}}"]
    if rule.labels:
        # At the beginning of a word, or of a later one of `homeAddress`.
        ascii_ones = [re.escape(label) for label in rule.labels if label.isascii()]
        humps = [
            f"{label[0].upper()}(?i:{re.escape(label[1:])})"
            for label in rule.labels
            if label.isascii() and label[0].isalpha()
        ]
        others = [re.escape(label) for label in rule.labels if not label.isascii()]
        first = rf"(?:^|[^A-Za-z]|\\[nrt])(?i:{'|'.join(ascii_ones)})"
        return [_bytes("|".join([first, f"[a-z](?:{'|'.join(humps)})", *others]))]
    return [_bytes(f"(?i){'|'.join(map(re.escape, rule.triggers))}")] if rule.triggers else []


def _bytes(pattern: str) -> str:
    """Characters beyond ASCII as the bytes that they have in UTF-8."""
    if pattern.isascii():
        return pattern
    return "".join(
        [
            char if char.isascii() else "(?:" + "".join(f"\\x{byte:02x}" for byte in char.encode()) + ")"
            for char in pattern
        ]
    )


def from_pattern(pattern: str, *, most: int = 8) -> str:
    """An RE2 pattern that matches wherever this one of `re` does: no lookaround, nothing possessive, short repeats."""
    bounded = pattern.startswith(_BEHIND)
    pattern = _without_lookaround(pattern)
    pattern = re.sub(r"([+*?}])\+", r"\1", pattern)

    def shorter(match: re.Match[str]) -> str:
        low, comma, high = match[1], match[2], match[3]
        if int(low) > most:
            return f"{{{most},}}"
        return match[0] if not comma or (high and int(high) <= most) else f"{{{low},}}"

    pattern = re.sub(r"\{(\d+)(,?)(\d*)\}", shorter, pattern)
    return f"{_BEGINNING}(?:{pattern})" if bounded else pattern


_BEHIND: Final = (r"(?<![\w", "(?<![A-Za-z0-9", "(?<![0-9A-Za-z")


def _without_lookaround(pattern: str) -> str:
    out, at = [], 0
    while at < len(pattern):
        if pattern.startswith(("(?=", "(?!", "(?<=", "(?<!"), at):
            at = _end_of_group(pattern, at)
        elif pattern[at] == "\\":
            out.append(pattern[at : at + 2])
            at += 2
        else:
            out.append(pattern[at])
            at += 1
    return "".join(out)


def _end_of_group(pattern: str, at: int) -> int:
    depth, inside = 0, False
    while True:
        char = pattern[at]
        if char == "\\":
            at += 2
            continue
        if inside:
            inside = char != "]"
        elif char == "[":
            inside = True
            if pattern.startswith(("]", "^]"), at + 1):
                at = pattern.index("]", at + 1)
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
