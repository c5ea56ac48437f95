"""Bodies of commits, files, trees, refs, branches, releases and comparisons."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import quote

from hundredfold.evidence.diffs import FileDiff, parse_diff
from hundredfold.simulation.forge.bodies.people import Body, html, node_id, repo_api, stamp, user
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Release

_STATUS = {
    "added": "added",
    "deleted": "removed",
    "modified": "modified",
    "renamed": "renamed",
    "copied": "copied",
    "mode": "changed",
}
UNVERIFIED = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


def person(login: str, at: int) -> tuple[str, str, int]:
    """A commit's author: name, email, time."""
    return login, f"{login}@users.noreply.example", at


def _account(hub: Hub, name: str) -> Body | None:
    return user(hub, name) if name in hub.users else None


def _signature(who: Body) -> Body:
    return {"name": who["name"], "email": who["email"], "date": stamp(who["at"])}


def _parents(hub: Hub, repo: Repo, shas: list[str]) -> list[Body]:
    return [
        {
            "sha": sha,
            "url": repo_api(hub, repo, f"/commits/{sha}"),
            "html_url": html(hub, repo, f"/commit/{sha}"),
        }
        for sha in shas
    ]


def commit(hub: Hub, repo: Repo, sha: str, *, files: bool = False) -> Body:
    """`commit`; with `files` what it changed, against its first parent."""
    found = repo.git.commit(sha)
    base = repo_api(hub, repo, f"/commits/{sha}")
    body: Body = {
        "sha": sha,
        "node_id": node_id("Commit", sha),
        "url": base,
        "html_url": html(hub, repo, f"/commit/{sha}"),
        "comments_url": f"{base}/comments",
        "commit": {
            "url": repo_api(hub, repo, f"/git/commits/{sha}"),
            "author": _signature(found["author"]),
            "committer": _signature(found["committer"]),
            "message": found["message"],
            "comment_count": 0,
            "tree": {"sha": found["tree"], "url": repo_api(hub, repo, f"/git/trees/{found['tree']}")},
            "verification": UNVERIFIED,
        },
        "author": _account(hub, found["author"]["name"]),
        "committer": _account(hub, found["committer"]["name"]),
        "parents": _parents(hub, repo, found["parents"]),
    }
    if files:
        entries = _entries(
            hub, repo, sha, repo.git.run("show", "-m", "--first-parent", *_PATCH, "--format=", sha, "--")
        )
        added, removed = (sum(one[name] for one in entries) for name in ("additions", "deletions"))
        body |= {
            "stats": {"additions": added, "deletions": removed, "total": added + removed},
            "files": entries,
        }
    return body


_PATCH = ("--no-color", "--no-ext-diff", "-M", "--full-index", "--raw", "--patch")


def diff_entries(hub: Hub, repo: Repo, base: str, head: str) -> list[Body]:
    """`diff-entry` of every file that differs between two commits."""
    return _entries(hub, repo, head, repo.git.run("diff", *_PATCH, base, head, "--"))


def _entries(hub: Hub, repo: Repo, sha: str, patch: bytes) -> list[Body]:
    return [_entry(hub, repo, sha, one) for one in parse_diff(patch.lstrip(b"\n")).files]


def _entry(hub: Hub, repo: Repo, sha: str, one: FileDiff) -> Body:
    added, removed = len(one.added_lines()), len(one.removed_lines())
    path = quote(one.path.encode("utf-8", "surrogateescape"))
    name = one.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    body: Body = {
        "sha": one.new_oid or one.old_oid,
        "filename": name,
        "status": _STATUS[one.status],
        "additions": added,
        "deletions": removed,
        "changes": added + removed,
        "blob_url": html(hub, repo, f"/blob/{sha}/{path}"),
        "raw_url": html(hub, repo, f"/raw/{sha}/{path}"),
        "contents_url": repo_api(hub, repo, f"/contents/{path}?ref={sha}"),
    }
    if one.status == "renamed":
        body["previous_filename"] = one.old_path
    if one.hunks:
        body["patch"] = "\n".join(
            f"@@ -{hunk.old_start},{hunk.old_lines} +{hunk.new_start},{hunk.new_lines} @@\n"
            + b"".join(hunk.lines).decode("utf-8", "replace").rstrip("\n")
            for hunk in one.hunks
        )
    return body


def simple_commit(repo: Repo, sha: str) -> Body:
    """`simple-commit`, as runs and suites name their head."""
    found = repo.git.commit(sha)
    who = [{"name": found[name]["name"], "email": found[name]["email"]} for name in ("author", "committer")]
    return {
        "id": sha,
        "tree_id": found["tree"],
        "message": found["message"],
        "timestamp": stamp(found["committer"]["at"]),
        "author": who[0],
        "committer": who[1],
    }


def git_commit(hub: Hub, repo: Repo, sha: str) -> Body:
    """`git-commit`."""
    whole = commit(hub, repo, sha)
    return {
        "sha": sha,
        "node_id": whole["node_id"],
        "url": whole["commit"]["url"],
        "html_url": whole["html_url"],
        "author": whole["commit"]["author"],
        "committer": whole["commit"]["committer"],
        "tree": whole["commit"]["tree"],
        "message": whole["commit"]["message"],
        "parents": whole["parents"],
        "verification": UNVERIFIED,
    }


def tree(hub: Hub, repo: Repo, sha: str, *, recursive: bool) -> Body:
    """`git-tree`."""
    entries = []
    for mode, kind, name, size, path in repo.git.tree(sha, recursive=recursive):
        entry: Body = {"path": path, "mode": mode, "type": kind, "sha": name}
        if kind != "commit":
            entry["url"] = repo_api(hub, repo, f"/git/{'trees' if kind == 'tree' else 'blobs'}/{name}")
        if size is not None:
            entry["size"] = size
        entries.append(entry)
    return {"sha": sha, "url": repo_api(hub, repo, f"/git/trees/{sha}"), "tree": entries, "truncated": False}


def ref(hub: Hub, repo: Repo, name: str, sha: str) -> Body:
    """`git-ref`."""
    return {
        "ref": name,
        "node_id": node_id("Ref", name),
        "url": repo_api(hub, repo, f"/git/{name}"),
        "object": {"type": "commit", "sha": sha, "url": repo_api(hub, repo, f"/git/commits/{sha}")},
    }


def short_branch(hub: Hub, repo: Repo, name: str, sha: str) -> Body:
    """`short-branch`."""
    return {
        "name": name,
        "commit": {"sha": sha, "url": repo_api(hub, repo, f"/commits/{sha}")},
        "protected": False,
    }


def branch(hub: Hub, repo: Repo, name: str, sha: str) -> Body:
    """`branch-with-protection`."""
    base = repo_api(hub, repo, f"/branches/{quote(name)}")
    return {
        "name": name,
        "commit": commit(hub, repo, sha),
        "_links": {"html": html(hub, repo, f"/tree/{quote(name)}"), "self": base},
        "protected": False,
        "protection": {"enabled": False, "required_status_checks": {"contexts": [], "checks": []}},
        "protection_url": f"{base}/protection",
    }


def file(
    hub: Hub, repo: Repo, path: str, entry: tuple[str, str, str], reference: str, *, whole: bool
) -> Body:
    """`content-file`, or with `whole` unset an entry of `content-directory`."""
    _, kind, sha = entry
    shown = quote(path)
    base = repo_api(hub, repo, f"/contents/{shown}?ref={quote(reference)}")
    page = html(hub, repo, f"/blob/{quote(reference)}/{shown}")
    blob = repo_api(hub, repo, f"/git/{'trees' if kind == 'tree' else 'blobs'}/{sha}")
    content = repo.git.blob(sha) if kind == "blob" else b""
    body: Body = {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": sha,
        "size": len(content),
        "url": base,
        "html_url": page,
        "git_url": blob,
        "download_url": html(hub, repo, f"/raw/{quote(reference)}/{shown}") if kind == "blob" else None,
        "type": {"blob": "file", "tree": "dir", "commit": "submodule"}[kind],
        "_links": {"self": base, "git": blob, "html": page},
    }
    if whole:
        body |= {"encoding": "base64", "content": base64.encodebytes(content).decode()}
    return body


def release(hub: Hub, repo: Repo, one: Release) -> Body:
    """`release`."""
    base = repo_api(hub, repo, f"/releases/{one.id}")
    return {
        "id": one.id,
        "node_id": node_id("Release", one.id),
        "url": base,
        "html_url": html(hub, repo, f"/releases/tag/{one.tag}"),
        "assets_url": f"{base}/assets",
        "upload_url": f"{base}/assets{{?name,label}}",
        "tarball_url": repo_api(hub, repo, f"/tarball/{one.tag}"),
        "zipball_url": repo_api(hub, repo, f"/zipball/{one.tag}"),
        "tag_name": one.tag,
        "target_commitish": one.target,
        "name": one.name,
        "body": one.body,
        "draft": one.draft,
        "prerelease": one.prerelease,
        "created_at": stamp(one.created),
        "published_at": None if one.draft else stamp(one.created),
        "author": user(hub, one.author),
        "assets": [],
    }


def comparison(
    hub: Hub,
    repo: Repo,
    ends: tuple[str, str],
    shown: Sequence[str],
    ahead: int,
    merge_base: str,
    behind: int,
) -> Body:
    """`commit-comparison` of base and head, with the commits of one page."""
    base, head = ends
    name = f"{base[:12]}...{head[:12]}"
    state = ("diverged" if behind else "ahead") if ahead else ("behind" if behind else "identical")
    return {
        "url": repo_api(hub, repo, f"/compare/{name}"),
        "html_url": html(hub, repo, f"/compare/{name}"),
        "permalink_url": html(hub, repo, f"/compare/{name}"),
        "diff_url": html(hub, repo, f"/compare/{name}.diff"),
        "patch_url": html(hub, repo, f"/compare/{name}.patch"),
        "base_commit": commit(hub, repo, base),
        "merge_base_commit": commit(hub, repo, merge_base),
        "status": state,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": [commit(hub, repo, sha) for sha in shown],
        "files": diff_entries(hub, repo, merge_base, head),
    }
