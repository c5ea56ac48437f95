"""The straight part of the learned order: a weighted sum of the features, learned from whole searches.

The conditional logit (McFadden 1974; in ranking ListNet's, Cao et al. 2007): each search is a choice among
its candidates, and the weights make a right one likely, whichever it is. A weight may only have the sign that
its feature's meaning allows: more alike is never worse. With few pairs to learn from this holds back what
trees read into chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hundredfold.evidence.similarity.features import FEATURES, SIGNS

if TYPE_CHECKING:
    from hundredfold.evidence.similarity.training import Lesson

RIDGE = 1.0  # on the weights, of features that are scaled to a deviation of 1
STEPS = 300
LEAST = 1e-300  # a probability's floor, for its logarithm

Floats = npt.NDArray[np.float64]


def weights_of(lessons: Sequence[Lesson]) -> Floats:
    """(features,) the weights that these searches teach; each must hold something right."""
    from scipy.optimize import minimize

    rows = np.concatenate([one.rows for one in lessons]).astype(np.float64)
    right = np.concatenate([one.right for one in lessons]).astype(np.float64)
    sizes = [len(one.right) for one in lessons]
    starts, search = np.cumsum([0, *sizes[:-1]]), np.repeat(np.arange(len(sizes)), sizes)
    spread = rows.std(axis=0)
    spread[spread < 1e-9] = np.inf  # what is always the same says nothing
    rows = (rows - rows.mean(axis=0)) / spread

    def loss(weights: Floats) -> tuple[float, Floats]:
        """(minus the logarithm of the likelihood, with the ridge; its gradient)."""
        sums = rows @ weights
        risen = np.exp(sums - np.maximum.reduceat(sums, starts)[search])
        share = risen / np.add.reduceat(risen, starts)[search]
        hit = np.maximum(np.add.reduceat(share * right, starts), LEAST)
        gradient = rows.T @ (share - share * right / hit[search])
        return float(-np.log(hit).sum() + RIDGE / 2 * weights @ weights), gradient + RIDGE * weights

    bounds = [(0.0 if sign > 0 else None, 0.0 if sign < 0 else None) for sign in SIGNS.values()]
    found = minimize(
        loss, np.zeros(len(FEATURES)), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}
    )
    made: Floats = found.x / spread
    return made
