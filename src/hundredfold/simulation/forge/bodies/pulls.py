"""Bodies of pull requests, reviews and inline comments."""

from __future__ import annotations

from hundredfold.simulation.forge.bodies.issues import association, labels_of, rollup
from hundredfold.simulation.forge.bodies.people import (
    Body,
    html,
    maybe_user,
    node_id,
    repo_api,
    repository,
    stamp,
    user,
)
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Issue, Pull, Review, ReviewComment


def pull(hub: Hub, repo: Repo, one: Issue, *, whole: bool = False, repo_body: Body | None = None) -> Body:
    """`pull-request-simple`; with `whole` `pull-request`, which counts commits and lines."""
    found = of(one)
    base = repo_api(hub, repo, f"/pulls/{one.number}")
    issue_url = repo_api(hub, repo, f"/issues/{one.number}")
    page = html(hub, repo, f"/pull/{one.number}")
    links = {
        "self": base,
        "html": page,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{base}/comments",
        "review_comment": repo_api(hub, repo, "/pulls/comments{/number}"),
        "commits": f"{base}/commits",
        "statuses": repo_api(hub, repo, f"/statuses/{found.head_sha}"),
    }
    people = [user(hub, login) for login in one.assignees]
    shown = repo_body or repository(hub, repo)
    body: Body = {
        "id": found.id,
        "node_id": node_id("PullRequest", found.id),
        "number": one.number,
        "title": one.title,
        "body": one.body,
        "user": user(hub, one.user),
        "state": one.state,
        "locked": one.locked,
        "active_lock_reason": one.lock_reason,
        "labels": labels_of(hub, repo, one),
        "assignee": people[0] if people else None,
        "assignees": people,
        "requested_reviewers": [user(hub, login) for login in found.requested],
        "requested_teams": [],
        "milestone": None,
        "draft": found.draft,
        "head": _head(hub, repo, found, shown),
        "base": _end(hub, repo, found.base_ref, found.base_sha, shown),
        "created_at": stamp(one.created),
        "updated_at": stamp(one.updated),
        "closed_at": stamp(one.closed),
        "merged_at": stamp(found.merged),
        "merge_commit_sha": found.merge_sha,
        "author_association": association(repo, one.user),
        "auto_merge": None,
        "url": base,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue_url,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": links["statuses"],
        "_links": {name: {"href": address} for name, address in links.items()},
    }
    if whole:
        body |= _counts(hub, repo, one, found)
    return body


def of(one: Issue) -> Pull:
    """The pull request of an issue that is one."""
    assert one.pull is not None, f"#{one.number} is no pull request"
    return one.pull


def _head(hub: Hub, repo: Repo, found: Pull, shown: Body) -> Body:
    fork = hub.repos.get(found.head_repo.lower()) if found.head_repo else None
    if fork is not None:
        return _end(hub, fork, found.head_ref, found.head_sha, repository(hub, fork))
    return _end(hub, repo, found.head_ref, found.head_sha, shown)


def _end(hub: Hub, repo: Repo, ref: str, sha: str, shown: Body) -> Body:
    return {
        "label": f"{repo.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(hub, repo.owner),
        "repo": shown,
    }


def _counts(hub: Hub, repo: Repo, one: Issue, found: Pull) -> Body:
    base = repo.git.merge_base(found.base_sha, found.head_sha) or found.base_sha
    numbers = [
        line.split("\t")[:2]
        for line in repo.git.text("diff", "--numstat", "-M", base, found.head_sha, "--").splitlines()
    ]
    count = [[int(part) if part.isdecimal() else 0 for part in line] for line in numbers]
    mergeable: bool | None = None
    if one.state == "open":
        tip = repo.git.ref(f"refs/heads/{found.base_ref}") or found.base_sha
        mergeable = repo.git.merge_tree(tip, found.head_sha) is not None
    return {
        "merged": found.merged is not None,
        "merged_by": maybe_user(hub, found.merged_by),
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": {True: "clean", False: "dirty", None: "unknown"}[mergeable],
        "comments": len(one.comments),
        "review_comments": len(found.comments),
        "maintainer_can_modify": False,
        "commits": len(repo.git.log(f"{base}..{found.head_sha}")),
        "additions": sum(line[0] for line in count),
        "deletions": sum(line[1] for line in count),
        "changed_files": len(count),
    }


def minimal_pull(hub: Hub, repo: Repo, one: Issue) -> Body:
    """`pull-request-minimal`, as check runs and workflow runs name it."""
    found = of(one)
    shown = {"id": repo.id, "url": repo_api(hub, repo), "name": repo.name}
    return {
        "id": found.id,
        "number": one.number,
        "url": repo_api(hub, repo, f"/pulls/{one.number}"),
        "head": {"ref": found.head_ref, "sha": found.head_sha, "repo": shown},
        "base": {"ref": found.base_ref, "sha": found.base_sha, "repo": shown},
    }


def review(hub: Hub, repo: Repo, on: Issue, one: Review) -> Body:
    """`pull-request-review`."""
    page = f"{html(hub, repo, f'/pull/{on.number}')}#pullrequestreview-{one.id}"
    address = repo_api(hub, repo, f"/pulls/{on.number}")
    body: Body = {
        "id": one.id,
        "node_id": node_id("PullRequestReview", one.id),
        "user": user(hub, one.user),
        "body": one.body,
        "state": one.state,
        "commit_id": one.commit,
        "html_url": page,
        "pull_request_url": address,
        "author_association": association(repo, one.user),
        "_links": {"html": {"href": page}, "pull_request": {"href": address}},
    }
    if one.submitted is not None:
        body["submitted_at"] = stamp(one.submitted)
    return body


def review_comment(hub: Hub, repo: Repo, on: Issue, one: ReviewComment) -> Body:
    """`pull-request-review-comment` (and `review-comment`)."""
    page = f"{html(hub, repo, f'/pull/{on.number}')}#discussion_r{one.id}"
    address = repo_api(hub, repo, f"/pulls/{on.number}")
    base = repo_api(hub, repo, f"/pulls/comments/{one.id}")
    body: Body = {
        "id": one.id,
        "node_id": node_id("PullRequestReviewComment", one.id),
        "pull_request_review_id": one.review,
        "url": base,
        "html_url": page,
        "pull_request_url": address,
        "diff_hunk": one.hunk,
        "path": one.path,
        "position": one.position if one.position is not None else 1,
        "original_position": one.position if one.position is not None else 1,
        "commit_id": one.commit,
        "original_commit_id": one.commit,
        "line": one.line if one.line is not None else 1,
        "original_line": one.line if one.line is not None else 1,
        "side": one.side,
        "start_line": one.start_line,
        "original_start_line": one.start_line,
        "start_side": one.start_side,
        "subject_type": one.subject,
        "user": user(hub, one.user),
        "body": one.body,
        "created_at": stamp(one.created),
        "updated_at": stamp(one.updated),
        "author_association": association(repo, one.user),
        "reactions": rollup(f"{base}/reactions", []),
        "_links": {"self": {"href": base}, "html": {"href": page}, "pull_request": {"href": address}},
    }
    if one.reply_to is not None:
        body["in_reply_to_id"] = one.reply_to
    return body
