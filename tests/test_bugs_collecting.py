"""Failing runs of the mirror: logs of failed jobs and JUnit reports in archives, with the commit that was
run.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hundredfold.jobs.bugs import BugsJob
from hundredfold.jobs.bugs.collecting import collect
from hundredfold.jobs.bugs.seeing import Seen, Unread
from hundredfold.jobs.known import Known
from hundredfold.jobs.protocol import Mirrored, Project
from hundredfold.settings import JobSettings
from hundredfold.sources.git import open_repository
from hundredfold.store import mirror
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database
from hundredfold.store.items import keep_project
from hundredfold.store.mirrorrows import ArtifactRow, JobRow, Row, RunRow
from tests.support.repositories import RepositoryMaker
from tests.test_outcomes_observing import issue

Make = Callable[..., RepositoryMaker]
LOG = b"""2026-11-01T10:00:00Z E       ValueError: unpaid total
2026-11-01T10:00:00Z shop/cart.py:31: ValueError
2026-11-01T10:00:01Z FAILED tests/test_cart.py::test_total - ValueError: unpaid total
2026-11-01T10:00:02Z ##[error]Process completed with exit code 1.
"""
JUNIT = (
    '<testsuites><testsuite><testcase classname="cart.TestCart" name="test_tax">'
    '<failure message="wrong tax">assert 19 == 7</failure></testcase></testsuite></testsuites>'
)


def archive(**files: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, text in files.items():
            packed.writestr(name.replace("__", "."), text)
    return made.getvalue()


@pytest.fixture
def project(database: Database, make_repository: Make, tmp_path: Path) -> Project:
    maker = make_repository()
    first = maker.commit({"shop/cart.py": "x\n"})
    maker.git("checkout", "-q", "-b", "work")
    other = maker.commit({"shop/cart.py": "y\n"})
    maker.git("checkout", "-q", "main")
    maker.commit({"shop/cart.py": "z\n"})
    keep_project(database, "p", maker.root)
    blobs = Blobs(tmp_path / "blobs")

    def run(number: int, sha: str, conclusion: str = "failure") -> RunRow:
        return RunRow(
            number, "CI", "ci.yml", "push", "main", sha, 1, "completed", conclusion, "u", number, number
        )

    def job(number: int, of: int, log: bytes | None, conclusion: str = "failure") -> JobRow:
        key = blobs.put(log) if log is not None else None
        return JobRow(number, of, "tests", "completed", conclusion, [], 1, 2, key, "" if log else "too large")

    whole = blobs.put(archive(junit__xml=JUNIT, pom__xml="<project/>", a__txt="x"))
    torn = archive(a__xml=JUNIT)[:-40]
    rows: list[Row] = [
        run(1, first), job(11, 1, LOG), job(12, 1, b"all is well\n"), job(13, 1, None),
        job(14, 1, LOG, "success"),
        run(2, other), job(21, 2, LOG.replace(b"total", b"sum")),
        ArtifactRow(31, 2, "reports", 9, whole),
        ArtifactRow(32, 2, "torn", 9, blobs.put(torn)),
        run(3, first, "success"), job(41, 3, LOG.replace(b"total", b"never")),
        issue(7, 1, title="ValueError: unpaid total in the cart", body="ValueError raised by shop/cart.py"),
        issue(8, 1, title="Dark mode for the site", body="Please add a dark theme"),
    ]  # fmt: skip
    with database.write() as connection:
        mirror.keep(connection, database, "p", rows)
    return Project(
        slug="p",
        root=maker.root,
        repository=open_repository(maker.root),
        job=JobSettings(),
        mirror=Mirrored(database, blobs),
        known=Known(database, blobs, "p", "none"),
    )


def test_failures_of_failed_runs_are_seen_once_and_what_tells_nothing_is_said(project: Project) -> None:
    found = list(collect(project))
    seen = {one.failure.test: one for one in found if isinstance(one, Seen)}
    assert set(seen) == {
        "tests/test_cart.py::test_total", "tests/test_cart.py::test_sum", "cart.TestCart.test_tax",
    }  # fmt: skip
    assert seen["tests/test_cart.py::test_total"].failure.path == "shop/cart.py"
    reasons = sorted(one.reason for one in found if isinstance(one, Unread))
    assert any("too large" in one for one in reasons)
    assert any("tells of a failure" in one for one in reasons)
    assert any("archive can't be read" in one for one in reasons)


def test_a_failure_is_tried_at_head_unless_another_branch_was_run(project: Project) -> None:
    head = project.repository.resolve("HEAD")
    items = {one.payload.get("test"): one for one in BugsJob().discover(project)}
    assert items["tests/test_cart.py::test_total"].revision == head, "an older commit: it may be mended"
    assert items["tests/test_cart.py::test_sum"].revision == project.repository.resolve("work")


def test_the_nearest_known_issue_is_told(project: Project) -> None:
    items = {one.payload.get("test"): one for one in BugsJob().discover(project)}
    assert "#7 (open)" in items["tests/test_cart.py::test_total"].payload["nearest"]
    project.repository.close()
