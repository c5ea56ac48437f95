"""What a proposal requires of an issue or pull request, and what of its change was our own."""

from __future__ import annotations

import msgspec
import pytest

from hundredfold.forges.protocol import Stale
from hundredfold.forges.subject import Subject, Touch, numbers, require_subject, requirements, text_digest

LIVE = Subject(
    number=7,
    state="open",
    text=text_digest("Crash", "It crashes"),
    labels=("bug",),
    updated_at="2026-01-01T00:00:00Z",
    head="a" * 40,
)
WANTED = requirements(
    7,
    state="open",
    title="Crash",
    body="It crashes",
    labels=["bug"],
    updated_at="2026-01-01T00:00:00Z",
    head="a" * 40,
)


def test_what_is_unchanged_holds() -> None:
    assert len(WANTED) == 5 and numbers(WANTED) == [7]
    require_subject(WANTED, LIVE)
    require_subject({"state:8": "closed", "head:main": "x", "commit": "y"}, LIVE)  # not about this one


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "closed"}, "was open and is now closed"),
        ({"text": text_digest("Crash", "It crashes often")}, "was edited"),
        ({"labels": ("bug", "wontfix")}, "now has wontfix"),
        ({"labels": ()}, "no longer has bug"),
        ({"updated_at": "2026-01-02T00:00:00Z"}, "last changed at"),
        ({"head": "b" * 40}, "is now at bbbb"),
    ],
)
def test_each_change_by_others_is_said(change: dict[str, object], said: str) -> None:
    with pytest.raises(Stale, match=said):
        require_subject(WANTED, msgspec.structs.replace(LIVE, **change))


def test_what_we_did_ourselves_is_allowed_for_and_no_more() -> None:
    ours = [
        Touch(7, "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", added=("duplicate",)),
        Touch(7, "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", removed=("bug",)),
    ]
    now = msgspec.structs.replace(LIVE, labels=("duplicate",), updated_at="2026-01-04T00:00:00Z")
    require_subject(WANTED, now, ours)
    with pytest.raises(Stale, match="2026-01-05"):
        require_subject(WANTED, msgspec.structs.replace(now, updated_at="2026-01-05T00:00:00Z"), ours)
    with pytest.raises(Stale, match="wontfix"):
        require_subject(WANTED, msgspec.structs.replace(now, labels=("duplicate", "wontfix")), ours)
    with pytest.raises(Stale):
        require_subject(WANTED, now, [msgspec.structs.replace(one, number=8) for one in ours])
