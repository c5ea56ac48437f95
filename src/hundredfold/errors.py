"""The errors a user can act on. Each names its cause and the mend, and carries the exit code.

Exit codes: 0 done · 1 a bug or an unexpected fault · 2 wrong usage or configuration · 3 the repository
or a file can't be read as asked · 4 something outside is missing or unreachable (binary, sandbox, provider)
· 5 a budget or a limit stopped the work · 6 another run holds the project · 7 the disk or the database
refused · 8 the run ended but some items could not be finished · 9 somebody else had decided otherwise before.
"""

from __future__ import annotations

EXIT_INCOMPLETE = 8
EXIT_CONFLICT = 9


class HundredfoldError(Exception):
    """Base of every error that is shown to the user as one clear message.

    Attributes:
        mend: what the user can do about it, one sentence; empty if nothing is known.
        exit_code: the exit code of a command that fails with it.
    """

    exit_code = 1

    def __init__(self, cause: str, mend: str = "") -> None:
        super().__init__(cause)
        self.mend = mend

    @property
    def whole(self) -> str:
        """Cause and mend in one line."""
        return f"{self} → {self.mend}" if self.mend else str(self)


class ConfigError(HundredfoldError):
    """The configuration or a command's arguments are wrong; names the file and the key."""

    exit_code = 2


class RepositoryError(HundredfoldError):
    """The repository can't be read as asked: not a repository, empty, an unknown revision."""

    exit_code = 3


class SourceError(HundredfoldError):
    """A file that is to be read (a log, a report, an export) can't be; names the file and line."""

    exit_code = 3


class UnavailableError(HundredfoldError):
    """Something outside is missing, refused or unreachable: a binary, a sandbox, a provider, a key."""

    exit_code = 4


class LimitReached(HundredfoldError):
    """A budget or another limit stopped the work."""

    exit_code = 5


class ProjectBusy(HundredfoldError):
    """Another process works on the same project."""

    exit_code = 6


class StorageError(HundredfoldError):
    """The disk or the database refused to keep something."""

    exit_code = 7
