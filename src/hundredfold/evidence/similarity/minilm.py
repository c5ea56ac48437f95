"""Sentence embeddings by a BERT of the MiniLM kind, in numpy alone: all-MiniLM-L6-v2 and its like.

The forward pass of BERT's encoder (Devlin et al. 2018, Hugging Face `BertModel`), mean of the last layer over
all tokens, scaled to length 1 (sentence-transformers' pooling for this model). Texts of equal length go
through together, so nothing is padded and nothing masked. The weights are given as data; nothing is read
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.evidence.similarity.wordpiece import WordPiece

BATCH_TOKENS = 1024  # at once: what stays in the processor's cache beats what fills its memory
HEAD = 32  # numbers of one attention head, in all models of this family
EPSILON = 1e-12

Array = npt.NDArray[np.float32]
Pair = tuple[Array, Array]
"""Weights and what is added."""


class MiniLM:
    """An encoder. `size` is the length of its vectors; `name` says which weights they are."""

    def __init__(self, name: str, weights: Mapping[str, npt.NDArray[Any]], vocabulary: Sequence[str]) -> None:
        """`weights`: the tensors of `BertModel` by their names, float32.

        Raises:
            ValueError: a tensor is missing, or they do not fit together.
        """
        try:
            self._load(weights)
        except KeyError as error:
            raise ValueError(f"the weights lack {error.args[0]}") from error
        if self._words.shape[0] != len(vocabulary):
            raise ValueError(f"{self._words.shape[0]} rows of weights for {len(vocabulary)} pieces of words")
        self.name = name
        self.size = int(self._words.shape[1])
        self._tokens = WordPiece(vocabulary)

    def embed(self, texts: Sequence[str], most: int = 128) -> Array:
        """(len(texts), size) unit vectors of the texts, of which at most `most` tokens are read.

        A text without a token still has a vector: that of nothing.
        """
        most = min(most, self._places.shape[0])
        encoded = [self._tokens.encode(text, most) for text in texts]
        out = np.empty((len(texts), self.size), np.float32)
        order = sorted(range(len(texts)), key=lambda one: len(encoded[one]))
        start = 0
        while start < len(order):
            length = len(encoded[order[start]])
            end = start + 1
            room = max(1, BATCH_TOKENS // length)
            while end < len(order) and end - start < room and len(encoded[order[end]]) == length:
                end += 1
            batch = order[start:end]
            out[batch] = self._forward(np.array([encoded[one] for one in batch], np.int64))
            start = end
        return out

    def _load(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        def pair(name: str) -> Pair:
            return weights[f"{name}.weight"], weights[f"{name}.bias"]

        self._words = weights["embeddings.word_embeddings.weight"]
        kinds = weights["embeddings.token_type_embeddings.weight"]
        self._places = weights["embeddings.position_embeddings.weight"] + kinds[0]
        self._first_norm = pair("embeddings.LayerNorm")
        self._layers: list[tuple[Pair, Pair, Pair, Pair, Pair, Pair]] = []
        while f"encoder.layer.{len(self._layers)}.output.dense.weight" in weights:
            at = f"encoder.layer.{len(self._layers)}"
            three = [pair(f"{at}.attention.self.{one}") for one in ("query", "key", "value")]
            self._layers.append(
                (
                    (
                        np.ascontiguousarray(np.concatenate([one for one, _ in three]).T),
                        np.concatenate([one for _, one in three]),
                    ),
                    _turned(pair(f"{at}.attention.output.dense")),
                    pair(f"{at}.attention.output.LayerNorm"),
                    _turned(pair(f"{at}.intermediate.dense")),
                    _turned(pair(f"{at}.output.dense")),
                    pair(f"{at}.output.LayerNorm"),
                )
            )
        if not self._layers:
            raise KeyError("encoder.layer.0")

    def _forward(self, ids: npt.NDArray[np.int64]) -> Array:
        """(texts, tokens) → (texts, size)."""
        count, length = ids.shape
        heads = self.size // HEAD
        state = self._words[ids.ravel()] + np.tile(self._places[:length], (count, 1))
        state = _normed(state, self._first_norm)
        for three, joined, norm, wide, narrow, last_norm in self._layers:
            split = _linear(state, three).reshape(count, length, 3, heads, HEAD).transpose(2, 0, 3, 1, 4)
            query, key, value = (np.ascontiguousarray(one) for one in split)
            scores = query @ key.swapaxes(-1, -2)
            scores *= np.float32(HEAD**-0.5)
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(count * length, self.size)
            state = _normed(state + _linear(mixed, joined), norm)
            state = _normed(state + _linear(_gelu(_linear(state, wide)), narrow), last_norm)
        pooled = state.reshape(count, length, self.size).mean(axis=1)
        unit: Array = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return unit


def _turned(pair: Pair) -> Pair:
    return np.ascontiguousarray(pair[0].T), pair[1]


def _linear(state: Array, pair: Pair) -> Array:
    out = state @ pair[0]
    out += pair[1]
    return out


def _normed(state: Array, pair: Pair) -> Array:
    """Layer normalisation."""
    state -= state.mean(axis=1, keepdims=True)
    spread = np.einsum("ij,ij->i", state, state) / np.float32(state.shape[1])
    state *= (1 / np.sqrt(spread + np.float32(EPSILON)))[:, None]
    state *= pair[0]
    state += pair[1]
    return state


def _gelu(value: Array) -> Array:
    """x·Φ(x), by the approximation with tanh (Hendrycks and Gimpel 2016): off by at most 0.0005."""
    inner = value * value
    inner *= np.float32(0.044715)
    inner += np.float32(1.0)
    inner *= value
    inner *= np.float32(0.7978845608)
    np.tanh(inner, out=inner)
    inner += np.float32(1.0)
    inner *= value
    inner *= np.float32(0.5)
    return inner
