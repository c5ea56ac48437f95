"""Bodies of issues, comments, labels, events, reactions."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hundredfold.simulation.forge.bodies.people import (
    Body,
    api,
    html,
    maybe_app,
    maybe_user,
    node_id,
    repo_api,
    stamp,
    user,
)
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Comment, Event, Issue, Label, Reaction

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")


def label(hub: Hub, repo: Repo, one: Label) -> Body:
    """`label`."""
    return {
        "id": one.id,
        "node_id": node_id("Label", one.id),
        "url": repo_api(hub, repo, f"/labels/{one.name}"),
        "name": one.name,
        "description": one.description,
        "color": one.color,
        "default": False,
    }


def labels_of(hub: Hub, repo: Repo, issue: Issue) -> list[Body]:
    """The labels of an issue."""
    return [
        label(hub, repo, repo.labels[name.lower()]) for name in issue.labels if name.lower() in repo.labels
    ]


def rollup(url: str, reactions: list[Reaction]) -> Body:
    """`reaction-rollup`."""
    counts = Counter(one.content for one in reactions)
    return {"url": url, "total_count": len(reactions), **{name: counts[name] for name in REACTIONS}}


def reaction(hub: Hub, one: Reaction) -> Body:
    """`reaction`."""
    return {
        "id": one.id,
        "node_id": node_id("Reaction", one.id),
        "user": user(hub, one.user),
        "content": one.content,
        "created_at": stamp(one.created),
    }


def association(repo: Repo, login: str) -> str:
    """`author-association`."""
    return "OWNER" if login == repo.owner else "CONTRIBUTOR"


def issue(hub: Hub, repo: Repo, one: Issue) -> Body:
    """`issue`."""
    base = repo_api(hub, repo, f"/issues/{one.number}")
    people = [user(hub, login) for login in one.assignees]
    body: Body = {
        "id": one.id,
        "node_id": node_id("Issue", one.id),
        "number": one.number,
        "title": one.title,
        "body": one.body,
        "user": user(hub, one.user),
        "state": one.state,
        "state_reason": one.reason,
        "labels": labels_of(hub, repo, one),
        "assignee": people[0] if people else None,
        "assignees": people,
        "milestone": None,
        "locked": one.locked,
        "active_lock_reason": one.lock_reason,
        "comments": len(one.comments),
        "created_at": stamp(one.created),
        "updated_at": stamp(one.updated),
        "closed_at": stamp(one.closed),
        "closed_by": maybe_user(hub, one.closed_by),
        "author_association": association(repo, one.user),
        "url": base,
        "repository_url": repo_api(hub, repo),
        "labels_url": f"{base}/labels{{/name}}",
        "comments_url": f"{base}/comments",
        "events_url": f"{base}/events",
        "timeline_url": f"{base}/timeline",
        "html_url": html(hub, repo, f"/{'pull' if one.pull else 'issues'}/{one.number}"),
        "reactions": rollup(f"{base}/reactions", one.reactions),
        "performed_via_github_app": maybe_app(hub, one.app),
    }
    if one.pull is not None:
        page = html(hub, repo, f"/pull/{one.number}")
        body["draft"] = one.pull.draft
        body["pull_request"] = {
            "url": repo_api(hub, repo, f"/pulls/{one.number}"),
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": stamp(one.pull.merged),
        }
    return body


def comment(hub: Hub, repo: Repo, on: Issue, one: Comment) -> Body:
    """`issue-comment`."""
    page = html(hub, repo, f"/{'pull' if on.pull else 'issues'}/{on.number}")
    base = repo_api(hub, repo, f"/issues/comments/{one.id}")
    return {
        "id": one.id,
        "node_id": node_id("IssueComment", one.id),
        "url": base,
        "html_url": f"{page}#issuecomment-{one.id}",
        "issue_url": repo_api(hub, repo, f"/issues/{on.number}"),
        "user": user(hub, one.user),
        "body": one.body,
        "created_at": stamp(one.created),
        "updated_at": stamp(one.updated),
        "author_association": association(repo, one.user),
        "reactions": rollup(f"{base}/reactions", one.reactions),
        "performed_via_github_app": maybe_app(hub, one.app),
    }


def event(hub: Hub, repo: Repo, one: Event) -> Body:
    """`issue-event`, `issue-event-for-issue`."""
    sha = one.detail.get("commit_id")
    detail = {
        name: user(hub, value)
        if name in ("assignee", "assigner", "review_requester", "requested_reviewer")
        else value
        for name, value in one.detail.items()
        if name != "commit_id"
    }
    return {
        "id": one.id,
        "node_id": node_id("IssueEvent", one.id),
        "url": repo_api(hub, repo, f"/issues/events/{one.id}"),
        "actor": user(hub, one.actor),
        "event": one.kind,
        "commit_id": sha,
        "commit_url": repo_api(hub, repo, f"/commits/{sha}") if sha else None,
        "created_at": stamp(one.at),
        "performed_via_github_app": None,
        **detail,
    }


def timeline(hub: Hub, repo: Repo, on: Issue) -> list[Body]:
    """`timeline-issue-events`: events, comments and reviews in the order they happened."""
    rows: list[tuple[int, int, Body]] = [(one.at, one.id, event(hub, repo, one)) for one in on.events]
    for one in on.comments:
        body = {
            **comment(hub, repo, on, one),
            "event": "commented",
            "actor": user(hub, one.user),
        }
        rows.append((one.created, one.id, body))
    if on.pull is not None:
        for review in on.pull.reviews:
            if review.submitted is not None:
                from hundredfold.simulation.forge.bodies.pulls import review as review_body

                body = {**review_body(hub, repo, on, review), "event": "reviewed"}
                rows.append((review.submitted, review.id, body))
    return [body for _, _, body in sorted(rows, key=lambda row: row[:2])]


def search_item(hub: Hub, repo: Repo, one: Issue, score: float) -> Body:
    """`issue-search-result-item`."""
    return {**issue(hub, repo, one), "score": score}


def payload(hub: Hub, repo: Repo, action: str, sender: str, **more: Any) -> Body:
    """What every webhook of a repository holds."""
    from hundredfold.simulation.forge.bodies.people import repository

    body = {"action": action, **more, "repository": repository(hub, repo), "sender": user(hub, sender)}
    found = next((one for one in hub.installations.values() if one.account == repo.owner), None)
    if found is not None:
        body["installation"] = {"id": found.id, "node_id": node_id("Installation", found.id)}
    return body


__all__ = ["api", "comment", "event", "issue", "label", "payload", "reaction", "search_item", "timeline"]
