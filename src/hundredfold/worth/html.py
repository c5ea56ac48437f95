"""A report, or the reference bill, as one HTML page: no script, nothing from elsewhere, readable on paper.

Whatever text comes from outside is escaped; figures name what they are of, as everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from hundredfold.economics.netvalue import CostOfPass
from hundredfold.economics.reference import Figures
from hundredfold.outcome import KINDS
from hundredfold.plots.worth import panels
from hundredfold.worth.billwords import parts
from hundredfold.worth.picture import card, main_verdict, shown
from hundredfold.worth.report import HUMAN, Contest, Report, Side
from hundredfold.worth.verdict import Verdict
from hundredfold.worth.wording import (
    HEADS,
    PAST_HEAD,
    assumed_text,
    benefit_texts,
    capacity_lines,
    cells,
    outside_text,
    past_texts,
    payment_texts,
    printable,
    review_text,
    side_survival,
    success_text,
    survival_text,
    verdict_sentences,
)

_CODE = re.compile(r"`([^`\n]+)`")
STYLE = Path(__file__).with_name("data") / "page.css"


def html_page(report: Report) -> str:
    """The whole page. Simulated work has a section of its own, marked, below what is real."""
    name = printable(report.project or "all projects")
    sections = "".join(_section(report, side) for side in report.filled)
    if report.outside.requests:
        sections += f"<section><p>{_t(outside_text(report))}</p></section>"
    if report.past:
        sections += f"<section><h2>{_t(PAST_HEAD)}</h2>{_paragraphs(past_texts(report))}</section>"
    return _page(f"Did it pay? {name}", sections)


def reference_page(found: Figures) -> str:
    """The page of the reference bill."""
    bill = found.inputs.bill
    body = [_heading("The reference bill", f"{bill.source}. Every figure follows from the inputs beside it.")]
    for part in parts(found):
        rows = "".join(
            f"<tr><td>{_t(row.name)}</td><td class=n>{_t(row.figure)}</td>"
            f"<td class=soft>{_t(row.how)}</td></tr>"
            for row in part.rows
        )
        implies = "".join(f"<p class=implies>{_t(one)}</p>" for one in part.implies)
        body.append(f"<section><h2>{_t(part.title)}</h2><table class=plain>{rows}</table>{implies}</section>")
    return _page("The reference bill", "".join(body))


def _page(title: str, body: str) -> str:
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def _heading(title: str, below: str, mark: str = "") -> str:
    marked = f"<span class=mark>{_t(mark)}</span>" if mark else ""
    return f"<header><h1>{_t(title)}{marked}</h1><p class=soft>{_t(below)}</p></header>"


def _section(report: Report, side: Side) -> str:
    figure = shown(report, side)
    drawn = panels(figure)
    below = f"{figure.below}. {assumed_text(report)}"
    if side.simulated:
        below = f"No model answered and no money was spent. {below}"
    body = [_heading(figure.title, below, figure.mark)]
    if side.empty:
        return "".join([*body, "<p>Nothing was spent and nothing brought about yet.</p>"])
    body += [_cards(side), _fates(report, side, drawn), _verdicts(side, drawn)]
    body += [_two(("", drawn.get("stands", ""), ()), _agents(side, drawn)), _table(side)]
    body += [_two(_who(report, side), ("", drawn.get("readings", ""), ())), _contests(side)]
    body += [_scenarios(side)]
    return f'<article class="{"simulated" if side.simulated else "real"}">{"".join(body)}</article>'


def _cards(side: Side) -> str:
    whole = side.total
    made = [card(one) for one in (whole.per_attempt, whole.per_accepted, whole.per_standing)]
    return (
        "<div class=cards>"
        + "".join(
            f"<div class=card><b>{_t(one.figure)}</b><span>{_t(one.what)}</span>"
            f"<small>{_t(one.of)}</small></div>"
            for one in made
        )
        + "</div>"
    )


def _fates(report: Report, side: Side, drawn: dict[str, str]) -> str:
    sentences = [
        f"Accepted: {side.total.acceptance.text}",
        f"Standing: {survival_text(side_survival(side, report))}",
    ]
    if side.review.decisions:
        sentences.append(f"Reviewed: {review_text(report, side)}")
    return f"<section><h2>What became of it</h2>{drawn.get('fates', '')}{_paragraphs(sentences)}</section>"


def _verdicts(side: Side, drawn: dict[str, str]) -> str:
    body = []
    main = main_verdict(side)
    for one in side.verdicts:
        job, kind = one.line.labels
        title = f"{printable(job)}: {KINDS.get(kind, kind)}"
        picture = drawn.get("swings", "") if one is main else ""
        body.append(
            f"<div class=verdict><div><h3>{_t(title)}</h3>{_paragraphs(_said(one))}</div>{picture}</div>"
        )
    return f"<section><h2>Did it pay?</h2>{''.join(body)}</section>"


def _said(one: Verdict) -> Iterator[str]:
    if one.attempt is None:
        yield f"Not known: {one.why_not}. {one.line.amount.text} spent."
    else:
        yield from verdict_sentences(one)


def _agents(side: Side, drawn: dict[str, str]) -> tuple[str, str, Sequence[str]]:
    lines = () if side.capacity is None else tuple(capacity_lines(side.capacity))
    return ("", drawn.get("throughput", ""), lines)


def _who(report: Report, side: Side) -> str:
    return (
        f"<section><h2>Who pays</h2>{_paragraphs(payment_texts(report, side))}"
        f"<h2 class=next>Who benefits</h2>{_paragraphs(benefit_texts(side))}</section>"
    )


def _two(*columns: tuple[str, str, Sequence[str]] | str) -> str:
    made = []
    for column in columns:
        if isinstance(column, str):
            made.append(column)
            continue
        title, picture, lines = column
        heading = f"<h2>{_t(title)}</h2>" if title else ""
        made.append(f"<section>{heading}{picture}{_paragraphs(lines)}</section>")
    return f"<div class=two>{''.join(made)}</div>"


def _table(side: Side) -> str:
    heads = "".join(f"<th>{_t(one)}</th>" for one in side.by)
    heads += "".join(f"<th class=n>{_t(one)}</th>" for one in HEADS)
    rows = [(line.labels, cells(line)) for line in side.lines]
    rows.append((("all", *[""] * (len(side.by) - 1))[: len(side.by)], cells(side.total)))
    body = "".join(
        "<tr>"
        + "".join(f"<td>{_t(printable(one))}</td>" for one in labels)
        + "".join(f"<td class=n>{_t(one)}</td>" for one in figures)
        + "</tr>"
        for labels, figures in rows
    )
    return f"<section><h2>By {_t(' and '.join(side.by))}</h2><table><tr>{heads}</tr>{body}</table></section>"


def _contests(side: Side) -> str:
    body = []
    for one in side.contests:
        rows = "".join(
            f"<tr><td>{_t(printable(entry.solver.name))}</td>"
            f"<td class=n>{_t(success_text(entry))}</td>"
            f"<td class=n>{_t(_so_far(one, entry))}</td></tr>"
            for entry in one.entries
        )
        human = (
            ""
            if any(each.solver.name == HUMAN for each in one.entries)
            else _paragraphs([f"Human: {one.human}"])
        )
        body.append(
            f"<h3>{_t(KINDS.get(one.kind, one.kind))}</h3><table><tr><th>who</th>"
            f"<th class=n>cost until one is accepted and stands</th><th class=n>so far</th></tr>{rows}"
            f"</table>{human}"
        )
    return f"<section><h2>Who does it cheapest</h2>{''.join(body)}</section>" if body else ""


def _so_far(one: Contest, entry: CostOfPass) -> str:
    if entry.solver.name == HUMAN:
        return one.human
    return f"{entry.solver.successes:,} of {entry.solver.tries:,}"


def _scenarios(side: Side) -> str:
    rows = "".join(
        f"<tr><td>{_t(printable(one.scenario.name))}</td><td class=n>{_t(one.amount.text)}</td>"
        f"<td class=n>{'' if one.times is None else f'×{float(one.times):.2f}'}</td>"
        f"<td class=soft>{_t(one.scenario.basis)}</td>"
        f"<td class=soft>{_t(printable(one.scenario.source))} ({one.scenario.date:%Y-%m-%d})"
        f"{_t('. ' + printable(one.scenario.meaning) if one.scenario.meaning else '')}</td></tr>"
        for one in side.readings
    )
    return (
        "<section><h2>The same requests under other readings of price</h2><table><tr><th>scenario</th>"
        "<th class=n>comes to</th><th class=n>of billed</th><th>basis</th><th>source</th></tr>"
        f"{rows}</table></section>"
        if rows
        else ""
    )


def _paragraphs(lines: Iterable[str]) -> str:
    return "".join(f"<p>{_t(one.strip())}</p>" for one in lines)


def _t(text: str) -> str:
    """Text for the page; what stands in backticks is shown as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=True))
