"""Code scanning uploads and repository security advisories."""

from __future__ import annotations

import base64
import gzip
import json
import uuid
import zlib
from random import Random
from typing import Any

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.bodies.people import Body, html, repo_api, stamp, user
from hundredfold.simulation.forge.records import Advisory, Analysis, Sarif

MOST_SARIF_BYTES = 10 * 2**20
SEVERITIES = ("critical", "high", "medium", "low")


@operation("POST", "/repos/{owner}/{repo}/code-scanning/sarifs", content=True)
def uploaded(call: Call) -> Reply:
    """Take a SARIF file in: gzip in Base64."""
    call.require("security_events")
    sha, ref, text = call.text("commit_sha"), call.text("ref"), call.text("sarif")
    if call.repo.git.kind(sha) != "commit":
        raise Refused(400, "commit_sha is not a commit of this repository")
    if len(text) > MOST_SARIF_BYTES:
        raise Refused(413, "The SARIF file is too large")
    try:
        document = json.loads(gzip.decompress(base64.b64decode(text)))
        runs = document["runs"]
        assert document["version"] == "2.1.0"
        assert isinstance(runs, list)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AssertionError, zlib.error) as error:
        raise Refused(400, "Invalid SARIF. The SARIF file is not valid.") from error
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{call.repo.full_name} {call.hub.next_id()}")
    made = Sarif(str(number), sha, ref, call.hub.now(), runs)
    for run in runs:
        driver = run.get("tool", {}).get("driver", {})
        analysis = Analysis(
            call.hub.next_id(),
            made.id,
            sha,
            ref,
            made.at,
            str(driver.get("name") or "unknown"),
            driver.get("version"),
            len(run.get("results") or []),
            len(driver.get("rules") or []),
            str((run.get("automationDetails") or {}).get("id") or ""),
        )
        call.repo.analyses[analysis.id] = analysis
        made.analyses.append(analysis.id)
    call.repo.sarifs[made.id] = made
    return Reply(
        202, {"id": made.id, "url": repo_api(call.hub, call.repo, f"/code-scanning/sarifs/{made.id}")}
    )


@operation("GET", "/repos/{owner}/{repo}/code-scanning/sarifs/{sarif_id}")
def upload(call: Call) -> Reply:
    """How far an upload is."""
    call.require("security_events", "read")
    found = present(call.repo.sarifs.get(call.params["sarif_id"]))
    address = repo_api(call.hub, call.repo, f"/code-scanning/analyses?sarif_id={found.id}")
    return Reply(body={"processing_status": "complete", "analyses_url": address, "errors": None})


@operation("GET", "/repos/{owner}/{repo}/code-scanning/analyses")
def analyses(call: Call) -> Reply:
    """Analyses, newest first."""
    call.require("security_events", "read")
    sarif, ref = call.query.get("sarif_id"), call.query.get("ref")
    found = [
        one
        for one in sorted(call.repo.analyses.values(), key=lambda one: one.id, reverse=True)
        if sarif in (None, one.sarif) and ref in (None, one.ref)
    ]
    return call.page(found, lambda one: _analysis(call, one))


def _analysis(call: Call, one: Analysis) -> Body:
    return {
        "id": one.id,
        "ref": one.ref,
        "commit_sha": one.sha,
        "analysis_key": one.category or one.tool,
        "environment": "{}",
        "category": one.category,
        "error": "",
        "created_at": stamp(one.at),
        "results_count": one.results,
        "rules_count": one.rules,
        "url": repo_api(call.hub, call.repo, f"/code-scanning/analyses/{one.id}"),
        "sarif_id": one.sarif,
        "tool": {"name": one.tool, "guid": None, "version": one.version},
        "deletable": True,
        "warning": "",
    }


@operation("DELETE", "/repos/{owner}/{repo}/code-scanning/analyses/{analysis_id}")
def analysis_deleted(call: Call) -> Reply:
    """Delete an analysis; the last of its set only when that is confirmed."""
    call.require("security_events")
    found = present(call.repo.analyses.get(call.number("analysis_id")))
    others = [one for one in call.repo.analyses.values() if (one.tool, one.ref) == (found.tool, found.ref)]
    if len(others) == 1 and "confirm_delete" not in call.query:
        raise Refused(400, "Analysis is last of its type and deletion may result in the loss of alert data.")
    del call.repo.analyses[found.id]
    call.repo.sarifs[found.sarif].analyses.remove(found.id)
    return Reply(body={"next_analysis_url": None, "confirm_delete_url": None})


# ------------------------------------------------------------------ advisories


@operation("GET", "/repos/{owner}/{repo}/security-advisories")
def advisories(call: Call) -> Reply:
    """Advisories; drafts only for those who may see them."""
    sees = call.actor is not None and call.actor.may("repository_advisories", "read")
    state = call.query.get("state")
    found = [
        one
        for one in call.repo.advisories.values()
        if (sees or one.state == "published") and state in (None, one.state)
    ]
    return call.page(found, lambda one: _advisory(call, one))


@operation("POST", "/repos/{owner}/{repo}/security-advisories", content=True)
def advisory_made(call: Call) -> Reply:
    """Draft an advisory, which is private."""
    call.require("repository_advisories")
    now = call.hub.now()
    random = Random(call.hub.next_id())  # noqa: S311 - an id that looks like GitHub's
    ghsa = "GHSA-" + "-".join("".join(random.choices("23456789cfghjmpqrvwx", k=4)) for _ in range(3))
    made = Advisory(ghsa, "", "", None, call.me, "draft", now, now)
    for name in ("summary", "description"):
        if not call.text(name).strip():
            raise invalid(f"{name} can't be blank", name, "missing_field", "RepositoryAdvisory")
    if not isinstance(call.body.get("vulnerabilities"), list):
        raise invalid(
            "vulnerabilities wasn't supplied", "vulnerabilities", "missing_field", "RepositoryAdvisory"
        )
    _fill(call, made)
    call.repo.advisories[ghsa] = made
    return Reply(201, _advisory(call, made))


def _fill(call: Call, one: Advisory) -> None:
    body = call.body
    severity = body.get("severity", one.severity)
    if severity not in (None, *SEVERITIES):
        raise invalid("severity is unknown", "severity", resource="RepositoryAdvisory")
    if severity and body.get("cvss_vector_string"):
        raise invalid(
            "give severity or cvss_vector_string, not both", "severity", resource="RepositoryAdvisory"
        )
    one.summary = body.get("summary", one.summary)
    one.description = body.get("description", one.description)
    one.severity = severity
    one.cvss = body.get("cvss_vector_string", one.cvss)
    one.cwes = list(body.get("cwe_ids") or one.cwes)
    one.vulnerabilities = list(body.get("vulnerabilities") or one.vulnerabilities)
    one.updated = call.hub.now()
    state = body.get("state")
    if state in ("draft", "closed", "published"):
        one.state = state
        one.closed = call.hub.now() if state == "closed" else None
        one.published = call.hub.now() if state == "published" else one.published
    elif state is not None:
        raise invalid("state is unknown", "state", resource="RepositoryAdvisory")


def _seen(call: Call) -> Advisory:
    found = present(call.repo.advisories.get(call.params["ghsa_id"]))
    if found.state != "published":
        call.require("repository_advisories", "read")
    return found


@operation("GET", "/repos/{owner}/{repo}/security-advisories/{ghsa_id}")
def advisory(call: Call) -> Reply:
    """One advisory."""
    return Reply(body=_advisory(call, _seen(call)))


@operation("PATCH", "/repos/{owner}/{repo}/security-advisories/{ghsa_id}")
def advisory_edited(call: Call) -> Reply:
    """Edit, publish or close an advisory."""
    call.require("repository_advisories")
    found = _seen(call)
    _fill(call, found)
    return Reply(body=_advisory(call, found))


def _vulnerability(one: dict[str, Any]) -> Body:
    package = one.get("package") or {}
    return {
        "package": {"ecosystem": package.get("ecosystem", "other"), "name": package.get("name")},
        "vulnerable_version_range": one.get("vulnerable_version_range"),
        "patched_versions": one.get("patched_versions"),
        "vulnerable_functions": one.get("vulnerable_functions") or [],
    }


def _advisory(call: Call, one: Advisory) -> Body:
    identifiers = [{"value": one.ghsa, "type": "GHSA"}]
    return {
        "ghsa_id": one.ghsa,
        "cve_id": one.cve,
        "url": repo_api(call.hub, call.repo, f"/security-advisories/{one.ghsa}"),
        "html_url": html(call.hub, call.repo, f"/security/advisories/{one.ghsa}"),
        "summary": one.summary,
        "description": one.description,
        "severity": one.severity,
        "author": user(call.hub, one.author),
        "publisher": user(call.hub, one.author) if one.published else None,
        "identifiers": identifiers,
        "state": one.state,
        "created_at": stamp(one.created),
        "updated_at": stamp(one.updated),
        "published_at": stamp(one.published),
        "closed_at": stamp(one.closed),
        "withdrawn_at": None,
        "submission": None,
        "vulnerabilities": [_vulnerability(item) for item in one.vulnerabilities],
        "cvss": {"vector_string": one.cvss, "score": None},
        "cwes": [{"cwe_id": name, "name": name} for name in one.cwes],
        "cwe_ids": list(one.cwes),
        "credits": [],
        "credits_detailed": [],
        "collaborating_users": [],
        "collaborating_teams": [],
        "private_fork": None,
    }
