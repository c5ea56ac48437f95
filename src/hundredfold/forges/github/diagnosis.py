"""What `doctor` says of the forge: whether its credential is there, whom it makes us, and what it may do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hundredfold.errors import HundredfoldError
from hundredfold.forges.github.access import client_of
from hundredfold.forges.github.client import GitHubClient
from hundredfold.forges.github.repo import Repo
from hundredfold.vocabulary import Diagnosis

if TYPE_CHECKING:
    from hundredfold.settings import ForgeSettings

TIMEOUT_S = 20.0
_READ_ONLY = "Give the token write access to issues, pull requests and contents."


def diagnose(settings: ForgeSettings) -> Diagnosis:
    """One line on `[forge]`. GitHub is asked twice; nothing is changed."""
    if settings.kind == "local":
        return Diagnosis("forge", True, "local: what is approved becomes files on this machine", needed=False)
    try:
        return asyncio.run(asyncio.wait_for(_asked(settings), TIMEOUT_S))
    except HundredfoldError as error:
        return Diagnosis("forge", False, f"{settings.repository}: {error}", error.mend, needed=False)
    except TimeoutError:
        mend = "Is the network up, and [forge] base-url right?"
        return Diagnosis("forge", False, f"{settings.repository}: no answer", mend, needed=False)


async def _asked(settings: ForgeSettings) -> Diagnosis:
    client = client_of(settings)
    try:
        return await _found(client, settings.repository)
    finally:
        await client.close()


async def _found(client: GitHubClient, repository: str) -> Diagnosis:
    login = await client.login()
    found = await Repo(client, repository).read()
    if found is None:
        mend = "Is [forge] repository right, and may the token see it?"
        return Diagnosis("forge", False, f"{repository} is not there for {login}", mend, needed=False)
    may = found.get("permissions") or {}
    if found.get("archived"):
        mend = "Nothing can be published to an archived repository."
        return Diagnosis("forge", False, f"{repository} is archived", mend, needed=False)
    if may and not (may.get("push") or may.get("triage")):
        return Diagnosis("forge", False, f"{repository} as {login}, read only", _READ_ONLY, needed=False)
    rate = client.rate
    left = f", {rate.remaining} of {rate.limit} requests left" if rate else ""
    return Diagnosis("forge", True, f"{repository} as {login}{left}", needed=False)
