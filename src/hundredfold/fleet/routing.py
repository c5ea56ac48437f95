"""Which route an attempt takes and which limits hold for it, from the settings."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable

from hundredfold.config import dollars
from hundredfold.errors import ConfigError, UnavailableError
from hundredfold.settings import Agent, Api, Budget, Settings
from hundredfold.vocabulary import AgentTask, Item, Limit, Route

#: the API that each agent calls; of an ACP agent [acp] says it
SPEAKS: dict[Agent, Api] = {
    "codex": "responses",
    "codex-exec": "responses",
    "native": "responses",
    "claude": "messages",
}
#: what `auto` tries in turn, by whose models are asked for; with a subscription only what can be lent a login
_OPENAI: tuple[Agent, ...] = ("codex", "native", "claude")
_ANTHROPIC: tuple[Agent, ...] = ("claude", "codex", "native")
LENDABLE: tuple[Agent, ...] = ("claude", "codex-exec")


class UntrustedHead(ConfigError):
    """A stranger's work was to be looked at by an agent with a login of the user's.

    Only that task is refused: otherwise whoever opens a pull request could stop every run.
    """


def provider_of(settings: Settings, job: str) -> str:
    """The name of the provider that a job's attempts call."""
    return settings.job[job].provider or settings.route.provider


def priced_as(settings: Settings, job: str) -> tuple[str, str]:
    """Which price rows a job's attempts fall under, and the model they ask for."""
    name = provider_of(settings, job)
    return settings.provider[name].prices or name, settings.job[job].model or settings.route.model


def why_no_model(settings: Settings, jobs: Iterable[str]) -> str:
    """Why no model can be asked, or "" if one can."""
    if settings.route.login == "subscription":
        return ""
    for job in jobs:
        name = provider_of(settings, job)
        provider = settings.provider[name]
        if provider.key_env and not os.environ.get(provider.key_env):
            return f"${provider.key_env}, the key of the provider {name}, is not set"
    return ""


def apis_of(settings: Settings, provider: str) -> tuple[Api, ...]:
    """The APIs that a provider speaks: what is said of it, else by whose prices apply."""
    one = settings.provider[provider]
    if one.apis:
        return one.apis
    if one.simulated:
        return ("responses", "chat", "messages")
    return ("messages",) if (one.prices or provider) == "anthropic" else ("responses", "chat")


def agent_of(settings: Settings, job: str, installed: Container[str]) -> Agent:
    """The agent that works for a job: [job.NAME] over [route]. `auto` takes the first that is installed and
    calls an API that the job's provider speaks: Claude Code before others for Anthropic's models, else Codex.

    Raises:
        UnavailableError: the agent asked for is not installed, or none that would serve is.
        ConfigError: it can't call that provider, or can't be lent a login.
    """
    agent = settings.job[job].agent or settings.route.agent
    provider = provider_of(settings, job)
    spoken, lent = apis_of(settings, provider), settings.route.login == "subscription"
    if agent == "auto":
        family, model = priced_as(settings, job)
        ours = family == "anthropic" or model.startswith("claude")
        order = _ANTHROPIC if ours else _OPENAI
        if lent:
            order = LENDABLE if ours else LENDABLE[::-1]
        serving = [one for one in order if SPEAKS[one] in spoken]
        found = next((one for one in serving if one in installed), None)
        if found is None:
            raise UnavailableError(
                f"no agent is installed that can call the provider {provider!r} "
                f"({' or '.join(serving) or 'none'} would)",
                "`hundredfold doctor` says how to get one.",
            )
        return found
    calls = settings.acp.api if agent == "acp" else SPEAKS[agent]
    if calls not in spoken:
        able = [one for one, api in SPEAKS.items() if api in spoken]
        raise ConfigError(
            f"the agent {agent!r} calls the {calls} API, but the provider {provider!r} speaks "
            f"{' and '.join(spoken)}",
            f"Choose {' or '.join(map(repr, able)) or 'another provider'}, or name its apis in "
            f"[provider.{provider}].",
        )
    if lent and agent not in LENDABLE:
        raise ConfigError(
            f"the agent {agent!r} can't be lent a subscription's login",
            f'Choose {" or ".join(map(repr, LENDABLE))}, or set login = "gateway" in [route].',
        )
    if agent not in installed:
        raise UnavailableError(
            f"the agent {agent!r} is not installed", "`hundredfold doctor` says how to get it."
        )
    return agent


def route_of(settings: Settings, job: str, task: AgentTask | None, installed: Container[str]) -> Route:
    """The route for a task of a job: [job.NAME] over [route].

    Raises:
        UnavailableError, ConfigError: as `agent_of`.
        UntrustedHead: a task on an untrusted head in subscription mode.
    """
    base, over = settings.route, settings.job[job]
    agent = agent_of(settings, job, installed)
    if task is not None and task.untrusted and base.login == "subscription":
        raise UntrustedHead(
            f"the job {job} looks at an untrusted head, which no agent with a login of yours may do",
            'Set login = "gateway" in [route] for it, with a key of the provider.',
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


def limits_by_period(settings: Settings, project: str) -> tuple[Limit, ...]:
    """The limits by day and month of a project and of its jobs."""
    found = _windows(f"project:{project}", settings.budgets)
    for name, job in settings.job.items():
        found += _windows(f"job:{project}/{name}", job.budgets)
    return tuple(found)


def _windows(scope: str, budget: Budget) -> list[Limit]:
    found = []
    if budget.day:
        found.append(Limit(scope, "day", dollars(budget.day)))
    if budget.month:
        found.append(Limit(scope, "month", dollars(budget.month)))
    return found
