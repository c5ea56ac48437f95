"""The outbox of notices: what people are told by chat, kept until it was delivered."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text
from sqlalchemy.types import JSON

from hundredfold.store.tables.base import metadata

# States: waiting → sent; or refused (the service said it will never take it), replaced (a newer one of its
# slot came before it was sent), withdrawing → withdrawn (undone).
notices = Table(
    "notices",
    metadata,
    Column("id", String, primary_key=True),  # derived from its content: the same is not told twice
    Column("project", String, ForeignKey("projects.slug"), nullable=False),
    Column("channel", String, nullable=False),  # "discord", or one of the extra's
    Column("kind", String, nullable=False),  # "status", "alert", "digest", "notice"
    Column("slot", String, nullable=False),  # one message edited in place; "" = a message of its own
    Column("record", JSON, nullable=False),  # title, body, picture's blob, simulated
    Column("state", String, nullable=False),
    Column("message", String, nullable=False, default=""),  # the service's id of it
    Column("tries", Integer, nullable=False),
    Column("due_us", BigInteger, nullable=False),  # not tried before
    Column("error", Text, nullable=False, default=""),
    Column("made_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Index(None, "project", "channel", "state", "due_us"),
)
