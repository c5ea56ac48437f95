"""The index: blocks of documents, searched by words and by meaning, the best put in a learned order.

A search takes the best by BM25F and the best by cosine (exact, over all documents), and orders their union by
the ranker, or by a fixed mixture of both where there is none. Adding documents adds a block; `joined` makes
one of several, so that there are few. Vectors of size 0 mean that there is no meaning to search by, only
words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from hundredfold.evidence.similarity import lexical, ragged
from hundredfold.evidence.similarity.documents import ASPECTS, Block, Facts
from hundredfold.evidence.similarity.features import features, hybrid
from hundredfold.evidence.similarity.lexical import key_of
from hundredfold.evidence.similarity.ranker import Ranker

DEPTH = 100  # candidates by each of the two searches

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Match(Struct, frozen=True):
    """A document that may say the same. `score` orders matches of one search.

    With a ranker it is the probability, by the pairs it was trained on, that a reader would call both the
    same; without one it is the mixture of `cosine` (-1 to 1) and `lexical` (0 to 1, share of the best).
    """

    key: str
    score: float
    cosine: float
    lexical: float
    shared_title: int  # words that both titles have
    shared_traces: int  # exceptions, files and dotted names that both have


class Candidates(Struct, frozen=True):
    """What the two searches brought, before it is put in order."""

    rows: Numbers
    lexical: Rows
    cosine: Rows
    features: Rows


class Index:
    """An index in memory. Not changed by a search; `add` must not run beside one."""

    def __init__(self, size: int, blocks: Iterable[Block] = (), ranker: Ranker | None = None) -> None:
        """`size`: the length of the vectors."""
        self.size = size
        self.ranker = ranker
        self.blocks: list[Block] = []
        self.keys: list[str] = []
        self._row: dict[str, int] = {}
        self._alive = np.zeros(0, bool)
        self._both: Rows = np.zeros((0, size), np.float32)
        self._join()
        for one in blocks:
            self.add(one)

    def __len__(self) -> int:
        return int(self._alive[: len(self.keys)].sum())

    def __contains__(self, key: str) -> bool:
        return key in self._row

    def add(self, block: Block) -> None:
        """Add documents; one whose key is there already takes its place."""
        start, count = len(self.keys), len(block.keys)
        self.blocks.append(block)
        both = _both(block.vectors)
        if start + count > len(self._both):
            room = max(start + count, start + start // 8)
            self._both = _grown(self._both, start, room)
            self._alive = _grown(self._alive, start, room)
        self._both[start : start + count] = both
        self._alive[start : start + count] = True
        for row, key in enumerate(block.keys, start):
            if (gone := self._row.get(key)) is not None:
                self._alive[gone] = False
            self._row[key] = row
        self.keys += block.keys
        self._join()

    def remove(self, keys: Collection[str]) -> None:
        """Documents that are found no more."""
        for key in keys:
            if (row := self._row.pop(key, None)) is not None:
                self._alive[row] = False

    def vectors_of(self, key: str) -> Rows | None:
        """(2, size): the vectors of a document that is there."""
        row = self._row.get(key)
        return None if row is None else self._vectors(np.array([row]))[0]

    def search(
        self, query: Facts, most: int = 10, *, kinds: Collection[str] = (), before_us: int | None = None
    ) -> list[Match]:
        """The documents most like the query, best first; never the query's own.

        `kinds`: only documents of these, if any are named; `before_us`: only what was made before.
        """
        found = self.candidates(query, kinds=kinds, before_us=before_us)
        if not len(found.rows):
            return []
        order_by = (
            self.ranker.scores(found.features)
            if self.ranker is not None
            else hybrid(found.lexical, found.cosine)
        )
        best = max(float(found.lexical.max()), 1e-6)
        named, written = ASPECTS.index("title"), ASPECTS.index("traces")
        order = np.lexsort((-found.rows, -order_by))[:most]
        rows = found.rows[order]
        shared = [
            self._aspects[at].shared(rows, np.fromiter(query.aspects[at], np.uint64, len(query.aspects[at])))
            for at in (named, written)
        ]
        return [
            Match(
                key=self.keys[found.rows[at]],
                score=round(float(order_by[at]), 6),
                cosine=round(float(found.cosine[at]), 4),
                lexical=round(float(found.lexical[at]) / best, 4),
                shared_title=int(shared[0][place]),
                shared_traces=int(shared[1][place]),
            )
            for place, at in enumerate(order.tolist())
        ]

    def candidates(
        self, query: Facts, *, kinds: Collection[str] = (), before_us: int | None = None
    ) -> Candidates:
        """The best by words and the best by meaning, with what the ranker looks at."""
        count = len(self.keys)
        words = self._lexical.scores(query.words)
        wanted = _both(query.vectors[None])[0]
        meaning = self._both[:count] @ wanted
        may = self._alive[:count].copy()
        if (own := self._row.get(query.key)) is not None:
            may[own] = False
        if before_us is not None:
            may &= self._created < before_us
        if kinds:
            may &= np.isin(self._kinds, np.array([key_of(one) for one in kinds], np.uint64))
        by_words = _best(np.where(may, words, -1.0), DEPTH)
        by_meaning = _best(np.where(may, meaning, -2.0), DEPTH if self.size else 0)
        rows = np.union1d(by_words[words[by_words] > 0], by_meaning)
        rows = rows[may[rows]]
        lexical_there, both = words[rows], meaning[rows]
        vectors = self._vectors(rows)
        title, whole = (np.einsum("ij,j->i", vectors[:, at], query.vectors[at]) for at in (0, 1))
        crossed = np.einsum("ij,j->i", vectors[:, 0], query.vectors[1])
        crossed = (crossed + np.einsum("ij,j->i", vectors[:, 1], query.vectors[0])) / 2
        _, weights = self._lexical.weighted(query.words)
        itself = float((weights * weights).sum() / max(float(weights.max(initial=0.0)), 1e-6))
        found = features(
            query,
            rows,
            lexical_there,
            (title, whole, crossed, both),
            self._lexical.rarity,
            itself,
            self._aspects,
            (self._created[rows], self._groups[rows], self._kinds[rows], self._lengths[rows]),
        )
        return Candidates(rows, lexical_there, both, found)

    def _vectors(self, rows: Numbers) -> Rows:
        """(len(rows), 2, size), gathered from the blocks."""
        out = np.empty((len(rows), 2, self.size), np.float32)
        at = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(at).tolist():
            here = at == number
            start = self._ends[number - 1] if number else 0
            out[here] = self.blocks[number].vectors[rows[here] - start]
        return out

    def _join(self) -> None:
        self._lexical = lexical.Lexical([one.lexical for one in self.blocks])
        self._ends = np.cumsum([one.lexical.count for one in self.blocks], dtype=np.int64)
        parts = [[one.aspects[at] for one in self.blocks] for at in range(len(ASPECTS))]
        self._aspects = tuple(ragged.joined(one) for one in parts)
        self._created, self._groups, self._kinds, self._lengths = (
            np.concatenate([getattr(one, name) for one in self.blocks] or [np.zeros(0, np.int64)])
            for name in ("created_us", "groups", "kinds", "lengths")
        )


def joined(blocks: Sequence[Block], wanted: Callable[[str, int], bool] = lambda key, block: True) -> Block:
    """One block of the documents of all, without those that are not `wanted` (key, number of the block)."""
    keep = np.array([wanted(key, at) for at, one in enumerate(blocks) for key in one.keys], bool)
    rows = np.flatnonzero(keep)
    keys = [key for one in blocks for key in one.keys]
    aspects = (ragged.joined([one.aspects[at] for one in blocks]) for at in range(len(ASPECTS)))

    def of(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(one, name) for one in blocks])[rows]

    return Block(
        keys=tuple(keys[row] for row in rows.tolist()),
        lexical=lexical.kept(lexical.merged([one.lexical for one in blocks]), keep),
        vectors=of("vectors"),
        aspects=tuple(one.kept(rows) for one in aspects),
        created_us=of("created_us"),
        groups=of("groups"),
        kinds=of("kinds"),
        lengths=of("lengths"),
    )


def _both(vectors: npt.NDArray[np.floating[Any]]) -> Rows:
    """(count, 2, size) → (count, size): title and whole added, of length 1."""
    added = vectors.astype(np.float32).sum(axis=1)
    unit: Rows = added / np.maximum(np.linalg.norm(added, axis=1, keepdims=True), 1e-9)
    return unit


def _grown(there: npt.NDArray[Any], count: int, room: int) -> npt.NDArray[Any]:
    made = np.zeros((room, *there.shape[1:]), there.dtype)
    made[:count] = there[:count]
    return made


def _best(values: Rows, most: int) -> Numbers:
    count = len(values)
    top = np.argpartition(values, count - most)[count - most :] if 0 < most < count else np.arange(count)
    return top[:most].astype(np.int64)
