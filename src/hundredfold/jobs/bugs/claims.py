"""An agent's report, checked by code: every quote of the log and of the code must stand where it says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hundredfold.evidence.quotes import normalised
from hundredfold.jobs.answers import ReadFile, placed, plain, share
from hundredfold.vocabulary import Evidence

MAX_TEXT = 3_000  # characters of a free text
MAX_WORDS = 60  # of a command
MAX_QUOTES = 5
LEAST_OUTPUT = 6  # characters that a failing output must have to tell anything

_NUMBERED = re.compile(r"(\d+): (.*)")


class LogQuote(Struct, frozen=True):
    """A line of the log that stands there; `line` is 1-based."""

    line: int
    text: str


class Claimed(Struct, frozen=True):
    """A report whose quotes checked out. Texts hold no secrets; `places` quote verbatim."""

    verdict: str
    title: str
    observed: str
    expected: str
    cause: str
    command: tuple[str, ...]
    failing_output: str
    log_quotes: tuple[LogQuote, ...]
    places: tuple[Evidence, ...]
    confidence: float


def checked(
    value: Mapping[str, Any], revision: str, log: str, read: ReadFile, dropped: Counter[str]
) -> Claimed | str:
    """The report, or why it is dropped. Single quotes that don't check out are dropped and counted.

    `log` is the numbered excerpt that the question showed.
    """
    title = " ".join(plain(value.get("title"), MAX_TEXT).split())[:160]
    if not title:
        return "says nothing"
    quotes = _log_quotes(value.get("log_quotes"), log, dropped)
    if not quotes:
        return "quotes no line of the log that stands there"
    command = _command(value.get("command"))
    if value.get("verdict") == "bug" and isinstance(command, str):
        return command
    places = _places(value.get("places"), revision, read, dropped)
    return Claimed(
        verdict=str(value.get("verdict")),
        title=title,
        observed=plain(value.get("observed"), MAX_TEXT),
        expected=plain(value.get("expected"), MAX_TEXT),
        cause=plain(value.get("cause"), MAX_TEXT),
        command=command if isinstance(command, tuple) else (),
        failing_output=plain(value.get("failing_output"), MAX_TEXT),
        log_quotes=quotes,
        places=places,
        confidence=share(value.get("confidence")),
    )


def shows(output: str, wanted: str) -> bool:
    """Whether a command's output holds a text, blanks not counted; one too short to tell never is."""
    sought = normalised(wanted.replace("\n", " "))
    return len(sought) >= LEAST_OUTPUT and sought in normalised(output.replace("\n", " "))


def _log_quotes(raw: Any, log: str, dropped: Counter[str]) -> tuple[LogQuote, ...]:
    lines = {int(m[1]): m[2] for line in log.split("\n") if (m := _NUMBERED.fullmatch(line))}
    found = []
    for one in (raw if isinstance(raw, list) else [])[:MAX_QUOTES]:
        quote = normalised(str(one.get("quote", ""))) if isinstance(one, dict) else ""
        number = one.get("line") if isinstance(one, dict) else None
        if quote and isinstance(number, int) and quote in normalised(lines.get(number, "")):
            found.append(LogQuote(number, lines[number]))
        else:
            dropped["log quote is not at that line"] += 1
    return tuple(found)


def _command(raw: Any) -> tuple[str, ...] | str:
    """The command's words, or why they are none."""
    if not isinstance(raw, list) or not raw or not all(isinstance(word, str) for word in raw):
        return "gives no command"
    words = tuple(raw)
    if len(words) > MAX_WORDS or any("\0" in word or len(word) > MAX_TEXT for word in words):
        return "its command is too long"
    if not words[0].strip() or words[0].startswith("-"):
        return "gives no command"
    return words


def _places(raw: Any, revision: str, read: ReadFile, dropped: Counter[str]) -> tuple[Evidence, ...]:
    found = []
    for one in (raw if isinstance(raw, list) else [])[:MAX_QUOTES]:
        place = placed(one, revision, read)
        if isinstance(place, Evidence):
            found.append(place)
        else:
            dropped[place] += 1
    return tuple(found)
