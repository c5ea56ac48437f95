"""A bill for machines and for pipes: JSON, CSV and tab-separated lines. Amounts are exact where they are JSON
or CSV; real and simulated requests are apart everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from hundredfold.cli.output import counted, printable
from hundredfold.prices.money import exact_text

if TYPE_CHECKING:
    from hundredfold.usage.overview import Overview
    from hundredfold.usage.pricing import Money
    from hundredfold.usage.spend import Bill, Line

Basis = Literal["list", "billed"]


def as_document(bill: Bill) -> dict[str, Any]:
    """The bill for machines; real and simulated lines are apart."""
    return {
        "by": list(bill.by),
        "currency": "USD",
        "real": {
            "lines": [_line_document(bill, line) for line in bill.lines if not line.simulated],
            "total": _line_document(bill, bill.total),
        },
        "simulated": None
        if bill.simulated_total is None
        else {
            "lines": [_line_document(bill, line) for line in bill.lines if line.simulated],
            "total": _line_document(bill, bill.simulated_total),
        },
        "unpriced": bill.unpriced,
    }


def _line_document(bill: Bill, line: Line) -> dict[str, Any]:
    labels = map(_known, line.labels)
    return {**dict(zip(bill.by, labels, strict=bool(line.labels))), **_figures(line)}


def _known(label: str) -> str | None:
    """The label for machines, which are told that there is none by nothing at all."""
    from hundredfold.usage.spend import UNKNOWN

    return None if label == UNKNOWN else label


def _figures(line: Line) -> dict[str, Any]:
    return {
        "requests": line.requests,
        "failed": line.failed,
        "uncertain": line.uncertain,
        "input": line.usage.input,
        "cached": line.usage.cached,
        "cache_write": line.usage.cache_write,
        "output": line.usage.output,
        "reasoning": line.usage.reasoning,
        "cache_write_1h": line.usage.cache_write_1h,
        "least": exact_text(line.money.least),
        "most": exact_text(line.money.most),
        "billed_least": exact_text(line.billed.least),
        "billed_most": exact_text(line.billed.most),
        "unpriced": line.money.unpriced,
    }


def overview_document(found: Overview) -> dict[str, Any]:
    """The bill at a glance for machines: real requests only, and how many simulated ones are left out."""

    def lines(name: str, some: tuple[Line, ...]) -> list[dict[str, Any]]:
        return [{name: _known(one.labels[0]), **_figures(one)} for one in some]

    return {
        "total": _figures(found.total),
        "today": {"day": found.today.labels[0], **_figures(found.today)},
        "burn_per_day": exact_text(found.burn),
        "burn_over_days": found.burn_days,
        "days": lines("day", found.days),
        **{f"by_{name}": lines(name, some) for name, some in found.parts.items() if name != "day"},
        "simulated_requests": found.simulated.requests if found.simulated else 0,
        "unpriced": found.unpriced,
    }


def money_of(line: Line, basis: Basis) -> Money:
    """The line's money on the basis asked for."""
    return line.money if basis == "list" else line.billed


FIGURES = ("requests", "input", "cached", "output", "reasoning", "list price", "unpriced")


def figures_of(line: Line, basis: Basis = "list") -> tuple[str, ...]:
    """A line's figures as text, in the order of `FIGURES`."""
    from hundredfold.usage.wording import price_text

    tokens = (line.usage.input, line.usage.cached, line.usage.output, line.usage.reasoning)
    counts = (f"{line.requests:,}", *(f"{one:,}" for one in tokens))
    money = money_of(line, basis)
    return (*counts, price_text(money), f"{money.unpriced:,}")


def plain(bill: Bill, basis: Basis = "list") -> list[str]:
    """The bill as tab-separated lines, with a heading and a sum for real and for simulated requests."""
    texts = ["\t".join(("kind", *bill.by, *_named(basis)))]
    for simulated, total in ((False, bill.total), (True, bill.simulated_total)):
        if total is None:
            continue
        kind = "SIMULATED" if simulated else "real"
        texts += [
            "\t".join((kind, *map(printable, line.labels), *figures_of(line, basis)))
            for line in bill.lines
            if line.simulated == simulated
        ]
        texts.append(
            "\t".join((kind, *(["total"] + [""] * len(bill.by))[: len(bill.by)], *figures_of(total, basis)))
        )
    return [*texts, *notes(bill)]


def _named(basis: Basis) -> tuple[str, ...]:
    return tuple("billed" if name == "list price" and basis == "billed" else name for name in FIGURES)


def csv_text(bill: Bill) -> str:
    """The bill as CSV: a heading, then one row a line, real and simulated marked; no sums among them."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = list(_figures(bill.total))
    writer.writerow(["kind", *bill.by, *names])
    for line in bill.lines:
        labels = [_unformulaic(printable(_known(one) or "")) for one in line.labels]
        writer.writerow(["simulated" if line.simulated else "real", *labels, *_figures(line).values()])
    return out.getvalue()


def _unformulaic(text: str) -> str:
    """A name that a spreadsheet would take for a formula is quoted as text."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def notes(bill: Bill) -> list[str]:
    """What the figures leave out or do not know, in words."""
    found = []
    for line in (bill.total, bill.simulated_total):
        if line is not None and line.uncertain:
            found.append(
                f"# {counted(line.uncertain, 'simulated request' if line.simulated else 'request')} ended "
                "without saying what was used: the tokens are not in the columns, the price is the interval."
            )
    found += [
        f"# {counted(count, 'request is', 'requests are')} not in the price: {printable(why)}"
        for why, count in bill.unpriced.items()
    ]
    return found
