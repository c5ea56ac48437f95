"""A block of documents as bytes and back: MessagePack around raw arrays, little-endian, checked when read."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from hundredfold.evidence.similarity.documents import ASPECTS, Block
from hundredfold.evidence.similarity.lexical import Segment
from hundredfold.evidence.similarity.ragged import Ragged

FORMAT = 1
MOST_DOCUMENTS = 20_000  # in one block, which keeps it below 100 MB

_TYPES = {"f2": "<f2", "f4": "<f4", "i4": "<i4", "i8": "<i8", "u8": "<u8"}


class _Array(Struct, array_like=True):
    kind: str
    shape: tuple[int, ...]
    raw: bytes


class _Stored(Struct):
    format: int
    keys: tuple[str, ...]
    lexical: tuple[_Array, ...]
    vectors: _Array
    aspects: tuple[tuple[_Array, _Array], ...]
    about: tuple[_Array, ...]


def encode(block: Block) -> bytes:
    """The block as bytes."""
    words = block.lexical
    return msgspec.msgpack.encode(
        _Stored(
            FORMAT,
            block.keys,
            tuple(_packed(one) for one in (words.keys, words.starts, words.documents, words.weights)),
            _packed(block.vectors),
            tuple((_packed(one.starts), _packed(one.keys)) for one in block.aspects),
            tuple(_packed(one) for one in (block.created_us, block.groups, block.kinds, block.lengths)),
        )
    )


def decode(content: bytes) -> Block:
    """The block in these bytes.

    Raises:
        ValueError: they hold none, or one of another format.
    """
    try:
        stored = msgspec.msgpack.decode(content, type=_Stored)
        if stored.format != FORMAT or len(stored.aspects) != len(ASPECTS):
            raise ValueError(f"format {stored.format}, not {FORMAT}")
        created, groups, kinds, lengths = map(_array, stored.about)
        block = Block(
            keys=stored.keys,
            lexical=Segment(len(stored.keys), *map(_array, stored.lexical)),
            vectors=_array(stored.vectors),
            aspects=tuple(Ragged(_array(starts), _array(keys)) for starts, keys in stored.aspects),
            created_us=created,
            groups=groups,
            kinds=kinds,
            lengths=lengths,
        )
    except (msgspec.MsgspecError, TypeError, KeyError) as error:
        raise ValueError(f"not a block of documents: {error}") from error
    count = len(block.keys)
    sizes = {len(one) for one in (block.vectors, created, groups, kinds, lengths)}
    if sizes != {count} or any(len(one.starts) != count + 1 for one in block.aspects):
        raise ValueError("a block of documents whose parts do not fit together")
    return block


def _packed(array: npt.NDArray[Any]) -> _Array:
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    return _Array(kind, array.shape, np.ascontiguousarray(array, _TYPES[kind]).tobytes())


def _array(stored: _Array) -> npt.NDArray[Any]:
    return np.frombuffer(stored.raw, _TYPES[stored.kind]).reshape(stored.shape)
