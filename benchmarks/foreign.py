"""How the redactor does on text by others: `python benchmarks/foreign.py`.

Three corpora that nobody here wrote, made on the spot by packages that are not ours to ship:

- the sentences of Presidio's research (`pip install presidio-evaluator`), every entity of which is labelled;
- addresses as Faker writes them in the languages that it knows (`pip install faker`), labelled and alone;
- harmless text: the metadata, documents and code of the packages installed beside it.

A value leaks when 40 % of it, and at least four characters, stand in the output; of one of up to eight
characters 60 %.  Names of people, places and companies, ages and dates in general are left to a detector (see
the guide to redaction), so they are not counted; a finding is right when it overlaps any labelled entity.
"""

import argparse
import contextlib
import io
import json
import random
import re
import site
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spanscope.redaction import Redactor

STRUCTURED = frozenset(
    [
        *("CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "PHONE_NUMBER", "STREET_ADDRESS"),
        *("US_DRIVER_LICENSE", "US_SSN", "ZIP_CODE"),
    ]
)
_EMAIL = re.compile(r"[\w.+\-]+@[\w\-]+\.[\w.\-]+")
CARRIERS = (
    "Address: {}",
    "Please deliver to {} by Friday.",
    "I live at {}",
    "{}",
    "Name: Bob\n{}\nThanks",
    "> {}\n> Best, Ann",
)


class Sentence(NamedTuple):
    """A text, and of each entity in it the type, the beginning and the value."""

    text: str
    entities: list[tuple[str, int, str]]


def research(seed: int, count: int) -> list[Sentence] | None:
    """Sentences of Presidio's research, with values made from `seed`; None where its package is missing."""
    try:
        from presidio_evaluator.data_generator import PresidioSentenceFaker
    except ImportError:
        return None
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        maker = PresidioSentenceFaker("en_US", lower_case_ratio=0.05, random_seed=seed)
        made = [one.to_dict() for one in maker.generate_new_fake_sentences(count)]
    return [_sentence(one) for one in made]


def _sentence(one: dict[str, Any]) -> Sentence:
    spans = [
        (span["entity_type"], span["start_position"], str(span["entity_value"])) for span in one["spans"]
    ]
    return Sentence(one["full_text"], spans)


def addresses(seed: int, each: int = 12) -> list[Sentence] | None:
    """Addresses of every locale of Faker that writes numbers, in sentences and alone."""
    try:
        from faker import Faker
        from faker.config import AVAILABLE_LOCALES
    except ImportError:
        return None
    chosen, sentences = random.Random(seed), []
    for locale in sorted(one for one in AVAILABLE_LOCALES if "_" in one):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            faker = Faker(locale)
        faker.seed_instance(seed)
        for at in range(each):
            value = faker.address()
            if any(map(str.isdigit, value)):
                carrier = CARRIERS[at % len(CARRIERS)]
                value = value.replace(
                    "\n", "\n> " if carrier.startswith(">") else chosen.choice(["\n", ", "])
                )
                sentences.append(Sentence(carrier.format(value), [(locale, carrier.find("{"), value)]))
    return sentences


def harmless(seed: int, count: int) -> Iterator[str]:
    """Pieces of 1 500 characters of what the installed packages brought, without their authors' addresses."""
    root = Path(site.getsitepackages()[0])
    patterns = ("*.dist-info/METADATA", "**/*.md", "**/*.rst", "**/*.py", "**/*.json", "**/*.js")
    for pattern in patterns:
        files = sorted(path for path in root.glob(pattern) if "spanscope" not in str(path))
        chosen = random.Random(seed)
        for path in chosen.sample(files, min(len(files), count // len(patterns))):
            text = path.read_text("utf-8", "replace")[:400_000]
            start = chosen.randrange(max(1, len(text) - 1_500))
            yield _EMAIL.sub("someone", text[start : start + 1_500])


def leaks(value: str, out: str) -> bool:
    least = max(4, 0.4 * len(value)) if len(value) > 8 else max(3, 0.6 * len(value))
    size = int(least) + (least > int(least))
    return any(value[at : at + size] in out for at in range(len(value) - size + 1))


def judge(redactor: Redactor, sentences: Iterable[Sentence], types: frozenset[str] | None) -> None:
    total: Counter[str] = Counter()
    leaked: Counter[str] = Counter()
    right = found = clean = changed = 0
    for text, entities in sentences:
        out = redactor.redact(text)
        places = redactor.find(text)
        found += len(places)
        right += sum(
            any(at < one.end and one.start < at + len(value) for _, at, value in entities) for one in places
        )
        if types is not None and not any(kind in types or kind == "DATE_TIME" for kind, _, _ in entities):
            clean += 1
            changed += out != text
        for kind, _, value in entities:
            if len(value) >= 3 and (types is None or kind in types):
                total[kind] += 1
                leaked[kind] += leaks(value, out)
    if types is not None:
        for kind in sorted(total):
            print(f"  {kind:20}{leaked[kind]:5} of {total[kind]:5} leaked {leaked[kind] / total[kind]:8.1%}")
    else:
        worst = [f"{kind} {leaked[kind]}/{total[kind]}" for kind, _ in leaked.most_common(8)]
        print(f"  {len(total)} locales; most leaks: {', '.join(worst)}")
    print(f"  {'all':20}{leaked.total():5} of {total.total():5} leaked {leaked.total() / total.total():8.1%}")
    print(f"  precision: {right} of {found} findings overlap a labelled entity, {right / max(1, found):.1%}")
    if clean:
        print(f"  {changed} of {clean} sentences without structured data were changed, {changed / clean:.1%}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=1_500, help="sentences, and pieces of harmless text")
    options.add_argument(
        "--file", type=Path, help="a set in the JSON of presidio-evaluator, instead of a new one"
    )
    chosen = options.parse_args()
    redactor = Redactor()
    print("Presidio's research sentences")
    made = (
        research(chosen.seed, chosen.count)
        if chosen.file is None
        else [*map(_sentence, json.loads(chosen.file.read_text()))]
    )
    print("  presidio-evaluator is not installed") if made is None else judge(redactor, made, STRUCTURED)
    print("Addresses by Faker")
    made = addresses(chosen.seed)
    print("  faker is not installed") if made is None else judge(redactor, made, None)
    pieces = list(harmless(chosen.seed, chosen.count))
    changed = sum(redactor.redact(piece) != piece for piece in pieces)
    print("Text of installed packages (some of it addresses and numbers of real people, or keys of tests)")
    print(f"  {changed} of {len(pieces)} pieces were changed, {changed / len(pieces):.1%}")


if __name__ == "__main__":
    main()
