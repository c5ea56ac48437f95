"""The simulated forge answers as GitHub's OpenAPI description says, operation by operation."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio

from hundredfold.simulation.forge import operations
from hundredfold.simulation.forge.records import Artifact, Step, WorkflowJob, WorkflowRun
from tests.support.forge import TOKEN, TestForge, key_pair
from tests.support.openapi import description

R = "/repos/acme/widget"


class Caller:
    """Calls the API with a token; what is wrong with an answer is collected by the forge's observer."""

    def __init__(self, session: aiohttp.ClientSession, api: str, token: str = TOKEN) -> None:
        self.session, self.api, self.token = session, api, token

    async def __call__(
        self, method: str, path: str, body: Any = None, status: int = 200, **headers: str
    ) -> Any:
        sent = {
            "Authorization": f"Bearer {self.token}",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        async with self.session.request(
            method, self.api + path, json=body, headers=sent, allow_redirects=False
        ) as answer:
            raw = await answer.read()
            assert answer.status == status, (method, path, answer.status, raw[:500])
            return json.loads(raw) if raw and "json" in answer.content_type else raw


@pytest.fixture
def forge(tmp_path: Path) -> TestForge:
    return TestForge(tmp_path / "forge")


@pytest.fixture
def faults(forge: TestForge) -> Iterator[list[str]]:
    """Whatever an answer has that GitHub's description does not allow; there must be nothing."""
    found: list[str] = []
    described = description()

    def observe(operation: str, raw: bytes, status: int, body: Any) -> None:
        if operation:
            found.extend(described.faults(operation, raw, status, body))

    forge.hub.observers.append(observe)
    yield found
    assert found == []


@pytest_asyncio.fixture
async def api(forge: TestForge) -> AsyncIterator[str]:
    with forge.served() as url:
        yield url


@pytest_asyncio.fixture
async def call(api: str) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(session, api)


async def app_caller(forge: TestForge, call: Caller) -> Caller:
    """A caller with an installation's token."""
    now = int(forge.clock())
    made = jwt.encode({"iat": now - 60, "exp": now + 540, "iss": str(forge.app.id)}, key_pair()[0], "RS256")
    as_app = Caller(call.session, call.api, made)
    assert (await as_app("GET", "/app"))["slug"] == "fleet"
    assert len(await as_app("GET", "/app/installations")) == 1
    found = await as_app("GET", f"{R}/installation")
    token = await as_app("POST", f"/app/installations/{found['id']}/access_tokens", {}, 201)
    return Caller(call.session, call.api, token["token"])


async def test_issues_comments_labels_and_reactions(
    forge: TestForge, faults: list[str], call: Caller
) -> None:
    made = await call("POST", f"{R}/issues", {"title": "New", "body": "b", "labels": ["bug", "fresh"]}, 201)
    one = f"{R}/issues/{made['number']}"
    comment = await call("POST", f"{one}/comments", {"body": "Hello"}, 201)
    await call("PATCH", f"{R}/issues/comments/{comment['id']}", {"body": "Hello again"})
    assert (await call("GET", f"{R}/issues/comments/{comment['id']}"))["body"] == "Hello again"
    assert len(await call("GET", f"{one}/comments")) == 1
    assert len(await call("GET", f"{R}/issues/comments")) == 1
    assert len(await call("GET", f"{R}/issues?state=all&sort=updated&direction=asc")) == 3
    await call("POST", f"{one}/labels", {"labels": ["wontfix"]})
    await call("PUT", f"{one}/labels", {"labels": ["bug"]})
    await call("DELETE", f"{one}/labels/bug")
    assert await call("GET", f"{one}/labels") == []
    await call("POST", f"{one}/labels", {"labels": ["bug"]})
    await call("DELETE", f"{one}/labels", status=204)
    await call("POST", f"{R}/labels", {"name": "area", "color": "112233"}, 201)
    await call("GET", f"{R}/labels/area")
    await call("PATCH", f"{R}/labels/area", {"new_name": "zone"})
    await call("DELETE", f"{R}/labels/zone", status=204)
    assert {label["name"] for label in await call("GET", f"{R}/labels")} >= {"bug", "fresh"}
    await call("POST", f"{one}/assignees", {"assignees": ["bob"]}, 201)
    await call("DELETE", f"{one}/assignees", {"assignees": ["bob"]})
    await call("PUT", f"{one}/lock", {"lock_reason": "resolved"}, 204)
    await call("DELETE", f"{one}/lock", status=204)
    for place in (one, f"{R}/issues/comments/{comment['id']}"):
        reaction = await call("POST", f"{place}/reactions", {"content": "eyes"}, 201)
        assert len(await call("GET", f"{place}/reactions")) == 1
        await call("DELETE", f"{place}/reactions/{reaction['id']}", status=204)
    await call("PATCH", one, {"title": "Renamed", "state": "closed", "state_reason": "not_planned"})
    await call("PATCH", one, {"state": "open"})
    shown = await call("GET", one)
    assert (shown["state"], shown["state_reason"], shown["title"]) == ("open", "reopened", "Renamed")
    kinds = [event["event"] for event in await call("GET", f"{one}/events?per_page=100")]
    assert {"labeled", "unlabeled", "renamed", "closed", "reopened", "locked"} <= set(kinds)
    await call("GET", f"{one}/timeline?per_page=100")
    await call("GET", f"{R}/issues/events?per_page=100")
    await call("DELETE", f"{R}/issues/comments/{comment['id']}", status=204)
    found = await call("GET", "/search/issues?q=renamed+repo:acme/widget+is:issue+is:open")
    assert found["total_count"] == 1
    assert faults == []


async def test_what_is_wrong_is_refused_in_githubs_form(
    forge: TestForge, faults: list[str], call: Caller
) -> None:
    await call("POST", f"{R}/issues", {"title": " "}, 422)
    await call("POST", f"{R}/issues/1/comments", {"body": "x" * 65_537}, 422)
    await call("GET", f"{R}/issues/99", status=404)
    await call("PATCH", f"{R}/issues/1", {"state": "ajar"}, 422)
    await Caller(call.session, call.api, "unknown")("GET", f"{R}/issues", status=401)
    forge.hub.token("eve", "ghp_reader", {"issues": "read"})
    reader = Caller(call.session, call.api, "ghp_reader")
    await reader("POST", f"{R}/issues", {"title": "x"}, 403)
    await reader("GET", f"{R}/issues/1")
    await call("PUT", f"{R}/issues/1/lock", status=204)
    await call("POST", f"{R}/issues/1/comments", {"body": "b"}, 403)


async def test_pull_requests_and_reviews(forge: TestForge, faults: list[str], call: Caller) -> None:
    two = f"{R}/pulls/2"
    await call("GET", f"{R}/pulls?state=all&sort=updated&direction=desc")
    assert (await call("GET", two))["mergeable"] is True
    assert b"+changed 10" in await call("GET", two, Accept="application/vnd.github.diff")
    assert len(await call("GET", f"{two}/commits")) == 1
    files = await call("GET", f"{two}/files")
    assert [(one["filename"], one["additions"], one["deletions"]) for one in files] == [("src/app.py", 1, 1)]
    await call("POST", f"{two}/requested_reviewers", {"reviewers": ["ada"]}, 201)
    await call("DELETE", f"{two}/requested_reviewers", {"reviewers": ["ada"]})
    comment = {"path": "src/app.py", "line": 10, "side": "RIGHT", "body": "Why?"}
    for wrong in ({"line": 30}, {"path": "no.py"}, {"side": "LEFT", "line": 14}, {"start_line": 11}):
        await call("POST", f"{two}/reviews", {"event": "COMMENT", "comments": [comment | wrong]}, 422)
    assert await call("GET", f"{two}/reviews") == []
    spans = [
        comment,
        comment | {"start_line": 8, "start_side": "RIGHT"},
        comment | {"side": "LEFT", "line": 10},
    ]
    review = await call(
        "POST", f"{two}/reviews", {"event": "REQUEST_CHANGES", "body": "No", "comments": spans}
    )
    assert review["state"] == "CHANGES_REQUESTED"
    inline = await call("GET", f"{two}/reviews/{review['id']}/comments")
    assert len(inline) == 3
    assert inline[0]["diff_hunk"].endswith("+changed 10")
    assert len(await call("GET", f"{two}/comments")) == len(await call("GET", f"{R}/pulls/comments")) == 3
    at = f"{R}/pulls/comments/{inline[0]['id']}"
    await call("PATCH", at, {"body": "Why, though?"})
    await call("GET", at)
    await call("POST", f"{two}/comments/{inline[0]['id']}/replies", {"body": "Because"}, 201)
    alone = await call("POST", f"{two}/comments", {**comment, "commit_id": forge.head}, 201)
    await call("DELETE", f"{R}/pulls/comments/{alone['id']}", status=204)
    await call("PUT", f"{two}/reviews/{review['id']}", {"body": "Not yet"})
    await call("PUT", f"{two}/reviews/{review['id']}/dismissals", {"message": "Done"})
    assert (await call("GET", f"{two}/reviews/{review['id']}"))["state"] == "DISMISSED"
    await call("DELETE", f"{two}/reviews/{review['id']}", status=422)
    pending = await call("POST", f"{two}/reviews", {"comments": [comment]})
    await call("POST", f"{two}/reviews/{pending['id']}/events", {"event": "COMMENT", "body": "So"})
    pending = await call("POST", f"{two}/reviews", {"comments": [comment]})
    await call("DELETE", f"{two}/reviews/{pending['id']}")
    await call("PATCH", two, {"title": "Mend it well", "state": "closed"})
    await call("PATCH", two, {"state": "open"})
    await call("GET", f"{R}/issues/2/timeline?per_page=100")
    await call("GET", f"{R}/issues/2/events?per_page=100")
    await call("GET", f"{R}/commits/{forge.head}/pulls")
    await call("PUT", f"{two}/merge", {"sha": forge.base}, 409)
    await call("GET", f"{two}/merge", status=404)
    merged = await call("PUT", f"{two}/merge", {"sha": forge.head})
    await call("GET", f"{two}/merge", status=204)
    shown = await call("GET", two)
    assert (shown["merged"], shown["merge_commit_sha"], shown["state"]) == (True, merged["sha"], "closed")
    await call("PATCH", two, {"state": "open"}, 422)


async def test_git_data_makes_a_branch_with_commits_and_a_pull_request(
    forge: TestForge, faults: list[str], call: Caller
) -> None:
    blob = await call("POST", f"{R}/git/blobs", {"content": "aGVsbG8=", "encoding": "base64"}, 201)
    assert base64.b64decode((await call("GET", f"{R}/git/blobs/{blob['sha']}"))["content"]) == b"hello"
    base = await call("GET", f"{R}/git/commits/{forge.base}")
    entry = {"path": "new/file.txt", "mode": "100644", "type": "blob", "sha": blob["sha"]}
    tree = await call("POST", f"{R}/git/trees", {"base_tree": base["tree"]["sha"], "tree": [entry]}, 201)
    await call("GET", f"{R}/git/trees/{tree['sha']}?recursive=1")
    made = {"message": "Add a file", "tree": tree["sha"], "parents": [forge.base]}
    commit = await call("POST", f"{R}/git/commits", made, 201)
    await call("POST", f"{R}/git/refs", {"ref": "refs/heads/made/here", "sha": commit["sha"]}, 201)
    await call("POST", f"{R}/git/refs", {"ref": "refs/heads/made/here", "sha": commit["sha"]}, 422)
    assert (await call("GET", f"{R}/git/ref/heads/made/here"))["object"]["sha"] == commit["sha"]
    assert len(await call("GET", f"{R}/git/matching-refs/heads/made")) == 1
    await call("GET", f"{R}/branches/made/here")
    assert len(await call("GET", f"{R}/branches")) == 3
    pull = await call(
        "POST", f"{R}/pulls", {"title": "P", "head": "made/here", "base": "main", "draft": True}, 201
    )
    await call("POST", f"{R}/pulls", {"title": "P", "head": "made/here", "base": "main"}, 422)
    second = await call(
        "POST", f"{R}/git/commits", {**made, "message": "Again", "parents": [commit["sha"]]}, 201
    )
    await call("PATCH", f"{R}/git/refs/heads/made/here", {"sha": second["sha"]})
    assert (await call("GET", f"{R}/pulls/{pull['number']}"))["head"]["sha"] == second["sha"]
    await call("PATCH", f"{R}/git/refs/heads/made/here", {"sha": forge.base}, 422)
    await call("DELETE", f"{R}/git/refs/heads/made/here", status=204)
    assert (await call("GET", f"{R}/pulls/{pull['number']}"))["state"] == "closed"
    await call("PATCH", f"{R}/pulls/{pull['number']}", {"state": "open"}, 422)


async def test_commits_comparisons_contents_and_releases(
    forge: TestForge, faults: list[str], call: Caller
) -> None:
    await call("GET", R)
    await call("GET", "/user")
    await call("GET", "/rate_limit")
    assert len(await call("GET", f"{R}/commits?sha=topic")) == 2
    assert (await call("GET", f"{R}/commits/topic"))["stats"]["total"] == 2
    compared = await call("GET", f"{R}/compare/main...topic")
    assert (compared["status"], compared["ahead_by"], compared["behind_by"]) == ("ahead", 1, 0)
    file = await call("GET", f"{R}/contents/README.md")
    assert base64.b64decode(file["content"]) == b"# Widget\n"
    assert [one["name"] for one in await call("GET", f"{R}/contents/src?ref=topic")] == ["app.py"]
    change = {"message": "Edit", "content": base64.b64encode(b"new\n").decode()}
    await call("PUT", f"{R}/contents/README.md", change, 422)
    await call("PUT", f"{R}/contents/README.md", {**change, "sha": file["sha"]})
    made = await call("PUT", f"{R}/contents/docs/a.md", change, 201)
    await call("DELETE", f"{R}/contents/docs/a.md", {"message": "Gone", "sha": made["content"]["sha"]})
    release = await call("POST", f"{R}/releases", {"tag_name": "v1", "body": "First"}, 201)
    await call("GET", f"{R}/releases")
    await call("GET", f"{R}/releases/latest")
    await call("GET", f"{R}/releases/{release['id']}")
    await call("DELETE", f"{R}/releases/{release['id']}", status=204)


async def test_checks_statuses_and_workflows(forge: TestForge, faults: list[str], call: Caller) -> None:
    at = int(forge.clock())
    await call("POST", f"{R}/check-runs", {"name": "x", "head_sha": forge.head}, 403)
    app = await app_caller(forge, call)
    note = {
        "path": "src/app.py",
        "start_line": 10,
        "end_line": 10,
        "annotation_level": "warning",
        "message": "m",
    }
    output = {"title": "t", "summary": "s", "annotations": [note]}
    run = await app(
        "POST", f"{R}/check-runs", {"name": "fleet", "head_sha": forge.head, "output": output}, 201
    )
    await app("PATCH", f"{R}/check-runs/{run['id']}", {"conclusion": "neutral", "status": "completed"})
    assert (await app("GET", f"{R}/check-runs/{run['id']}"))["status"] == "completed"
    assert len(await app("GET", f"{R}/check-runs/{run['id']}/annotations")) == 1
    assert (await app("GET", f"{R}/commits/{forge.head}/check-runs"))["total_count"] == 1
    suites = await app("GET", f"{R}/commits/{forge.head}/check-suites")
    await app("GET", f"{R}/check-suites/{suites['check_suites'][0]['id']}")
    await app("GET", f"{R}/check-suites/{suites['check_suites'][0]['id']}/check-runs")
    await app("GET", "/installation/repositories")
    await call("POST", f"{R}/statuses/{forge.head}", {"state": "success", "context": "ci"}, 201)
    assert (await call("GET", f"{R}/commits/{forge.head}/status"))["state"] == "success"
    await call("GET", f"{R}/commits/{forge.head}/statuses")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("junit.xml", "<testsuite/>")
    job = WorkflowJob(
        forge.hub.next_id(), "test", "failure", at, at + 9, [Step("pytest", "failure", "E  boom\n")]
    )
    junit = Artifact(forge.hub.next_id(), "junit", archive.getvalue(), at)
    made = WorkflowRun(
        forge.hub.next_id(), 1, "CI", ".github/workflows/ci.yml", "push", forge.head, "topic", "bob",
        "completed", "failure", at, at + 10, 1, [job], [junit],
    )  # fmt: skip
    forge.repo.workflow_runs[made.id] = made
    forge.repo.version += 1
    runs = await call("GET", f"{R}/actions/runs?branch=topic&status=failure")
    assert runs["total_count"] == 1
    await call("GET", f"{R}/actions/runs/{made.id}")
    await call("GET", f"{R}/actions/runs/{made.id}/jobs")
    await call("GET", f"{R}/actions/jobs/{job.id}")
    artifacts = await call("GET", f"{R}/actions/runs/{made.id}/artifacts")
    number = artifacts["artifacts"][0]["id"]
    await call("GET", f"{R}/actions/artifacts/{number}")
    for path in (f"jobs/{job.id}/logs", f"runs/{made.id}/logs", f"artifacts/{number}/zip"):
        await call("GET", f"{R}/actions/{path}", status=302)
    async with call.session.get(
        f"{call.api}{R}/actions/jobs/{job.id}/logs", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as answer:
        assert "E  boom" in await answer.text()


async def test_security(forge: TestForge, faults: list[str], call: Caller) -> None:
    sarif = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "hundredfold"}}, "results": []}]}
    packed = base64.b64encode(gzip.compress(json.dumps(sarif).encode())).decode()
    upload = {"commit_sha": forge.base, "ref": "refs/heads/main", "sarif": packed}
    await call("POST", f"{R}/code-scanning/sarifs", {**upload, "sarif": "AAAA"}, 400)
    made = await call("POST", f"{R}/code-scanning/sarifs", upload, 202)
    await call("GET", f"{R}/code-scanning/sarifs/{made['id']}")
    analyses = await call("GET", f"{R}/code-scanning/analyses?sarif_id={made['id']}")
    await call("DELETE", f"{R}/code-scanning/analyses/{analyses[0]['id']}", status=400)
    await call("DELETE", f"{R}/code-scanning/analyses/{analyses[0]['id']}?confirm_delete=true")
    advisory = {
        "summary": "Weak hash", "description": "d", "severity": "high", "cwe_ids": ["CWE-328"],
        "vulnerabilities": [{"package": {"ecosystem": "pip", "name": "widget"}}],
    }  # fmt: skip
    one = await call("POST", f"{R}/security-advisories", advisory, 201)
    await call("GET", f"{R}/security-advisories/{one['ghsa_id']}")
    await call("PATCH", f"{R}/security-advisories/{one['ghsa_id']}", {"state": "closed"})
    assert len(await call("GET", f"{R}/security-advisories")) == 1
    forge.hub.token("eve", "ghp_reader", {"issues": "read"})
    reader = Caller(call.session, call.api, "ghp_reader")
    assert await reader("GET", f"{R}/security-advisories") == []
    await reader("GET", f"{R}/security-advisories/{one['ghsa_id']}", status=403)


def test_every_operation_is_one_of_githubs() -> None:
    paths = description().paths
    unknown = [
        name
        for name in operations.names()
        for method, _, path in [name.partition(" ")]
        if method.lower() not in paths.get(path, {})
    ]
    assert unknown == []
    assert len(operations.names()) > 110


def test_the_check_finds_what_is_wrong() -> None:
    described = description()
    assert described.faults("GET /repos/{owner}/{repo}/issues", b"", 200, [{"id": "no number"}])
    assert described.faults("GET /repos/{owner}/{repo}/issues", b"", 299, [])
    assert described.faults("GET /nothing", b"", 200, [])
    assert described.faults("POST /repos/{owner}/{repo}/issues", b'{"title": []}', 201, {})
