"""`spanscope prune`: let go of what is old, in tiers."""

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spanscope.cli.options import AsJson, DryRun, StorePath, counted, print_json
from spanscope.exceptions import ConfigError

if TYPE_CHECKING:
    from spanscope.store.retention import Pruned

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdwy])")
_DAYS: Final = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_BYTES: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def prune(
    content: Annotated[str, typer.Option(help="Keep full texts so long: 12h, 7d, 2w, 1y or never.")] = "7d",
    spans: Annotated[str, typer.Option(help="Keep spans so long.")] = "90d",
    daily: Annotated[str, typer.Option(help="Keep daily sums of pruned spans so long.")] = "2y",
    status: Annotated[str | None, typer.Option(help="Only traces with this status.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only traces with this tag.")] = None,
    environment: Annotated[str | None, typer.Option(help="Only traces of this environment.")] = None,
    max_size: Annotated[
        str | None, typer.Option(help="Also the oldest traces, until the store is this small: 500MB, 2GB.")
    ] = None,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Give the space back, for which the file is locked a while.")
    ] = False,
    dry_run: DryRun = False,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Let go of what is old: full texts, then spans, then the daily sums that were kept of them.

    `never` keeps a tier for ever.
    """
    from spanscope.store import open_store

    with open_store(store) as opened:
        done = opened.prune(
            content_days=parse_age(content, "--content"),
            spans_days=parse_age(spans, "--spans"),
            daily_days=parse_age(daily, "--daily"),
            status=status,
            tag=tag,
            environment=environment,
            max_bytes=parse_size(max_size) if max_size is not None else None,
            dry_run=dry_run,
            vacuum=vacuum or None,
        )
    if as_json:
        print_json(done.to_dict())
    else:
        typer.echo(_line(done))


def parse_age(text: str, option: str) -> float | None:
    """Days; None for `never`."""
    if text.strip().lower() == "never":
        return None
    if (found := _AGE.fullmatch(text.strip().lower())) is None:
        raise ConfigError(f"{option} {text!r} is no age: write 12h, 7d, 2w, 1y or never")
    return float(found[1]) * _DAYS[found[2]]


def parse_size(text: str) -> int:
    """Bytes."""
    if (found := _SIZE.fullmatch(text.strip())) is None:
        raise ConfigError(f"--max-size {text!r} is no size: write 500MB or 2GB")
    return int(float(found[1]) * _BYTES[found[2].lower()])


def _line(done: "Pruned") -> str:
    size = ""
    if done.bytes_before is not None and done.bytes_after is not None:
        size = f"; the file had {done.bytes_before / 1e6:,.1f} MB and has {done.bytes_after / 1e6:,.1f} MB"
    return (
        f"{'would go' if done.dry_run else 'gone'}: {counted(done.traces, 'trace')}, "
        f"{counted(done.spans, 'span')}, {counted(done.contents, 'text')}, "
        f"{counted(done.daily_removed, 'row')} of daily sums, "
        f"{counted(done.vault_items, 'text')} of the vault; "
        f"{'would be cut' if done.dry_run else 'cut'}: {counted(done.texts_cut, 'text')}{size}"
    )
