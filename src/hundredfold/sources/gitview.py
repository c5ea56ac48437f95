"""A private view of a repository: a git folder of our own that borrows the repository's objects.

What is read through it obeys no configuration of the repository's or the user's, and no attributes: no text
conversion, external diff or merge driver can run, no file hides from a diff by an attribute, replaced objects
and grafts are not seen, and nothing is fetched from a promising remote. What git writes while it merges anew
stays here. The view knows no branches: it is asked for objects by their full names.
"""

from __future__ import annotations

import os
from pathlib import Path

from hundredfold.errors import StorageError
from hundredfold.evidence.paths import quote
from hundredfold.gitcommand import Git, in_git_folder
from hundredfold.sources.scratch import Scratch

#: bytes; git compares no larger files, which bounds its memory: such a file shows as binary
BIG_FILE = 32 * 1024 * 1024

_CONFIG = f"""[core]
	repositoryFormatVersion = {{version}}
	bare = true
	quotePath = true
	bigFileThreshold = {BIG_FILE}
[diff]
	renameLimit = 2000
[gc]
	auto = 0
[user]
	name = view
	email = view
{{extensions}}"""


class View:
    """The view's folder, removed with the object, or when the process ends (see `sources.scratch`)."""

    def __init__(self, objects: Path, shallow: Path, object_format: str) -> None:
        """Make a view of the object store `objects`, whose missing history the file `shallow` tells of.

        Raises:
            StorageError: the temporary folder can't be written.
        """
        try:
            self.objects, self.shallow, self.object_format = objects, shallow, object_format
            self._scratch = Scratch()
            folder = self._scratch.folder
            (folder / "objects" / "info").mkdir(parents=True)
            (folder / "refs").mkdir()
            (folder / "HEAD").write_text("ref: refs/heads/none\n")
            self._alternates = folder / "objects" / "info" / "alternates"
            self._alternates.write_bytes(_line(objects))
            # A link, so that a history deepened meanwhile is seen at once.
            (folder / "shallow").symlink_to(shallow)
            (folder / "config").write_text(_config(object_format))
        except OSError as error:
            raise StorageError(
                f"no temporary folder can be made: {error}", "Free some space, or point TMPDIR elsewhere."
            ) from error
        self.git: Git = in_git_folder(folder)

    def borrow(self, objects: Path) -> None:
        """See the objects of another store too, from now on.

        Raises:
            StorageError: the folder can't be written.
        """
        try:
            known = self._alternates.read_bytes()
            if _line(objects) not in known:
                self._alternates.write_bytes(known + _line(objects))
        except OSError as error:
            raise StorageError(f"{self._alternates} can't be written: {error}", "Free some space.") from error

    def close(self) -> None:
        """Remove the folder."""
        self._scratch.close()


def _line(objects: Path) -> bytes:
    return quote(os.fsencode(objects)) + b"\n"


def _config(object_format: str) -> str:
    if object_format == "sha1":
        return _CONFIG.format(version=0, extensions="")
    return _CONFIG.format(version=1, extensions=f"[extensions]\n\tobjectFormat = {object_format}\n")
