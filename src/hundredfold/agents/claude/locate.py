"""Finding Claude Code: the program named, or the one on PATH."""

from __future__ import annotations

from hundredfold.agents.programs.npm import NODE_MEND, as_program, find_program
from hundredfold.agents.programs.protocol import Program

#: names the Claude Code to use, before any other
OVERRIDE = "HUNDREDFOLD_CLAUDE"
#: the version whose lines this was written and tested against
TESTED_VERSION = "2.1.330"

MEND = (
    f"`npm install -g @anthropic-ai/claude-code@{TESTED_VERSION}` brings the version this was tested with "
    "(without a version npm may take an old one), or name the program in HUNDREDFOLD_CLAUDE. " + NODE_MEND
)


def find_claude() -> Program | None:
    """Claude Code, or None if it (or the Node that an old one needs) is not there. Starts nothing."""
    found = find_program("claude", OVERRIDE)
    return as_program(found) if found else None
