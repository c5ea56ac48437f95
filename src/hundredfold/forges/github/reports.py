"""Check runs, code scanning results and private security advisories."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import msgspec

from hundredfold.errors import UnavailableError
from hundredfold.forges.github import marker
from hundredfold.forges.github.calls import Call
from hundredfold.forges.github.marker import Mark
from hundredfold.forges.github.repo import NEWEST, Repo
from hundredfold.forges.github.work import Kind, Step, Wanted, kept, unknown
from hundredfold.forges.protocol import Stale
from hundredfold.payloads import Advisory, CheckRun, Sarif


async def plan_check_run(repo: Repo, wanted: Wanted, payload: CheckRun) -> list[Step]:
    """A finished check run; its external id is the action's key."""
    await _require_commit(repo, payload.head)
    output: dict[str, Any] = {"title": wanted.proposal.title, "summary": wanted.proposal.body}
    if payload.annotations:
        output["annotations"] = [
            {
                "path": one.path,
                "start_line": one.start_line,
                "end_line": one.end_line,
                "annotation_level": one.level,
                "message": one.message,
            }
            for one in payload.annotations
        ]
    body = {
        "name": payload.name,
        "head_sha": payload.head,
        "status": "completed",
        "conclusion": payload.conclusion,
        "external_id": wanted.key,
        "output": output,
    }
    before = {"head": payload.head, "name": payload.name}
    return [Step("check_run", "POST", repo.path("check-runs"), body, found_by=wanted.key, before=before)]


async def plan_sarif(repo: Repo, wanted: Wanted, payload: Sarif) -> list[Step]:
    """An upload under a category of its own, so that a second one of the same replaces it.

    Raises:
        UnavailableError: the document is no SARIF.
    """
    await _require_commit(repo, payload.head)
    try:
        document = msgspec.json.decode(payload.document)
        for run in document["runs"]:
            run["automationDetails"] = {"id": f"{_category(wanted.key)}/"}
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise UnavailableError("the document is no SARIF 2.1.0: it has no runs", "Make it anew.") from error
    packed = gzip.compress(msgspec.json.encode(document), mtime=0)
    body = {"commit_sha": payload.head, "ref": payload.ref, "sarif": base64.b64encode(packed).decode()}
    before = {"ref": payload.ref, "category": _category(wanted.key)}
    return [Step("sarif", "POST", repo.path("code-scanning", "sarifs"), body, before=before)]


async def plan_advisory(repo: Repo, wanted: Wanted, payload: Advisory) -> list[Step]:
    """A draft advisory, which only maintainers see."""
    proposal = wanted.proposal
    name = payload.package or repo.repository.partition("/")[2]
    body: dict[str, Any] = {
        "summary": proposal.title,
        "description": marker.marked(proposal.body, Mark(wanted.key, proposal.job, "new")),
        "severity": payload.severity,
        "vulnerabilities": [
            {
                "package": {"ecosystem": payload.ecosystem, "name": name},
                "vulnerable_version_range": payload.vulnerable_versions or None,
            }
        ],
    }
    if payload.cwes:
        body["cwe_ids"] = list(payload.cwes)
    return [Step("advisory", "POST", repo.path("security-advisories"), body, found_by=wanted.key)]


async def _require_commit(repo: Repo, sha: str) -> None:
    if await repo.read("git", "commits", sha) is None:
        raise Stale(f"the commit {sha[:12]} is not in {repo.repository}")


def _category(key: str) -> str:
    return f"hundredfold/{key}"


async def _find_check_run(repo: Repo, step: Step) -> dict[str, Any] | None:
    call = Call(
        "GET",
        repo.path("commits", step.before["head"], "check-runs"),
        query=(("check_name", step.before["name"]), ("filter", "all")),
    )
    async for one in repo.listed(call, "check_runs"):
        if one.get("external_id") == step.found_by:
            return kept(one)
    return None


async def _undo_check_run(repo: Repo, step: Step) -> str:
    number = (step.result or {})["id"]
    said = {"title": "Withdrawn", "summary": marker.withdrawn("check run")}
    body = {"conclusion": "neutral", "external_id": "", "output": said}
    await repo.send(Call("PATCH", repo.path("check-runs", number), body))
    return f"the check run {step.before['name']!r} stays, as neutral"


async def _undo_sarif(repo: Repo, step: Step) -> str:
    """Remove our analyses, newest first, as GitHub wants it."""
    for _ in range(NEWEST):
        found = [
            one
            async for one in repo.entries("code-scanning", "analyses", most=NEWEST, ref=step.before["ref"])
            if str(one.get("category", "")).rstrip("/") == step.before["category"]
        ]
        if not found:
            return ""
        call = Call(
            "DELETE",
            repo.path("code-scanning", "analyses", found[0]["id"]),
            query=(("confirm_delete", "true"),),
        )
        await repo.remove(call, gone=(404,))
    return f"analyses of {step.before['category']} are left"


async def _find_advisory(repo: Repo, step: Step) -> dict[str, Any] | None:
    login = await repo.client.login()
    async for one in repo.entries("security-advisories", most=NEWEST, sort="created", direction="desc"):
        mark = marker.read(one.get("description"))
        author = (one.get("author") or {}).get("login", login)
        if mark is not None and mark.key == step.found_by and author == login:
            return kept(one)
    return None


async def _undo_advisory(repo: Repo, step: Step) -> str:
    name = (step.result or {})["ghsa_id"]
    there = await repo.read("security-advisories", name)
    if there is None:
        return ""
    if there["state"] == "published":
        return f"the advisory {name} was published since, and stays"
    body = {"state": "closed", "description": marker.withdrawn("advisory")}
    await repo.send(Call("PATCH", repo.path("security-advisories", name), body))
    return f"the advisory {name} stays, closed, seen by maintainers only"


CHECK_RUN = Kind(_find_check_run, _undo_check_run)
SARIF = Kind(unknown, _undo_sarif)
ADVISORY = Kind(_find_advisory, _undo_advisory)
