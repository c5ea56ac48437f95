"""The stored index of what is known: its documents, blocks and orders.

A block is a blob and a row; documents point at the block that holds them as they are now. Blocks are joined
when there are many, so that a search opens few. All of it is one project's and one embedder's: with another
embedder the index is made anew beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.errors import StorageError
from hundredfold.evidence.similarity import blocks
from hundredfold.evidence.similarity.documents import Block
from hundredfold.evidence.similarity.index import joined
from hundredfold.evidence.similarity.ranker import Model, decode, encode
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database, now_us
from hundredfold.store.tables.similarity import known_blocks, known_documents, known_orders
from hundredfold.store.text import storable

MANY = 8  # blocks that are not full, before they are joined
BATCH = 500  # rows of one statement

Kept = tuple[str, str, str]
"""(kind, title, digest) of a document."""


class DocumentRow(Struct, frozen=True):
    """A document of the index: what it was when it was indexed, and which block holds it."""

    key: str
    kind: str
    title: str
    digest: str
    block: int


class Shelf:
    """The index of one project by one embedder."""

    def __init__(self, database: Database, blobs: Blobs, project: str, embedder: str) -> None:
        self._database, self._blobs = database, blobs
        self._project, self._embedder = project, embedder

    def documents(self) -> dict[str, DocumentRow]:
        """All documents, by key."""
        table = known_documents
        query = sa.select(table.c.key, table.c.kind, table.c.title, table.c.digest, table.c.block)
        with self._database.read() as connection:
            rows = connection.execute(query.where(*self._mine(table)))
            return {row.key: DocumentRow(*row) for row in rows}

    def document(self, key: str) -> DocumentRow | None:
        """One document, or None."""
        table = known_documents
        query = sa.select(table.c.key, table.c.kind, table.c.title, table.c.digest, table.c.block)
        with self._database.read() as connection:
            row = connection.execute(query.where(*self._mine(table), table.c.key == key)).one_or_none()
        return None if row is None else DocumentRow(*row)

    def newest(self) -> int:
        """The number of the newest block; another one means that the index has changed."""
        with self._database.read() as connection:
            found = connection.execute(
                sa.select(sa.func.max(known_blocks.c.id)).where(*self._mine(known_blocks))
            )
            return int(found.scalar() or 0)

    def blocks(self) -> Iterator[Block]:
        """The blocks, oldest first, each read when it is asked for.

        Raises:
            StorageError: one is gone or damaged; names the mend.
        """
        return (self._read(blob) for _, blob, _ in self._rows())

    def add(self, block: Block, documents: Mapping[str, Kept]) -> int:
        """Keep a block and its documents, and return the block's number. `documents` are the block's keys."""
        blob = self._blobs.put(blocks.encode(block))
        with self._database.write() as connection:
            number = self._insert(connection, blob, len(block.keys))
            self._point(connection, documents, number)
        return number

    def remove(self, keys: Collection[str]) -> None:
        """Forget documents; their places in blocks go when those are joined."""
        wanted = sorted(keys)
        with self._database.write() as connection:
            for start in range(0, len(wanted), BATCH):
                here = known_documents.c.key.in_(wanted[start : start + BATCH])
                connection.execute(sa.delete(known_documents).where(*self._mine(known_documents), here))

    def compact(self) -> bool:
        """Join the blocks that are not full if there are many; whether that was so."""
        rows = self._rows()
        small = [row for row in rows if row[2] < blocks.MOST_DOCUMENTS // 2]
        if len(small) <= MANY:
            return False
        tail: list[tuple[int, str, int]] = []
        for row in reversed(small):  # newest first, as many as fit in one
            if sum(one[2] for one in tail) + row[2] > blocks.MOST_DOCUMENTS:
                break
            tail.insert(0, row)
        if len(tail) < 2:
            return False
        numbers = [number for number, _, _ in tail]
        there = self.documents()
        made = joined(
            [self._read(blob) for _, blob, _ in tail],
            lambda key, at: key in there and there[key].block == numbers[at],
        )
        blob = self._blobs.put(blocks.encode(made))
        with self._database.write() as connection:
            number = self._insert(connection, blob, len(made.keys))
            mine = self._mine(known_documents)
            connection.execute(
                sa.update(known_documents)
                .where(*mine, known_documents.c.block.in_(numbers))
                .values(block=number)
            )
            connection.execute(
                sa.delete(known_blocks).where(*self._mine(known_blocks), known_blocks.c.id.in_(numbers))
            )
        return True

    def order(self) -> Model | None:
        """The order that was trained on this project's own pairs, if there is one.

        Raises:
            StorageError: it is damaged, or of another version; names the mend.
        """
        query = sa.select(known_orders.c.blob).where(*self._mine(known_orders))
        with self._database.read() as connection:
            blob = connection.execute(query).scalar()
        try:
            return None if blob is None else decode(self._blobs.get(blob))
        except ValueError as error:
            raise StorageError(f"this project's trained order: {error}", _RETRAIN) from error

    def keep_order(self, model: Model, gain: float, record: dict[str, Any]) -> None:
        """Use this order from now on."""
        blob = self._blobs.put(encode(model))
        with self._database.write() as connection:
            connection.execute(sa.delete(known_orders).where(*self._mine(known_orders)))
            connection.execute(
                sa.insert(known_orders).values(
                    project=self._project,
                    embedder=self._embedder,
                    blob=blob,
                    pairs=model.pairs,
                    gain=gain,
                    trained_us=now_us(),
                    record=record,
                )
            )

    def forget_order(self) -> None:
        """Go back to the shipped order."""
        with self._database.write() as connection:
            connection.execute(sa.delete(known_orders).where(*self._mine(known_orders)))

    def forget(self) -> None:
        """Forget the whole index; the next refresh makes it anew."""
        with self._database.write() as connection:
            for table in (known_documents, known_blocks):
                connection.execute(sa.delete(table).where(*self._mine(table)))

    def _mine(self, table: sa.Table) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return table.c.project == self._project, table.c.embedder == self._embedder

    def _rows(self) -> list[tuple[int, str, int]]:
        table = known_blocks
        query = sa.select(table.c.id, table.c.blob, table.c.documents).where(*self._mine(table))
        with self._database.read() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query.order_by(table.c.id))]

    def _read(self, blob: str) -> Block:
        try:
            return blocks.decode(self._blobs.get(blob))
        except ValueError as error:
            raise StorageError(f"a part of the index of what is known: {error}", _REBUILD) from error

    def _insert(self, connection: sa.Connection, blob: str, documents: int) -> int:
        done = connection.execute(
            sa.insert(known_blocks).values(
                project=self._project,
                embedder=self._embedder,
                documents=documents,
                blob=blob,
                made_us=now_us(),
            )
        )
        assert done.inserted_primary_key is not None
        return int(done.inserted_primary_key[0])

    def _point(self, connection: sa.Connection, documents: Mapping[str, Kept], block: int) -> None:
        keys: Sequence[str] = list(documents)
        for start in range(0, len(keys), BATCH):
            here = keys[start : start + BATCH]
            connection.execute(
                sa.delete(known_documents).where(
                    *self._mine(known_documents), known_documents.c.key.in_(here)
                )
            )
            connection.execute(
                sa.insert(known_documents),
                [
                    {
                        "project": self._project,
                        "embedder": self._embedder,
                        "key": key,
                        "kind": documents[key][0],
                        "title": storable(documents[key][1]),
                        "digest": documents[key][2],
                        "block": block,
                    }
                    for key in here
                ],
            )


_REBUILD = "Make it anew: hundredfold known refresh --anew."
_RETRAIN = "Go back to the shipped one, and train again: hundredfold known train --shipped, then known train."
