"""BERT's uncased WordPiece: a text as the numbers of its pieces.

As in google-research/bert `tokenization.py` (Devlin et al. 2018): control characters go, white space and
punctuation divide, accents and case go, Chinese characters stand alone; each word is then cut greedily into
the longest pieces that the vocabulary has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

MAX_WORD = 100  # characters; a longer word is unknown, as in the original
MAX_CACHED = 200_000  # words

_PLAIN = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")  # all there is of a word in ASCII
_CJK = (
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPiece:
    """A vocabulary and what it makes of words. Holds a cache of words; safe to share between threads."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """`vocabulary`: one piece a line of `vocab.txt`; a piece inside a word begins with "##".

        Raises:
            ValueError: [UNK], [CLS] or [SEP] is missing.
        """
        self._ids = {piece: at for at, piece in enumerate(vocabulary)}
        missing = [one for one in ("[UNK]", "[CLS]", "[SEP]") if one not in self._ids]
        if missing:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        self.unknown, self.first, self.last = (self._ids[one] for one in ("[UNK]", "[CLS]", "[SEP]"))
        self._cache: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str, most: int) -> list[int]:
        """The pieces of `text`, at most `most` of them with [CLS] before and [SEP] behind."""
        found = [self.first]
        for word in _words(text):
            found += self._pieces(word)
            if len(found) >= most:
                break
        return [*found[: most - 1], self.last]

    def _pieces(self, word: str) -> tuple[int, ...]:
        known = self._cache.get(word)
        if known is None:
            known = self._cut(word)
            if len(self._cache) < MAX_CACHED:
                self._cache[word] = known
        return known

    def _cut(self, word: str) -> tuple[int, ...]:
        if len(word) > MAX_WORD:
            return (self.unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            end = next((at for at in range(len(word), start, -1) if mark + word[start:at] in self._ids), 0)
            if not end:
                return (self.unknown,)
            found.append(self._ids[mark + word[start:end]])
            start = end
        return tuple(found)


def _words(text: str) -> Iterator[str]:
    for run in text.split():
        if run.isascii():
            yield from _PLAIN.findall(run.lower())
        else:
            yield from _folded(run)


def _folded(run: str) -> Iterator[str]:
    """Words of a run that holds more than ASCII."""
    word = ""
    for char in unicodedata.normalize("NFD", run.lower()):
        kind = unicodedata.category(char)
        if kind == "Mn" or kind[0] == "C" or char == "\ufffd":
            continue
        alone = kind[0] == "P" or (char.isascii() and not char.isalnum()) or _is_cjk(ord(char))
        if alone or kind[0] == "Z":
            if word:
                yield word
            word = ""
            if alone:
                yield char
        else:
            word += char
    if word:
        yield word


def _is_cjk(code: int) -> bool:
    return code >= 0x3400 and any(low <= code <= high for low, high in _CJK)
