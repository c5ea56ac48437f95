"""Filling a simulated forge fast, under a seed: thousands of issues and pull requests and all on them.

Texts are drawn from a small vocabulary; commits of pull requests are made by one `git fast-import`.
"""

from __future__ import annotations

import io
import zipfile
from random import Random

from msgspec import Struct

from hundredfold.simulation.forge.api.comments import new_comment
from hundredfold.simulation.forge.api.issues import new_issue
from hundredfold.simulation.forge.api.pulls import new_pull
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import (
    Artifact,
    Event,
    Issue,
    Label,
    Review,
    ReviewComment,
    Status,
    Step,
    WorkflowJob,
    WorkflowRun,
)

DAY_S = 86_400
PEOPLE = tuple(f"person{number}" for number in range(40))
LABELS = ("bug", "question", "docs", "performance", "area/core", "area/cli", "regression", "help wanted")
_SUBJECTS = ("The parser", "Saving", "A retry", "The cache", "Startup", "The menu", "Export", "Login")
_VERBS = ("crashes", "hangs", "is slow", "loses data", "shows the wrong date", "ignores the setting", "leaks")
_WHERE = ("on Windows", "after an update", "with many files", "behind a proxy", "in dark mode", "twice")


class Filling(Struct, frozen=True):
    """How much to make. Shares are of the items; everything lies within the last `days` before the clock."""

    issues: int = 20_000
    pulls: int = 5_000
    comments: float = 2.0  # on average an item
    open_share: float = 0.1
    reviewed_share: float = 0.6
    runs: int = 500
    days: float = 1000.0
    seed: int = 0


def fill(hub: Hub, repo: Repo, filling: Filling = Filling()) -> None:  # noqa: B008 (frozen)
    """Fill an empty repository."""
    random = Random(filling.seed)  # noqa: S311 - a simulation, seeded on purpose
    now = hub.now()
    for name in LABELS:
        repo.labels.setdefault(name, Label(hub.next_id(), name, "ededed"))
    commits = _import(repo, filling, now)
    kinds = ["issue"] * filling.issues + ["pull"] * filling.pulls
    random.shuffle(kinds)
    step = filling.days * DAY_S / max(1, len(kinds) + 1)
    made = 0
    for position, kind in enumerate(kinds):
        at = int(now - filling.days * DAY_S + step * position)
        title = " ".join((random.choice(_SUBJECTS), random.choice(_VERBS), random.choice(_WHERE)))
        body = f"{title}. It began {random.choice(_WHERE)}.\n\n" + "Steps as always. " * random.randrange(
            1, 12
        )
        author = random.choice(PEOPLE)
        if kind == "issue":
            item = new_issue(hub, repo, author, title, body, at=at)
        else:
            head, base = commits[made]
            item = new_pull(hub, repo, author, title, body, (f"topic-{made}", head), ("main", base), at=at)
            state = random.choice(("success", "success", "failure"))
            repo.statuses.append(Status(hub.next_id(), head, state, "ci/test", None, None, "person0", at))
            made += 1
        item.labels = sorted(random.sample(LABELS, random.randrange(3)))
        last = at
        for _ in range(_count(random, filling.comments)):
            last = min(now, last + random.randrange(60, 5 * DAY_S))
            said = f"I see it too, {random.choice(_WHERE)}."
            new_comment(hub, repo, item, random.choice(PEOPLE), said, at=last)
        if item.pull is not None and random.random() < filling.reviewed_share:
            last = min(now, last + random.randrange(60, DAY_S))
            _review(hub, repo, item, random, last)
        if random.random() >= filling.open_share:
            last = min(now, last + random.randrange(60, 30 * DAY_S))
            item.state, item.closed, item.closed_by = "closed", last, random.choice(PEOPLE)
            kinds_of_end = ["closed"]
            if item.pull is None:
                item.reason = random.choice(("completed", "completed", "not_planned", "duplicate"))
            elif random.random() < 0.8:
                item.pull.merged, item.pull.merged_by = last, item.closed_by
                item.pull.merge_sha = item.pull.head_sha
                kinds_of_end = ["merged", "closed"]
            for end in kinds_of_end:
                event = Event(hub.next_id(), end, item.closed_by, last)
                item.events.append(event)
                repo.events.append((item, event))
        item.updated = max(item.updated, last)
    _runs(hub, repo, filling, random, now, commits)
    repo.version += 1


def _count(random: Random, mean: float) -> int:
    """A count with that mean, most of them small and a few large."""
    return min(60, int(random.expovariate(1 / mean) + 0.5)) if mean > 0 else 0


def _review(hub: Hub, repo: Repo, item: Issue, random: Random, at: int) -> None:
    pull = item.pull
    assert pull is not None
    state = random.choice(("APPROVED", "APPROVED", "COMMENTED", "CHANGES_REQUESTED"))
    review = Review(hub.next_id(), random.choice(PEOPLE), "Looks right.", state, pull.head_sha, at)
    pull.reviews.append(review)
    if random.random() < 0.5:
        comment = ReviewComment(
            hub.next_id(), review.id, review.user, "Why this?", "a.txt", pull.head_sha,
            "@@ -1,1 +1,1 @@\n+line", 1, 1, "RIGHT", at, at,
        )  # fmt: skip
        pull.comments.append(comment)
        repo.review_comments[comment.id] = (item, comment)


def _import(repo: Repo, filling: Filling, now: int) -> list[tuple[str, str]]:
    """A main branch and one commit (with its branch) a pull request; returns head and base of each."""
    start = int(now - (filling.days + 1) * DAY_S)
    stream = io.BytesIO()

    def commit(ref: str, at: int, message: str, path: str, content: str, parent: str) -> None:
        said = message.encode()
        stream.write(f"commit {ref}\ncommitter person0 <person0@example.org> {at} +0000\n".encode())
        stream.write(f"data {len(said)}\n".encode() + said + b"\n")
        if parent:
            stream.write(f"from {parent}\n".encode())
        stream.write(f"M 100644 inline {path}\ndata {len(content)}\n{content}\n".encode())

    for number in range(10):
        commit("refs/heads/main", start + number, f"Main {number}", f"main{number}.txt", f"{number}\n", "")
    for number in range(filling.pulls):
        ref = f"refs/heads/topic-{number}"
        commit(ref, start + 100, f"Topic {number}", "a.txt", f"line\n{number}\n", "refs/heads/main")
    repo.git.run("fast-import", "--quiet", "--force", stdin=stream.getvalue())
    refs = repo.git.refs("refs/heads/")
    base = refs["refs/heads/main"]
    return [(refs[f"refs/heads/topic-{number}"], base) for number in range(filling.pulls)]


def _runs(
    hub: Hub, repo: Repo, filling: Filling, random: Random, now: int, commits: list[tuple[str, str]]
) -> None:
    """Workflow runs, one in five failed, with a log and a report."""
    heads = [head for head, _ in commits] or [repo.git.refs("refs/heads/")["refs/heads/main"]]
    for number in range(filling.runs):
        at = int(now - filling.days * DAY_S * (1 - (number + 1) / (filling.runs + 1)))
        end = "failure" if random.random() < 0.2 else "success"
        log = (
            f"collected 12 items\nE  AssertionError: {random.choice(_VERBS)}\n"
            if end == "failure"
            else "ok\n"
        )
        job = WorkflowJob(hub.next_id(), "test", end, at, at + 60, [Step("pytest", end, log)])
        report = io.BytesIO()
        with zipfile.ZipFile(report, "w") as archive:
            failure = "<failure message='no'/>" if end == "failure" else ""
            archive.writestr("junit.xml", f"<testsuite><testcase name='t'>{failure}</testcase></testsuite>")
        run = WorkflowRun(
            hub.next_id(), number + 1, "CI", ".github/workflows/ci.yml", "push", random.choice(heads), "main",
            random.choice(PEOPLE), "completed", end, at, at + 60, 1, [job],
            [Artifact(hub.next_id(), "junit", report.getvalue(), at)],
        )  # fmt: skip
        repo.workflow_runs[run.id] = run
