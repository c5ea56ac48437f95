"""The index: blocks of documents, searched by words and by meaning, the best put in a learned order.

A search takes the best by BM25F and the best by cosine (`nearest`), and orders their union by the ranker, or
by a fixed mixture of both where there is none. Documents are added in blocks, whose parts are laid end to end
(`growing`); `joined` makes one block of several, so that the store holds few. Vectors of size 0 mean that
there is no meaning to search by, only words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from hundredfold.evidence.similarity import lexical, ragged
from hundredfold.evidence.similarity.documents import ASPECTS, Block, Facts
from hundredfold.evidence.similarity.features import features, hybrid, meaning_of
from hundredfold.evidence.similarity.growing import Growing, GrowingRagged
from hundredfold.evidence.similarity.lexical import key_of
from hundredfold.evidence.similarity.nearest import Nearest, best, together
from hundredfold.evidence.similarity.ranker import Ranker

DEPTH = 100  # candidates by each of the two searches
# The columns of numbers that a block has, and their types.
ABOUT = {"created_us": np.int64, "groups": np.uint64, "kinds": np.uint64, "lengths": np.int64}

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
        self.keys: list[str] = []
        self._row: dict[str, int] = {}
        self._alive = Growing((), bool)
        self._nearest = Nearest(size)
        self._lexical = lexical.Lexical()
        self._aspects = tuple(GrowingRagged() for _ in ASPECTS)
        self._about = {name: Growing((), kind) for name, kind in ABOUT.items()}
        for one in blocks:
            self.add(one)

    def __len__(self) -> int:
        return int(self._alive.rows.sum())

    def __contains__(self, key: str) -> bool:
        return key in self._row

    def add(self, block: Block) -> None:
        """Add documents; one whose key is there already takes its place."""
        start = len(self.keys)
        self._alive.extend(np.ones(len(block.keys), bool))
        for row, key in enumerate(block.keys, start):
            if (gone := self._row.get(key)) is not None:
                self._alive.rows[gone] = False
            self._row[key] = row
        self.keys += block.keys
        self._nearest.add(block.vectors)
        self._lexical.add(block.lexical)
        for there, more in zip(self._aspects, block.aspects, strict=True):
            there.extend(more)
        for name, column in self._about.items():
            column.extend(getattr(block, name))

    def remove(self, keys: Collection[str]) -> None:
        """Documents that are found no more."""
        for key in keys:
            if (row := self._row.pop(key, None)) is not None:
                self._alive.rows[row] = False

    def vectors_of(self, key: str) -> Rows | None:
        """(2, size): the vectors of a document that is there."""
        row = self._row.get(key)
        return None if row is None else self._nearest.pairs(np.array([row]))[0]

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
        most_words = max(float(found.lexical.max()), 1e-6)
        named, written = ASPECTS.index("title"), ASPECTS.index("traces")
        order = np.lexsort((-found.rows, -order_by))[:most]
        rows = found.rows[order]
        shared = [
            self._aspects[at].ragged.shared(
                rows, np.fromiter(query.aspects[at], np.uint64, len(query.aspects[at]))
            )
            for at in (named, written)
        ]
        return [
            Match(
                key=self.keys[found.rows[at]],
                score=round(float(order_by[at]), 6),
                cosine=round(float(found.cosine[at]), 4),
                lexical=round(float(found.lexical[at]) / most_words, 4),
                shared_title=int(shared[0][place]),
                shared_traces=int(shared[1][place]),
            )
            for place, at in enumerate(order.tolist())
        ]

    def candidates(
        self, query: Facts, *, kinds: Collection[str] = (), before_us: int | None = None
    ) -> Candidates:
        """The best by words and the best by meaning, with what the ranker looks at."""
        words = self._lexical.scores(query.words)
        wanted = together(query.vectors[None])[0]
        created, groups, kinds_there, lengths = (self._about[name].rows for name in ABOUT)
        may = self._alive.rows.copy()
        if (own := self._row.get(query.key)) is not None:
            may[own] = False
        if before_us is not None:
            may &= created < before_us
        if kinds:
            may &= np.isin(kinds_there, np.array([key_of(one) for one in kinds], np.uint64))
        np.putmask(words, ~may, 0.0)
        by_words = best(words, DEPTH)
        by_meaning = self._nearest.best(wanted, may, DEPTH if self.size else 0)
        rows = np.union1d(by_words[words[by_words] > 0], by_meaning)
        lexical_there, meaning = words[rows], meaning_of(query.vectors, self._nearest.pairs(rows))
        _, weights = self._lexical.weighted(query.words)
        itself = float((weights * weights).sum() / max(float(weights.max(initial=0.0)), 1e-6))
        found = features(
            query,
            rows,
            lexical_there,
            meaning,
            self._lexical.rarity,
            itself,
            tuple(one.ragged for one in self._aspects),
            (created[rows], groups[rows], kinds_there[rows], lengths[rows]),
        )
        return Candidates(rows, lexical_there, meaning.both, found)


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
