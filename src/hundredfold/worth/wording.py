"""A report in words and aligned columns, for terminals, files and mails. Figures name what they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from hundredfold.economics.figures import money, percent
from hundredfold.economics.netvalue import CostOfPass
from hundredfold.economics.uncertainty import Bar
from hundredfold.outcome import KINDS, PAST_COMMITS
from hundredfold.usage.wording import tokens_text
from hundredfold.worth.lines import Line
from hundredfold.worth.report import HUMAN, Capacity, Contest, Report, Side
from hundredfold.worth.verdict import BASE, Survival, Verdict, survival_of

MARK = "SIMULATED"
BAR = 40
INPUTS = {
    "acceptance": "acceptance",
    "survival": "survival",
    "cost": "cost of one",
    "multiple": "price of tokens",
    "review_minutes": "review minutes",
    "reviewer_hour": "reviewer's hour",
    "revert_loss": "loss of a revert",
    "value": "value of one",
}


def page(report: Report) -> Iterator[str]:
    """The whole page, a line at a time. Each side says whether it is simulated."""
    since = "ever" if report.since_us is None else f"since {_day(report.since_us)}"
    yield f"Worth of {report.project or 'all projects'}, {since}, as of {_day(report.made_us)}. {PRICES}"
    if text := assumed_text(report):
        yield text
    for side in report.sides:
        yield ""
        yield from _side(report, side)
    if report.outside.requests:
        yield ""
        yield outside_text(report)
    if report.past:
        yield ""
        yield PAST_HEAD
        yield from (f"  {text}" for text in past_texts(report))


PRICES = "Prices: list, by the tier served."
NOT_SET = {"reviewer-hour": "a reviewer's hour", "revert-loss": "the loss of a revert"}


def assumed_text(report: Report) -> str:
    """What stands in for what nobody set; "" if everything is set."""
    amounts = {"reviewer-hour": report.assumed.reviewer_hour, "revert-loss": report.assumed.revert_loss}
    named = [f"{NOT_SET[one]} {money(amounts[one])}" for one in report.assumed.assumed]
    return f"Assumed, since [worth] does not set it: {', '.join(named)}." if named else ""


def _side(report: Report, side: Side) -> Iterator[str]:
    if side.simulated:
        yield f"{MARK}: no model answered and no money was spent. Nothing below is added to what is real."
    if side.empty:
        yield "Nothing was spent and nothing brought about yet."
        return
    yield from _summary(report, side)
    yield ""
    yield from table(side)
    for one in side.verdicts:
        yield ""
        yield from _verdict(one)
    if side.capacity is not None:
        yield ""
        yield from capacity_lines(side.capacity)
    for contest in side.contests:
        yield ""
        yield from _contest(contest)
    yield ""
    yield from _payers(report, side)
    yield ""
    yield from _readings(side)


PAST_HEAD = "The repository's past, by whose it was (no job of ours, so no cost is known)"


def past_texts(report: Report) -> Iterator[str]:
    """What became of a repository's past work, by job and agent; without any money."""
    for line in report.past:
        job, agent = map(printable, line.labels)
        stands = survival_text(survival_of(line, report.assumed.horizon_days))
        known = line.labels[0] != PAST_COMMITS
        accepted = f"accepted {line.acceptance.text}" if known else "what was rejected is not in git"
        yield f"{agent}, {job}: {line.opened:,} followed; {accepted}; {stands}"


def outside_text(report: Report) -> str:
    """What was spent besides, by whoever works here without the fleet."""
    one = report.outside
    return (
        f"Besides, outside the fleet (imported): {one.amount.text} on {one.requests:,} requests. "
        "It is in no figure above."
    )


def _summary(report: Report, side: Side) -> Iterator[str]:
    whole = side.total
    used = f"{whole.requests:,} requests, {tokens_text(whole.tokens)} tokens"
    yield f"  spent      {whole.amount.text} on {used}"
    if side.review.decisions:
        yield f"  reviewed   {review_text(report, side)}"
    states = f"{whole.accepted:,} accepted, {whole.rejected:,} rejected, {pending_text(whole)}"
    unknown = f", {whole.unknown:,} that can't be followed" if whole.unknown else ""
    yield f"  opened     {whole.opened:,} outcomes: {states}{unknown}"
    yield f"  accepted   {whole.acceptance.text}"
    yield f"  standing   {survival_text(side_survival(side, report))}"
    if whole.lines:
        kept = percent(whole.lines_kept / whole.lines)
        yield f"  lines      {kept} still there ({whole.lines_kept:,} of {whole.lines:,} that were added)"
    yield f"  cost       {whole.per_attempt.text}"
    yield f"             {whole.per_accepted.text}"
    yield f"             {whole.per_standing.text}"


def side_survival(side: Side, report: Report) -> Survival:
    """How much of a side's accepted work stands."""
    return survival_of(side.total, report.assumed.horizon_days)


def pending_text(line: Line) -> str:
    """`100 pending (83 % of 120)`."""
    share = f" ({percent(line.pending / line.opened)} of {line.opened:,})" if line.opened else ""
    return f"{line.pending:,} pending{share}"


def review_text(report: Report, side: Side) -> str:
    """What reviewing took, and what that costs."""
    review, hour = side.review, report.assumed.reviewer_hour
    assumed = ", assumed" if "reviewer-hour" in report.assumed.assumed else ""
    cost = money(round(review.total_minutes * hour / 60))
    guessed = review.decisions - review.measured
    how = f"{review.measured:,} measured" + (f", {guessed:,} as expected" if guessed else "")
    return (
        f"{review.total_minutes:,.0f} minutes over {review.decisions:,} decisions ({how}): "
        f"{cost} at {money(hour)} an hour{assumed}"
    )


def survival_text(one: Survival) -> str:
    """The share that stands, with what it is of and how long that was followed."""
    if one.estimate is None:
        return "nothing accepted was followed yet"
    low, high = one.interval.low, one.interval.high
    short = "" if one.days == one.horizon else f"; nobody was followed the whole {one.horizon} days yet"
    return (
        f"{percent(one.estimate)} stand {one.days:.0f} days ({one.of:,} followed, {one.ended:,} taken back, "
        f"{percent(one.interval.level)} interval {percent(low, sign=False)}–{percent(high)}{short})"
    )


# ------------------------------------------------------------------ the table

HEADS = (
    "attempts",
    "opened",
    "pending",
    "accepted of decided",
    "per attempt",
    "per accepted",
    "per surviving",
)


def cells(line: Line) -> tuple[str, ...]:
    """A line's figures, in the order of `HEADS`; a cost without a denominator is a dash."""
    rate = line.acceptance
    share = "" if rate.share is None else f" = {percent(rate.share)}"
    costs = (line.per_attempt, line.per_accepted, line.per_standing)
    return (
        f"{line.attempts:,}",
        f"{line.opened:,}",
        f"{line.pending:,}",
        f"{rate.hits:,}/{rate.of:,}{share}",
        *("–" if one.each is None else f"{money(one.each[1])} (/{one.of:,})" for one in costs),
    )


def table(side: Side) -> Iterator[str]:
    """The lines by what was asked for, with their sum."""
    rows = [(tuple(map(printable, line.labels)), cells(line)) for line in side.lines]
    if side.by:
        rows.append((("all", *[""] * (len(side.by) - 1)), cells(side.total)))
    heads = (*side.by, *HEADS)
    texts = [heads, *((*labels, *figures) for labels, figures in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(heads))]
    for row in texts:
        yield (
            "  "
            + "  ".join(
                text.ljust(width) if place < len(side.by) else text.rjust(width)
                for place, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )


# ------------------------------------------------------------------ did it pay


def _verdict(one: Verdict) -> Iterator[str]:
    job, kind = one.line.labels
    yield f"Did it pay? {printable(job)}: {KINDS.get(kind, kind)}"
    if one.why_not or one.attempt is None:
        yield f"  Not known: {one.why_not}. {one.line.amount.text} spent."
        return
    yield from (f"  {text}" for text in verdict_sentences(one))
    yield from (f"  {text}" for text in tornado_lines(one))


def verdict_sentences(one: Verdict) -> Iterator[str]:
    """What the figures say, each with what it rests on."""
    assert one.attempt is not None and one.spread is not None
    decided = one.line.accepted + one.line.rejected
    rests = f"{one.line.opened:,} opened, {decided:,} decided"
    low, high = one.spread.interval.low, one.spread.interval.high
    if one.net is not None and one.multiple is not None and one.value.likely is not None:
        yield (
            f"Net {money(one.net)} for each outcome opened, at {money(one.value.likely)} for one that stands "
            f"({one.value.basis}: {printable(one.value.source)})."
        )
        yield (
            f"It {one.multiple.text}; likely to pay at all: {percent(one.spread.positive)} of "
            f"{one.spread.samples:,} draws, {percent(one.spread.interval.level)} of them from {usd(low)} to "
            f"{usd(high)}. Rests on {rests}."
        )
    elif one.required is not None:
        yield (
            f"No value is set, so no return is claimed. One that stands must be worth {money(one.required)} "
            f"({percent(one.spread.interval.level)} interval {usd(low)} to {usd(high)})."
        )
        yield f"Rests on {rests}; tokens at {BASE}."
    else:
        none = "Nothing that was accepted stands" if one.line.accepted else "None was accepted"
        yield f"{none}: no value would pay for it. Rests on {rests}."
    if one.value.likely is not None and one.required is not None:
        yield f"Break-even value of one that stands: {money(one.required)}."
    if one.survival.estimate is not None and one.survival.days < one.survival.horizon:
        yield f"Survival is known only up to {one.survival.days:.0f} of {one.survival.horizon} days."
    if one.review.decisions and not one.review.measured:
        yield "Review time was not measured, only expected: open proposals with `hundredfold inbox ID`."


def tornado_lines(one: Verdict) -> Iterator[str]:
    """The tornado in characters: what moves the figure most, from its low to its high end."""
    if not one.bars:
        return
    least = min(min(bar.at_low, bar.at_high) for bar in one.bars)
    most = max(max(bar.at_low, bar.at_high) for bar in one.bars)
    share = {each.name: each.total for each in one.shares}
    yield f"What moves the {one.what} most ({usd(least)} to {usd(most)}):"
    for bar in one.bars:
        left, right = sorted((bar.at_low, bar.at_high))
        start, end = (round(BAR * (x - least) / (most - least)) if most > least else 0 for x in (left, right))
        drawn = " " * start + "█" * max(end - start, 1)
        part = f"{percent(share[bar.name])} of the variance" if bar.name in share else ""
        yield f"  {INPUTS.get(bar.name, bar.name):<16} {drawn:<{BAR + 1}} {range_text(bar)}  {part}".rstrip()


def usd(dollars: float) -> str:
    """Dollars of a statistic: `$1,234.56`, `-$3.40`."""
    return f"{'-' if dollars < 0 else ''}${abs(dollars):,.2f}"


def range_text(bar: Bar) -> str:
    """An input's ends, in its own unit."""
    low, high = bar.low_input, bar.high_input
    match bar.name:
        case "acceptance" | "survival":
            return f"{percent(low, sign=False)}–{percent(high)}"
        case "multiple":
            return f"×{low:.2f}–×{high:.2f}"
        case "review_minutes":
            return f"{low:.1f}–{high:.1f} min"
    return f"{usd(low)}–{usd(high)}"


# ------------------------------------------------------------------ the last agent, the contest, who pays


def capacity_lines(one: Capacity) -> Iterator[str]:
    """What one more agent, or one more review hour, would bring."""
    now, more = one.last.throughput, one.last.more_attempts_per_hour
    yield f"The last agent: number {now.agents:,} adds {more:,.2f} attempts an hour; {now.binding} binds"
    each = ", ".join(f"{name} {amount:,.1f}" for name, amount in now.each.items())
    yield f"  {now.attempts_per_hour:,.1f} attempts an hour of what each would let through: {each}"
    enough = f"{one.enough:,}" if one.enough < 10_000 else "more than 10,000"
    yield f"  enough agents for that: {enough}"
    if one.last.net_per_hour is None:
        yield "  what it is worth is not known: set values in a file named by [worth] values"
    else:
        assert one.review_hour is not None
        yield f"  worth {money(one.last.net_per_hour)} an hour"
        yield f"  one more hour of review is worth {money(one.review_hour)} net"


def _contest(one: Contest) -> Iterator[str]:
    yield f"Cheapest to a success: {KINDS.get(one.kind, one.kind)}"
    yield "  cost of one opened, its review included, over the share that was accepted and stands so far"
    for entry in one.entries:
        solver = entry.solver
        seen = f"{solver.successes:,} of {solver.tries:,}"
        if solver.name == HUMAN:
            seen = one.human
        yield f"  {success_text(entry):>14}  {printable(solver.name)} ({seen})"
    if not any(entry.solver.name == HUMAN for entry in one.entries):
        yield f"  {'–':>14}  human: {one.human}"


def success_text(one: CostOfPass) -> str:
    """A cost of pass; without a success it is no figure."""
    return "no success yet" if one.picodollars is None else money(one.picodollars)


def _payers(report: Report, side: Side) -> Iterator[str]:
    yield "Who pays"
    yield from (f"  {text}" for text in payment_texts(report, side))
    yield "Who benefits"
    yield from (f"  {text}" for text in benefit_texts(side))


FUNDED = {"own": "own money", "employer": "an employer's money", "subscription": "a subscription"}


def payment_texts(report: Report, side: Side) -> Iterator[str]:
    """Who pays, and how much of the whole."""
    whole = side.total.amount
    for one in side.payments:
        share = f", {percent(one.amount.most / whole.most)} of {money(whole.most)}" if whole.most else ""
        yield f"{printable(one.payer)}: {one.amount.text} at list price ({FUNDED[one.funding]}{share})"
    if side.review.decisions:
        yield f"reviewers: {review_text(report, side)}"
    if borne := others_bear(side):
        yield borne


def benefit_texts(side: Side) -> Iterator[str]:
    """What the project has of it so far, by job and kind."""
    for one in side.verdicts:
        job, kind = one.line.labels
        line = one.line
        yield (
            f"{printable(job)}, {KINDS.get(kind, kind)}: of {line.opened:,} opened {line.accepted:,} "
            f"accepted, {line.standing:,} standing and confirmed, {line.pending:,} pending"
        )


def others_bear(side: Side) -> str:
    """Who else pays, if the provider's prices do not cover its costs; "" if nothing was spent."""
    full = next((one for one in side.readings if one.scenario.name == "full cost recovery"), None)
    if full is None or not side.total.amount.most:
        return ""
    gap = full.amount.most - side.total.amount.most
    basis = f"{full.scenario.basis}: {printable(full.scenario.source)}"
    if gap > 0:
        return f"the provider bears another {money(gap)}, if “full cost recovery” is right ({basis})"
    return f"the provider's costs are covered, {money(-gap)} over, if “full cost recovery” is right ({basis})"


def _readings(side: Side) -> Iterator[str]:
    yield "The same requests under another reading of price (× of what was billed; sources: --html, --json)"
    wide = max((len(printable(one.scenario.name)) for one in side.readings), default=0)
    for one in side.readings:
        times = "" if one.times is None else f"×{float(one.times):.2f}"
        row = one.scenario
        name = f"{printable(row.name):<{wide}}"
        yield f"  {name}  {one.amount.text:>16}  {times:>6}  {row.basis}, {row.date:%Y-%m}"


def printable(text: str) -> str:
    """Names come from outside: no control character of theirs reaches a terminal or a page."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _day(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d")


def head(cells_: Sequence[str], widths: Sequence[int]) -> str:
    """A row of a table, padded."""
    return "  ".join(text.ljust(width) for text, width in zip(cells_, widths, strict=True)).rstrip()
