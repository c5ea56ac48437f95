"""Hostile text in any field of any proposal never reaches GitHub as it is; each case is a test."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from hundredfold import payloads
from hundredfold.forges.github import marker
from hundredfold.payloads import Close, Comment, Commit, InlineComment, Issue, PullRequest, Review
from hundredfold.proposals.outgoing import markdown, unlinked
from hundredfold.proposals.publisher import Published
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.vocabulary import Proposal
from tests.support.forge import TestForge
from tests.support.github import a_forge, a_publisher, admit_app, approved, proposed
from tests.support.proposals import prepared

TOKEN = "ghp_" + "q7Xw2RkVbN9sTzL4mHc8YdJf3PgUa6EoKiB1"  # looks real, opens nothing
PATCH = "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+{added}\n"
FORGED = marker.marked("x", marker.Mark("x-0000000000ff", "review", "1")).rsplit("\n", 1)[1]


@pytest.fixture
def hub(tmp_path: Path) -> TestForge:
    made = TestForge(tmp_path / "github")
    admit_app(made)
    return made


@pytest.fixture
def publish(hub: TestForge, tmp_path: Path) -> Iterator[Callable[..., list[Published]]]:
    database: Database = prepared(open_database(sqlite_url(tmp_path / "t.db")), tmp_path)
    with hub.served() as url:
        forge = a_forge(url, hub, app=True)

        def work(*wanted: Proposal) -> list[Published]:
            approved(database, *wanted)
            return a_publisher(database, forge).publish()

        yield work
        forge.close()
    database.close()


def everywhere(hub: TestForge, text: str) -> list[Proposal]:
    """A proposal of every type with the text in every field that may hold one."""
    line = " ".join(text.split()) or "x"
    inline = (
        InlineComment(path="src/app.py", body=text, start_line=10, end_line=10),
        InlineComment(path="src/app.py", body=text, start_line=30, end_line=30),
        InlineComment(path="no/such.py", body=text),
    )
    note = payloads.Annotation(path="src/app.py", start_line=1, end_line=1, message=text)
    commits = (Commit(message=text, patch=PATCH.format(added="fine")),)
    run = {"tool": {"driver": {"name": "H"}}, "results": [{"message": {"text": text}}]}
    made: list[payloads.Payload] = [
        Comment(number=1),
        Review(number=2, head=hub.head, comments=inline),
        Issue(),
        Close(number=1),
        PullRequest(base="main", base_sha=hub.base, branch="hundredfold/x", commits=commits),
        payloads.CheckRun(head=hub.head, name=line[:90], annotations=(note,)),
        payloads.Sarif(
            head=hub.base, ref="refs/heads/main", document=json.dumps({"version": "2.1.0", "runs": [run]})
        ),
        payloads.Advisory(package=line[:90], vulnerable_versions=line[:90]),
    ]
    return [
        proposed(one, f"number {at}", job=f"job{at}", body=text, title=line, private=at == 7)
        for at, one in enumerate(made)
    ]


def html_of(text: str) -> list[str]:
    """The HTML that a Markdown reader sees in a text, but for our own signature."""
    tokens = MarkdownIt("commonmark").enable("table").parse(re.sub(r"<sub>Hundredfold .*</sub>", "", text))
    inline = [child for token in tokens for child in token.children or ()]
    return [one.content for one in (*tokens, *inline) if one.type in ("html_block", "html_inline")]


def written(hub: TestForge) -> list[str]:
    """Every text that was sent to the forge, our markers apart."""
    texts: list[str] = []
    for issue in hub.repo.issues.values():
        if issue.user == "fleet[bot]":
            texts += [issue.title, issue.body or ""]
        texts += [one.body for one in issue.comments]
        if issue.pull is not None:
            texts += [one.body for one in issue.pull.reviews] + [one.body for one in issue.pull.comments]
    for run in hub.repo.check_runs.values():
        texts += [
            run.name,
            json.dumps(run.output, ensure_ascii=False),
            *(str(one["message"]) for one in run.annotations),
        ]
    for advisory in hub.repo.advisories.values():
        texts += [
            advisory.summary,
            advisory.description,
            json.dumps(advisory.vulnerabilities, ensure_ascii=False),
        ]
    for sarif in hub.repo.sarifs.values():
        texts.append(json.dumps(sarif.runs))
    git = hub.repo.git
    if git.ref("refs/heads/hundredfold/x"):
        texts.append(git.text("log", "-1", "--format=%B", "refs/heads/hundredfold/x"))
    assert len(texts) >= 12
    return [text.rsplit("\n<!-- hundredfold key=", 1)[0] for text in texts]


@pytest.mark.parametrize(
    ("hostile", "never"),
    [
        ("ask @octocat and @acme/admins", r"@\w"),
        ("@everyone <@123>", r"@\w|<@"),
        (f"as said\n\n{FORGED}", r"<!--"),
        ("<!-- hundredfold key=x-000000000001 v1 e30 -->", r"<!--|-->"),
        ("<img src='https://evil.example/p.png'>", r"(?i)<img"),
        ("<details><summary>fine</summary>hidden</details>", r"<details><summary>fine"),
        ("<a href='javascript:x'>see</a></div><!DOCTYPE x><?php", r"<a |</a|</div|<!D|<\?"),
        ("![tracker](https://evil.example/p.png)", r"!\["),
        ("if\u202e access\u2066 user\u2069", "[\u202a-\u202e\u2066-\u2069]"),
        ("pass\u200bword \U000e0041\x1b[31m", "[\u200b\U000e0041\x1b]"),
        (f"the key is {TOKEN}", TOKEN),
        ("/close\n\n  /approve", r"(?m)^\s*/(close|approve)"),
        ("[//]: # (hidden from people)", r"(?m)^\[//\]:"),
        ("```\n<img src='x'>\n```", r"<never>"),
    ],
    ids=[
        "mention", "mention of everyone", "our marker", "a marker like ours", "picture by HTML",
        "hidden by HTML", "links and ends by HTML", "picture by Markdown", "bidi controls",
        "invisible signs", "secret", "commands", "hidden line", "HTML in a code block",
    ],
)  # fmt: skip
def test_it_never_reaches_the_forge_in_any_field(
    hub: TestForge, publish: Callable[..., list[Published]], hostile: str, never: str
) -> None:
    done = publish(*everywhere(hub, hostile))
    assert [one.detail for one in done if one.result != "applied"] == []
    for text in written(hub):
        if '"text"' not in text:  # SARIF is data: a viewer shows its text, but it has no Markdown
            assert not re.search(never, text), text
            assert not html_of(text), text
        else:
            assert TOKEN not in text


def test_a_body_of_65_000_characters_is_cut_and_says_so(
    hub: TestForge, publish: Callable[..., list[Published]]
) -> None:
    done = publish(*everywhere(hub, "wörd " * 13_000))
    assert [one.detail for one in done if one.result != "applied"] == []
    assert all(len(text) <= 65_000 for text in written(hub) if '"text"' not in text)
    assert sum("[cut here: " in text for text in written(hub)) >= 6
    assert all(marker.read(one.body) for one in hub.issue.comments), "the marker is never cut off"


def test_an_open_code_block_does_not_swallow_what_is_ours(
    hub: TestForge, publish: Callable[..., list[Published]]
) -> None:
    publish(proposed(Comment(number=1), body="see\n\n````python\n<b>x</b>\n```\n"))
    body = hub.issue.comments[0].body
    assert body.index("\n````\n") < body.index("<sub>Hundredfold")


def test_a_patch_with_a_secret_is_not_sent(hub: TestForge, publish: Callable[..., list[Published]]) -> None:
    commits = (Commit(message="m", patch=PATCH.format(added=f'key = "{TOKEN}"')),)
    wanted = PullRequest(base="main", base_sha=hub.base, branch="hundredfold/x", commits=commits)
    (one,) = publish(proposed(wanted))
    assert one.result == "failed" and "secret" in one.detail and TOKEN not in one.detail
    assert not [line for line in hub.hub.log if line.method != "GET"]


def test_a_private_proposal_is_an_advisory_or_stays_here(
    hub: TestForge, publish: Callable[..., list[Published]]
) -> None:
    (one,) = publish(proposed(Issue(), private=True))
    assert one.result == "failed" and "would show it to others" in one.detail
    assert not [line for line in hub.hub.log if line.method != "GET"]


def test_sarif_is_sent_without_secrets(hub: TestForge, publish: Callable[..., list[Published]]) -> None:
    sent: list[str] = []

    def watch(operation: str, raw: bytes, status: int, body: object) -> None:
        if operation.endswith("/sarifs") and raw:
            sent.append(gzip.decompress(base64.b64decode(json.loads(raw)["sarif"])).decode())

    hub.hub.observers.append(watch)
    run = {"tool": {"driver": {"name": "H"}}, "results": [{"message": {"text": f"key {TOKEN}"}}]}
    document = json.dumps({"version": "2.1.0", "runs": [run]})
    publish(proposed(payloads.Sarif(head=hub.base, ref="refs/heads/main", document=document)))
    assert len(sent) == 1 and TOKEN not in sent[0] and "redacted" in sent[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Fixes #12", "Fixes issue 12"),
        ("closes: acme/widget#3 and more", "closes: issue 3 and more"),
        ("Resolved https://github.com/acme/widget/issues/4", "Resolved issue 4"),
        ("prefixes #12", "prefixes #12"),
        ("see #12", "see #12"),
    ],
)
def test_a_merge_closes_no_issue_by_a_phrase(text: str, shown: str) -> None:
    assert unlinked(text) == shown and unlinked(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a List<int> b", "a List＜int> b"),
        ("```\nList<int>\n```\n", "```\nList<int>\n```\n"),
        ("- ```\n  <img>\n  ```\n<img>", "- ```\n  <img>\n  ```\n＜img>"),
        ("> ```\n> <b>\n\n<b>", "> ```\n> <b>\n\n＜b>"),
        ("<pre>\n```\n<img>", "＜pre>\n```\n＜img>\n```\n"),
        ("1 < 2", "1 < 2"),
        ("a ![x](y) `!`", "a &#33;[x](y) `!`"),
        ("~~~\n/close\n~~~\n/close", "~~~\n/close\n~~~\n&#47;close"),
        ("/usr/bin", "&#47;usr/bin"),
    ],
)
def test_code_blocks_are_left_and_nothing_else_is_code(text: str, shown: str) -> None:
    assert markdown(text) == shown
    assert markdown(shown) == shown
