"""Checkouts off a user's repository that neither touch it nor run anything it says.

Each checkout has a private git folder that borrows the objects of the user's repository (git's alternates).
So nothing is copied, no worktree, branch, index or lock ever appears in the user's `.git`, attempts are
isolated from each other, and cleaning up after a kill is removing a folder. Configuration is ours alone: no
hook, filter, text conversion, file-system monitor, submodule or network is in reach, and attributes can't
rewrite bytes: what is checked out is what the commit holds.

A borrowed object lives as long as the user's repository keeps it: a `git gc` there may prune commits that no
branch or tag reaches any more (after two weeks, by git's default). Such a revision is then a RepositoryError.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from hundredfold.errors import RepositoryError, StorageError
from hundredfold.gitcommand import FSCK, Git, borrowing, in_git_folder
from hundredfold.workspaces.manifest import BLOCK

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TIMEOUT_S = 600.0  # a checkout of a large tree on a slow disk
DISK_MEND = "Free some disk space, or set HUNDREDFOLD_HOME to a folder with room."

_CONFIG = """\
[core]
\trepositoryformatversion = {version}
\tbare = false
\tfilemode = true
\tsymlinks = true
\tautocrlf = false
\thooksPath = /dev/null
\tfsmonitor = false
\tlogAllRefUpdates = false
[extensions]
{extensions}
[gc]
\tauto = 0
[maintenance]
\tauto = false
[submodule]
\trecurse = false
[protocol]
\tallow = never
[advice]
\tdetachedHead = false
"""
#: the last word on attributes: bytes are checked out as they are, whatever the tree's .gitattributes say
_ATTRIBUTES = "* -text !eol -ident -filter -working-tree-encoding\n"


class Source(Struct, frozen=True):
    """The user's repository, as far as a checkout must know it."""

    path: Path
    git_dir: Path  # of this work tree: its HEAD is meant by "HEAD"
    common: Path  # of the whole repository: its objects
    object_format: str
    heads: Path | None = None  # a git folder of ours whose objects are borrowed too, once it is there

    @property
    def objects(self) -> tuple[Path, ...]:
        """The stores that a checkout borrows from."""
        own = self.common / "objects"
        fetched = self.heads / "objects" if self.heads else None
        return (own, fetched) if fetched is not None and fetched.is_dir() else (own,)


class TreeFacts(Struct, frozen=True):
    """How large a checkout of a revision will be: files, and bytes of disk rounded up to blocks."""

    files: int
    disk_bytes: int


def _output(git: Git, *arguments: str) -> bytes:
    """What git writes, if it succeeds.

    Raises:
        StorageError: the disk is full or read-only.
        RepositoryError: git refused otherwise, or took too long.
        UnavailableError: there is no git.
    """
    done = git.run(*arguments, timeout_s=_TIMEOUT_S)
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode("utf-8", "replace").strip().replace("\n", "; ")[:500]
    if "No space left on device" in said or "Read-only file system" in said:
        raise StorageError(f"git {arguments[0]} could not write: {said}", DISK_MEND)
    raise RepositoryError(f"git {arguments[0]} failed: {said}", FSCK)


def open_source(repository: Path, heads: Path | None = None) -> Source:
    """Find the git folder of the user's repository (a work tree, a linked one, or bare).

    `heads`: see `Source`.

    Raises:
        RepositoryError: not a git repository.
    """
    path = repository.resolve()
    dot = path / ".git"
    try:
        if dot.is_file():
            git_dir = Path(path, dot.read_text("utf-8", "surrogateescape").removeprefix("gitdir:").strip())
        else:
            git_dir = dot if dot.is_dir() else path
        asked = ("rev-parse", "--git-common-dir", "--show-object-format")
        lines = os.fsdecode(_output(in_git_folder(git_dir), *asked)).splitlines()
    except (OSError, RepositoryError) as error:
        raise RepositoryError(
            f"{repository} is not a git repository", "Name the folder of a git repository."
        ) from error
    return Source(path, git_dir, (git_dir / lines[0]).resolve(), lines[1], heads)


def resolve(source: Source, revision: str) -> str:
    """The full sha of the commit that `revision` names.

    Raises:
        RepositoryError: there is no such commit.
    """
    try:
        named = f"{revision}^{{commit}}"
        git = borrowing(in_git_folder(source.git_dir), source.objects[1:])
        found = _output(git, "rev-parse", "--verify", "--quiet", "--end-of-options", named)
    except RepositoryError as error:
        raise RepositoryError(
            f"there is no commit {revision} in {source.path}",
            "If it was there before, it was pruned by a `git gc`: fetch it again.",
        ) from error
    sha = found.decode().strip()
    assert _SHA.fullmatch(sha), sha
    return sha


def measure(source: Source, sha: str) -> TreeFacts:
    """How large a checkout of `sha` will be. Submodules are left empty and count as an empty folder.

    Raises:
        RepositoryError: an object is missing (a partial clone, a damaged repository).
    """
    git = borrowing(in_git_folder(source.common), source.objects[1:])
    listing = _output(git, "ls-tree", "-r", "-l", "-z", "--full-tree", sha)
    files = blocks = 0
    folders: set[bytes] = set()
    for entry in listing.split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        size = about.rpartition(b" ")[2]
        files += 1
        blocks += -(-int(size) // BLOCK) if size.isdigit() else 1
        folders.add(path.rpartition(b"/")[0])
    # The private git folder holds an index of about 120 bytes a file.
    return TreeFacts(files, (blocks + len(folders)) * BLOCK + files * 120 + 16 * BLOCK)


def create(source: Source, git_dir: Path, tree: Path) -> None:
    """Make the private git folder and the empty tree, both new.

    Raises:
        StorageError: the disk refused.
    """
    sha256 = source.object_format == "sha256"
    config = _CONFIG.format(
        version=1 if sha256 else 0, extensions="\tobjectformat = sha256" if sha256 else ""
    )
    files = {
        "HEAD": "ref: refs/heads/none\n",
        "config": config,
        "objects/info/alternates": _alternates(source),
        "info/attributes": _ATTRIBUTES,
    }
    try:
        tree.mkdir(mode=0o700)
        (git_dir / "refs").mkdir(parents=True)
        for name, text in files.items():
            path = git_dir / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text, "utf-8", "surrogateescape")
        (tree / ".git").write_text("gitdir: ../git\n")
    except OSError as error:
        raise StorageError(f"a checkout can't be made in {tree}: {error.strerror}", DISK_MEND) from error


def check_out(source: Source, git_dir: Path, tree: Path, sha: str) -> None:
    """Bring the tree to `sha`, from whatever revision it is at.

    Raises:
        RepositoryError: the revision can't be checked out.
        StorageError: the disk refused.
    """
    boundary = source.common / "shallow"
    if boundary.is_file():
        shutil.copyfile(boundary, git_dir / "shallow")
    if len(source.objects) > 1:  # fetched, perhaps, after this checkout was made
        (git_dir / "objects/info/alternates").write_text(_alternates(source), "utf-8", "surrogateescape")
    _output(in_git_folder(git_dir, tree), "checkout", "--force", "--detach", "--quiet", sha)


def _alternates(source: Source) -> str:
    return "".join(f"{one}\n" for one in source.objects)


def changes(git_dir: Path, tree: Path) -> Iterator[str]:
    """What differs from the revision that is checked out, one printable line each; contents are compared."""
    if (tree / ".git").is_symlink() or (tree / ".git").read_bytes() != b"gitdir: ../git\n":
        yield "modified: .git"
    listing = _output(
        in_git_folder(git_dir, tree),
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--ignored=matching",
        "--untracked-files=all",
        "--ignore-submodules=all",
    )
    kinds = {b"??": "added", b"!!": "added (ignored)", b" D": "deleted"}
    for entry in listing.split(b"\0")[:-1]:
        path = entry[3:].decode("utf-8", "backslashreplace")
        yield f"{kinds.get(entry[:2], 'modified')}: {path!r}"


def remove_tree(folder: Path) -> None:
    """Remove a folder and all below it, also where an agent took our own permissions away.

    Raises:
        StorageError: something can't be removed.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        for path, _, _ in os.walk(folder):  # top down: each folder is opened before it is entered
            Path(path).chmod(0o700)
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(f"{folder} can't be removed: {error}", "Remove it by hand.") from error
