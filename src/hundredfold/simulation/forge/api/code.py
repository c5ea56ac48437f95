"""The repository itself: branches, commits, comparisons, contents, releases."""

from __future__ import annotations

import base64
import binascii

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.api.issues import since_of
from hundredfold.simulation.forge.bodies import code as bodies
from hundredfold.simulation.forge.bodies.people import repository
from hundredfold.simulation.forge.bodies.pulls import pull
from hundredfold.simulation.forge.pushes import moved
from hundredfold.simulation.forge.records import Release


def sha_of(call: Call, name: str) -> str:
    """The commit that a branch, tag or sha names.

    Raises:
        Refused: there is none.
    """
    found = call.repo.git.resolve(name)
    if found is None:
        raise Refused(422, f"No commit found for SHA: {name}")
    return found


@operation("GET", "/repos/{owner}/{repo}")
def one(call: Call) -> Reply:
    """The repository."""
    return Reply(body=repository(call.hub, call.repo))


@operation("GET", "/repos/{owner}/{repo}/branches")
def branches(call: Call) -> Reply:
    """All branches."""
    found = sorted(call.repo.git.refs("refs/heads/").items())
    return call.page(
        found,
        lambda pair: bodies.short_branch(call.hub, call.repo, pair[0].removeprefix("refs/heads/"), pair[1]),
    )


@operation("GET", "/repos/{owner}/{repo}/branches/{branch}")
def branch(call: Call) -> Reply:
    """One branch."""
    name = call.params["branch"]
    sha = call.repo.git.ref(f"refs/heads/{name}")
    if sha is None:
        raise Refused(404, "Branch not found")
    return Reply(body=bodies.branch(call.hub, call.repo, name, sha))


@operation("GET", "/repos/{owner}/{repo}/commits")
def commits(call: Call) -> Reply:
    """Commits from a branch or sha, newest first."""
    repo = call.repo
    start = repo.git.resolve(call.query.get("sha") or repo.default_branch)
    if start is None:
        if not repo.git.refs("refs/heads/"):
            raise Refused(409, "Git Repository is empty.")
        raise Refused(404, "Not Found")
    options = [f"--since={since}"] if (since := since_of(call)) else []
    path = call.query.get("path")

    def make() -> list[str]:
        limit = ["--", path] if path else []
        return repo.git.text("rev-list", *options, start, *limit).split()

    return call.page(
        repo.listing(("commits", start, *options, path), make),
        lambda sha: bodies.commit(call.hub, repo, sha),
    )


@operation("GET", "/repos/{owner}/{repo}/commits/{ref}")
def commit(call: Call) -> Reply:
    """One commit with its files."""
    return Reply(body=bodies.commit(call.hub, call.repo, sha_of(call, call.params["ref"]), files=True))


@operation("GET", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls")
def pulls_of(call: Call) -> Reply:
    """The pull requests that hold a commit."""
    sha = sha_of(call, call.params["commit_sha"])
    found = [
        issue
        for issue in call.repo.issues.values()
        if issue.pull is not None
        and (
            issue.pull.merge_sha == sha
            or (
                call.repo.git.is_ancestor(sha, issue.pull.head_sha)
                and not call.repo.git.is_ancestor(sha, issue.pull.base_sha)
            )
        )
    ]
    return call.page(found, lambda issue: pull(call.hub, call.repo, issue))


@operation("GET", "/repos/{owner}/{repo}/compare/{basehead}")
def compare(call: Call) -> Reply:
    """What head has that base has not."""
    base_name, dots, head_name = call.params["basehead"].partition("...")
    if not dots:
        raise Refused(404, "Not Found")
    git = call.repo.git
    base, head = git.resolve(base_name.rpartition(":")[2]), git.resolve(head_name.rpartition(":")[2])
    if base is None or head is None:
        raise Refused(404, "Not Found")
    middle = git.merge_base(base, head)
    if middle is None:
        raise Refused(404, f"No common ancestor between {base_name} and {head_name}.")
    shas = git.log("--reverse", f"{base}..{head}")
    behind = len(git.log(f"{head}..{base}"))
    part, headers = call.cut(shas) if "page" in call.query or "per_page" in call.query else (shas[:250], {})
    body = bodies.comparison(call.hub, call.repo, (base, head), part, len(shas), middle, behind)
    return Reply(body=body, headers=headers)


# ------------------------------------------------------------------ contents


@operation("GET", "/repos/{owner}/{repo}/contents/{path}")
def contents(call: Call) -> Reply:
    """A file, or the entries of a folder."""
    path = call.params["path"].strip("/")
    reference = call.query.get("ref") or call.repo.default_branch
    sha = call.repo.git.resolve(reference)
    if sha is None:
        raise Refused(404, f"No commit found for the ref {reference}")
    entry = present(call.repo.git.entry(sha, path))
    if entry[1] == "tree":
        below = call.repo.git.tree(entry[2])
        return Reply(
            body=[
                bodies.file(
                    call.hub,
                    call.repo,
                    f"{path}/{name}".lstrip("/"),
                    (mode, kind, oid),
                    reference,
                    whole=False,
                )
                for mode, kind, oid, _, name in below
            ]
        )
    if "raw" in call.accept:
        return Reply(body=call.repo.git.blob(entry[2]), content_type="application/vnd.github.raw")
    return Reply(body=bodies.file(call.hub, call.repo, path, entry, reference, whole=True))


@operation("PUT", "/repos/{owner}/{repo}/contents/{path}", content=True)
def written(call: Call) -> Reply:
    """Write a file as a commit of its own."""
    call.require("contents")
    try:
        content = base64.b64decode(call.text("content"), validate=False)
    except binascii.Error as error:
        raise invalid("content is not valid Base64", "content") from error
    return _changed(call, content)


@operation("DELETE", "/repos/{owner}/{repo}/contents/{path}")
def removed(call: Call) -> Reply:
    """Delete a file as a commit of its own."""
    call.require("contents")
    return _changed(call, None)


def _changed(call: Call, content: bytes | None) -> Reply:
    repo, path = call.repo, call.params["path"].strip("/")
    name = call.body.get("branch") or repo.default_branch
    tip = repo.git.ref(f"refs/heads/{name}")
    there = repo.git.entry(tip, path) if tip else None
    if tip is None and repo.git.refs("refs/heads/"):
        raise Refused(404, f"Branch {name} not found")
    if there is None and content is None:
        raise Refused(404, "Not Found")
    if there is not None and call.body.get("sha") != there[2]:
        said = call.body.get("sha")
        raise Refused(409, f"{path} does not match {said}") if said else invalid("sha wasn't supplied", "sha")
    now = call.hub.now()
    blob = None if content is None else repo.git.make_blob(content)
    tree = repo.git.make_tree(tip, [("100644", "blob", blob, path)])
    message = call.text("message")
    sha = repo.git.make_commit(tree, [tip] if tip else [], message, bodies.person(call.me, now), now)
    repo.git.set_ref(f"refs/heads/{name}", sha, tip)
    moved(call.hub, repo, f"refs/heads/{name}", tip, sha, call.me)
    entry = repo.git.entry(sha, path)
    shown = None if entry is None else bodies.file(call.hub, repo, path, entry, name, whole=False)
    return Reply(
        200 if there is not None else 201,
        {"content": shown, "commit": bodies.git_commit(call.hub, repo, sha)},
    )


# ------------------------------------------------------------------ releases


@operation("GET", "/repos/{owner}/{repo}/releases")
def releases(call: Call) -> Reply:
    """Releases, newest first."""
    found = sorted(call.repo.releases.values(), key=lambda one: one.id, reverse=True)
    return call.page(found, lambda one: bodies.release(call.hub, call.repo, one))


@operation("GET", "/repos/{owner}/{repo}/releases/latest")
def latest_release(call: Call) -> Reply:
    """The newest release that is no draft."""
    found = [one for one in call.repo.releases.values() if not one.draft and not one.prerelease]
    return Reply(body=bodies.release(call.hub, call.repo, present(found[-1] if found else None)))


@operation("GET", "/repos/{owner}/{repo}/releases/{release_id}")
def release(call: Call) -> Reply:
    """One release."""
    found = present(call.repo.releases.get(call.number("release_id")))
    return Reply(body=bodies.release(call.hub, call.repo, found))


@operation("POST", "/repos/{owner}/{repo}/releases", content=True)
def released(call: Call) -> Reply:
    """Release a tag, made if there is none."""
    call.require("contents")
    tag, target = call.text("tag_name"), str(call.body.get("target_commitish") or call.repo.default_branch)
    if any(one.tag == tag for one in call.repo.releases.values()):
        raise invalid("tag_name is taken", "tag_name", "already_exists", "Release")
    if not call.body.get("draft") and call.repo.git.ref(f"refs/tags/{tag}") is None:
        call.repo.git.set_ref(f"refs/tags/{tag}", sha_of(call, target))
    made = Release(
        call.hub.next_id(),
        tag,
        target,
        str(call.body.get("name") or tag),
        str(call.body.get("body") or ""),
        call.me,
        call.hub.now(),
        bool(call.body.get("draft")),
        bool(call.body.get("prerelease")),
    )
    call.repo.releases[made.id] = made
    return Reply(201, bodies.release(call.hub, call.repo, made))


@operation("DELETE", "/repos/{owner}/{repo}/releases/{release_id}")
def release_deleted(call: Call) -> Reply:
    """Delete a release; its tag stays."""
    call.require("contents")
    present(call.repo.releases.pop(call.number("release_id"), None))
    return Reply(204)
