"""Which route an attempt takes and which limits hold for it, from the settings."""

from __future__ import annotations

from hundredfold.agents.protocol import Backend
from hundredfold.config import dollars
from hundredfold.errors import UnavailableError
from hundredfold.settings import Budget, Settings
from hundredfold.vocabulary import AgentTask, Item, Limit, Route


def provider_of(settings: Settings, job: str) -> str:
    """The name of the provider that a job's attempts call."""
    return settings.job[job].provider or settings.route.provider


def priced_as(settings: Settings, job: str) -> tuple[str, str]:
    """Which price rows a job's attempts fall under, and the model they ask for."""
    name = provider_of(settings, job)
    return settings.provider[name].prices or name, settings.job[job].model or settings.route.model


def route_of(settings: Settings, job: str, task: AgentTask | None, backends: dict[str, Backend]) -> Route:
    """The route for a task of a job: [job.NAME] over [route]; `auto` takes Codex where it is there.

    Raises:
        UnavailableError: the agent asked for is not installed.
    """
    base, over = settings.route, settings.job[job]
    agent = over.agent or base.agent
    if agent == "auto":
        agent = "codex" if "codex" in backends else "native"
    if agent not in backends:
        raise UnavailableError(
            f"the agent {agent!r} is not installed", "`hundredfold doctor` says how to get it."
        )
    return Route(
        backend=agent,
        provider=provider_of(settings, job),
        model=over.model or base.model,
        effort=(task.effort if task else "") or over.effort or base.effort,
        tier=over.tier or base.tier,
    )


def limits_of(settings: Settings, item: Item, attempt: str) -> tuple[Limit, ...]:
    """Every hard limit that a request of this attempt falls under."""
    job_scope = f"job:{item.project}/{item.job}"
    job_budget = settings.job[item.job].budgets
    per_attempt = job_budget.attempt or settings.budgets.attempt
    found = [Limit(f"attempt:{attempt}", "ever", dollars(per_attempt))] if per_attempt else []
    found += _windows(f"project:{item.project}", settings.budgets)
    found += _windows(job_scope, job_budget)
    return tuple(found)


def _windows(scope: str, budget: Budget) -> list[Limit]:
    found = []
    if budget.day:
        found.append(Limit(scope, "day", dollars(budget.day)))
    if budget.month:
        found.append(Limit(scope, "month", dollars(budget.month)))
    return found
