"""An approved proposal is applied once, whatever dies in between, and a batch can be taken back."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hundredfold.errors import ProjectBusy, StorageError
from hundredfold.forges.local import LocalForge
from hundredfold.forges.protocol import NONE, History, Stale
from hundredfold.proposals.decide import decide
from hundredfold.proposals.publisher import Published, Publisher
from hundredfold.store import actions
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.locks import held
from hundredfold.vocabulary import Proposal, Receipt, identity
from tests.support.killed_publisher import DEAD
from tests.support.proposals import (
    PROJECT,
    RUN,
    NoRepository,
    a_publisher,
    an_item,
    files_below,
    filled,
    prepared,
    state_of,
)
from tests.support.waiting import PATIENCE_S


class FaultyForge(LocalForge):
    """Raises what it is told to, by proposal (apply) or file (undo), until it is told nothing."""

    faults: dict[str, Exception]

    def apply(self, proposal: Proposal, key: str, history: History = NONE) -> Receipt:
        if proposal.id in self.faults:
            raise self.faults[proposal.id]
        return super().apply(proposal, key, history)

    def undo(self, receipt: Receipt, key: str) -> str:
        if receipt.undo["name"] in self.faults:
            raise self.faults[receipt.undo["name"]]
        return super().undo(receipt, key)


def faulty(database: Database, folder: Path, faults: dict[str, Exception]) -> Publisher:
    forge = FaultyForge(folder, NoRepository(), by="Ada")
    forge.faults = faults
    return Publisher(database, PROJECT, forge, by="Ada")


def results(published: list[Published]) -> dict[str, str]:
    return {one.proposal: one.result for one in published}


def test_only_what_is_approved_is_applied_and_once(database: Database, tmp_path: Path) -> None:
    one, two = filled(database, tmp_path, "a", "b")
    decide(database, [one], "approve", by="Ada")
    publisher = a_publisher(database, tmp_path / "forge")
    assert results(publisher.publish()) == {one: "applied"}
    assert publisher.publish() == []
    assert list(files_below(tmp_path / "forge")) == [f"private/{one}.md"]
    assert (state_of(database, one), state_of(database, two)) == ("applied", "open")
    action = actions.of_proposal(database, one)
    assert action is not None and (action.state, action.by) == ("applied", "Ada")
    assert action.receipt is not None and action.receipt.location.endswith(f"{one}.md")


@pytest.mark.parametrize("seam", ["intend", "inside", "apply", "half"])
def test_a_publisher_killed_at_any_seam_is_finished_by_the_next(
    database: Database, tmp_path: Path, seam: str
) -> None:
    ids = filled(database, tmp_path, "a", "b", "c")
    folder = tmp_path / "forge"
    decide(database, ids, "approve", by="Ada")
    arguments = [sys.executable, "-m", "tests.support.killed_publisher", database.url, str(folder)]
    top = Path(__file__).parent.parent
    assert subprocess.run([*arguments, "publish", seam], cwd=top, timeout=PATIENCE_S).returncode == DEAD
    a_publisher(database, folder).publish()
    assert {state_of(database, one) for one in ids} == {"applied"}
    applied = files_below(folder)
    assert sorted(applied) == sorted(f"private/{one}.md" for one in ids)

    killed = subprocess.run([*arguments, "undo", seam, *ids], cwd=top, timeout=PATIENCE_S)
    assert killed.returncode == DEAD
    assert "undone" in results(a_publisher(database, folder).undo(ids)).values()
    assert {state_of(database, one) for one in ids} == {"undone"}
    assert files_below(folder) == {}


def test_stale_and_failed_say_why_and_can_be_approved_again(database: Database, tmp_path: Path) -> None:
    one, two, three = filled(database, tmp_path, "a", "b", "c")
    decide(database, [one, two, three], "approve", by="Ada")
    faults: dict[str, Exception] = {one: Stale("main has moved"), two: StorageError("disk full", "Free some")}
    publisher = faulty(database, tmp_path / "forge", faults)
    published = {p.proposal: p for p in publisher.publish()}
    assert published[one].result == "stale" and "main has moved" in published[one].detail
    assert published[two].result == "failed" and "disk full → Free some" in published[two].detail
    assert published[three].result == "applied", "one's failure is not another's"
    assert publisher.publish() == [], "nothing is retried unasked"
    faults.clear()
    decide(database, [one, two], "approve", by="Grace")
    assert results(publisher.publish()) == {one: "applied", two: "applied"}
    action = actions.of_proposal(database, one)
    assert action is not None and (action.state, action.error) == ("applied", "")


def test_a_batch_of_300_is_taken_back_to_the_byte(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "test.db"))
    ids = filled(database, tmp_path, *map(str, range(300)))
    folder = tmp_path / "forge"
    decide(database, ids[:1], "approve", by="Ada")
    publisher = a_publisher(database, folder)
    publisher.publish()
    (folder / "private" / "mine.md").write_text("a person's")
    before = files_below(folder)
    decide(database, ids[1:], "approve", by="Ada")
    assert len(publisher.publish()) == 299
    publisher.undo([one for one in publisher.batch(RUN) if one != ids[0]])
    assert files_below(folder) == before
    assert publisher.batch(RUN) == ids[:1]
    assert publisher.batch(identity("run", "another")) == []
    database.close()


def test_a_partly_failed_undo_resumes_and_says_what_stays(database: Database, tmp_path: Path) -> None:
    one, two, three = filled(database, tmp_path, "a", "b", "c")
    decide(database, [one, two, three], "approve", by="Ada")
    faults: dict[str, Exception] = {}
    publisher = faulty(database, tmp_path / "forge", faults)
    publisher.publish()
    edited = tmp_path / "forge" / "private" / f"{three}.md"
    edited.write_text(edited.read_text() + "a note")
    faults[f"{two}.md"] = StorageError("read-only disk")
    first = {p.proposal: p for p in publisher.undo([one, two, three])}
    assert {p.proposal: p.result for p in first.values()} == {one: "undone", two: "failed", three: "undone"}
    assert "stays" in first[three].detail
    assert state_of(database, two) == "applied"
    faults.clear()
    assert results(publisher.undo([one, two, three])) == {one: "unchanged", two: "undone", three: "unchanged"}
    assert list(files_below(tmp_path / "forge")) == [f"private/{three}.md"]
    action = actions.of_proposal(database, three)
    assert action is not None and "stays" in action.error and action.undone_by == "Ada"


def test_two_publishers_at_once_apply_each_once(database: Database, tmp_path: Path) -> None:
    ids = filled(database, tmp_path, *map(str, range(10)))
    decide(database, ids, "approve", by="Ada")
    done: list[Published] = []
    threads = [
        threading.Thread(target=lambda: done.extend(a_publisher(database, tmp_path / "forge").publish()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(p.proposal for p in done) == sorted(ids)
    assert len(files_below(tmp_path / "forge")) == 10


def test_a_publisher_waits_for_another_only_so_long(database: Database) -> None:
    with held(database, "publisher:x", what="another publisher"):
        with (
            pytest.raises(ProjectBusy, match="another publisher"),
            held(database, "publisher:x", what="another publisher", timeout_s=0.1),
        ):
            pass
        with held(database, "publisher:y", what="another project's", timeout_s=0.1):
            pass
    with held(database, "publisher:x", what="another publisher", timeout_s=0.1):
        pass


def test_a_private_proposal_is_not_shown_in_the_open(database: Database, tmp_path: Path) -> None:
    from hundredfold.proposals.record import record_done
    from hundredfold.vocabulary import Done
    from tests.support.proposals import a_proposal

    prepared(database, tmp_path)
    private = a_proposal("secret", private=True, type_="issue")
    record_done(database, an_item(), RUN, Done(proposals=(private,)), model=True)
    decide(database, [private.id], "approve", by="Ada")
    forge = LocalForge(tmp_path / "forge", NoRepository(), by="Ada")
    forge.name = "public-forge"
    (published,) = Publisher(database, PROJECT, forge, by="Ada").publish()
    assert published.result == "failed" and "private" in published.detail
    assert files_below(tmp_path) == {
        name: content for name, content in files_below(tmp_path).items() if not name.startswith("forge/")
    }


class Publishing(RuleBasedStateMachine):
    """Any order of approve, reject, publish, undo and a person's edits, with a forge that fails at times.

    After every step: what is applied is in the folder, what is not is not (unless a person changed it).
    """

    names = tuple("abcd")

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.scratch = tempfile.TemporaryDirectory()
        self.root = Path(self.scratch.name)
        self.database = open_database(sqlite_url(self.root / "test.db"))
        self.ids = filled(self.database, self.root, *self.names)
        self.faults: dict[str, Exception] = {}
        self.publisher = faulty(self.database, self.root / "forge", self.faults)
        self.edited: set[str] = set()

    @rule(which=st.sampled_from(range(4)), verdict=st.sampled_from(["approve", "reject"]))
    def decides(self, which: int, verdict: str) -> None:
        decide(self.database, [self.ids[which]], verdict, by="Ada", reason="r")  # type: ignore[arg-type]

    @rule()
    def publish(self) -> None:
        self.publisher.publish()
        assert not any(state_of(self.database, one) == "approved" for one in self.ids)

    @rule(which=st.sets(st.sampled_from(range(4))))
    def undo(self, which: set[int]) -> None:
        self.publisher.undo([self.ids[one] for one in which])

    @rule(which=st.sampled_from(range(4)), stale=st.booleans())
    def breaks(self, which: int, stale: bool) -> None:
        self.faults[self.ids[which]] = Stale("moved") if stale else StorageError("full")
        self.faults[f"{self.ids[which]}.md"] = StorageError("full")

    @rule()
    def mends(self) -> None:
        self.faults.clear()

    @rule(which=st.sampled_from(range(4)))
    def edits(self, which: int) -> None:
        path = self.root / "forge" / "private" / f"{self.ids[which]}.md"
        if path.exists():
            path.write_text(path.read_text() + "note")
            self.edited.add(self.ids[which])

    @invariant()
    def folder_and_store_agree(self) -> None:
        there = {Path(name).stem for name in files_below(self.root / "forge")}
        applied = {one for one in self.ids if state_of(self.database, one) == "applied"}
        assert applied - self.edited == there - self.edited
        assert self.edited <= there, "what a person wrote is never lost"
        for action in actions.of_project(self.database, PROJECT):
            assert (action.state == "applied") == (action.proposal in applied)

    def teardown(self) -> None:
        self.database.close()
        self.scratch.cleanup()


Publishing.TestCase.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
TestPublishing = Publishing.TestCase
