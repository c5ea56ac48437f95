"""Training the order on confirmed pairs: which of a search's candidates people called the same.

The order is a weighted sum (`line`) and trees, which count alike: the one holds where there are few pairs,
the others see what no line can. LightGBM grows the trees: its `lambdarank` puts a search's right candidates
first. What the sum means is then learned by a logistic curve (Platt 1999) on searches that the order was not
learned from, also such as have nothing right among their candidates. Only training needs LightGBM (the extra
`train`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from hundredfold.evidence.similarity.features import FEATURES
from hundredfold.evidence.similarity.line import weights_of
from hundredfold.evidence.similarity.ranker import Model, Ranker, model_of

if TYPE_CHECKING:
    from hundredfold.evidence.similarity.index import Candidates

LEAST_QUERIES = 30  # with a confirmed pair among their candidates; fewer teach nothing that holds
TREES = 250
RIDGE = 1.0  # holds the curve's scale near 1 where there is little to learn from
SETTINGS: dict[str, Any] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 20,
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_data_in_leaf": 60,
    "lambda_l2": 5.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "use_missing": False,
    "deterministic": True,
    "num_threads": 1,
    "seed": 1,
    "verbose": -1,
}


class Lesson(Struct, frozen=True):
    """One search and which of its candidates are right (1) or not (0)."""

    rows: npt.NDArray[np.float32]
    right: npt.NDArray[np.int64]


def lesson(found: Candidates, keys: Sequence[str], right: Collection[str]) -> Lesson:
    """What a search teaches, if `right` are the keys of what is the same as its query."""
    marks = np.array([keys[row] in right for row in found.rows.tolist()], np.int64)
    return Lesson(found.features, marks)


def train(lessons: Sequence[Lesson], *, embedder: str, trained_on: str) -> Model:
    """A model of these lessons; the same lessons make the same model.

    Raises:
        ValueError: fewer than `LEAST_QUERIES` lessons hold something right.
        ImportError: LightGBM is not installed.
    """
    useful = [one for one in lessons if one.right.any()]
    if len(useful) < LEAST_QUERIES:
        raise ValueError(f"{len(useful)} searches with a confirmed pair, at least {LEAST_QUERIES} are needed")
    half = len(useful) // 2
    proven = _learned(useful[:half], embedder, trained_on)
    kept = {id(one) for one in useful[:half]}
    unseen = [one for one in lessons if id(one) not in kept]
    sums = Ranker(proven).sums(np.concatenate([one.rows for one in unseen])) - _middle(proven, useful[:half])
    scale, shift = _curve(sums, np.concatenate([one.right for one in unseen]))
    model = _learned(useful, embedder, trained_on)
    return msgspec.structs.replace(model, scale=scale, shift=shift - scale * _middle(model, useful))


def _learned(lessons: Sequence[Lesson], embedder: str, trained_on: str) -> Model:
    import lightgbm

    rows = np.concatenate([one.rows for one in lessons])
    data = lightgbm.Dataset(
        rows,
        np.concatenate([one.right for one in lessons]),
        group=[len(one.right) for one in lessons],
        feature_name=list(FEATURES),
    )
    grown = lightgbm.train(SETTINGS, data, num_boost_round=TREES)
    trees = model_of(
        grown.dump_model()["tree_info"], embedder=embedder, trained_on=trained_on, pairs=len(lessons)
    )
    weights = weights_of(lessons)
    apart = Ranker(trees).sums(rows).std() / max(float((rows @ weights).std()), 1e-9)
    return msgspec.structs.replace(trees, weights=tuple(float(f"{one:.6g}") for one in weights * apart))


def _middle(model: Model, lessons: Sequence[Lesson]) -> float:
    """The mean of the model's sums on what it was learned from: an order has no zero of its own."""
    return float(Ranker(model).sums(np.concatenate([one.rows for one in lessons])).mean())


def _curve(sums: npt.NDArray[np.float64], right: npt.NDArray[np.int64]) -> tuple[float, float]:
    """(scale, shift) of the logistic curve that the marks follow best."""
    from scipy.optimize import minimize
    from scipy.special import expit

    def loss(curve: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        """(minus the logarithm of the likelihood, with the ridge; its gradient)."""
        place = curve[0] * sums + curve[1]
        off = expit(place) - right
        held = RIDGE * (curve[0] - 1)
        value = (np.logaddexp(0, place) - right * place).sum() + held * (curve[0] - 1) / 2
        return float(value), np.array([(off * sums).sum() + held, off.sum()])

    scale, shift = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").x
    return max(float(scale), 1e-3), float(shift)
