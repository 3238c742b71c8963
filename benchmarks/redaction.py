"""How much the redactor finds, how much it leaves alone, and how fast: `python benchmarks/redaction.py`.

Over a labelled corpus (see `redaction_corpus`), beside Presidio's pattern recognisers and detect-secrets in
the same run, where those are installed.  A value counts as leaked when 40 % of it, and at least four
characters, stand in the output; a finding counts as right when it covers mostly what was planted.
"""

import argparse
import json
import logging
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from redaction_corpus import HARMLESS, SECRETS, Labelled, build, documents

from spanscope.redaction import Redactor

Spans = list[tuple[int, int, str]]
Find = Callable[[str], Spans]

HOSTILE = (
    *(
        "a.",
        "sk-",
        '"',
        ":",
        "1",
        "1 ",
        "4444 ",
        "@",
        "a.b.c@",
        "eyJ.",
        "://a@",
        "key=",
        'token="',
        "id: ",
        "born 1",
    ),
    *(
        "+1 2 3 4",
        "-----BEGIN PRIVATE KEY-----",
        "12 Main ",
        "passport ",
        "DE89 ",
        "::",
        "a1",
        "cookie=",
        "curl -u ",
    ),
)


def longest_left(value: str, text: str) -> int:
    """The length of the longest piece of `value` that stands in `text`."""
    best = 0
    for at in range(len(value)):
        while at + best < len(value) and value[at : at + best + 1] in text:
            best += 1
    return best


def cut_out(text: str, spans: Spans) -> str:
    parts, at = [], 0
    for start, end, _ in sorted(spans):
        if start >= at:
            parts.append(text[at:start])
            at = end
        else:
            at = max(at, end)
    return "\0".join([*parts, text[at:]])


def ours(*, accelerate: bool) -> Find:
    redactor = Redactor(accelerate=accelerate)
    return lambda text: [(one.start, one.end, one.type) for one in redactor.find(text)]


def presidio() -> Find | None:
    """Its recognisers by pattern, as shipped for English, without a language model."""
    try:
        import tldextract
        from presidio_analyzer import RecognizerRegistry
    except ImportError:
        return None
    logging.disable(logging.WARNING)
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())  # its own copy of the list: no network
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    recognisers = [one for one in registry.recognizers if type(one).__name__ != "SpacyRecognizer"]

    def find(text: str) -> Spans:
        return [
            (one.start, one.end, one.entity_type)
            for recogniser in recognisers
            for one in recogniser.analyze(text, recogniser.supported_entities, None) or ()
        ]

    return find


def detect_secrets() -> Find | None:
    """All its plugins, line by line, as its scanner runs them."""
    try:
        from detect_secrets.core.scan import scan_line
        from detect_secrets.settings import default_settings
    except ImportError:
        return None

    def find(text: str) -> Spans:
        spans: Spans = []
        with default_settings():
            for line in text.splitlines():
                for secret in scan_line(line):
                    value = secret.secret_value or ""
                    at = text.find(value) if value else -1
                    if at >= 0:
                        spans.append((at, at + len(value), secret.type))
        return spans

    return find


def judge(find: Find, corpus: Iterable[Labelled]) -> dict[str, Any]:
    """Leaks by type, precision, and how many clean texts were changed."""
    total: Counter[str] = Counter()
    leaked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    found_of: Counter[str] = Counter()
    changed = clean = touched = near = 0
    for one in corpus:
        spans = find(one.text)
        left = cut_out(one.text, spans)
        for kind, value in one.planted:
            total[kind] += 1
            leaked[kind] += longest_left(value, left) >= max(4, 0.4 * len(value))
        for start, end, kind in spans:
            what = one.text[start:end]
            found_of[kind] += 1
            right[kind] += any(longest_left(what, value) >= 0.5 * len(what) for _, value in one.planted)
        if one.near:
            near += 1
            touched += bool(spans)
        elif not one.planted:
            clean += 1
            changed += bool(spans)
    personal = [kind for kind in total if kind not in SECRETS]
    return {
        "leaked_personal": share(*[sum(counted[kind] for kind in personal) for counted in (leaked, total)]),
        "leaked_secrets": share(sum(leaked[kind] for kind in SECRETS), sum(total[kind] for kind in SECRETS)),
        "precision": share(sum(right.values()), sum(found_of.values())),
        "harmless_changed": share(changed, clean),
        "near_misses_touched": share(touched, near),
        "recall_by_type": {kind: share(total[kind] - leaked[kind], total[kind]) for kind in sorted(total)},
        "precision_by_type": {kind: share(right[kind], found_of[kind]) for kind in sorted(found_of)},
    }


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def speed(find: Find, texts: list[str], seconds: float = 2.0) -> float:
    """Megabytes a second of processor time, over texts that it has not seen; the best of several passes."""
    best, spent = 0.0, 0.0
    part = texts[: max(1, len(texts) // 8)]
    while spent < seconds:
        began = time.process_time()
        for text in part:
            find(text)
        took = time.process_time() - began
        spent += took
        best = max(best, sum(map(len, part)) / 1e6 / max(took, 1e-9))
        if took < seconds / 8 and len(part) < len(texts):
            part = texts
    return best


PROSE = "The committee met again and put off the vote until the spring, as it had done before. " * 1_000


def speeds_of(find: Find, seed: int, rounds: int) -> dict[str, float]:
    """MB/s over the corpus as it is, long texts of one line in ten, and prose; µs for a short clean text.

    `new texts` are looked at once, as in production: automata and memories have not seen them, while the
    modules of validators have been loaded by ten rounds of others.
    """
    texts = [one.text for one in build(seed, rounds)]
    short = [text[:100] for text in HARMLESS]
    clean = speed(find, short, 1.0)
    for one in build(seed + 2_000, 10):
        find(one.text)
    fresh = [one.text for one in build(seed + 1_000, rounds)]
    began = time.process_time()
    for text in fresh:
        find(text)
    took = time.process_time() - began
    return {
        "short texts, half with something, MB/s": speed(find, texts),
        "the same, new texts, MB/s": sum(map(len, fresh)) / 1e6 / took,
        "documents, 1 line in 10, MB/s": speed(find, documents(seed)),
        "clean prose, MB/s": speed(find, [PROSE], 1.0),
        "clean text of up to 100 characters, µs": sum(map(len, short)) / len(short) / clean,
    }


def growth(find: Find, small: int = 50_000, large: int = 1_000_000) -> Iterator[tuple[str, float, float]]:
    """For each hostile shape the exponent of its growth, and the seconds that the large text took."""

    def took(text: str) -> float:
        began = time.process_time()
        find(text)
        return time.process_time() - began

    for unit in HOSTILE:
        first = min(took((unit * small)[:small]) for _ in range(3))
        last = took((unit * large)[:large])
        yield unit, math.log(max(last, 1e-4) / max(first, 1e-4)) / math.log(large / small), last


@contextmanager
def section(title: str) -> Iterator[None]:
    print(f"\n{title}\n{'-' * len(title)}")
    yield


def show(results: dict[str, dict[str, Any]], speeds: dict[str, dict[str, float]]) -> None:
    percent = lambda value: "    -" if value is None else f"{100 * value:5.1f}"  # noqa: E731
    with section("In percent"):
        print(f"{'':24}" + "".join(f"{name:>17}" for name in results))
        for key in list(next(iter(results.values())))[:5]:
            print(f"{key:24}" + "".join(f"{percent(one[key]):>17}" for one in results.values()))
    with section("Speed, one core"):
        print(f"{'':40}" + "".join(f"{name:>19}" for name in results))
        for key in next(iter(speeds.values())):
            print(f"{key:40}" + "".join(f"{speeds[name][key]:19.3f}" for name in results))
    mine = results["spanscope"]
    with section("spanscope by type: recall, precision, F1"):
        aliases = {"KEY": "SECRET", "OPAQUE": "SECRET", "PASSWORD": "SECRET"}
        for kind, recall in mine["recall_by_type"].items():
            precision = mine["precision_by_type"].get(aliases.get(kind, kind))
            f1 = 2 * recall * precision / (recall + precision) if recall and precision else None
            print(f"{kind:14}{percent(recall)}{percent(precision):>8}{percent(f1):>8}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rounds", type=int, default=10, help="texts of each template")
    options.add_argument("--json", type=Path, help="where to write all figures")
    options.add_argument("--no-growth", action="store_true", help="leave out the hostile texts")
    chosen = options.parse_args()
    corpus = build(chosen.seed, chosen.rounds)
    tools = {
        "spanscope": ours(accelerate=True),
        "spanscope, no re2": ours(accelerate=False),
        "presidio": presidio(),
        "detect-secrets": detect_secrets(),
    }
    results, speeds = {}, {}
    for name, find in tools.items():
        if find is None:
            print(f"{name} is not installed")
            continue
        results[name] = judge(find, corpus)
        speeds[name] = speeds_of(find, chosen.seed, chosen.rounds)
    show(results, speeds)
    if "presidio" in speeds:
        with section("Times the speed of Presidio's patterns"):
            for key, theirs in speeds["presidio"].items():
                ours_ = [speeds[name][key] for name in ("spanscope", "spanscope, no re2")]
                times = [theirs / one if key.endswith("µs") else one / theirs for one in ours_]
                print(f"{key:40}" + "".join(f"{one:19.1f}" for one in times))
    worst: list[tuple[str, float, float]] = []
    if not chosen.no_growth:
        with section("Hostile texts: exponent of growth to 1 MB, seconds"):
            worst = list(growth(tools["spanscope"]))  # type: ignore[arg-type]
            for unit, exponent, seconds in worst:
                print(f"{unit!r:32}{exponent:6.2f}{seconds:8.2f}")
    if chosen.json:
        chosen.json.write_text(json.dumps({"quality": results, "speed": speeds, "growth": worst}, indent=2))


if __name__ == "__main__":
    main()
