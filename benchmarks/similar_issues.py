"""How well issues that say the same are found: recall and mean average precision on a real tracker.

    python benchmarks/similar_issues.py titanium-dev.jsonl.gz [--cache DIR] [--ship | --rehearse]

The file holds one issue a line in order of creation; `duplicate_of` names earlier ones (tidev/jira-archive,
Apache-2.0). Every issue with a duplicate is searched for among all that were created before it. The learned
order is trained on the earlier half of these searches and tested on the later half; everything is reported
for both. Right is what `duplicate_of` names, and nothing else; the last line tells what the learned order
comes to if all that is linked with that, over any number of steps, counts as well.

Compared, on the same searches: TF-IDF cosine (scikit-learn, sublinear, as a first try would be), BM25F
(ours), plain cosine of one embedding of title and body (what gitcrawl does, here with MiniLM), the mixture of
both without training, and the learned order; and the same without the encoder. Intervals are bootstraps over
searches (2.5 % to 97.5 %), comparisons are paired.

`--cache` keeps the vectors, which take about 13 minutes of CPU to make. `--ship` writes the orders that the
program ships, trained on all searches. `--rehearse` looks at the earlier half alone, cross-validated in time
(each of four later parts by an order learned on what was before it): features and settings are chosen by it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hundredfold.evidence.similarity.documents import NO_VECTORS, Document, Facts, block, facts, text_of
from hundredfold.evidence.similarity.features import hybrid
from hundredfold.evidence.similarity.index import Candidates, Index
from hundredfold.evidence.similarity.ranker import Ranker, encode
from hundredfold.evidence.similarity.training import Lesson, lesson, train
from hundredfold.jobs.known import TITLE_TOKENS, TOKENS
from hundredfold.sources.weights import MEND, find_weights, load_encoder

BOOTSTRAPS = 2_000
FOLDS = 4
SEED = 1
OTHERS = 400  # searches of issues without a known duplicate, from which the score's meaning is learned too
DATA = Path(__file__).parents[1] / "src/hundredfold/evidence/data/similarity"
TOLD = "tidev/jira-archive (Apache-2.0): 14,850 issues, 561 with a known duplicate"

Order = list[int]
"""Rows of documents, best first."""


class Tracker(NamedTuple):
    """The documents in order of creation, and for each search (a row) the rows that are right."""

    documents: list[Document]
    right: dict[int, set[int]]


class Score(NamedTuple):
    """What one search came to."""

    at_1: float
    at_5: float
    at_10: float
    precision: float


def read(path: Path) -> Tracker:
    raw = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    place = {one["id"]: at for at, one in enumerate(raw)}
    right = {
        at: found
        for at, one in enumerate(raw)
        if (found := {place[other] for other in one["duplicate_of"] if place.get(other, at) < at})
    }
    return Tracker([document(one) for one in raw], right)


def document(one: dict[str, Any]) -> Document:
    created = datetime.strptime(one["created_at"], "%Y-%m-%dT%H:%M:%S.%f%z")
    return Document(
        key=f"issue:{one['id']}",
        kind="issue",
        title=one["title"],
        body=one["body"] or "",
        created_us=int(created.timestamp() * 1_000_000),
        group=one["id"].partition("-")[0],
        tags=(*one["components"], f"type:{one['type']}"),
    )


def vectors_of(documents: Sequence[Document], cache: Path | None) -> np.ndarray[Any, Any]:
    """(documents, 2, size), from the cache if they are there."""
    folder = find_weights()
    if folder is None:
        raise SystemExit(f"the encoder's weights are not installed: {MEND}")
    encoder = load_encoder(folder)
    file = cache / f"{encoder.name}-{len(documents)}.npy" if cache else None
    if file and file.exists():
        loaded: np.ndarray[Any, Any] = np.load(file)
        return loaded
    began = time.process_time()
    titles = encoder.embed([one.title for one in documents], TITLE_TOKENS)
    wholes = encoder.embed([text_of(one) for one in documents], TOKENS)
    took = time.process_time() - began
    print(f"embedding: {took:.0f} CPU s, {len(documents) / took:.0f} documents a CPU second")
    made = np.stack([titles, wholes], axis=1)
    if file:
        np.save(file, made)
    return made


def searched(tracker: Tracker, known: list[Facts], rows: Sequence[int]) -> dict[int, Candidates]:
    """Every search, among what was created before."""
    index = Index(known[0].vectors.shape[1], [block(known)])
    return {at: index.candidates(known[at], before_us=known[at].created_us) for at in rows}


def lessons(tracker: Tracker, found: dict[int, Candidates], rows: Sequence[int]) -> list[Lesson]:
    """Pairs are taken together: what duplicates the same issue says the same."""
    keys = [one.key for one in tracker.documents]
    same = groups(tracker, rows)
    return [
        lesson(found[at], keys, {keys[other] for other in same.get(at, {at}) if other != at}) for at in rows
    ]


def groups(tracker: Tracker, rows: Sequence[int]) -> dict[int, set[int]]:
    made: dict[int, set[int]] = {}
    for at in rows:
        if at not in tracker.right:
            continue
        whole = {at, *tracker.right[at]}.union(
            *(made.get(other, set()) for other in (at, *tracker.right[at]))
        )
        made.update(dict.fromkeys(whole, whole))
    return made


def score(order: Order, right: set[int]) -> Score:
    places = [at for at, row in enumerate(order[:100]) if row in right]
    precision = sum((number + 1) / (at + 1) for number, at in enumerate(places)) / len(right)
    best = min(places, default=1_000)
    return Score(best < 1, best < 5, best < 10, precision)


def ordered(found: Candidates, by: np.ndarray[Any, Any]) -> Order:
    rows: Order = found.rows[np.lexsort((-found.rows, -by))].tolist()
    return rows


def learned(order: Ranker, found: Candidates) -> np.ndarray[Any, Any]:
    return order.scores(found.features)


def tf_idf(tracker: Tracker, rows: Sequence[int]) -> dict[int, Order]:
    """The peer that everybody tries first."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [f"{one.title}\n{one.body}" for one in tracker.documents]
    matrix = TfidfVectorizer(sublinear_tf=True, stop_words="english", min_df=2).fit_transform(texts)
    found = {}
    for at in rows:
        alike = (matrix[:at] @ matrix[at].T).toarray().ravel()
        found[at] = np.argsort(-alike, kind="stable")[:100].tolist()
    return found


def report(name: str, scores: list[Score], against: list[Score] | None = None) -> str:
    """One line: the means with their intervals, and the paired difference of recall@1, recall@10 and MAP to
    another."""
    values = np.array(scores)
    chooser = np.random.default_rng(SEED)
    picks = chooser.integers(0, len(values), (BOOTSTRAPS, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), (0.025, 0.975), axis=0)
    means = values.mean(axis=0)
    line = f"{name:20}" + "  ".join(
        f"{mean:.3f} [{one:.3f}, {other:.3f}]" for mean, one, other in zip(means, low, high, strict=True)
    )
    if against is not None:
        apart = (np.array(against) - values)[picks].mean(axis=1)
        low, high = np.quantile(apart, (0.025, 0.975), axis=0)
        line += f"   learned order more by: recall@1 [{low[0]:+.3f}, {high[0]:+.3f}]"
        line += f" recall@10 [{low[2]:+.3f}, {high[2]:+.3f}]"
        line += f" MAP [{low[3]:+.3f}, {high[3]:+.3f}]"
    return line


def rehearse(tracker: Tracker, found: dict[int, Candidates], rows: Sequence[int], name: str) -> None:
    """Cross-validation in time: the last three fifths of these searches, in four parts."""
    first = len(rows) * 2 // 5
    cuts = [first + (len(rows) - first) * at // FOLDS for at in range(FOLDS + 1)]
    judged: dict[str, list[Score]] = {"untrained": [], "learned": []}
    for start, end in pairwise(cuts):
        order = Ranker(train(lessons(tracker, found, rows[:start]), embedder=name, trained_on="a part"))
        for at in rows[start:end]:
            one = found[at]
            for way, by in (("untrained", hybrid(one.lexical, one.cosine)), ("learned", learned(order, one))):
                judged[way].append(score(ordered(one, by), tracker.right[at]))
    for way, scores in judged.items():
        print(report(f"{name}: {way}", scores), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    tracker = read(options.file)
    vectors = vectors_of(tracker.documents, options.cache)
    rows = sorted(tracker.right)
    chooser = np.random.default_rng(SEED)
    others = sorted(
        set(chooser.choice(np.arange(1_000, len(tracker.documents)), OTHERS, replace=False).tolist())
        - set(rows)
    )
    cut = len(rows) // 2
    early, late = rows[:cut], rows[cut:]
    before = [one for one in others if one < late[0]]
    print(
        f"{len(tracker.documents)} issues, {len(rows)} searches, {len(early)} to train, {len(late)} to test"
    )
    ways: dict[str, dict[int, Order]] = {} if options.rehearse else {"TF-IDF": tf_idf(tracker, rows)}
    for name, given in (("words", None), ("minilm", vectors)):
        known = [
            facts(one, NO_VECTORS if given is None else given[at]) for at, one in enumerate(tracker.documents)
        ]
        if options.rehearse:
            rehearse(tracker, searched(tracker, known, early), early, name)
            continue
        found = searched(tracker, known, [*rows, *others])
        order = Ranker(train(lessons(tracker, found, [*early, *before]), embedder=name, trained_on="half"))
        by: dict[str, Callable[[Candidates], np.ndarray[Any, Any]]] = {
            f"{name}: untrained": lambda one: hybrid(one.lexical, one.cosine),
            f"{name}: learned": partial(learned, order),
        }
        if given is None:
            by = {"BM25F": lambda one: one.lexical, f"{name}: learned": by[f"{name}: learned"]}
        else:
            plain = given[:, 1]
            ways["plain cosine"] = {
                at: np.argsort(-(plain[:at] @ plain[at]), kind="stable")[:100].tolist() for at in rows
            }
        for way, sort in by.items():
            ways[way] = {at: ordered(found[at], sort(found[at])) for at in rows}
        if options.ship:
            model = train(lessons(tracker, found, [*rows, *others]), embedder=name, trained_on=TOLD)
            (DATA / f"{name}.json").write_bytes(encode(model) + b"\n")
            print(f"wrote {DATA / name}.json, {len(encode(model)):,} bytes")
    if options.rehearse:
        return
    for label, some in (("all (the learned ones have seen half)", rows), ("the later half", late)):
        print(f"\n{label}: {len(some)} searches" + " " * 8 + "recall@1, recall@5, recall@10, MAP")
        scored = {way: [score(found[at], tracker.right[at]) for at in some] for way, found in ways.items()}
        best = scored["minilm: learned"]
        for way, scores in scored.items():
            print(report(way, scores, best if scores is not best else None), flush=True)
        same = groups(tracker, rows)
        wider = [score(ways["minilm: learned"][at], {one for one in same[at] if one < at}) for at in some]
        print(report("… chains followed", wider))


if __name__ == "__main__":
    main()
