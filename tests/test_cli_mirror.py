"""`hundredfold mirror`, and a watching run that webhooks wake."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from hundredfold.simulation.forge.filler import Filling, fill
from hundredfold.simulation.forge.hub import Hook
from hundredfold.simulation.forge.limits import UNLIMITED, Limits
from tests.support.forge import TOKEN, TestForge, key_pair
from tests.support.program import command, hundredfold
from tests.support.repositories import RepositoryMaker
from tests.support.waiting import PATIENCE_S, until

SECRET = "between us"


def configure(root: Path, api: str, more: str = "") -> None:
    (root / "hundredfold.toml").write_text(
        f'[forge]\nkind = "github"\nrepository = "acme/widget"\nbase-url = "{api}"\n{more}'
    )


@pytest.fixture
def repo(make_repository: Callable[..., RepositoryMaker]) -> Path:
    maker = make_repository()
    maker.commit({"a.txt": "a"}, "A commit")
    return maker.root


@pytest.fixture
def forge(tmp_path: Path) -> TestForge:
    made = TestForge(tmp_path / "forge")
    made.clock.at = time.time()
    return made


def test_it_says_what_it_read_and_the_second_time_that_nothing_changed(forge: TestForge, repo: Path) -> None:
    fill(forge.hub, forge.repo, Filling(issues=130, pulls=10, runs=3, days=20))
    with forge.served() as api:
        configure(repo, api)
        first = hundredfold("mirror", repo=repo, GITHUB_TOKEN=TOKEN)
        assert first.code == 0, first.err
        assert "131 issues, 11 pull requests" in first.err
        second = hundredfold("mirror", "--json", repo=repo, GITHUB_TOKEN=TOKEN).json()
    assert second["holds"]["issues"] == 142
    assert sum(second["sync"]["read"].values()) == 0
    assert second["sync"]["requests"] - second["sync"]["unchanged"] <= 3


def test_a_github_app_may_read_too(forge: TestForge, repo: Path, tmp_path: Path) -> None:
    (tmp_path / "app.pem").write_text(key_pair()[0])
    with forge.served() as api:
        configure(repo, api, f'app-id = "{forge.app.id}"\n')
        done = hundredfold("mirror", repo=repo, GITHUB_APP_KEY=str(tmp_path / "app.pem"))
    assert done.code == 0, done.err
    tokens = {line.token for line in forge.hub.log if line.path.endswith("/issues")}
    assert all(token.startswith("ghs_") for token in tokens)


def test_what_is_missing_is_said_with_the_mend(forge: TestForge, repo: Path) -> None:
    nothing = hundredfold("mirror", repo=repo)
    assert (nothing.code, "[forge]" in nothing.err) == (2, True)
    with forge.served() as api:
        configure(repo, api)
        no_token = hundredfold("mirror", repo=repo, GITHUB_TOKEN="")
        assert (no_token.code, "GITHUB_TOKEN" in no_token.err) == (2, True)
        wrong = hundredfold("mirror", repo=repo, GITHUB_TOKEN="ghp_guess")
        assert wrong.code == 4 and "401" in wrong.err and "ghp_guess" not in wrong.err
        for days in ("nan", "-3", "1e300"):
            no_days = hundredfold("mirror", "--days", days, repo=repo, GITHUB_TOKEN=TOKEN)
            assert (no_days.code, "--days is" in no_days.err) == (2, True)
        no_secret = hundredfold("mirror", "--listen", repo=repo, GITHUB_TOKEN=TOKEN)
        assert (no_secret.code, "GITHUB_WEBHOOK_SECRET" in no_secret.err) == (2, True)
        configure(repo, api, "webhook-port = 70000\n")
        assert "65535" in hundredfold("mirror", repo=repo).err


def test_a_used_up_limit_has_its_exit_code_and_the_next_call_goes_on(tmp_path: Path, repo: Path) -> None:
    forge = TestForge(tmp_path / "forge", Limits(core=6))
    forge.clock.at = time.time()
    fill(forge.hub, forge.repo, Filling(issues=250, pulls=0, runs=0, days=20))
    with forge.served() as api:
        configure(repo, api, "patience-seconds = 0\n")
        stopped = hundredfold("mirror", repo=repo, GITHUB_TOKEN=TOKEN)
        assert stopped.code == 5 and "goes on from there" in stopped.err, stopped.err
        forge.hub.meter.accounts.clear()
        forge.hub.meter.limits = UNLIMITED
        done = hundredfold("mirror", repo=repo, GITHUB_TOKEN=TOKEN)
        assert done.code == 0 and "251 issues" in done.err


def test_killed_at_seeded_instants_it_ends_up_equal_and_reads_no_page_twice(
    forge: TestForge, repo: Path, tmp_path: Path
) -> None:
    fill(forge.hub, forge.repo, Filling(issues=900, pulls=30, runs=3, days=20))
    random = Random(11)
    with forge.served() as api:
        configure(repo, api)
        for _ in range(4):
            before, wanted = forge.hub.requests, random.randrange(2, 14)
            process = subprocess.Popen(
                command("mirror", repo=repo),
                env={**os.environ, "GITHUB_TOKEN": TOKEN},
                stderr=subprocess.DEVNULL,
            )
            while forge.hub.requests - before < wanted and process.poll() is None:
                time.sleep(0.001)
            process.kill()
            process.wait()
        done = hundredfold("mirror", "--json", repo=repo, GITHUB_TOKEN=TOKEN)
    assert done.code == 0, done.err
    holds = done.json()["holds"]
    assert (holds["issues"], holds["pulls"]) == (len(forge.repo.issues), 31)
    assert holds["comments"] == len(forge.repo.comments) + len(forge.repo.review_comments)
    pages = sum(line.path.endswith("/widget/issues") for line in forge.hub.log)
    assert pages <= -(-len(forge.repo.issues) // 99) + 1 + 4, "at most the page under way is read again"


# ------------------------------------------------------------------ webhooks

JOB = """
from hundredfold.vocabulary import Item, Skip, digest, identity

class SeenJob:
    name = "seen"
    reads_forge = True

    def discover(self, project):
        from hundredfold.store import mirror
        for issue in mirror.issues(project.mirror.database, project.slug):
            made = digest(str(issue.number), issue.title)
            known = identity("item", project.slug, "seen", made)
            yield Item(known, project.slug, "seen", str(issue.number), made, issue.title, "HEAD")

    def advance(self, project, item, rounds, *, model):
        return Skip("it was seen")

    def planned(self, project, item):
        return ()

    def report(self, project, findings, coverage):
        return []
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """A third party's package with a job that reads the forge's mirror."""
    folder = tmp_path / "plugin"
    info = folder / "seen-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "seenjob.py").write_text(JOB)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: seen\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hundredfold.jobs]\nseen = seenjob:SeenJob\n")
    yield folder


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_watching_run_looks_at_what_a_webhook_tells_of(
    forge: TestForge, repo: Path, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("PYTHONPATH", str(plugin)), ("GITHUB_TOKEN", TOKEN), ("GITHUB_WEBHOOK_SECRET", SECRET),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    port = free_port()
    said = tmp_path / "said.txt"

    def keys() -> set[str]:
        import sqlite3

        with sqlite3.connect(tmp_path / "home" / "hundredfold.db") as database:
            rows = database.execute("SELECT title FROM items WHERE job = 'seen' AND state = 'skipped'")
            return {row[0] for row in rows}

    with forge.served() as api, said.open("wb") as errors:
        configure(repo, api, f'webhook-port = {port}\n[job.seen]\ncadence = ""\n')
        watching = subprocess.Popen(
            command("run", "--job", "seen", "--no-model", "--watch", repo=repo),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            until(lambda: "watching" in said.read_text(), "it watches")
            assert keys() == {"It breaks"}, "the mirror was read before the job looked for items"
            forge.hub.hooks.append(Hook(f"http://127.0.0.1:{port}/", SECRET))
            request = urllib.request.Request(
                f"{api}/repos/acme/widget/issues",
                data=json.dumps({"title": "Told by a webhook"}).encode(),
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            with urllib.request.urlopen(request) as answer:
                assert answer.status == 201
            until(lambda: "Told by a webhook" in keys(), "the new issue is looked at")
        finally:
            watching.send_signal(signal.SIGTERM)
            assert watching.wait(PATIENCE_S) == 130, said.read_text()


def test_a_forge_that_is_away_stops_no_run(repo: Path, plugin: Path) -> None:
    configure(repo, f"http://127.0.0.1:{free_port()}/api/v3", "[job.seen]\n")
    done = hundredfold(
        "run", "--job", "seen", "--no-model", repo=repo, PYTHONPATH=str(plugin), GITHUB_TOKEN=TOKEN
    )
    assert done.code == 0, done.err
    assert "mirror is not up to date" in done.err
