"""The job `review` on pull requests of the simulated forge, whose repositories are real: what is fetched,
whose it is, what becomes of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hundredfold.cli.context import Context, Where
from hundredfold.config import load_settings, place_of
from hundredfold.forges.github.access import git_address, git_authorization
from hundredfold.jobs.protocol import Mirrored, Project
from hundredfold.jobs.review import ReviewJob
from hundredfold.sections import PullsSettings
from hundredfold.settings import ForgeSettings
from hundredfold.simulation.forge.api.pulls import new_pull
from hundredfold.simulation.forge.hub import Repo
from hundredfold.simulation.forge.pushes import moved
from hundredfold.simulation.forge.records import Issue
from hundredfold.sources.heads import Heads, choose
from hundredfold.store import mirror
from hundredfold.store.database import open_database, sqlite_url
from hundredfold.store.items import keep_project
from hundredfold.store.mirrorrows import IssueRow, PullRow
from tests.support.forge import TOKEN, TestForge, commit
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import SURE, simulated_provider

AWAY = "http://127.0.0.1:9/api/v3"
CODE = "def mean_{n}(values):\n    return sum(values) / len(values)\n"
FORGE = """
[forge]
kind = "github"
repository = "acme/widget"
base-url = "{api}"
pace-seconds = 0
[job.review]
passes = 4
cadence = ""
"""


class Fork:
    """A stranger's fork of `acme/widget` with a branch that a pull request is of."""

    def __init__(self, forge: TestForge) -> None:
        self.forge = forge
        self.repo: Repo = forge.hub.fork(forge.repo, "mallory")
        self.sha = self._commit(0, forge.base)
        self.pull: Issue = new_pull(
            forge.hub, forge.repo, "mallory", "Add means", "", ("means", self.sha), ("main", forge.base),
            fork=self.repo,
        )  # fmt: skip

    def _commit(self, n: int, start: str = "") -> str:
        self.forge.clock.at = time.time()
        files = {f"src/stats_{n}.py": CODE.format(n=n).encode()}
        return commit(self.repo.git, "means", files, f"Add mean {n}", int(time.time()), start)

    def push(self, n: int) -> str:
        """Add a commit to the branch, as a push does."""
        before, self.sha = self.sha, self._commit(n)
        moved(self.forge.hub, self.repo, "refs/heads/means", before, self.sha, "mallory")
        return self.sha


@pytest.fixture
def forge(tmp_path: Path) -> TestForge:
    made = TestForge(tmp_path / "forge")
    made.clock.at = time.time()
    made.pull.state = "closed"
    return made


@pytest.fixture
def fork(forge: TestForge) -> Fork:
    return Fork(forge)


@pytest.fixture
def clone(tmp_path: Path, forge: TestForge) -> Iterator[Path]:
    """The user's clone, which holds nothing of the fork, and must not change."""
    root = tmp_path / "widget"
    subprocess.run(
        ["git", "clone", "-q", "--single-branch", f"file://{forge.repo.git.folder}", str(root)], check=True
    )
    (root / ".git/info/exclude").write_text("hundredfold.toml\n")
    before = everything(root)
    yield root
    assert everything(root) == before, "nothing is written to the user's repository"


def everything(root: Path) -> dict[str, bytes]:
    return {
        os.fspath(one.relative_to(root)): one.read_bytes()
        for one in (root / ".git").rglob("*")
        if one.is_file()
    }


def configure(root: Path, base_url: str, api: str, agent: str = "codex", more: str = "") -> None:
    extra = FORGE.format(api=api) + more
    (root / "hundredfold.toml").write_text(
        CONFIG.format(base_url=base_url, agent=agent, extra=extra, provider="")
    )


@pytest.mark.codex
def test_from_a_forks_pull_request_to_a_review_in_its_diff_and_to_a_new_head(
    fork: Fork, clone: Path, tmp_path: Path, home: Path
) -> None:
    forge = fork.forge
    with forge.served() as api, simulated_provider(tmp_path, seed=3, mind=SURE) as provider:
        configure(clone, provider.base_url, api)
        ran = hundredfold("run", "--json", repo=clone, GITHUB_TOKEN=TOKEN)
        assert ran.code == 0, (ran.out, ran.err)
        assert ran.json()["items"] == {"done": 1}
        (early,) = hundredfold("inbox", "--json", repo=clone).json()["proposals"]
        assert early["type"] == "review" and f"#{fork.pull.number} at {fork.sha[:12]}" in early["title"]

        before = fork.sha
        head = fork.push(1)
        refused = hundredfold("approve", early["id"], "--by", "Ada", repo=clone, GITHUB_TOKEN=TOKEN)
        assert f"#{fork.pull.number} was at {before[:12]}" in refused.out + refused.err
        assert fork.pull.pull is not None and fork.pull.pull.reviews == []

        again = hundredfold("run", "--json", repo=clone, GITHUB_TOKEN=TOKEN)
        assert again.code == 0 and again.json()["items"] == {"done": 1}, (again.out, again.err)
        state = place_of(clone, load_settings(clone)).state
        assert "unchanged since" in (state / "reports/review/coverage.json").read_text()
        waiting = hundredfold("inbox", "--json", repo=clone).json()["proposals"]
        (proposal,) = [one for one in waiting if head[:12] in one["title"]]
        approved = hundredfold("approve", proposal["id"], "--by", "Ada", repo=clone, GITHUB_TOKEN=TOKEN)
        assert approved.code == 0, approved.err
        (review,) = [one for one in fork.pull.pull.reviews if one.body]
        assert review.commit == head and review.state == "COMMENTED" and "against" in review.body
        placed = {(one.path, one.side, one.subject) for one in fork.pull.pull.comments}
        assert ("src/stats_0.py", "RIGHT", "line") in placed, "what stood before is in the diff still"
        kept = b"".join(one.read_bytes() for one in state.rglob("*") if one.is_file())
        assert TOKEN.encode() not in kept


def project_of(context: Context) -> Project:
    settings = context.settings
    mirrored = Mirrored(context.database, context.blobs, settings.forge.repository)
    return Project(
        context.place.slug,
        context.place.root,
        context.repository,
        settings.job["review"],
        mirror=mirrored,
    )


def test_what_can_not_be_fetched_is_said_and_never_clean_and_is_looked_at_once_it_can(
    fork: Fork, clone: Path, home: Path
) -> None:
    forge = fork.forge
    own = new_pull(
        forge.hub, forge.repo, "ada", "Our own", "", ("topic", forge.head), ("main", forge.base)
    )  # fmt: skip
    with forge.served() as api:
        configure(clone, "http://127.0.0.1:9", api)
        assert hundredfold("mirror", repo=clone, GITHUB_TOKEN=TOKEN).code == 0
    configure(clone, "http://127.0.0.1:9", AWAY)
    coverage = place_of(clone, load_settings(clone)).state / "reports/review/coverage.json"
    away = hundredfold("run", "--no-model", "--json", repo=clone, GITHUB_TOKEN=TOKEN)
    assert "mirror is not up to date" in away.err, (away.out, away.err)
    assert away.json()["items"] == {"listed": 2}, "not done"
    assert f"#{fork.pull.number} at {fork.sha[:12]}, or its base, is not here" in coverage.read_text()
    (plan,) = hundredfold("plan", "--json", repo=clone).json()["plans"]
    assert len(plan["items"]) == 2 and plan["tasks"] == 0
    with forge.served() as api:
        configure(clone, "http://127.0.0.1:9", api)
        back = hundredfold("run", "--no-model", "--json", repo=clone, GITHUB_TOKEN=TOKEN)
    assert back.json()["taken"]["queued"] == 2, "the same items, looked at again"
    assert "is not here" not in coverage.read_text() and "no model configured" in coverage.read_text()
    context = Where(clone).open()
    project, job = project_of(context), ReviewJob()
    trusted = {
        item.key: {not task.untrusted for task in job.planned(project, item)}
        for item in job.discover(project)
    }
    assert trusted == {f"#{fork.pull.number}": {False}, f"#{own.number}": {True}}
    context.repository.close()


@pytest.mark.codex
def test_no_login_is_lent_for_a_strangers_head_and_the_run_goes_on(
    fork: Fork, clone: Path, tmp_path: Path, home: Path
) -> None:
    with fork.forge.served() as api, simulated_provider(tmp_path) as provider:
        configure(clone, provider.base_url, api, "codex-exec")
        text = (clone / "hundredfold.toml").read_text()
        (clone / "hundredfold.toml").write_text(text.replace("[route]", '[route]\nlogin = "subscription"'))
        ran = hundredfold("run", "--json", repo=clone, GITHUB_TOKEN=TOKEN)
        assert ran.code == 8 and ran.json()["items"] == {"incomplete": 1}, (ran.out, ran.err)
        assert provider.lines() == []
    state = place_of(clone, load_settings(clone)).state
    assert "untrusted head" in (state / "reports/review/coverage.json").read_text()


def test_one_head_that_is_gone_does_not_keep_the_others_away(fork: Fork, clone: Path, home: Path) -> None:
    forge = fork.forge
    with forge.served() as api:
        configure(clone, "http://127.0.0.1:9", api)
        assert hundredfold("mirror", repo=clone, GITHUB_TOKEN=TOKEN).code == 0
        context = Where(clone).open()
        place, settings = context.place, context.settings
        (row,) = choose(context.database, place.slug, PullsSettings()).pulls
        gone = msgspec.structs.replace(row, number=99, head_sha="9" * 40)
        heads, address = Heads(place.heads, context.repository), git_address(settings.forge)
        refused, _ = heads.fetch([row], {row.number}, address, git_authorization("Bearer ghp_guess"))
        assert "ghp_guess" not in refused.missing[row.number] and refused.here == 0
        done, tips = heads.fetch([row, gone], {row.number}, address, git_authorization(f"Bearer {TOKEN}"))
        assert done.here == 1 and tips == {"main": forge.base}
        assert "couldn't find remote ref" in done.missing[99]
        assert context.repository.has(fork.sha) and context.repository.merge_base(fork.sha, forge.base)
        heads.fetch([], set(), address, git_authorization(f"Bearer {TOKEN}"))
        assert not (place.heads / f"refs/pull/{row.number}/head").exists(), "closed: let go of"
        context.repository.close()


def test_only_the_newest_are_chosen_and_drafts_if_asked(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "store.db"))
    keep_project(database, "p", tmp_path)
    with database.write() as connection:
        for number in range(1, 501):
            issue = IssueRow(
                number, True, "t", "", "bob", "open", "", [], [], 0, False, 1, number, None, "", ""
            )
            pull = PullRow(
                number, "b", f"{number:040x}", "", "main", "0" * 40, number == 500, None, "", number
            )
            mirror.keep(connection, database, "p", [issue, pull])
    chosen = choose(database, "p", PullsSettings(most=3))
    assert [one.number for one in chosen.pulls] == [499, 498, 497]
    assert (chosen.drafts, chosen.beyond) == (1, 496)
    assert choose(database, "p", PullsSettings(most=3, drafts=True)).pulls[0].number == 500
    database.close()


@pytest.mark.parametrize(
    ("api", "git"),
    [
        ("https://api.github.com", "https://github.com/acme/widget.git"),
        ("https://git.acme.example/api/v3", "https://git.acme.example/acme/widget.git"),
        ("https://api.acme.ghe.com/", "https://acme.ghe.com/acme/widget.git"),
        ("http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080/acme/widget.git"),
    ],
)
def test_git_finds_the_repository_where_the_api_is(api: str, git: str) -> None:
    assert git_address(ForgeSettings(kind="github", repository="acme/widget", base_url=api)) == git
