"""How well voting picks the comments that matter: F1 over real reviewers' comments on real pull requests.

    python benchmarks/review_voting.py review-comments-dev.json.gz [--subsets 60] [--seed 1]

The file is a list of pull requests with `golden` comments and the `comments` of twelve review tools, each
marked by a judge with the golden comment it `matches`, if any (withmartian/code-review-benchmark, MIT).

For each seeded subset of reviewers, their comments on a pull request are clustered by text alone; clusters
with enough votes are kept. The marks are looked at only afterwards. Precision: the share of kept clusters
that match a golden comment; recall: the share of golden comments that are matched; both over all pull
requests.
Three rules for a match are reported:

- shown: the representative's own mark, i.e. what a reader of one comment a cluster would see
- cluster: the golden comment most of its members match, i.e. what a reader of the whole cluster would see
- any: every golden comment that any member matches; flatters large clusters, and is here for comparison

"free" is F1 with second comments on a golden one neither right nor wrong: its precision is the golden
comments matched, against these and the clusters that match none. "At most" is F1 if every golden comment that
enough of the reviewers found were kept and nothing else: no clustering reaches more, unless it counts a vote
for what its reviewer did not say. Each reviewer alone comes first: it tells how hard these pull requests are.

A figure is the mean over subsets; its interval is a bootstrap over pull requests (2.5 % to 97.5 %). Held out:
the threshold is chosen on one half of the pull requests and scored on the other, both ways round.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hundredfold.evidence.voting import THRESHOLD, Cluster, Comment, cluster

GRID = (0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.22, 0.25)
SETTINGS = ((1, 1), (3, 2), (5, 2), (8, 3))
BOOTSTRAPS = 400
RULES = ("shown", "cluster", "any")


class PullRequest(NamedTuple):
    golden: int
    comments: list[tuple[str, str, frozenset[str]]]


class Score(NamedTuple):
    """Counts of one pull request: kept, kept that match, golden comments matched, golden comments."""

    kept: int
    right: int
    matched: int
    golden: int


def read(path: Path) -> list[PullRequest]:
    made = []
    raw: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))
    for one in raw:
        marks: dict[tuple[str, str], set[str]] = {}
        for comment in one["comments"]:  # a comment that matches two golden ones is there twice
            held = marks.setdefault((comment["reviewer"], comment["comment"]), set())
            held.update({comment["matches"]} - {None})
        comments = [(reviewer, text, frozenset(held)) for (reviewer, text), held in marks.items()]
        made.append(PullRequest(len(one["golden"]), comments))
    return made


def score(pull: PullRequest, reviewers: set[str], votes: int, threshold: float) -> dict[str, Score]:
    chosen = [one for one in pull.comments if one[0] in reviewers]
    clusters = cluster([Comment(reviewer, text) for reviewer, text, _ in chosen], threshold)
    return scores_of(clusters, chosen, votes, pull.golden)


def scores_of(
    clusters: Sequence[Cluster], chosen: Sequence[tuple[str, str, frozenset[str]]], votes: int, golden: int
) -> dict[str, Score]:
    """By rule: the score of the clusters of the `chosen` comments."""
    kept = [one for one in clusters if one.voters >= votes]
    shown = [chosen[one.representative][2] for one in kept]
    most = []
    for one in kept:
        counted = Counter(mark for at in one.members for mark in sorted(chosen[at][2]))
        most.append(frozenset(mark for mark, _ in counted.most_common(1)))
    whole = [frozenset[str]().union(*(chosen[at][2] for at in one.members)) for one in kept]
    return {
        rule: Score(
            len(kept), sum(map(bool, marks)), len(frozenset[str]().union(*marks)) if marks else 0, golden
        )
        for rule, marks in (("shown", shown), ("cluster", most), ("any", whole))
    }


def f1(scores: list[Score]) -> float:
    kept, right, matched, golden = map(sum, zip(*scores, strict=True))
    precision, recall = right / kept if kept else 0.0, matched / golden if golden else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def free(scores: list[Score]) -> float:
    """F1 where a second comment on a golden one is neither right nor wrong."""
    return f1(
        [Score(one.matched + one.kept - one.right, one.matched, one.matched, one.golden) for one in scores]
    )


def at_most(pull: PullRequest, reviewers: set[str], votes: int) -> Score:
    """What the votes allow: the golden comments that enough of these reviewers found, and nothing else."""
    found = Counter(
        mark
        for mark, _ in {
            (mark, reviewer)
            for reviewer, _, marks in pull.comments
            if reviewer in reviewers
            for mark in marks
        }
    )
    reached = sum(number >= votes for number in found.values())
    return Score(reached, reached, reached, pull.golden)


def alone(pulls: list[PullRequest], reviewer: str) -> list[Score]:
    """A reviewer's own comments, each for itself."""
    made = []
    for pull in pulls:
        own = [marks for one, _, marks in pull.comments if one == reviewer]
        made.append(
            Score(len(own), sum(map(bool, own)), len(frozenset[str]().union(*own)) if own else 0, pull.golden)
        )
    return made


def singles(pulls: list[PullRequest], everyone: list[str]) -> None:
    scores = {one: alone(pulls, one) for one in everyone}
    for name, rule in (("as above", f1), ("free", free)):
        values = {one: rule(rows) for one, rows in scores.items()}
        best = max(values, key=lambda one: values[one])
        mean = sum(values.values()) / len(values)
        print(f"each reviewer alone, {name:8}: mean F1 {mean:.3f}, best {best} {values[best]:.3f}")


def table(
    pulls: list[PullRequest], subsets: list[set[str]], votes: int, threshold: float
) -> dict[str, list[list[Score]]]:
    """By rule: the scores of each subset, each by pull request."""
    rows = [[score(pull, subset, votes, threshold) for pull in pulls] for subset in subsets]
    return {rule: [[one[rule] for one in row] for row in rows] for rule in RULES}


def mean_f1(rows: list[list[Score]], chosen: list[int]) -> float:
    return sum(f1([row[at] for at in chosen]) for row in rows) / len(rows)


def interval(rows: list[list[Score]], seed: int) -> tuple[float, float]:
    chooser = random.Random(seed)
    count = len(rows[0])
    means = sorted(mean_f1(rows, chooser.choices(range(count), k=count)) for _ in range(BOOTSTRAPS))
    return means[int(BOOTSTRAPS * 0.025)], means[int(BOOTSTRAPS * 0.975)]


def held_out(tables: dict[float, dict[str, list[list[Score]]]], rule: str, seed: int) -> float:
    """Mean F1 on halves that the threshold was not chosen on, over ten random divisions."""
    chooser = random.Random(seed)
    count = len(next(iter(tables.values()))[rule][0])
    total = 0.0
    for _ in range(10):
        order = chooser.sample(range(count), count)
        for tune, test in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            best = max(tables, key=lambda one: mean_f1(tables[one][rule], tune))
            total += mean_f1(tables[best][rule], test) / 20
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--subsets", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pulls = read(options.file)
    everyone = sorted({one[0] for pull in pulls for one in pull.comments})
    print(f"{len(pulls)} pull requests, {sum(len(pull.comments) for pull in pulls)} comments,", end=" ")
    print(f"{sum(pull.golden for pull in pulls)} golden; threshold {THRESHOLD}")
    singles(pulls, everyone)
    for count, votes in SETTINGS:
        chooser = random.Random(options.seed)
        subsets = [set(chooser.sample(everyone, count)) for _ in range(options.subsets)]
        if count == 1:
            subsets = [{one} for one in everyone]
        grid = (THRESHOLD,) if count < 5 else GRID
        tables = {threshold: table(pulls, subsets, votes, threshold) for threshold in {*grid, THRESHOLD}}
        reached = [[at_most(pull, subset, votes) for pull in pulls] for subset in subsets]
        print(
            f"{count:2} reviewers, >= {votes} votes, at most: F1 {sum(map(f1, reached)) / len(reached):.3f}"
        )
        for rule in RULES:
            rows = tables[THRESHOLD][rule]
            low, high = interval(rows, options.seed)
            line = f"{count:2} reviewers, >= {votes} votes, {rule:7}: "
            line += f"F1 {mean_f1(rows, [*range(len(pulls))]):.3f}"
            line += f" [{low:.3f}, {high:.3f}], free {sum(map(free, rows)) / len(rows):.3f}"
            if len(grid) > 1:
                line += f", held out {held_out(tables, rule, options.seed):.3f}; by threshold " + " ".join(
                    f"{one:.2f}:{mean_f1(tables[one][rule], [*range(len(pulls))]):.3f}" for one in GRID
                )
            print(line, flush=True)


if __name__ == "__main__":
    main()
