"""What became of issues: those we opened, those we closed as duplicates, labels we put on. All from the
mirror.

A closed duplicate that nobody reopened is weak evidence alone; with its canonical issue open or fixed it is
worth a little more. An issue that people closed as completed is confirmed; one closed as not planned was not
wanted.
"""

from __future__ import annotations

from msgspec import Struct

from hundredfold.outcomes.saying import HORIZON_US, Judged, Says
from hundredfold.store import mirror
from hundredfold.store.database import Database
from hundredfold.store.mirrorrows import EventRow, IssueRow

OBSERVER = "mirror"
ABSENT = "it is not in the mirror"


class Issues(Struct, frozen=True):
    """Looks at one project's mirrored issues, as of the mirror's last sync (`as_of_us`)."""

    database: Database
    project: str
    as_of_us: int

    def opened(self, outcome: str, number: int, opened_us: int) -> Judged:
        """An issue that we opened: done, not wanted, or open still."""
        says, issue = self._says(outcome), self._issue(number)
        if issue is None:
            return says.unknown(ABSENT, again_days=7)
        if issue.state == "open":
            return says.pending("open still", opened_us)
        at_us = issue.closed_us or self.as_of_us
        evidence = {"url": issue.url, "closed by": issue.closed_by}
        if issue.reason in ("not_planned", "duplicate"):
            return says.rejected(f"closed as {_reason(issue)}", at_us, evidence=evidence)
        return says.accepted("closed as completed", at_us, evidence=evidence, confirmed=True)

    def closed_duplicate(self, outcome: str, number: int, canonical: int, closed_us: int) -> Judged:
        """An issue that we closed as a duplicate: reopened, or left closed with its canonical's fate."""
        says, issue = self._says(outcome), self._issue(number)
        if issue is None:
            return says.unknown(ABSENT, again_days=7)
        reopened = self._event(number, "reopened", closed_us)
        if reopened is not None or issue.state == "open":
            at_us = reopened.at_us if reopened else issue.updated_us
            evidence = {"url": issue.url, "reopened by": reopened.actor if reopened else ""}
            return says.reverted("reopened", closed_us, at_us, evidence=evidence)
        other = self._issue(canonical) if canonical else None
        alive = other is not None and (other.state == "open" or other.reason in ("completed", ""))
        fate = "no canonical issue is known" if other is None else f"its canonical issue is {_words(other)}"
        over = self.as_of_us >= closed_us + HORIZON_US
        judged = says.accepted(
            f"closed and not reopened; {fate}",
            closed_us if alive or not over else self.as_of_us,  # without a canonical it never survives
            "medium" if alive and over else "low",
            {"url": issue.url, "canonical": canonical},
        )
        return judged if alive or not over else Judged(judged.observation, None)

    def labelled(self, outcome: str, number: int, labels: tuple[str, ...], at_us: int) -> Judged:
        """Labels that we put on: taken off by somebody, or on still."""
        says, issue = self._says(outcome), self._issue(number)
        if issue is None:
            return says.unknown(ABSENT, again_days=7)
        gone = sorted(set(labels) - set(issue.labels))
        if not gone:
            return says.accepted("the labels are on still", at_us, "low", {"url": issue.url})
        taken = self._event(number, "unlabeled", at_us)
        rule, when = f"{', '.join(gone)} was taken off", taken.at_us if taken else issue.updated_us
        return says.reverted(rule, at_us, when, evidence={"url": issue.url})

    def _says(self, outcome: str) -> Says:
        return Says(outcome, OBSERVER, self.as_of_us)

    def _issue(self, number: int) -> IssueRow | None:
        return mirror.issue(self.database, self.project, number)

    def _event(self, number: int, kind: str, since_us: int) -> EventRow | None:
        found = mirror.events(self.database, self.project, number=number, kinds=(kind,), since_us=since_us)
        return found[-1] if found else None


def _words(issue: IssueRow) -> str:
    return "open" if issue.state == "open" else f"closed as {_reason(issue)}"


def _reason(issue: IssueRow) -> str:
    return (issue.reason or "completed").replace("_", " ")
