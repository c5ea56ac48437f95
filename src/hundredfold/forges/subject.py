"""An issue or pull request as a forge has it right now, and what a proposal may require of it.

A requirement is a precondition whose key ends in the number, so one proposal can hold several:

- `state:N`: "open" or "closed"
- `text:N`: title and body are those of this digest (`text_digest`)
- `labels:N`: exactly these labels, as a sorted JSON array
- `updated:N`: `updated_at` is still this one
- `pull:N`: the pull request's head is still this commit

What Hundredfold itself did to the subject since (`Touch`) is no reason to call a proposal stale: labels that
it put on or took off are allowed for, and an `updated_at` that it caused counts as the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from hundredfold.forges.protocol import Stale
from hundredfold.vocabulary import digest

KINDS = frozenset({"state", "text", "labels", "updated", "pull"})


class Subject(Struct, frozen=True):
    """The live state. `head` and `branch` are "" for an issue; `updated_at` is the forge's own text, `reason`
    why it is closed."""

    number: int
    state: str
    text: str
    labels: tuple[str, ...]
    updated_at: str
    head: str = ""
    branch: str = ""
    reason: str = ""
    locked: bool = False


class Touch(Struct, frozen=True):
    """What one of our actions did to a subject: `updated_at` before and after, labels put on and taken off,
    and the state it left, if it changed that."""

    number: int
    before: str
    after: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    state: str = ""


def text_digest(title: str, body: str | None) -> str:
    """The digest of what an issue or pull request says; line ends do not count."""
    return digest(title, (body or "").replace("\r\n", "\n"))


def requirements(
    number: int,
    *,
    state: str = "",
    title: str | None = None,
    body: str | None = None,
    labels: Iterable[str] | None = None,
    updated_at: str = "",
    head: str = "",
) -> dict[str, str]:
    """The preconditions for what is given: a job states what its judgement rests on."""
    found = {"state": state, "updated": updated_at, "pull": head}
    if title is not None:
        found["text"] = text_digest(title, body)
    if labels is not None:
        found["labels"] = _labels(labels)
    return {f"{kind}:{number}": value for kind, value in found.items() if value}


def numbers(preconditions: Iterable[str]) -> list[int]:
    """The numbers that preconditions name, in order."""
    named = (key.partition(":") for key in preconditions)
    return sorted({int(n) for kind, _, n in named if kind in KINDS and n.isdecimal()})


def require_subject(preconditions: dict[str, str], live: Subject, ours: Sequence[Touch] = ()) -> None:
    """Check what the preconditions say of the subject.

    Raises:
        Stale: something no longer holds; the message says what, and what is there now.
    """
    own = [one for one in ours if one.number == live.number]
    name = f"#{live.number}"
    for key in sorted(preconditions):
        kind, _, number = key.partition(":")
        if kind not in KINDS or number != str(live.number):
            continue
        wanted = preconditions[key]
        if kind == "state" and live.state != wanted:
            raise Stale(f"{name} was {wanted} and is now {live.state}")
        if kind == "text" and live.text != wanted:
            raise Stale(f"{name} was edited: its title or body is another")
        if kind == "pull" and live.head != wanted:
            raise Stale(f"{name} was at {wanted[:12]} and is now at {live.head[:12] or 'no head'}")
        if kind == "labels":
            _require_labels(name, wanted, live, own)
        if kind == "updated" and live.updated_at not in _reached(wanted, own):
            raise Stale(f"{name} was last changed at {wanted} and is now of {live.updated_at}")


def _require_labels(name: str, wanted: str, live: Subject, own: Sequence[Touch]) -> None:
    try:
        expected = set(msgspec.json.decode(wanted, type=list[str]))
    except msgspec.DecodeError as error:
        raise Stale(f"the labels precondition of {name} can't be read: {wanted[:80]!r}") from error
    there = set(live.labels)
    put_on = {label for one in own for label in one.added}
    taken_off = {label for one in own for label in one.removed}
    if extra := there - expected - put_on:
        raise Stale(f"{name} was relabelled: it now has {', '.join(sorted(extra))}")
    if missing := expected - there - taken_off:
        raise Stale(f"{name} was relabelled: it no longer has {', '.join(sorted(missing))}")


def _reached(updated_at: str, own: Sequence[Touch]) -> set[str]:
    """`updated_at` and every later one that our own actions alone led to from there."""
    reached, before = {updated_at}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {one.after for one in own if one.before in reached}
    return reached


def _labels(labels: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(set(labels))).decode()
