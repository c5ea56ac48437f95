"""Workflow runs with their jobs, logs and artifacts. Downloads are redirects that need no token."""

from __future__ import annotations

import io
import zipfile

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, operation, present
from hundredfold.simulation.forge.bodies import checks as bodies
from hundredfold.simulation.forge.records import Artifact, WorkflowJob, WorkflowRun


@operation("GET", "/repos/{owner}/{repo}/actions/runs")
def listed(call: Call) -> Reply:
    """Workflow runs, newest first."""
    wanted = {name: call.query.get(name) for name in ("branch", "event", "head_sha", "status")}

    created = call.query.get("created", "")

    def make() -> list[WorkflowRun]:
        found = [
            one
            for one in call.repo.workflow_runs.values()
            if wanted["branch"] in (None, one.branch)
            and wanted["event"] in (None, one.event)
            and wanted["head_sha"] in (None, one.sha)
            and wanted["status"] in (None, one.status, one.conclusion)
            and _created(one, created)
        ]
        return sorted(found, key=lambda one: one.id, reverse=True)

    found = call.repo.listing(("runs", *wanted.values(), created), make)
    part, headers = call.cut(found)
    return Reply(
        headers=headers,
        body={
            "total_count": len(found),
            "workflow_runs": [bodies.workflow_run(call.hub, call.repo, one) for one in part],
        },
    )


def _created(run: WorkflowRun, wanted: str) -> bool:
    """`created` in search syntax: ">=TIME" or "FIRST..LAST"; times as the API writes them sort as text."""
    from hundredfold.simulation.forge.bodies.people import stamp

    at = stamp(run.created) or ""
    if wanted.startswith(">="):
        return at >= wanted[2:]
    first, dots, last = wanted.partition("..")
    return not dots or first <= at <= last


def _run(call: Call) -> WorkflowRun:
    return present(call.repo.workflow_runs.get(call.number("run_id")))


@operation("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}")
def one(call: Call) -> Reply:
    """One run."""
    return Reply(body=bodies.workflow_run(call.hub, call.repo, _run(call)))


@operation("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs")
def jobs(call: Call) -> Reply:
    """The jobs of a run."""
    run = _run(call)
    part, headers = call.cut(run.jobs)
    return Reply(
        headers=headers,
        body={
            "total_count": len(run.jobs),
            "jobs": [bodies.job(call.hub, call.repo, run, one) for one in part],
        },
    )


def _job(call: Call) -> tuple[WorkflowRun, WorkflowJob]:
    number = call.number("job_id")
    pairs = ((run, job) for run in call.repo.workflow_runs.values() for job in run.jobs)
    return present(next((pair for pair in pairs if pair[1].id == number), None))


@operation("GET", "/repos/{owner}/{repo}/actions/jobs/{job_id}")
def job(call: Call) -> Reply:
    """One job."""
    return Reply(body=bodies.job(call.hub, call.repo, *_job(call)))


@operation("GET", "/repos/{owner}/{repo}/actions/jobs/{job_id}/logs")
def job_logs(call: Call) -> Reply:
    """Where a job's log is, as text."""
    _, job = _job(call)
    return _elsewhere(call, f"logs/{call.repo.full_name}/{job.id}")


@operation("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/logs")
def run_logs(call: Call) -> Reply:
    """Where a run's logs are, as a zip archive."""
    return _elsewhere(call, f"archives/{call.repo.full_name}/{_run(call).id}")


@operation("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts")
def artifacts(call: Call) -> Reply:
    """What a run uploaded."""
    run = _run(call)
    name = call.query.get("name")
    found = [one for one in run.artifacts if name in (None, one.name)]
    part, headers = call.cut(found)
    return Reply(
        headers=headers,
        body={
            "total_count": len(found),
            "artifacts": [bodies.artifact(call.hub, call.repo, run, one) for one in part],
        },
    )


@operation("GET", "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}")
def artifact(call: Call) -> Reply:
    """One artifact."""
    return Reply(body=bodies.artifact(call.hub, call.repo, *_artifact(call)))


@operation("GET", "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}")
def artifact_zip(call: Call) -> Reply:
    """Where an artifact is, as a zip archive."""
    if call.params["archive_format"] != "zip":
        raise Refused(404, "Not Found")
    _, found = _artifact(call)
    if found.expired:
        raise Refused(410, "Artifact has expired")
    return _elsewhere(call, f"artifacts/{call.repo.full_name}/{found.id}")


def _artifact(call: Call) -> tuple[WorkflowRun, Artifact]:
    number = call.number("artifact_id")
    pairs = ((run, one) for run in call.repo.workflow_runs.values() for one in run.artifacts)
    return present(next((pair for pair in pairs if pair[1].id == number), None))


def _elsewhere(call: Call, path: str) -> Reply:
    call.require("actions", "read")
    return Reply(302, None, {"Location": f"{call.hub.url}/_downloads/{path}"})


# ------------------------------------------------------------------ what the redirects lead to


def job_log(job: WorkflowJob) -> bytes:
    """A job's log as GitHub writes it: each line with its time, steps in groups."""
    from hundredfold.simulation.forge.bodies.people import stamp

    at = (stamp(job.started) or "").replace("Z", ".0000000Z")
    lines = [
        line
        for step in job.steps
        for line in (f"##[group]{step.name}", "##[endgroup]", *step.log.splitlines())
    ]
    return "".join(f"{at} {line}\n" for line in lines).encode()


def run_archive(run: WorkflowRun) -> bytes:
    """A run's logs: one text for each job, and one for each step in a folder of the job's name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, job in enumerate(run.jobs):
            archive.writestr(f"{number}_{job.name}.txt", job_log(job))
            for index, step in enumerate(job.steps, 1):
                archive.writestr(f"{job.name}/{index}_{step.name}.txt", step.log)
    return buffer.getvalue()
