"""`hundredfold prices`: what tokens cost, by which source, and taking up a public price feed."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from hundredfold.cli.context import Where
from hundredfold.cli.output import counted, print_json, printable, say
from hundredfold.cli.pricetable import (
    KINDS,
    difference_text,
    plain_rows,
    print_rows,
    rate_text,
    row_document,
)
from hundredfold.config import data_home, price_files
from hundredfold.errors import ConfigError, UnavailableError
from hundredfold.prices.writing import day_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hundredfold.prices.book import PriceBook
    from hundredfold.prices.feeds import Update
    from hundredfold.prices.rows import PriceRow

#: a price map is a few megabytes
MOST_BYTES = 64 * 1024 * 1024
TIMEOUT_S = 60.0


def prices(
    *models: str,
    provider: str = "",
    at: str = "",
    history: bool = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """The prices in force: dollars per million tokens, with their source.

    Parameters
    ----------
    models
        Only these models (snapshots and aliases too, and patterns with *).
    provider
        Only this provider's.
    at
        The prices of that day (2026-08-01); default: today.
    history
        Also what held before and what will hold.
    json
        Print JSON; prices are picodollars per token.
    """
    book = _book(where)
    at_us = _day_us(at)
    rows = _chosen(book, models, provider)
    if not history:
        rows = _in_force(rows, at_us)
    if json:
        print_json([row_document(row) for row in rows])
    elif sys.stdout.isatty():
        print_rows(rows)
    else:
        sys.stdout.write("".join(f"{line}\n" for line in plain_rows(rows)))
    return 0


def show(
    model: str,
    *,
    tier: str = "standard",
    input_tokens: int = 1,
    at: str = "",
    provider: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """The one price row that applies to a request, and where it is from.

    Parameters
    ----------
    model
        The model, a snapshot of it or another name for it.
    tier
        The tier that served: fast, standard, flex or batch.
    input_tokens
        How many input tokens the request has, cached ones included.
    at
        The day of the request (2026-08-01); default: today.
    provider
        Whose prices, where several providers have the model.
    json
        Print JSON; prices are picodollars per token.
    """
    from hundredfold.prices.book import Unpriced
    from hundredfold.prices.scenario import change_of

    book = _book(where)
    change = change_of(book, model=model, tier=tier, provider=provider)
    assert change.tier is not None
    row = book.row(
        prices=change.provider, model=model, tier=change.tier, input_tokens=input_tokens, at_us=_day_us(at)
    )
    if isinstance(row, Unpriced):
        raise ConfigError(
            f"such a request is unpriced: {row.reason}",
            "Add a row in a price file (`prices` in hundredfold.toml).",
        )
    if json:
        print_json(row_document(row))
        return 0
    asked = "" if row.tier == change.tier else f"; {change.tier} is not served at this size"
    lines = [f"{row.model} of {row.provider}, {row.tier}{asked}"]
    lines += [
        f"  {name:<12} {rate_text(row, kind) or 'not known: such a request is unpriced'}"
        for kind, name in KINDS
    ]
    if row.over:
        lines.append(f"  for requests of more than {row.over:,} input tokens")
    lines += [
        f"  since        {day_of(row.since_us) if row.since_us else 'ever'}",
        f"  source       {row.source}",
    ]
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    return 0


def update(
    source: str,
    *,
    into: Path | None = None,
    provider: Annotated[tuple[str, ...], Parameter(negative=())] = ("openai", "anthropic", "google"),
    model: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    dry_run: bool = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Take up what a public feed says: LiteLLM's price map or models.dev's api.json.

    A model that is not known yet gets the feed's prices for all times; where the feed differs from what holds
    today, its price holds from today on. Earlier bills stay as they are.

    Parameters
    ----------
    source
        A file or an http(s) address.
    into
        The price file to write; default: one in the data directory, which holds for all projects.
    provider
        Whose models (repeat it; * for all).
    model
        Only these models (repeat it; patterns with *).
    dry_run
        Only say what would change.
    json
        Print what changed as JSON.
    """
    from hundredfold.prices.feeds import read_feed, update_of

    now = datetime.now(UTC)
    target = into or data_home() / "prices" / "feed.toml"
    book = _book(where, also=target)
    feed = read_feed(_content(source), source.rpartition("/")[2] or source)
    rows = tuple(row for row in feed.rows if not model or _matches(row.model, model))
    unread = [
        one
        for one in feed.unread
        if ("*" in provider or one.provider in provider) and (not model or _matches(one.model, model))
    ]
    made = update_of(
        book,
        type(feed)(feed.format, rows, feed.models, feed.skipped),
        day=now.date(),
        at_us=_day_us(""),
        providers=provider,
    )
    if not dry_run:
        _write(target, made, source, now.date())
    if json:
        print_json(
            {
                "format": feed.format,
                "same": made.same,
                "new": [row_document(row) for row in made.new],
                "changed": [{"before": row_document(a), "after": row_document(b)} for a, b in made.changed],
                "skipped": feed.skipped,
                "unread": unread,
                "file": None if dry_run else str(target),
            }
        )
        return 0
    for before, after in made.changed:
        sys.stdout.write(f"{printable(difference_text(before, after))}\n")
    names = sorted({f"{row.provider} {row.model}" for row in made.new})
    for name in names[:20]:
        sys.stdout.write(f"new: {printable(name)}\n")
    if len(names) > 20:
        sys.stdout.write(f"new: {len(names) - 20:,} more models\n")
    verb = "would change" if dry_run else "changed"
    say(
        f"{feed.format}: {counted(made.same, 'price')} as before, "
        f"{len(made.changed):,} {verb} from today on, "
        f"{counted(len(made.new), 'new row')} of {counted(len(names), 'model')}"
        + ("" if dry_run else f", in {target}")
    )
    if feed.skipped:
        say(_left_out(feed.skipped))
    if unread:
        named = ", ".join(printable(f"{one.model} {one.key} = {one.value}") for one in unread[:3])
        more = f" and {len(unread) - 3:,} more (--json)" if len(unread) > 3 else ""
        say(f"{counted(len(unread), 'price')} that can't be read, left out: {named}{more}")
    unknown = set(_thresholds(made)) - set(book.thresholds)
    if unknown and not dry_run:
        say("New thresholds: where a bill or a what-if is slow, `hundredfold spend rebuild` mends it.")
    return 0


def _left_out(skipped: Mapping[str, int]) -> str:
    """How many entries were not taken over, and the commonest reasons."""
    most = sorted(skipped.items(), key=lambda one: (-one[1], one[0]))
    told = [f"{count:,} with {printable(why)}" for why, count in most[:3]]
    rest = sum(count for _, count in most[3:])
    return f"left out: {', '.join([*told, *([f'{rest:,} for other reasons (--json)'] if rest else [])])}"


def _thresholds(made: Update) -> list[int]:
    return [row.over for row in (*made.new, *(after for _, after in made.changed)) if row.over]


def _book(where: Where, also: Path | None = None) -> PriceBook:
    """The book of the project here, or of the data directory where there is none."""
    from hundredfold.errors import RepositoryError
    from hundredfold.prices.book import load_book
    from hundredfold.settings import Settings

    try:
        context = where.open()
        files = price_files(context.settings, context.place.root)
    except RepositoryError:
        files = price_files(Settings(), where.repo)
    if also is not None and also.exists() and also not in files:
        files.append(also)
    return load_book(files)


def _content(source: str) -> bytes:
    if source.startswith(("http://", "https://")):
        import urllib.error
        import urllib.request

        try:
            with urllib.request.urlopen(source, timeout=TIMEOUT_S) as answer:  # noqa: S310
                content: bytes = answer.read(MOST_BYTES + 1)
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise UnavailableError(
                f"{source} can't be read: {error}", "Fetch it another way and give the file."
            ) from error
    else:
        try:
            with Path(source).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"{source} can't be read: {error.strerror}", "Name a file or an address."
            ) from error
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{source} is larger than {MOST_BYTES:,} bytes", "Is it a price map?")
    return content


def _write(target: Path, made: Update, source: str, day: date) -> None:
    """Add the rows at the end of the file, whole or not at all."""
    from hundredfold.prices.writing import rows_text

    rows = [*made.new, *(after for _, after in made.changed)]
    if not rows:
        return
    before = target.read_text(encoding="utf-8") if target.exists() else ""
    heading = (
        ""
        if before
        else "# Prices from feeds, by `hundredfold prices update`. Dollars per million tokens.\n\n"
    )
    text = f"{before}{heading}# {day.isoformat()}, {source!r}\n\n{rows_text(rows, made.models)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise ConfigError(
            f"{target} can't be written: {error.strerror}", "Name another with --into."
        ) from error


def _chosen(book: PriceBook, models: Sequence[str], provider: str) -> list[PriceRow]:
    import difflib

    rows = [row for row in book.rows if not provider or row.provider == provider]
    if not rows:
        near = difflib.get_close_matches(provider, book.providers, n=1)
        mend = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(book.providers)}."
        raise ConfigError(f"there are no prices of the provider {provider!r}", mend)
    if models:
        found: dict[PriceRow, None] = {}
        for name in models:
            own = [row for row in rows if _matches(row.model, (name,))]
            own = own or [row for one in book.providers for row in book.of(one, name) if row in rows]
            if not own:
                near = difflib.get_close_matches(name, {row.model for row in rows}, n=3, cutoff=0.5)
                mend = f"Near: {', '.join(near)}." if near else "`hundredfold prices` lists all."
                raise ConfigError(f"there are no prices of the model {name!r}", mend)
            found |= dict.fromkeys(own)
        rows = list(found)
    order = ("standard", "fast", "flex", "batch")
    return sorted(
        rows, key=lambda row: (row.provider, row.model, order.index(row.tier), row.over, row.since_us)
    )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(name, one) for one in patterns)


def _in_force(rows: Sequence[PriceRow], at_us: int) -> list[PriceRow]:
    newest = {
        (row.provider, row.model, row.tier, row.over): row
        for row in sorted(rows, key=lambda row: row.since_us)
        if row.since_us <= at_us
    }
    return [row for row in rows if newest.get((row.provider, row.model, row.tier, row.over)) is row]


def _day_us(text: str) -> int:
    try:
        day = date.fromisoformat(text) if text else datetime.now(UTC).date()
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a day", "Write it like 2026-08-01.") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


app = App(name="prices", default_parameter=Parameter(negative=()), help_format="plaintext")
app.default(prices)
app.command(show)
app.command(update)
