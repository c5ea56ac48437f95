"""A private folder of small files, written whole or not at all, never through a symbolic link.

Folders are 0700 and files 0600. Every file is reached through the folder's own descriptor, so a link put in
the folder's (or a file's) place can't make a write or a removal land elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from hundredfold.errors import StorageError

MAX_FILE_BYTES = 8 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """The folder `path`, made when it is first written to.

    All methods raise StorageError if the folder or a file in it is a link, or the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """The names in the folder, sorted; none if there is no folder."""
        with _clear_errors(self.path):
            try:
                with self._open() as folder:
                    return sorted(os.listdir(folder))  # noqa: PTH208
            except FileNotFoundError:
                return []

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none.

        Raises:
            StorageError: as above, or it is longer than `MAX_FILE_BYTES`.
        """
        with _clear_errors(self.path / _checked(name)):
            try:
                with self._open() as folder:
                    descriptor = os.open(
                        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
                    )
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise StorageError(f"{self.path / name} is too long to read", "Move it out of that folder.")
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file, replacing one of that name; a reader sees the old content or the new."""
        scratch = f".{_checked(name)}.new"
        with _clear_errors(self.path / name):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._open() as folder:
                with contextlib.suppress(FileNotFoundError):  # what a killed writer left
                    os.unlink(scratch, dir_fd=folder)
                with os.fdopen(os.open(scratch, _NEW_FILE, 0o600, dir_fd=folder), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(scratch, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)

    def remove(self, name: str) -> None:
        """Remove a file (and what a killed writer of it left), if it is there."""
        with _clear_errors(self.path / _checked(name)):
            try:
                with self._open() as folder:
                    for one in (f".{name}.new", name):
                        with contextlib.suppress(FileNotFoundError):
                            os.unlink(one, dir_fd=folder)
                    os.fsync(folder)
            except FileNotFoundError:
                return

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        descriptor = os.open(self.path, _FOLDER)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _checked(name: str) -> str:
    assert _NAME.fullmatch(name), f"{name!r} is no file name of ours"
    return name


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} can't be used: {error.strerror}",
            "It must be a plain file in a folder of your own that can be written and is not full.",
        ) from error
