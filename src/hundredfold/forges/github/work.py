"""The work of one action on GitHub: the exact calls, what is known of each before it is made, and how far
it came.

It is kept before anything is changed, so that a killed publisher goes on with the same calls, and what it
takes to undo them is known even if their answers never arrived.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.forges.github import marker
from hundredfold.forges.github.calls import Answer, Call, Method
from hundredfold.forges.github.repo import Repo
from hundredfold.forges.subject import Subject, Touch
from hundredfold.vocabulary import Proposal

_KEPT = ("id", "number", "sha", "ghsa_id", "html_url")


class Step(Struct, frozen=True):
    """One call that changes something. `before` is what undoing it needs; `result` is set once it is done.

    `found_by` is what `Kind.find` looks for. `expected`: the sha that the answer must bear, but for a commit
    that GitHub signed (`pulls.same_commit`).
    """

    kind: str
    method: Method
    path: str
    body: dict[str, Any] | None = None
    number: int = 0
    found_by: str = ""
    before: dict[str, Any] = {}
    expected: str = ""
    result: dict[str, Any] | None = None

    @property
    def call(self) -> Call:
        """The call. What is named by its content, and labels, may be sent twice."""
        again = True if self.kind in ("object", "labels", "sarif") else None
        return Call(self.method, self.path, self.body, repeatable=again)


class Work(Struct, frozen=True):
    """The steps of an action, in order, and the issues and pull requests it concerns as they were before."""

    steps: tuple[Step, ...]
    subjects: tuple[Subject, ...] = ()
    head: str = ""

    def done(self, at: int, result: Mapping[str, Any]) -> Work:
        """The work with step `at` done."""
        step = msgspec.structs.replace(self.steps[at], result=dict(result))
        return msgspec.structs.replace(self, steps=(*self.steps[:at], step, *self.steps[at + 1 :]))

    def renamed(self, old: str, new: str) -> Work:
        """The work whose steps that are not done yet say `new` where they said the sha `old`."""
        if old == new:
            return self
        return msgspec.structs.replace(
            self,
            steps=tuple(one if one.result is not None else _renamed(one, old, new) for one in self.steps),
        )

    def touch(self, subject: Subject, after: str) -> Touch:
        """What this work does to a subject, done or yet to be done."""
        own = [one for one in self.steps if one.number == subject.number]
        return Touch(
            number=subject.number,
            before=subject.updated_at,
            after=after,
            added=tuple(name for one in own if one.kind == "labels" for name in (one.body or {})["labels"]),
            removed=tuple(one.before["label"] for one in own if one.kind == "unlabel"),
            state=next((str((one.body or {})["state"]) for one in own if one.kind == "state"), ""),
        )


def _renamed(step: Step, old: str, new: str) -> Step:
    body = step.body
    if body and isinstance(body.get("body"), str):
        body = {**body, "body": marker.renamed(body["body"], old, new)}
    raw = msgspec.json.encode(msgspec.structs.replace(step, body=body))
    return msgspec.json.decode(raw.replace(old.encode(), new.encode()), type=Step)


class Wanted(Struct, frozen=True):
    """What is to be planned: a publishable proposal, its action's key, the subject it is about (if any),
    and the time as text."""

    proposal: Proposal
    key: str
    subject: Subject | None
    at: str


class Kind(Struct, frozen=True):
    """A kind of step: how it is found if it is done already (None: it isn't), and how it is taken back (what
    stays, in words; "" if nothing). `fine`: refusals that mean it is so already."""

    find: Callable[[Repo, Step], Awaitable[dict[str, Any] | None]]
    undo: Callable[[Repo, Step], Awaitable[str]]
    fine: frozenset[int] = frozenset()


async def unknown(_repo: Repo, _step: Step) -> None:
    """For steps that may simply be made again."""
    return


async def nothing(_repo: Repo, _step: Step) -> str:
    """For steps that leave nothing to take back."""
    return ""


def result_of(answer: Answer) -> dict[str, Any]:
    """What is kept of an answer: by which names the new thing is known."""
    found = answer.json() if answer.body else {}
    return kept(found) if isinstance(found, dict) else {}


def kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of an object of GitHub's."""
    return {name: found[name] for name in _KEPT if name in found}
