"""A rehearsal's report as plain text. Every block says that it is simulated."""

from __future__ import annotations

from hundredfold.prices.money import dollars_text
from hundredfold.simulation.month import DAYS, TierCost
from hundredfold.simulation.rehearse import Rehearsal

MARK = "SIMULATED"
MOST_DIFFERENCES = 10


def text_report(rehearsal: Rehearsal) -> str:
    """The whole report, some thirty lines."""
    measured, comparison = rehearsal.measured, rehearsal.comparison
    usage = rehearsal.usage
    lines = [
        f"{MARK} rehearsal: {rehearsal.agents} agents, profile {rehearsal.profile!r}, seed {rehearsal.seed}",
        "No model answered and nothing was spent; tokens are counted by the simulated provider's rule.",
        "",
        f"items      {_counts(rehearsal.items)}",
        f"attempts   {_counts(rehearsal.attempts)}",
        f"requests   {_counts(rehearsal.requests)}",
        f"tokens     input {usage.input:,} (cached {usage.cached:,}), "
        f"output {usage.output:,} (reasoning {usage.reasoning:,})",
        "",
        f"wall       {measured.wall_s:.1f} s",
    ]
    for name, use in measured.groups.items():
        lines.append(
            f"{name:<12} {use.cpu_s:8.1f} CPU s   peak {use.peak_memory / 1e6:8.1f} MB "
            f"in at most {use.peak_processes} processes"
        )
    lines.append(f"leftover processes: {len(measured.leftovers)}")
    lines += [f"  {left}" for left in measured.leftovers]
    lines += [
        "",
        f"ledger against the provider's own log ({MARK}): "
        + ("equal" if comparison.equal else f"{len(comparison.differences)} DIFFERENCES"),
        f"  {comparison.logged} logged, {comparison.rows} ledger rows: {comparison.exact} exact, "
        f"{comparison.within} within their interval, {comparison.not_billed} not billed, "
        f"{comparison.unsent} never sent",
        f"  billed {dollars_text(comparison.log_cost)}; ledger {dollars_text(comparison.ledger_least)} to "
        f"{dollars_text(comparison.ledger_most)}; {comparison.unpriced} requests without a price",
    ]
    for difference in comparison.differences[:MOST_DIFFERENCES]:
        lines.append(
            f"  {difference.kind} {difference.key}: log {difference.log} · ledger {difference.ledger}"
        )
    lines += [
        "",
        f"{MARK} cost of {DAYS} days, same work, at list price"
        f" (at this pace · at {rehearsal.items_per_day} items a day)",
    ]
    lines += [_tier_line(cost) for cost in rehearsal.month]
    return "\n".join(lines) + "\n"


def _tier_line(cost: TierCost) -> str:
    if cost.rehearsal is None:
        return f"  {cost.tier:<9} unpriced: {cost.unpriced_requests} requests ({cost.reason})"
    by_items = (
        "no items" if cost.month_at_items_per_day is None else dollars_text(cost.month_at_items_per_day)
    )
    return f"  {cost.tier:<9} {dollars_text(cost.month_at_this_pace or 0):>18} · {by_items:>16}"


def _counts(counts: dict[str, int]) -> str:
    if not counts:
        return "none"
    each = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    return f"{sum(counts.values()):,} ({each})"
