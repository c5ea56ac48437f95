"""Which commit of a range made it slower, by running the project's own benchmark command.

Both ends are measured first, turn by turn: if they don't differ here, nothing is concluded. Then the middle
of what is left, again and again; a commit that can't be measured is passed over. All of it is a function of
the results so far.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from math import exp, log
from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.errors import ConfigError
from hundredfold.evidence.measures import changed, measure
from hundredfold.jobs.benchmarks.subject import Stepped
from hundredfold.sources.benchmarks.reading import read
from hundredfold.sources.benchmarks.records import Readings, Run
from hundredfold.vocabulary import Check, Command, CommandResult, Round

if TYPE_CHECKING:
    from hundredfold.sections import ResultsSettings

MARK = "=====hundredfold results====="
MOST_COMMITS = 512  # of a range that is bisected
MOST_ROUNDS = 16
ENOUGH = 0.5  # of the step's logarithm that the two ends must show here


class Narrowed(Struct, frozen=True):
    """How far a range was narrowed: the last commit that was fast and the first that was slow, each with the
    medians measured here; `why_not` says why it was not narrowed, or no further."""

    before: str
    after: str
    measured: tuple[tuple[str, float], ...] = ()
    why_not: str = ""


def next_step(
    chain: Sequence[str], stepped: Stepped, settings: ResultsSettings, rounds: Sequence[Round]
) -> Check | Narrowed:
    """What to measure next, or what came of it. `chain` is the commits from the last fast one to the first
    slow one, oldest first."""
    if len(chain) > MOST_COMMITS:
        why = f"the range holds {len(chain) - 1} commits, more than {MOST_COMMITS - 1}"
        return Narrowed(chain[0], chain[-1], why_not=why)
    if not rounds:
        return _check(settings, (chain[0], chain[-1]))
    ends = _values(rounds[0], stepped, settings)
    fast, slow = ends.get(chain[0], []), ends.get(chain[-1], [])
    if not fast or not slow:
        missing = chain[0] if not fast else chain[-1]
        return Narrowed(chain[0], chain[-1], why_not=_why_none(rounds[0], stepped, missing))
    wanted = log(stepped.after / stepped.before)
    seen = log(median(slow) / median(fast))
    apart = min(slow) > max(fast) if wanted > 0 else max(slow) < min(fast)
    measured = {chain[0]: median(fast), chain[-1]: median(slow)}
    if seen * wanted <= 0 or abs(seen) < ENOUGH * abs(wanted) or not apart:
        return Narrowed(
            chain[0],
            chain[-1],
            tuple(measured.items()),
            f"not seen on this machine: {changed(exp(seen))} instead of {changed(exp(wanted))}",
        )
    border = (log(median(slow)) + log(median(fast))) / 2
    low, high, passed = 0, len(chain) - 1, set[int]()
    for done in (*rounds[1:], None):
        middle = _middle(low, high, passed)
        if middle is None or (done is None and len(rounds) > MOST_ROUNDS):
            why = "" if high - low == 1 else f"{high - low - 1} commits in between could not be measured"
            return Narrowed(chain[low], chain[high], tuple(measured.items()), why)
        if done is None:
            return _check(settings, (chain[middle],))
        values = _values(done, stepped, settings).get(chain[middle], [])
        if not values:
            passed.add(middle)
            continue
        measured[chain[middle]] = median(values)
        if (log(median(values)) > border) == (wanted > 0):
            high = middle
        else:
            low = middle
    raise AssertionError("the loop ends by a return")


def command(settings: ResultsSettings, revision: str) -> Command:
    """The configured command at a revision, so that its results are the end of its output."""
    run, shown = settings.command, f"printf '\\n%s\\n' '{MARK}'"
    if settings.output:
        script = f"({run}) 2>&1; code=$?; {shown}; cat -- {shlex.quote(settings.output)}; exit $code"
    else:
        script = f"{shown}; {run}"
    return Command(("sh", "-c", script), revision, settings.timeout_seconds)


def value_of(result: CommandResult, stepped: Stepped, settings: ResultsSettings) -> float | None:
    """What a run measured for a series, in the series' unit; None if it failed or does not hold it."""
    if result.exit_code != 0:
        return None
    for one in results_of(result, settings).readings:
        kept = measure(one.unit)
        if one.name == stepped.name and kept.unit == stepped.unit and one.value > 0:
            return one.value * kept.factor
    return None


def results_of(result: CommandResult, settings: ResultsSettings) -> Readings:
    """The measurements in a command's output; none if it holds none."""
    text = result.output.rpartition(MARK)[2]
    try:
        return read(_document(text).encode(), "of the command", Run("", 1), settings.format)
    except ConfigError:
        return Readings(())


def _document(text: str) -> str:
    """The JSON in an output with words around it; the whole text where there is none."""
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    end = max(text.rfind("}"), text.rfind("]"))
    if not starts or end < min(starts) or "\nBenchmark" in text or "... bench:" in text:
        return text
    return text[min(starts) : end + 1]


def _check(settings: ResultsSettings, revisions: Sequence[str]) -> Check:
    """Turn by turn, so that a machine that grows slower does so for both."""
    return Check(tuple(command(settings, one) for _ in range(max(1, settings.repeats)) for one in revisions))


def _values(done: Round, stepped: Stepped, settings: ResultsSettings) -> dict[str, list[float]]:
    asked = done.step.commands if isinstance(done.step, Check) else ()
    found: dict[str, list[float]] = {}
    for one, result in zip(asked, done.results, strict=False):
        value = value_of(result, stepped, settings)
        if value is not None:
            found.setdefault(one.revision, []).append(value)
    return found


def _why_none(done: Round, stepped: Stepped, revision: str) -> str:
    asked = done.step.commands if isinstance(done.step, Check) else ()
    results = [one for command, one in zip(asked, done.results, strict=False) if command.revision == revision]
    failed = next((one for one in results if one.exit_code != 0), None)
    if failed is None:
        return f"the command did not measure {stepped.name!r} at {revision[:12]}"
    ended = "took too long" if failed.timed_out else f"ended with exit code {failed.exit_code}"
    return f"the command {ended} at {revision[:12]}"


def _middle(low: int, high: int, passed: set[int]) -> int | None:
    """The commit nearest the middle of what is left that was not passed over."""
    left = [at for at in range(low + 1, high) if at not in passed]
    return min(left, key=lambda at: (abs(2 * at - low - high), at)) if left else None
