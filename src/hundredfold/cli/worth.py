"""`hundredfold worth`: did it pay? The page that a payer reads, advice from it, and the reference bill."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from hundredfold.cli.context import Where
from hundredfold.cli.output import print_json, say
from hundredfold.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hundredfold.cli.context import Context
    from hundredfold.worth.advice import Advice
    from hundredfold.worth.lines import By
    from hundredfold.worth.report import Report

Page = Literal["page", "advise", "reference"]


def worth(
    page: Page = "page",
    file: Path | None = None,
    /,
    *,
    by: Annotated[tuple[str, ...], Parameter(negative=())] = ("job", "kind"),
    since: str = "90d",
    all_projects: Annotated[bool, Parameter(negative=())] = False,
    html: Path | None = None,
    plot: Path | None = None,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Print what outcomes cost, what became of them, and whether it paid.

    Parameters
    ----------
    page
        "page": the whole page; "advise": what to do about it; "reference": the page of a public bill of a
        hundred agents, computed from its inputs.
    file
        For "reference": other inputs, in the form of the shipped ones.
    by
        What to group by (repeat it): job, kind, agent, model, tier, payer, repository.
    since
        The first day (2026-11-01), a number of days (90d), or "ever". Outcomes count from when
        they were opened.
    all_projects
        All projects of the database, not only this one.
    html
        Also write the page as HTML, to this file.
    plot
        Also draw it into this file, .png or .svg.
    json
        Print JSON; amounts are exact dollars, as text.
    """
    if page == "reference":
        return _reference(file, html=html, as_json=json)
    if file is not None:
        raise ConfigError(f"{page} takes no file", "A file of inputs goes with `worth reference FILE`.")
    made = _report(where.open(), by, since, all_projects=all_projects)
    if page == "advise":
        return _advise(made, as_json=json)
    if json:
        from hundredfold.worth.document import document

        print_json(document(made))
    else:
        from hundredfold.worth.wording import page as words

        _print(words(made))
    if html is not None:
        from hundredfold.worth.html import html_page

        _write(html, html_page(made).encode())
    if plot is not None:
        from hundredfold.plots.worth import draw_worth
        from hundredfold.worth.picture import shown

        for side in made.filled:
            file = plot if side is made.filled[0] else plot.with_stem(f"{plot.stem}-simulated")
            draw_worth(file, shown(made, side))
            say(f"wrote {file}")
    return 0


def _report(context: Context, by: Sequence[str], since: str, *, all_projects: bool) -> Report:
    from hundredfold.cli.period import period_of
    from hundredfold.outcomes.ours import follow
    from hundredfold.prices.book import load_book
    from hundredfold.store.database import now_us
    from hundredfold.usage.allocation import allocation_of
    from hundredfold.worth.assumptions import assumptions
    from hundredfold.worth.report import report

    follow(context.database, context.place.slug)
    return report(
        context.database,
        load_book([context.place.root / one for one in context.settings.prices]),
        assumptions(context.settings, context.place.root),
        project=None if all_projects else context.place.slug,
        since_us=period_of(since, "", "UTC").since_us,
        made_us=now_us(),
        by=_groupings(by),
        allocation=allocation_of(context.settings),
    )


def _groupings(by: Sequence[str]) -> tuple[By, ...]:
    from difflib import get_close_matches

    from hundredfold.worth.lines import GROUPINGS

    known: dict[str, By] = {one: one for one in GROUPINGS}
    wanted = [part for one in by for part in one.split(",") if part]
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, GROUPINGS, n=1, cutoff=0.5)
            mend = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(GROUPINGS)}."
            raise ConfigError(f"outcomes can't be grouped by {name!r}", mend)
    return tuple(known[name] for name in dict.fromkeys(wanted))


def _advise(made: Report, *, as_json: bool) -> int:
    from hundredfold.worth.advice import advise

    found = advise(made)
    if as_json:
        print_json(found)
    else:
        _print(_advice_lines(found))
    return 0


def _advice_lines(found: Sequence[Advice]) -> Iterable[str]:
    if not found:
        yield "Nothing to advise yet: too little was decided to judge a job by it."
    for one in found:
        yield f"{'SIMULATED: ' if one.simulated else ''}{one.what}  [{one.sureness}]"
        yield f"    because {one.because}"
        yield f"    leaves out or rests on: {one.leaves_out}"


def _reference(file: Path | None, *, html: Path | None, as_json: bool) -> int:
    from hundredfold.economics.reference import SHIPPED, figures, load_inputs
    from hundredfold.worth.billwords import page as words

    found = figures(load_inputs(file or SHIPPED))
    if as_json:
        print_json(_plain(found))
    else:
        _print(words(found))
    if html is not None:
        from hundredfold.worth.html import reference_page

        _write(html, reference_page(found).encode())
    return 0


def _plain(found: Any) -> dict[str, Any]:
    """Figures for machines: amounts (`…` in picodollars) as exact dollars, shares as numbers."""
    from fractions import Fraction

    import msgspec

    from hundredfold.prices.money import exact_text

    counts = ("review_minutes",)

    def value(name: str, one: Any) -> Any:
        if isinstance(one, Fraction):
            return float(one)
        if isinstance(one, int) and name not in counts:
            return exact_text(one)
        if isinstance(one, dict):
            return {key: value(key, each) for key, each in one.items()}
        if isinstance(one, tuple):
            return [value("", each) for each in one]
        if name == "inputs":
            return msgspec.to_builtins(one)
        if isinstance(one, msgspec.Struct):
            return {
                key: each if isinstance(each, str) else value(key, each)
                for key, each in msgspec.structs.asdict(one).items()
            }
        return one

    return {name: value(name, getattr(found, name)) for name in found.__struct_fields__}


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(
            f"{path} can't be written: {error.strerror}", "Name a file you can write."
        ) from error
    say(f"wrote {path}")
