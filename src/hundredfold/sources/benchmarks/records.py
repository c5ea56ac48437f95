"""What every reader of benchmark results gives, and the checks that all of them share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.errors import ConfigError

MAX_NAME = 300  # characters; a longer name is cut
MAX_READINGS = 5_000_000  # of one file


class Run(Struct, frozen=True):
    """When (UTC microseconds) and of which commit ("" if unknown) a file without history was measured."""

    commit: str = ""
    at_us: int = 0


class Reading(Struct, frozen=True, gc=False):
    """One measurement as a file gives it: value and spread (0 if unknown) in `unit`, as the tool names it."""

    suite: str
    name: str
    unit: str
    tool: str
    value: float
    at_us: int
    commit: str = ""
    spread: float = 0.0


class Readings(Struct, frozen=True):
    """All of a file, in its order. `left_out` counts what could not be used, by reason."""

    readings: tuple[Reading, ...]
    left_out: dict[str, int] = {}


class Collector:
    """Gathers readings; what is not one is counted with its reason."""

    def __init__(self, file: str, tool: str) -> None:
        self.file = file
        self.tool = tool
        self._readings: list[Reading] = []
        self._left_out: Counter[str] = Counter()
        self._names: dict[str, str] = {}

    def add(
        self,
        suite: Any,
        name: Any,
        unit: Any,
        value: Any,
        run: Run,
        *,
        spread: Any = 0.0,
        tool: str = "",
    ) -> None:
        """Take one measurement, if it is one."""
        number = finite(value)
        if not isinstance(name, str) or not name.strip():
            self.leave_out("without a name")
        elif number is None:
            self.leave_out("the value is no finite number")
        elif run.at_us <= 0:
            self.leave_out("without a time")
        elif len(self._readings) >= MAX_READINGS:
            self.leave_out(f"beyond the bound of {MAX_READINGS} measurements a file")
        else:
            self._readings.append(
                Reading(
                    suite=self._named(suite),
                    name=self._named(name),
                    unit=self._named(unit),
                    tool=tool or self.tool,
                    value=number,
                    at_us=run.at_us,
                    commit=run.commit,
                    spread=abs(finite(spread) or 0.0),
                )
            )

    def _named(self, value: Any) -> str:
        """The name in one line; the same text each time it comes."""
        text = value if isinstance(value, str) else ""
        if text not in self._names:
            self._names[text] = _name(text)
        return self._names[text]

    def leave_out(self, reason: str) -> None:
        """Count something that can't be used."""
        self._left_out[reason] += 1

    def done(self) -> Readings:
        """What was gathered.

        Raises:
            ConfigError: nothing was, so this is no such file.
        """
        if not self._readings:
            why = in_words(self._left_out)
            raise unreadable(self.file, f"holds no measurement of {self.tool}" + (f" ({why})" if why else ""))
        return Readings(tuple(self._readings), dict(sorted(self._left_out.items())))


def in_words(left_out: Mapping[str, int]) -> str:
    """What could not be used, in one line: "2 × the value is no finite number; 1 × without a time"."""
    return "; ".join(f"{count:,} × {reason}" for reason, count in left_out.items())


def unreadable(file: str, why: str, mend: str = "") -> ConfigError:
    """The error for a file that can't be read as it should."""
    return ConfigError(
        f"the benchmark file {file} {why}",
        mend or 'Check the file, or say its format, e.g. format = "go" under [job.benchmarks.results].',
    )


def parsed(content: bytes, file: str) -> Any:
    """The JSON in a file, also with NaN and Infinity, which some tools write.

    Raises:
        ConfigError: it is not JSON; names the line.
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise unreadable(file, f"is not UTF-8: byte {error.start}") from error
    except RecursionError as error:
        raise unreadable(file, "is nested too deeply") from error
    except ValueError as error:
        raise unreadable(file, f"is not JSON: {error}") from error


def finite(value: Any) -> float | None:
    """A number, if it is a finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def moment(value: Any) -> int:
    """UTC microseconds of an ISO 8601 text or of a number of milliseconds; 0 if it is neither."""
    number = finite(value)
    if number is not None:
        return int(number * 1000) if 0 < number < 1e14 else 0
    if not isinstance(value, str):
        return 0
    try:
        read = datetime.fromisoformat(value)
        stamp = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0
    return int(stamp * 1_000_000) if stamp > 0 else 0


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """The value if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def labelled(name: Any, parameters: Iterable[tuple[Any, Any]]) -> Any:
    """A benchmark's name with its parameters: "sort (n=10, kind=quick)"."""
    told = ", ".join(f"{key}={value}" for key, value in parameters)
    return f"{name} ({told})" if told and isinstance(name, str) else name


def commit_of(value: Any) -> str:
    """A commit's sha, if it looks like one; else ""."""
    text = value.strip().lower() if isinstance(value, str) else ""
    return text if 7 <= len(text) <= 64 and not set(text) - set("0123456789abcdef") else ""


def _name(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[: MAX_NAME * 2]).split())[:MAX_NAME]
