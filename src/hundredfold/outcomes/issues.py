"""What became of issues: those we opened, those we closed as duplicates, labels we put on. All from the
mirror.

A closed duplicate that nobody reopened is weak evidence alone; with its canonical issue open or fixed it is
worth a little more. An issue that people closed as completed is confirmed; one closed as not planned was not
wanted.
"""

from __future__ import annotations

from msgspec import Struct

from hundredfold.outcome import Observation
from hundredfold.outcomes.judging import DAY_US, HORIZON_DAYS, Judged, next_look
from hundredfold.store import mirror
from hundredfold.store.database import Database
from hundredfold.store.mirrorrows import EventRow, IssueRow

OBSERVER = "mirror"


class Issues(Struct, frozen=True):
    """Looks at one project's mirrored issues, as of the mirror's last sync (`as_of_us`)."""

    database: Database
    project: str
    as_of_us: int

    def opened(self, outcome: str, number: int, opened_us: int) -> Judged:
        """An issue that we opened: done, not wanted, or open still."""
        issue = mirror.issue(self.database, self.project, number)
        if issue is None:
            return self._unknown(outcome)
        if issue.state == "open":
            return self._pending(outcome, "open still", opened_us)
        times = issue.closed_us or self.as_of_us
        if issue.reason in ("not_planned", "duplicate"):
            return self._ended(outcome, f"closed as {issue.reason.replace('_', ' ')}", times, issue)
        seen = Observation(
            outcome=outcome,
            state="survived" if self.as_of_us >= times + HORIZON_DAYS * DAY_US else "accepted",
            rule="closed as completed",
            strength="medium",
            observed_us=self.as_of_us,
            by=OBSERVER,
            confirmed=True,
            accepted_us=times,
            evidence={"url": issue.url, "closed by": issue.closed_by},
        )
        look = None if seen.state == "survived" else times + HORIZON_DAYS * DAY_US
        return Judged(seen, look)

    def closed_duplicate(self, outcome: str, number: int, canonical: int, closed_us: int, by: str) -> Judged:
        """An issue that we closed as a duplicate: reopened, or left closed with its canonical's fate."""
        issue = mirror.issue(self.database, self.project, number)
        if issue is None:
            return self._unknown(outcome)
        reopened = self._event(number, "reopened", closed_us)
        if reopened is not None or issue.state == "open":
            at_us = max(closed_us, reopened.at_us if reopened else issue.updated_us)
            who = reopened.actor if reopened else ""
            seen = Observation(
                outcome=outcome,
                state="reverted",
                rule="reopened",
                strength="high",
                observed_us=self.as_of_us,
                by=OBSERVER,
                confirmed=True,
                accepted_us=closed_us,
                ended_us=at_us,
                evidence={"url": issue.url, "reopened by": who},
            )
            return Judged(seen, None)
        other = mirror.issue(self.database, self.project, canonical) if canonical else None
        alive = other is not None and (other.state == "open" or other.reason in ("completed", ""))
        over = self.as_of_us >= closed_us + HORIZON_DAYS * DAY_US
        fate = "no canonical issue is known" if other is None else f"its canonical issue is {_words(other)}"
        seen = Observation(
            outcome=outcome,
            state="survived" if over and alive else "accepted",
            rule=f"closed and not reopened; {fate}",
            strength="medium" if alive and over else "low",
            observed_us=self.as_of_us,
            by=OBSERVER,
            accepted_us=closed_us,
            evidence={"url": issue.url, "canonical": canonical},
        )
        return Judged(seen, None if over else closed_us + HORIZON_DAYS * DAY_US)

    def labelled(self, outcome: str, number: int, labels: tuple[str, ...], at_us: int) -> Judged:
        """Labels that we put on: taken off by somebody, or on still."""
        issue = mirror.issue(self.database, self.project, number)
        if issue is None:
            return self._unknown(outcome)
        gone = sorted(set(labels) - set(issue.labels))
        over = self.as_of_us >= at_us + HORIZON_DAYS * DAY_US
        if gone:
            taken = self._event(number, "unlabeled", at_us)
            seen = Observation(
                outcome=outcome,
                state="reverted",
                rule=f"{', '.join(gone)} was taken off",
                strength="high",
                observed_us=self.as_of_us,
                by=OBSERVER,
                confirmed=True,
                accepted_us=at_us,
                ended_us=max(at_us, taken.at_us if taken else issue.updated_us),
                evidence={"url": issue.url},
            )
            return Judged(seen, None)
        seen = Observation(
            outcome=outcome,
            state="survived" if over else "accepted",
            rule="the labels are on still",
            strength="low",
            observed_us=self.as_of_us,
            by=OBSERVER,
            accepted_us=at_us,
            evidence={"url": issue.url},
        )
        return Judged(seen, None if over else at_us + HORIZON_DAYS * DAY_US)

    def _event(self, number: int, kind: str, since_us: int) -> EventRow | None:
        found = mirror.events(self.database, self.project, number=number, kinds=(kind,), since_us=since_us)
        return found[-1] if found else None

    def _ended(self, outcome: str, rule: str, at_us: int, issue: IssueRow) -> Judged:
        seen = Observation(
            outcome=outcome,
            state="rejected",
            rule=rule,
            strength="high",
            observed_us=self.as_of_us,
            by=OBSERVER,
            confirmed=True,
            ended_us=at_us,
            evidence={"url": issue.url, "closed by": issue.closed_by},
        )
        return Judged(seen, None)

    def _pending(self, outcome: str, rule: str, opened_us: int) -> Judged:
        seen = Observation(
            outcome=outcome,
            state="pending",
            rule=rule,
            strength="high",
            observed_us=self.as_of_us,
            by=OBSERVER,
        )
        return Judged(seen, next_look(opened_us, self.as_of_us))

    def _unknown(self, outcome: str) -> Judged:
        seen = Observation(
            outcome=outcome,
            state="unknown",
            rule="it is not in the mirror",
            strength="low",
            observed_us=self.as_of_us,
            by=OBSERVER,
        )
        return Judged(seen, self.as_of_us + 7 * DAY_US)


def _words(issue: IssueRow) -> str:
    return "open" if issue.state == "open" else f"closed as {(issue.reason or 'completed').replace('_', ' ')}"
