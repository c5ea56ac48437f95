"""Issues: listing, opening, editing, closing, locking, assigning, and their events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.bodies import issues as bodies
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Issue, Label

LONGEST_BODY = 65_536
LONGEST_TITLE = 256
LOCK_REASONS = ("off-topic", "too heated", "resolved", "spam")


def since_of(call: Call) -> int:
    """The `since` of the query in seconds, 0 if there is none.

    Raises:
        Refused: it is no time.
    """
    text = call.query.get("since", "")
    if not text:
        return 0
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
    except ValueError as error:
        raise invalid("since is no time", "since") from error


def topic_of(issue: Issue) -> str:
    """Which permission writes to it."""
    return "pull_requests" if issue.pull is not None else "issues"


def checked_text(call: Call, name: str, longest: int, *, required: bool = True) -> str:
    """A text of the body within GitHub's bounds.

    Raises:
        Refused: missing, blank or too long.
    """
    text = call.text(name, required=required)
    if required and not text.strip():
        raise invalid(f"{name} can't be blank", name, "missing_field")
    if len(text) > longest:
        raise invalid(f"{name} is too long (maximum is {longest} characters)", name)
    return text


@operation("GET", "/repos/{owner}/{repo}/issues")
def listed(call: Call) -> Reply:
    """Issues and pull requests, by state, labels and time."""
    state = call.query.get("state", "open")
    labels = frozenset(filter(None, call.query.get("labels", "").lower().split(",")))
    sort, direction = call.query.get("sort", "created"), call.query.get("direction", "desc")
    if state not in ("open", "closed", "all") or sort not in ("created", "updated", "comments"):
        raise invalid("state or sort is unknown", "state")
    since = since_of(call)

    def make() -> list[Issue]:
        found = [
            one
            for one in call.repo.issues.values()
            if (state == "all" or one.state == state)
            and one.updated >= since
            and labels <= {name.lower() for name in one.labels}
        ]
        return ordered(found, sort, direction)

    entries = call.repo.listing(("issues", state, labels, sort, direction, since), make)
    return call.page(entries, lambda one: bodies.issue(call.hub, call.repo, one))


def ordered(found: list[Issue], sort: str, direction: str) -> list[Issue]:
    """Issues in GitHub's orders."""
    keys = {
        "created": lambda one: (one.created, one.number),
        "updated": lambda one: (one.updated, one.number),
        "comments": lambda one: (len(one.comments), one.number),
    }
    return sorted(found, key=keys[sort], reverse=direction == "desc")


@operation("POST", "/repos/{owner}/{repo}/issues", content=True)
def opened(call: Call) -> Reply:
    """Open an issue."""
    call.require("issues")
    title = checked_text(call, "title", LONGEST_TITLE)
    body = checked_text(call, "body", LONGEST_BODY, required=False)
    made = new_issue(call.hub, call.repo, call.me, title, body or None, app=_app(call))
    for name in _names(call.body.get("labels") or []):
        add_label(call.hub, call.repo, made, name, call.me)
    made.assignees = [call.hub.user(login).login for login in call.body.get("assignees") or []]
    tell(call, "opened", made)
    return Reply(201, bodies.issue(call.hub, call.repo, made))


def new_issue(
    hub: Hub,
    repo: Repo,
    user: str,
    title: str,
    body: str | None,
    *,
    app: int | None = None,
    at: int | None = None,
) -> Issue:
    """Number and keep a new issue."""
    now = hub.now() if at is None else at
    made = Issue(repo.next_number, hub.next_id(), title, body, hub.user(user).login, now, now, app=app)
    repo.next_number += 1
    repo.issues[made.number] = made
    repo.version += 1
    return made


@operation("GET", "/repos/{owner}/{repo}/issues/{issue_number}")
def one(call: Call) -> Reply:
    """One issue."""
    return Reply(body=bodies.issue(call.hub, call.repo, call.issue()))


@operation("PATCH", "/repos/{owner}/{repo}/issues/{issue_number}")
def edited(call: Call) -> Reply:
    """Edit, close or reopen."""
    issue = call.issue()
    call.require(topic_of(issue))
    edit(call, issue)
    if "labels" in call.body:
        set_labels(call, issue, _names(call.body["labels"] or []))
    if "assignees" in call.body:
        issue.assignees = [call.hub.user(login).login for login in call.body["assignees"] or []]
        call.hub.touch(call.repo, issue)
    return Reply(body=bodies.issue(call.hub, call.repo, issue))


def edit(call: Call, issue: Issue) -> None:
    """Title, body and state, for issues and pull requests alike."""
    if "title" in call.body:
        title = checked_text(call, "title", LONGEST_TITLE)
        if title != issue.title:
            call.hub.record(call.repo, issue, "renamed", call.me, rename={"from": issue.title, "to": title})
            issue.title = title
            tell(call, "edited", issue)
    if "body" in call.body:
        issue.body = checked_text(call, "body", LONGEST_BODY, required=False)
        call.hub.touch(call.repo, issue)
        tell(call, "edited", issue)
    state = call.body.get("state")
    if state is not None and state not in ("open", "closed"):
        raise invalid("state must be open or closed", "state")
    reason = call.body.get("state_reason")
    if reason not in (None, "completed", "not_planned", "duplicate", "reopened"):
        raise invalid("state_reason is unknown", "state_reason")
    if state == "closed" and (issue.state == "open" or (reason and reason != issue.reason)):
        close(call.hub, call.repo, issue, call.me, reason)
        tell(call, "closed", issue)
    elif state == "open" and issue.state == "closed":
        reopen(call.hub, call.repo, issue, call.me)
        tell(call, "reopened", issue)


def close(hub: Hub, repo: Repo, issue: Issue, by: str, reason: str | None = None) -> None:
    """Close an issue or pull request."""
    issue.state, issue.closed, issue.closed_by = "closed", hub.now(), by
    if issue.pull is None:
        issue.reason = reason or "completed"
        hub.record(repo, issue, "closed", by, state_reason=None if reason is None else issue.reason)
    else:
        hub.record(repo, issue, "closed", by)


def reopen(hub: Hub, repo: Repo, issue: Issue, by: str) -> None:
    """Open it again."""
    issue.state, issue.closed, issue.closed_by = "open", None, None
    if issue.pull is None:
        issue.reason = "reopened"
    hub.record(repo, issue, "reopened", by)


@operation("PUT", "/repos/{owner}/{repo}/issues/{issue_number}/lock")
def locked(call: Call) -> Reply:
    """Lock the conversation."""
    issue = call.issue()
    call.require(topic_of(issue))
    reason = call.body.get("lock_reason")
    if reason is not None and reason not in LOCK_REASONS:
        raise invalid("lock_reason is unknown", "lock_reason")
    issue.locked, issue.lock_reason = True, reason
    call.hub.record(call.repo, issue, "locked", call.me, lock_reason=reason)
    return Reply(204)


@operation("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/lock")
def unlocked(call: Call) -> Reply:
    """Unlock the conversation."""
    issue = call.issue()
    call.require(topic_of(issue))
    issue.locked, issue.lock_reason = False, None
    call.hub.record(call.repo, issue, "unlocked", call.me, lock_reason=None)
    return Reply(204)


@operation("POST", "/repos/{owner}/{repo}/issues/{issue_number}/assignees")
def assigned(call: Call) -> Reply:
    """Assign people."""
    issue = call.issue()
    call.require(topic_of(issue))
    for login in call.body.get("assignees") or []:
        if login not in issue.assignees:
            issue.assignees.append(call.hub.user(login).login)
            call.hub.record(call.repo, issue, "assigned", call.me, assignee=login, assigner=call.me)
    return Reply(201, bodies.issue(call.hub, call.repo, issue))


@operation("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/assignees")
def unassigned(call: Call) -> Reply:
    """Unassign people."""
    issue = call.issue()
    call.require(topic_of(issue))
    for login in call.body.get("assignees") or []:
        if login in issue.assignees:
            issue.assignees.remove(login)
            call.hub.record(call.repo, issue, "unassigned", call.me, assignee=login, assigner=call.me)
    return Reply(body=bodies.issue(call.hub, call.repo, issue))


@operation("GET", "/repos/{owner}/{repo}/issues/{issue_number}/events")
def events(call: Call) -> Reply:
    """What happened to an issue, oldest first."""
    return call.page(call.issue().events, lambda one: bodies.event(call.hub, call.repo, one))


@operation("GET", "/repos/{owner}/{repo}/issues/{issue_number}/timeline")
def timeline(call: Call) -> Reply:
    """Events, comments and reviews in order."""
    return call.page(bodies.timeline(call.hub, call.repo, call.issue()), lambda one: one)


@operation("GET", "/repos/{owner}/{repo}/issues/events")
def all_events(call: Call) -> Reply:
    """What happened in the repository, newest first."""

    def make() -> list[Any]:
        return sorted(call.repo.events, key=lambda pair: pair[1].id, reverse=True)

    return call.page(
        call.repo.listing("events", make),
        lambda pair: {
            **bodies.event(call.hub, call.repo, pair[1]),
            "issue": bodies.issue(call.hub, call.repo, pair[0]),
        },
    )


# ------------------------------------------------------------------ labels of issues


def add_label(hub: Hub, repo: Repo, issue: Issue, name: str, by: str) -> None:
    """Put a label on an issue, made if the repository has none of that name (as GitHub does)."""
    known = repo.labels.get(name.lower())
    if known is None:
        if not name.strip() or len(name) > 50:
            raise invalid("is invalid", "name", resource="Label")
        known = repo.labels[name.lower()] = Label(hub.next_id(), name, "ededed")
    if known.name not in issue.labels:
        issue.labels.append(known.name)
        hub.record(repo, issue, "labeled", by, label={"name": known.name, "color": known.color})


def remove_label(hub: Hub, repo: Repo, issue: Issue, name: str, by: str) -> None:
    """Take a label off an issue.

    Raises:
        Refused: it is not on it.
    """
    there = next((one for one in issue.labels if one.lower() == name.lower()), None)
    if there is None:
        raise Refused(404, "Label does not exist")
    issue.labels.remove(there)
    color = repo.labels[there.lower()].color if there.lower() in repo.labels else "ededed"
    hub.record(repo, issue, "unlabeled", by, label={"name": there, "color": color})


def set_labels(call: Call, issue: Issue, names: list[str]) -> None:
    """Have exactly these labels."""
    wanted = {name.lower() for name in names}
    for name in [one for one in issue.labels if one.lower() not in wanted]:
        remove_label(call.hub, call.repo, issue, name, call.me)
        tell(call, "unlabeled", issue)
    for name in names:
        if name.lower() not in {one.lower() for one in issue.labels}:
            add_label(call.hub, call.repo, issue, name, call.me)
            tell(call, "labeled", issue)


def _names(labels: list[Any]) -> list[str]:
    return [one["name"] if isinstance(one, dict) else str(one) for one in labels]


@operation("GET", "/repos/{owner}/{repo}/issues/{issue_number}/labels")
def issue_labels(call: Call) -> Reply:
    """The labels of an issue."""
    return call.page(bodies.labels_of(call.hub, call.repo, call.issue()), lambda one: one)


def _relabelled(call: Call, issue: Issue) -> Reply:
    return Reply(body=bodies.labels_of(call.hub, call.repo, issue))


@operation("POST", "/repos/{owner}/{repo}/issues/{issue_number}/labels")
def labels_added(call: Call) -> Reply:
    """Add labels."""
    issue = call.issue()
    call.require(topic_of(issue))
    for name in _names(call.body.get("labels") or []):
        add_label(call.hub, call.repo, issue, name, call.me)
        tell(call, "labeled", issue)
    return _relabelled(call, issue)


@operation("PUT", "/repos/{owner}/{repo}/issues/{issue_number}/labels")
def labels_set(call: Call) -> Reply:
    """Set the labels."""
    issue = call.issue()
    call.require(topic_of(issue))
    set_labels(call, issue, _names(call.body.get("labels") or []))
    return _relabelled(call, issue)


@operation("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/labels")
def labels_cleared(call: Call) -> Reply:
    """Remove all labels."""
    issue = call.issue()
    call.require(topic_of(issue))
    set_labels(call, issue, [])
    return Reply(204)


@operation("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}")
def label_removed(call: Call) -> Reply:
    """Remove one label."""
    issue = call.issue()
    call.require(topic_of(issue))
    remove_label(call.hub, call.repo, issue, call.params["name"], call.me)
    tell(call, "unlabeled", issue)
    return _relabelled(call, issue)


# ------------------------------------------------------------------ webhooks


def tell(call: Call, action: str, issue: Issue, **more: Any) -> None:
    """Send the webhook of an issue or pull request."""
    if not call.hub.hooks:
        return
    if issue.pull is None:
        shown = {"issue": bodies.issue(call.hub, call.repo, issue)}
        call.hub.emit("issues", bodies.payload(call.hub, call.repo, action, call.me, **shown, **more))
        return
    from hundredfold.simulation.forge.bodies.pulls import pull

    shown = {"number": issue.number, "pull_request": pull(call.hub, call.repo, issue, whole=True)}  # type: ignore[dict-item]
    call.hub.emit("pull_request", bodies.payload(call.hub, call.repo, action, call.me, **shown, **more))


def _app(call: Call) -> int | None:
    return call.actor.app if call.actor is not None else None


__all__ = ["present"]
