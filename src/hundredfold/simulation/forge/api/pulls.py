"""Pull requests: listing, opening, editing, their commits and files, merging."""

from __future__ import annotations

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.api.issues import (
    LONGEST_BODY,
    LONGEST_TITLE,
    checked_text,
    close,
    edit,
    new_issue,
    tell,
)
from hundredfold.simulation.forge.bodies import code
from hundredfold.simulation.forge.bodies import pulls as bodies
from hundredfold.simulation.forge.bodies.people import repository
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Issue, Pull


def pull_of(call: Call) -> Issue:
    """The pull request that the path names.

    Raises:
        Refused: there is none.
    """
    issue = call.issue("pull_number")
    if issue.pull is None:
        raise Refused(404, "Not Found")
    return issue


@operation("GET", "/repos/{owner}/{repo}/pulls")
def listed(call: Call) -> Reply:
    """Pull requests, by state, head and base."""
    state, sort = call.query.get("state", "open"), call.query.get("sort", "created")
    direction = call.query.get("direction", "desc" if sort == "created" else "asc")
    head, base = call.query.get("head", "").rpartition(":")[2], call.query.get("base", "")

    def make() -> list[Issue]:
        found = [
            one
            for one in call.repo.issues.values()
            if one.pull is not None
            and (state == "all" or one.state == state)
            and (not head or one.pull.head_ref == head)
            and (not base or one.pull.base_ref == base)
        ]
        return sorted(
            found,
            key=lambda one: (one.updated if sort == "updated" else one.created, one.number),
            reverse=direction == "desc",
        )

    shown = repository(call.hub, call.repo)
    return call.page(
        call.repo.listing(("pulls", state, sort, direction, head, base), make),
        lambda one: bodies.pull(call.hub, call.repo, one, repo_body=shown),
    )


@operation("POST", "/repos/{owner}/{repo}/pulls", content=True)
def opened(call: Call) -> Reply:
    """Open a pull request from a branch of the repository."""
    call.require("pull_requests")
    title = checked_text(call, "title", LONGEST_TITLE)
    body = checked_text(call, "body", LONGEST_BODY, required=False)
    head, base = call.text("head").rpartition(":")[2], call.text("base")
    repo = call.repo
    head_sha, base_sha = repo.git.ref(f"refs/heads/{head}"), repo.git.ref(f"refs/heads/{base}")
    if head_sha is None or base_sha is None:
        name = "head" if head_sha is None else "base"
        raise invalid(f"{name} is no branch", name, resource="PullRequest")
    if any(
        one.pull is not None
        and one.state == "open"
        and (one.pull.head_ref, one.pull.base_ref) == (head, base)
        for one in repo.issues.values()
    ):
        raise invalid(f"A pull request already exists for {repo.owner}:{head}.", "", "custom", "PullRequest")
    if repo.git.is_ancestor(head_sha, base_sha):
        raise invalid(f"No commits between {base} and {head}", "", "custom", "PullRequest")
    made = new_pull(call.hub, repo, call.me, title, body or None, (head, head_sha), (base, base_sha))
    bodies.of(made).draft = bool(call.body.get("draft"))
    tell(call, "opened", made)
    return Reply(201, bodies.pull(call.hub, repo, made, whole=True))


def new_pull(
    hub: Hub,
    repo: Repo,
    user: str,
    title: str,
    body: str | None,
    head: tuple[str, str],
    base: tuple[str, str],
    *,
    at: int | None = None,
    fork: Repo | None = None,
) -> Issue:
    """Number and keep a new pull request, from a fork or the repository's own; head and base are a branch and
    its sha."""
    made = new_issue(hub, repo, user, title, body, at=at)
    made.pull = Pull(hub.next_id(), *head, *base, head_repo=fork.full_name if fork else "")
    return made


@operation("GET", "/repos/{owner}/{repo}/pulls/{pull_number}")
def one(call: Call) -> Reply:
    """One pull request, or its diff."""
    issue = pull_of(call)
    if "diff" in call.accept:
        return Reply(
            body=_diff(call.repo, bodies.of(issue)),
            content_type="application/vnd.github.v3.diff; charset=utf-8",
        )
    return Reply(body=bodies.pull(call.hub, call.repo, issue, whole=True))


def merge_base(repo: Repo, pull: Pull) -> str:
    """Where the head left the base."""
    return repo.git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha


def _diff(repo: Repo, pull: Pull) -> bytes:
    return repo.git.diff(merge_base(repo, pull), pull.head_sha)


@operation("PATCH", "/repos/{owner}/{repo}/pulls/{pull_number}")
def edited(call: Call) -> Reply:
    """Edit, close or reopen."""
    call.require("pull_requests")
    issue = pull_of(call)
    pull = bodies.of(issue)
    if call.body.get("state") == "open" and issue.state == "closed":
        if pull.merged is not None:
            raise invalid("A merged pull request can't be reopened", "state", resource="PullRequest")
        if call.repo.git.ref(f"refs/heads/{pull.head_ref}") is None:
            raise invalid(
                "state cannot be changed. The head branch was deleted.", "state", resource="PullRequest"
            )
    if "base" in call.body:
        pull.base_sha = present(call.repo.git.ref(f"refs/heads/{call.text('base')}"))
        pull.base_ref = call.text("base")
        call.hub.touch(call.repo, issue)
    edit(call, issue)
    return Reply(body=bodies.pull(call.hub, call.repo, issue, whole=True))


@operation("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/commits")
def commits(call: Call) -> Reply:
    """The commits of a pull request, oldest first."""
    pull = bodies.of(pull_of(call))
    shas = call.repo.git.log("--reverse", f"{merge_base(call.repo, pull)}..{pull.head_sha}")
    return call.page(shas, lambda sha: code.commit(call.hub, call.repo, sha))


@operation("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/files")
def files(call: Call) -> Reply:
    """The files of a pull request, with their patches."""
    pull = bodies.of(pull_of(call))
    entries = code.diff_entries(call.hub, call.repo, merge_base(call.repo, pull), pull.head_sha)
    return call.page(entries, lambda one: one)


@operation("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/merge")
def merged(call: Call) -> Reply:
    """204 if it is merged."""
    return Reply(204) if bodies.of(pull_of(call)).merged is not None else Reply(404, {"message": "Not Found"})


@operation("PUT", "/repos/{owner}/{repo}/pulls/{pull_number}/merge")
def merge(call: Call) -> Reply:
    """Merge, by a merge commit."""
    call.require("contents")
    issue = pull_of(call)
    pull, git = bodies.of(issue), call.repo.git
    if issue.state != "open" or pull.draft:
        raise Refused(405, "Pull Request is not mergeable")
    if call.body.get("sha") not in (None, pull.head_sha):
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    tip = present(git.ref(f"refs/heads/{pull.base_ref}"))
    message = call.body.get("commit_title") or f"Merge pull request #{issue.number} from {pull.head_ref}"
    now = call.hub.now()
    sha = git.merge(tip, pull.head_sha, f"{message}\n\n{issue.title}\n", code.person(call.me, now))
    if sha is None:
        raise Refused(405, "Pull Request is not mergeable")
    git.set_ref(f"refs/heads/{pull.base_ref}", sha, tip)
    settle_merge(call.hub, call.repo, issue, call.me, sha)
    tell(call, "closed", issue)
    return Reply(body={"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def settle_merge(hub: Hub, repo: Repo, issue: Issue, by: str, sha: str) -> None:
    """Note that a pull request was merged as `sha`."""
    pull = bodies.of(issue)
    pull.merged, pull.merged_by, pull.merge_sha = hub.now(), by, sha
    hub.record(repo, issue, "merged", by, commit_id=sha)
    close(hub, repo, issue, by)


@operation("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers")
def reviewers_requested(call: Call) -> Reply:
    """Ask people for a review."""
    call.require("pull_requests")
    issue = pull_of(call)
    pull = bodies.of(issue)
    for login in call.body.get("reviewers") or []:
        if login not in pull.requested:
            pull.requested.append(call.hub.user(login).login)
            call.hub.record(
                call.repo,
                issue,
                "review_requested",
                call.me,
                review_requester=call.me,
                requested_reviewer=login,
            )
    return Reply(201, bodies.pull(call.hub, call.repo, issue))


@operation("DELETE", "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers")
def reviewers_removed(call: Call) -> Reply:
    """No longer ask them."""
    call.require("pull_requests")
    issue = pull_of(call)
    pull = bodies.of(issue)
    pull.requested = [one for one in pull.requested if one not in (call.body.get("reviewers") or [])]
    call.hub.touch(call.repo, issue)
    return Reply(body=bodies.pull(call.hub, call.repo, issue))
