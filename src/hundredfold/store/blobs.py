"""Large texts (prompts, transcripts, steps) as compressed files named by the digest of their content.

A blob is written to a temporary file and renamed, so a reader sees all of it or nothing, and writing the same
content twice is one file.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import zstandard

from hundredfold.errors import StorageError
from hundredfold.vocabulary import digest

MAX_BYTES = 256 * 1024 * 1024


class Blobs:
    """The folder of blobs. Keys are `vocabulary.digest` of the content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the blob `key` is or would be kept."""
        return self.folder / key[:2] / f"{key[2:]}.zst"

    def put(self, content: bytes) -> str:
        """Keep `content` and return its key.

        Raises:
            StorageError: the folder can't be written.
        """
        key = digest(content)
        target = self.path(key)
        if target.exists():
            return key
        scratch = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            scratch.write_bytes(zstandard.ZstdCompressor(level=3).compress(content))
            scratch.replace(target)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            raise StorageError(
                f"can't write {target}: {error.strerror}",
                "Free some disk space or set HUNDREDFOLD_HOME elsewhere.",
            ) from error
        return key

    def get(self, key: str) -> bytes:
        """The content kept under `key`.

        Raises:
            StorageError: no such blob, or it is damaged.
        """
        try:
            content = zstandard.ZstdDecompressor().decompress(
                self.path(key).read_bytes(), max_output_size=MAX_BYTES
            )
        except (OSError, zstandard.ZstdError) as error:
            raise StorageError(
                f"the stored text {key} can't be read: {error}",
                "It may have been deleted by hand; run the item again.",
            ) from error
        if digest(content) != key:
            raise StorageError(f"the stored text {key} is damaged", "Run the item again.")
        return content
