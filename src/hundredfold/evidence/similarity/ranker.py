"""A gradient-boosted order: many small decision trees over the features, read from data and walked in arrays.

The model is JSON: for each tree its splits (feature, threshold, where to go) and the values of its leaves, as
LightGBM names them (`dump_model`); the sum over the trees, through a logistic curve, is the score. There is
no pickle and no library here; `training.py` makes such a model. Two are shipped: one that knows MiniLM's
cosines, and one for words alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from hundredfold.evidence.similarity.features import FEATURES

MAX_TREES = 1_000
MAX_NODES = 255  # of one tree

Rows = npt.NDArray[np.float32]


class Tree(Struct, frozen=True):
    """One tree. Node `i` asks `feature[i] <= threshold[i]`: yes goes to `left[i]`, no to `right[i]`.

    A place below zero is a leaf: -1 the first. A tree without a split has one leaf. What is not a number goes
    right.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaf: tuple[float, ...]


class Model(Struct, frozen=True):
    """A trained order, and what it was trained on."""

    embedder: str  # whose cosines it has seen
    features: tuple[str, ...]
    trees: tuple[Tree, ...]
    trained_on: str = ""
    pairs: int = 0
    scale: float = 1.0  # of the sum over the trees, before the logistic function
    shift: float = 0.0


class Ranker:
    """A model, laid out in arrays."""

    def __init__(self, model: Model) -> None:
        """Raises ValueError if the model is of other features or no set of trees."""
        _check(model)
        self.model = model
        depth = max((_depth(one) for one in model.trees), default=0)
        self._depth = depth
        nodes = max((len(one.feature) for one in model.trees), default=0) or 1
        leaves = max((len(one.leaf) for one in model.trees), default=0) or 1
        shape = (len(model.trees), nodes + leaves)
        self._feature = np.zeros(shape, np.int64)
        self._threshold = np.full(shape, np.inf)
        self._left = np.tile(np.arange(shape[1]), (shape[0], 1))
        self._right = self._left.copy()
        self._value = np.zeros(shape)
        for at, tree in enumerate(model.trees):
            count = len(tree.feature)
            self._feature[at, :count] = tree.feature
            self._threshold[at, :count] = tree.threshold
            for side, given in ((self._left, tree.left), (self._right, tree.right)):
                side[at, :count] = [one if one >= 0 else nodes - 1 - one for one in given]
            self._value[at, nodes : nodes + len(tree.leaf)] = tree.leaf
            if not count:
                self._left[at, 0] = self._right[at, 0] = nodes

    def scores(self, rows: Rows) -> Rows:
        """(count,) from 0 to 1, of (count, features)."""
        sums = self.sums(rows) * self.model.scale + self.model.shift
        return (1 / (1 + np.exp(-sums))).astype(np.float32)

    def sums(self, rows: Rows) -> npt.NDArray[np.float64]:
        """(count,) what the trees say together."""
        count = len(rows)
        trees = np.arange(len(self._value))[None, :]
        at = np.zeros((count, len(self._value)), np.int64)
        numbers = np.arange(count)[:, None]
        for _ in range(max(1, self._depth)):
            yes = rows[numbers, self._feature[trees, at]] <= self._threshold[trees, at]
            at = np.where(yes, self._left[trees, at], self._right[trees, at])
        total: npt.NDArray[np.float64] = self._value[trees, at].sum(axis=1)
        return total


def decode(content: bytes) -> Model:
    """A model from its JSON.

    Raises:
        ValueError: it is no model, or of other features.
    """
    try:
        model = msgspec.json.decode(content, type=Model)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a ranking model: {error}") from error
    _check(model)
    return model


def shipped(*, words_only: bool) -> Ranker:
    """The order that comes with the program, trained on one public tracker (see docs/benchmarks.md)."""
    name = "words.json" if words_only else "minilm.json"
    return Ranker(decode((files("hundredfold.evidence") / "data" / "similarity" / name).read_bytes()))


def encode(model: Model) -> bytes:
    """The model as JSON."""
    return msgspec.json.encode(model)


def _check(model: Model) -> None:
    if model.features != FEATURES:
        raise ValueError("the ranking model was trained on other features; train it again")
    if len(model.trees) > MAX_TREES:
        raise ValueError(f"{len(model.trees)} trees, at most {MAX_TREES}")
    for tree in model.trees:
        count, leaves = len(tree.feature), len(tree.leaf)
        fits = len({count, len(tree.threshold), len(tree.left), len(tree.right)}) == 1
        if not fits or count > MAX_NODES or leaves != count + 1:
            raise ValueError("a tree of the ranking model is damaged")
        if any(not 0 <= one < len(FEATURES) for one in tree.feature):
            raise ValueError("a tree of the ranking model asks for a feature that there is not")
        for at, given in enumerate(zip(tree.left, tree.right, strict=True)):
            if any(not (at < one < count or -leaves <= one < 0) for one in given):
                raise ValueError("a tree of the ranking model has a branch that leads nowhere")


def _depth(tree: Tree) -> int:
    """How many questions lead to the farthest leaf; children stand after their parents, so one pass does."""
    depths = [0] * len(tree.feature)
    deepest = 0
    for at, sides in enumerate(zip(tree.left, tree.right, strict=True)):
        for side in sides:
            if side >= 0:
                depths[side] = depths[at] + 1
            else:
                deepest = max(deepest, depths[at] + 1)
    return deepest


def tree_of(dumped: dict[str, Any]) -> Tree:
    """A tree of LightGBM's `dump_model()["tree_info"]`, numeric splits only."""
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    leaf: list[float] = []

    def add(node: dict[str, Any]) -> int:
        if "split_feature" not in node:
            leaf.append(round(float(node["leaf_value"]), 6))
            return -len(leaf)
        assert node["decision_type"] == "<=", node["decision_type"]
        at = len(feature)
        feature.append(int(node["split_feature"]))
        threshold.append(float(f"{node['threshold']:.7g}"))
        left.append(0)
        right.append(0)
        left[at], right[at] = add(node["left_child"]), add(node["right_child"])
        return at

    add(dumped["tree_structure"])
    return Tree(tuple(feature), tuple(threshold), tuple(left), tuple(right), tuple(leaf))


def model_of(dumped: Sequence[dict[str, Any]], *, embedder: str, trained_on: str, pairs: int) -> Model:
    """A model of LightGBM's trees."""
    return Model(embedder, FEATURES, tuple(map(tree_of, dumped)), trained_on, pairs)
