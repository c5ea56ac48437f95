"""What `doctor` says of Codex: whether it is there, which version, and whether its sandbox confines."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from hundredfold.agents.codex.confinement import Sight
from hundredfold.agents.codex.locate import MEND, find_codex, version_of
from hundredfold.agents.codex.pool import Servers
from hundredfold.errors import HundredfoldError
from hundredfold.vocabulary import Diagnosis

#: the version whose protocol this was written and tested against
TESTED_VERSION = "0.163.0"


def diagnose(state: Path) -> list[Diagnosis]:
    """Look for Codex, and start a server below `state` (removed again) to try its sandbox for real.

    Takes about a second. Codex is optional: without it the built-in agent does the work.
    """
    program = find_codex()
    if program is None:
        return [Diagnosis("codex", False, "not found; the built-in agent is used", MEND, needed=False)]
    version = version_of(program)
    if not version:
        return [Diagnosis("codex", False, f"{program} can't be run", MEND, needed=False)]
    mend = "" if version == TESTED_VERSION else f"Tested with {TESTED_VERSION}; try a rehearsal first."
    found = Diagnosis("codex", True, f"{version} at {program}", mend, needed=False)
    return [found, asyncio.run(_try_sandbox(program, state / "codex-doctor"))]


async def _try_sandbox(program: Path, folder: Path) -> Diagnosis:
    servers = Servers(folder / "servers", program, threads=1, life=1)
    try:
        server = await servers.borrow(Sight())
    except HundredfoldError as error:
        return Diagnosis("codex sandbox", False, str(error), error.mend, needed=False)
    finally:
        await servers.close(keep_running=False)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    if server.confined:
        return Diagnosis("codex sandbox", True, "commands and Codex itself are confined", needed=False)
    return Diagnosis(
        "codex sandbox",
        True,
        "commands are confined; Codex itself is not and could read this account's files",
        "Install bubblewrap and allow unprivileged user namespaces.",
        needed=False,
    )
