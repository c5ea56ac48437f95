"""Builds items, findings and proposals in a real store, and reads a real repository as a forge does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hundredfold.errors import RepositoryError
from hundredfold.forges.local import LocalForge
from hundredfold.proposals.publisher import Publisher
from hundredfold.proposals.record import record_done
from hundredfold.store import items, proposals
from hundredfold.store.database import Database
from hundredfold.vocabulary import Coverage, Done, Evidence, Finding, Item, Proposal, ProposalState, identity

PROJECT = "demo-12345678"
RUN = identity("run", "one")
SHA = "c0ffee" + "0" * 34


class GitReader:
    """The live repository, read by git itself."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def resolve(self, revision: str) -> str:
        return (
            self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            .decode()
            .strip()
        )

    def file(self, sha: str, path: str) -> bytes:
        return self._git("cat-file", "blob", f"{sha}:{path}")

    def _git(self, *arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, check=False)
        if done.returncode != 0:
            raise RepositoryError(f"git {arguments[0]} refused: {done.stderr.decode(errors='replace')}")
        return done.stdout


class NoRepository:
    """Stands where no precondition is checked."""

    def resolve(self, revision: str) -> str:
        raise RepositoryError(f"there is no {revision}")

    def file(self, sha: str, path: str) -> bytes:
        raise RepositoryError(f"there is no {path} at {sha}")


def an_item(key: str = SHA, job: str = "security") -> Item:
    return Item(
        id=identity("item", PROJECT, job, key), project=PROJECT, job=job, key=key, digest="d" * 32,
        title=f"commit {key[:7]}", revision=key,
    )  # fmt: skip


def a_finding(
    name: str = "one", *, key: str = SHA, severity: str = "high", attempts: tuple[str, ...] = ()
) -> Finding:
    return Finding(
        id=identity("finding", name), fingerprint=f"print-{name}", project=PROJECT, job="security",
        item=an_item(key).id, rule="injection.command", title=f"finding {name}", severity=severity,  # type: ignore[arg-type]
        confidence=0.8, description="user input reaches a shell", recommendation="pass a list",
        evidence=(Evidence("app.py", key, 3, 3, "os.system(x)"),), attempts=attempts, private=True,
    )  # fmt: skip


def a_proposal(name: str = "one", *, key: str = SHA, private: bool = True, type_: str = "advisory",
               preconditions: dict[str, str] | None = None, minutes: float = 2.0) -> Proposal:  # fmt: skip
    return Proposal(
        id=identity("proposal", name), project=PROJECT, job="security", item=an_item(key).id, type=type_,
        title=f"proposal {name}", body=f"what is wrong in {name}\n", findings=(identity("finding", name),),
        preconditions=preconditions or {}, private=private, review_minutes=minutes,
    )  # fmt: skip


def a_done(*names: str, key: str = SHA) -> Done:
    return Done(
        findings=tuple(a_finding(name, key=key) for name in names),
        proposals=tuple(a_proposal(name, key=key) for name in names),
        coverage=(Coverage("app.py", "run", "investigated"),),
        dropped={"quote not found": 1},
    )


def prepared(database: Database, root: Path, *keys: str) -> Database:
    """A database with the project, a run and queued items."""
    items.keep_project(database, PROJECT, root)
    items.begin_run(database, RUN, PROJECT, "Ada")
    for key in keys or (SHA,):
        items.queue(database, an_item(key), RUN)
    return database


def filled(database: Database, root: Path, *names: str) -> list[str]:
    """A database with one open proposal for each name; their ids."""
    prepared(database, root)
    record_done(database, an_item(), RUN, a_done(*names), model=True)
    return [identity("proposal", name) for name in names]


def state_of(database: Database, proposal: str) -> ProposalState:
    row = proposals.find(database, proposal)
    assert row is not None
    return row.state


def a_publisher(database: Database, folder: Path, by: str = "Ada") -> Publisher:
    return Publisher(database, PROJECT, LocalForge(folder, NoRepository(), by=by), by=by)


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
