"""The learned order: a weighted sum of the features and many small decision trees over them, read from data.

The model is JSON: a weight a feature, and for each tree its splits (feature, threshold, where to go) and the
values of its leaves, as LightGBM names them (`dump_model`); what all say together, through a logistic curve,
is the score. The trees are walked in arrays. There is no pickle and no library here; `training.py` makes such
a model. Two are shipped: one that knows MiniLM's cosines, and one for words alone.
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
MAX_NODES = 63  # of one tree: its leaves are bits

Rows = npt.NDArray[np.float32]


class Tree(Struct, frozen=True):
    """One tree. Node `i` asks `feature[i] <= threshold[i]`: yes goes to `left[i]`, no to `right[i]`.

    A place below zero is a leaf: -1 the first. A tree without a split has one leaf.
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
    weights: tuple[float, ...] = ()  # of the features; none: the trees alone
    trained_on: str = ""
    pairs: int = 0
    scale: float = 1.0  # of the sum, before the logistic function
    shift: float = 0.0


class Ranker:
    """A model, laid out in arrays."""

    def __init__(self, model: Model) -> None:
        """Raises ValueError if the model is of other features or no set of trees."""
        _check(model)
        self.model = model
        trees = len(model.trees)
        nodes = max((len(one.feature) for one in model.trees), default=0) or 1
        self._shape = (trees, nodes)
        feature = np.zeros(self._shape, np.int64)
        threshold = np.full(self._shape, np.inf, np.float32)  # a place without a node never says no
        bits = np.min_scalar_type(2 ** (nodes + 1) - 1)  # the fewer bytes, the faster
        self._all = bits.type(2 ** (nodes + 1) - 1)
        self._gone = np.full(self._shape, self._all, bits)
        self._value = np.zeros((trees, nodes + 1))
        for at, tree in enumerate(model.trees):
            count = len(tree.feature)
            feature[at, :count] = tree.feature
            threshold[at, :count] = tree.threshold
            below, order = _below(tree)
            self._gone[at, :count] = [int(self._all) & ~one for one in below]
            self._value[at, : len(order)] = [tree.leaf[one] for one in order]
        self._feature, self._threshold = feature.ravel(), threshold.ravel()
        self._weights = np.array(model.weights or np.zeros(len(FEATURES)))

    def scores(self, rows: Rows) -> Rows:
        """(count,) from 0 to 1, of (count, features)."""
        sums = self.sums(rows) * self.model.scale + self.model.shift
        return (1 / (1 + np.exp(-sums))).astype(np.float32)

    def sums(self, rows: Rows) -> npt.NDArray[np.float64]:
        """(count,) what the weights and the trees say together.

        Every question of every tree is asked at once; each no takes the leaves on its left away, and the
        first leaf that is left is the tree's (QuickScorer, Lucchese et al. 2015).
        """
        says_no = rows[:, self._feature] > self._threshold
        left = np.where(says_no.reshape(len(rows), *self._shape), self._gone, self._all)
        leaves = np.bitwise_and.reduce(left, axis=2)
        first = np.bitwise_count(~leaves & (leaves - leaves.dtype.type(1)))  # zeros below the lowest bit
        total: npt.NDArray[np.float64] = self._value[np.arange(self._shape[0]), first].sum(axis=1)
        total += rows @ self._weights
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
    if len(model.weights) not in (0, len(FEATURES)):
        raise ValueError(f"{len(model.weights)} weights of {len(FEATURES)} features")
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


def _below(tree: Tree) -> tuple[list[int], list[int]]:
    """(for each node the leaves on its left, as bits; the leaves from left to right)."""
    lefts = [0] * len(tree.feature)
    order: list[int] = []

    def walk(at: int) -> int:
        """The leaves below, as bits."""
        if at < 0:
            order.append(-1 - at)
            return 1 << (len(order) - 1)
        lefts[at] = walk(tree.left[at])
        return lefts[at] | walk(tree.right[at])

    walk(0 if tree.feature else -1)
    return lefts, order


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
    return Model(embedder, FEATURES, tuple(map(tree_of, dumped)), trained_on=trained_on, pairs=pairs)
