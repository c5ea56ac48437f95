"""Which of several reviewers' comments say the same: average-linkage clusters over texts and places.

Two comments are as alike as the mean of two cosines: of their weighted words (with identifiers split into
theirs, and word endings cut off), and of their runs of four letters. Weights are by rarity among the comments
at hand, so a word that all of them use says little. Comments on different files are never alike; on lines far
apart they are less so, on the same lines a little more.

`THRESHOLD` was tuned on other reviewers' comments, which name no lines (`benchmarks/review_voting.py`).
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

MAX_COMMENTS = 400  # time and memory grow with the square: a second for so many
MAX_TEXT = 4_000  # characters of a comment that are compared
THRESHOLD = 0.16  # average likeness within a cluster; a flat optimum, from .12 to .20
NEAR_LINES = 5  # comments at most so far apart may well speak of the same place
SAME_PLACE = 0.08  # added for them; a choice, not tuned: the data has no lines
DISTINCT = 0.30  # comments of a cluster that are no more alike than this each add something
MAX_OTHERS = 2  # of a cluster, besides its representative
GRAM = 4

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*|\d+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ENDINGS = (
    "ization", "ations", "ation", "ities", "ingly", "edly", "ments", "ment", "ness", "ings", "ing", "ions",
    "ion", "ies", "ied", "ers", "er", "ed", "es", "ly", "s", "e",
)  # fmt: skip
_COMMON_WORDS = (
    "a an the this that these those it its is are was were be been being of to in on for with by from as "
    "at and or not no but if then than when where which who what will would can could should may might must "
    "do does did has have had there here so such also into over only any all each both more most other same "
    "because since while after before instead use used using uses make makes made consider code line lines "
    "method function however even though thus via eg ie"
)
_COMMON = frozenset(_COMMON_WORDS.split())

Vector = Mapping[str, float]


class Comment(Struct, frozen=True):
    """One reviewer's comment. Lines are 1-based and inclusive; 0 if it speaks of no lines, "" of no file."""

    voter: str
    text: str
    path: str = ""
    start_line: int = 0
    end_line: int = 0


class Cluster(Struct, frozen=True):
    """Comments that say the same, by their index, in order; `voters` is how many reviewers made them.

    `representative` is the one most like what the other reviewers said; of equals, what names most code.
    `others` are at most `MAX_OTHERS` members that say it differently from that and from each other.
    """

    representative: int
    members: tuple[int, ...]
    voters: int
    others: tuple[int, ...] = ()


def cluster(comments: Sequence[Comment], threshold: float = THRESHOLD) -> tuple[Cluster, ...]:
    """The clusters of the comments, in order of their first member; the comments' order decides ties only.

    Raises:
        ValueError: more than `MAX_COMMENTS` comments.
    """
    if len(comments) > MAX_COMMENTS:
        raise ValueError(f"{len(comments)} comments, at most {MAX_COMMENTS} can be compared")
    return grouped(comments, likeness(comments), threshold)


def grouped(
    comments: Sequence[Comment], said: Sequence[Sequence[float]], threshold: float
) -> tuple[Cluster, ...]:
    """The same by a given likeness of their texts: symmetric, a row and a column a comment."""
    alike = _placed(comments, said)
    made = []
    for members in sorted(_merged(alike, threshold)):
        voters = {comments[one].voter for one in members}
        ranked = _ranked(members, comments, alike)
        made.append(Cluster(ranked[0], members, len(voters), _others(ranked, said)))
    return tuple(made)


def _ranked(
    members: Sequence[int], comments: Sequence[Comment], alike: Sequence[Sequence[float]]
) -> list[int]:
    """The members, the one that speaks best for them first. Two voters support each other equally."""

    def best_first(one: int) -> tuple[float, int, int]:
        said = comments[one]
        support = sum(alike[one][other] for other in members if comments[other].voter != said.voter)
        return -round(support, 9), -len(_names(said.text)), one

    return sorted(members, key=best_first)


def _others(ranked: Sequence[int], said: Sequence[Sequence[float]]) -> tuple[int, ...]:
    told = [ranked[0]]
    for one in ranked[1:]:
        if len(told) <= MAX_OTHERS and all(said[one][other] < DISTINCT for other in told):
            told.append(one)
    return tuple(told[1:])


def _names(text: str) -> set[str]:
    """The identifiers of more than one part in the text."""
    return {word for word in _WORD.findall(text[:MAX_TEXT]) if len(_PART.findall(word)) > 1}


def _merged(alike: Sequence[Sequence[float]], threshold: float) -> list[tuple[int, ...]]:
    """Merge the two clusters whose members are most alike on average, until none are alike enough.

    The average between a merged cluster and a third one lies between those of its parts, so a pair below the
    threshold matters only through the sums of what it becomes part of.
    """
    sums: dict[int, dict[int, float]] = {
        one: {other: value for other, value in enumerate(row) if other != one}
        for one, row in enumerate(alike)
    }
    members: dict[int, tuple[int, ...]] = {one: (one,) for one in sums}
    heap = [
        (-value, one, other)
        for one, row in sums.items()
        for other, value in row.items()
        if one < other and value >= threshold
    ]
    heapq.heapify(heap)
    fresh = len(sums)
    while heap:
        _, one, other = heapq.heappop(heap)
        if one not in sums or other not in sums:
            continue
        first, second = sums.pop(one), sums.pop(other)
        members[fresh] = tuple(sorted(members.pop(one) + members.pop(other)))
        joined: dict[int, float] = {}
        for third, row in sums.items():
            joined[third] = row[fresh] = first[third] + second[third]
            del row[one], row[other]
            average = joined[third] / (len(members[fresh]) * len(members[third]))
            if average >= threshold:
                heapq.heappush(heap, (-average, third, fresh))
        sums[fresh] = joined
        fresh += 1
    return list(members.values())


def likeness(comments: Sequence[Comment]) -> list[list[float]]:
    """How alike the texts of each two comments are, from 0 to 1; 1 of each with itself."""
    texts = [one.text[:MAX_TEXT] for one in comments]
    words = _weighted([_words(text) for text in texts])
    grams = _weighted([_grams(text) for text in texts])
    alike = [[1.0] * len(comments) for _ in comments]
    for at in range(len(comments)):
        for before in range(at):
            text = (_cosine(words[at], words[before]) + _cosine(grams[at], grams[before])) / 2
            alike[at][before] = alike[before][at] = text
    return alike


def _placed(comments: Sequence[Comment], said: Sequence[Sequence[float]]) -> list[list[float]]:
    """The likeness of the comments, given that of their texts, by the places they speak of."""
    return [
        [_there(text, one, other) for text, other in zip(row, comments, strict=True)]
        for row, one in zip(said, comments, strict=True)
    ]


def _there(text: float, one: Comment, other: Comment) -> float:
    if one.path != other.path and one.path and other.path:
        return 0.0
    if not (one.start_line and other.start_line and one.path == other.path):
        return text
    apart = max(0, one.start_line - other.end_line, other.start_line - one.end_line)
    return text + SAME_PLACE if apart <= NEAR_LINES else text * math.sqrt(NEAR_LINES / apart)


def _weighted(counted: Sequence[Counter[str]]) -> list[Vector]:
    """Unit vectors of the features, rarer ones heavier."""
    spread = Counter(feature for features in counted for feature in features)
    vectors: list[Vector] = []
    for features in counted:
        vector = {
            feature: (1 + math.log(count)) * math.log(1 + len(counted) / spread[feature])
            for feature, count in features.items()
        }
        length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
        vectors.append({feature: value / length for feature, value in vector.items()})
    return vectors


def _cosine(one: Vector, other: Vector) -> float:
    if len(other) < len(one):
        one, other = other, one
    return sum(value * other[feature] for feature, value in one.items() if feature in other)


def _words(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for word in _WORD.findall(text):
        parts = [part.lower() for part in _PART.findall(word)]
        if len(parts) > 1:  # an identifier: it and its parts count
            found[f"={word.lower()}"] += 1
        found.update(_stem(part) for part in parts if len(part) > 1 and part not in _COMMON)
    return found


def _stem(word: str) -> str:
    ending = next((one for one in _ENDINGS if word.endswith(one) and len(word) - len(one) >= 3), "")
    return word.removesuffix(ending)


def _grams(text: str) -> Counter[str]:
    plain = " ".join(_WORD.findall(text.lower()))
    return Counter(plain[at : at + GRAM] for at in range(max(1, len(plain) - GRAM + 1)))
