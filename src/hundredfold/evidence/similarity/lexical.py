"""BM25F over titles and bodies: an inverted index in arrays, made in segments that are only added to.

BM25F (Robertson, Zaragoza and Taylor 2004): the counts of a term in the fields, each divided by how long the
field is against the average, are weighed and added before they are saturated by k1. A posting keeps the
saturated weight, so a query only adds; how rare a term is comes in at query time, over all segments.

Average lengths are those of the segment when it was made, so adding documents moves no posting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from hundredfold.evidence.similarity.words import terms

K1 = 2.0
TITLE = 5.0  # weight of a word of the title against one of the body
LEAN = 0.75  # b of the body: how much longer ones count less
LEAN_TITLE = 0.5
MAX_BODY = 6_000  # characters of a body that are indexed
MAX_POSTINGS = 400_000  # that one query adds up, of its rarest words first: what bounds its time

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]


class Words(Struct, frozen=True):
    """A text as counts of its terms by their keys: in the title, in the body."""

    title: Mapping[int, int]
    body: Mapping[int, int]


class Segment(Struct, frozen=True):
    """Postings of `count` documents. Those of term `keys[i]` are `starts[i]` to `starts[i+1]`."""

    count: int
    keys: Keys  # sorted
    starts: npt.NDArray[np.int64]
    documents: Ints  # within the segment
    weights: Floats  # from 0 to 1


@lru_cache(maxsize=100_000)
def key_of(term: str) -> int:
    """The 64-bit key of a term."""
    return int.from_bytes(blake2b(term.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def words_of(title: str, body: str) -> Words:
    """The counted terms of a text."""
    return Words(
        Counter(key_of(one) for one in terms(title[:MAX_BODY])),
        Counter(key_of(one) for one in terms(body[:MAX_BODY])),
    )


def segment_of(documents: Sequence[Words]) -> Segment:
    """The segment of these documents, in their order."""
    lengths = np.array([[sum(one.title.values()), sum(one.body.values())] for one in documents], np.float32)
    lengths = lengths.reshape(len(documents), 2)
    average = np.maximum(lengths.mean(axis=0), 1.0) if documents else np.ones(2, np.float32)
    title = _field([one.title for one in documents], lengths[:, 0] / average[0], LEAN_TITLE, TITLE)
    body = _field([one.body for one in documents], lengths[:, 1] / average[1], LEAN, 1.0)
    keys, at = np.concatenate((title[0], body[0])), np.concatenate((title[1], body[1]))
    counts = np.concatenate((title[2], body[2]))
    order = np.lexsort((at, keys))
    keys, at, counts = keys[order], at[order], counts[order]
    if not len(keys):
        empty = np.zeros(0, np.float32)
        return Segment(len(documents), keys, np.zeros(1, np.int64), at, empty)
    fresh = np.concatenate(([True], (keys[1:] != keys[:-1]) | (at[1:] != at[:-1])))
    places = np.flatnonzero(fresh)
    counts = np.add.reduceat(counts, places)
    return _grouped(len(documents), keys[places], at[places], counts / (counts + K1))


def merged(segments: Sequence[Segment]) -> Segment:
    """One segment of the documents of these, one after the other."""
    offsets = np.cumsum([0, *(one.count for one in segments)])
    keys = np.concatenate([np.repeat(one.keys, np.diff(one.starts)) for one in segments])
    at = np.concatenate(
        [one.documents + np.int32(off) for one, off in zip(segments, offsets[:-1], strict=True)]
    )
    weights = np.concatenate([one.weights for one in segments])
    order = np.argsort(keys, kind="stable")
    return _grouped(int(offsets[-1]), keys[order], at[order], weights[order])


def kept(segment: Segment, keep: npt.NDArray[np.bool_]) -> Segment:
    """The segment without the documents that are not kept; the others move up."""
    if keep.all():
        return segment
    places = keep[segment.documents]
    moved = (np.cumsum(keep) - 1).astype(np.int32)
    keys = np.repeat(segment.keys, np.diff(segment.starts))[places]
    return _grouped(int(keep.sum()), keys, moved[segment.documents[places]], segment.weights[places])


class Lexical:
    """Segments as one index: documents are numbered through them in order."""

    def __init__(self, segments: Sequence[Segment] = ()) -> None:
        self.segments = list(segments)

    def add(self, segment: Segment) -> None:
        """Documents for the end. Segments of like size become one, so that there are few to look through."""
        self.segments.append(segment)
        while len(self.segments) > 1 and self.segments[-1].count * 2 >= self.segments[-2].count:
            self.segments[-2:] = [merged(self.segments[-2:])]

    @property
    def count(self) -> int:
        """How many documents there are."""
        return sum(one.count for one in self.segments)

    def rarity(self, keys: Keys) -> Floats:
        """The weight of terms by how few documents hold them (BM25's idf, never negative)."""
        held = np.zeros(len(keys))
        for segment in self.segments:
            first, last = _ranges(segment, keys)
            held += last - first
        return np.log1p((self.count - held + 0.5) / (held + 0.5)).astype(np.float32)

    def scores(self, query: Words) -> Floats:
        """(count,) how well each document answers the query.

        A term's weight is its rarity times what it would weigh in a document of average length.
        """
        keys, weights = self.weighted(query)
        out = np.zeros(self.count, np.float32)
        offset, room = 0, MAX_POSTINGS
        for segment in self.segments:
            part = out[offset : offset + segment.count]
            first, last = _ranges(segment, keys)
            most = room * segment.count // max(1, self.count)
            for weight, start, end in zip(weights.tolist(), first.tolist(), last.tolist(), strict=True):
                if end - start > most:
                    break
                most -= end - start
                np.add.at(part, segment.documents[start:end], segment.weights[start:end] * np.float32(weight))
            offset += segment.count
        return out

    def weighted(self, query: Words) -> tuple[Keys, Floats]:
        """The query's terms and their weights, heaviest first."""
        counted = Counter(query.body)
        for key, count in query.title.items():
            counted[key] += int(TITLE * count)
        keys = np.fromiter(counted, np.uint64, len(counted))
        times = np.fromiter(counted.values(), np.float32, len(counted))
        weights = self.rarity(keys) * times / (times + np.float32(K1))
        order = np.lexsort((keys, -weights))
        return keys[order], weights[order]


def _ranges(segment: Segment, keys: Keys) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the postings of each key begin and end; nowhere, for a term that is not there."""
    if not len(segment.keys):
        none = np.zeros(len(keys), np.int64)
        return none, none
    at = np.minimum(np.searchsorted(segment.keys, keys), len(segment.keys) - 1)
    there = segment.keys[at] == keys
    first = segment.starts[at]
    return first, np.where(there, segment.starts[at + 1], first)


def _field(
    counted: Sequence[Mapping[int, int]], length: Floats, lean: float, weight: float
) -> tuple[Keys, Ints, Floats]:
    sizes = [len(one) for one in counted]
    total = sum(sizes)
    keys = np.fromiter(chain.from_iterable(counted), np.uint64, total)
    times = np.fromiter(chain.from_iterable(one.values() for one in counted), np.float32, total)
    at = np.repeat(np.arange(len(counted), dtype=np.int32), sizes)
    scale = np.float32(weight) / (np.float32(1 - lean) + np.float32(lean) * length)
    return keys, at, times * scale[at].astype(np.float32)


def _grouped(count: int, keys: Keys, at: Ints, weights: npt.NDArray[np.floating[Any]]) -> Segment:
    """A segment of postings that are sorted by key, then by document."""
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else np.zeros(0)
    return Segment(
        count,
        keys[starts.astype(np.int64)],
        np.append(starts, len(keys)).astype(np.int64),
        at.astype(np.int32),
        weights.astype(np.float32),
    )
