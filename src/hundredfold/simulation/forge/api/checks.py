"""Commit statuses, check runs and check suites."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.api.code import sha_of
from hundredfold.simulation.forge.bodies import checks as bodies
from hundredfold.simulation.forge.bodies.people import minimal_repository, repo_api
from hundredfold.simulation.forge.records import CheckRun, CheckSuite, Status

STATES = ("error", "failure", "pending", "success")
CONCLUSIONS = (
    "action_required",
    "cancelled",
    "failure",
    "neutral",
    "success",
    "skipped",
    "stale",
    "timed_out",
)
MOST_ANNOTATIONS = 50


@operation("POST", "/repos/{owner}/{repo}/statuses/{sha}", content=True)
def status_made(call: Call) -> Reply:
    """Give a commit a status."""
    call.require("statuses")
    sha = sha_of(call, call.params["sha"])
    state = call.text("state")
    if state not in STATES:
        raise invalid("state is unknown", "state", resource="Status")
    made = Status(
        call.hub.next_id(),
        sha,
        state,
        str(call.body.get("context") or "default"),
        call.body.get("description"),
        call.body.get("target_url"),
        call.me,
        call.hub.now(),
    )
    call.repo.statuses.append(made)
    return Reply(201, bodies.status(call.hub, call.repo, made))


@operation("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses")
def statuses(call: Call) -> Reply:
    """All statuses of a commit, newest first."""
    sha = sha_of(call, call.params["ref"])
    found = [one for one in reversed(call.repo.statuses) if one.sha == sha]
    return call.page(found, lambda one: bodies.status(call.hub, call.repo, one))


@operation("GET", "/repos/{owner}/{repo}/commits/{ref}/status")
def combined(call: Call) -> Reply:
    """The newest status of each context, and what they come to."""
    sha = sha_of(call, call.params["ref"])
    newest = {one.context: one for one in call.repo.statuses if one.sha == sha}
    states = {one.state for one in newest.values()}
    whole = "failure" if states & {"error", "failure"} else "success" if states == {"success"} else "pending"
    part, headers = call.cut(list(newest.values()))
    return Reply(
        headers=headers,
        body={
            "state": whole,
            "sha": sha,
            "total_count": len(newest),
            "statuses": [bodies.simple_status(call.hub, call.repo, one) for one in part],
            "repository": minimal_repository(call.hub, call.repo),
            "commit_url": repo_api(call.hub, call.repo, f"/commits/{sha}"),
            "url": repo_api(call.hub, call.repo, f"/commits/{sha}/status"),
        },
    )


def _seconds(text: Any, default: int | None) -> int | None:
    if text is None:
        return default
    try:
        return int(datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp())
    except ValueError as error:
        raise invalid("is no time", "started_at", resource="CheckRun") from error


@operation("POST", "/repos/{owner}/{repo}/check-runs", content=True)
def made(call: Call) -> Reply:
    """Make a check run; only an App may."""
    call.require("checks")
    app = call.actor.app if call.actor else None
    if app is None:
        raise Refused(403, "You must authenticate via a GitHub App.")
    sha = call.text("head_sha")
    if call.repo.git.kind(sha) != "commit":
        raise Refused(422, f"No commit found for SHA: {sha}")
    suite = next((one for one in call.repo.suites.values() if (one.sha, one.app) == (sha, app)), None)
    if suite is None:
        branch = next((name for name, at in call.repo.git.refs("refs/heads/").items() if at == sha), None)
        suite = CheckSuite(
            call.hub.next_id(), app, sha, branch and branch.removeprefix("refs/heads/"), call.hub.now()
        )
        call.repo.suites[suite.id] = suite
    run = CheckRun(
        call.hub.next_id(),
        suite.id,
        app,
        call.text("name"),
        sha,
        "queued",
        None,
        call.hub.now(),
        None,
        None,
        "",
        {},
    )
    _fill(call, run)
    call.repo.check_runs[run.id] = run
    call.repo.version += 1
    return Reply(201, bodies.check_run(call.hub, call.repo, run))


@operation("PATCH", "/repos/{owner}/{repo}/check-runs/{check_run_id}")
def edited(call: Call) -> Reply:
    """Change a check run; annotations are added to those it has."""
    call.require("checks")
    run = _found(call)
    if call.actor is None or call.actor.app != run.app:
        raise Refused(
            403, "Invalid app_id - check run can only be modified by the GitHub App that created it."
        )
    _fill(call, run)
    call.repo.version += 1
    return Reply(body=bodies.check_run(call.hub, call.repo, run))


def _fill(call: Call, run: CheckRun) -> None:
    body = call.body
    conclusion, status = body.get("conclusion"), body.get("status")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid("conclusion is unknown", "conclusion", resource="CheckRun")
    if status == "completed" and conclusion is None:
        raise invalid("conclusion is needed for a completed run", "conclusion", "missing_field", "CheckRun")
    output = body.get("output") or {}
    annotations = output.get("annotations") or []
    if len(annotations) > MOST_ANNOTATIONS:
        raise invalid("at most 50 annotations a request", "annotations", resource="CheckRun")
    if output and ("summary" not in output or len(str(output["summary"])) > 65_535):
        raise invalid("output.summary is needed, at most 65535 characters", "output", resource="CheckRun")
    run.name = body.get("name") or run.name
    run.status = "completed" if conclusion else status or run.status
    run.conclusion = conclusion or run.conclusion
    run.started = _seconds(body.get("started_at"), run.started)
    run.completed = _seconds(body.get("completed_at"), call.hub.now() if conclusion else run.completed)
    run.details_url = body.get("details_url", run.details_url)
    run.external_id = body.get("external_id", run.external_id)
    run.output |= {name: output[name] for name in ("title", "summary", "text") if name in output}
    run.annotations += annotations


def _found(call: Call) -> CheckRun:
    return present(call.repo.check_runs.get(call.number("check_run_id")))


@operation("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}")
def one(call: Call) -> Reply:
    """One check run."""
    return Reply(body=bodies.check_run(call.hub, call.repo, _found(call)))


@operation("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations")
def annotations_of(call: Call) -> Reply:
    """The annotations of a check run."""
    run = _found(call)
    return call.page(run.annotations, lambda one: bodies.annotation(call.hub, call.repo, run.sha, one))


def _listed(call: Call, found: list[CheckRun]) -> Reply:
    name, status = call.query.get("check_name"), call.query.get("status")
    found = [one for one in found if name in (None, one.name) and status in (None, one.status)]
    if call.query.get("filter", "latest") == "latest":
        found = list({(one.app, one.name): one for one in found}.values())
    part, headers = call.cut(found)
    return Reply(
        headers=headers,
        body={
            "total_count": len(found),
            "check_runs": [bodies.check_run(call.hub, call.repo, one) for one in part],
        },
    )


@operation("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs")
def of_commit(call: Call) -> Reply:
    """The check runs of a commit."""
    sha = sha_of(call, call.params["ref"])
    return _listed(call, [one for one in call.repo.check_runs.values() if one.sha == sha])


@operation("GET", "/repos/{owner}/{repo}/check-suites/{check_suite_id}/check-runs")
def of_suite(call: Call) -> Reply:
    """The check runs of a suite."""
    suite = present(call.repo.suites.get(call.number("check_suite_id")))
    return _listed(call, [one for one in call.repo.check_runs.values() if one.suite == suite.id])


@operation("GET", "/repos/{owner}/{repo}/check-suites/{check_suite_id}")
def suite_one(call: Call) -> Reply:
    """One check suite."""
    suite = present(call.repo.suites.get(call.number("check_suite_id")))
    return Reply(body=bodies.check_suite(call.hub, call.repo, suite))


@operation("GET", "/repos/{owner}/{repo}/commits/{ref}/check-suites")
def suites(call: Call) -> Reply:
    """The check suites of a commit."""
    sha = sha_of(call, call.params["ref"])
    found = [one for one in call.repo.suites.values() if one.sha == sha]
    part, headers = call.cut(found)
    return Reply(
        headers=headers,
        body={
            "total_count": len(found),
            "check_suites": [bodies.check_suite(call.hub, call.repo, one) for one in part],
        },
    )
