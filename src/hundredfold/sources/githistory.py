"""A branch's history as outcomes need it: every commit with what its message says, and who took what back.

One pass of `git log` over the commits since a moment; what needs a diff (patch ids, blame) is asked per
change.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.commitwords import MAX_MESSAGE, Words, plain_subject, words_of
from hundredfold.evidence.paths import decode_path, encode_path
from hundredfold.sources.git import Repository

MAX_COMMITS = 200_000
MAX_BLAMED_FILES = 60  # of one change; the rest of it is not followed
MAX_RENAMES = 5
MAX_BLAMED_BYTES = 2 * 1024 * 1024
MAX_PATCHES = 500  # newest commits whose patches are compared with one change
BLAME_S = 60.0
_HUNK = re.compile(rb"[0-9a-f]{40,64} \d+ \d+ \d+$")

_LOG = "--format=%H%x00%P%x00%ct%x00%at%x00%an%x00%ae%x00%cn%x00%ce%x00%B%x00%x01"


class Entry(Struct, frozen=True):
    """A commit of a history. Times are UTC microseconds: `at_us` the committer's, `written_us` the
    author's.
    """

    sha: str
    parents: tuple[str, ...]
    at_us: int
    written_us: int
    author: str
    author_mail: str
    committer: str
    committer_mail: str
    message: str
    words: Words

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.split("\n", 1)[0].strip()


class Kept(Struct, frozen=True):
    """Of `lines` that a change added, `kept` still stand at a commit, wherever they were moved."""

    lines: int
    kept: int


class History:
    """The commits of one branch from `since_us` on, newest first, with look-ups between them."""

    def __init__(self, repository: Repository, tip: str, since_us: int = 0) -> None:
        """Read the history of `tip` (a revision).

        Raises:
            RepositoryError: there is no such commit, or git fails.
        """
        self.repository = repository
        self.tip = repository.resolve(tip)
        self.entries = tuple(_entries(repository, self.tip, since_us))
        self.by_sha = {one.sha: one for one in self.entries}
        self._line = dict.fromkeys(self._first_parents())
        self._by_subject: dict[str, list[Entry]] = {}
        self._by_pull: dict[int, list[Entry]] = {}
        self._reverts: dict[str, list[Entry]] = {}
        self._picks: dict[str, list[Entry]] = {}
        for one in reversed(self.entries):
            self._by_subject.setdefault(plain_subject(one.subject), []).append(one)
            if one.words.pull and not one.words.reverted_subject:
                self._by_pull.setdefault(one.words.pull, []).append(one)
            for sha in one.words.picked_from:
                self._picks.setdefault(sha[:7], []).append(one)
        for one in reversed(self.entries):
            for sha in self._taken_back_by(one):
                self._reverts.setdefault(sha, []).append(one)

    def contains(self, sha: str) -> bool:
        """Whether a commit is in the branch's history, however old."""
        if sha in self.by_sha:
            return True
        git = self.repository.reading
        return git.run("merge-base", "--is-ancestor", sha, self.tip).returncode == 0

    def at(self, at_us: int) -> str:
        """The branch's tip at that time, along first parents; "" if it had none."""
        before = f"--min-age={at_us // 1_000_000}"
        done = self.repository.reading.run("rev-list", "-1", "--first-parent", before, self.tip)
        return done.stdout.decode("ascii").strip()

    def arrived_us(self, sha: str) -> int:
        """When a commit of the branch came into it: the time of the oldest first parent that has it, which is
        itself if it was made there, else the merge that brought it. Its own time if it is older than what was
        read; 0 if it is not known at all.
        """
        own = self.by_sha.get(sha)
        if own is None or sha in self._line:
            return own.at_us if own else 0
        git, line = self.repository.reading, list(self._line)

        def has(at: int) -> bool:
            return git.run("merge-base", "--is-ancestor", sha, line[at]).returncode == 0

        low, high = 0, len(line) - 1  # newest first: the last that has it
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if has(middle) else (low, middle - 1)
        return self.by_sha[line[low]].at_us

    def of_pull(self, number: int) -> tuple[Entry, ...]:
        """The commits whose subject says that they came by this pull request, oldest first."""
        return tuple(self._by_pull.get(number, ()))

    def picks_of(self, sha: str) -> tuple[Entry, ...]:
        """The commits that say they are copies of `sha`, oldest first."""
        return tuple(
            one
            for one in self._picks.get(sha[:7], ())
            if any(sha.startswith(named) for named in one.words.picked_from)
        )

    def reverts_of(self, sha: str) -> tuple[Entry, ...]:
        """The commits that say they take `sha` back, oldest first, those that were taken back themselves
        too.
        """
        return tuple(self._reverts.get(sha, ()))

    def relands_of(self, entry: Entry) -> tuple[Entry, ...]:
        """Later commits that bring a change back under its own subject, oldest first."""
        subject = plain_subject(entry.subject)
        return tuple(
            one
            for one in reversed(self.entries)
            if one.at_us >= entry.at_us and one.sha != entry.sha and one.words.relands == subject
        )

    def same_patch(
        self, patch: str, paths: Sequence[str], after_us: int = 0, until_us: int | None = None
    ) -> Entry | None:
        """The oldest commit of that time which changes these paths by a patch of this id (see `patch_id`)."""
        pairs = _patch_ids(self.repository, self.tip, paths, after_us, until_us) if patch else ()
        return next((self.by_sha[sha] for found, sha in pairs if found == patch and sha in self.by_sha), None)

    def _first_parents(self) -> Iterator[str]:
        sha = self.tip
        while sha in self.by_sha:
            yield sha
            sha = next(iter(self.by_sha[sha].parents), "")

    def _taken_back_by(self, one: Entry) -> Iterator[str]:
        """What a commit says it takes back, as full shas of this history."""
        if one.words.partial:
            return
        named = [sha for short in one.words.reverts if (sha := self._full(short))]
        for number in one.words.reverted_pulls:
            named += [other.sha for other in self._by_pull.get(number, ()) if other.at_us <= one.at_us]
        if not named and one.words.reverted_subject and not one.words.reverts:
            before = [
                other
                for other in self._by_subject.get(one.words.reverted_subject, ())
                if other.at_us <= one.at_us and other.sha != one.sha
            ]
            named = [before[-1].sha] if before else []
        yield from dict.fromkeys(named)

    def _full(self, short: str) -> str:
        if short in self.by_sha or len(short) in (40, 64):
            return short
        found = self.repository.reading.run("rev-parse", "--verify", "--quiet", f"{short}^{{commit}}")
        return found.stdout.decode("ascii").strip()


def patch_id(repository: Repository, base: str, head: str) -> str:
    """git's stable patch id of the change from `base` to `head` ("" if it changes nothing)."""
    git = repository.reading
    how = ("-p", "--no-renames", "--full-index", "--no-ext-diff", "--no-textconv")
    diff = git.run("diff-tree", *how, base, head)
    return git.run("patch-id", "--stable", stdin=diff.stdout).stdout.decode("ascii").partition(" ")[0]


def changed_paths(repository: Repository, base: str, head: str) -> list[str]:
    """The paths that differ between two commits."""
    done = repository.reading.run("diff-tree", "-r", "-z", "--name-only", base, head)
    return [decode_path(one) for one in done.stdout.split(b"\0") if one]


def kept_lines(repository: Repository, commits: Sequence[str], tip: str) -> Kept:
    """How many of the lines that `commits` added (oldest first) stand at `tip`, by `git blame -w`, and with
    `-M -C` (moved within a file, copied from another) where some are missing.

    Files that were renamed since are found again; of one that is gone nothing is kept. Only text counts, at
    most 60 files of it, the largest changes first.

    Raises:
        RepositoryError: git fails or takes too long.
    """
    wanted = set(commits)
    added = _added(repository, wanted)
    followed = sorted(added, key=lambda path: -added[path])[:MAX_BLAMED_FILES]
    until = time.monotonic() + BLAME_S
    kept = 0
    for path in followed:
        place = _place_at(repository, path, commits[-1], tip)
        if place is not None:
            blame = Blame(repository, commits[0], tip, place)
            found = blame.lines_of(wanted, until)
            if found < added[path]:
                found = max(found, blame.lines_of(wanted, until, "-M", "-C"))
            kept += min(added[path], found)
    return Kept(sum(added[path] for path in followed), kept)


class Blame(Struct, frozen=True):
    """Who wrote the lines of the file `path` at `tip`; nothing older than the commit `since` is told
    apart.
    """

    repository: Repository
    since: str
    tip: str
    path: str

    def lines_of(self, commits: set[str], until: float, *options: str) -> int:
        """How many lines are by these commits; 0 if the file is too large.

        Raises:
            RepositoryError: git fails, or does not end by `until` (of the monotonic clock).
        """
        git, name = self.repository.reading, _name(self.path)
        size = git.run("cat-file", "-s", f"{self.tip}:{name}")
        if size.returncode != 0 or int(size.stdout) > MAX_BLAMED_BYTES:
            return 0
        older = [f"^{self.since}^"] if git.run("cat-file", "-e", f"{self.since}^").returncode == 0 else []
        left = max(0.1, until - time.monotonic())
        command = ("blame", "--incremental", "-w", *options, *older, self.tip, "--", name)
        done = git.run(*command, timeout_s=left)
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[:300]
            raise RepositoryError(f"git blame of {self.path} failed: {said}", "`git fsck` may tell why.")
        hunks = (line.split(b" ") for line in done.stdout.split(b"\n") if _HUNK.match(line))
        return sum(int(hunk[3]) for hunk in hunks if hunk[0].decode("ascii") in commits)


def _added(repository: Repository, commits: set[str]) -> dict[str, int]:
    """Lines added, by path; binary files, removals and mere renames have none."""
    lines: dict[str, int] = {}
    for sha in commits:
        done = repository.reading.run("diff-tree", "--root", "-r", "-z", "-M", "--numstat", sha)
        fields = iter(done.stdout.split(b"\0"))
        for row in fields:
            parts = row.split(b"\t")
            if len(parts) != 3:
                continue
            path = parts[2] or (next(fields), next(fields))[1]  # of a rename, the names follow, old and new
            if parts[0].isdigit() and int(parts[0]):
                name = decode_path(path)
                lines[name] = lines.get(name, 0) + int(parts[0])
    return lines


def _place_at(repository: Repository, path: str, since: str, tip: str) -> str | None:
    """Where a file of the commit `since` is at `tip`, followed through renames; None if it is gone."""
    git = repository.reading
    for _ in range(MAX_RENAMES):
        name = _name(path)
        if git.run("cat-file", "-e", f"{tip}:{name}").returncode == 0:
            return path
        left = git.run(
            "log", "-1", "--format=%H", "--diff-filter=D", "--no-renames", f"{since}..{tip}", "--", name
        )
        since = left.stdout.decode("ascii").strip()
        if not since:
            return None
        moved = git.run(
            "diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status", "--no-commit-id", since
        )
        fields = [decode_path(one) for one in moved.stdout.split(b"\0") if one]
        targets = {fields[at + 1]: fields[at + 2] for at in range(0, len(fields) - 2, 3)}
        if path not in targets:
            return None
        path = targets[path]
    return None


def _name(path: str) -> str:
    """A path as an argument of git."""
    return encode_path(path).decode("utf-8", "surrogateescape")


def _entries(repository: Repository, tip: str, since_us: int) -> Iterator[Entry]:
    """The log, streamed; a commit's own text can't end its record, since \\x01 follows only the last NUL."""
    since = [f"--max-age={since_us // 1_000_000}"] if since_us else []
    command = ["log", "--encoding=UTF-8", f"--max-count={MAX_COMMITS}", _LOG, *since, tip, "--"]
    with repository.reading.streaming(*command) as output:
        rest = b""
        while piece := output.read(1 << 20):
            *whole, rest = (rest + piece).split(b"\0\x01\n")
            yield from map(_entry, whole)


def _entry(record: bytes) -> Entry:
    fields = record.decode("utf-8", "replace").split("\0", 8)
    sha, parents, at, written, author, author_mail, committer, committer_mail, message = fields
    return Entry(
        sha=sha,
        parents=tuple(parents.split()),
        at_us=int(at) * 1_000_000,
        written_us=int(written) * 1_000_000,
        author=author,
        author_mail=author_mail,
        committer=committer,
        committer_mail=committer_mail,
        message=message[:MAX_MESSAGE],
        words=words_of(message),
    )


def _patch_ids(
    repository: Repository, tip: str, paths: Sequence[str], after_us: int, until_us: int | None
) -> Iterator[tuple[str, str]]:
    """(patch id of what it changes in the paths, sha) of the commits of that time, oldest first."""
    git = repository.reading
    within = [f"--max-age={after_us // 1_000_000}"]
    within += [f"--min-age={until_us // 1_000_000}"] if until_us is not None else []
    named = map(_name, paths)
    log = git.command(
        "log", "-p", "--no-merges", "--no-renames", "--full-index", "--no-ext-diff", "--no-textconv",
        f"--max-count={MAX_PATCHES}", *within, tip, "--", *named,
    )  # fmt: skip
    with subprocess.Popen(
        log, env=git.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as writer:
        done = subprocess.run(
            git.command("patch-id", "--stable"),
            env=git.environment,
            stdin=writer.stdout,
            capture_output=True,
            check=False,
        )
        writer.kill()
    pairs = [line.split() for line in done.stdout.decode("ascii").splitlines()]
    yield from ((one, sha) for one, sha in reversed(pairs))
