"""What `doctor` says of Codex: whether it is there, which version, and whether its sandbox really confines."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hundredfold.agents.codex import process
from hundredfold.agents.codex.confinement import Sight
from hundredfold.agents.codex.locate import MEND, Codex, find_codex, version_of
from hundredfold.agents.codex.pool import ServerPool
from hundredfold.agents.protocol import Diagnosis
from hundredfold.errors import UnavailableError

#: the version whose protocol this backend was written and tested against
TESTED_VERSION = "0.163.0"


def diagnose(state: Path) -> list[Diagnosis]:
    """Look for Codex, and start a server below `state` (removed again) to try its sandbox for real.

    Blocks for about a second. Codex is optional: without it, the native agent does the work.
    """
    codex = find_codex()
    if codex is None:
        return [Diagnosis("codex", False, "not found; the native agent is used", MEND, needed=False)]
    version = version_of(codex)
    if not version:
        return [Diagnosis("codex", False, f"{codex.binary} can't be run", MEND, needed=False)]
    mend = "" if version == TESTED_VERSION else f"Tested with {TESTED_VERSION}; run a rehearsal first."
    found = Diagnosis("codex", True, f"{version} at {codex.binary}", mend, needed=False)
    return [found, asyncio.run(_try_sandbox(codex, state / "codex-doctor"))]


async def _try_sandbox(codex: Codex, folder: Path) -> Diagnosis:
    workspaces = folder / "workspaces"
    workspaces.mkdir(parents=True, exist_ok=True, mode=0o700)
    pool = ServerPool(folder / "servers", threads_per_server=1, threads_per_life=1)
    try:
        server = await pool.take(codex, Sight(roots=frozenset({workspaces.resolve()})))
    except UnavailableError as error:
        return Diagnosis("codex sandbox", False, str(error), error.mend, needed=False)
    finally:
        await pool.close(keep_running=False)
        await asyncio.to_thread(process.remove, folder)
    if server.confined:
        return Diagnosis("codex sandbox", True, "commands and Codex itself are confined", needed=False)
    return Diagnosis(
        "codex sandbox",
        True,
        "commands are confined, Codex itself is not: it could read this account's files",
        "Install the package `bubblewrap` and allow unprivileged user namespaces.",
        needed=False,
    )
