"""What the fleet holds whatever jobs and agents do: faults are told by name, answers obey their schema."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import psutil
import pytest

from hundredfold.agents.protocol import ErrorKind, Outcome
from hundredfold.config import load_settings, place_of
from hundredfold.fleet.answers import judged
from hundredfold.fleet.assembly import assembled
from hundredfold.fleet.run import Run
from hundredfold.jobs.protocol import Project, Report
from hundredfold.settings import Settings
from hundredfold.sources.git import open_repository
from hundredfold.store import items
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import open_database, sqlite_url
from hundredfold.store.items import keep_project
from hundredfold.vocabulary import AgentTask, Coverage, Done, Item, Round, Step
from tests.support.program import command, hundredfold, weak_project
from tests.support.provider import simulated_provider
from tests.support.repositories import RepositoryMaker
from tests.support.waiting import PATIENCE_S, until

Make = Callable[..., RepositoryMaker]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TASK = AgentTask("ask", "?", SCHEMA, "0" * 40)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('{"n": 1}', "ok"),
        ('{"n": "1"}', "schema"),
        ("{}", "schema"),
        ("[1]", "schema"),
        ("I think that 1 is", "schema"),
        ("", "schema"),
    ],
)
def test_only_an_answer_by_the_schema_reaches_the_job(text: str, state: str) -> None:
    found, value, error = judged(TASK, Outcome("completed", text=text))
    assert (found, value is not None, bool(error)) == (state, state == "ok", state != "ok")


@pytest.mark.parametrize(
    ("kind", "state"),
    [("throttled", "throttled"), ("quota", "limit"), ("stalled", "timeout"), ("deadline", "timeout")]
    + [(kind, "failed") for kind in ("provider", "auth", "request", "agent", "context")],
)
def test_every_failure_has_its_state_and_its_words(kind: ErrorKind, state: str) -> None:
    assert judged(TASK, Outcome("failed", error_kind=kind)) == (state, None, kind)


class FaultyJob:
    """A job of a third party with a fault for one of its three items."""

    name = "security"

    def discover(self, project: Project) -> Iterator[Item]:
        for number in range(3):
            key = f"i-{number:012}"
            yield Item(key, project.slug, self.name, str(number), str(number), f"Item {number}", "HEAD")

    def advance(self, project: Project, item: Item, rounds: tuple[Round, ...], *, model: bool) -> Step:
        if item.key == "1":
            raise KeyError("missing")
        return Done(coverage=(Coverage("a.py", item.key, "screened"),))

    def planned(self, project: Project, item: Item) -> tuple[AgentTask, ...]:
        return ()

    def report(self, project: Project, findings: Any, coverage: Any) -> list[Report]:
        return []


async def test_a_fault_in_a_job_fails_its_item_by_name_and_spares_the_others(
    make_repository: Make, home: Path
) -> None:
    maker = make_repository()
    maker.commit({"a.py": "a = 1\n"}, "One")
    repository, settings, job = open_repository(maker.root), Settings(), FaultyJob()
    place = place_of(maker.root, settings)
    database = open_database(sqlite_url(home / "hundredfold.db"))
    keep_project(database, place.slug, place.root)
    async with assembled(
        place, settings, database, Blobs(home / "blobs"), repository, [job], person="Ada", model=False
    ) as assembly:
        run = Run(assembly, "Ada")
        await run.take_in([job])
        async with asyncio.timeout(PATIENCE_S):
            await run.drain(asyncio.Event(), lambda _: None)
    rows = {row.item.key: row for row in items.of_project(database, place.slug)}
    assert {key: row.state for key, row in rows.items()} == {"0": "done", "1": "failed", "2": "done"}
    assert "security" in rows["1"].reason and "missing" in rows["1"].reason
    repository.close()
    database.close()


def gateways_of(repo: Path) -> list[str]:
    state = str(place_of(repo, load_settings(repo)).state)
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    return [line for line in lines if "hundredfold.gateway" in line and state in line]


def test_a_run_without_a_model_lists_what_a_killed_run_with_one_had_asked(
    make_repository: Make, tmp_path: Path
) -> None:
    with simulated_provider(tmp_path, seed=3, latency={"first_byte_ms": 800.0}) as provider:
        repo = weak_project(make_repository(), provider.base_url, commits=2)
        run = Popen(command("run", repo=repo), stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
        until(lambda: provider.lines() or run.poll() is not None)
        assert run.poll() is None
        run.kill()
        run.wait()
        report = hundredfold("run", "--no-model", "--json", repo=repo)
        assert report.code == 0, (report.out, report.err)
        assert report.json()["halted"] is None
        assert report.json()["items"] == {"listed": 2}
        assert not gateways_of(repo), "the killed run's gateway is stopped"
        again = hundredfold("run", "--json", repo=repo)
        assert again.json()["taken"]["queued"] == 2
        assert again.json()["coverage"]["not_looked_at"] == 0
