"""A git repository as a source: its commits, what each changed, and files as they were.

Of an ordinary commit the change is against its parent; of a first one, all of it; of a merge, what differs
from merging its parents anew, so that a clean merge changes nothing and an edit hidden in one is seen. A
commit at a shallow clone's edge has a parent that is not here: its change can't be known and is said to be
unseen, never taken for "everything was added".

Nothing is written to the repository (git may renew the time stamp of an object there), and nothing in it can
run: see `sources.gitview`.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.diffs import Diff, DiffError, FileDiff, parse_diff
from hundredfold.evidence.paths import decode_path, display_path, encode_path
from hundredfold.gitcommand import Git, in_repository, require_git
from hundredfold.sources import gitmerges
from hundredfold.sources.gitobjects import ObjectReader
from hundredfold.sources.gitview import View

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_COMMIT_BYTES = 16 * 1024 * 1024  # a commit with its message
MAX_DIFF_FILES = 20_000
MAX_COMMITS = 100_000

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_IMPOSSIBLE = re.compile(r"$|\.{1,2}/|[^\0]*\0")
_LOG = ("--encoding=UTF-8", "--format=%H%x00%P%x00%ct%x00%an%x00%s")
_DIFF = (
    "diff-tree", "-r", "--root", "--no-commit-id", "--raw", "--patch", "--full-index", "--find-renames",
    "--unified=3", "--no-color", "--no-ext-diff", "--no-textconv", "--submodule=short",
)  # fmt: skip


class Commit(Struct, frozen=True):
    """A commit. `at_us` is the committer's time in UTC microseconds; texts are as written, unchecked."""

    sha: str
    parents: tuple[str, ...]
    at_us: int
    author: str
    subject: str

    @property
    def is_merge(self) -> bool:
        """Whether it has more than one parent."""
        return len(self.parents) > 1


class Tag(Struct, frozen=True):
    """A tag and its time in UTC microseconds: the tagger's, else the commit's."""

    name: str
    at_us: int


class CommitDiff(Struct, frozen=True):
    """What a commit changed. `parent` is what `old_path`s are of, None for a first commit or a merge.
    `unseen` says what could not be read, a sentence each."""

    files: tuple[FileDiff, ...]
    parent: str | None
    unseen: tuple[str, ...] = ()


class Repository:
    """A repository on this machine, read through git. Safe to use from several threads."""

    def __init__(self, root: Path, git_folder: Path, *, bare: bool, shallow_file: Path, view: View) -> None:
        self.root = root
        self.git_folder = git_folder
        self.bare = bare
        self._shallow_file = shallow_file
        self._user = in_repository(root)
        self._view = view
        self._objects = ObjectReader(view.git)

    @property
    def reading(self) -> Git:
        """git on the private view: objects by their full names, nobody's configuration."""
        return self._view.git

    @property
    def store(self) -> View:
        """Where the repository's objects are, in which format, and where its history ends."""
        return self._view

    @property
    def edge(self) -> frozenset[str]:
        """The commits at which a shallow clone ends; none if the history is whole."""
        try:
            return frozenset(self._shallow_file.read_text("ascii").split())
        except FileNotFoundError:
            return frozenset()

    @property
    def private(self) -> Git:
        """git in the private view, for what must be written: it is gone with this object."""
        return self._view.git

    def borrow(self, heads: Path) -> None:
        """See what was fetched into this git folder too, if it is there (see `sources.heads`).

        Raises:
            StorageError: the view can't be written.
        """
        if (heads / "objects").is_dir():
            self._view.borrow(heads / "objects")
            self._objects.close()  # begins anew, and sees it

    def resolve(self, revision: str) -> str:
        """The sha of the commit that a branch, a tag or another of git's names stands for.

        Raises:
            RepositoryError: there is no such commit; names the nearest branch or tag.
        """
        if revision and "\0" not in revision:
            name = f"{revision}^{{commit}}"
            done = self._user.run("rev-parse", "--verify", "--quiet", "--end-of-options", name)
            if done.returncode == 0:
                return done.stdout.decode("ascii").strip()
        if _SHA.fullmatch(revision) and self.has(revision):
            return revision
        raise self._unknown(revision)

    def has(self, sha: str) -> bool:
        """Whether there is such a commit, of the repository or borrowed."""
        found = self._objects.read(sha.encode("ascii"), MAX_COMMIT_BYTES)
        return found is not None and found.kind == "commit"

    def commits(self, revisions: str | None = None, limit: int = 10) -> list[Commit]:
        """The newest commits, newest first, of a range like "v1.0..HEAD", or that can be reached from HEAD.

        Merges are among them. A range is `A`, `A..B` (in B, not in A) or `A...B` (in one of both).

        Raises:
            RepositoryError: the range can't be read; nothing in it is no error.
        """
        first, dots, second = _range(revisions or "HEAD")
        wanted = self.resolve(first or "HEAD")
        if dots:
            wanted = f"{wanted}{dots}{self.resolve(second or 'HEAD')}"
        # Without --topo-order: it walks the whole history first, a second on a hundred thousand commits.
        done = self._view.git.run("log", "-z", f"--max-count={min(limit, MAX_COMMITS)}", *_LOG, wanted, "--")
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise RepositoryError(f"{revisions!r} can't be listed: {said}", "`git fsck` may tell why.")
        fields = done.stdout.decode("utf-8", "replace").split("\0")
        return [_commit(fields[at : at + 5]) for at in range(0, len(fields) - 4, 5)]

    def diff(self, revision: str) -> CommitDiff:
        """What the commit changed. Bounded: a file with a large change is listed without its lines.

        Raises:
            RepositoryError: there is no such commit.
        """
        sha = self._sha(revision)
        tree, parents = self._header(sha)
        if sha in self.edge:
            return CommitDiff((), None, ("the clone is shallow and ends here: its parent is not in it",))
        parent = parents[0] if len(parents) == 1 else None
        try:
            if len(parents) < 2:
                return self._compare(parent, [*parents, sha])
            if require_git() < gitmerges.OLDEST:
                return CommitDiff((), None, ("a merge: git 2.38 or newer is needed to see what it changed",))
            merged = gitmerges.merged_tree(self._view.git, parents)
            return CommitDiff((), None) if merged == tree else self._compare(None, [merged, sha])
        except (RepositoryError, DiffError) as error:
            return CommitDiff((), parent, (f"its change can't be read: {error}",))

    def tags(self) -> list[Tag]:
        """The repository's tags with their times, as git lists them; at most 10,000, the newest."""
        done = self._user.run(
            "for-each-ref", "--sort=-creatordate", "--count=10000",
            "--format=%(creatordate:unix)%00%(refname:short)", "refs/tags",
        )  # fmt: skip
        rows = [line.split("\0") for line in done.stdout.decode("utf-8", "replace").splitlines()]
        return [Tag(name, int(at) * 1_000_000) for at, name in rows if at]

    def branch(self) -> str:
        """The branch that is checked out; "" if none is."""
        done = self._user.run("symbolic-ref", "--quiet", "--short", "HEAD")
        return done.stdout.decode("utf-8", "surrogateescape").strip() if done.returncode == 0 else ""

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that two revisions have in common; None if they have none here.

        Raises:
            RepositoryError: there is no such commit.
        """
        done = self._view.git.run("merge-base", self._sha(one), self._sha(other))
        return done.stdout.decode("ascii").split()[0] if done.returncode == 0 else None

    def between(self, base: str, head: str) -> CommitDiff:
        """What has to change in the tree of `base` to become that of `head`; bounded like `diff`.

        Raises:
            RepositoryError: there is no such commit.
        """
        old, new = self._sha(base), self._sha(head)
        try:
            return self._compare(old, [old, new])
        except DiffError as error:
            return CommitDiff((), old, (f"the change can't be read: {error}",))

    def file(self, revision: str, path: str, oid: str = "") -> bytes:
        """A file's bytes at a commit; of a symbolic link, where it points.

        Its object id, if known from a diff, spares git the way to it through the commit's trees.

        Raises:
            RepositoryError: it is not there, is no file, or is larger than 8 MiB.
        """
        sha = self._sha(revision)
        name = oid.encode() or sha.encode() + b":" + encode_path(path)
        if b"\n" in name:  # git is asked for objects line by line
            name = self._by_listing(sha, path)
        # git takes a path that begins with a dot and a slash for one relative to where it runs, and gives up.
        found = None if _IMPOSSIBLE.match(path) else self._objects.read(name, MAX_FILE_BYTES)
        shown = f"{display_path(path)!r} at {sha[:12]}"
        if found is None or found.kind != "blob":
            raise RepositoryError(f"there is no file {shown}", "Is the clone partial, or the path a folder?")
        if found.content is None:
            raise RepositoryError(
                f"{shown} is too large: {found.size} bytes",
                f"Files of up to {MAX_FILE_BYTES} bytes are read; `exclude` names those to pass over.",
            )
        return found.content

    def files(self, revision: str) -> list[str]:
        """The paths of all files at a commit, symbolic links included, submodules not.

        Raises:
            RepositoryError: there is no such commit.
        """
        return [path for kind, path, _ in self._listing(self._sha(revision)) if kind == b"blob"]

    def user_name(self) -> str:
        """git's user.name as configured for this repository; "" if there is none."""
        return self._user.run("config", "user.name").stdout.decode("utf-8", "replace").strip()

    def remote_url(self) -> str:
        """The URL of the remote `origin` as configured, credentials in it included; "" if there is none."""
        return self._user.run("config", "remote.origin.url").stdout.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End the reading process and remove the view."""
        self._objects.close()
        self._view.close()

    def _sha(self, revision: str) -> str:
        return revision if _SHA.fullmatch(revision) else self.resolve(revision)

    def _header(self, sha: str) -> tuple[str, list[str]]:
        """A commit's tree and parents as written in it, also at a shallow clone's edge."""
        found = self._objects.read(sha.encode(), MAX_COMMIT_BYTES)
        if found is None or found.kind != "commit" or found.content is None:
            raise self._unknown(sha)
        lines = found.content.partition(b"\n\n")[0].decode("utf-8", "replace").splitlines()
        named = [line.split(" ", 1) for line in lines if line.startswith(("tree ", "parent "))]
        return named[0][1], [value for name, value in named[1:] if name == "parent"]

    def _compare(self, parent: str | None, sides: list[str]) -> CommitDiff:
        read = Diff(())
        unseen: list[str] = []
        try:
            with self._view.git.streaming(*_DIFF, *sides, "--") as output:
                read = parse_diff(output)
        except RepositoryError as error:  # objects are missing: what was read until then still counts
            unseen.append(f"the rest of its change can't be read: {error}")
        if read.incomplete:
            unseen.append(read.incomplete)
        if len(read.files) > MAX_DIFF_FILES:
            unseen.append(f"{len(read.files) - MAX_DIFF_FILES} files beyond the first {MAX_DIFF_FILES}")
        return CommitDiff(read.files[:MAX_DIFF_FILES], parent, tuple(unseen))

    def _listing(self, sha: str, *paths: str) -> list[tuple[bytes, str, bytes]]:
        """Type, path and object of what is in a commit's tree, of all of it or at these paths."""
        done = self._view.git.run("ls-tree", "-r", "-z", "--full-tree", sha, "--", *paths)
        if done.returncode != 0:
            raise self._unknown(sha)
        entries = [entry.partition(b"\t") for entry in done.stdout.split(b"\0") if entry]
        return [(head.split()[1], decode_path(path), head.split()[2]) for head, _, path in entries]

    def _by_listing(self, sha: str, path: str) -> bytes:
        found = (name for _, there, name in self._listing(sha, path) if there == path)
        return next(found, sha.encode() + b":")

    def _unknown(self, revision: str) -> RepositoryError:
        """The error for a name that no commit has, with the nearest name that one has."""
        done = self._user.run("for-each-ref", "--count=5000", "--format=%(refname:short)")
        names = done.stdout.decode("utf-8", "replace").split()
        near = difflib.get_close_matches(revision, names, n=3, cutoff=0.5)
        mend = (
            f"Did you mean {' or '.join(map(repr, near))}?"
            if near
            else "`git log --all` shows all there are."
        )
        if self.edge:
            count = self._user.run("rev-list", "--count", "HEAD", "--").stdout.decode("ascii").strip()
            mend += f" The clone is shallow, {count} commits deep: `git fetch --unshallow` gets the rest."
        return RepositoryError(f"{self.root} has no commit {revision!r}", mend)


def landing_branch(repository: Repository, branch: str = "") -> str:
    """The sha at the tip of where work lands: of `branch`, else of origin's default branch, else HEAD.

    Raises:
        RepositoryError: there is no such branch.
    """
    for name in (branch,) if branch else ("origin/HEAD", "origin/main", "origin/master"):
        try:
            return repository.resolve(name)
        except RepositoryError:
            if branch:
                raise
    return repository.resolve("HEAD")


def open_repository(path: Path) -> Repository:
    """Open the repository that `path` (any folder of it, or a bare repository) belongs to.

    Raises:
        RepositoryError: no such folder, not a repository, owned by somebody else, or without a commit.
        UnavailableError: git is not installed, or too old.
        StorageError: no temporary folder can be made.
    """
    if not path.is_dir():
        raise RepositoryError(f"there is no folder {path}", "Name the repository with --repo PATH.")
    require_git()
    git = in_repository(path.resolve())
    done = git.run("rev-parse", "--is-bare-repository", "--is-shallow-repository", "--show-object-format")
    if done.returncode != 0:
        raise _not_opened(git.folder, done.stderr.decode("utf-8", "replace").strip())
    bare, _, object_format = done.stdout.decode("ascii").split()
    git_folder = _folder(git, "--absolute-git-dir")
    root = git_folder if bare == "true" else (_folder(git, "--show-toplevel") or git_folder)
    assert git_folder is not None and root is not None
    if not git.run("rev-list", "--all", "--max-count=1").stdout.strip():
        raise RepositoryError(f"{root} has no commit yet", "Commit something first.")
    objects, shallow = _folder(git, "--git-path", "objects"), _folder(git, "--git-path", "shallow")
    assert objects is not None and shallow is not None
    view = View(objects, shallow, object_format)
    return Repository(root, git_folder, bare=bare == "true", shallow_file=shallow, view=view)


def _folder(git: Git, *question: str) -> Path | None:
    """A path that git tells, whatever bytes are in it; None if it has none to tell."""
    done = git.run("rev-parse", "--path-format=absolute", *question)
    told = done.stdout.removesuffix(b"\n")
    return Path(os.fsdecode(told)) if done.returncode == 0 and told else None


def _not_opened(path: Path, said: str) -> RepositoryError:
    if "dubious ownership" in said:
        return RepositoryError(
            f"{path} belongs to another user, so git refuses it",
            f"If you trust it: git config --global --add safe.directory {path}",
        )
    if "not a git repository" in said:
        return RepositoryError(
            f"{path} is not in a git repository", "Name one with --repo PATH, or make one: `git init`."
        )
    return RepositoryError(f"git can't open {path}: {said}", "`git status` there tells more.")


def _commit(fields: list[str]) -> Commit:
    sha, parents, at, author, subject = fields
    return Commit(sha, tuple(parents.split()), int(at) * 1_000_000, author, subject)


def _range(revisions: str) -> tuple[str, str, str]:
    """The two ends of a range and the dots between; no branch's name can have two dots in a row."""
    first, dots, second = revisions.partition("..")
    return (first, "...", second[1:]) if second.startswith(".") else (first, dots, second)
