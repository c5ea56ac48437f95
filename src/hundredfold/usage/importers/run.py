"""Importing logs: which files hold something new, reading them, and keeping what they say.

A file that is as it was is not opened. Of one that has grown only the new lines are read; one that was moved
is known by its inode; one that was rewritten is read anew, and what the ledger has of it stays. Where much is
new, other processes read, one a format, while this one writes.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct, field

from hundredfold.store.statements import Store, open_store
from hundredfold.usage.importers.beside import beside
from hundredfold.usage.importers.booking import Books
from hundredfold.usage.importers.finding import walk
from hundredfold.usage.importers.keeping import Keeper, Kept
from hundredfold.usage.importers.protocol import LogFormat, Place, Places, Row, Thread, Threads, Trouble
from hundredfold.usage.importers.reading import Cursor, continues, line_numbers, marks, take_lines

#: rows of one transaction
BATCH = 40_000
#: troubles of one file that are told with their line; the rest is counted
MOST_TOLD = 20
#: with more new bytes than this other processes read
BESIDE_BYTES = 48 * 1024 * 1024
_SIGNED = (1 << 63) - 1
_TOLD_EVERY = 16 * 1024 * 1024

Progress = Callable[[int, int], None]
"""Hears how many bytes of how many were read."""


class Task(Struct, frozen=True):
    """A file to read: from its cursor on, if it has one that still fits."""

    format: LogFormat
    path: str
    cursor: Cursor | None
    new_bytes: int


class Read(Struct):
    """What one file gave, and the places that were new with it; `cursor` is None if it could not be read."""

    cursor: Cursor | None
    rows: list[Row]
    places: dict[int, Place]
    threads: list[Thread]
    troubles: list[Trouble]
    untold: int
    skipped: dict[str, int]


class Report(Struct):
    """What an import did. `kept` counts requests; `troubles` are the first of each file, `untold` the rest;
    `skipped` counts what is no request of a model, by reason; `waiting` are files whose last line has no end
    yet."""

    files: int = 0
    unchanged: int = 0
    bytes: int = 0
    kept: Kept = field(default_factory=Kept)
    troubles: list[Trouble] = field(default_factory=list)
    untold: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    waiting: int = 0


def import_logs(
    url: str,
    logs: Sequence[tuple[LogFormat, Path]],
    books: Books,
    *,
    attempt: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Import what is new in the logs: of each format, a home, a folder or a file.

    Raises:
        ConfigError: one of the paths is not there.
        StorageError: the database refused; what was kept before stands, and the next import goes on there.
    """
    store = open_store(url)
    collecting = gc.isenabled()
    gc.disable()  # rows are many and hold no circles
    try:
        return _import(store, url, logs, books, attempt, progress)
    finally:
        if collecting:
            gc.enable()
        store.close()


def _import(
    store: Store,
    url: str,
    logs: Sequence[tuple[LogFormat, Path]],
    books: Books,
    attempt: int | None,
    progress: Progress | None,
) -> Report:
    report = Report()
    tasks = _tasks(_cursors(store), logs, report)
    keeper = Keeper(store, books.with_projects(store).booked, attempt)
    total = report.bytes = sum(task.new_bytes for task in tasks)
    done = 0
    parts = _reading(tasks, url, total)
    for part in parts:
        if isinstance(part, int):
            done += part
            if progress is not None:
                progress(min(done, total), total)
            continue
        report.troubles += part.troubles
        report.untold += part.untold
        report.skipped.update(part.skipped)
        keeper.add(part.rows, part.places)
        if part.cursor is not None:
            report.waiting += part.cursor.offset < part.cursor.size
            keeper.stand(part.cursor, part.threads)
        if keeper.waiting >= BATCH:
            keeper.flush()
    keeper.flush()
    report.kept = keeper.kept
    return report


def _reading(tasks: Sequence[Task], url: str, total: int) -> Iterator[int | Read]:
    """What the files give, and in between how many bytes were read."""
    if total <= BESIDE_BYTES:
        return _read_files(tasks, url, Places())
    parts = [tasks]
    if all(task.format.apart for task in tasks):
        names = sorted({task.format.name for task in tasks})
        parts = [[task for task in tasks if task.format.name == name] for name in names]
    readers = [
        partial(_read_files, part, url, Places(number, len(parts))) for number, part in enumerate(parts)
    ]
    return beside(readers, Read)


def _read_files(tasks: Sequence[Task], url: str, places: Places) -> Iterator[int | Read]:
    known = KnownThreads(url)
    try:
        for task in tasks:
            yield from read_file(task, known, places)
    finally:
        known.close()


def _cursors(store: Store) -> dict[tuple[str, str], Cursor]:
    names = Cursor.__struct_fields__
    columns = ", ".join(f'"{name}"' for name in names)
    with store.transaction() as statements:
        rows = statements.all(f"SELECT {columns} FROM import_cursors")  # noqa: S608
    found = (Cursor(*row[:7], *map(bytes, row[7:])) for row in rows)
    return {(one.format, one.path): one for one in found}


def _tasks(
    cursors: dict[tuple[str, str], Cursor], logs: Sequence[tuple[LogFormat, Path]], report: Report
) -> list[Task]:
    """The files that hold something new, parents before what was forked of them."""
    by_inode = {(one.format, one.device, one.inode): one for one in cursors.values()}
    tasks: list[Task] = []
    seen: set[tuple[str, str]] = set()

    def trouble(path: str, what: str) -> None:
        report.troubles.append(Trouble(path, 0, what))

    for format_, given in logs:
        for top in _tops(format_, given):
            for path, about in walk(top, format_.is_log, trouble):
                path = os.path.abspath(path)  # noqa: PTH100
                if (format_.name, path) in seen:
                    continue
                seen.add((format_.name, path))
                report.files += 1
                device, inode = about.st_dev & _SIGNED, about.st_ino & _SIGNED
                cursor = cursors.get((format_.name, path)) or by_inode.get((format_.name, device, inode))
                if cursor is not None and cursor.path == path and cursor.unchanged(about):
                    report.unchanged += 1
                    continue
                behind = cursor.offset if cursor is not None and cursor.offset <= about.st_size else 0
                tasks.append(Task(format_, path, cursor, about.st_size - behind))
    tasks.sort(key=lambda task: (task.format.name, task.path.rpartition("/")[2], task.path))
    return tasks


def _tops(format_: LogFormat, given: Path) -> list[Path]:
    """Where logs are below what was given, which may be a home, a folder of logs or a log."""
    folders = [one for one in format_.folders(given) if one.exists()]
    return folders or [given]


class KnownThreads(Threads):
    """Threads of this import over those of earlier ones."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: Store | None = None
        self._new: dict[str, Thread] = {}
        self._children: dict[str, set[str]] = {}

    def thread(self, name: str) -> Thread | None:
        """See `Threads.thread`."""
        return self._new.get(name) or next(iter(self._stored("thread", name)), None)

    def children(self, name: str) -> list[Thread]:
        """See `Threads.children`."""
        found = {one.thread: one for one in self._stored("parent", name)}
        found |= {child: self._new[child] for child in self._children.get(name, ())}
        return list(found.values())

    def learn(self, threads: Sequence[Thread]) -> None:
        """What a file told of its thread."""
        for one in threads:
            there = self._new.get(one.thread)
            if there is None or len(one.chain) >= len(there.chain):
                self._new[one.thread] = one
            if one.parent:
                self._children.setdefault(one.parent, set()).add(one.thread)

    def close(self) -> None:
        """Close the connection, if there was one."""
        if self._store is not None:
            self._store.close()

    def _stored(self, column: str, name: str) -> list[Thread]:
        if self._store is None:
            self._store = open_store(self._url)
        query = f"SELECT thread, parent, counted_from, chain FROM import_threads WHERE {column} = ?"  # noqa: S608
        with self._store.transaction() as statements:
            found = statements.all(query, (name,))
        return [Thread(thread, parent, start, bytes(chain)) for thread, parent, start, chain in found]


def read_file(task: Task, threads: KnownThreads, places: Places) -> Iterator[int | Read]:
    """Read what is new in a file: how many bytes were read as it goes, then what they gave."""
    wrong: list[tuple[int, str]] = []
    untold = 0

    def complain(offset: int, what: str) -> None:
        nonlocal untold
        if len(wrong) < MOST_TOLD:
            wrong.append((offset, what))
        else:
            untold += 1

    try:
        fd = os.open(task.path, os.O_RDONLY)
    except OSError as error:
        yield Read(None, [], {}, [], [Trouble(task.path, 0, error.strerror or str(error))], 0, {})
        return
    try:
        about = os.fstat(fd)
        cursor = task.cursor
        if cursor is not None and not continues(fd, cursor, about.st_size):
            cursor = None
        told = offset = cursor.offset if cursor else 0
        parser = task.format.parser(task.path, cursor.state if cursor else b"", threads, places, complain)
        for behind in take_lines(fd, offset, parser, complain):
            offset = behind
            if offset - told > _TOLD_EVERY:
                yield offset - told
                told = offset
        found = parser.end()
        head, tail = marks(fd, offset)
        state = Cursor(
            format=task.format.name,
            path=task.path,
            device=about.st_dev & _SIGNED,
            inode=about.st_ino & _SIGNED,
            size=about.st_size,
            mtime_ns=about.st_mtime_ns,
            offset=offset,
            head=head,
            tail=tail,
            state=found.state,
        )
        threads.learn(found.threads)
        wrong.sort()
        numbers = line_numbers(task.path, [one[0] for one in wrong])
        troubles = [Trouble(task.path, n, what) for n, (_, what) in zip(numbers, wrong, strict=True)]
        yield offset - told
        yield Read(state, found.rows, places.new(), found.threads, troubles, untold, found.skipped)
    except OSError as error:
        yield Read(None, [], {}, [], [Trouble(task.path, 0, error.strerror or str(error))], 0, {})
    finally:
        os.close(fd)
