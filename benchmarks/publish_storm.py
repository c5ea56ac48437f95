"""A thousand proposals over 300 items on the simulated GitHub: faults on a tenth of the calls, and kill -9.

    ./dev exec python -m benchmarks.publish_storm --proposals 1000 --items 300 --kills 10 --seed 1

Shows: each proposal is applied exactly once (its marker, label or closing is there once) or refused with its
reason and nothing of it is there; a batch undo, under the same faults and kills, brings everything back but
the stated residue, compared object by object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hundredfold import payloads
from hundredfold.forges.github import marker
from hundredfold.forges.github.forge import GitHubForge
from hundredfold.forges.subject import requirements
from hundredfold.payloads import Close, Comment, Commit, InlineComment, Issue, Labels, PullRequest, Review
from hundredfold.proposals.decide import decide
from hundredfold.proposals.patches import commits_of
from hundredfold.proposals.publisher import Publisher
from hundredfold.proposals.record import record_done
from hundredfold.simulation.forge.api.issues import add_label, close, new_issue
from hundredfold.simulation.forge.api.pulls import new_pull
from hundredfold.simulation.forge.faults import Storm
from hundredfold.simulation.forge.records import Issue as SimulatedIssue
from hundredfold.sources.git import open_repository
from hundredfold.store import actions, proposals
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.vocabulary import Done, Proposal
from tests.support.forge import TestForge, commit
from tests.support.github import REPOSITORY, admit_app, connected, proposed, state
from tests.support.proposals import PROJECT, RUN, NoRepository, an_item, prepared

AT = 1_795_000_000  # Unix seconds of the commits
PATCH = """diff --git a/notes/{n}.txt b/notes/{n}.txt
new file mode 100644
--- /dev/null
+++ b/notes/{n}.txt
@@ -0,0 +1 @@
+note {n}
"""


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--publisher":
        publisher(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--proposals", type=int, default=1000)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--faults", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="publish-storm-") as folder:
        sys.exit(storm(Path(folder), arguments))


def publisher(url: str, database: str, git: str, verb: str) -> None:
    """The process that is killed: a publisher of its own over the same database."""
    opened = open_repository(Path(git))
    forge = GitHubForge(
        lambda: connected(url, app=True, backoff_s=0.001),
        REPOSITORY,
        NoRepository(),
        lambda *given: commits_of(opened, *given),
        settle_s=0.001,
    )
    made = Publisher(open_database(database), PROJECT, forge, by="Ada", limits={})
    for one in made.publish() if verb == "publish" else made.undo(made.batch(RUN)):
        if one.result == "failed":
            print(f"{one.proposal} {one.detail}", file=sys.stderr)
    forge.close()


def storm(folder: Path, arguments: argparse.Namespace) -> int:
    rng = random.Random(arguments.seed)
    hub = TestForge(folder / "github", clock=time.time)  # type: ignore[arg-type]
    admit_app(hub)
    database = prepared(open_database(sqlite_url(folder / "store.db")), folder)
    subjects = list(populate(hub, arguments.items))
    wanted = list(imagined(hub, subjects, arguments.proposals, rng))
    record_done(database, an_item(), RUN, Done(proposals=tuple(wanted)), model=True)
    disturbed = disturb(hub, subjects, rng, max(1, arguments.items // 15))
    decide(database, [one.id for one in wanted], "approve", by="Ada")
    before = state(hub.hub)
    failures: list[str] = []
    with hub.served() as url:
        hub.hub.faults.storm = Storm(arguments.faults, arguments.seed, retry_after=0.01)
        command = [
            sys.executable, "-m", "benchmarks.publish_storm", "--publisher",
            url, database.url, str(hub.repo.git.folder),
        ]  # fmt: skip
        applying = until_done(
            command, "publish", hub, database, rng, arguments.kills, lambda: states(database)["approved"] == 0
        )
        applied = states(database)
        failures += exactly_once(hub, database, wanted)
        undoing = until_done(
            command, "undo", hub, database, rng, arguments.kills, lambda: states(database)["applied"] == 0
        )
        hub.hub.faults.clear()
    left = states(database)
    failures += differences(before, state(hub.hub))
    reasons = Counter(
        " ".join(one.error.split(" ")[1:4])
        for one in actions.of_project(database, PROJECT)
        if one.state == "failed"
    )
    struck = dict(hub.hub.faults.struck)
    shown = {
        "proposals": len(wanted),
        "by type": dict(Counter(one.type for one in wanted)),
        "items": len(subjects),
        "items changed by others before approval": disturbed,
        "requests": hub.hub.requests,
        "faults struck": struck,
        "after applying": dict(applied),
        "after undoing": dict(left),
        "refused because": dict(reasons),
        "applying": applying,
        "undoing": undoing,
        "failures": failures[:20],
        "failed checks": len(failures),
    }
    print(json.dumps(shown, indent=2))
    return 1 if failures else 0


def populate(hub: TestForge, items: int) -> Iterator[SimulatedIssue]:
    """Two thirds issues, one third pull requests, each of a branch of its own."""
    git = hub.repo.git
    for at in range(items):
        if at % 3:
            made = new_issue(hub.hub, hub.repo, "bob", f"Issue {at}", f"It breaks in way {at}.")
            if at % 2:
                add_label(hub.hub, hub.repo, made, "bug", "bob")
            yield made
        else:
            branch = f"topic-{at}"
            head = commit(git, branch, {"src/app.py": f"line {at}\n".encode()}, f"Change {at}", AT, "main")
            yield new_pull(
                hub.hub, hub.repo, "bob", f"Mend {at}", "Please", (branch, head), ("main", hub.base)
            )


def imagined(
    hub: TestForge, subjects: list[SimulatedIssue], count: int, rng: random.Random
) -> Iterator[Proposal]:
    """Proposals of every type, several about each item, each resting on what it says."""
    closed: set[int] = set()
    for at in range(count):
        subject = subjects[at % len(subjects)]
        number, head = subject.number, subject.pull.head_sha if subject.pull else ""
        kinds = ["comment", "labels", "close", "issue", "advisory", "pull_request", "check_run", "sarif"]
        weights = [40, 25, 10, 6, 3, 4, 4, 3]
        if head:
            kinds, weights = [*kinds, "review"], [*weights, 40]
        kind = rng.choices(kinds, weights)[0]
        if kind == "close" and number in closed:
            kind = "comment"
        closed |= {number} if kind == "close" else set()
        rests = requirements(number, title=subject.title, body=subject.body, labels=subject.labels, head=head)
        yield proposed(
            payload(kind, number, head, at, hub),
            f"number {at}",
            job=f"job{at // len(subjects)}",
            preconditions=rests,
            private=kind == "advisory",
        )


def payload(kind: str, number: int, head: str, at: int, hub: TestForge) -> payloads.Payload:
    match kind:
        case "labels":
            return Labels(number=number, add=("duplicate",), remove=("bug",))
        case "close":
            return Close(number=number)
        case "issue":
            return Issue(labels=("bug",))
        case "advisory":
            return payloads.Advisory()
        case "check_run":
            return payloads.CheckRun(head=head or hub.base, name=f"check {at}")
        case "sarif":
            run = {"tool": {"driver": {"name": "Hundredfold"}}, "results": []}
            document = json.dumps({"version": "2.1.0", "runs": [run]})
            return payloads.Sarif(head=hub.base, ref="refs/heads/main", document=document)
        case "pull_request":
            commits = (Commit(message=f"Note {at}", patch=PATCH.format(n=at)),)
            return PullRequest(base="main", base_sha=hub.base, branch=f"hundredfold/{at}", commits=commits)
        case "review":
            comments = (
                InlineComment(path="src/app.py", body="why?", start_line=1, end_line=1),
                InlineComment(path="src/app.py", body="and this?", start_line=30, end_line=30),
            )
            return Review(number=number, head=head, comments=comments)
        case _:
            return Comment(number=number, head=head)


def disturb(hub: TestForge, subjects: list[SimulatedIssue], rng: random.Random, count: int) -> int:
    """What other people do between proposal and approval: edit, relabel, close, push."""
    for at, subject in enumerate(rng.sample(subjects, count)):
        if at % 4 == 0:
            subject.title += " (edited)"
        elif at % 4 == 1:
            add_label(hub.hub, hub.repo, subject, "wontfix", "bob")
        elif at % 4 == 2:
            close(hub.hub, hub.repo, subject, "bob")
        elif subject.pull is not None:
            branch = subject.pull.head_ref
            subject.pull.head_sha = commit(hub.repo.git, branch, {"more": b"x"}, "More", AT)
        else:
            subject.body = "Never mind"
    return count


def until_done(
    command: list[str],
    verb: str,
    hub: TestForge,
    database: Database,
    rng: random.Random,
    kills: int,
    done: Any,
) -> dict[str, Any]:
    """Run the publisher until there is nothing left, killed so often at seeded numbers of requests."""
    most = max(40, 4 * len(proposals.of_project(database, PROJECT)) // max(1, kills))
    began, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    killed = calls = 0
    while not done():
        if calls > kills + 20:
            raise SystemExit(f"{verb} does not come to an end: {states(database)}")
        calls += 1
        until = hub.hub.requests + rng.randrange(10, most) if killed < kills else None
        process = subprocess.Popen([*command, verb])
        while process.poll() is None:
            if until is not None and hub.hub.requests >= until:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
                break
            time.sleep(0.002)
        again = [
            row.proposal.id for row in proposals.of_project(database, PROJECT, states=("failed",))
        ]  # a fault that outlived the retries: a person approves it again
        print(f"{verb} {calls}: {dict(states(database))}, {hub.hub.requests} requests", file=sys.stderr)
        if verb == "publish" and again:
            decide(database, again, "approve", by="Ada")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "processes": calls,
        "kills": killed,
        "seconds": round(time.monotonic() - began, 1),
        "publisher CPU s": round(after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime, 1),
    }


def states(database: Database) -> Counter[str]:
    return Counter(row.state for row in proposals.of_project(database, PROJECT))


def exactly_once(hub: TestForge, database: Database, wanted: list[Proposal]) -> list[str]:
    """What is wrong: an applied proposal that is not there once, a refused one of which anything is."""
    found = traces(hub)
    wrong = []
    known = actions.of_proposals(database, [one.id for one in wanted])
    for one in wanted:
        action = known.get(one.id)
        key = actions.action_id(one.id)
        state_ = "none" if action is None else action.state
        if state_ == "failed" and not (action and action.error):
            wrong.append(f"{one.id} {one.type}: refused without a reason")
        if one.type in ("labels",):
            continue  # looked at below, by events
        count = found["keys"][key]
        if one.type == "comment" and count == 0 and state_ == "applied":
            count = 1 if replaced(one, wanted) else 0
        expected = 1 if state_ == "applied" else 0
        if count != expected:
            wrong.append(f"{one.id} {one.type}: {state_}, and there {count} times")
    for number, issue in hub.repo.issues.items():
        for kind in ("labeled", "unlabeled", "closed"):
            ours = Counter(
                str(event.detail.get("label"))
                for event in issue.events
                if event.kind == kind and event.actor == "fleet[bot]"
            )
            wrong += [
                f"#{number}: {kind} {name} {n} times"
                for name, n in ours.items()
                if n > 1 and kind != "closed"
            ]
            if kind == "closed" and sum(ours.values()) > 1:
                wrong.append(f"#{number}: closed {sum(ours.values())} times")
    return wrong


def replaced(one: Proposal, wanted: list[Proposal]) -> bool:
    """Whether a later comment of the same job stands in this one's place."""
    number = payloads.target_of(one.payload)
    return (
        sum(
            other.job == one.job
            and payloads.target_of(other.payload) == number
            and other.type in ("comment", "close")
            for other in wanted
        )
        > 1
    )


def traces(hub: TestForge) -> dict[str, Any]:
    """Every marker on the forge, by key."""
    texts: list[str | None] = []
    for issue in hub.repo.issues.values():
        texts += [issue.body, *(one.body for one in issue.comments)]
        if issue.pull is not None:
            texts += [one.body for one in issue.pull.reviews]
    texts += [one.description for one in hub.repo.advisories.values()]
    marks = [mark for one in texts if (mark := marker.read(one)) is not None]
    keys = Counter(mark.key for mark in marks if mark.part == 0)
    keys.update(run.external_id for run in hub.repo.check_runs.values())
    keys.update(one.category.rstrip("/").removeprefix("hundredfold/") for one in hub.repo.analyses.values())
    return {"keys": keys}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What undo did not bring back, but for the stated residue."""
    wrong = []
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if was is None:
            if not stays(name, now):
                wrong.append(f"{name} is left: {str(now)[:200]}")
            continue
        if name.startswith("#") and now is not None:
            now = {**now, "reason": was["reason"]}
            if "reviews" in now:
                now["reviews"] = [
                    one for one in now["reviews"] if one in was["reviews"] or not withdrawn(one[2])
                ]
        if was != now:
            wrong.append(f"{name}: {str(was)[:200]} became {str(now)[:300]}")
    return wrong


def stays(name: str, now: Any) -> bool:
    """Whether it is residue as stated: closed and withdrawn, or neutral."""
    if name.startswith("check run"):
        return bool(now[2] == "neutral" and not now[3])
    if name.startswith("advisory"):
        return bool(now["state"] == "closed" and withdrawn(now["description"]))
    return bool(now["state"] == "closed" and withdrawn(now["body"]) and not now["comments"])


def withdrawn(body: str | None) -> bool:
    return not body or body.startswith("*Withdrawn by Hundredfold")


if __name__ == "__main__":
    main()
