"""What a proposal may ask for is typed, checked whenever it is made or read, and survives the store."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hundredfold import payloads
from hundredfold.payloads import Close, Comment, Commit, InlineComment, Labels, PullRequest, Review
from hundredfold.vocabulary import Proposal

HEAD = "a" * 40


def a_proposal(payload: payloads.Payload) -> Proposal:
    return Proposal(
        id="p-000000000001",
        project="demo",
        job="review",
        item="i-1",
        type=payloads.type_of(payload),
        title="title",
        body="body",
        payload=payload,
    )


@pytest.mark.parametrize(
    "payload",
    [
        Comment(number=3, head=HEAD),
        Review(branch="feature/x", head=HEAD, comments=(InlineComment(path="a/b.py", body="why?"),)),
        Labels(number=1, add=("bug",), remove=("needs triage",)),
        payloads.Issue(labels=("bug",)),
        Close(number=4, reason="duplicate", duplicate_of=2),
        PullRequest(
            base="main", base_sha=HEAD, branch="fix/1", commits=(Commit(message="Mend", patch="diff"),)
        ),
        payloads.CheckRun(head=HEAD, name="review"),
        payloads.Sarif(head=HEAD, ref="refs/heads/main", document="{}"),
        payloads.Notice(topic="regression"),
        payloads.Advisory(severity="high", cwes=("CWE-79",)),
    ],
    ids=payloads.type_of,
)
def test_a_proposal_of_each_type_comes_back_from_the_store_as_it_was(payload: payloads.Payload) -> None:
    proposal = a_proposal(payload)
    assert msgspec.convert(msgspec.to_builtins(proposal), Proposal) == proposal
    assert proposal.type in payloads.TYPES


@pytest.mark.parametrize(
    ("record", "fields", "named"),
    [
        (Comment, {}, "number"),
        (Comment, {"number": 1, "branch": "x"}, "both name the target"),
        (Comment, {"branch": "a..b"}, "branch"),
        (Review, {"number": 1, "head": "main"}, "head"),
        (Labels, {"number": 1}, "neither add nor remove"),
        (Labels, {"number": 1, "add": ("x",), "remove": ("x",)}, "both in add"),
        (Labels, {"number": 1, "add": ("x\ny",)}, "label"),
        (Close, {"number": 1, "reason": "duplicate"}, "duplicate_of"),
        (Close, {"number": 1, "reason": "duplicate", "duplicate_of": 1}, "of itself"),
        (InlineComment, {"path": "../etc/passwd", "body": "x"}, "path"),
        (InlineComment, {"path": "a", "body": "x", "start_line": 3, "end_line": 2}, "no range"),
        (PullRequest, {"base": "main", "base_sha": HEAD, "branch": "main", "commits": ()}, "the same"),
        (PullRequest, {"base": "main", "base_sha": HEAD, "branch": "x.lock", "commits": ()}, "branch"),
        (payloads.Advisory, {"cwes": ("79",)}, "cwes"),
        (payloads.Sarif, {"head": HEAD, "ref": "main", "document": "{}"}, "refs/"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_field(record: Any, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        record(**fields)
    raw = {"type": record.__struct_config__.tag, **fields} if record.__struct_config__.tag else fields
    with pytest.raises(msgspec.ValidationError, match=named):
        msgspec.convert(raw, record)


def test_type_and_payload_agree() -> None:
    with pytest.raises(ValueError, match="payload of 'labels'"):
        msgspec.structs.replace(a_proposal(Labels(number=1, add=("x",))), type="comment")
