"""Reviews of pull requests and their inline comments, which must stand on lines of the diff."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hundredfold.evidence.diffs import parse_diff
from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.api.issues import LONGEST_BODY, checked_text, since_of
from hundredfold.simulation.forge.api.pulls import merge_base, pull_of
from hundredfold.simulation.forge.bodies import pulls as bodies
from hundredfold.simulation.forge.bodies.issues import payload
from hundredfold.simulation.forge.hub import Repo
from hundredfold.simulation.forge.records import Issue, Pull, Review, ReviewComment

EVENTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


class Spot(Struct, frozen=True):
    """A line of a diff: its hunk up to that line and its position in the file's patch."""

    hunk: str
    position: int


def spots(repo: Repo, pull: Pull, commit: str, path: str) -> dict[tuple[str, int], Spot]:
    """Every line of a file that the diff shows, by side and number; none if the file is not in it."""
    base = merge_base(repo, pull)
    diff = parse_diff(repo.git.diff(base, commit))
    found: dict[tuple[str, int], Spot] = {}
    for file in diff.files:
        if file.path != path:
            continue
        position = 0
        for hunk in file.hunks:
            shown = [f"@@ -{hunk.old_start},{hunk.old_lines} +{hunk.new_start},{hunk.new_lines} @@"]
            position += position > 0
            for old, new, raw in hunk.numbered():
                position += 1
                shown.append(raw.decode("utf-8", "replace").rstrip("\n"))
                spot = Spot("\n".join(shown[-12:]), position)
                if raw[:1] in (b" ", b"-"):
                    found["LEFT", old] = spot
                if raw[:1] in (b" ", b"+"):
                    found["RIGHT", new] = spot
    return found


def _placed(call: Call, issue: Issue, review: Review, raw: dict[str, Any], commit: str) -> ReviewComment:
    """A new inline comment, if it stands on lines of the diff.

    Raises:
        Refused: it does not.
    """
    pull = bodies.of(issue)
    body, path = raw.get("body"), raw.get("path")
    if not isinstance(body, str) or not body.strip() or len(body) > LONGEST_BODY:
        raise invalid("body can't be blank or too long", "body", "missing_field", "PullRequestReviewComment")
    if not isinstance(path, str):
        raise invalid("path wasn't supplied", "path", "missing_field", "PullRequestReviewComment")
    now = call.hub.now()
    there = spots(call.repo, pull, commit, path)
    if not there:
        raise Refused(422, "Unprocessable Entity", ["Path could not be resolved"])
    side = raw.get("side") or "RIGHT"
    line = raw.get("line")
    if line is None and raw.get("position") is not None:
        line, side = next(
            ((number, at) for (at, number), spot in there.items() if spot.position == raw["position"]),
            (None, side),
        )
        if line is None:
            raise Refused(422, "Unprocessable Entity", ["Position could not be resolved"])
    if raw.get("subject_type") == "file":
        return ReviewComment(
            call.hub.next_id(),
            review.id,
            call.me,
            body,
            path,
            commit,
            "",
            None,
            None,
            side,
            now,
            now,
            subject="file",
        )
    spot = there.get((side, line)) if isinstance(line, int) else None
    if spot is None:
        raise Refused(422, "Unprocessable Entity", ["Line could not be resolved"])
    start, start_side = raw.get("start_line"), raw.get("start_side") or side
    if start is not None and (
        (start_side, start) not in there or (start_side == side and isinstance(line, int) and start >= line)
    ):
        raise Refused(422, "Unprocessable Entity", ["Start line could not be resolved"])
    return ReviewComment(
        call.hub.next_id(),
        review.id,
        call.me,
        body,
        path,
        commit,
        spot.hunk,
        spot.position,
        line,
        side,
        now,
        now,
        start,
        start_side if start is not None else None,
    )


def _commit(call: Call, pull: Pull) -> str:
    sha = call.body.get("commit_id") or pull.head_sha
    if call.repo.git.kind(str(sha)) != "commit" or not call.repo.git.is_ancestor(str(sha), pull.head_sha):
        raise Refused(422, "Unprocessable Entity", ["commit_id is not part of the pull request"])
    return str(sha)


def _keep(call: Call, issue: Issue, review: Review, comments: list[ReviewComment]) -> None:
    pull = bodies.of(issue)
    pull.reviews.append(review)
    pull.comments.extend(comments)
    for one in comments:
        call.repo.review_comments[one.id] = (issue, one)
    call.hub.touch(call.repo, issue)


def _tell(call: Call, action: str, issue: Issue, review: Review) -> None:
    if call.hub.hooks:
        shown = {
            "review": bodies.review(call.hub, call.repo, issue, review),
            "pull_request": bodies.pull(call.hub, call.repo, issue),
        }
        call.hub.emit("pull_request_review", payload(call.hub, call.repo, action, call.me, **shown))


@operation("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews")
def listed(call: Call) -> Reply:
    """The reviews of a pull request, oldest first."""
    issue = pull_of(call)
    return call.page(bodies.of(issue).reviews, lambda one: bodies.review(call.hub, call.repo, issue, one))


@operation("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", content=True)
def made(call: Call) -> Reply:
    """Review, with inline comments; without an event it stays pending."""
    call.require("pull_requests")
    issue = pull_of(call)
    pull = bodies.of(issue)
    event = call.body.get("event") or ""
    if event and event not in EVENTS:
        raise invalid("event is unknown", "event", resource="PullRequestReview")
    body = checked_text(call, "body", LONGEST_BODY, required=False)
    raw = call.body.get("comments") or []
    if event in ("REQUEST_CHANGES", "COMMENT") and not body.strip() and not raw:
        raise invalid("body can't be blank", "body", "missing_field", "PullRequestReview")
    if issue.user == call.me and event in ("APPROVE", "REQUEST_CHANGES"):
        raise Refused(422, "Unprocessable Entity", ["Can not review your own pull request"])
    commit = _commit(call, pull)
    state = EVENTS.get(event, "PENDING")
    if state == "PENDING" and any(one.state == "PENDING" and one.user == call.me for one in pull.reviews):
        raise Refused(422, "Unprocessable Entity", ["User can only have one pending review per pull request"])
    review = Review(
        call.hub.next_id(), call.me, body, state, commit, None if state == "PENDING" else call.hub.now()
    )
    comments = [_placed(call, issue, review, one, commit) for one in raw]
    _keep(call, issue, review, comments)
    _tell(call, "submitted", issue, review)
    return Reply(200, bodies.review(call.hub, call.repo, issue, review))


def _found(call: Call) -> tuple[Issue, Review]:
    issue = pull_of(call)
    number = call.number("review_id")
    return issue, present(next((one for one in bodies.of(issue).reviews if one.id == number), None))


@operation("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}")
def one(call: Call) -> Reply:
    """One review."""
    issue, review = _found(call)
    return Reply(body=bodies.review(call.hub, call.repo, issue, review))


@operation("PUT", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}")
def edited(call: Call) -> Reply:
    """Edit a review's body."""
    call.require("pull_requests")
    issue, review = _found(call)
    review.body = checked_text(call, "body", LONGEST_BODY)
    call.hub.touch(call.repo, issue)
    return Reply(body=bodies.review(call.hub, call.repo, issue, review))


@operation("DELETE", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}")
def deleted(call: Call) -> Reply:
    """Delete a pending review; a submitted one stays."""
    call.require("pull_requests")
    issue, review = _found(call)
    if review.state != "PENDING":
        raise Refused(422, "Unprocessable Entity", ["Can not delete a non-pending pull request review"])
    shown = bodies.review(call.hub, call.repo, issue, review)
    pull = bodies.of(issue)
    pull.reviews.remove(review)
    for comment in [one for one in pull.comments if one.review == review.id]:
        pull.comments.remove(comment)
        call.repo.review_comments.pop(comment.id, None)
    call.hub.touch(call.repo, issue)
    return Reply(body=shown)


@operation("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/events", content=True)
def submitted(call: Call) -> Reply:
    """Submit a pending review."""
    call.require("pull_requests")
    issue, review = _found(call)
    event = call.text("event")
    if review.state != "PENDING" or event not in EVENTS:
        raise Refused(422, "Unprocessable Entity", ["Can not submit a review that is not pending"])
    review.state, review.submitted = EVENTS[event], call.hub.now()
    review.body = call.body.get("body") or review.body
    call.hub.touch(call.repo, issue)
    _tell(call, "submitted", issue, review)
    return Reply(body=bodies.review(call.hub, call.repo, issue, review))


@operation("PUT", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/dismissals")
def dismissed(call: Call) -> Reply:
    """Dismiss an approval or a request for changes."""
    call.require("pull_requests")
    issue, review = _found(call)
    message = checked_text(call, "message", LONGEST_BODY)
    if review.state not in ("APPROVED", "CHANGES_REQUESTED"):
        raise Refused(422, "Unprocessable Entity", ["Can not dismiss a commented pull request review"])
    was, review.state = review.state, "DISMISSED"
    call.hub.record(
        call.repo,
        issue,
        "review_dismissed",
        call.me,
        dismissed_review={"state": was.lower(), "review_id": review.id, "dismissal_message": message},
    )
    _tell(call, "dismissed", issue, review)
    return Reply(body=bodies.review(call.hub, call.repo, issue, review))


@operation("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments")
def comments_of(call: Call) -> Reply:
    """The inline comments of a review."""
    issue, review = _found(call)
    found = [one for one in bodies.of(issue).comments if one.review == review.id]
    return call.page(found, lambda one: bodies.review_comment(call.hub, call.repo, issue, one))


@operation("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/comments")
def comments(call: Call) -> Reply:
    """The inline comments of a pull request."""
    issue, since = pull_of(call), since_of(call)
    found = [one for one in bodies.of(issue).comments if one.updated >= since]
    return call.page(found, lambda one: bodies.review_comment(call.hub, call.repo, issue, one))


@operation("GET", "/repos/{owner}/{repo}/pulls/comments")
def all_comments(call: Call) -> Reply:
    """All inline comments of the repository."""
    since, sort = since_of(call), call.query.get("sort", "created")
    descending = call.query.get("direction", "asc") == "desc"

    def make() -> list[tuple[Issue, ReviewComment]]:
        found = [pair for pair in call.repo.review_comments.values() if pair[1].updated >= since]
        return sorted(
            found,
            key=lambda pair: (pair[1].updated if sort == "updated" else pair[1].created, pair[1].id),
            reverse=descending,
        )

    pairs = call.repo.listing(("review comments", since, sort, descending), make)
    return call.page(pairs, lambda pair: bodies.review_comment(call.hub, call.repo, *pair))


@operation("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/comments", content=True)
def commented(call: Call) -> Reply:
    """One inline comment, which is a review of its own."""
    call.require("pull_requests")
    issue = pull_of(call)
    commit = _commit(call, bodies.of(issue))
    review = Review(call.hub.next_id(), call.me, "", "COMMENTED", commit, call.hub.now())
    comment = _placed(call, issue, review, call.body, commit)
    _keep(call, issue, review, [comment])
    return Reply(201, bodies.review_comment(call.hub, call.repo, issue, comment))


@operation("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies", content=True)
def replied(call: Call) -> Reply:
    """Answer an inline comment."""
    call.require("pull_requests")
    issue, first = present(call.repo.review_comments.get(call.number("comment_id")))
    body = checked_text(call, "body", LONGEST_BODY)
    now = call.hub.now()
    review = Review(call.hub.next_id(), call.me, "", "COMMENTED", first.commit, now)
    reply = ReviewComment(
        call.hub.next_id(),
        review.id,
        call.me,
        body,
        first.path,
        first.commit,
        first.hunk,
        first.position,
        first.line,
        first.side,
        now,
        now,
        reply_to=first.reply_to or first.id,
    )
    _keep(call, issue, review, [reply])
    return Reply(201, bodies.review_comment(call.hub, call.repo, issue, reply))


@operation("GET", "/repos/{owner}/{repo}/pulls/comments/{comment_id}")
def comment_one(call: Call) -> Reply:
    """One inline comment."""
    issue, comment = present(call.repo.review_comments.get(call.number("comment_id")))
    return Reply(body=bodies.review_comment(call.hub, call.repo, issue, comment))


@operation("PATCH", "/repos/{owner}/{repo}/pulls/comments/{comment_id}")
def comment_edited(call: Call) -> Reply:
    """Edit an inline comment."""
    call.require("pull_requests")
    issue, comment = present(call.repo.review_comments.get(call.number("comment_id")))
    comment.body, comment.updated = checked_text(call, "body", LONGEST_BODY), call.hub.now()
    call.hub.touch(call.repo, issue)
    return Reply(body=bodies.review_comment(call.hub, call.repo, issue, comment))


@operation("DELETE", "/repos/{owner}/{repo}/pulls/comments/{comment_id}")
def comment_deleted(call: Call) -> Reply:
    """Delete an inline comment."""
    call.require("pull_requests")
    issue, comment = present(call.repo.review_comments.get(call.number("comment_id")))
    bodies.of(issue).comments.remove(comment)
    del call.repo.review_comments[comment.id]
    call.hub.touch(call.repo, issue)
    return Reply(204)
