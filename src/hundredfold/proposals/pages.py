"""Waiting proposals as files a person can read in an editor: `inbox/ID.md` in the project's own folder.

The store is the truth and these are its picture: made anew by `refresh`, removed when decided, never read.
"""

from __future__ import annotations

import re
from pathlib import Path

from hundredfold.forges.folder import Folder
from hundredfold.proposals.inbox import WAITING, Detail, detail
from hundredfold.proposals.sanitise import block_for_terminal, for_terminal
from hundredfold.store import proposals
from hundredfold.store.database import Database
from hundredfold.vocabulary import Evidence

_OURS = re.compile(r"p-[0-9a-f]{12}\.md")


def refresh(database: Database, project: str, state: Path) -> int:
    """Make the files of what waits, remove those of what is decided; how many wait.

    Args:
        state: the project's folder (`config.Place.state`).

    Raises:
        StorageError: the folder can't be written.
    """
    folder = Folder(state / "inbox")
    waiting = proposals.of_project(database, project, states=WAITING)
    wanted = {f"{row.proposal.id}.md": row.proposal.id for row in waiting}
    there = set(folder.names())
    for name in sorted(there - wanted.keys()):
        if _OURS.fullmatch(name):
            folder.remove(name)
    for name, proposal in wanted.items():
        shown = detail(database, proposal)
        if shown is not None and (page := rendered(shown).encode()) != (
            folder.read(name) if name in there else None
        ):
            folder.write(name, page)
    return len(wanted)


def rendered(shown: Detail) -> str:
    """The page of one proposal."""
    entry = shown.entry
    what = [entry.type, entry.job, f"about {entry.review_minutes:g} min to review"]
    if entry.severity is not None:
        what.insert(0, f"{entry.severity}, confidence {entry.confidence:.2f}")
    if entry.private:
        what.append("private: stays on this machine")
    if shown.edited_by:
        what.append(f"edited by {', '.join(map(for_terminal, shown.edited_by))}")
    lines = [
        f"# {entry.title}",
        "",
        f"`{entry.id}` · {' · '.join(what)}",
        "",
        f"About {entry.about or entry.item} (`{entry.item}`).",
        "",
        *(line for one in shown.does for line in (f"→ {one}", "")),
        shown.body.rstrip(),
        "",
    ]
    for finding in shown.findings:
        lines += [f"## Evidence for `{finding.id}` ({for_terminal(finding.rule)})", ""]
        for evidence in finding.evidence:
            lines += _evidence(evidence)
    if shown.preconditions:
        lines += ["## Applied only if", ""]
        lines += [
            f"- {for_terminal(key)}: {for_terminal(value)}"
            for key, value in sorted(shown.preconditions.items())
        ]
        lines.append("")
    lines += [
        "## Decide",
        "",
        "```",
        f"hundredfold approve {entry.id}    # --dry-run shows the exact calls",
        f"hundredfold edit {entry.id}",
        f'hundredfold reject {entry.id} --reason "…"',
        f"hundredfold why {entry.id}",
        "```",
        "",
        "This file is made from the database; changing it changes nothing.",
        "",
    ]
    return "\n".join(lines)


def _evidence(evidence: Evidence) -> list[str]:
    quote = block_for_terminal(evidence.quote).rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", quote)), default=0))
    place = f"{for_terminal(evidence.path)}:{evidence.start_line}"
    if evidence.end_line != evidence.start_line:
        place += f"-{evidence.end_line}"
    note = [for_terminal(evidence.note), ""] if evidence.note else []
    return [f"{place} at {evidence.revision[:12]}", "", fence, quote, fence, "", *note]
