"""Whether a learned "do these two comments say the same?" would vote better than the product's likeness.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.review_pairs review-comments-dev.json.gz [--subsets 40]

Data and rules are `review_voting`'s. The learned likeness is a logistic regression over few features of a
pair: the product's likeness, the share of identifiers in common (rarer ones heavier), whether one reviewer
wrote both, and the cosine of the sentence encoder's vectors where its weights are installed. It learns from
the pairs of which at least one is marked: the same where both match one golden comment. The pairs of a pull
request are judged by a model of all others (leave one out). Average precision says how well pairs are told
apart; F1 what voting makes of it, by the product's own clustering, at each threshold.
"""

from __future__ import annotations

import argparse
import math
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.review_voting import PullRequest, f1, free, read, scores_of
from hundredfold.evidence.voting import THRESHOLD, Comment, grouped, likeness
from hundredfold.sources.weights import find_weights, load_encoder

SETTINGS = ((5, 2), (8, 3))
LEARNED = (0.1, 0.15, 0.2, 0.3, 0.4)
COSINES = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
SEED = 1
NAME = re.compile(r"`[^`]+`|\w+(?:[._]\w+|[a-z0-9][A-Z]\w*)\w*")

Square = npt.NDArray[np.float64]


def features(pull: PullRequest, vectors: npt.NDArray[np.float32] | None) -> dict[str, Square]:
    comments = [Comment(reviewer, text) for reviewer, text, _ in pull.comments]
    names = [frozenset(re.findall(r"\w{3,}", " ".join(NAME.findall(one.text)))) for one in comments]
    spread = Counter(name for held in names for name in held)

    def weight(held: frozenset[str]) -> float:
        return sum(math.log(1 + len(comments) / spread[name]) for name in held)

    made = {
        "likeness": np.array(likeness(comments)),
        "identifiers": np.array(
            [[weight(a & b) / (math.sqrt(weight(a) * weight(b)) or 1.0) for b in names] for a in names]
        ),
        "one reviewer": np.array([[float(a.voter == b.voter) for b in comments] for a in comments]),
    }
    if vectors is not None:
        made["cosine"] = (vectors @ vectors.T).astype(np.float64)
    return made


def pairs(pull: PullRequest) -> list[tuple[int, int, bool]]:
    """Two comments of which at least one is marked, and whether they match one golden comment."""
    marks = [held for _, _, held in pull.comments]
    return [
        (at, before, bool(marks[at] & marks[before]))
        for at in range(len(marks))
        for before in range(at)
        if marks[at] or marks[before]
    ]


def learned(pulls: list[PullRequest], given: list[dict[str, Square]], names: list[str]) -> list[Square]:
    """Each pull request's probabilities, by a model of the others."""
    stacked = [np.stack([one[name] for name in names], axis=-1) for one in given]
    known = [pairs(pull) for pull in pulls]
    rows = [np.array([one[a, b] for a, b, _ in held]) for one, held in zip(stacked, known, strict=True)]
    right = [np.array([same for *_, same in held]) for held in known]
    made = []
    for at, one in enumerate(stacked):
        others = [other for other in range(len(pulls)) if other != at and known[other]]
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(np.concatenate([rows[n] for n in others]), np.concatenate([right[n] for n in others]))
        said = model.predict_proba(one.reshape(-1, len(names)))[:, 1]
        made.append(said.reshape(one.shape[:2]))
    return made


def report(
    name: str, pulls: list[PullRequest], alike: list[Square], grid: tuple[float, ...], subsets: int
) -> None:
    told, right = [], []
    for pull, one in zip(pulls, alike, strict=True):
        for a, b, same in pairs(pull):
            told.append(one[a, b])
            right.append(same)
    print(f"{name}: average precision of pairs {average_precision_score(right, told):.3f} of {len(right)}")
    everyone = sorted({one[0] for pull in pulls for one in pull.comments})
    for count, votes in SETTINGS:
        for threshold in grid:
            chooser = random.Random(SEED)
            shown, whole, loose = [], [], []
            for _ in range(subsets):
                chosen = set(chooser.sample(everyone, count))
                rows = []
                for pull, one in zip(pulls, alike, strict=True):
                    held = [at for at, comment in enumerate(pull.comments) if comment[0] in chosen]
                    said = [pull.comments[at] for at in held]
                    plain = [Comment(reviewer, text) for reviewer, text, _ in said]
                    clusters = grouped(plain, one[np.ix_(held, held)].tolist(), threshold)
                    rows.append(scores_of(clusters, said, votes, pull.golden))
                shown.append(f1([one["shown"] for one in rows]))
                whole.append(f1([one["any"] for one in rows]))
                loose.append(free([one["any"] for one in rows]))
            means = " / ".join(f"{sum(one) / len(one):.3f}" for one in (shown, whole, loose))
            print(
                f"  {count} reviewers, >= {votes}, at {threshold:.2f}: shown / any / any, free {means}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--subsets", type=int, default=40)
    options = parser.parse_args()
    pulls = read(options.file)
    folder = find_weights()
    encoder = load_encoder(folder) if folder else None
    given = [
        features(pull, encoder.embed([text for _, text, _ in pull.comments]) if encoder else None)
        for pull in pulls
    ]
    report("the product's", pulls, [one["likeness"] for one in given], (THRESHOLD,), options.subsets)
    words = ["likeness", "identifiers", "one reviewer"]
    report("learned, words", pulls, learned(pulls, given, words), LEARNED, options.subsets)
    if encoder:
        report("cosine", pulls, [one["cosine"] for one in given], COSINES, options.subsets)
        both = [*words, "cosine"]
        report("learned, words and cosine", pulls, learned(pulls, given, both), LEARNED, options.subsets)


if __name__ == "__main__":
    main()
