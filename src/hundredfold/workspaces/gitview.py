"""Which parts of a workspace's git repository a confined program may see.

The pool gives each workspace a private git folder beside it (`SLOT/git`, tree in `SLOT/tree`) that borrows
the objects of the user's repository. So only that folder and those objects are shown, read-only: no
configuration, hook, credential, branch or stash of the user is in reach. A `.git` that points anywhere else
is not followed, since the agent could have written it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

#: alternates of alternates are followed this deep, as git does
_DEPTH = 5
_MAX_LINK_BYTES = 8192

#: what is kept of the configuration of a repository that lies inside the workspace: its format, no more
_FORMAT_KEYS = {
    "core": {"repositoryformatversion", "bare", "filemode", "symlinks", "ignorecase"},
    "extensions": {"objectformat", "refstorage", "compatobjectformat"},
}


class GitView(Struct, frozen=True):
    """Paths to show read-only, folders to show empty, and files to replace by other content."""

    visible: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    replaced: tuple[tuple[Path, bytes], ...] = ()


def git_view(workspace: Path) -> GitView:
    """The view for a workspace: of the pool (private git folder beside it) or a repository by itself."""
    link = workspace / ".git"
    if link.is_symlink():
        return GitView()
    if link.is_dir():
        config = link / "config"
        replaced = ((config, format_only(config)),) if config.is_file() else ()
        hooks = link / "hooks"
        return GitView(hidden=(hooks,) if hooks.is_dir() else (), replaced=replaced)
    private = workspace.parent / "git"
    if not link.is_file() or private.is_symlink() or not private.is_dir() or _target(link) != private:
        return GitView()
    return GitView(visible=(private, *_borrowed(private / "objects", _DEPTH), link))


def _target(link: Path) -> Path | None:
    with link.open("rb") as file:
        text = file.read(_MAX_LINK_BYTES).decode("utf-8", "surrogateescape")
    if not text.startswith("gitdir: "):
        return None
    return Path(link.parent / text.removeprefix("gitdir: ").strip()).resolve()


def _borrowed(objects: Path, depth: int) -> Iterator[Path]:
    """The object folders that `objects` borrows from, directly or not."""
    file = objects / "info" / "alternates"
    if depth == 0 or not file.is_file():
        return
    for line in file.read_text("utf-8", "surrogateescape").splitlines():
        if not line or line.startswith("#"):
            continue
        folder = (objects / line).resolve()
        if folder.is_dir():
            yield folder
            yield from _borrowed(folder, depth - 1)


def format_only(config: Path) -> bytes:
    """A git configuration that keeps only what describes the repository's format: no remote, no credential,
    no include, no command."""
    kept: list[str] = []
    section = ""
    for raw in config.read_text("utf-8", "replace").splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line.strip("[]").strip().lower()
        key, _, value = line.partition("=")
        if key.strip().lower() in _FORMAT_KEYS.get(section, ()) and value.strip().isalnum():
            kept.append(f"[{section}]\n\t{key.strip()} = {value.strip()}\n")
    return "".join(kept).encode()
