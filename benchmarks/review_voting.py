"""How well voting picks the comments that matter: F1 over real reviewers' comments on real pull requests.

    python -m benchmarks.review_voting review-comments-dev.json.gz [--subsets 40] [--seed 1] [--widths]
    python -m benchmarks.review_voting evaluations.json [--without review-comments-dev.json.gz]

The file is a list of pull requests with `golden` comments and the `comments` of twelve review tools, each
marked by a judge with the golden comment it `matches`, if any; or the evaluations that
withmartian/code-review-benchmark (MIT) publishes of a judge, of which the development split is 20 of 50 pull
requests (judge claude-opus-4-5; row by row the same). The judge gives a golden comment at most one comment of
a tool, the one it is surest of, and a tool's matched comments stand first in both files: so they are shuffled
here, or their order would tell.

F1 is that benchmark's own: right are the golden comments that are matched, wrong is what matches none, and a
second comment on a golden one is neither; precision and recall are over all pull requests together. By it the
best tool alone has the published .538 on all 50 pull requests.

For each seeded subset of reviewers, their comments on a pull request are clustered by text alone; clusters
with enough votes are kept. The marks are looked at only afterwards. What a cluster matches is what is matched
by

- shown: its representative
- printed: its representative and its `others`, i.e. all that the posted comment says
- any: any of its members, as the published figures count
- padded: what is printed, and comments drawn at random from those that nobody else made until there are four:
  a control, which tells how much F1 rises by nothing but longer comments

"At most" is F1 if every golden comment that enough of the reviewers found were kept and nothing else: no
clustering reaches more, unless it counts a vote for what its reviewer did not say.

A figure is the mean over subsets; its interval is a bootstrap over pull requests (2.5 % to 97.5 %).
`--widths` shows each figure by threshold. As soon as anything of a cluster counts, wider clusters score
higher: so F1 is no ground to choose the threshold by (`review_pairs` has one).
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

from hundredfold.evidence.voting import THRESHOLD, Cluster, Comment, grouped, likeness

WIDTHS = (0.06, 0.08, 0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.25)
SETTINGS = ((3, 2), (5, 2), (8, 3))
BOOTSTRAPS = 400
RULES = ("shown", "printed", "any", "padded")
PADDED = 4  # comments

Marks = frozenset[str]


class PullRequest(NamedTuple):
    golden: int
    comments: list[tuple[str, str, Marks]]


class Score(NamedTuple):
    """Counts of one pull request: golden comments matched, what matches none, golden comments."""

    right: int
    wrong: int
    golden: int


class Width(NamedTuple):
    """Kept clusters, their members, and their comments that are printed."""

    kept: int
    members: int
    printed: int


def read(path: Path, seed: int = 1, without: Path | None = None) -> list[PullRequest]:
    chooser = random.Random(seed)
    left_out = {one["pull_request"] for one in _loaded(without)} if without else set()
    made = []
    for one in _loaded(path):
        if one["pull_request"] in left_out:
            continue
        marks: dict[tuple[str, str], set[str]] = {}
        for comment in one["comments"]:  # a comment that matches two golden ones is there twice
            held = marks.setdefault((comment["reviewer"], comment["comment"]), set())
            held.update({comment["matches"]} - {None})
        comments = [(reviewer, text, frozenset(held)) for (reviewer, text), held in marks.items()]
        made.append(PullRequest(len(one["golden"]), chooser.sample(comments, len(comments))))
    return made


def _loaded(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    raw = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    return raw if isinstance(raw, list) else [_published(*one) for one in raw.items()]


def _published(pull_request: str, tools: dict[str, Any]) -> dict[str, Any]:
    golden: set[str] = set()
    comments = []
    for reviewer, said in tools.items():
        right = said.get("true_positives", ())
        golden.update(one["golden_comment"] for one in (*right, *said.get("false_negatives", ())))
        pairs = [(one["matched_candidate"], one["golden_comment"]) for one in right]
        pairs += [(one["candidate"], None) for one in said.get("false_positives", ())]
        comments += [{"reviewer": reviewer, "comment": text, "matches": mark} for text, mark in pairs]
    return {"pull_request": pull_request, "golden": sorted(golden), "comments": comments}


def reviewers_of(pulls: Sequence[PullRequest]) -> list[str]:
    return sorted({reviewer for pull in pulls for reviewer, _, _ in pull.comments})


def subsets(everyone: Sequence[str], count: int, number: int, seed: int) -> list[set[str]]:
    chooser = random.Random(seed)
    return [set(chooser.sample(everyone, count)) for _ in range(number)]


def scored(matched: Sequence[Marks], golden: int) -> Score:
    return Score(len(Marks().union(*matched)), sum(not one for one in matched), golden)


def scores_of(
    clusters: Sequence[Cluster], chosen: Sequence[tuple[str, str, Marks]], votes: int, golden: int
) -> tuple[dict[str, Score], Width]:
    """By rule: the score of the clusters of the `chosen` comments; and how wide the kept ones are."""
    kept = [one for one in clusters if one.voters >= votes]
    printed = [(one.representative, *one.others) for one in kept]
    spare = [at for one in clusters if one.voters == 1 for at in one.members]
    random.Random(len(chosen)).shuffle(spare)
    padded = [(*one, *(spare.pop() for _ in range(min(len(spare), PADDED - len(one))))) for one in printed]
    told = {
        "shown": [one[:1] for one in printed],
        "printed": printed,
        "any": [one.members for one in kept],
        "padded": padded,
    }
    scores = {
        rule: scored([Marks().union(*(chosen[at][2] for at in one)) for one in said], golden)
        for rule, said in told.items()
    }
    return scores, Width(len(kept), sum(len(one.members) for one in kept), sum(map(len, printed)))


def f1(scores: Sequence[Score]) -> float:
    right, wrong, golden = map(sum, zip(*scores, strict=True))
    return 2 * right / (right + wrong + golden) if golden else 0.0


def at_most(pull: PullRequest, reviewers: set[str], votes: int) -> Score:
    """What the votes allow: the golden comments that enough of these reviewers found, and nothing else."""
    found = {(mark, one) for one, _, marks in pull.comments if one in reviewers for mark in marks}
    counted = Counter(mark for mark, _ in found)
    return Score(sum(number >= votes for number in counted.values()), 0, pull.golden)


def alone(pulls: Sequence[PullRequest], reviewer: str) -> list[Score]:
    """A reviewer's own comments, each for itself."""
    return [
        scored([marks for one, _, marks in pull.comments if one == reviewer], pull.golden) for pull in pulls
    ]


class Table(NamedTuple):
    """Of each subset, by pull request: the scores by rule, and the width."""

    rows: dict[str, list[list[Score]]]
    widths: list[list[Width]]

    def mean(self, rule: str, pulls: Sequence[int] | None = None) -> float:
        rows = self.rows[rule]
        chosen = range(len(rows[0])) if pulls is None else pulls
        return sum(f1([row[at] for at in chosen]) for row in rows) / len(rows)

    def interval(self, rule: str, seed: int) -> tuple[float, float]:
        chooser, count = random.Random(seed), len(self.rows[rule][0])
        means = sorted(self.mean(rule, chooser.choices(range(count), k=count)) for _ in range(BOOTSTRAPS))
        return means[int(BOOTSTRAPS * 0.025)], means[int(BOOTSTRAPS * 0.975)]

    def width(self) -> str:
        kept, members, printed = map(sum, zip(*(one for row in self.widths for one in row), strict=True))
        each = f"{printed / kept:.1f} of {members / kept:.1f} printed in each"
        return f"{kept / len(self.widths):.0f} comments, {each}"


def tables(
    pulls: Sequence[PullRequest], chosen: Sequence[set[str]], votes: int, thresholds: Sequence[float]
) -> dict[float, Table]:
    """By threshold, with the product's own likeness."""
    made = {one: Table({rule: [] for rule in RULES}, []) for one in thresholds}
    for reviewers in chosen:
        for table in made.values():
            table.widths.append([])
            for rows in table.rows.values():
                rows.append([])
        for pull in pulls:
            said = [one for one in pull.comments if one[0] in reviewers]
            plain = [Comment(reviewer, text) for reviewer, text, _ in said]
            alike = likeness(plain)
            for threshold, table in made.items():
                scores, width = scores_of(grouped(plain, alike, threshold), said, votes, pull.golden)
                table.widths[-1].append(width)
                for rule, score in scores.items():
                    table.rows[rule][-1].append(score)
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--subsets", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--widths", action="store_true", help="by threshold too")
    parser.add_argument("--without", type=Path, help="leave out the pull requests of this file")
    options = parser.parse_args()
    pulls = read(options.file, without=options.without)
    everyone = reviewers_of(pulls)
    print(f"{len(pulls)} pull requests, {sum(len(pull.comments) for pull in pulls)} comments,", end=" ")
    print(f"{sum(pull.golden for pull in pulls)} golden; threshold {THRESHOLD}")
    single = {one: f1(alone(pulls, one)) for one in everyone}
    best = max(single, key=lambda one: single[one])
    mean = sum(single.values()) / len(single)
    print(f"each reviewer alone: mean F1 {mean:.3f}, best {best} {single[best]:.3f}")
    for count, votes in SETTINGS:
        chosen = subsets(everyone, count, options.subsets, options.seed)
        made = tables(pulls, chosen, votes, sorted({*(WIDTHS if options.widths else ()), THRESHOLD}))
        table = made[THRESHOLD]
        limit = sum(f1([at_most(pull, one, votes) for pull in pulls]) for one in chosen) / len(chosen)
        print(f"{count} reviewers, >= {votes} votes: {table.width()}; at most {limit:.3f}")
        for rule in RULES:
            low, high = table.interval(rule, options.seed)
            print(f"    {rule:8} F1 {table.mean(rule):.3f} [{low:.3f}, {high:.3f}]", flush=True)
        for threshold, one in made.items() if options.widths else ():
            means = ", ".join(f"{rule} {one.mean(rule):.3f}" for rule in RULES)
            print(f"    at {threshold:.2f}: {means}; {one.width()}")


if __name__ == "__main__":
    main()
