"""A git repository as a source: its commits, what each changed, and files as they were.

Of an ordinary commit the change is against its parent; of the first one, all of it; of a merge, what differs
from merging its parents mechanically (`--remerge-diff`), so that a clean merge changes nothing and an edit
hidden in one is seen. A commit at a shallow clone's edge has a parent that is not here: its change can't be
known and is said to be unseen, never taken for "everything was added".
"""

from __future__ import annotations

import difflib
import re
import subprocess
import threading
from pathlib import Path

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.diffs import DiffError, FileDiff, parse_diff
from hundredfold.sources.gitcommand import command, environment, run, streaming

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_DIFF_FILES = 20_000
MAX_COMMITS = 100_000
_OLDEST_WITH_REMERGE = (2, 35)
_FIELDS = ("%H", "%P", "%ct", "%an", "%s")


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


class CommitDiff(Struct, frozen=True):
    """What a commit changed. `parent` is what `old_path`s are of, None for a first commit or a merge.
    `unseen` says what could not be read, a sentence each."""

    files: tuple[FileDiff, ...]
    parent: str | None
    unseen: tuple[str, ...] = ()


class Repository:
    """A repository on this machine, read through git. Safe to use from several threads."""

    def __init__(self, root: Path, git_folder: Path, *, bare: bool, shallow: frozenset[str]) -> None:
        self.root = root
        self.git_folder = git_folder
        self.bare = bare
        self.shallow = shallow
        self._objects = _Objects(root)

    def resolve(self, revision: str) -> str:
        """The sha of a commit, branch or tag.

        Raises:
            RepositoryError: there is no such commit; names the nearest branch or tag.
        """
        done = run(
            self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
        if done.returncode != 0:
            raise RepositoryError(f"{self.root} has no commit {revision!r}", self._near(revision))
        return done.stdout.decode().strip()

    def commits(self, revisions: str | None = None, limit: int = 10) -> list[Commit]:
        """The newest commits of a range like "v1.0..HEAD" (default: of HEAD), children before parents.

        Raises:
            RepositoryError: the range can't be read; nothing in it is no error.
        """
        wanted = revisions or "HEAD"
        for end in re.split(r"\.{2,3}", wanted):
            if end:
                self.resolve(end)
        number = f"--max-count={min(limit, MAX_COMMITS)}"
        done = run(
            self.root, "log", "-z", "--topo-order", number, f"--format={'%x1f'.join(_FIELDS)}", wanted, "--"
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise RepositoryError(f"{wanted!r} can't be listed: {said}", "Write a range like v1.0..HEAD.")
        text = done.stdout.decode("utf-8", "replace")
        return [_commit(record) for record in text.split("\0") if record]

    def diff(self, sha: str) -> CommitDiff:
        """What the commit changed, bounded: files with a large diff bear no hunks but their size's mark.

        Raises:
            RepositoryError: there is no such commit.
        """
        done = run(self.root, "rev-list", "--parents", "--max-count=1", "--end-of-options", sha, "--")
        if done.returncode != 0:
            raise RepositoryError(f"{self.root} has no commit {sha!r}", self._near(sha))
        _, *parents = done.stdout.decode().split()
        if sha in self.shallow:
            return CommitDiff(
                (), None, ("the clone is shallow and ends here: what the commit changed is not in it",)
            )
        if len(parents) > 1 and git_version() < _OLDEST_WITH_REMERGE:
            return CommitDiff(
                (), None, ("a merge: git 2.35 or newer is needed to see what it changed itself",)
            )
        how = ("--remerge-diff",) if len(parents) > 1 else ("--root",)
        arguments = ("show", *how, "--format=", *_DIFF_OPTIONS, sha, "--")
        try:
            with streaming(self.root, *arguments) as output:
                read = parse_diff(output)
        except DiffError as error:
            return CommitDiff((), None, (f"its diff can't be read: {error}",))
        unseen = [read.incomplete] if read.incomplete else []
        if len(read.files) > MAX_DIFF_FILES:
            unseen.append(f"files beyond the first {MAX_DIFF_FILES} of the commit")
        parent = parents[0] if len(parents) == 1 else None
        return CommitDiff(read.files[:MAX_DIFF_FILES], parent, tuple(unseen))

    def file(self, sha: str, path: str) -> bytes:
        """A file's bytes at a commit.

        Raises:
            RepositoryError: it is not there, is no file, or is larger than 8 MiB.
        """
        return self._objects.read(sha, path)

    def files(self, sha: str) -> list[str]:
        """The paths of all files at a commit."""
        done = run(self.root, "ls-tree", "-r", "-z", "--name-only", "--end-of-options", sha)
        if done.returncode != 0:
            raise RepositoryError(f"{self.root} has no commit {sha!r}", self._near(sha))
        return [name.decode("utf-8", "surrogateescape") for name in done.stdout.split(b"\0") if name]

    def user_name(self) -> str:
        """git's user.name as configured for this repository; "" if there is none."""
        return run(self.root, "config", "user.name").stdout.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End the reading process."""
        self._objects.close()

    def _near(self, revision: str) -> str:
        done = run(self.root, "for-each-ref", "--count=2000", "--format=%(refname:short)")
        names = done.stdout.decode("utf-8", "replace").split()
        near = difflib.get_close_matches(revision, names, n=1)
        return (
            f"Did you mean {near[0]!r}?" if near else "`git log` shows what is there; is the clone shallow?"
        )


_DIFF_OPTIONS = (
    "--raw",
    "--patch",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--find-renames",
    "--full-index",
    "--unified=3",
    "--submodule=short",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


def open_repository(path: Path) -> Repository:
    """Open the repository that `path` (any folder of it) belongs to.

    Raises:
        RepositoryError: no such folder, not a repository, owned by somebody else, or without a commit.
        UnavailableError: git is not installed.
    """
    if not path.is_dir():
        raise RepositoryError(f"there is no folder {path}", "Name the repository with --repo PATH.")
    asked = ("--is-bare-repository", "--is-shallow-repository", "--absolute-git-dir", "--git-path", "shallow")
    done = run(path, "rev-parse", *asked)
    if done.returncode != 0:
        raise _not_opened(path, done.stderr.decode("utf-8", "replace"))
    bare, is_shallow, git_folder, shallow_file = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    root = Path(git_folder)
    if bare != "true":
        top = run(path, "rev-parse", "--show-toplevel").stdout.decode("utf-8", "surrogateescape").rstrip("\n")
        root = Path(top) if top else root
    if run(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").returncode != 0:
        raise RepositoryError(
            f"{root} has no commit yet", "Commit something, or check out a branch that has one."
        )
    edge = (path / shallow_file).read_text().split() if is_shallow == "true" else ()
    return Repository(root, Path(git_folder), bare=bare == "true", shallow=frozenset(edge))


def git_version() -> tuple[int, int]:
    """git's version, major and minor."""
    found = re.search(rb"(\d+)\.(\d+)", run(Path("/"), "--version").stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _not_opened(path: Path, said: str) -> RepositoryError:
    if "dubious ownership" in said:
        return RepositoryError(
            f"{path.resolve()} belongs to another user, so git refuses it",
            f"If you trust it: git config --global --add safe.directory {path.resolve()}",
        )
    return RepositoryError(
        f"{path.resolve()} is not in a git repository", "Name one with --repo PATH, or make one: `git init`."
    )


def _commit(record: str) -> Commit:
    sha, parents, at, author, subject = record.lstrip("\n").split("\x1f", 4)
    return Commit(sha, tuple(parents.split()), int(at) * 1_000_000, author, subject)


class _Objects:
    """Files by commit and path through one long-lived `git cat-file --batch`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, sha: str, path: str) -> bytes:
        name = sha.encode() + b":" + path.encode("utf-8", "surrogateescape")
        if b"\n" in name:  # the batch protocol is a line a name
            return self._read_alone(sha, path)
        with self._lock:
            return self._read_batch(name, sha, path)

    def _read_batch(self, name: bytes, sha: str, path: str) -> bytes:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                command(self._root, "cat-file", "--batch"),
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=-1,
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(name + b"\n")
            process.stdin.flush()
            header = process.stdout.readline().split(b" ")
        except OSError as error:
            raise RepositoryError(f"git stopped reading {self._root}: {error}") from error
        if len(header) != 3 or not header[2].strip().isdigit():
            raise _no_file(sha, path)
        left = int(header[2])
        if header[1] == b"blob" and left <= MAX_FILE_BYTES:
            content = process.stdout.read(left)
            process.stdout.read(1)
            return content
        while left > 0 and (chunk := process.stdout.read(min(left, 1 << 20))):
            left -= len(chunk)
        process.stdout.read(1)
        raise _no_file(sha, path) if header[1] != b"blob" else _too_large(path)

    def _read_alone(self, sha: str, path: str) -> bytes:
        done = run(self._root, "cat-file", "blob", f"{sha}:{path}")
        if done.returncode != 0:
            raise _no_file(sha, path)
        if len(done.stdout) > MAX_FILE_BYTES:
            raise _too_large(path)
        return done.stdout

    def close(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _no_file(sha: str, path: str) -> RepositoryError:
    return RepositoryError(f"there is no file {path!r} at {sha[:12]}")


def _too_large(path: str) -> RepositoryError:
    return RepositoryError(f"{path!r} is larger than {MAX_FILE_BYTES // 2**20} MiB")
