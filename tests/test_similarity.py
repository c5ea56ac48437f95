"""The similarity core: words, pieces, vectors, index, learned order, siblings; each against something
known."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.evidence.similarity import blocks, lexical, ranker
from hundredfold.evidence.similarity.documents import NO_VECTORS, Block, Document, Facts, block, facts
from hundredfold.evidence.similarity.features import FEATURES, meaning_of
from hundredfold.evidence.similarity.index import Index, joined
from hundredfold.evidence.similarity.line import weights_of
from hundredfold.evidence.similarity.nearest import FEW, Nearest, best
from hundredfold.evidence.similarity.ragged import ragged
from hundredfold.evidence.similarity.siblings import marks, sibling
from hundredfold.evidence.similarity.training import Lesson, train
from hundredfold.evidence.similarity.wordpiece import WordPiece
from hundredfold.evidence.similarity.words import terms, traces
from hundredfold.sources.weights import find_weights, load_encoder

WORDS = ["crash", "login", "button", "android", "rotate", "memory", "leak", "table", "picker"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8)


def issue(number: int, title: str, body: str = "", **rest: object) -> Document:
    return Document(f"issue:{number}", "issue", title, body, created_us=number, **rest)  # type: ignore[arg-type]


def known(*documents: Document) -> list[Facts]:
    return [facts(one, NO_VECTORS) for one in documents]


def test_identifiers_are_found_whole_and_in_parts() -> None:
    assert list(terms("setWindowTitle crashes")) == ["=setwindowtitle", "set", "window", "titl", "crash"]
    assert traces("NullPointerException in src/ui/Table.java at Ti.UI.create") == {
        "nullpointerexception",
        "table.java",
        "ti.ui.create",
    }


def test_pieces_are_those_of_bert() -> None:
    pieces = WordPiece(["[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "hello", "!", "中", "cafe"])
    assert pieces.encode("Unaffable, hello!", 10) == [1, 3, 4, 5, 0, 6, 7, 2]
    assert pieces.encode("café 中文", 10) == [1, 9, 8, 0, 2]
    assert pieces.encode("hello hello hello", 4) == [1, 6, 6, 2]
    with pytest.raises(ValueError, match=r"\[SEP\]"):
        WordPiece(["[UNK]", "[CLS]"])


@given(st.text(max_size=300))
def test_any_text_has_pieces_within_the_bound(text: str) -> None:
    pieces = WordPiece(["[UNK]", "[CLS]", "[SEP]", "a", "##a"])
    found = pieces.encode(text, 16)
    assert 2 <= len(found) <= 16 and found[0] == 1 and found[-1] == 2


def test_the_encoder_gives_the_vectors_that_its_makers_publish() -> None:
    """The first numbers for this sentence stand in many a page about all-MiniLM-L6-v2."""
    folder = find_weights()
    assert folder is not None, "the development environment carries the weights"
    encoder = load_encoder(folder)
    made = encoder.embed(["This is an example sentence", "", "Each sentence is converted"])
    assert made[0][:5] == pytest.approx([0.0677, 0.0635, 0.0487, 0.0793, 0.0374], abs=2e-4)
    assert np.linalg.norm(made, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    alone = encoder.embed(["Each sentence is converted"])
    assert made[2] == pytest.approx(alone[0], abs=1e-5), "a text's neighbours do not matter"
    same, other = encoder.embed(["App crashes when rotated", "Crash on device rotation", "Add a dark theme"])[
        1:
    ]
    first = encoder.embed(["App crashes when rotated"])[0]
    assert first @ same > 0.6 > 0.3 > first @ other


def plain_bm25f(documents: list[tuple[str, str]], query: tuple[str, str]) -> list[float]:
    """The formula, written out."""
    counted = [(Counter(terms(title)), Counter(terms(body))) for title, body in documents]
    average = [max(1.0, sum(sum(one[at].values()) for one in counted) / len(counted)) for at in (0, 1)]
    asked = Counter(terms(query[1]))
    for term, times in Counter(terms(query[0])).items():
        asked[term] += int(lexical.TITLE * times)
    scores = []
    for one in counted:
        score = 0.0
        for term, times in asked.items():
            held = sum(1 for other in counted if term in other[0] or term in other[1])
            weight = 0.0
            for at, (boost, lean) in enumerate(((lexical.TITLE, lexical.LEAN_TITLE), (1.0, lexical.LEAN))):
                length = sum(one[at].values()) / average[at]
                weight += boost * one[at][term] / (1 - lean + lean * length)
            rarity = math.log1p((len(counted) - held + 0.5) / (held + 0.5))
            score += rarity * times / (times + lexical.K1) * weight / (weight + lexical.K1)
        scores.append(score)
    return scores


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12), TEXTS, TEXTS)
def test_the_index_scores_as_bm25f_says(
    rows: list[tuple[list[str], list[str]]], title: list[str], body: list[str]
) -> None:
    documents = [(" ".join(one), " ".join(other)) for one, other in rows]
    index = lexical.Lexical([lexical.segment_of([lexical.words_of(*one) for one in documents])])
    query = (" ".join(title), " ".join(body))
    assert index.scores(lexical.words_of(*query)) == pytest.approx(plain_bm25f(documents, query), abs=1e-4)


@settings(max_examples=60)
@given(
    st.lists(TEXTS, min_size=1, max_size=10),
    st.integers(0, 10),
    st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_joining_and_thinning_segments_moves_no_score_but_through_rarity(
    rows: list[list[str]], cut: int, marked: list[bool]
) -> None:
    counted = [lexical.words_of(" ".join(one), "") for one in rows]
    parts = [lexical.segment_of(part) for part in (counted[:cut], counted[cut:]) if part]
    query = lexical.words_of("crash android rotate", "")
    whole = lexical.Lexical([lexical.merged(parts)])
    assert whole.scores(query) == pytest.approx(lexical.Lexical(parts).scores(query), abs=1e-5)
    keep = np.array(marked[: len(rows)])
    thinned = lexical.kept(whole.segments[0], keep)
    assert thinned.count == keep.sum()
    pairs = {
        (key, at)
        for key, at in zip(np.repeat(thinned.keys, np.diff(thinned.starts)), thinned.documents, strict=True)
    }
    moved = np.cumsum(keep) - 1
    before = whole.segments[0]
    assert pairs == {
        (key, moved[at])
        for key, at in zip(np.repeat(before.keys, np.diff(before.starts)), before.documents, strict=True)
        if keep[at]
    }


@given(st.lists(st.frozensets(st.integers(0, 9)), max_size=8), st.frozensets(st.integers(0, 9)), st.data())
def test_shared_keys_are_counted_as_sets_would(
    rows: list[frozenset[int]], wanted: frozenset[int], data: st.DataObject
) -> None:
    some = np.array(
        data.draw(st.lists(st.integers(0, max(0, len(rows) - 1)), max_size=5 if rows else 0)), np.int64
    )
    made, asked = ragged(rows), np.array(sorted(wanted), np.uint64)
    assert made.shared(some, asked).tolist() == [len(rows[at] & wanted) for at in some]
    weighed = made.weighed(some, asked, lambda keys: np.ones(len(keys), np.float32))
    jaccard = [len(rows[at] & wanted) / max(1, len(rows[at] | wanted)) for at in some]
    assert weighed == pytest.approx(jaccard, abs=1e-6)
    assert [set(row.tolist()) for row in (made.kept(some).row(at) for at in range(len(some)))] == [
        set(rows[at]) for at in some
    ]


def test_a_search_finds_the_same_by_words_and_not_itself_nor_what_is_gone() -> None:
    documents = [
        issue(1, "Login button crashes the app on rotation", "NullPointerException in Login.java"),
        issue(2, "Add a dark theme"),
        issue(
            3, "App crashes when the login screen is rotated", "java.lang.NullPointerException in Login.java"
        ),
        Document("pull:9", "pull", "Fix crash of the login button on rotation", "", created_us=9),
    ]
    index = Index(
        0, [block(known(*documents[:2])), block(known(*documents[2:]))], ranker.shipped(words_only=True)
    )
    query = known(documents[2])[0]
    found = index.search(query)
    assert found[0].key == "issue:1" and "issue:3" not in {one.key for one in found}
    assert found[0].shared_traces == 2 and found[0].shared_title >= 3
    assert {one.key for one in index.search(query, kinds=("pull",))} == {"pull:9"}
    assert "pull:9" not in {one.key for one in index.search(query, before_us=3)}
    index.remove(["issue:1"])
    assert "issue:1" not in {one.key for one in index.search(query)}
    index.add(block(known(issue(2, "Login crash on rotation again"))))
    assert len(index) == 3 and index.search(query, kinds=("issue",))[0].key == "issue:2"


def test_an_empty_index_and_an_empty_query_find_nothing() -> None:
    assert Index(0).search(known(issue(1, "anything"))[0]) == []
    index = Index(0, [block(known(issue(1, "Crash"), issue(2, "")))])
    assert index.search(known(issue(3, "", ""))[0]) == []


def random_block(seed: int, count: int, size: int = 4) -> Block:
    chooser = np.random.default_rng(seed)
    made = []
    for at in range(count):
        words = chooser.choice(["crash", "login", "rotate", "memory", "theme", "picker", "leak"], 4)
        vectors = chooser.normal(size=(2, size)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        made.append(
            facts(issue(seed * 100 + at, " ".join(words), "Ti.UI.create in a.py", tags=("x",)), vectors)
        )
    return block(made)


def test_a_block_is_the_same_after_a_round_trip_and_a_damaged_one_is_refused() -> None:
    there = random_block(1, 7)
    back = blocks.decode(blocks.encode(there))
    assert blocks.encode(back) == blocks.encode(there) and back.keys == there.keys
    for content in (b"", b"\xc0", blocks.encode(there)[:-9], blocks.encode(there).replace(b"<f2", b"<f9")):
        if content != blocks.encode(there):
            with pytest.raises(ValueError, match="block"):
                blocks.decode(content)


def test_joined_blocks_find_what_the_blocks_found() -> None:
    parts = [random_block(seed, 9) for seed in (1, 2, 3)]
    query = facts(issue(999, "crash login", ""), np.full((2, 4), 0.5, np.float32))
    apart = Index(4, parts).search(query, 8)
    whole = Index(4, [joined(parts)]).search(query, 8)
    assert [one.key for one in apart] == [one.key for one in whole]
    assert [one.score for one in apart] == pytest.approx([one.score for one in whole], abs=2e-3)
    thinner = joined(parts, lambda key, at: at != 1)
    assert set(thinner.keys) == {*parts[0].keys, *parts[2].keys}


def test_the_nearest_of_many_are_those_of_a_full_scan_however_they_came() -> None:
    chooser = np.random.default_rng(3)
    axes = chooser.normal(size=(256, 256)) * 0.98 ** np.arange(256)[:, None]  # few directions say most

    def made(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        rows = chooser.normal(size=(count, 256)) @ axes
        unit: np.ndarray[Any, np.dtype[np.float32]] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit.astype(np.float32)

    vectors, wanted = made(2 * FEW + 200), made(6)
    there = Nearest(256)
    for start, end in ((0, FEW), (FEW, FEW + 1), (FEW + 1, 2 * FEW - 7), (2 * FEW - 7, len(vectors))):
        there.add(np.stack([vectors[start:end]] * 2, axis=1))
        for may in (np.ones(end, bool), np.arange(end) % 3 == 0, np.arange(end) < 40, np.zeros(end, bool)):
            shared = full = 0
            for one in wanted:
                cosines = np.where(may, vectors[:end] @ one, -2)
                right = [at for at in np.argsort(-cosines)[:100].tolist() if may[at]]
                found = there.best(one, may, 100)
                assert may[found].all() and len(set(found.tolist())) == len(found)
                assert there.pairs(found)[:, 0] @ one == pytest.approx(cosines[found], abs=4e-3)
                shared, full = shared + len(set(right) & set(found.tolist())), full + len(right)
            assert shared >= 0.99 * full, (shared, full)


@given(st.lists(st.integers(0, 9), max_size=200), st.integers(-1, 30))
def test_the_greatest_values_are_those_of_a_full_sort(values: list[int], most: int) -> None:
    there = np.array(values, np.float32)
    found = best(there, most)
    assert len(set(found.tolist())) == len(found) == min(len(values), max(0, most))
    assert sorted(there[found].tolist(), reverse=True) == sorted(values, reverse=True)[: max(0, most)]


def test_adding_one_by_one_finds_what_adding_all_finds_and_keeps_few_segments() -> None:
    parts = [random_block(seed, 1) for seed in range(1, 41)]
    query = facts(issue(999_999, "crash login", ""), np.full((2, 4), 0.5, np.float32))
    grown = Index(4)
    for one in parts:
        grown.add(one)
    whole = Index(4, [joined(parts)])
    assert grown.search(query, 40) == whole.search(query, 40)
    index = lexical.Lexical()
    for one in parts:
        index.add(one.lexical)
    assert index.count == 40 and len(index.segments) <= 6


def taught(count: int = 80) -> list[Lesson]:
    """Searches in which the right candidate is the one with the highest cosine, but for noise."""
    chooser = np.random.default_rng(5)
    made = []
    for _ in range(count):
        rows = chooser.random((30, len(FEATURES))).astype(np.float32)
        right = np.zeros(30, np.int64)
        right[int(rows[:, FEATURES.index("cosine")].argmax())] = 1
        made.append(Lesson(rows, right))
    return made


def test_a_trained_order_is_the_same_in_its_file_as_in_the_library() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    lessons = taught()
    model = train(lessons, embedder="words", trained_on="a test")
    again = ranker.decode(ranker.encode(model))
    assert again == model == train(lessons, embedder="words", trained_on="a test"), (
        "training is deterministic"
    )
    scores = ranker.Ranker(again).scores(lessons[0].rows)
    assert scores.argmax() == lessons[0].right.argmax() and 0 <= scores.min() <= scores.max() <= 1
    data = lightgbm.Dataset(
        np.concatenate([one.rows for one in lessons]),
        np.concatenate([one.right for one in lessons]),
        group=[30] * len(lessons),
        feature_name=list(FEATURES),
    )
    from hundredfold.evidence.similarity.training import SETTINGS, TREES

    theirs = lightgbm.train(SETTINGS, data, TREES).predict(lessons[1].rows, raw_score=True)
    line = lessons[1].rows @ np.array(again.weights)
    assert ranker.Ranker(again).sums(lessons[1].rows) == pytest.approx(theirs + line, abs=1e-3)
    whole = np.concatenate([one.rows for one in lessons])
    trees = ranker.Ranker(msgspec.structs.replace(again, weights=())).sums(whole)
    assert trees.std() == pytest.approx((whole @ np.array(again.weights)).std(), rel=1e-3), "they count alike"


def test_a_line_learns_what_made_the_choice_and_never_that_likeness_is_bad() -> None:
    chooser = np.random.default_rng(9)
    at = {one: FEATURES.index(one) for one in ("cosine", "age", "length", "title_rare")}
    lessons = []
    for _ in range(200):
        rows = chooser.random((20, len(FEATURES))).astype(np.float32)
        rows[:, FEATURES.index("same_kind")] = 1.0  # says nothing
        pull = 30 * rows[:, at["cosine"]] - 20 * rows[:, at["age"]] + 10 * rows[:, at["length"]]
        pull -= 10 * rows[:, at["title_rare"]]  # against its meaning
        right = np.zeros(20, np.int64)
        right[int((pull + chooser.gumbel(size=20)).argmax())] = 1
        lessons.append(Lesson(rows, right))
    weights = weights_of(lessons)
    assert weights[at["cosine"]] > -weights[at["age"]] > weights[at["length"]] > 1
    assert weights[at["title_rare"]] == 0 == weights[FEATURES.index("same_kind")]
    others = [one for one, name in enumerate(FEATURES) if name not in at]
    assert np.abs(weights[others]).max() < weights[at["length"]] / 3


def test_a_candidate_in_the_midst_of_a_crowd_stands_out_less() -> None:
    rows = np.zeros((4, 2, 4), np.float32)
    rows[:3, :, 0], rows[3, :, 1] = 1.0, 1.0  # three are the same, one is apart
    query = np.full((2, 4), 0.5, np.float32)
    meaning = meaning_of(query, rows)
    assert meaning.both == pytest.approx([0.5] * 4) and meaning.crossed == pytest.approx([0.5] * 4)
    vectors = [rows[at] for at in range(4)]
    documents = [facts(issue(at, "crash" if at < 3 else "login"), one) for at, one in enumerate(vectors, 1)]
    found = Index(4, [block(documents)]).candidates(facts(issue(9, "crash login"), query))
    crowd, gap = (found.features[:, FEATURES.index(one)] for one in ("crowd", "crowd_gap"))
    assert crowd == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0.0], abs=1e-6)
    assert gap == pytest.approx([0.5 - 2 / 3] * 3 + [0.5], abs=0.01)


def test_too_few_pairs_and_damaged_models_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 30"):
        train(taught(12), embedder="words", trained_on="")
    good = ranker.shipped(words_only=True).model
    tree = good.trees[0]
    for broken in (
        msgspec.structs.replace(good, features=("other",)),
        msgspec.structs.replace(good, weights=(1.0, 2.0)),
        msgspec.structs.replace(good, trees=(msgspec.structs.replace(tree, left=(0,) * len(tree.left)),)),
        msgspec.structs.replace(good, trees=(msgspec.structs.replace(tree, leaf=()),)),
        msgspec.structs.replace(
            good, trees=(msgspec.structs.replace(tree, feature=(999,) * len(tree.feature)),)
        ),
    ):
        with pytest.raises(ValueError, match=r"order|model|features"):
            ranker.decode(ranker.encode(broken))
    with pytest.raises(ValueError, match="not a ranking model"):
        ranker.decode(b"{")


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ("iOS: Tab bar flickers on open", "Android: Tab bar flickers on open", "platform: ios / android"),
        ("Table view crashes on iPhone", "Table view crashes on iOS", ""),
        ("Upgrade build tools to 3.1.0", "Upgrade build tools to 3.2.0", "version: 3.1 / 3.2"),
        ("iOS 6: map view is blank", "iOS 7: map view is blank", "version: ios 6 / ios 7"),
        ("Android: picker rotates", "iOS: memory leak in tables", ""),
        ("Crash on iOS", "Crash on Android", ""),
    ],
)
def test_siblings_differ_by_platform_or_version_alone(one: str, other: str, says: str) -> None:
    found = sibling(marks(one), marks(other))
    assert says in found and bool(found) == bool(says)
