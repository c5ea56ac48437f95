"""Measuring a commit now: the configured command so often, the median kept, and compared with what was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from hundredfold.errors import UnavailableError
from hundredfold.evidence.changepoints import LEAST, P_MOST, mann_whitney
from hundredfold.evidence.measures import changed, measure, shown
from hundredfold.evidence.regressions import Examined, examine
from hundredfold.evidence.series import Series
from hundredfold.jobs.benchmarks.bisecting import command, results_of
from hundredfold.sources.benchmarks.records import Readings, in_words
from hundredfold.store.benchmarks import Measured
from hundredfold.store.database import now_us

if TYPE_CHECKING:
    from hundredfold.sections import ResultsSettings
    from hundredfold.sources.benchmarks.records import Reading
    from hundredfold.workspaces.protocol import Sandbox, WorkspacePool

COMPARED = 50  # newest points of the level that new values are compared with
TOLD = 400  # characters of a failed command's output


class Compared(Struct, frozen=True):
    """What one series measured now, against its present level; `p` is 1 where there is none."""

    suite: str
    name: str
    unit: str
    value: float
    spread: float
    runs: int
    before: float | None
    change: float | None
    p: float
    verdict: str

    def line(self) -> str:
        """In one line, for people."""
        label = f"{self.suite}: {self.name}" if self.suite else self.name
        now = (
            f"{label}  {shown(self.value, self.unit)} ± {shown(self.spread / 2, self.unit)}, {self.runs} runs"
        )
        if self.before is None or self.change is None:
            return f"{now}  first measured"
        step = f"{changed(1 + self.change)}, p {self.p:.2g}"
        return f"{now}  {self.verdict}: was {shown(self.before, self.unit)} ({step})"


async def measure_now(
    pool: WorkspacePool,
    sandbox: Sandbox,
    settings: ResultsSettings,
    revision: str,
    times: int,
    known: Sequence[Series],
    tell: Callable[[str], None],
    keep: Callable[[list[Measured]], object],
) -> list[Compared]:
    """Run the command `times` times on clean checkouts of the revision, keep the medians and compare them.

    Raises:
        UnavailableError: the command failed, or printed no results; nothing is kept then.
    """
    found: dict[tuple[str, str, str], list[Reading]] = {}
    for number in range(1, times + 1):
        wanted = command(settings, revision)
        async with pool.lend(revision, f"benchmarks-run-{number}", writable=True) as lent:
            result = await sandbox.run(wanted.argv, lent.path, writable=True, timeout_s=wanted.timeout_s)
        results = results_of(result, settings) if result.exit_code == 0 else Readings(())
        if not results.readings:
            ended = "took too long" if result.timed_out else f"ended with exit code {result.exit_code}"
            ended = ended if result.exit_code != 0 else "printed no results that can be read"
            raise UnavailableError(
                f"the benchmark command {ended}: …{result.output.strip()[-TOLD:]}",
                "Try it in a clean checkout, without network; see [workspaces] read for what it may need.",
            )
        gone = f"; left out: {in_words(results.left_out)}" if results.left_out else ""
        tell(f"{number} of {times}: {len(results.readings)} measurements in {result.seconds:.1f} s{gone}")
        for one in results.readings:
            placed = replace(one, suite=_suite(one, known))
            found.setdefault((placed.suite, one.name, measure(one.unit).unit), []).append(placed)
    present = {(one.series.suite, one.series.name, one.series.unit): one for one in examine(known)}
    at_us = now_us()
    medians, compared = [], []
    for key, readings_ in found.items():
        factor = measure(readings_[0].unit).factor
        values = [one.value * factor for one in readings_]
        medians.append(_median(readings_, revision, at_us))
        compared.append(_compared(key, values, present.get(key)))
    keep(medians)
    return compared


def _suite(one: Reading, known: Sequence[Series]) -> str:
    """The suite a measurement belongs to: its own, else that of the one known series of its name and unit."""
    unit = measure(one.unit).unit
    suites = {series.suite for series in known if (series.name, series.unit) == (one.name, unit)}
    return suites.pop() if not one.suite and len(suites) == 1 else one.suite


def _median(readings: Sequence[Reading], revision: str, at_us: int) -> Measured:
    one, values = readings[0], [reading.value for reading in readings]
    spread = max(values) - min(values)
    return Measured(one.suite, one.name, one.unit, one.tool, median(values), at_us, revision, spread)


def _compared(key: tuple[str, str, str], values: list[float], there: Examined | None) -> Compared:
    suite, name, unit = key
    value, spread = median(values), max(values) - min(values)
    start = there.alerts[-1].level.index if there and there.alerts else 0
    level = [point.value for point in there.points[start:]][-COMPARED:] if there else []
    if there is None or not level or value <= 0:
        return Compared(suite, name, unit, value, spread, len(values), None, None, 1.0, "first measured")
    before = median(level)
    change = value / before - 1.0
    p = mann_whitney(np.array(values), np.array(level))
    # A few runs can't reach the p of a long series: what five runs against a level can show has to do.
    clear = p < max(P_MOST, 0.01) and abs(change) >= max(
        LEAST, 2 * there.noise.sigma if there.noise else LEAST
    )
    verdict = "as before"
    if clear and there.series.direction is None:
        verdict = "changed"
    elif clear:
        verdict = "worse" if (change > 0) == (there.series.direction == "smaller") else "better"
    return Compared(suite, name, unit, value, spread, len(values), before, change, p, verdict)
