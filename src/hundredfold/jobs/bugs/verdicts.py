"""From a checked report and what the machine saw to findings and the proposal of an issue."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hundredfold.evidence.secrets import redact
from hundredfold.forges.preconditions import quote_precondition
from hundredfold.jobs.bugs.asking import ending
from hundredfold.jobs.bugs.claims import Claimed, shows
from hundredfold.payloads import Issue
from hundredfold.vocabulary import CommandResult, Evidence, Finding, Item, Proposal, Severity, identity

REVIEW_MINUTES = 5.0
MOST = 0.97
MAX_VERSION = 120
MAX_OUTPUT = 2_000  # characters of a command's output in a report
NOT_FOUND = 127  # a shell's exit code for a command that is not there

Again = Literal["fails each time", "passes each time", "flaky", "could not be run", "not run again"]


class Reproduction(Struct, frozen=True):
    """Whether the command of a report failed as it says. `why_not` is "" if it did, each time. `version` is
    what the command's program says of itself, "" if it does not."""

    results: tuple[CommandResult, ...]
    why_not: str
    version: str


def again(results: Sequence[CommandResult]) -> Again:
    """What running a test again showed. A command that is not there or hangs shows nothing."""
    if not results:
        return "not run again"
    if any(one.exit_code in (None, 126, NOT_FOUND) for one in results):
        return "could not be run"
    failed = sum(one.exit_code != 0 for one in results)
    if failed == len(results):
        return "fails each time"
    return "flaky" if failed else "passes each time"


def reproduced(claimed: Claimed, results: Sequence[CommandResult], version: CommandResult) -> Reproduction:
    """Whether each run failed and printed what the report says. `version`: of the command's program."""
    why = ""
    for number, one in enumerate(results, 1):
        if one.timed_out or one.exit_code is None:
            why = f"run {number} of its command did not end"
        elif one.exit_code in (126, NOT_FOUND):
            why = f"run {number}: the command is not there"
        elif one.exit_code == 0:
            why = f"run {number} of its command passes"
        elif not shows(one.output, claimed.failing_output):
            why = f"run {number} of its command fails, but prints something else"
        if why:
            break
    told = version.output.strip().split("\n")[0] if version.exit_code == 0 else ""
    return Reproduction(tuple(results), why, redact(told)[:MAX_VERSION])


def finding_of(
    item: Item,
    *,
    rule: str,
    title: str,
    description: str,
    severity: Severity,
    confidence: float,
    places: Sequence[Evidence] = (),
    attempts: tuple[str, ...] = (),
    extra: dict[str, Any] | None = None,
) -> Finding:
    """A finding about a failure; the failure's fingerprint is the finding's."""
    mark = str(item.payload["fingerprint"])
    return Finding(
        id=identity("finding", item.project, item.job, mark),
        fingerprint=mark,
        project=item.project,
        job=item.job,
        item=item.id,
        rule=rule,
        title=title,
        severity=severity,
        confidence=confidence,
        description=description,
        recommendation="",
        evidence=tuple(msgspec.structs.replace(one, quote=redact(one.quote)) for one in places),
        attempts=attempts,
        extra={"source": item.payload["source"], "test": item.payload["test"], **(extra or {})},
    )


def bug(item: Item, claimed: Claimed, proof: Reproduction, seen_again: Again, attempt: str) -> Finding:
    """A failure that was reproduced."""
    return finding_of(
        item,
        rule="bug/reproduced",
        title=claimed.title,
        description=claimed.cause,
        severity="medium",
        confidence=round(min(MOST, (1.0 + claimed.confidence) / 2), 3),
        places=claimed.places,
        attempts=(attempt,),
        extra={"command": list(claimed.command), "runs": len(proof.results), "again": seen_again},
    )


def issue(item: Item, finding: Finding, claimed: Claimed, proof: Reproduction, known: str) -> Proposal:
    """The issue that says so, bound to the code it quotes. `known`: a line about the nearest known issue."""
    conditions = {"commit": item.revision}
    for number, place in enumerate(claimed.places, 1):
        conditions[f"quote:{number}"] = quote_precondition(place.path, place.quote)
    return Proposal(
        id=identity("proposal", item.project, item.job, finding.id),
        project=item.project,
        job=item.job,
        item=item.id,
        type="issue",
        title=claimed.title,
        body=report(item, finding, claimed, proof, known),
        findings=(finding.id,),
        preconditions=conditions,
        review_minutes=REVIEW_MINUTES,
        payload=Issue(),
    )


def report(item: Item, finding: Finding, claimed: Claimed, proof: Reproduction, known: str) -> str:
    """The report as Markdown."""
    last = proof.results[-1]
    runs = "; ".join(ending(one) for one in proof.results)
    out = [
        "## What happens",
        claimed.observed,
        "## What was expected",
        claimed.expected,
        "## How to see it",
        f"At commit `{item.revision}`, in a clean checkout:",
        _block(shlex.join(claimed.command)),
        f"It failed {len(proof.results)} of {len(proof.results)} times ({runs}). The end of what it printed:",
        _block(redact(last.output)[-MAX_OUTPUT:]),
        f"With `{proof.version.replace('`', '´')}`." if proof.version else "",
        "## Why",
        claimed.cause,
    ]
    for place in finding.evidence:
        path = place.path.replace("`", "´")
        out += [f"`{path}`: lines {place.start_line} to {place.end_line}", _block(place.quote)]
    seen = "\n".join(f"{one.line}: {one.text}" for one in claimed.log_quotes)
    out += [
        "## Where it was seen",
        f"`{str(item.payload['source']).replace('`', '´')}`"
        + (f", test `{item.payload['test'].replace('`', '´')}`" if item.payload["test"] else ""),
        _block(redact(seen)),
        known,
    ]
    return "\n\n".join(filter(None, out)) + "\n"


def _block(text: str) -> str:
    fence = "~~~~"
    while fence in text:
        fence += "~"
    return f"{fence}\n{text}\n{fence}"
