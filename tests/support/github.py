"""The GitHub forge and a publisher of it over the simulated GitHub, and that one's whole state to compare."""

from __future__ import annotations

import dataclasses
from typing import Any

from hundredfold.errors import RepositoryError
from hundredfold.forges.github.auth import TokenAuth
from hundredfold.forges.github.client import GitHubClient
from hundredfold.forges.github.forge import GitHubForge
from hundredfold.payloads import Payload, type_of
from hundredfold.proposals.decide import decide
from hundredfold.proposals.patches import commits_of
from hundredfold.proposals.publisher import Publisher
from hundredfold.proposals.record import record_done
from hundredfold.simulation.forge.hub import Hub
from hundredfold.simulation.forge.hub import Repo as SimulatedRepo
from hundredfold.simulation.forge.records import Actor
from hundredfold.sources.git import open_repository
from hundredfold.store.database import Database
from hundredfold.vocabulary import Done, Proposal, identity
from tests.support.forge import APP_PERMISSIONS, TOKEN, TestForge
from tests.support.proposals import PROJECT, RUN, NoRepository, an_item

APP_TOKEN = "ghs_app"
REPOSITORY = "acme/widget"


class AsApp(TokenAuth):
    """An installation's token, whose name GitHub does not tell by /user."""

    async def login(self, client: GitHubClient) -> str:
        return "fleet[bot]"


def connected(url: str, *, app: bool = False, backoff_s: float = 0.01) -> GitHubClient:
    auth = AsApp(APP_TOKEN) if app else TokenAuth(TOKEN)
    return GitHubClient(auth, base_url=url, pace_s=0, backoff_s=backoff_s)


def admit_app(forge: TestForge) -> None:
    forge.hub.tokens[APP_TOKEN] = Actor("fleet[bot]", APP_TOKEN, APP_PERMISSIONS, forge.app.id)


def a_forge(url: str, forge: TestForge, *, app: bool = False) -> GitHubForge:
    def build(*arguments: Any) -> Any:
        opened = open_repository(forge.repo.git.folder)
        try:
            return commits_of(opened, *arguments)
        finally:
            opened.close()

    return GitHubForge(
        lambda: connected(url, app=app), REPOSITORY, NoRepository(), build, settle_s=0.01, clock=forge.clock
    )


def proposed(
    payload: Payload,
    name: str = "one",
    *,
    job: str = "review",
    preconditions: dict[str, str] | None = None,
    body: str = "",
    private: bool = False,
    title: str = "",
) -> Proposal:
    return Proposal(
        id=identity("proposal", name),
        project=PROJECT,
        job=job,
        item=an_item().id,
        type=type_of(payload),
        title=title or f"About {name}",
        body=body or f"What is to be said of {name}.\n",
        preconditions=preconditions or {},
        private=private,
        payload=payload,
    )


def approved(database: Database, *wanted: Proposal, by: str = "Ada") -> list[str]:
    """Record proposals and approve them; their ids."""
    record_done(database, an_item(), RUN, Done(proposals=wanted), model=True)
    ids = [one.id for one in wanted]
    decide(database, ids, "approve", by=by)
    return ids


def a_publisher(database: Database, forge: GitHubForge) -> Publisher:
    return Publisher(database, PROJECT, forge, by="Ada")


def state(hub: Hub, *, but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Everything on the simulated GitHub, object by object, but times, events and what `but` names."""
    repo: SimulatedRepo = hub.repos[REPOSITORY]
    found: dict[str, Any] = {
        "refs": repo.git.refs(),
        "labels": sorted(one.name for one in repo.labels.values()),
    }
    for number, issue in repo.issues.items():
        shown: dict[str, Any] = {
            "title": issue.title,
            "body": issue.body,
            "state": issue.state,
            "reason": issue.reason,
            "labels": sorted(issue.labels),
            "comments": [(one.user, one.body) for one in issue.comments],
        }
        if issue.pull is not None:
            shown["draft"] = issue.pull.draft
            shown["reviews"] = [(one.user, one.state, one.body) for one in issue.pull.reviews]
            shown["review comments"] = [(one.path, one.line, one.body) for one in issue.pull.comments]
        found[f"#{number}"] = shown
    for run in repo.check_runs.values():
        found[f"check run {run.id}"] = (run.name, run.sha, run.conclusion, run.external_id)
    found["analyses"] = sorted(one.category for one in repo.analyses.values())
    for advisory in repo.advisories.values():
        found[f"advisory {advisory.ghsa}"] = dataclasses.asdict(advisory)
    return {name: value for name, value in found.items() if name not in but}


def nowhere(*_: Any) -> Any:
    raise RepositoryError("nothing is built here")
