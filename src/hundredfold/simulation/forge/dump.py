"""The forge's state object by object, to be compared before and after: what is not the same is named.

Only what a person would call the state is in it: when something last changed and what events there
were is not, since both keep growing whatever is undone.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hundredfold.simulation.forge.hub import Hub, Repo

State = dict[str, dict[str, Any]]
_LEFT_OUT = ("updated", "events", "comments", "pull", "reviews", "closed", "closed_by")


def dump(hub: Hub) -> State:
    """Every object by its name, like "acme/widget issue 12" or "acme/widget ref refs/heads/main"."""
    return {
        f"{repo.full_name} {name}": value
        for repo in hub.repos.values()
        for name, value in _objects(repo).items()
    }


def _plain(record: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(record).items() if name not in _LEFT_OUT}


def _objects(repo: Repo) -> State:
    found: State = {f"ref {name}": {"sha": sha} for name, sha in repo.git.refs().items()}
    found |= {f"label {one.name}": _plain(one) for one in repo.labels.values()}
    for issue in repo.issues.values():
        kind = "pull request" if issue.pull is not None else "issue"
        entry = _plain(issue) | {"labels": sorted(issue.labels)}
        if entry["reason"] == "reopened":  # an issue that is open again is open
            entry["reason"] = None
        if issue.pull is not None:
            entry |= _plain(issue.pull) | {"id": issue.id}
        found[f"{kind} {issue.number}"] = entry
        for comment in issue.comments:
            found[f"comment {comment.id} on {issue.number}"] = _plain(comment)
        if issue.pull is not None:
            for review in issue.pull.reviews:
                found[f"review {review.id} on {issue.number}"] = _plain(review)
            for inline in issue.pull.comments:
                found[f"inline comment {inline.id} on {issue.number}"] = _plain(inline)
    found |= {f"check run {one.id}": _plain(one) for one in repo.check_runs.values()}
    found |= {f"status {one.id}": _plain(one) for one in repo.statuses}
    found |= {f"analysis {one.id}": _plain(one) for one in repo.analyses.values()}
    found |= {f"advisory {one.ghsa}": _plain(one) for one in repo.advisories.values()}
    found |= {f"release {one.id}": _plain(one) for one in repo.releases.values()}
    return found


def difference(before: State, after: State) -> dict[str, str]:
    """What is not the same, by object: "made", "gone", or the fields that differ with both values."""
    told = dict.fromkeys(after.keys() - before.keys(), "made")
    told |= dict.fromkeys(before.keys() - after.keys(), "gone")
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        fields = [
            f"{field}: {old.get(field)!r} → {new.get(field)!r}"
            for field in sorted(old.keys() | new.keys())
            if old.get(field) != new.get(field)
        ]
        if fields:
            told[name] = "; ".join(fields)
    return dict(sorted(told.items()))
