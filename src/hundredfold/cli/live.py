"""The live summary of a run: counts, spend and the twelve longest attempts on a terminal, plain lines
otherwise. It reads the board and the store; it decides nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hundredfold.cli.output import console, say
from hundredfold.proposals.sanitise import for_terminal
from hundredfold.store import items

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from hundredfold.fleet.run import Run

TOP = 12
PLAIN_EVERY_S = 10.0
SPEND_EVERY_S = 2.0
STATES = ("queued", "working", "done", "skipped", "listed", "incomplete", "failed", "cancelled")


class LiveSummary:
    """Called with the run four times a second (`tick`); use as a context manager around the run."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._console = console(stderr=True)
        self._live: Live | None = None
        self._began = time.monotonic()
        self._printed = 0.0
        self._ended = 0
        self._spend = ("", 0.0)

    def __enter__(self) -> LiveSummary:
        if self._console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def tick(self, run: Run) -> None:
        """Show where the run is."""
        now = time.monotonic()
        if self._live is not None:
            self._live.update(self._picture(run, now), refresh=True)
            return
        ended = list(run.desk.board.ended)
        for line in ended[self._ended :]:
            say(for_terminal(line))
        self._ended = len(ended)
        if now - self._printed >= PLAIN_EVERY_S:
            self._printed = now
            say(f"{self._title}: {self._counts(run)}{self._spent(run, now)}")

    def _counts(self, run: Run) -> str:
        by_state = items.counts(run.desk.database, run.desk.place.slug, run.id)
        parts = [f"{by_state[state]} {state}" for state in STATES if by_state.get(state)]
        return ", ".join(parts) or "nothing taken in yet"

    def _spent(self, run: Run, now: float) -> str:
        text, due = self._spend
        if now >= due:
            text = run.assembly.spent_text(run.id)
            took = time.monotonic() - now
            self._spend = (text, now + max(SPEND_EVERY_S, 20 * took))  # a long bill is not asked for so often
        return f"; {text}" if text else ""

    def _picture(self, run: Run, now: float) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        elapsed = int(now - self._began)
        head = Text(f"{self._title}  {elapsed // 60}:{elapsed % 60:02d}\n", style="bold")
        head.append(f"{self._counts(run)}{self._spent(run, now)}", style="not bold")
        rows = run.desk.board.top(TOP)
        if not rows:
            return Group(head)
        table = Table(box=None, padding=(0, 1), expand=True)
        for name, justify in (("attempt", "left"), ("age", "right"), ("tokens", "right")):
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        table.add_column("looking at", no_wrap=True, ratio=2)
        table.add_column("last", no_wrap=True, ratio=3)
        for row in rows:
            tokens = row.usage.input + row.usage.output
            table.add_row(
                row.attempt,
                f"{int(now - row.since)} s",
                f"{tokens:,}" if tokens else "–",
                Text(for_terminal(f"{row.label}: {row.title}")),
                Text(for_terminal(row.last)),
            )
        rest = len(run.desk.board.rows) - len(rows)
        return Group(head, table, *([Text(f"… and {rest} more attempts")] if rest else []))
