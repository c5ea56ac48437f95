"""What the tools read of a workspace, confined to it and bounded. Plain functions; they block.

A path is resolved before it is opened, symbolic links included, and must lie below the workspace; only
regular files are read. Results are text for the model.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator
from pathlib import Path

MOST_LINES = 400
MOST_LINE_CHARACTERS = 500
MOST_FILE_BYTES = 4 * 2**20
MOST_LISTED = 400
MOST_WALKED = 50_000
_BINARY_PROBE = 8192


class ToolError(Exception):
    """The tool could not do it; the message is for the model."""


def confined(workspace: Path, path: str) -> Path:
    """The real path that `path` names below the workspace.

    Raises:
        ToolError: it lies outside, or can't be a path.
    """
    root = workspace.resolve()
    try:
        real = (root / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ToolError(f"{path!r} is not a path: {error}") from error
    if not real.is_relative_to(root):
        raise ToolError(f"{path!r} lies outside the checkout")
    if real.relative_to(root).parts[:1] == (".git",):
        raise ToolError("git's own files can't be read; use `git` with run_command")
    return real


def read_file(workspace: Path, path: str, start_line: int | None, end_line: int | None) -> str:
    """Lines `start_line` to `end_line` (1-based, inclusive) of a text file, each with its number.

    Raises:
        ToolError: there is no such file, it is binary, too large, or has no such lines.
    """
    content = _content(confined(workspace, path), path)
    if b"\0" in content[:_BINARY_PROBE]:
        raise ToolError(f"{path!r} is a binary file of {len(content)} bytes")
    lines = content.decode("utf-8", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    first = max(1, start_line or 1)
    last = min(len(lines), end_line or len(lines), first + MOST_LINES - 1)
    if first > len(lines):
        raise ToolError(f"{path!r} has {len(lines)} lines")
    shown = [f"{n:6} | {_cut(lines[n - 1])}" for n in range(first, last + 1)]
    if last < min(len(lines), end_line or len(lines)):
        shown.append(f"(lines {last + 1} to {len(lines)} not shown; ask for them)")
    return "\n".join(shown)


def list_files(workspace: Path, path: str, pattern: str | None) -> str:
    """The files below a folder, sorted, relative to the workspace; with `pattern` only names that match it.

    Raises:
        ToolError: there is no such folder.
    """
    root, folder = workspace.resolve(), confined(workspace, path)
    if not folder.is_dir():
        raise ToolError(f"{path!r} is not a folder")
    found: list[str] = []
    walked = left_out = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(files):
            walked += 1
            relative = os.path.relpath(os.path.join(place, name), root)  # noqa: PTH118 - 3 times faster
            if name == ".git" or (pattern and not _matches(relative, name, pattern)):
                continue
            if len(found) < MOST_LISTED:
                found.append(_shown(relative))
            else:
                left_out += 1
        if walked > MOST_WALKED:
            found.append(f"(stopped after {MOST_WALKED} files)")
            break
    if left_out:
        found.append(f"({left_out} more not shown; name a narrower folder or pattern)")
    return "\n".join(found) or "(no files)"


def find_literal(workspace: Path, path: str, text: str, most: int) -> str:
    """Lines that hold `text` literally, as `path:line:text`: the search where no program can be run safely.

    Raises:
        ToolError: there is no such path.
    """
    start = confined(workspace, path)
    if not start.exists():
        raise ToolError(f"there is no {path!r}")
    root, needle = workspace.resolve(), text.encode("utf-8", "surrogatepass")
    found: list[str] = []
    walked = 0
    for file in _walk(start):
        walked += 1
        if walked > MOST_WALKED or len(found) >= most:
            break
        try:
            content = _content(file, str(file))
        except ToolError:
            continue
        if needle not in content or b"\0" in content[:_BINARY_PROBE]:
            continue
        name = _shown(str(file.relative_to(root)))
        for number, line in enumerate(content.split(b"\n"), 1):
            if needle in line and len(found) < most:
                found.append(f"{name}:{number}:{_cut(line.decode('utf-8', 'replace'))}")
    return "\n".join(found) or "(nothing found)"


def _walk(start: Path) -> Iterator[Path]:
    """The file itself, or the files below the folder, without git's own."""
    if start.is_file():
        yield start
    for place, folders, files in os.walk(start):
        folders[:] = sorted(name for name in folders if name != ".git")
        yield from (Path(place, name) for name in sorted(files) if name != ".git")


def _content(real: Path, shown: str) -> bytes:
    # The agent's commands may have left a pipe or a device here: neither is waited for nor read.
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ToolError(f"{shown!r} can't be read: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ToolError(f"{shown!r} is not a file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > MOST_FILE_BYTES:
            raise ToolError(f"{shown!r} is too large: {status.st_size} bytes; search in it instead")
        return file.read(MOST_FILE_BYTES)


def _shown(path: str) -> str:
    """The path on one line, with bytes that are no text written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace("\n", "\\n")


def _matches(relative: str, name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(relative, pattern) or fnmatch.fnmatch(name, pattern)


def _cut(line: str) -> str:
    line = line.rstrip("\r")
    return (
        line
        if len(line) <= MOST_LINE_CHARACTERS
        else f"{line[:MOST_LINE_CHARACTERS]}… ({len(line)} characters)"
    )
