"""The words of a text as search compares them: lower case, identifiers also in parts, endings cut off.

`terms` are for counting, `traces` for what names one place in a program: exceptions, files, dotted names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

MAX_WORD = 64  # characters; longer runs are hashes and base64, which no second text has

_WORD = re.compile(r"[^\W_][\w]*", re.UNICODE)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_RUN = re.compile(r"[\w$./-]+")
_FAULT = re.compile(r"[A-Z]\w*(?:Exception|Error|Fault|Warning)")
_DOTTED = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+")
_SOURCES = frozenset(
    [
        "py",
        "js",
        "jsx",
        "ts",
        "tsx",
        "java",
        "kt",
        "m",
        "mm",
        "h",
        "c",
        "cc",
        "cpp",
        "hpp",
        "cs",
        "go",
        "rs",
        "rb",
        "php",
        "swift",
        "xml",
        "json",
        "yml",
        "yaml",
        "toml",
    ]
)
_ENDINGS = (
    "ization", "ations", "ation", "ities", "ingly", "edly", "ments", "ment", "ness", "ings", "ing", "ions",
    "ion", "ies", "ied", "ers", "er", "ed", "es", "ly", "s", "e",
)  # fmt: skip
_COMMON_WORDS = (
    "a an the this that these those it its is are was were be been being of to in on for with by from as "
    "at and or not no but if then than when where which who what will would can could should may might must "
    "do does did has have had there here so such also into over only any all each both more most other same "
    "because since while after before instead use used using uses make makes made consider code line lines "
    "method function however even though thus via eg ie i we you he she they my our your"
)
COMMON = frozenset(_COMMON_WORDS.split())


def terms(text: str) -> Iterator[str]:
    """The words of `text` in order. An identifier gives itself (with "=" before it) and its parts."""
    for word in _WORD.findall(text):
        if len(word) <= MAX_WORD:
            yield from _terms_of(word)


def traces(text: str) -> frozenset[str]:
    """The exceptions (without packages), files (without folders) and dotted names of `text`, lower case."""
    return frozenset(filter(None, map(_trace, _RUN.findall(text))))


def _trace(run: str) -> str:
    run = run.strip("./-")
    name = run.rpartition("/")[2]
    last = name.rpartition(".")[2]
    if len(name) > 2 * MAX_WORD:
        return ""
    if _FAULT.fullmatch(last):
        return last.lower()
    is_source = name != last and last.lower() in _SOURCES
    return name.lower() if is_source or _DOTTED.fullmatch(name) else ""


@lru_cache(maxsize=50_000)
def _terms_of(word: str) -> tuple[str, ...]:
    parts = [part.lower() for part in _PART.findall(word)] if word.isascii() else [word.lower()]
    whole = (f"={word.lower()}",) if len(parts) > 1 else ()
    return (
        *whole,
        *(stem(part) for part in parts if part not in COMMON and (len(part) > 1 or part.isdigit())),
    )


def stem(word: str) -> str:
    """The word without one of English's frequent endings, if three letters are left."""
    ending = next((one for one in _ENDINGS if word.endswith(one) and len(word) - len(one) >= 3), "")
    return word.removesuffix(ending)
