"""What a moved ref means: pull requests follow their head, and close as merged or with their branch."""

from __future__ import annotations

from hundredfold.simulation.forge.bodies.issues import payload
from hundredfold.simulation.forge.bodies.people import html
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Issue
from hundredfold.simulation.forge.store import PULLS

ZERO = "0" * 40


def show_heads(repo: Repo) -> None:
    """Bring `refs/pull/N/head` to where the pull requests are; they stay when those are closed."""
    there = repo.git.refs(PULLS)
    wanted = {f"{PULLS}{one.number}/head": one.pull.head_sha for one in repo.issues.values() if one.pull}
    lines = [f"update {ref} {sha}\n" for ref, sha in wanted.items() if there.get(ref) != sha]
    if lines:
        repo.git.run("update-ref", "--stdin", stdin="".join(lines).encode())


def moved(hub: Hub, repo: Repo, ref: str, old: str | None, new: str | None, by: str) -> None:
    """A ref was made (old None), moved or deleted (new None) by somebody."""
    repo.pushed = hub.now()
    repo.version += 1
    if not ref.startswith("refs/heads/"):
        return
    branch = ref.removeprefix("refs/heads/")
    for other in list(hub.repos.values()):
        for issue in [one for one in other.issues.values() if one.pull is not None and one.state == "open"]:
            assert issue.pull is not None
            if (issue.pull.head_repo or other.full_name) == repo.full_name and branch == issue.pull.head_ref:
                _follow(hub, other, issue, old, new, by)
            elif other is repo and branch == issue.pull.base_ref and new is not None:
                _merged(hub, repo, issue, new, by)
    if hub.hooks:
        hub.emit("push", _push_payload(hub, repo, ref, old, new, by))


def _follow(hub: Hub, repo: Repo, issue: Issue, old: str | None, new: str | None, by: str) -> None:
    """The head of a pull request of `repo` moved."""
    from hundredfold.simulation.forge.api.issues import close

    pull = issue.pull
    assert pull is not None
    if new is None:
        hub.record(repo, issue, "head_ref_deleted", by)
        close(hub, repo, issue, by)
        return
    if new == pull.head_sha:
        return
    if not repo.git.is_ancestor(pull.head_sha, new):
        hub.record(repo, issue, "head_ref_force_pushed", by, commit_id=new)
    pull.head_sha = new
    hub.touch(repo, issue)
    if hub.hooks:
        from hundredfold.simulation.forge.bodies.pulls import pull as body

        hub.emit(
            "pull_request",
            payload(
                hub,
                repo,
                "synchronize",
                by,
                number=issue.number,
                pull_request=body(hub, repo, issue, whole=True),
                before=old or ZERO,
                after=new,
            ),
        )


def _merged(hub: Hub, repo: Repo, issue: Issue, new: str, by: str) -> None:
    """The base of a pull request moved, perhaps to what merges it."""
    from hundredfold.simulation.forge.api.pulls import settle_merge

    assert issue.pull is not None
    if repo.git.is_ancestor(issue.pull.head_sha, new):
        settle_merge(hub, repo, issue, by, new)


def _push_payload(
    hub: Hub, repo: Repo, ref: str, old: str | None, new: str | None, by: str
) -> dict[str, object]:
    body = payload(hub, repo, "", by)
    del body["action"]
    return body | {
        "ref": ref,
        "before": old or ZERO,
        "after": new or ZERO,
        "created": old is None,
        "deleted": new is None,
        "forced": bool(old and new and not repo.git.is_ancestor(old, new)),
        "base_ref": None,
        "compare": html(hub, repo, f"/compare/{(old or ZERO)[:12]}...{(new or ZERO)[:12]}"),
        "commits": [],
        "head_commit": None,
        "pusher": {"name": by, "email": f"{by}@users.noreply.example"},
    }
