"""Try the redactor on texts and tell what it would take out: counts, masked samples and the time it took.

For whoever sets up rules and allow lists: what is found too much shows in the samples, in which nothing is
shown that would not be kept.

Used by `spanscope redact --dry-run`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from spanscope.redaction.engine import Redactor

SAMPLES: Final = 3
"""Of each type, with different surroundings."""
_AROUND: Final = 24


@dataclass(kw_only=True)
class Trial:
    """What was found in some texts."""

    texts: int = 0
    changed: int = 0
    """Texts in which something was found."""
    withheld: int = 0
    """Texts that could not be searched, which would be withheld as a whole."""
    chars: int = 0
    seconds: float = 0.0
    types: Counter[str] = field(default_factory=Counter)
    rules: dict[str, Counter[str]] = field(default_factory=dict)
    """By type, how often each rule found it."""
    samples: dict[str, list[str]] = field(default_factory=dict)
    """By type, how it stands in the text, masked."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "texts": self.texts,
            "changed": self.changed,
            "withheld": self.withheld,
            "chars": self.chars,
            "seconds": self.seconds,
            "types": [
                {"type": kind, "count": count, "rules": dict(self.rules[kind]), "samples": self.samples[kind]}
                for kind, count in self.types.most_common()
            ],
        }


def trial(redactor: Redactor, texts: Iterable[str]) -> Trial:
    """Search each text and change none."""
    seen = Trial()
    for text in texts:
        seen.texts += 1
        seen.chars += len(text)
        redactor.begin_record()
        started = perf_counter()
        try:
            found = redactor.find(text)
        except Exception:  # noqa: BLE001  the boundary of a text: whatever a detector raises, it would be withheld
            seen.withheld += 1
            found = []
        seen.seconds += perf_counter() - started
        seen.changed += bool(found)
        edges = [0, *(one.end for one in found)]
        nexts = [*(one.start for one in found[1:]), len(text)]
        for one, after, before in zip(found, edges, nexts, strict=False):
            seen.types[one.type] += 1
            seen.rules.setdefault(one.type, Counter())[one.rule] += 1
            samples = seen.samples.setdefault(one.type, [])
            if len(samples) < SAMPLES:
                # Up to the neighbours, so that none of them stands in the sample.
                left = text[max(after, one.start - _AROUND) : one.start]
                right = text[one.end : min(before, one.end + _AROUND)]
                sample = " ".join(f"{left}[{one.type}]{right}".split())
                if sample not in samples:
                    samples.append(sample)
    return seen
