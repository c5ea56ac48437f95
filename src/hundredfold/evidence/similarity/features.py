"""What the learned order looks at: one row of numbers a candidate, compared with the query."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hundredfold.evidence.similarity.documents import ASPECTS, Facts
from hundredfold.evidence.similarity.ragged import Keys, Ragged

DAY_US = 86_400_000_000

FEATURES = (
    "lexical",  # BM25F, against the best candidate's
    "lexical_self",  # and against what the query itself would score
    "lexical_rank",
    "cosine_title",
    "cosine_whole",
    "cosine_crossed",  # the query's title with the candidate's whole, and the other way round
    "cosine",  # of title and whole added
    "cosine_rank",
    "cosine_gap",  # to the best candidate's
    "hybrid",
    "hybrid_rank",
    "hybrid_gap",
    "title_jaccard",
    "title_rare",  # the same, each word by its rarity
    "title_inside",  # shared words of the shorter title
    "traces",  # shared exceptions, files, dotted names
    "traces_jaccard",
    "tags_jaccard",
    "tags_none",  # one of them has none
    "same_group",
    "same_kind",
    "age",  # log of days between them
    "platform_same",
    "platform_other",  # both name some, and none of the other's
    "version_same",
    "version_other",
    "length",  # log of the candidate's body
    "length_ratio",
)

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
HYBRID_COSINE = 0.75  # weight of the cosine in the order before the learned one


def hybrid(lexical: Rows, cosine: Rows) -> Rows:
    """The order that needs no training: cosine, and BM25F as a share of the best."""
    best = float(lexical.max(initial=0.0)) or 1.0
    return HYBRID_COSINE * cosine + (1 - HYBRID_COSINE) * lexical / best


def features(
    query: Facts,
    rows: Numbers,
    lexical: Rows,
    vectors: tuple[Rows, Rows, Rows, Rows],
    rarity: Callable[[Keys], Rows],
    itself: float,
    aspects: tuple[Ragged, ...],
    about: tuple[Numbers, Numbers, Numbers, Numbers],
) -> Rows:
    """(len(rows), len(FEATURES)) of the candidates `rows`.

    `lexical` and `vectors` (cosines of title, whole, crossed, both) are theirs; `itself` is the query's own
    BM25F; `rarity` weighs terms; `about` holds when each was made, its group, kind and length.
    """
    title, whole, crossed, both = vectors
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
        title,
        whole,
        crossed,
        both,
        _rank(both),
        both.max(initial=0.0) - both,
        mixed,
        _rank(mixed),
        mixed.max(initial=0.0) - mixed,
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


def _rank(values: Rows) -> Rows:
    """The logarithm of each one's place, best first."""
    place = np.empty(len(values), np.float32)
    place[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return np.log1p(place)
