"""Commits made of patches, in a private view of the repository: nothing of the user's is touched.

The same base, patches, author and time give the same commits, to the last digit of their shas.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hundredfold.errors import RepositoryError
from hundredfold.forges.github.pulls import Built, Entry
from hundredfold.gitcommand import Git
from hundredfold.payloads import Commit
from hundredfold.sources.git import Repository
from hundredfold.sources.scratch import Scratch

MOST_FILES = 300
MODES = frozenset({"100644", "100755"})  # neither links nor submodules: they can lead elsewhere


def commits_of(
    repository: Repository, base: str, commits: Sequence[Commit], author: tuple[str, str], at_s: int
) -> list[Built]:
    """Apply each commit's patch on top of the one before, the first on `base`.

    Args:
        base: a full sha.
        author: name and mail, of the committer too.
        at_s: Unix seconds of all of them.

    Raises:
        RepositoryError: the base is not here, a patch does not apply, changes nothing, changes too many
        files,
            or makes a link or a submodule.
    """
    repository.resolve(base)
    scratch = Scratch()
    try:
        git = _with_index(repository.private, scratch.folder / "index", author, at_s)
        made: list[Built] = []
        parent = base
        for number, commit in enumerate(commits, 1):
            one = _made(git, parent, commit, f"patch {number} of {len(commits)}")
            made.append(one)
            parent = one.sha
        return made
    finally:
        scratch.close()


def _with_index(git: Git, index: Path, author: tuple[str, str], at_s: int) -> Git:
    name, mail = author
    more = {"GIT_INDEX_FILE": os.fspath(index)}
    for who in ("AUTHOR", "COMMITTER"):
        more |= {
            f"GIT_{who}_NAME": name,
            f"GIT_{who}_EMAIL": mail,
            f"GIT_{who}_DATE": f"{at_s} +0000",
        }
    return msgspec.structs.replace(git, environment={**git.environment, **more})


def _made(git: Git, parent: str, commit: Commit, name: str) -> Built:
    _run(git, "read-tree", parent)
    parent_tree = _run(git, "rev-parse", "--verify", f"{parent}^{{tree}}").decode().strip()
    _run(git, "apply", "--cached", "--whitespace=nowarn", "-", stdin=_patch(commit), what=name)
    tree = _run(git, "write-tree").decode().strip()
    if tree == parent_tree:
        raise RepositoryError(f"{name} changes nothing", "Make the proposal anew.")
    message = commit.message.strip() + "\n"
    sha = _run(git, "commit-tree", tree, "-p", parent, stdin=message.encode()).decode().strip()
    return Built(sha, tree, parent, parent_tree, message, _files(git, parent_tree, tree, name))


def _files(git: Git, before: str, after: str, name: str) -> tuple[Entry, ...]:
    listed = _run(git, "diff-tree", "-r", "-z", "--no-renames", before, after).split(b"\0")
    found = []
    for head, path in zip(listed[0:-1:2], listed[1::2], strict=True):
        _, mode, _, sha, status = head.decode().split(" ")
        if status == "D":
            found.append(Entry(_text(path), "100644", None, None))
            continue
        if mode not in MODES:
            raise RepositoryError(
                f"{name} makes {_text(path)!r} a link or a submodule", "Such a change is a person's to make."
            )
        found.append(Entry(_text(path), mode, sha, _run(git, "cat-file", "blob", sha)))
    if len(found) > MOST_FILES:
        raise RepositoryError(
            f"{name} changes {len(found)} files, more than {MOST_FILES}", "Make it smaller."
        )
    return tuple(found)


def _text(path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError as error:
        raise RepositoryError(
            f"the path {path!r} is no UTF-8, which a forge can't take", "Change it by hand."
        ) from error


def _patch(commit: Commit) -> bytes:
    raw = commit.patch.encode("utf-8", "surrogateescape")
    return raw if raw.endswith(b"\n") else raw + b"\n"


def _run(git: Git, *arguments: str, stdin: bytes = b"", what: str = "") -> bytes:
    done = git.run(*arguments, stdin=stdin)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
        cause = f"{what} does not apply" if what else f"git {arguments[0]} failed"
        raise RepositoryError(f"{cause}: {said}", "Was it made on another base? Make the proposal anew.")
    return done.stdout
