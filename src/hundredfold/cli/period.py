"""Which days a command looks at: `--days`, `--since`, `--until` and `--zone`, read once for all of them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.cli.output import counted, say
from hundredfold.errors import ConfigError

if TYPE_CHECKING:
    from hundredfold.store.database import Database

MOST_DAYS = 36_500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Period(Struct, frozen=True):
    """Whole days of a zone: from `since_us` (None: ever) until before `until_us`. `last` is the last day,
    which is today unless it was named: a request that is dated later is in no bill of it."""

    since_us: int | None
    until_us: int
    first: date | None
    last: date
    zone: tzinfo

    def days(self, now: datetime) -> int | None:
        """How many days it is long; None if it has no beginning."""
        return None if self.first is None else (min(self.last, now.date()) - self.first).days + 1


def period_of(since: str, until: str, zone: str, now: datetime | None = None) -> Period:
    """The period that options name; `now` (in any zone) is the wall clock unless given.

    Raises:
        ConfigError: no day, no time zone, or an end before its beginning.
    """
    days = zone_of(zone)
    here = (now or datetime.now(days)).astimezone(days)
    last = here.date()
    if until:
        try:
            last = date.fromisoformat(until)
        except ValueError as error:
            raise ConfigError(
                f"--until: {until!r} is not a day", "Write the last day like 2026-11-20."
            ) from error
    start = since_start(since, datetime(last.year, last.month, last.day, tzinfo=days))
    end = _us(last + timedelta(days=1), days)
    if until and start is not None and start >= end:
        raise ConfigError(
            f"--until {until} is before --since {since}", "Name a last day that is not before the first."
        )
    first = None if start is None else (_EPOCH + timedelta(microseconds=start)).astimezone(days).date()
    return Period(start, end, first, last, days)


def told_misdated(database: Database, project: str | None, period: Period, until: str) -> None:
    """Say on stderr how many requests a bill of the period leaves out for their date, if it does: those after
    today, unless `--until` names the last day, and those of no time at which a model can have been asked."""
    from hundredfold.usage.dating import misdated

    with database.read() as connection:
        found = misdated(connection, project, period.until_us)
    if found.later and not until:
        last = (_EPOCH + timedelta(microseconds=found.last_us)).astimezone(period.zone).date()
        say(
            f"# {counted(found.later, 'request')} dated after today, {period.last}, not in the bill: "
            f"--until {last} has them"
        )
    if found.no_time:
        say(f"# {counted(found.no_time, 'request')} dated before 2000 or after 2099, in no bill")


def beginning(since: str, days: int) -> str:
    """The text for `period_of` that `--since` and `--days` say together; --since counts.

    Raises:
        ConfigError: no day at all.
    """
    if days < 1:
        raise ConfigError(f"--days {days}: there is no such number of days", "Say --days 1 for today alone.")
    return since or f"{days}d"


def since_start(text: str, now: datetime) -> int | None:
    """When the first day began, in UTC microseconds; None for "ever".

    Raises:
        ConfigError: neither a day, a number of days nor "ever".
    """
    if text == "ever":
        return None
    number = re.fullmatch(r"(\d{1,5})d", text)
    try:
        if number:
            first = now.date() - timedelta(days=min(int(number.group(1)) or 1, MOST_DAYS) - 1)
        else:
            first = date.fromisoformat(text)
        return _us(first, now.tzinfo or UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"--since: {text!r} is not a day",
            'Write the first day like 2026-11-01, or a number of days like 30d, or "ever".',
        ) from error


def zone_of(name: str) -> tzinfo:
    """A time zone by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"there is no time zone {name!r}", "Write it like Europe/Vienna, or UTC."
        ) from error


def _us(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1_000_000
