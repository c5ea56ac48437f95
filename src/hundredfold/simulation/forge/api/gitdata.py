"""Git data: refs, commits, trees and blobs."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.bodies import code as bodies
from hundredfold.simulation.forge.bodies.people import node_id, repo_api
from hundredfold.simulation.forge.pushes import moved
from hundredfold.simulation.forge.store import GitError


@operation("GET", "/repos/{owner}/{repo}/git/ref/{ref}")
def ref(call: Call) -> Reply:
    """One ref by its full name without `refs/`."""
    name = f"refs/{call.params['ref']}"
    return Reply(body=bodies.ref(call.hub, call.repo, name, present(call.repo.git.ref(name))))


@operation("GET", "/repos/{owner}/{repo}/git/matching-refs/{ref}")
def matching(call: Call) -> Reply:
    """All refs whose name begins so."""
    start = f"refs/{call.params['ref']}"
    found = [(name, sha) for name, sha in sorted(call.repo.git.refs().items()) if name.startswith(start)]
    return call.page(found, lambda pair: bodies.ref(call.hub, call.repo, *pair))


@operation("POST", "/repos/{owner}/{repo}/git/refs", content=True)
def ref_made(call: Call) -> Reply:
    """Make a ref."""
    call.require("contents")
    name, sha = call.text("ref"), call.text("sha")
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refused(422, "Reference name must start with 'refs/' and have at least two slashes.")
    if call.repo.git.ref(name) is not None:
        raise Refused(422, "Reference already exists")
    _set(call, name, sha, None)
    return Reply(201, bodies.ref(call.hub, call.repo, name, sha))


@operation("PATCH", "/repos/{owner}/{repo}/git/refs/{ref}")
def ref_moved(call: Call) -> Reply:
    """Move a ref; backwards only by force."""
    call.require("contents")
    name, sha = f"refs/{call.params['ref']}", call.text("sha")
    old = call.repo.git.ref(name)
    if old is None:
        raise Refused(422, "Reference does not exist")
    if (
        call.repo.git.kind(sha) == "commit"
        and not call.body.get("force")
        and not call.repo.git.is_ancestor(old, sha)
    ):
        raise Refused(422, "Update is not a fast forward")
    _set(call, name, sha, old)
    return Reply(body=bodies.ref(call.hub, call.repo, name, sha))


@operation("DELETE", "/repos/{owner}/{repo}/git/refs/{ref}")
def ref_deleted(call: Call) -> Reply:
    """Delete a ref."""
    call.require("contents")
    name = f"refs/{call.params['ref']}"
    old = call.repo.git.ref(name)
    if old is None:
        raise Refused(422, "Reference does not exist")
    call.repo.git.delete_ref(name)
    moved(call.hub, call.repo, name, old, None, call.me)
    return Reply(204)


def _set(call: Call, name: str, sha: str, old: str | None) -> None:
    if call.repo.git.kind(sha) != "commit":
        raise Refused(422, "Object does not exist")
    try:
        call.repo.git.set_ref(name, sha, old or "0" * 40)
    except GitError as error:
        raise Refused(422, f"Reference update failed: {str(error)[:200]}") from error
    moved(call.hub, call.repo, name, old, sha, call.me)


@operation("GET", "/repos/{owner}/{repo}/git/commits/{commit_sha}")
def commit(call: Call) -> Reply:
    """One commit."""
    sha = call.params["commit_sha"]
    if call.repo.git.kind(sha) != "commit":
        raise Refused(404, "Not Found")
    return Reply(body=bodies.git_commit(call.hub, call.repo, sha))


@operation("POST", "/repos/{owner}/{repo}/git/commits", content=True)
def commit_made(call: Call) -> Reply:
    """Make a commit of a tree and parents."""
    call.require("contents")
    tree, parents = call.text("tree"), [str(one) for one in call.body.get("parents") or []]
    if call.repo.git.kind(tree) != "tree":
        raise Refused(422, "Tree SHA does not exist")
    if any(call.repo.git.kind(one) != "commit" for one in parents):
        raise Refused(422, "Parent SHA does not exist or is not a commit object")
    now = call.hub.now()
    author = call.body.get("author") or {}
    default = bodies.person(call.me, now)
    who = (str(author.get("name") or default[0]), str(author.get("email") or default[1]), _time(author, now))
    committed = _time(call.body.get("committer") or author, now)  # the committer is the author by default
    sha = call.repo.git.make_commit(tree, parents, call.text("message"), who, committed)
    return Reply(201, bodies.git_commit(call.hub, call.repo, sha))


def _time(author: dict[str, Any], now: int) -> int:
    try:
        return int(datetime.fromisoformat(author["date"].replace("Z", "+00:00")).timestamp())
    except (KeyError, ValueError, AttributeError):
        return now


@operation("GET", "/repos/{owner}/{repo}/git/trees/{tree_sha}")
def tree(call: Call) -> Reply:
    """A tree, by its sha or a commit's name."""
    name = call.params["tree_sha"]
    sha = name if call.repo.git.kind(name) == "tree" else None
    if sha is None:
        found = call.repo.git.resolve(name)
        sha = call.repo.git.commit(present(found))["tree"] if found else None
    return Reply(body=bodies.tree(call.hub, call.repo, present(sha), recursive="recursive" in call.query))


@operation("POST", "/repos/{owner}/{repo}/git/trees", content=True)
def tree_made(call: Call) -> Reply:
    """Make a tree, over a base tree or alone."""
    call.require("contents")
    git = call.repo.git
    base = call.body.get("base_tree")
    if base is not None and git.kind(str(base)) not in ("tree", "commit"):
        raise Refused(422, "base_tree is not a valid tree oid")
    entries: list[tuple[str, str, str | None, str]] = []
    for one in call.body.get("tree") or []:
        path, mode = str(one.get("path") or ""), str(one.get("mode") or "100644")
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise Refused(422, "tree.path contains a malformed path component")
        sha = one.get("sha")
        if "content" in one:
            sha = git.make_blob(str(one["content"]).encode())
        elif sha is not None and git.kind(str(sha)) is None and mode != "160000":
            raise Refused(422, f"tree.sha {sha} is not a valid {one.get('type', 'blob')}")
        entries.append((mode, str(one.get("type") or "blob"), sha, path))
    try:
        made = git.make_tree(base, entries)
    except GitError as error:
        raise Refused(422, f"The tree could not be made: {str(error)[:200]}") from error
    return Reply(201, bodies.tree(call.hub, call.repo, made, recursive=False))


@operation("GET", "/repos/{owner}/{repo}/git/blobs/{file_sha}")
def blob(call: Call) -> Reply:
    """A blob, in Base64."""
    sha = call.params["file_sha"]
    if call.repo.git.kind(sha) != "blob":
        raise Refused(404, "Not Found")
    content = call.repo.git.blob(sha)
    return Reply(
        body={
            "sha": sha,
            "node_id": node_id("Blob", sha),
            "url": repo_api(call.hub, call.repo, f"/git/blobs/{sha}"),
            "size": len(content),
            "content": base64.encodebytes(content).decode(),
            "encoding": "base64",
        }
    )


@operation("POST", "/repos/{owner}/{repo}/git/blobs", content=True)
def blob_made(call: Call) -> Reply:
    """Keep a blob."""
    call.require("contents")
    text = call.text("content")
    if call.body.get("encoding", "utf-8") == "base64":
        try:
            content = base64.b64decode(text, validate=False)
        except binascii.Error as error:
            raise invalid("content is not valid Base64", "content") from error
    else:
        content = text.encode()
    sha = call.repo.git.make_blob(content)
    return Reply(201, {"sha": sha, "url": repo_api(call.hub, call.repo, f"/git/blobs/{sha}")})
