"""Bodies of statuses, check runs and suites, workflow runs, jobs and artifacts."""

from __future__ import annotations

from hundredfold.simulation.forge.bodies.code import simple_commit
from hundredfold.simulation.forge.bodies.people import (
    Body,
    app,
    html,
    minimal_repository,
    node_id,
    repo_api,
    stamp,
    user,
)
from hundredfold.simulation.forge.bodies.pulls import minimal_pull
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import (
    Artifact,
    CheckRun,
    CheckSuite,
    Status,
    WorkflowJob,
    WorkflowRun,
)


def status(hub: Hub, repo: Repo, one: Status) -> Body:
    """`status`."""
    return {**simple_status(hub, repo, one), "creator": user(hub, one.creator)}


def simple_status(hub: Hub, repo: Repo, one: Status) -> Body:
    """`simple-commit-status`."""
    return {
        "id": one.id,
        "node_id": node_id("StatusContext", one.id),
        "url": repo_api(hub, repo, f"/statuses/{one.sha}"),
        "avatar_url": user(hub, one.creator)["avatar_url"],
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": stamp(one.at),
        "updated_at": stamp(one.at),
    }


def _pulls(hub: Hub, repo: Repo, sha: str) -> list[Body]:
    by_head = repo.listing(
        "open pulls", lambda: [one for one in repo.issues.values() if one.pull and one.state == "open"]
    )
    return [minimal_pull(hub, repo, one) for one in by_head if one.pull.head_sha == sha]


def check_run(hub: Hub, repo: Repo, one: CheckRun) -> Body:
    """`check-run`."""
    base = repo_api(hub, repo, f"/check-runs/{one.id}")
    return {
        "id": one.id,
        "node_id": node_id("CheckRun", one.id),
        "head_sha": one.sha,
        "name": one.name,
        "url": base,
        "html_url": html(hub, repo, f"/runs/{one.id}"),
        "details_url": one.details_url,
        "status": one.status,
        "conclusion": one.conclusion,
        "started_at": stamp(one.started),
        "completed_at": stamp(one.completed),
        "external_id": one.external_id,
        "check_suite": {"id": one.suite},
        "output": {
            "title": one.output.get("title"),
            "summary": one.output.get("summary"),
            "text": one.output.get("text"),
            "annotations_count": len(one.annotations),
            "annotations_url": f"{base}/annotations",
        },
        "app": app(hub, hub.apps[one.app]),
        "pull_requests": _pulls(hub, repo, one.sha),
    }


def check_suite(hub: Hub, repo: Repo, one: CheckSuite) -> Body:
    """`check-suite`."""
    base = repo_api(hub, repo, f"/check-suites/{one.id}")
    runs = [run for run in repo.check_runs.values() if run.suite == one.id]
    done = bool(runs) and all(run.status == "completed" for run in runs)
    bad = next(
        (run.conclusion for run in runs if run.conclusion not in ("success", "neutral", "skipped")), None
    )
    return {
        "id": one.id,
        "node_id": node_id("CheckSuite", one.id),
        "head_branch": one.branch,
        "head_sha": one.sha,
        "status": "completed" if done else "queued",
        "conclusion": (bad or "success") if done else None,
        "url": base,
        "before": None,
        "after": one.sha,
        "created_at": stamp(one.created),
        "updated_at": stamp(
            max([run.completed or run.started or one.created for run in runs] or [one.created])
        ),
        "app": app(hub, hub.apps[one.app]),
        "head_commit": simple_commit(repo, one.sha),
        "repository": minimal_repository(hub, repo),
        "latest_check_runs_count": len(runs),
        "check_runs_url": f"{base}/check-runs",
        "pull_requests": _pulls(hub, repo, one.sha),
    }


def annotation(hub: Hub, repo: Repo, sha: str, one: Body) -> Body:
    """`check-annotation`."""
    return {
        "path": one["path"],
        "blob_href": repo_api(hub, repo, f"/contents/{one['path']}?ref={sha}"),
        "start_line": one["start_line"],
        "end_line": one["end_line"],
        "start_column": one.get("start_column"),
        "end_column": one.get("end_column"),
        "annotation_level": one["annotation_level"],
        "title": one.get("title"),
        "message": one["message"],
        "raw_details": one.get("raw_details"),
    }


def workflow_run(hub: Hub, repo: Repo, one: WorkflowRun) -> Body:
    """`workflow-run`."""
    base = repo_api(hub, repo, f"/actions/runs/{one.id}")
    return {
        "id": one.id,
        "node_id": node_id("WorkflowRun", one.id),
        "name": one.name,
        "head_branch": one.branch,
        "head_sha": one.sha,
        "path": one.path,
        "run_number": one.number,
        "run_attempt": one.attempt,
        "display_title": repo.git.commit(one.sha)["message"].split("\n")[0],
        "event": one.event,
        "status": one.status,
        "conclusion": one.conclusion,
        "workflow_id": repo.id,
        "url": base,
        "html_url": html(hub, repo, f"/actions/runs/{one.id}"),
        "created_at": stamp(one.created),
        "updated_at": stamp(one.updated),
        "run_started_at": stamp(one.created),
        "actor": user(hub, one.actor),
        "triggering_actor": user(hub, one.actor),
        "head_commit": simple_commit(repo, one.sha),
        "head_repository": minimal_repository(hub, repo),
        "repository": minimal_repository(hub, repo),
        "jobs_url": f"{base}/jobs",
        "logs_url": f"{base}/logs",
        "check_suite_url": repo_api(hub, repo, f"/check-suites/{one.id}"),
        "cancel_url": f"{base}/cancel",
        "rerun_url": f"{base}/rerun",
        "artifacts_url": f"{base}/artifacts",
        "workflow_url": repo_api(hub, repo, f"/actions/workflows/{repo.id}"),
        "previous_attempt_url": None,
        "pull_requests": _pulls(hub, repo, one.sha),
    }


def job(hub: Hub, repo: Repo, run: WorkflowRun, one: WorkflowJob) -> Body:
    """`job`."""
    done = one.completed is not None
    return {
        "id": one.id,
        "node_id": node_id("CheckRun", one.id),
        "run_id": run.id,
        "run_url": repo_api(hub, repo, f"/actions/runs/{run.id}"),
        "run_attempt": run.attempt,
        "head_sha": run.sha,
        "head_branch": run.branch,
        "workflow_name": run.name,
        "name": one.name,
        "url": repo_api(hub, repo, f"/actions/jobs/{one.id}"),
        "html_url": html(hub, repo, f"/actions/runs/{run.id}/job/{one.id}"),
        "status": "completed" if done else "in_progress",
        "conclusion": one.conclusion,
        "created_at": stamp(run.created),
        "started_at": stamp(one.started),
        "completed_at": stamp(one.completed),
        "check_run_url": repo_api(hub, repo, f"/check-runs/{one.id}"),
        "labels": ["ubuntu-latest"],
        "runner_id": 1,
        "runner_name": "runner",
        "runner_group_id": 1,
        "runner_group_name": "Default",
        "steps": [
            {
                "name": step.name,
                "status": "completed",
                "conclusion": step.conclusion,
                "number": number,
                "started_at": stamp(one.started),
                "completed_at": stamp(one.completed),
            }
            for number, step in enumerate(one.steps, 1)
        ],
    }


def artifact(hub: Hub, repo: Repo, run: WorkflowRun, one: Artifact) -> Body:
    """`artifact`."""
    base = repo_api(hub, repo, f"/actions/artifacts/{one.id}")
    return {
        "id": one.id,
        "node_id": node_id("Artifact", one.id),
        "name": one.name,
        "size_in_bytes": len(one.content),
        "url": base,
        "archive_download_url": f"{base}/zip",
        "expired": one.expired,
        "created_at": stamp(one.created),
        "expires_at": stamp(one.created + 90 * 86_400),
        "updated_at": stamp(one.created),
        "workflow_run": {
            "id": run.id,
            "repository_id": repo.id,
            "head_repository_id": repo.id,
            "head_branch": run.branch,
            "head_sha": run.sha,
        },
    }
