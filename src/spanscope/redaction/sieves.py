"""Say which rules can find anything in a piece of text, so that the others need not look.

Two ways that must agree: plain Python, which looks up words and counts digits, and google-re2, which runs
over the bytes once for all rules and holds no lock meanwhile.  Neither may leave out a rule that would have
found something; both may name one that finds nothing.

Used by `scanner`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from spanscope.redaction.page import GAPS, Page
from spanscope.redaction.rules import Labels, Rule

Sieve = Callable[[Page, int, int], Sequence[int]]
Match = Callable[[bytes], list[int] | None]

_ASCII = re.compile(r"[\x00-\x7f]+")
_DIGIT = re.compile("[0-9]")
_MEMORY_BYTES = 1 << 27
_BEGINNING = r"(?:^|[^A-Za-z0-9]|\\[nrtu])"
"""Of a word, or after an escaped line break."""
_GAP = r"(?:[ .\-/()+]|\xc2\xa0|\xe2\x80.)"


class _Words:
    """Words to look for in a text in lower case, each only if those that stand within it are there.

    `password` is looked for when `pass` was found, so that most texts are looked through for a third of them.
    """

    def __init__(self, ranks_of: Mapping[str, Iterable[int]]) -> None:
        words = {word: tuple(ranks) for word, ranks in ranks_of.items()}
        parts = {
            word: max([other for other in words if other in word and other != word], key=len, default="")
            for word in words
        }
        self._under = {
            part: [(word, words[word]) for word, its_part in parts.items() if its_part == part]
            for part in dict.fromkeys(parts.values())
        }

    def ranks_in(self, folded: str) -> set[int]:
        """The ranks of all rules of which a word is in the text."""
        found: set[int] = set()
        there = [""]
        for part in there:
            for word, ranks in self._under.get(part, ()):
                if word in folded:
                    there.append(word)
                    found.update(ranks)
        return found


def word_sieve(rules: Sequence[Rule]) -> Sieve:
    """The sieve of plain Python: digits and words are gathered once, what else it takes is looked up in the text."""
    by_stem: dict[str, list[int]] = {}
    by_word: dict[str, list[int]] = {}
    for rank, rule in enumerate(rules):
        labels = Labels(rule.labels)
        for stem in labels.stems:
            by_stem.setdefault(stem, []).append(rank)
        for word in (*labels.others, *(() if rule.labels else rule.triggers)):
            by_word.setdefault(word, []).append(rank)
    stems = frozenset(by_stem)
    ungated = [
        rank
        for rank, rule in enumerate(rules)
        if not (rule.labels or rule.digits or rule.triggers or rule.long)
    ]
    by_digits = [(rule.digits, rank) for rank, rule in enumerate(rules) if rule.digits]
    in_long_words = [(rank, _search_in_words(rule)) for rank, rule in enumerate(rules) if rule.long]
    numbered = frozenset([rank for rank, rule in enumerate(rules) if rule.numbered or rule.digits])
    everything = _Words(by_word)
    in_ascii = _Words({word: ranks for word, ranks in by_word.items() if word.isascii()})

    def sieve(page: Page, start: int, end: int) -> list[int]:
        text, folded = page.text, page.folded
        if start or end < len(folded):
            folded = folded[start:end]
        chosen = (in_ascii if text.isascii() else everything).ranks_in(folded)
        chosen.update(ungated)
        long_words = page.long_words(start, end)
        if long_words:
            for rank, search in in_long_words:
                if search(long_words):
                    chosen.add(rank)
        if _DIGIT.search(text, start, end) is None:
            chosen -= numbered
        else:
            for stem in stems & page.stems(start, end):
                chosen.update(by_stem[stem])
            if runs := page.runs(start, end):
                most = max([run[2] for run in runs])
                chosen.update([rank for digits, rank in by_digits if most >= digits])
        return sorted(chosen)

    return sieve


def _search_in_words(rule: Rule) -> Callable[[str], object]:
    """What looks for a rule in long words; one with many alternatives is quicker to look itself."""
    if isinstance(rule.sieve, tuple) or "|" in rule.sieve or not rule.sieve:
        return bool
    return re.compile(rule.sieve).search


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

    def automaton(patterns: Iterable[str]) -> Match:
        together = re2.Set.SearchSet(options)
        for pattern in patterns:
            together.Add(pattern)
        together.Compile()
        match: Match = together.Match
        return match

    always: list[int] = []
    families: dict[str, dict[int, str]] = {}
    further: dict[int, list[Match]] = {}
    """What must match, too, asked only when the first pattern of a rule does."""
    for rank, rule in enumerate(rules):
        patterns = patterns_for(rule)
        if not patterns:
            always.append(rank)
            continue
        families.setdefault(_family(rule), {})[rank] = patterns[0]
        if patterns[1:]:
            further[rank] = [automaton([pattern]) for pattern in patterns[1:]]
    members = [(automaton(one.values()), list(one)) for one in families.values()]
    least = min([rule.digits for rule in rules if rule.digits], default=1)
    enough_digits = re.compile(rf"[0-9](?:[{GAPS}+]*[0-9]){{{least - 1}}}").search

    @cache
    def matchers(numbers: bool, digits: bool) -> list[tuple[Match, list[int]]]:
        """The automata that may find something, as far as it can be told at a lesser cost than by them."""
        return [
            (match, ranks)
            for match, ranks in members
            if (numbers or not all(rules[rank].numbered for rank in ranks))
            and (digits or not all(rules[rank].digits for rank in ranks))
        ]

    def sieve(page: Page, start: int, end: int) -> list[int]:
        text = page.text
        if start or end < len(text):
            text = text[start:end]
        numbers = _DIGIT.search(text) is not None
        several = matchers(numbers, numbers and enough_digits(text) is not None)
        encoded = small = text.encode("utf-8", "replace")
        found = [ranks[index] for match, ranks in several for index in match(encoded) or ()]
        if len(encoded) > len(text) and _has_capitals_beyond(text):  # the sets fold ASCII letters only
            small = page.folded[start:end].encode("utf-8", "replace")
            found += [ranks[index] for match, ranks in several for index in match(small) or ()]
        if not found:
            return always
        chosen = {*always, *found}
        for rank in further.keys() & chosen:
            for match in further[rank]:
                if not match(encoded) and (small is encoded or not match(small)):
                    chosen.discard(rank)
                    break
        return sorted(chosen)

    return sieve


def _has_capitals_beyond(text: str) -> bool:
    """Whether there are upper-case letters that are not ASCII."""
    beyond = _ASCII.sub("", text)
    return beyond != beyond.lower()


def _family(rule: Rule) -> str:
    """Patterns that share an automaton.

    Short words share one of a few thousand states, which are all met soon.  Patterns that count or go on for
    long have, together, states without end, each of which costs as much as a thousand bytes when it is met
    for the first time; so they stand alone, or are asked for by `further`.
    """
    if rule.name in _ALONE:
        return rule.name
    if rule.digits:
        return "digits"
    if rule.numbered:
        return "labels" if rule.labels else "shapes"
    return "long words" if rule.long else "words"


_ALONE: Final = frozenset(
    {
        "road",
        "address with code",
        "address between numbers",
        "national id",
        "national phone",
        "phone in context",
    }
)


def patterns_for(rule: Rule) -> list[str]:
    """The rule's sieve for RE2, over the bytes of UTF-8: patterns that all match; none when it has no sieve."""
    if rule.sieve:
        several = list(rule.sieve) if isinstance(rule.sieve, tuple) else [rule.sieve]
        if isinstance(rule.sieve, str) and rule.triggers and not rule.numbered:
            several.insert(0, _any_word(rule.triggers))
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
        beyond = [f"(?i:{'|'.join(others)})"] if others else []
        return [_bytes("|".join([first, f"[a-z](?:{'|'.join(humps)})", *beyond]))]
    return [_bytes(_any_word(rule.triggers))] if rule.triggers else []


def _any_word(words: Iterable[str]) -> str:
    return f"(?i){'|'.join(map(re.escape, words))}"


_BEYOND: Final = {
    r"\w": (r"[\w\x80-\xff]", r"\w\x80-\xff"),
    r"\s": (r"(?:[\s\x0b\x1c-\x1f]|[\xc2\xe1-\xe3][\x80-\xbf]{1,2})", r"\s\x0b\x1c-\x1f\x80-\xff"),
}
"""What stands for a letter and a space beyond ASCII: outside a class and in one."""
_TOKEN = re.compile(r"\\.|\[\^?\]?|.", re.DOTALL)


def _bytes(pattern: str) -> str:
    """The same for the bytes of UTF-8; letters and spaces are those of all scripts, as they are for `re`."""
    written, inside = [], ""
    for token in _TOKEN.findall(pattern):
        if token in _BEYOND and not inside.startswith("[^"):
            written.append(_BEYOND[token][bool(inside)])
            continue
        if token[0] == "[" and not inside:
            inside = token
        elif token == "]":
            inside = ""
        written.append(token if token.isascii() else _utf8(token))
    return "".join(written)


def _utf8(char: str) -> str:
    return "(?:" + "".join([f"\\x{byte:02x}" for byte in char.encode()]) + ")"


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
