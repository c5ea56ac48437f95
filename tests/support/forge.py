"""A simulated forge for tests: one repository with a branch and a pull request, one token, one App."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from hundredfold.simulation.forge.api.pulls import new_pull
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.limits import UNLIMITED, Limits
from hundredfold.simulation.forge.records import App, Issue
from hundredfold.simulation.forge.running import in_thread
from hundredfold.simulation.forge.store import BareRepository

TOKEN = "ghp_owner"
APP_PERMISSIONS = dict.fromkeys(
    (
        "issues", "pull_requests", "contents", "checks", "statuses", "actions", "security_events",
        "repository_advisories", "metadata",
    ),
    "write",
)  # fmt: skip
LINES = [f"line {number}" for number in range(1, 41)]


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: float = 1_795_176_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def step(self, seconds: float = 1.0) -> None:
        self.at += seconds


def text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def commit(
    git: BareRepository, branch: str, files: dict[str, bytes], message: str, at: int, start: str = ""
) -> str:
    """A commit on a branch (made at `start` if it is new) that writes the files."""
    tip = git.ref(f"refs/heads/{branch}") or (git.resolve(start) if start else None)
    entries: list[tuple[str, str, str | None, str]] = [
        ("100644", "blob", git.make_blob(content), path) for path, content in files.items()
    ]
    tree = git.make_tree(tip, entries)
    sha = git.make_commit(tree, [tip] if tip else [], message, ("ada", "ada@example.org", at), at)
    git.set_ref(f"refs/heads/{branch}", sha)
    return sha


@functools.cache
def key_pair() -> tuple[str, str]:
    """A private and a public key in PEM, made once a process."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class TestForge:
    """A hub with `acme/widget`: branches main and topic, issue 1, pull request 2, an App installed."""

    __test__ = False

    def __init__(self, folder: Path, limits: Limits = UNLIMITED, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.hub = Hub(folder, limits=limits, clock=self.clock)
        self.hub.token("ada", TOKEN)
        self.repo: Repo = self.hub.repo("acme/widget")
        git = self.repo.git
        at = int(self.clock())
        self.base = commit(git, "main", {"src/app.py": text(LINES), "README.md": b"# Widget\n"}, "First", at)
        changed = [*LINES[:9], "changed 10", *LINES[10:]]
        self.head = commit(git, "topic", {"src/app.py": text(changed)}, "Change a line", at + 1, "main")
        self.issue = self._issue("It breaks", "When I press the button, it breaks.")
        self.pull = new_pull(
            self.hub, self.repo, "bob", "Mend it", "Fixes #1", ("topic", self.head), ("main", self.base)
        )
        self.app: App = self.hub.app("fleet", key_pair()[1], APP_PERMISSIONS)
        self.installation = self.hub.install(self.app, "acme")

    def _issue(self, title: str, body: str) -> Issue:
        from hundredfold.simulation.forge.api.issues import new_issue

        return new_issue(self.hub, self.repo, "bob", title, body)

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Serve it; yields the address of the API."""
        with in_thread(self.hub) as url:
            yield f"{url}/api/v3"

    def operations(self) -> set[str]:
        """What was called and carried out."""
        return {line.operation for line in self.hub.log if line.applied and line.operation}
