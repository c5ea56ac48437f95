"""Comments on issues and pull requests, reactions, and the repository's labels."""

from __future__ import annotations

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.api.issues import LONGEST_BODY, checked_text, since_of, topic_of
from hundredfold.simulation.forge.bodies import issues as bodies
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Comment, Issue, Label, Reaction


@operation("GET", "/repos/{owner}/{repo}/issues/{issue_number}/comments")
def listed(call: Call) -> Reply:
    """The comments of an issue, oldest first."""
    issue, since = call.issue(), since_of(call)
    found = [one for one in issue.comments if one.updated >= since]
    return call.page(found, lambda one: bodies.comment(call.hub, call.repo, issue, one))


@operation("GET", "/repos/{owner}/{repo}/issues/comments")
def all_listed(call: Call) -> Reply:
    """All comments of the repository, by time of creation or change."""
    since, sort = since_of(call), call.query.get("sort", "created")
    descending = call.query.get("direction", "asc") == "desc"

    def make() -> list[tuple[Issue, Comment]]:
        found = [pair for pair in call.repo.comments.values() if pair[1].updated >= since]

        def key(pair: tuple[Issue, Comment]) -> tuple[int, int]:
            return (pair[1].updated if sort == "updated" else pair[1].created, pair[1].id)

        return sorted(found, key=key, reverse=descending)

    pairs = call.repo.listing(("comments", since, sort, descending), make)
    return call.page(pairs, lambda pair: bodies.comment(call.hub, call.repo, *pair))


@operation("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments", content=True)
def made(call: Call) -> Reply:
    """Comment."""
    issue = call.issue()
    call.require(topic_of(issue))
    if issue.locked:
        raise Refused(403, "Unable to create comment because issue is locked.")
    body = checked_text(call, "body", LONGEST_BODY)
    comment = new_comment(
        call.hub, call.repo, issue, call.me, body, app=call.actor.app if call.actor else None
    )
    _tell(call, "created", issue, comment)
    return Reply(201, bodies.comment(call.hub, call.repo, issue, comment))


def new_comment(
    hub: Hub, repo: Repo, issue: Issue, user: str, body: str, *, app: int | None = None, at: int | None = None
) -> Comment:
    """Keep a new comment."""
    now = hub.now() if at is None else at
    comment = Comment(hub.next_id(), hub.user(user).login, body, now, now, app)
    issue.comments.append(comment)
    issue.updated = max(issue.updated, now)
    repo.comments[comment.id] = (issue, comment)
    repo.version += 1
    return comment


@operation("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}")
def one(call: Call) -> Reply:
    """One comment."""
    issue, comment = present(call.repo.comments.get(call.number("comment_id")))
    return Reply(body=bodies.comment(call.hub, call.repo, issue, comment))


@operation("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}")
def edited(call: Call) -> Reply:
    """Edit a comment."""
    issue, comment = present(call.repo.comments.get(call.number("comment_id")))
    call.require(topic_of(issue))
    body = checked_text(call, "body", LONGEST_BODY)
    comment.body, comment.updated = body, call.hub.now()
    call.hub.touch(call.repo, issue)
    _tell(call, "edited", issue, comment)
    return Reply(body=bodies.comment(call.hub, call.repo, issue, comment))


@operation("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}")
def deleted(call: Call) -> Reply:
    """Delete a comment."""
    issue, comment = present(call.repo.comments.get(call.number("comment_id")))
    call.require(topic_of(issue))
    issue.comments.remove(comment)
    del call.repo.comments[comment.id]
    call.hub.touch(call.repo, issue)
    _tell(call, "deleted", issue, comment)
    return Reply(204)


def _tell(call: Call, action: str, issue: Issue, comment: Comment) -> None:
    if call.hub.hooks:
        shown = {
            "issue": bodies.issue(call.hub, call.repo, issue),
            "comment": bodies.comment(call.hub, call.repo, issue, comment),
        }
        call.hub.emit("issue_comment", bodies.payload(call.hub, call.repo, action, call.me, **shown))


# ------------------------------------------------------------------ reactions


def _reactions(call: Call, comment: bool) -> tuple[Issue, list[Reaction]]:
    if comment:
        issue, found = present(call.repo.comments.get(call.number("comment_id")))
        return issue, found.reactions
    issue = call.issue()
    return issue, issue.reactions


def _react(call: Call, *, comment: bool) -> Reply:
    issue, reactions = _reactions(call, comment)
    call.require(topic_of(issue))
    content = call.text("content")
    if content not in bodies.REACTIONS:
        raise invalid("content is unknown", "content")
    there = next((one for one in reactions if (one.user, one.content) == (call.me, content)), None)
    if there is not None:
        return Reply(200, bodies.reaction(call.hub, there))
    reactions.append(Reaction(call.hub.next_id(), call.me, content, call.hub.now()))
    call.repo.version += 1
    return Reply(201, bodies.reaction(call.hub, reactions[-1]))


def _unreact(call: Call, *, comment: bool) -> Reply:
    issue, reactions = _reactions(call, comment)
    call.require(topic_of(issue))
    reactions.remove(present(next((one for one in reactions if one.id == call.number("reaction_id")), None)))
    call.repo.version += 1
    return Reply(204)


@operation("GET", "/repos/{owner}/{repo}/issues/{issue_number}/reactions")
def issue_reactions(call: Call) -> Reply:
    """Reactions to an issue."""
    return call.page(call.issue().reactions, lambda one: bodies.reaction(call.hub, one))


@operation("POST", "/repos/{owner}/{repo}/issues/{issue_number}/reactions")
def issue_reacted(call: Call) -> Reply:
    """React to an issue."""
    return _react(call, comment=False)


@operation("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/reactions/{reaction_id}")
def issue_unreacted(call: Call) -> Reply:
    """Take a reaction back."""
    return _unreact(call, comment=False)


@operation("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions")
def comment_reactions(call: Call) -> Reply:
    """Reactions to a comment."""
    _, reactions = _reactions(call, True)
    return call.page(reactions, lambda one: bodies.reaction(call.hub, one))


@operation("POST", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions")
def comment_reacted(call: Call) -> Reply:
    """React to a comment."""
    return _react(call, comment=True)


@operation("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}")
def comment_unreacted(call: Call) -> Reply:
    """Take a reaction back."""
    return _unreact(call, comment=True)


# ------------------------------------------------------------------ the repository's labels


@operation("GET", "/repos/{owner}/{repo}/labels")
def labels(call: Call) -> Reply:
    """The repository's labels."""
    found = sorted(call.repo.labels.values(), key=lambda one: one.name.lower())
    return call.page(found, lambda one: bodies.label(call.hub, call.repo, one))


@operation("POST", "/repos/{owner}/{repo}/labels", content=True)
def label_made(call: Call) -> Reply:
    """Make a label."""
    call.require("issues")
    name = checked_text(call, "name", 50)
    if name.lower() in call.repo.labels:
        raise invalid("name is taken", "name", "already_exists", "Label")
    made = Label(
        call.hub.next_id(),
        name,
        str(call.body.get("color") or "ededed").lstrip("#"),
        call.body.get("description"),
    )
    call.repo.labels[name.lower()] = made
    call.repo.version += 1
    return Reply(201, bodies.label(call.hub, call.repo, made))


@operation("GET", "/repos/{owner}/{repo}/labels/{name}")
def label(call: Call) -> Reply:
    """One label."""
    return Reply(body=bodies.label(call.hub, call.repo, _label(call)))


@operation("PATCH", "/repos/{owner}/{repo}/labels/{name}")
def label_edited(call: Call) -> Reply:
    """Rename or recolour a label, on every issue that has it."""
    call.require("issues")
    found = _label(call)
    old, new = found.name, str(call.body.get("new_name") or found.name)
    found.name, found.color = new, str(call.body.get("color") or found.color)
    found.description = call.body.get("description", found.description)
    call.repo.labels[new.lower()] = call.repo.labels.pop(old.lower())
    for issue in call.repo.issues.values():
        issue.labels = [new if one == old else one for one in issue.labels]
    call.repo.version += 1
    return Reply(body=bodies.label(call.hub, call.repo, found))


@operation("DELETE", "/repos/{owner}/{repo}/labels/{name}")
def label_deleted(call: Call) -> Reply:
    """Delete a label, from every issue too."""
    call.require("issues")
    found = _label(call)
    del call.repo.labels[found.name.lower()]
    for issue in call.repo.issues.values():
        if found.name in issue.labels:
            issue.labels.remove(found.name)
    call.repo.version += 1
    return Reply(204)


def _label(call: Call) -> Label:
    return present(call.repo.labels.get(call.params["name"].lower()))
