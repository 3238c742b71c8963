"""`spanscope reprice`: stored costs with today's prices, and the difference by model."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from spanscope.cli.options import AsJson, DryRun, StorePath, console, counted, print_json, tell

if TYPE_CHECKING:
    from rich.table import Table

    from spanscope.store.repricing import Repricing


def reprice(
    since: Annotated[str | None, typer.Option(help="Only calls since: 30m, 12h, 7d, or a date.")] = None,
    prices: Annotated[
        str | None,
        typer.Option(help="TOML file with prices of your own. Default: $SPANSCOPE_PRICES."),
    ] = None,
    dry_run: DryRun = False,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Compute stored costs anew with today's price table, and say what that changes, by model.

    Each call is priced as of when it was made. What a provider reported stays.
    """
    from spanscope.cli.listing import parse_since
    from spanscope.pricing import Pricing
    from spanscope.store import open_store

    pricing = Pricing(prices)
    with open_store(store) as opened:
        found = opened.reprice(pricing, since=parse_since(since) if since else None, dry_run=dry_run)
    if as_json:
        print_json(found.to_dict())
        return
    if not found.calls:
        tell("No model call matches." if since else "The store holds no model call yet.")
        return
    console().print(_table(found))
    for line in _lines(found):
        typer.echo(line)


def _table(found: "Repricing") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("model", overflow="fold")
    for title in ("calls", "changed", "no price", "before", "after", "difference"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in found.models:
        table.add_row(
            Text(one.model),
            f"{one.calls:,}",
            f"{one.changed:,}",
            f"{one.unpriced:,}",
            "-" if one.before_usd is None else dollars(one.before_usd),
            "-" if one.after_usd is None else dollars(one.after_usd),
            dollars(one.difference_usd, sign=True),
        )
    return table


def _lines(found: "Repricing") -> list[str]:
    would = "would change" if found.dry_run else "changed"
    tables = ", ".join(found.tables) or "no price table was asked"
    lines = [
        f"{found.changed:,} of {counted(found.calls, 'call')} {would}, "
        f"in {counted(found.traces_changed, 'trace')}: "
        f"{dollars(found.difference_usd, sign=True)} ({tables})"
    ]
    if found.unpriced:
        lines.append(
            f"No price in the table for {counted(found.unpriced, 'call')}; what was known of them stays. "
            "Give prices of your own: --prices FILE"
        )
    return lines


def dollars(amount: Decimal, *, sign: bool = False) -> str:
    """All digits of it, for a small difference is what one looks for here; at least cents."""
    short = amount.normalize()
    exponent = short.as_tuple().exponent
    digits = max(2, -exponent) if isinstance(exponent, int) else 2
    mark = "-" if amount < 0 else "+" if sign and amount > 0 else ""
    return f"{mark}${abs(amount):,.{digits}f}"
