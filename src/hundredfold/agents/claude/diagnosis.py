"""What `doctor` says of Claude Code: whether it is there, which version, and how to get it."""

from __future__ import annotations

from hundredfold.agents.claude.locate import MEND, TESTED_VERSION, find_claude
from hundredfold.agents.programs.npm import find_node, version_of
from hundredfold.vocabulary import Diagnosis


def diagnose() -> list[Diagnosis]:
    """Look for Claude Code and have it say its version (about half a second). It is optional."""
    program = find_claude()
    if program is None:
        node = find_node()
        found = "not found" if node else "not found, and neither is Node"
        return [Diagnosis("claude", False, found, MEND, needed=False)]
    version = version_of(program)
    path = program.words[-1]
    if not version:
        return [Diagnosis("claude", False, f"{path} can't be run", MEND, needed=False)]
    tested = "" if version == TESTED_VERSION else f" (tested with {TESTED_VERSION}: try a rehearsal first)"
    return [Diagnosis("claude", True, f"{version} at {path}{tested}", needed=False)]
