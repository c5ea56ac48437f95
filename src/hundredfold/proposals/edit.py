"""Changing a proposal before it is decided: by a named person, with its first wording kept."""

from __future__ import annotations

from typing import Literal

import msgspec

from hundredfold.errors import ConfigError
from hundredfold.proposals.decide import checked_name
from hundredfold.store import proposals
from hundredfold.store.database import Database, now_us
from hundredfold.vocabulary import SIMULATED, Proposal

MAX_TEXT = 1_000_000  # characters; what a forge takes of it is cut and said when it is published


def edited(
    database: Database, proposal: Proposal, title: str, body: str, *, by: str, in_the_open: bool = False
) -> Literal["changed", "same", "decided meanwhile"]:
    """Give an open proposal another title or body, or let a private one be seen by others.

    Raises:
        ConfigError: no name, no text, too long a text, or a private type that has nothing to show in the
        open.
    """
    by = checked_name(by)
    if (
        not title.removeprefix(SIMULATED.strip()).strip()
        or not body.strip()
        or len(title) + len(body) > MAX_TEXT
    ):
        raise ConfigError("title or body is empty, or they are too long", "Nothing was changed.")
    if in_the_open and proposal.type == "advisory":
        raise ConfigError(
            "an advisory is private by its nature", "Approve it as it is; publish it on the forge yourself."
        )
    title = title.strip()
    if proposal.title.startswith(SIMULATED) and not title.startswith(SIMULATED):
        title = SIMULATED + title  # whatever a person calls it, no model was behind it
    after = msgspec.structs.replace(
        proposal, title=title, body=body, private=proposal.private and not in_the_open
    )
    if after == proposal:
        return "same"
    with database.write() as connection:
        done = proposals.edit(connection, after, by, now_us())
    return "changed" if done else "decided meanwhile"
