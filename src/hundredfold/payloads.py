"""What a proposal would do to the outside world: one frozen record a type, checked when it is made or read.

A record names its target and what is done to it; title and body are the proposal's own. `number` is that of
an issue or pull request. Where a pull request may not be known yet, `branch` names its head instead, and the
forge looks for the one open pull request of that branch when it applies.

Every record raises ValueError (through msgspec: ValidationError) that names the field, if it can't be meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

MAX_INLINE = 100  # comments of one review
MAX_LABELS = 100  # GitHub's own bound on an issue
MAX_ANNOTATIONS = 50  # GitHub's own bound on one request
MAX_COMMITS = 20
MAX_PATCH = 1_000_000  # characters of all patches of a pull request
MAX_SARIF = 4_000_000  # characters; GitHub takes 10 MB gzipped

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_BRANCH = re.compile(
    r"(?!-)(?!.*(\.\.|@\{|//|\.lock(/|$)))[^\x00-\x20~^:?*\[\\\x7f/.][^\x00-\x20~^:?*\[\\\x7f]*(?<![/.])"
)
CWE = re.compile(r"CWE-[1-9]\d{0,4}")

Side = Literal["old", "new"]
CloseReason = Literal["completed", "not_planned", "duplicate"]
Verdict = Literal["comment", "approve", "request_changes"]
Conclusion = Literal["success", "neutral", "failure", "action_required"]


class _Payload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Base: `type` is the proposal's type."""


class Comment(_Payload, frozen=True, tag="comment"):
    """The proposal's body as a comment, one for each job and target: a later one replaces it in place.

    `head`: the commit a verdict is about; the comment is marked as stale once the pull request moves on.
    """

    number: int = 0
    branch: str = ""
    head: str = ""

    def __post_init__(self) -> None:
        _target(self.number, self.branch)
        _optional_sha("head", self.head)


class InlineComment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comment in a diff. Lines are 1-based, inclusive and numbered on `side`, as `evidence.anchors` gives
    them; both 0: it stands on the file."""

    path: str
    body: str
    side: Side = "new"
    start_line: int = 0
    end_line: int = 0

    def __post_init__(self) -> None:
        _path(self.path)
        _filled("body", self.body)
        if not (0 < self.start_line <= self.end_line or self.start_line == self.end_line == 0):
            raise ValueError(f"start_line {self.start_line} and end_line {self.end_line} are no range")


class Review(_Payload, frozen=True, tag="review"):
    """A review of a pull request at `head`, with comments in its diff; refused if the head has moved."""

    head: str
    number: int = 0
    branch: str = ""
    verdict: Verdict = "comment"
    comments: tuple[InlineComment, ...] = ()

    def __post_init__(self) -> None:
        _target(self.number, self.branch)
        _sha("head", self.head)
        _at_most("comments", self.comments, MAX_INLINE)


class Labels(_Payload, frozen=True, tag="labels"):
    """Labels put on and taken off."""

    number: int
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _number("number", self.number)
        for name in (*self.add, *self.remove):
            _label(name)
        if not self.add and not self.remove:
            raise ValueError("neither add nor remove names a label")
        if set(self.add) & set(self.remove):
            raise ValueError("a label is both in add and in remove")
        _at_most("add", self.add, MAX_LABELS)


class Issue(_Payload, frozen=True, tag="issue"):
    """A new issue with the proposal's title and body."""

    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.labels:
            _label(name)
        _at_most("labels", self.labels, MAX_LABELS)


class Close(_Payload, frozen=True, tag="close"):
    """An issue or pull request is closed, with the proposal's body as the comment that says why."""

    number: int
    reason: CloseReason = "not_planned"
    duplicate_of: int = 0

    def __post_init__(self) -> None:
        _number("number", self.number)
        if (self.reason == "duplicate") != (self.duplicate_of > 0):
            raise ValueError("duplicate_of goes with the reason 'duplicate', and that with it")
        if self.duplicate_of == self.number:
            raise ValueError(f"#{self.number} can't be a duplicate of itself")


class Commit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One commit of a pull request: its message and its change as `git diff --binary` writes it."""

    message: str
    patch: str

    def __post_init__(self) -> None:
        _filled("message", self.message)
        _filled("patch", self.patch)


class PullRequest(_Payload, frozen=True, tag="pull_request"):
    """A branch of commits on top of `base_sha`, and a pull request of it into `base`.

    The proposal's title and body are the pull request's. `closes` are issues it says it closes.
    """

    base: str
    base_sha: str
    branch: str
    commits: tuple[Commit, ...]
    draft: bool = True
    closes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _branch("base", self.base)
        _branch("branch", self.branch)
        if self.branch == self.base:
            raise ValueError("branch and base are the same")
        _sha("base_sha", self.base_sha)
        for number in self.closes:
            _number("closes", number)
        if not self.commits:
            raise ValueError("commits is empty")
        _at_most("commits", self.commits, MAX_COMMITS)
        if sum(len(one.patch) for one in self.commits) > MAX_PATCH:
            raise ValueError(f"commits hold more than {MAX_PATCH} characters of patches")


class Annotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A remark of a check run on lines (1-based, inclusive) of a file at its head."""

    path: str
    start_line: int
    end_line: int
    message: str
    level: Literal["notice", "warning", "failure"] = "warning"

    def __post_init__(self) -> None:
        _path(self.path)
        _filled("message", self.message)
        if not 0 < self.start_line <= self.end_line:
            raise ValueError(f"start_line {self.start_line} and end_line {self.end_line} are no range")


class CheckRun(_Payload, frozen=True, tag="check_run"):
    """A finished check run on a commit; the proposal's title and body are its summary."""

    head: str
    name: str
    conclusion: Conclusion = "neutral"
    annotations: tuple[Annotation, ...] = ()

    def __post_init__(self) -> None:
        _sha("head", self.head)
        _filled("name", self.name, 100)
        _at_most("annotations", self.annotations, MAX_ANNOTATIONS)


class Sarif(_Payload, frozen=True, tag="sarif"):
    """Results for the forge's code scanning: a SARIF 2.1.0 document about a commit on `ref`."""

    head: str
    ref: str
    document: str

    def __post_init__(self) -> None:
        _sha("head", self.head)
        if not self.ref.startswith("refs/"):
            raise ValueError(f"ref {self.ref[:80]!r} does not begin with refs/")
        _filled("document", self.document, MAX_SARIF)


class Notice(_Payload, frozen=True, tag="notice"):
    """A message to people by chat. `topic` is what it is about, for filters; `picture` the key of a PNG among
    the blobs."""

    topic: str = ""
    picture: str = ""


class Advisory(_Payload, frozen=True, tag="advisory"):
    """A private security advisory with the proposal's title and body: nobody but the maintainers sees it."""

    severity: Literal["critical", "high", "medium", "low"] = "medium"
    cwes: tuple[str, ...] = ()
    ecosystem: str = "other"
    package: str = ""
    vulnerable_versions: str = ""

    def __post_init__(self) -> None:
        for cwe in self.cwes:
            if not CWE.fullmatch(cwe):
                raise ValueError(f"cwes: {cwe[:40]!r} is not like CWE-79")


Payload = Comment | Review | Labels | Issue | Close | PullRequest | CheckRun | Sarif | Notice | Advisory
TYPES: tuple[str, ...] = tuple(
    str(one.__struct_config__.tag)
    for one in (Comment, Review, Labels, Issue, Close, PullRequest, CheckRun, Sarif, Notice, Advisory)
)


def type_of(payload: Payload) -> str:
    """The proposal type that a payload belongs to."""
    return str(payload.__struct_config__.tag)


def target_of(payload: Payload | None) -> int:
    """The number of the issue or pull request that a payload changes; 0 if it names none."""
    return getattr(payload, "number", 0)


def _number(field: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{field} is {value}: issues and pull requests count from 1")


def _target(number: int, branch: str) -> None:
    if branch:
        _branch("branch", branch)
        if number:
            raise ValueError("number and branch both name the target; give one")
    else:
        _number("number", number)


def _sha(field: str, value: str) -> None:
    if not _SHA.fullmatch(value):
        raise ValueError(f"{field} {value[:80]!r} is no full commit sha")


def _optional_sha(field: str, value: str) -> None:
    if value:
        _sha(field, value)


def _branch(field: str, value: str) -> None:
    if not _BRANCH.fullmatch(value) or len(value) > 200:
        raise ValueError(f"{field} {value[:80]!r} is no branch name")


def _label(value: str) -> None:
    if not value.strip() or len(value) > 50 or any(ord(sign) < 32 for sign in value):
        raise ValueError(f"the label {value[:60]!r} is empty, over 50 characters, or no plain text")


def _path(value: str) -> None:
    if not value or value.startswith("/") or "\x00" in value or ".." in value.split("/"):
        raise ValueError(f"path {value[:80]!r} is no path inside a repository")


def _filled(field: str, value: str, most: int = 0) -> None:
    if not value.strip():
        raise ValueError(f"{field} is empty")
    if most and len(value) > most:
        raise ValueError(f"{field} has {len(value)} characters, more than {most}")


def _at_most(field: str, value: Iterable[object], most: int) -> None:
    if (count := len(tuple(value))) > most:
        raise ValueError(f"{field} has {count} entries, more than {most}")
