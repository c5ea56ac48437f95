"""Clusters of comments: the same said in other words is one, different things and places are not."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.evidence.voting import MAX_COMMENTS, THRESHOLD, Comment, cluster

SAME = (
    "time.sleep(0.1) is patched to a no-op at the top of the test, so it never waits for the flusher",
    "The test monkeypatches time.sleep to a no-op, so its time.sleep(0.1) does not wait for the flusher",
    "Since time.sleep is patched to do nothing, sleep(0.1) here waits for no flusher and the test is flaky",
)
OTHER = "Metric tag key is 'shards' here but 'shard' elsewhere, which splits the series"


def partition(comments: list[Comment], threshold: float = THRESHOLD) -> set[frozenset[Comment]]:
    return {frozenset(comments[at] for at in one.members) for one in cluster(comments, threshold)}


def test_the_same_in_other_words_is_one_cluster_and_each_reviewer_one_vote() -> None:
    comments = [Comment(f"r{at}", text) for at, text in enumerate((*SAME, OTHER))]
    comments.append(Comment("r0", SAME[0]))
    first, second = cluster(comments)
    assert first.members == (0, 1, 2, 4) and first.voters == 3
    assert second.members == (3,) and second.voters == 1
    assert first.representative in first.members


def test_other_files_are_never_the_same_and_far_lines_seldom() -> None:
    there = [Comment("a", SAME[0], "x.py", 10, 12), Comment("b", SAME[1], "y.py", 10, 12)]
    assert len(cluster(there)) == 2
    near = [Comment("a", SAME[0], "x.py", 10, 12), Comment("b", SAME[1], "x.py", 14, 14)]
    assert len(cluster(near)) == 1
    far = [Comment("a", SAME[0], "x.py", 10, 12), Comment("b", SAME[1], "x.py", 900, 900)]
    assert len(cluster(far)) == 2


WORDS = ("lock", "race", "test", "null", "index", "path", "close", "leak")
comments_of = st.lists(
    st.builds(
        Comment,
        st.sampled_from("abc"),
        st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join),
        st.sampled_from(("", "x.py", "y.py")),
        st.integers(0, 40),
        st.integers(40, 50),
    ),
    max_size=12,
)


@given(comments_of, st.sampled_from((0.05, THRESHOLD, 0.5, 2.0)))
def test_every_comment_is_in_just_one_cluster_and_votes_are_counted_once(
    comments: list[Comment], threshold: float
) -> None:
    clusters = cluster(comments, threshold)
    assert sorted(itertools.chain.from_iterable(one.members for one in clusters)) == [*range(len(comments))]
    for one in clusters:
        assert one.voters == len({comments[at].voter for at in one.members})
        assert one.representative in one.members
    if threshold > 1.5:
        assert len(clusters) == len(comments)


@given(comments_of)
def test_a_higher_threshold_never_makes_fewer_clusters(comments: list[Comment]) -> None:
    counts = [len(cluster(comments, threshold)) for threshold in (0.05, 0.2, 0.5, 0.9)]
    assert counts == sorted(counts)


def test_the_work_is_bounded() -> None:
    words = [f"word{n} lock race leak path{n % 7} index{n % 11}" for n in range(MAX_COMMENTS)]
    comments = [Comment(str(n % 5), text) for n, text in enumerate(words)]
    began = time.process_time()
    cluster(comments)
    assert time.process_time() - began < 10
    with pytest.raises(ValueError, match="at most"):
        cluster([*comments, Comment("x", "one more")])


def test_texts_of_nothing_but_signs_are_no_trouble() -> None:
    assert partition([Comment("a", ""), Comment("b", "…!?"), Comment("c", "the of")]) != set()
