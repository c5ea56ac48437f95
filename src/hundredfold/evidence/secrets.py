"""Secrets in text: where they stand, and text without them.

The patterns are data (`data/secrets.toml`): formats that issuers publish, and assignments of a random-looking
value to a telling name, which are "likely" only. A secret never leaves this module whole: a hit carries its
redaction, and `redact` is what every outgoing text goes through.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from msgspec import Struct

MAX_LINE = 20_000  # characters of a line that are searched; more is minified or data, and slow
SHOWN = 4

_KEY_BODY = re.compile(
    r"(-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)(?P<s>(?:[^-]|-(?!----)){20,20000})"
)
#: A line of a key whose banner stands elsewhere. Certificates look the same: losing them costs nothing.
_KEY_LINE = re.compile(r"^(\W{0,40})(?P<s>[A-Za-z0-9+/]{64})(\W{0,10})$")
_KEY_TEXT = re.compile(r"[A-Za-z0-9+/=]{40}")


class Secret(Struct, frozen=True):
    """A secret found. `line` is 1-based; `start` and `end` are character columns in that line, 0-based.

    `likely`: the format is nobody's own, the name and the randomness of the value speak for it.
    """

    rule: str
    title: str
    line: int
    start: int
    end: int
    redacted: str
    likely: bool


class _Pattern(Struct, frozen=True):
    id: str
    title: str
    hints: tuple[str, ...]
    regex: re.Pattern[str]
    entropy: float
    likely: bool


class _Rules(Struct, frozen=True):
    patterns: tuple[_Pattern, ...]
    words: tuple[str, ...]
    marks: tuple[str, ...]
    test_paths: re.Pattern[str]


def find_secrets(text: str, path: str = "", first_line: int = 1) -> tuple[Secret, ...]:
    """The secrets in `text`, at most one for a stretch of text, in order.

    `path` (if known) tells tests and examples, where only issuers' own formats count. `first_line` is the
    number of the first line.
    """
    found: list[Secret] = []
    tests = bool(path and _rules().test_paths.search(path))
    patterns = _hinted(_rules().patterns, text.lower())
    if not patterns:
        return ()
    lines = text.split("\n")
    for number, line in enumerate(lines, first_line):
        for pattern, start, end in _hits(line[:MAX_LINE], patterns, issuers_only=tests):
            if pattern.id == "private-key":
                after = line[end:MAX_LINE] + "".join(lines[number - first_line + 1 :][:1])[:MAX_LINE]
                if not _KEY_TEXT.search(after):
                    continue  # only the banner, as in code that looks for keys
            found.append(
                Secret(
                    rule=pattern.id,
                    title=pattern.title,
                    line=number,
                    start=start,
                    end=end,
                    redacted=_redaction(pattern.id, line[start:end]),
                    likely=pattern.likely,
                )
            )
    return tuple(found)


def may_hold_secrets(text: str) -> bool:
    """Whether a pattern matches anywhere in `text`, be it a placeholder; cheaper than going by lines."""
    return any(pattern.regex.search(text) for pattern in _hinted(_rules().patterns, text.lower()))


def redact(text: str) -> str:
    """`text` with every secret replaced by its first characters, its length and a digest of it.

    Placeholders are left, everything else that looks like a secret goes, in tests and examples too. Redacting
    a redacted text changes nothing.
    """
    if "PRIVATE KEY" in text:
        text = _KEY_BODY.sub(_without_key_body, text)
    patterns = _hinted(_rules().patterns, text.lower())
    return "\n".join(_redact_line(line, patterns) for line in text.split("\n"))


def rules_version() -> str:
    """A digest of the patterns: part of what decides whether a thing must be looked at again."""
    return sha256(_data()).hexdigest()[:16]


def entropy(text: str) -> float:
    """Shannon entropy of the characters of `text`, in bits per character; 0 for an empty one."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values()) if total else 0.0


def _without_key_body(match: re.Match[str]) -> str:
    """The banner and the redaction of what follows; the number of lines stays what it was."""
    body = match["s"]
    if body.startswith("[redacted"):
        return match[0]
    return match[1] + _redaction("private-key", body) + "\n" * body.count("\n")


def _redact_line(line: str, patterns: Sequence[_Pattern]) -> str:
    key = _KEY_LINE.match(line)
    if key is not None and entropy(key["s"]) > 4.0:
        return key[1] + _redaction("private-key", key["s"]) + key[3]
    pieces, at = [], 0
    for window in range(0, len(line), MAX_LINE):
        for pattern, start, end in _hits(
            line[window : window + MAX_LINE], patterns, issuers_only=False, ignore_marks=True
        ):
            if pattern.id == "private-key":
                continue  # the banner is no secret, the body was replaced
            pieces += [line[at : window + start], _redaction(pattern.id, line[window + start : window + end])]
            at = window + end
    return "".join([*pieces, line[at:]]) if pieces else line


def _redaction(rule: str, secret: str) -> str:
    """What is shown of a secret. Short ones show less of themselves; blanks of a key's body show nothing."""
    shown = "" if rule in ("private-key", "password-in-url") else secret[: min(SHOWN, len(secret) // 4)]
    return (
        f"[redacted {rule}: {shown}… {len(secret)} characters, sha256 {sha256(_raw(secret)).hexdigest()[:8]}]"
    )


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _hits(
    line: str, patterns: Sequence[_Pattern], *, issuers_only: bool, ignore_marks: bool = False
) -> Iterator[tuple[_Pattern, int, int]]:
    """(pattern, start, end) of each secret of a line, in order, none within another."""
    if len(line) < 12 or not patterns:
        return
    rules, lowered = _rules(), line.lower()
    hinted = _hinted(patterns, lowered)
    if not hinted or (not ignore_marks and any(mark in lowered for mark in rules.marks)):
        return
    spans: list[tuple[int, int, _Pattern]] = []
    for pattern in hinted:
        if pattern.likely and issuers_only:
            continue
        for match in pattern.regex.finditer(line):
            start, end = match.span("s")
            if any(start < b and a < end for a, b, _ in spans):
                continue
            if _is_secret(match["s"], pattern, rules):
                spans.append((start, end, pattern))
    for start, end, pattern in sorted(spans, key=lambda span: span[0]):
        yield pattern, start, end


def _hinted(patterns: Sequence[_Pattern], lowered: str) -> list[_Pattern]:
    return [one for one in patterns if any(hint in lowered for hint in one.hints)]


def _is_secret(value: str, pattern: _Pattern, rules: _Rules) -> bool:
    if pattern.id == "private-key":
        return True
    lowered = value.lower()
    if any(word in lowered for word in rules.words) or entropy(value) < pattern.entropy:
        return False
    if not pattern.likely:
        return True
    # Words, names and paths are not random: a real secret mixes kinds of characters.
    kinds = sum(map(bool, (re.search(r"[a-z]", value), re.search(r"[A-Z]", value), re.search(r"\d", value))))
    return kinds >= 2 and bool(re.search(r"\d", value)) and not re.search(r"[/\\].*[/\\]|\s|::|->", value)


@cache
def _data() -> bytes:
    return files("hundredfold.evidence").joinpath("data/secrets.toml").read_bytes()


@cache
def _rules() -> _Rules:
    raw = tomllib.loads(_data().decode())
    patterns = tuple(
        _Pattern(
            id=one["id"],
            title=one["title"],
            hints=tuple(one["hint"].split()),
            regex=re.compile(one["pattern"]),
            entropy=one["entropy"],
            likely=one.get("likely", False),
        )
        for one in raw["secret"]
    )
    allow = raw["allow"]
    return _Rules(
        patterns=patterns,
        words=tuple(allow["words"]),
        marks=tuple(allow["marks"]),
        test_paths=re.compile(allow["test_paths"]),
    )
