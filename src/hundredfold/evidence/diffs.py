"""Git's patch format → frozen records: which files changed, which lines, on both sides.

`parse_diff` reads a stream line by line and holds no more than its limits allow. A file whose patch is too
large is still listed, with its size, so that it can be reported as not looked at. If the stream begins with
git's `--raw` records, then every changed file is listed even when the patch is cut short.

Paths are the repository's own bytes decoded by `surrogateescape` (see `evidence.paths`).
Combined diffs (`diff --cc`) are refused: their lines have no single old side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Literal

from msgspec import Struct

from hundredfold.evidence.paths import decode_path, unquote

PIECE = 1 << 16  # bytes read at once: a line may be longer than memory
SUBMODULE = "160000"

FileStatus = Literal["added", "deleted", "modified", "renamed", "copied", "mode"]

_RAW_STATUS: dict[bytes, FileStatus] = {b"A": "added", b"D": "deleted", b"R": "renamed", b"C": "copied"}
_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")


class DiffError(ValueError):
    """The bytes are not a diff that can be read: a combined diff, a broken hunk, something else entirely."""


class DiffLimits(Struct, frozen=True):
    """Bounds of one diff, in bytes of patch text."""

    #: a file with a larger patch is listed as too large, without its hunks
    file: int = 512 * 1024
    #: once so much is held, further files are listed as too large
    kept: int = 32 * 1024 * 1024
    #: reading stops here; files not yet reached are listed as too large
    read: int = 256 * 1024 * 1024


class Hunk(Struct, frozen=True):
    """One run of changed lines with its context. Line numbers are 1-based.

    Each of `lines` is a sign (space, plus or minus) and the line's exact bytes with its newline, which only a
    last line without one lacks.
    """

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    lines: tuple[bytes, ...]

    def numbered(self) -> Iterator[tuple[int, int, bytes]]:
        """Each line with the old and the new number it has, or, for the side it is not on, would have."""
        # A side of no lines starts, by git's convention, after the line it names.
        old = self.old_start + (self.old_lines == 0)
        new = self.new_start + (self.new_lines == 0)
        for line in self.lines:
            yield old, new, line
            old += line[:1] != b"+"
            new += line[:1] != b"-"


class FileDiff(Struct, frozen=True):
    """What happened to one file. `old_path` is None if it was added, `new_path` if it was deleted.

    Object ids are full; they are empty if unknown or on the side the file is not on. `size` is set if
    `too_large`: the bytes of its patch as far as read, or of the file if git did not compare it at all.
    """

    old_path: str | None
    new_path: str | None
    status: FileStatus
    old_mode: str = ""
    new_mode: str = ""
    old_oid: str = ""
    new_oid: str = ""
    binary: bool = False
    too_large: bool = False
    size: int = 0
    hunks: tuple[Hunk, ...] = ()

    @property
    def path(self) -> str:
        """Where the file is now, or was if it is deleted."""
        return self.new_path or self.old_path or ""

    @property
    def mode(self) -> str:
        """Its mode now, or before if it is deleted: "100644", "100755", "120000" or "160000"."""
        return self.new_mode or self.old_mode

    @property
    def submodule(self) -> bool:
        """Whether this is another repository's commit, not a file."""
        return SUBMODULE in (self.old_mode, self.new_mode)

    def added_lines(self) -> tuple[int, ...]:
        """Numbers, on the new side, of the lines that were added."""
        return tuple(new for hunk in self.hunks for _, new, line in hunk.numbered() if line[:1] == b"+")

    def removed_lines(self) -> tuple[int, ...]:
        """Numbers, on the old side, of the lines that were removed."""
        return tuple(old for hunk in self.hunks for old, _, line in hunk.numbered() if line[:1] == b"-")


class Diff(Struct, frozen=True):
    """All files a commit changed. `incomplete` says why this may not be all of it; "" means it is."""

    files: tuple[FileDiff, ...]
    incomplete: str = ""


def parse_diff(source: IO[bytes] | bytes, limits: DiffLimits = DiffLimits()) -> Diff:  # noqa: B008 (frozen)
    """Read git's patch text, optionally preceded by its `--raw` records (full object ids, quoted paths).

    Raises:
        DiffError: a combined diff, or not a git diff.
    """
    reader = _Reader(BytesIO(source) if isinstance(source, bytes) else source, limits.read)
    listed: list[FileDiff] = []
    files: list[FileDiff] = []
    kept = 0
    while line := reader.line():
        if line.startswith(b"diff --git "):
            file, held = _read_file(reader, line, min(limits.file, limits.kept - kept))
            kept += held
            files.append(file)
        elif line.startswith(b":") and not files:
            listed.append(_raw_record(line))
        elif line.startswith((b"diff --cc ", b"diff --combined ")):
            raise DiffError("a combined diff has no single old side")
        elif line != b"\n":
            raise DiffError(f"not a git diff: {line[:60]!r}")
    reached = {path for file in files for path in (file.old_path, file.new_path)}
    files.extend(file for file in listed if file.path not in reached)
    return Diff(tuple(files), reader.cut)


class _Reader:
    """Lines of a stream, in pieces of at most `PIECE` bytes, up to a bound on all bytes together."""

    def __init__(self, stream: IO[bytes], bound: int) -> None:
        self._stream = stream
        self._left = bound
        self._bound = bound
        self._pushed = b""
        self.cut = ""

    def line(self) -> bytes:
        """The next line or piece of one; b"" at the end, and when the bound is reached."""
        if self._pushed:
            line, self._pushed = self._pushed, b""
            return line
        if self._left <= 0:
            self.cut = f"the diff is larger than {self._bound} bytes"
            return b""
        line = self._stream.readline(PIECE)
        self._left -= len(line)
        return line

    def push(self, line: bytes) -> None:
        """Give the last line back."""
        self._pushed = line


def _read_file(reader: _Reader, first: bytes, bound: int) -> tuple[FileDiff, int]:
    """The file whose `diff --git` line is `first`, and how many bytes of it are held."""
    header = _Header(first)
    binary = False
    hunks: list[Hunk] = []
    size = 0
    complete = True
    while complete and (line := reader.line()):
        if match := _HUNK.match(line):
            hunk, size, complete = _read_hunk(reader, line, match, size, bound)
            if hunk:
                hunks.append(hunk)
        elif line.startswith(b"diff "):
            reader.push(line)
            break
        elif line.startswith((b"Binary files ", b"GIT binary patch")):
            binary = True
        elif line.startswith(b"@@@"):
            raise DiffError("a combined diff has no single old side")
        elif not hunks and not binary and size == 0:
            header.add(line)
    too_large = size > bound or not complete
    return header.finish(binary, () if too_large else tuple(hunks), size if too_large else 0), (
        0 if too_large else size
    )


def _read_hunk(
    reader: _Reader, line: bytes, match: re.Match[bytes], size: int, bound: int
) -> tuple[Hunk | None, int, bool]:
    """One hunk's lines by its counts, the patch's size so far, and whether the stream held all of it.

    The hunk is None once the size is past the bound: its lines are then only counted.
    """
    old_start, old_lines, new_start, new_lines = (1 if g is None else int(g) for g in match.groups())
    old_left, new_left = old_lines, new_lines
    lines: list[bytes] = []
    while not line.endswith(b"\n") and line:  # the rest of an overlong heading
        line = reader.line()
    while old_left > 0 or new_left > 0:
        line = reader.line()
        if not line:
            return None, max(size, 1), False
        sign = line[0]
        if sign == 0x5C:  # "\ No newline at end of file": an old last line, before the new side's lines
            if lines:
                lines[-1] = lines[-1].removesuffix(b"\n")
            continue
        if sign != 0x2B:
            old_left -= 1
        if sign != 0x2D:
            new_left -= 1
        if sign not in b" +-" or old_left < 0 or new_left < 0:
            raise DiffError(f"a broken hunk: {line[:60]!r}")
        size += len(line)
        if not line.endswith(b"\n"):
            pieces = [line]
            while piece := reader.line():
                size += len(piece)
                if size <= bound:
                    pieces.append(piece)
                if piece.endswith(b"\n"):
                    break
            line = b"".join(pieces)
        if size <= bound:
            lines.append(line)
    line = reader.line()
    if line.startswith(b"\\"):
        if lines:
            lines[-1] = lines[-1].removesuffix(b"\n")
    elif line:
        reader.push(line)
    hunk = Hunk(old_start, old_lines, new_start, new_lines, tuple(lines)) if size <= bound else None
    return hunk, size, True


class _Header:
    """Gathers one file's extended header lines."""

    def __init__(self, first: bytes) -> None:
        self._names = first[len(b"diff --git ") :].rstrip(b"\n")
        self._fields: dict[bytes, bytes] = {}

    def add(self, line: bytes) -> None:
        for name in _HEADER_FIELDS:
            if line.startswith(name):
                self._fields[name] = line[len(name) :].rstrip(b"\n")
                return

    def finish(self, binary: bool, hunks: tuple[Hunk, ...], too_large: int) -> FileDiff:
        f = self._fields
        old, new = self._paths()
        oids, _, mode = f.get(b"index ", b"..").partition(b" ")
        old_oid, _, new_oid = oids.partition(b"..")
        old_mode = f.get(b"old mode ", f.get(b"deleted file mode ", mode)).decode("ascii", "replace")
        new_mode = f.get(b"new mode ", f.get(b"new file mode ", mode)).decode("ascii", "replace")
        status: FileStatus = "modified"
        if b"new file mode " in f:
            status, old, old_mode = "added", None, ""
        elif b"deleted file mode " in f:
            status, new, new_mode = "deleted", None, ""
        elif b"rename from " in f:
            status = "renamed"
        elif b"copy from " in f:
            status = "copied"
        elif old_mode != new_mode and not hunks and not binary and not too_large:
            status = "mode"
        return FileDiff(
            old_path=old,
            new_path=new,
            status=status,
            old_mode=old_mode,
            new_mode=new_mode,
            old_oid=_oid(old_oid),
            new_oid=_oid(new_oid),
            binary=binary,
            too_large=too_large > 0,
            size=too_large,
            hunks=hunks,
        )

    def _paths(self) -> tuple[str | None, str | None]:
        f = self._fields
        for old, new in ((b"rename from ", b"rename to "), (b"copy from ", b"copy to ")):
            if old in f and new in f:
                return decode_path(unquote(f[old])), decode_path(unquote(f[new]))
        if b"--- " in f and b"+++ " in f:
            # git ends a name that has a space with a tab, so that other tools see where it ends
            sides = [unquote(f[key].removesuffix(b"\t")) for key in (b"--- ", b"+++ ")]
            known = [side[2:] for side in sides if side != b"/dev/null"]
            if known:
                return decode_path(known[0]), decode_path(known[-1])
        # Neither renamed nor with text: both names are the same, so the line is cut in the middle.
        middle = len(self._names) // 2
        left, right = unquote(self._names[:middle]), unquote(self._names[middle + 1 :])
        if left[2:] != right[2:]:
            raise DiffError(f"two names where one was expected: {self._names[:80]!r}")
        return decode_path(left[2:]), decode_path(left[2:])


_HEADER_FIELDS = (
    b"index ", b"--- ", b"+++ ", b"new file mode ", b"deleted file mode ", b"old mode ", b"new mode ",
    b"rename from ", b"rename to ", b"copy from ", b"copy to ",
)  # fmt: skip


def _raw_record(line: bytes) -> FileDiff:
    """A `--raw` record (`:modes oids status<TAB>path…`) as a file that the patch has not reached."""
    fields, *names = line.rstrip(b"\n").split(b"\t")
    try:
        old_mode, new_mode, old_oid, new_oid, letter = fields[1:].split(b" ")
        paths = [decode_path(unquote(name)) for name in names]
        old, new = paths[0], paths[-1]
    except (ValueError, IndexError):
        raise DiffError(f"not a raw record of two sides: {line[:60]!r}") from None
    status = _RAW_STATUS.get(letter[:1], "modified")
    return FileDiff(
        old_path=None if status == "added" else old,
        new_path=None if status == "deleted" else new,
        status=status,
        old_mode="" if status == "added" else old_mode.decode("ascii", "replace"),
        new_mode="" if status == "deleted" else new_mode.decode("ascii", "replace"),
        old_oid=_oid(old_oid),
        new_oid=_oid(new_oid),
        too_large=True,
    )


def _oid(raw: bytes) -> str:
    """An object id, or "" for the zeros (and nothing) that stand for "no object"."""
    return "" if not raw.strip(b"0") else raw.decode("ascii", "replace")
