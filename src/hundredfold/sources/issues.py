"""Issues as jobs read them: from the forge's mirror, or from an export of one JSON object a line.

An export's line holds `number` (or `id`, any text), `title`, `body`, and if it has them `state`, `labels`,
`user` or `author`, `created_at`, `updated_at`, `comments` (a number), `url`: GitHub's names; and
`duplicate_of`, the names of issues that it is known to duplicate. All of it is text from outside.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from hundredfold.errors import ConfigError, SourceError
from hundredfold.store.database import Database
from hundredfold.store.text import storable

MAX_LINE = 4_000_000  # bytes of one issue
MAX_ISSUES = 500_000
_LINK = re.compile(r"(?<![\w/])#(\d{1,9})\b")


class IssueRecord(Struct, frozen=True):
    """An issue. `ref` names it within the project ("12", "TIMOB-8075"); `number` is 0 if it is no number."""

    ref: str
    number: int
    title: str
    body: str
    state: str = "open"
    reason: str = ""
    labels: tuple[str, ...] = ()
    author: str = ""
    created_us: int = 0
    updated_us: int = 0
    comments: int = 0
    url: str = ""
    duplicates: tuple[str, ...] = ()  # refs of what people found it to duplicate

    @property
    def links(self) -> tuple[int, ...]:
        """The numbers of the issues that the body names, in order."""
        return tuple(dict.fromkeys(int(one) for one in _LINK.findall(self.body)))


def read_issues(root: Path, source: str, database: Database | None, project: str) -> list[IssueRecord]:
    """The issues of a project: of the export `source` (relative to `root`) if one is named, else mirrored.

    Raises:
        SourceError: the export can't be read; names file and line.
        ConfigError: no export is named and the forge was never mirrored.
    """
    from hundredfold.store.mirror import synced_us

    if source:
        return exported(root / source)
    if database is None or synced_us(database, project) is None:
        raise ConfigError(
            "there are no issues to compare",
            'Set [forge] repository = "owner/name" and read it once with `hundredfold mirror`, or set '
            '[job.dedupe] source = "issues.jsonl".',
        )
    return mirrored(database, project)


def mirrored(database: Database, project: str) -> list[IssueRecord]:
    """The issues in the mirror of the project's forge, without pull requests."""
    from hundredfold.store.mirror import issues

    return [
        IssueRecord(
            ref=str(row.number),
            number=row.number,
            title=row.title,
            body=row.body,
            state=row.state,
            reason=row.reason,
            labels=tuple(row.labels),
            author=row.author,
            created_us=row.created_us,
            updated_us=row.updated_us,
            comments=row.comments,
            url=row.url,
        )
        for row in issues(database, project)
    ]


def exported(file: Path) -> list[IssueRecord]:
    """The issues of an export (.jsonl or .jsonl.gz), in its order; the last line of a ref counts.

    Raises:
        SourceError: the file can't be read, or a line is no issue; names the line and the mend.
    """
    found: dict[str, IssueRecord] = {}
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        try:
            record = _record(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{file}:{number}: not an issue: {error}",
                'Each line is an object like {"number": 1, "title": "…", "body": "…"}.',
            ) from error
        found[record.ref] = record
        if len(found) > MAX_ISSUES:
            raise SourceError(f"{file} holds more than {MAX_ISSUES:,} issues", "Export fewer of them.")
    return list(found.values())


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with gzip.open(file) if file.name.endswith(".gz") else file.open("rb") as opened:
            number = 0
            while line := opened.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise SourceError(
                        f"{file}:{number}: longer than {MAX_LINE:,} bytes", "Leave that issue out."
                    )
                yield line
    except (OSError, EOFError) as error:
        raise SourceError(f"{file} can't be read: {error}", "Check the path under [job.dedupe].") from error


def _record(raw: Any) -> IssueRecord:
    if not isinstance(raw, dict):
        raise ValueError("it is no object")
    ref = raw.get("number", raw.get("id"))
    if isinstance(ref, bool) or not isinstance(ref, int | str) or not str(ref).strip():
        raise ValueError("it has neither number nor id")
    title = raw.get("title")
    if not isinstance(title, str) or not title.strip():
        raise ValueError("it has no title")
    user = raw.get("user")
    author = raw.get("author") or (user.get("login") if isinstance(user, dict) else user)
    created = _time(raw.get("created_at"))
    comments = raw.get("comments")
    return IssueRecord(
        ref=" ".join(_text(str(ref)).split())[:100],
        number=int(ref) if str(ref).isdecimal() and len(str(ref)) < 10 else 0,
        title=_text(title),
        body=_text(raw.get("body")),
        state="closed" if raw.get("state") == "closed" else "open",
        reason=_text(raw.get("state_reason")),
        labels=tuple(_label(one) for one in _list(raw.get("labels")) if _label(one)),
        author=_text(author),
        created_us=created,
        updated_us=_time(raw.get("updated_at")) or created,
        comments=comments if isinstance(comments, int) and not isinstance(comments, bool) else 0,
        url=_text(raw.get("url") or raw.get("html_url")),
        duplicates=tuple(str(one) for one in _list(raw.get("duplicate_of")) if isinstance(one, int | str)),
    )


def _text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _label(value: Any) -> str:
    return _text(value.get("name") if isinstance(value, dict) else value)


def _time(value: Any) -> int:
    """UTC microseconds of an ISO 8601 time; 0 if there is none."""
    if not isinstance(value, str) or not value:
        return 0
    try:
        return int(datetime.fromisoformat(value).timestamp() * 1_000_000)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value[:40]!r} is no time") from error
