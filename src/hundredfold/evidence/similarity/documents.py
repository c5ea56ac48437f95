"""What is searched: a text with where it comes from, and what code reads off it once.

An issue, a pull request, a finding, a proposal are all documents here; `kind` says which.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from hundredfold.evidence.similarity.lexical import MAX_BODY, Segment, Words, key_of, segment_of, words_of
from hundredfold.evidence.similarity.ragged import Ragged, ragged
from hundredfold.evidence.similarity.siblings import marks
from hundredfold.evidence.similarity.words import terms, traces

NO_VECTORS = np.zeros((2, 0), np.float32)  # of a document that no embedder has seen
MAX_TITLE = 1_000  # characters of a title that are compared
MAX_TRACES = 64  # of one document
ASPECTS = ("title", "traces", "tags", "platforms", "versions")


class Document(Struct, frozen=True):
    """A text that may be known already. `key` is unique among those of a project, e.g. "issue:12".

    `group` is what it belongs to (a tracker's project, a repository), `tags` its labels, components and type.
    """

    key: str
    kind: str
    title: str
    body: str
    created_us: int = 0
    group: str = ""
    tags: tuple[str, ...] = ()


class Facts(Struct, frozen=True):
    """A document as it is searched with: its counted words, its vectors and what it names."""

    key: str
    words: Words
    vectors: npt.NDArray[np.float32]  # (2, size): of the title, of the whole
    aspects: tuple[frozenset[int], ...]  # by `ASPECTS`, as keys
    created_us: int
    group: int
    kind: int
    length: int


class Block(Struct, frozen=True):
    """Documents that were added together, as arrays: what the store keeps of them."""

    keys: tuple[str, ...]
    lexical: Segment
    vectors: npt.NDArray[np.float16]  # (count, 2, size)
    aspects: tuple[Ragged, ...]
    created_us: npt.NDArray[np.int64]
    groups: npt.NDArray[np.uint64]
    kinds: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.int64]  # characters of the body


def text_of(document: Document) -> str:
    """The whole text, as it is embedded."""
    return f"{document.title[:MAX_TITLE]}\n{document.body[:MAX_BODY]}"


def facts(document: Document, vectors: npt.NDArray[np.float32]) -> Facts:
    """What there is of a document. `vectors`: of its title, and of `text_of` it."""
    title = document.title[:MAX_TITLE]
    named = marks(title)
    aspects = (
        frozenset(terms(title)),
        frozenset(sorted(traces(title) | traces(document.body[:MAX_BODY]))[:MAX_TRACES]),
        frozenset(tag.lower() for tag in document.tags),
        named.platforms,
        named.versions,
    )
    return Facts(
        key=document.key,
        words=words_of(document.title, document.body),
        vectors=vectors,
        aspects=tuple(frozenset(key_of(one) for one in aspect) for aspect in aspects),
        created_us=document.created_us,
        group=key_of(document.group),
        kind=key_of(document.kind),
        length=len(document.body),
    )


def block(documents: Sequence[Facts]) -> Block:
    """The documents as one block, in their order."""
    return Block(
        keys=tuple(one.key for one in documents),
        lexical=segment_of([one.words for one in documents]),
        vectors=np.stack([one.vectors for one in documents]).astype(np.float16),
        aspects=tuple(ragged([one.aspects[at] for one in documents]) for at in range(len(ASPECTS))),
        created_us=np.array([one.created_us for one in documents], np.int64),
        groups=np.array([one.group for one in documents], np.uint64),
        kinds=np.array([one.kind for one in documents], np.uint64),
        lengths=np.array([one.length for one in documents], np.int64),
    )
