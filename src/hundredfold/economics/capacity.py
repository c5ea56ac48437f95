"""How much a fleet of k agents does, what holds it back, and what the k-th agent is worth.

Attempts an hour are the least of three things: what k agents do (universal scalability law: Gunther,
"Guerrilla Capacity Planning", 2007), what the provider lets through (tokens and requests a minute), and what
people can review. Which one it is, is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Binding = Literal["agents", "tokens per minute", "requests per minute", "review"]


class Scalability(Struct, frozen=True):
    """The universal scalability law: `alone` attempts an hour by one agent, slowed by `contention` σ (waiting
    in line) and `crosstalk` κ (pairs that get into each other's way). 0 and 0 is perfect scaling."""

    alone: float
    contention: float = 0.0
    crosstalk: float = 0.0

    def attempts(self, agents: int) -> float:
        """Attempts an hour of so many agents: λ·N / (1 + σ(N−1) + κN(N−1))."""
        return (
            self.alone
            * agents
            / (1 + self.contention * (agents - 1) + self.crosstalk * agents * (agents - 1))
        )


class Supply(Struct, frozen=True, kw_only=True):
    """What there is for a fleet. A cap of None is none known. Review is minutes of people an hour, and what
    one attempt takes of them on the whole (what is never proposed takes none)."""

    scalability: Scalability
    tokens_per_attempt: float = 0.0
    requests_per_attempt: float = 0.0
    tokens_per_minute: float | None = None
    requests_per_minute: float | None = None
    review_minutes_per_hour: float | None = None
    review_minutes_per_attempt: float = 0.0


class Throughput(Struct, frozen=True):
    """Attempts an hour of `agents`, what binds, and what each constraint alone would let through."""

    agents: int
    attempts_per_hour: float
    binding: Binding
    each: dict[Binding, float]


class Marginal(Struct, frozen=True):
    """The k-th agent: what it adds. `net_per_hour` is picodollars, None if values are not known."""

    throughput: Throughput
    more_attempts_per_hour: float
    net_per_hour: int | None


def throughput(supply: Supply, agents: int) -> Throughput:
    """What `agents` do: the least of what agents, provider and reviewers let through."""
    each: dict[Binding, float] = {"agents": supply.scalability.attempts(agents)}
    if supply.tokens_per_minute is not None and supply.tokens_per_attempt > 0:
        each["tokens per minute"] = 60 * supply.tokens_per_minute / supply.tokens_per_attempt
    if supply.requests_per_minute is not None and supply.requests_per_attempt > 0:
        each["requests per minute"] = 60 * supply.requests_per_minute / supply.requests_per_attempt
    if supply.review_minutes_per_hour is not None and supply.review_minutes_per_attempt > 0:
        each["review"] = supply.review_minutes_per_hour / supply.review_minutes_per_attempt
    binding = min(each, key=lambda one: each[one])
    return Throughput(agents, each[binding], binding, each)


def marginal(supply: Supply, agents: int, net_per_attempt: int | None) -> Marginal:
    """NV(k) − NV(k−1), an hour. An agent that has nothing to do costs nothing: it sends no request."""
    with_it = throughput(supply, agents)
    without = throughput(supply, agents - 1).attempts_per_hour if agents > 1 else 0.0
    more = with_it.attempts_per_hour - without
    return Marginal(with_it, more, None if net_per_attempt is None else round(more * net_per_attempt))


def enough_agents(supply: Supply, most: int = 10_000) -> int:
    """The number of agents beyond which one more adds nothing, at most `most`."""
    before = 0.0
    for agents in range(1, most + 1):
        now = throughput(supply, agents).attempts_per_hour
        if now <= before * (1 + 1e-12):
            return agents - 1
        before = now
    return most


def review_hour_worth(supply: Supply, agents: int, net_per_attempt: int, reviewer_hour: int) -> int:
    """What one more review hour brings, in picodollars net of what it costs.

    `net_per_attempt` has paid for its own review already, so only a review that binds is worth more of it:
    the attempts that one more hour lets through, up to what agents and provider would do.
    """
    now = throughput(supply, agents)
    if now.binding != "review":
        return -reviewer_hour
    others = min(amount for name, amount in now.each.items() if name != "review")
    possible = 60 / supply.review_minutes_per_attempt
    return round(min(possible, max(others - now.attempts_per_hour, 0.0)) * net_per_attempt)


def fitted(points: Sequence[tuple[int, float]]) -> Scalability | None:
    """The law that fits measured (agents, attempts an hour) best; None with fewer than three sizes of fleet.

    N/X is linear in the three parameters: N/X = 1/λ + (σ/λ)(N−1) + (κ/λ)N(N−1); least squares, none negative.
    """
    used = [(agents, rate) for agents, rate in points if agents > 0 and rate > 0]
    if len({agents for agents, _ in used}) < 3:
        return None
    from scipy.optimize import nnls

    rows = [[1.0, agents - 1.0, agents * (agents - 1.0)] for agents, _ in used]
    (base, contention, crosstalk), _ = nnls(rows, [agents / rate for agents, rate in used])
    return Scalability(1 / base, contention / base, crosstalk / base) if base > 0 else None
