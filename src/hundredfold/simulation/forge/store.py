"""The bare repository behind a simulated one: what the API reads and writes of git, by git itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hundredfold.gitcommand import Git, in_git_folder

PULLS = "refs/pull/"
_SHA = re.compile(r"[0-9a-f]{40}")
_FIELDS = "%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B"


class GitError(Exception):
    """git refused; the message is its own."""


class BareRepository:
    """git in one bare folder. Names that start with a dash never reach git as options."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git: Git = in_git_folder(folder)
        self._commits: dict[str, dict[str, Any]] = {}

    @classmethod
    def create(cls, folder: Path, default_branch: str) -> BareRepository:
        """A new, empty bare repository that takes pushes over HTTP."""
        folder.mkdir(parents=True)
        subprocess.run(
            ["git", "init", "-q", "--bare", f"--initial-branch={default_branch}", str(folder)], check=True
        )
        made = cls(folder)
        for key in ("http.receivepack", "uploadpack.allowAnySHA1InWant"):
            made.run("config", key, "true")
        return made

    def share(self, other: BareRepository) -> None:
        """Keep the objects in the other's store, as GitHub does with those of a fork."""
        shutil.rmtree(self.folder / "objects")
        (self.folder / "objects").symlink_to(other.folder / "objects")

    def run(self, *arguments: str, stdin: bytes = b"", environment: dict[str, str] | None = None) -> bytes:
        """Run git and return its output.

        Raises:
            GitError: it failed.
        """
        git = self._git
        if environment:
            git = Git(git.folder, git.environment | environment)
        done = git.run(*arguments, stdin=stdin)
        if done.returncode != 0:
            raise GitError(done.stderr.decode("utf-8", "replace").strip())
        return done.stdout

    def text(self, *arguments: str) -> str:
        """Like `run`, as text."""
        return self.run(*arguments).decode("utf-8", "replace").strip()

    def resolve(self, name: str) -> str | None:
        """The commit a branch, tag or (shortened) sha names."""
        for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", name):
            try:
                return self.text("rev-parse", "-q", "--verify", "--end-of-options", f"{candidate}^{{commit}}")
            except GitError:
                continue
        return None

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Every ref below the prefix with what it points to; those of pull requests only if asked for."""
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        found = dict(line.split(" ", 1) for line in lines)
        if prefix.startswith(PULLS):
            return found
        return {name: sha for name, sha in found.items() if not name.startswith(PULLS)}

    def ref(self, name: str) -> str | None:
        """What a full ref name points to."""
        try:
            return self.text("rev-parse", "-q", "--verify", "--end-of-options", name)
        except GitError:
            return None

    def set_ref(self, name: str, sha: str, old: str | None = None) -> None:
        """Make or move a ref."""
        self.run("update-ref", name, sha, *([old] if old is not None else []))

    def delete_ref(self, name: str) -> None:
        """Delete a ref."""
        self.run("update-ref", "-d", name)

    def kind(self, sha: str) -> str | None:
        """ "commit", "tree", "blob" or "tag"; None if there is no such object."""
        if not _SHA.fullmatch(sha):
            return None
        try:
            return self.text("cat-file", "-t", sha)
        except GitError:
            return None

    def commit(self, sha: str) -> dict[str, Any]:
        """A commit's fields: sha, tree, parents, author and committer (name, email, at), message."""
        if sha not in self._commits:
            raw = self.run("show", "-s", "--no-show-signature", f"--format={_FIELDS}", sha, "--")
            parts = raw.decode("utf-8", "replace").rstrip("\n").split("\0", 9)
            self._commits[sha] = {
                "sha": parts[0],
                "tree": parts[1],
                "parents": parts[2].split(),
                "author": {"name": parts[3], "email": parts[4], "at": int(parts[5])},
                "committer": {"name": parts[6], "email": parts[7], "at": int(parts[8])},
                "message": parts[9].rstrip("\n"),
            }
        return self._commits[sha]

    def log(self, *arguments: str) -> list[str]:
        """Shas as `git rev-list` gives them."""
        return self.text("rev-list", *arguments, "--").split()

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor."""
        try:
            return self.text("merge-base", one, other)
        except GitError:
            return None

    def is_ancestor(self, one: str, other: str) -> bool:
        """Whether `one` is reached from `other`."""
        return self._git.run("merge-base", "--is-ancestor", one, other).returncode == 0

    def diff(self, base: str, head: str) -> bytes:
        """The patch between two commits, renames found."""
        return self.run("diff", "--no-color", "--no-ext-diff", "-M", "--full-index", base, head, "--")

    def blob(self, sha: str) -> bytes:
        """A blob's bytes."""
        return self.run("cat-file", "blob", sha)

    def tree(self, sha: str, *, recursive: bool = False) -> list[tuple[str, str, str, int | None, str]]:
        """A tree's entries: mode, type, sha, size, path."""
        options = ["-r", "-t"] if recursive else []
        raw = self.run("ls-tree", "-l", "-z", *options, sha)
        found = []
        for entry in filter(None, raw.split(b"\0")):
            head, _, path = entry.partition(b"\t")
            mode, kind, name, size = head.decode().split()
            found.append(
                (mode, kind, name, None if size == "-" else int(size), path.decode("utf-8", "replace"))
            )
        return found

    def entry(self, commit: str, path: str) -> tuple[str, str, str] | None:
        """Mode, type and sha of a path at a commit; None if there is none."""
        if not path:
            return ("040000", "tree", str(self.commit(commit)["tree"]))
        raw = self.run("ls-tree", "-z", commit, "--", path)
        if not raw:
            return None
        mode, kind, sha = raw.split(b"\t")[0].decode().split()
        return mode, kind, sha

    def make_blob(self, content: bytes) -> str:
        """Keep a blob and return its sha."""
        return self.run("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def make_tree(self, base: str | None, entries: list[tuple[str, str, str | None, str]]) -> str:
        """A tree of `base` with entries (mode, type, sha, path) laid over it; a sha of None deletes."""
        index = self.folder / f"index.{os.getpid()}.{id(entries)}"
        environment = {"GIT_INDEX_FILE": str(index)}
        try:
            if base is not None:
                self.run("read-tree", base, environment=environment)
            lines = b"".join(
                f"{'0' if sha is None else mode} {sha or '0' * 40}\t{path}\0".encode()
                for mode, _, sha, path in entries
            )
            self.run("update-index", "-z", "--add", "--index-info", stdin=lines, environment=environment)
            return self.run("write-tree", environment=environment).decode().strip()
        finally:
            index.unlink(missing_ok=True)

    def make_commit(
        self, tree: str, parents: list[str], message: str, author: tuple[str, str, int], at: int
    ) -> str:
        """Keep a commit and return its sha; author is name, email and time."""
        environment = {
            "GIT_AUTHOR_NAME": author[0],
            "GIT_AUTHOR_EMAIL": author[1],
            "GIT_AUTHOR_DATE": f"{author[2]} +0000",
            "GIT_COMMITTER_NAME": author[0],
            "GIT_COMMITTER_EMAIL": author[1],
            "GIT_COMMITTER_DATE": f"{at} +0000",
        }
        options = [part for parent in parents for part in ("-p", parent)]
        done = self.run("commit-tree", tree, *options, stdin=message.encode(), environment=environment)
        return done.decode().strip()

    def merge(self, base: str, head: str, message: str, author: tuple[str, str, int]) -> str | None:
        """A merge commit of head into base; None if they conflict."""
        tree = self.merge_tree(base, head)
        return self.make_commit(tree, [base, head], message, author, author[2]) if tree else None

    def merge_tree(self, base: str, head: str) -> str | None:
        """The tree that merging makes; None on a conflict."""
        done = self._git.run("merge-tree", "--write-tree", "--no-messages", base, head)
        return done.stdout.decode().split()[0] if done.returncode == 0 else None
