"""Whether a learned "do these two comments say the same?" would vote better than the product's likeness.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.review_pairs review-comments-dev.json.gz [--subsets 40]

Data and rules are `review_voting`'s. The learned likeness is a logistic regression over few features of a
pair: the product's likeness, the share of identifiers in common (rarer ones heavier), and the cosine of the
sentence encoder's vectors where its weights are installed. It learns from
the pairs of which at least one is marked: the same where both match one golden comment. The pairs of a pull
request are judged by a model of all others (leave one out). Average precision says how well pairs are told
apart; the best threshold is the one that tells them apart best, by F1 of pairs, and its range is of what the
pull requests choose that are left when one is left out; F1 is what voting makes of it, by the product's own
clustering, at each threshold. Cosine at .60 is the recipe whose published figures are the aim.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.review_voting import PullRequest, Score, f1, read, reviewers_of, scores_of, subsets
from hundredfold.evidence.voting import THRESHOLD, Comment, grouped, likeness
from hundredfold.sources.weights import find_weights, load_encoder

SETTINGS = ((5, 2), (8, 3))
LEARNED = (0.1, 0.15, 0.2, 0.3, 0.4)
COSINES = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
RULES = ("shown", "any")
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
    }
    if vectors is not None:
        made["cosine"] = (vectors @ vectors.T).astype(np.float64)
    return made


def pairs(pull: PullRequest) -> list[tuple[int, int, bool]]:
    """Two reviewers' comments of which at least one is marked, and whether they match one golden comment.

    Of one reviewer's, the judge marks no two with the same one, whatever they say.
    """
    said = pull.comments
    return [
        (at, before, bool(said[at][2] & said[before][2]))
        for at in range(len(said))
        for before in range(at)
        if said[at][0] != said[before][0] and (said[at][2] or said[before][2])
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


def best_threshold(said: list[Square], known: list[list[tuple[int, int, bool]]], left_out: int = -1) -> float:
    """Where pairs are told apart best, by F1."""
    told = [one[a, b] for at, one in enumerate(said) if at != left_out for a, b, _ in known[at]]
    right = [same for at, held in enumerate(known) if at != left_out for *_, same in held]
    precision, recall, thresholds = precision_recall_curve(right, told)
    both = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(thresholds[int(np.argmax(both[:-1]))])


def report(
    name: str, pulls: list[PullRequest], alike: list[Square], grid: tuple[float, ...], number: int
) -> None:
    known = [pairs(pull) for pull in pulls]
    told = [one[a, b] for one, held in zip(alike, known, strict=True) for a, b, _ in held]
    right = [same for held in known for *_, same in held]
    chosen = [best_threshold(alike, known, at) for at in range(len(pulls))]
    print(
        f"{name}: average precision of pairs {average_precision_score(right, told):.3f} of {len(right)}; ",
        end="",
    )
    print(f"best threshold {best_threshold(alike, known):.2f} ({min(chosen):.2f} to {max(chosen):.2f})")
    for count, votes in SETTINGS:
        for threshold in grid:
            rows: dict[str, list[list[Score]]] = {rule: [] for rule in RULES}
            kept = members = 0
            for reviewers in subsets(reviewers_of(pulls), count, number, SEED):
                for row in rows.values():
                    row.append([])
                for pull, one in zip(pulls, alike, strict=True):
                    held = [at for at, comment in enumerate(pull.comments) if comment[0] in reviewers]
                    said = [pull.comments[at] for at in held]
                    plain = [Comment(reviewer, text) for reviewer, text, _ in said]
                    clusters = grouped(plain, one[np.ix_(held, held)].tolist(), threshold)
                    scores, width = scores_of(clusters, said, votes, pull.golden)
                    kept, members = kept + width.kept, members + width.members
                    for rule, row in rows.items():
                        row[-1].append(scores[rule])
            means = ", ".join(f"{rule} {sum(map(f1, row)) / number:.3f}" for rule, row in rows.items())
            print(
                f"  {count} reviewers, >= {votes}, at {threshold:.2f}: {means}; "
                f"{kept / number:.0f} clusters of {members / kept:.1f}",
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
    words = ["likeness", "identifiers"]
    report("learned, words", pulls, learned(pulls, given, words), LEARNED, options.subsets)
    if encoder:
        report("cosine", pulls, [one["cosine"] for one in given], COSINES, options.subsets)
        both = [*words, "cosine"]
        report("learned, words and cosine", pulls, learned(pulls, given, both), LEARNED, options.subsets)


if __name__ == "__main__":
    main()
