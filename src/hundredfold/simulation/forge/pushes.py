"""What a moved ref means: pull requests follow their head, and close as merged or with their branch."""

from __future__ import annotations

from hundredfold.simulation.forge.bodies.issues import payload
from hundredfold.simulation.forge.bodies.people import html
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Issue

ZERO = "0" * 40


def moved(hub: Hub, repo: Repo, ref: str, old: str | None, new: str | None, by: str) -> None:
    """A ref was made (old None), moved or deleted (new None) by somebody."""
    repo.pushed = hub.now()
    repo.version += 1
    if not ref.startswith("refs/heads/"):
        return
    branch = ref.removeprefix("refs/heads/")
    for issue in [one for one in repo.issues.values() if one.pull is not None and one.state == "open"]:
        _follow(hub, repo, issue, branch, old, new, by)
    if hub.hooks:
        hub.emit("push", _push_payload(hub, repo, ref, old, new, by))


def _follow(
    hub: Hub, repo: Repo, issue: Issue, branch: str, old: str | None, new: str | None, by: str
) -> None:
    from hundredfold.simulation.forge.api.issues import close
    from hundredfold.simulation.forge.api.pulls import settle_merge

    pull = issue.pull
    assert pull is not None
    if branch == pull.head_ref:
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
    elif branch == pull.base_ref and new is not None and repo.git.is_ancestor(pull.head_sha, new):
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
