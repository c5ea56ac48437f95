"""Each type of proposal is applied to GitHub once, by calls that GitHub describes, and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hundredfold import payloads
from hundredfold.errors import UnavailableError
from hundredfold.forges.github import marker
from hundredfold.forges.github.forge import GitHubForge
from hundredfold.forges.protocol import History, Stale
from hundredfold.forges.subject import requirements
from hundredfold.payloads import (
    CheckRun,
    Close,
    Comment,
    Commit,
    InlineComment,
    Issue,
    Labels,
    PullRequest,
    Review,
)
from hundredfold.simulation.forge.api.issues import add_label, close, new_issue
from hundredfold.simulation.forge.faults import Fault
from hundredfold.simulation.forge.records import Comment as SimulatedComment
from hundredfold.store.database import open_database, sqlite_url
from hundredfold.vocabulary import Proposal, Receipt
from tests.support.forge import LINES, TOKEN, TestForge, commit, text
from tests.support.github import REPOSITORY, a_forge, a_publisher, admit_app, approved, proposed, state
from tests.support.openapi import description
from tests.support.proposals import prepared, state_of

KEY = "x-000000000001"
OTHER = "x-000000000002"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[TestForge]:
    """The simulated GitHub; every answer of it is checked against GitHub's own description."""
    made = TestForge(tmp_path / "github")
    admit_app(made)
    found: list[str] = []
    described = description()

    def observe(operation: str, raw: bytes, status: int, body: Any) -> None:
        if operation:
            found.extend(described.faults(operation, raw, status, body))

    made.hub.observers.append(observe)
    yield made
    assert found == []


@pytest.fixture
def forge(hub: TestForge) -> Iterator[GitHubForge]:
    with hub.served() as url:
        made = a_forge(url, hub)
        yield made
        made.close()


@pytest.fixture
def app(hub: TestForge) -> Iterator[GitHubForge]:
    with hub.served() as url:
        made = a_forge(url, hub, app=True)
        yield made
        made.close()


def requests(hub: TestForge, method: str = "") -> list[str]:
    """The changing requests that were carried out, or those of a method."""
    return [
        f"{one.method} {one.path}"
        for one in hub.hub.log
        if one.applied and (one.method == method if method else one.method != "GET")
    ]


PATCH = """diff --git a/README.md b/README.md
--- a/README.md
+++ b/README.md
@@ -1 +1 @@
-# Widget
+# Widget, mended
diff --git a/src/new.py b/src/new.py
new file mode 100644
--- /dev/null
+++ b/src/new.py
@@ -0,0 +1 @@
+print("new")
"""


def a_pull(hub: TestForge, **more: Any) -> PullRequest:
    return PullRequest(
        base="main",
        base_sha=hub.base,
        branch="hundredfold/mend",
        commits=(Commit(message="Mend the page", patch=PATCH),),
        closes=(1,),
        **more,
    )


def test_a_comment_is_made_once_and_removed(hub: TestForge, forge: GitHubForge) -> None:
    before = state(hub.hub)
    receipt = forge.apply(proposed(Comment(number=1)), KEY)
    (comment,) = hub.issue.comments
    assert comment.body.startswith("What is to be said of one.")
    assert marker.read(comment.body) is not None and receipt.location.endswith(f"#issuecomment-{comment.id}")
    assert forge.apply(proposed(Comment(number=1)), KEY).location == receipt.location
    assert len(hub.issue.comments) == 1, "found again by its marker"
    assert forge.undo(receipt, KEY) == "" and state(hub.hub) == before
    assert forge.undo(receipt, KEY) == ""


def test_a_later_comment_of_the_job_replaces_the_first_and_undo_brings_it_back(
    hub: TestForge, forge: GitHubForge
) -> None:
    forge.apply(proposed(Comment(number=2, head=hub.head), title="First verdict"), KEY)
    first = hub.pull.comments[0].body
    forge.apply(proposed(Comment(number=2), "another job", job="dedupe"), "x-0000000000aa")
    second = forge.apply(proposed(Comment(number=2, head=hub.head), "two", title="Second verdict"), OTHER)
    assert len(hub.pull.comments) == 2, "one for each job"
    body = hub.pull.comments[0].body
    assert "of two" in body and "Earlier (1)" in body and "First verdict" in body
    third = forge.apply(proposed(Comment(number=2), "three", title="Third"), "x-000000000003")
    assert "Earlier (2)" in hub.pull.comments[0].body
    assert "changed since" in forge.undo(second, OTHER), "what a later one replaced is not touched"
    assert forge.undo(third, "x-000000000003") == "" and hub.pull.comments[0].body == body
    assert forge.undo(second, OTHER) == "" and hub.pull.comments[0].body == first


def test_a_marker_of_somebody_else_is_not_ours(hub: TestForge, forge: GitHubForge) -> None:
    imitated = marker.marked("me", marker.Mark(KEY, "review", "1"))
    hub.issue.comments.append(SimulatedComment(hub.hub.next_id(), "mallory", imitated, 1, 1))
    receipt = forge.apply(proposed(Comment(number=1)), KEY)
    assert len(hub.issue.comments) == 2 and hub.issue.comments[0].body == imitated
    forge.undo(receipt, KEY)
    assert [one.user for one in hub.issue.comments] == ["mallory"]


def test_labels_only_what_is_missing_and_undo_only_that(hub: TestForge, forge: GitHubForge) -> None:
    add_label(hub.hub, hub.repo, hub.issue, "bug", "bob")
    before = state(hub.hub)
    change = proposed(Labels(number=1, add=("bug", "duplicate"), remove=("wontfix",)))
    receipt = forge.apply(change, KEY)
    assert sorted(hub.issue.labels) == ["bug", "duplicate"]
    assert forge.undo(receipt, KEY) == "" and state(hub.hub) == before
    with pytest.raises(UnavailableError, match="no label 'unheard of'"):
        forge.apply(proposed(Labels(number=1, add=("unheard of",)), "two"), OTHER)
    assert "unheard of" not in hub.repo.labels


def test_labels_taken_off_come_back(hub: TestForge, forge: GitHubForge) -> None:
    add_label(hub.hub, hub.repo, hub.issue, "bug", "bob")
    receipt = forge.apply(proposed(Labels(number=1, remove=("Bug",))), KEY)
    assert hub.issue.labels == []
    assert forge.undo(receipt, KEY) == "" and hub.issue.labels == ["bug"]


def test_an_issue_is_opened_once_and_stays_closed_after_undo(hub: TestForge, forge: GitHubForge) -> None:
    wanted = proposed(Issue(labels=("bug",)))
    receipt = forge.apply(wanted, KEY)
    assert forge.apply(wanted, KEY).location == receipt.location
    made = hub.repo.issues[3]
    assert made.labels == ["bug"] and len(hub.repo.issues) == 3
    assert forge.undo(receipt, KEY) == "the issue #3 stays, closed"
    assert (made.state, made.reason) == ("closed", "not_planned")
    again = forge.apply(wanted, KEY)
    assert again.location != receipt.location, "a withdrawn one is not found again"


@pytest.mark.parametrize("number", [1, 2])
def test_closing_says_why_and_undo_reopens(hub: TestForge, forge: GitHubForge, number: int) -> None:
    new_issue(hub.hub, hub.repo, "bob", "The first of its kind", "")
    before = state(hub.hub)
    receipt = forge.apply(proposed(Close(number=number, reason="duplicate", duplicate_of=3)), KEY)
    closed = hub.repo.issues[number]
    assert closed.state == "closed" and closed.comments[0].body.startswith("Duplicate of #3\n")
    assert forge.undo(receipt, KEY) == ""
    after = state(hub.hub)
    after[f"#{number}"]["reason"] = before[f"#{number}"]["reason"]  # GitHub says "reopened"
    assert after == before


def test_what_others_closed_again_stays_closed(hub: TestForge, forge: GitHubForge) -> None:
    receipt = forge.apply(proposed(Close(number=1)), KEY)
    hub.issue.closed_by = "bob"
    assert "closed again by somebody else" in forge.undo(receipt, KEY)
    assert hub.issue.state == "closed"


def test_a_review_stands_on_lines_of_the_diff_else_on_the_file_else_in_its_text(
    hub: TestForge, forge: GitHubForge
) -> None:
    comments = (
        InlineComment(path="src/app.py", body="new line", start_line=10, end_line=10),
        InlineComment(path="src/app.py", body="old line", side="old", start_line=10, end_line=10),
        InlineComment(path="src/app.py", body="a range", start_line=9, end_line=11),
        InlineComment(path="src/app.py", body="far away", start_line=30, end_line=31),
        InlineComment(path="docs/none.md", body="no such file"),
    )
    receipt = forge.apply(proposed(Review(branch="topic", head=hub.head, comments=comments)), KEY)
    assert hub.pull.pull is not None
    review = hub.pull.pull.reviews[0]
    assert review.commit == hub.head and "`docs/none.md`:\n\nno such file" in review.body
    placed = {(one.subject, one.side, one.line, one.body.split("\n")[0]) for one in hub.pull.pull.comments}
    assert placed == {
        ("line", "RIGHT", 10, "new line"),
        ("line", "LEFT", 10, "old line"),
        ("line", "RIGHT", 11, "a range"),
        ("file", "RIGHT", None, "Lines 30–31:"),
    }
    assert forge.apply(proposed(Review(number=2, head=hub.head, comments=comments)), KEY) is not None
    assert sum(one.body != "" for one in hub.pull.pull.reviews) == 1 and len(hub.pull.pull.comments) == 4
    assert "stays, without its comments" in forge.undo(receipt, KEY)
    assert hub.pull.pull.comments == [] and "Withdrawn" in hub.pull.pull.reviews[0].body
    assert "stays" in forge.undo(receipt, KEY)


def test_requested_changes_are_dismissed(hub: TestForge, forge: GitHubForge) -> None:
    receipt = forge.apply(proposed(Review(number=2, head=hub.head, verdict="request_changes")), KEY)
    assert hub.pull.pull is not None and hub.pull.pull.reviews[0].state == "CHANGES_REQUESTED"
    forge.undo(receipt, KEY)
    assert hub.pull.pull.reviews[0].state == "DISMISSED"


def test_a_pull_request_has_the_commits_that_were_built_here(hub: TestForge, forge: GitHubForge) -> None:
    before = state(hub.hub)
    receipt = forge.apply(proposed(a_pull(hub)), KEY)
    made = hub.repo.issues[3]
    assert made.pull is not None and made.pull.draft and "Closes #1" in (made.body or "")
    git = hub.repo.git
    tip = git.ref("refs/heads/hundredfold/mend")
    assert tip == made.pull.head_sha and git.commit(tip)["parents"] == [hub.base]
    entry = git.entry(tip, "src/new.py")
    assert entry is not None and git.blob(entry[2]) == b'print("new")\n'
    assert forge.apply(proposed(a_pull(hub)), KEY).location == receipt.location
    assert forge.undo(receipt, KEY) == "the pull request #3 stays, closed"
    after = state(hub.hub, but=frozenset({"#3"}))
    assert after == before and made.state == "closed"


SECOND = """--- a/src/new.py
+++ b/src/new.py
@@ -1 +1,2 @@
 print("new")
+print("newer")
"""


@pytest.mark.parametrize("meddled", [False, True])
def test_commits_that_github_signs_are_ours_and_those_it_changes_are_not(
    hub: TestForge, forge: GitHubForge, monkeypatch: pytest.MonkeyPatch, meddled: bool
) -> None:
    """A signature changes the sha of a commit and of all that follow it, and nothing else."""
    git, before = hub.repo.git, state(hub.hub)
    make = type(git).make_commit

    def signing(self: Any, tree: str, parents: list[str], message: str, *people: Any) -> str:
        made = make(self, tree, parents, message + "\nAnd more" if meddled else message, *people)
        head, _, text = self.run("cat-file", "commit", made).partition(b"\n\n")
        signed = (
            head + b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n\n" + text
        )
        return str(self.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed).decode().strip())

    monkeypatch.setattr(type(git), "make_commit", signing)
    commits = (Commit(message="Mend the page", patch=PATCH), Commit(message="More", patch=SECOND))
    wanted = proposed(msgspec.structs.replace(a_pull(hub), commits=commits))
    if meddled:
        with pytest.raises(UnavailableError, match="GitHub made"):
            forge.apply(wanted, KEY)
        assert git.ref("refs/heads/hundredfold/mend") is None and 3 not in hub.repo.issues
        return
    receipt = forge.apply(wanted, KEY)
    tip = git.ref("refs/heads/hundredfold/mend")
    assert tip is not None and b"gpgsig" in git.run("cat-file", "commit", tip)
    (first,) = git.commit(tip)["parents"]
    assert b"gpgsig" in git.run("cat-file", "commit", first) and git.commit(first)["parents"] == [hub.base]
    made = hub.repo.issues[3]
    mark = marker.read(made.body)
    assert made.pull is not None and made.pull.head_sha == tip and mark is not None and mark.head == tip
    assert f"of `{tip[:12]}`" in (made.body or "")
    entry = git.entry(tip, "src/new.py")
    assert entry is not None and git.blob(entry[2]) == b'print("new")\nprint("newer")\n'
    assert forge.undo(receipt, KEY) == "the pull request #3 stays, closed"
    assert state(hub.hub, but=frozenset({"#3"})) == before


def test_a_branch_that_others_pushed_to_stays(hub: TestForge, forge: GitHubForge) -> None:
    receipt = forge.apply(proposed(a_pull(hub)), KEY)
    commit(hub.repo.git, "hundredfold/mend", {"x": b"y"}, "A person's", int(hub.clock()))
    assert "has other commits now" in forge.undo(receipt, KEY)
    assert hub.repo.git.ref("refs/heads/hundredfold/mend") is not None


def test_a_patch_that_does_not_apply_changes_nothing(hub: TestForge, forge: GitHubForge) -> None:
    wanted = msgspec.structs.replace(
        a_pull(hub), commits=(Commit(message="m", patch=PATCH.replace("# Widget\n", "# Gadget\n")),)
    )
    with pytest.raises(Exception, match="patch 1 of 1 does not apply"):
        forge.apply(proposed(wanted), KEY)
    assert requests(hub) == []


def test_a_check_run_is_an_apps_and_stays_as_neutral(hub: TestForge, app: GitHubForge) -> None:
    note = payloads.Annotation(path="src/app.py", start_line=10, end_line=10, message="Look here")
    wanted = proposed(
        payloads.CheckRun(head=hub.head, name="review", conclusion="failure", annotations=(note,))
    )
    receipt = app.apply(wanted, KEY)
    app.apply(wanted, KEY)
    (run,) = hub.repo.check_runs.values()
    assert (run.conclusion, run.external_id, len(run.annotations)) == ("failure", KEY, 1)
    assert app.undo(receipt, KEY) == "the check run 'review' stays, as neutral"
    assert run.conclusion == "neutral"


def test_sarif_is_uploaded_under_its_own_category_and_deleted(hub: TestForge, forge: GitHubForge) -> None:
    before = state(hub.hub)
    run = {"tool": {"driver": {"name": "Hundredfold"}}, "results": []}
    document = json.dumps({"version": "2.1.0", "runs": [run]})
    wanted = proposed(payloads.Sarif(head=hub.base, ref="refs/heads/main", document=document))
    receipt = forge.apply(wanted, KEY)
    (analysis,) = hub.repo.analyses.values()
    assert analysis.category.rstrip("/") == f"hundredfold/{KEY}"
    assert forge.undo(receipt, KEY) == "" and state(hub.hub) == before
    with pytest.raises(UnavailableError, match="no SARIF"):
        bad = payloads.Sarif(head=hub.base, ref="refs/heads/main", document="[]")
        forge.apply(proposed(bad, "two"), OTHER)


def test_an_advisory_is_a_private_draft(hub: TestForge, forge: GitHubForge) -> None:
    wanted = proposed(payloads.Advisory(severity="high", cwes=("CWE-79",)), private=True)
    receipt = forge.apply(wanted, KEY)
    forge.apply(wanted, KEY)
    (advisory,) = hub.repo.advisories.values()
    assert advisory.state in ("draft", "triage") and advisory.severity == "high"
    assert "seen by maintainers only" in forge.undo(receipt, KEY)
    assert advisory.state == "closed" and len(hub.repo.advisories) == 1


# ------------------------------------------------------------------ staleness


def everything(hub: TestForge, number: int) -> dict[str, str]:
    issue = hub.repo.issues[number]
    return requirements(
        number,
        state=issue.state,
        title=issue.title,
        body=issue.body,
        labels=issue.labels,
        head=issue.pull.head_sha if issue.pull else "",
    )


def push(hub: TestForge) -> str:
    """A new head of the pull request, as a push does it."""
    from hundredfold.simulation.forge.pushes import moved

    old = hub.repo.git.ref("refs/heads/topic") or ""
    new = commit(hub.repo.git, "topic", {"src/app.py": text([*LINES, "more"])}, "More", int(hub.clock()))
    moved(hub.hub, hub.repo, "refs/heads/topic", old, new, "bob")
    return new


@pytest.mark.parametrize("change", ["pushed", "edited", "closed", "relabelled"])
def test_what_changed_between_proposal_and_approval_is_stale(
    hub: TestForge, forge: GitHubForge, change: str
) -> None:
    wanted = proposed(
        Review(number=2, head=hub.head), preconditions={**everything(hub, 2), "head:topic": hub.head}
    )
    hub.clock.step(60)
    if change == "pushed":
        push(hub)
    elif change == "edited":
        hub.pull.body = "Fixes #1 and more"
    elif change == "closed":
        close(hub.hub, hub.repo, hub.pull, "bob")
    else:
        add_label(hub.hub, hub.repo, hub.pull, "wontfix", "bob")
    with pytest.raises(Stale):
        forge.apply(wanted, KEY)
    assert requests(hub) == []


def test_our_own_change_is_no_reason_to_call_the_next_stale(hub: TestForge, forge: GitHubForge) -> None:
    from hundredfold.proposals.publisher import _touches

    stamp = "2026-11-20T12:00:00Z"
    hub.issue.updated = int(__import__("calendar").timegm((2026, 11, 20, 12, 0, 0)))
    wanted = {**everything(hub, 1), **requirements(1, updated_at=stamp)}
    hub.clock.step(60)
    first = forge.apply(proposed(Labels(number=1, add=("bug",)), preconditions=wanted), KEY)
    hub.clock.step(60)
    second = proposed(Comment(number=1), "two", preconditions=wanted)
    with pytest.raises(Stale, match="relabelled"):
        forge.apply(second, OTHER)
    forge.apply(second, OTHER, History(ours=_touches(first)))
    hub.clock.step(60)
    add_label(hub.hub, hub.repo, hub.issue, "wontfix", "bob")
    with pytest.raises(Stale):
        forge.apply(
            proposed(Comment(number=1), "three", job="dedupe", preconditions=wanted),
            "x-000000000003",
            History(ours=_touches(first)),
        )


def test_a_verdict_on_a_head_that_moved_is_marked_outdated_once(hub: TestForge, forge: GitHubForge) -> None:
    comment = forge.apply(proposed(Comment(number=2, head=hub.head)), KEY)
    review = forge.apply(proposed(Review(number=2, head=hub.head), "two"), OTHER)
    assert forge.refresh(comment, KEY) is None
    new = push(hub)
    moved: list[Receipt] = []
    for receipt, key in ((comment, KEY), (review, OTHER)):
        now = forge.refresh(receipt, key)
        assert now is not None
        moved.append(now)
        assert forge.refresh(now, key) is None
    body = hub.pull.comments[0].body
    assert body.startswith("> **Outdated.**") and new[:12] in body and body.count("Outdated") == 1
    assert hub.pull.pull is not None and "Outdated" in hub.pull.pull.reviews[0].body
    assert "What is to be said of one." in body and marker.read(body) is not None
    assert forge.undo(moved[0], KEY) == "" and hub.pull.comments == []


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize("after", [True, False], ids=["took effect", "did not"])
@pytest.mark.parametrize("kind", ["bad_gateway", "cut"])
def test_a_lost_answer_is_looked_for_and_nothing_is_made_twice(
    hub: TestForge, forge: GitHubForge, kind: Any, after: bool
) -> None:
    wanted: list[Proposal] = [
        proposed(Comment(number=1)),
        proposed(Issue(), "two"),
        proposed(Review(number=2, head=hub.head), "three"),
        proposed(Close(number=1), "four", job="dedupe"),
        proposed(a_pull(hub), "five"),
        proposed(payloads.Advisory(), "six"),
    ]
    for at, one in enumerate(wanted):
        hub.hub.faults.add(Fault(kind, "POST", "", 1, after=after))
        forge.apply(one, f"x-00000000000{at}")
    assert hub.pull.pull is not None
    made = (len(hub.issue.comments), len(hub.repo.issues), len(hub.pull.pull.reviews))
    assert made == (2, 4, 1) and len(hub.repo.advisories) == 1


def test_a_refused_verb_leaves_what_was_done_and_goes_on_later(hub: TestForge, forge: GitHubForge) -> None:
    before = state(hub.hub)
    kept: list[Any] = []
    hub.hub.faults.add(Fault("forbidden", "PATCH", "/issues/1$", 1))
    with pytest.raises(UnavailableError, match="403"):
        forge.apply(proposed(Close(number=1)), KEY, History(keep=kept.append))
    assert hub.issue.state == "open" and len(hub.issue.comments) == 1
    receipt = forge.apply(proposed(Close(number=1)), KEY, History(begun=kept[-1]))
    assert hub.issue.state == "closed" and len(hub.issue.comments) == 1
    forge.undo(receipt, KEY)
    hub.issue.reason = before["#1"]["reason"]
    assert state(hub.hub) == before


def test_what_was_begun_is_taken_back_if_somebody_changed_the_issue_meanwhile(
    hub: TestForge, forge: GitHubForge
) -> None:
    kept: list[Any] = []
    hub.hub.faults.add(Fault("forbidden", "PATCH", "/issues/1$", 1))
    with pytest.raises(UnavailableError):
        forge.apply(proposed(Close(number=1)), KEY, History(keep=kept.append))
    hub.issue.title = "It breaks badly"
    with pytest.raises(Stale, match="edited"):
        forge.apply(proposed(Close(number=1)), KEY, History(begun=kept[-1], keep=kept.append))
    assert hub.issue.comments == [] and hub.issue.state == "open" and kept[-1] == {}


def test_a_locked_conversation_is_left_alone(hub: TestForge, forge: GitHubForge) -> None:
    hub.issue.locked = True
    with pytest.raises(UnavailableError, match="locked"):
        forge.apply(proposed(Comment(number=1)), KEY)
    assert requests(hub) == []


def test_the_preview_is_the_calls_that_are_made(hub: TestForge, forge: GitHubForge) -> None:
    wanted = [
        proposed(Comment(number=1)),
        proposed(Labels(number=1, add=("bug",)), "two"),
        proposed(Close(number=1), "three", job="dedupe"),
        proposed(a_pull(hub), "four"),
    ]
    for at, one in enumerate(wanted):
        key = f"x-00000000000{at}"
        shown = [step.partition("\n")[0] for step in forge.preview(one, key)]
        seen = len(requests(hub))
        forge.apply(one, key)
        assert requests(hub)[seen:] == shown
    assert f"POST /repos/{REPOSITORY}/git/refs" in shown


@pytest.mark.parametrize("shut", ["no network", "token refused", "a long limit"])
def test_while_github_takes_nothing_all_stays_approved(hub: TestForge, tmp_path: Path, shut: str) -> None:
    database = prepared(open_database(sqlite_url(tmp_path / "t.db")), tmp_path)
    wanted = [proposed(Comment(number=1), "a"), proposed(Labels(number=1, add=("bug",)), "b")]
    ids = approved(database, *wanted)
    with hub.served() as url:
        forge = a_forge(url, hub)
        if shut == "no network":
            hub.hub.faults.add(Fault("cut", "", "", -1))
        elif shut == "token refused":
            hub.hub.tokens.clear()
        else:
            hub.hub.faults.add(Fault("throttled", "", "", -1, seconds=3600))
        (held,) = a_publisher(database, forge).publish()
        assert held.result == "held" and held.detail.endswith("; 1 more waits, too")
        assert {state_of(database, one) for one in ids} == {"approved"}
        hub.hub.faults.clear()
        hub.hub.token("ada", TOKEN)
        assert [one.result for one in a_publisher(database, forge).publish()] == ["applied", "applied"]
        forge.close()
    assert len(hub.issue.comments) == 1 and hub.issue.labels == ["bug"]
    database.close()


# ------------------------------------------------------------------ doctor


def test_doctor_says_who_we_are_there_or_what_is_missing(
    hub: TestForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hundredfold.forges.github.diagnosis import diagnose
    from hundredfold.settings import ForgeSettings

    assert diagnose(ForgeSettings()).ok
    with hub.served() as url:
        settings = ForgeSettings(kind="github", repository=REPOSITORY, token_env="FORGE", base_url=url)
        monkeypatch.delenv("FORGE", raising=False)
        missing = diagnose(settings)
        assert not missing.ok and "FORGE" in missing.found and "Set FORGE" in missing.mend
        monkeypatch.setenv("FORGE", TOKEN)
        assert diagnose(settings).found.startswith(f"{REPOSITORY} as ada")
        nowhere = diagnose(msgspec.structs.replace(settings, repository="acme/none"))
        assert not nowhere.ok and "acme/none is not there for ada" in nowhere.found
        monkeypatch.setenv("FORGE", "ghp_wrong")
        wrong = diagnose(settings)
        assert not wrong.ok and "401" in wrong.found and "ghp_wrong" not in wrong.found


@pytest.mark.parametrize(
    "wanted", [Comment(number=1), Labels(number=1, add=("bug",))], ids=["comment", "labels"]
)
def test_a_repository_out_of_sight_makes_nothing_stale_and_nothing_undone(
    hub: TestForge, forge: GitHubForge, tmp_path: Path, wanted: Any
) -> None:
    database = prepared(open_database(sqlite_url(tmp_path / "t.db")), tmp_path)
    (one,) = approved(database, proposed(wanted, preconditions=requirements(1, state="open")))
    publisher = a_publisher(database, forge)
    there = hub.hub.repos.pop(REPOSITORY)  # as GitHub shows a private repository to a token that lost it
    (held,) = publisher.publish()
    assert (held.result, state_of(database, one)) == ("held", "approved")
    assert "acme/widget can't be seen" in held.detail

    hub.hub.repos[REPOSITORY] = there
    assert [done.result for done in publisher.publish()] == ["applied"]
    del hub.hub.repos[REPOSITORY]
    (kept,) = publisher.undo([one])
    assert (kept.result, state_of(database, one)) == ("failed", "applied")

    hub.hub.repos[REPOSITORY] = there
    assert [done.result for done in publisher.undo([one])] == ["undone"]
    assert there.issues[1].comments == [] and there.issues[1].labels == []


@pytest.mark.parametrize("what", ["issue", "review by branch", "check run"])
def test_a_list_of_a_repository_out_of_sight_holds_what_it_was_asked_for(
    hub: TestForge, forge: GitHubForge, tmp_path: Path, what: str
) -> None:
    database = prepared(open_database(sqlite_url(tmp_path / "t.db")), tmp_path)
    remark = (InlineComment(path="src/app.py", body="b"),)
    wanted: Any = {
        "issue": Issue(),
        "review by branch": Review(branch="topic", head=hub.head, comments=remark),
        "check run": CheckRun(head=hub.head, name="hundredfold"),
    }[what]
    (one,) = approved(database, proposed(wanted))
    publisher = a_publisher(database, forge)
    there = hub.hub.repos.pop(REPOSITORY)
    (held,) = publisher.publish()
    assert (held.result, state_of(database, one)) == ("held", "approved"), held.detail
    assert "acme/widget can't be seen" in held.detail
    hub.hub.repos[REPOSITORY] = there
    ends = "failed" if what == "check run" else "applied"  # GitHub lets none but an App make one
    assert [done.result for done in publisher.publish()] == [ends]
    database.close()


def test_a_label_that_goes_with_a_closing_is_not_put_on_what_stays_open(
    hub: TestForge, forge: GitHubForge, tmp_path: Path
) -> None:
    database = prepared(open_database(sqlite_url(tmp_path / "t.db")), tmp_path)
    label = proposed(Labels(number=1, add=("bug",)), "a", job="dedupe")
    edited = requirements(1, title="Another title", body="")
    close = proposed(Close(number=1), "b", job="dedupe", preconditions=edited)
    ids = approved(database, label, close)
    first, second = a_publisher(database, forge).publish()
    assert [(one.proposal, one.result) for one in (first, second)] == [
        (close.id, "stale"),
        (label.id, "stale"),
    ]
    assert "goes with closing #1, which went stale: #1 was edited" in second.detail
    assert hub.issue.labels == [] and {state_of(database, one) for one in ids} == {"stale"}
    database.close()
