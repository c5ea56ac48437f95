"""What the learned order looks at: one row of numbers a candidate, compared with the query."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from hundredfold.evidence.similarity.documents import ASPECTS, Facts
from hundredfold.evidence.similarity.nearest import together
from hundredfold.evidence.similarity.ragged import Keys, Ragged

DAY_US = 86_400_000_000

# What is looked at. +1: more of it never speaks against the same, -1: never for it, 0: either.
SIGNS = {
    "lexical": +1,  # BM25F, against the best candidate's
    "lexical_self": +1,  # and against what the query itself would score
    "lexical_rank": -1,
    "cosine_title": +1,
    "cosine_whole": +1,
    "cosine_crossed": +1,  # the query's title with the candidate's whole, and the other way round
    "cosine": +1,  # of title and whole added
    "cosine_rank": -1,
    "cosine_gap": -1,  # to the best candidate's
    "hybrid": +1,
    "hybrid_rank": -1,
    "hybrid_gap": -1,
    "crowd": 0,  # cosine to the other candidates, on average: what is like everything says little
    "crowd_best": 0,  # to the best of them
    "crowd_gap": +1,  # to the query, less that to those nearest to the candidate
    "title_jaccard": +1,
    "title_rare": +1,  # the same, each word by its rarity
    "title_inside": +1,  # shared words of the shorter title
    "traces": +1,  # shared exceptions, files, dotted names
    "traces_jaccard": +1,
    "tags_jaccard": +1,
    "tags_none": 0,  # one of them has none
    "same_group": +1,
    "same_kind": +1,
    "age": -1,  # log of days between them
    "platform_same": +1,
    "platform_other": -1,  # both name some, and none of the other's
    "version_same": +1,
    "version_other": -1,
    "length": 0,  # log of the candidate's body
    "length_ratio": 0,
}
FEATURES = tuple(SIGNS)

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
HYBRID_COSINE = 0.75  # weight of the cosine in the order before the learned one
BEST = 5  # candidates that count as the best
NEAREST = 10  # candidates that count as near to one of them


class Meaning(Struct, frozen=True):
    """What the vectors of a query and of its candidates say: cosines, one a candidate."""

    title: Rows
    whole: Rows
    crossed: Rows
    both: Rows
    vectors: Rows  # (count, size) the candidates', title and whole together


def hybrid(lexical: Rows, cosine: Rows) -> Rows:
    """The order that needs no training: cosine, and BM25F as a share of the best."""
    best = float(lexical.max(initial=0.0)) or 1.0
    return HYBRID_COSINE * cosine + (1 - HYBRID_COSINE) * lexical / best


def features(
    query: Facts,
    rows: Numbers,
    lexical: Rows,
    meaning: Meaning,
    rarity: Callable[[Keys], Rows],
    itself: float,
    aspects: tuple[Ragged, ...],
    about: tuple[Numbers, Numbers, Numbers, Numbers],
) -> Rows:
    """(len(rows), len(FEATURES)) of the candidates `rows`.

    `lexical` and `meaning` are theirs; `itself` is the query's own BM25F; `rarity` weighs terms; `about`
    holds when each was made, its group, kind and length.
    """
    both = meaning.both
    mixed = hybrid(lexical, both)
    created, groups, kinds, lengths = about
    sizes = [one.sizes(rows) for one in aspects]
    wanted = [np.fromiter(one, np.uint64, len(one)) for one in query.aspects]
    shared = [one.shared(rows, keys) for one, keys in zip(aspects, wanted, strict=True)]
    mine = [len(one) for one in query.aspects]
    jaccard = [shared[at] / np.maximum(1, mine[at] + sizes[at] - shared[at]) for at in range(len(ASPECTS))]
    named, written, tags, platforms, versions = range(len(ASPECTS))
    age = np.log1p(np.abs(created - query.created_us) / DAY_US)
    columns = (
        lexical / max(float(lexical.max(initial=0.0)), 1e-6),
        lexical / max(itself, 1e-6),
        _rank(lexical),
        meaning.title,
        meaning.whole,
        meaning.crossed,
        both,
        _rank(both),
        both.max(initial=0.0) - both,
        mixed,
        _rank(mixed),
        mixed.max(initial=0.0) - mixed,
        *_crowd(meaning, mixed),
        jaccard[named],
        aspects[named].weighed(rows, wanted[named], rarity),
        shared[named] / np.maximum(1, np.minimum(sizes[named], mine[named])),
        shared[written],
        jaccard[written],
        jaccard[tags],
        (sizes[tags] == 0) | (mine[tags] == 0),
        groups == np.uint64(query.group),
        kinds == np.uint64(query.kind),
        age,
        shared[platforms] > 0,
        (shared[platforms] == 0) & (sizes[platforms] > 0) & (mine[platforms] > 0),
        shared[versions] > 0,
        (shared[versions] == 0) & (sizes[versions] > 0) & (mine[versions] > 0),
        np.log1p(lengths),
        np.log1p(lengths) - np.log1p(query.length),
    )
    return np.stack([np.asarray(one, np.float32) for one in columns], axis=1)


def meaning_of(query: Rows, candidates: Rows) -> Meaning:
    """Of a query's vectors (2, size) and its candidates' (count, 2, size)."""
    vectors = together(candidates)
    return Meaning(
        title=candidates[:, 0] @ query[0],
        whole=candidates[:, 1] @ query[1],
        crossed=(candidates[:, 0] @ query[1] + candidates[:, 1] @ query[0]) / 2,
        both=vectors @ together(query[None])[0],
        vectors=vectors,
    )


def _crowd(meaning: Meaning, mixed: Rows) -> tuple[Rows, Rows, Rows]:
    """How near each candidate is to the others: to all, to the best, and how much nearer the query is."""
    alike = meaning.vectors @ meaning.vectors.T
    np.fill_diagonal(alike, 0.0)
    others = max(1, len(alike) - 1)
    leaders = np.argsort(-mixed, kind="stable")[:BEST]
    is_leader = np.isin(np.arange(len(alike)), leaders)
    near = min(NEAREST, others)
    nearest = -np.partition(-alike, near - 1, axis=1)[:, :near] if len(alike) else alike
    return (
        alike.sum(axis=1) / others,
        alike[:, leaders].sum(axis=1) / np.maximum(1, len(leaders) - is_leader),
        meaning.both - nearest.sum(axis=1) / near,
    )


def _rank(values: Rows) -> Rows:
    """The logarithm of each one's place, best first."""
    place = np.empty(len(values), np.float32)
    place[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return np.log1p(place)
