"""Places in changed code where a weakness could be: the matchers of `data/matchers.toml`.

A match is a reason to have a function looked at, never a finding. Strict matchers are telling wherever they
stand in a changed function (a fix often adds a check next to the weak line); broad ones are common and count
only on lines that the commit itself touched. That keeps strict families dominant among what agents are asked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Literal

from msgspec import Struct

MAX_LINE = 2_000  # characters of a line that are searched; every pattern is bounded, so its time is too
MAX_PER_MATCHER = 5  # candidates of one matcher in one unit: more say nothing new

Level = Literal["strict", "broad"]

_SUFFIXES = {
    ".py": "python", ".pyi": "python", ".pyx": "python", ".ipynb": "python",
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript",
    ".vue": "javascript", ".svelte": "javascript",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx",
    ".go": "go", ".rs": "rust", ".java": "java", ".kt": "kotlin", ".kts": "kotlin", ".scala": "scala",
    ".swift": "swift", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hpp": "cpp",
    ".hh": "cpp", ".m": "c", ".mm": "cpp", ".cs": "csharp", ".rb": "ruby", ".rake": "ruby",
    ".gemspec": "ruby",
    ".php": "php", ".phtml": "php", ".pl": "perl", ".pm": "perl", ".lua": "lua",
    ".sh": "shell", ".bash": "shell", ".zsh": "shell",
    ".erb": "template", ".html": "template", ".htm": "template", ".twig": "template", ".jinja": "template",
    ".j2": "template", ".ejs": "template", ".hbs": "template", ".haml": "template", ".cshtml": "template",
    ".tf": "terraform", ".hcl": "terraform", ".yml": "yaml", ".yaml": "yaml",
}  # fmt: skip
_NAMES = {
    "Dockerfile": "dockerfile", "Containerfile": "dockerfile", "Jenkinsfile": "ci", ".gitlab-ci.yml": "ci",
    "package.json": "manifest", "requirements.txt": "manifest", "pyproject.toml": "manifest",
    "go.mod": "manifest", "Cargo.toml": "manifest", "Gemfile": "manifest", "composer.json": "manifest",
    ".npmrc": "manifest",
    "pom.xml": "manifest", "setup.cfg": "manifest", "Rakefile": "ruby", "config.ru": "ruby",
}  # fmt: skip
_CI_PATH = re.compile(
    r"(?:^|/)(?:\.github/(?:workflows|actions)|\.circleci|\.buildkite|\.woodpecker)/|(?:^|/)action\.ya?ml$"
)
_COMMENT = re.compile(r"^\s{0,200}(?:#(?!\{|!|\[|include|define|if)|//|\*(?:\s|/|$)|/\*|<!--|--\s)")


class Candidate(Struct, frozen=True):
    """A line that is a reason to look. `line` is 1-based in its file."""

    rule: str
    family: str
    level: Level
    cwe: str
    line: int


class Matcher(Struct, frozen=True):
    """One pattern of a family and the languages it speaks of."""

    id: str
    family: str
    level: Level
    cwe: str
    languages: frozenset[str]
    regex: re.Pattern[str]


def language_of(path: str) -> str:
    """The language whose matchers apply to a path: "python", "ci", "dockerfile" …; "" if none is known."""
    if _CI_PATH.search(path):
        return "ci"
    name = PurePosixPath(path).name
    if name in _NAMES:
        return _NAMES[name]
    if name.startswith(("Dockerfile", "Containerfile")) or name.endswith(".dockerfile"):
        return "dockerfile"
    if name.startswith("requirements") and name.endswith(".txt"):
        return "manifest"
    return _SUFFIXES.get(PurePosixPath(path).suffix.lower(), "")


def match(path: str, lines: Sequence[tuple[int, str]], changed: Collection[int]) -> tuple[Candidate, ...]:
    """The candidates of a unit's (number, text) lines, of which `changed` are those the commit touched.

    Whole-line comments are passed over. In order of lines, strict before broad on the same line.
    """
    matchers = _for_language(language_of(path))
    if not matchers:
        return ()
    found: list[Candidate] = []
    searched = [(number, text[:MAX_LINE]) for number, text in lines if not _COMMENT.match(text[:MAX_LINE])]
    whole = "\n".join(text for _, text in searched)
    for matcher in matchers:
        if matcher.regex.search(whole) is None:  # one search instead of one a line: most match nowhere
            continue
        hits = 0
        for number, text in searched:
            if (matcher.level == "strict" or number in changed) and matcher.regex.search(text):
                found.append(Candidate(matcher.id, matcher.family, matcher.level, matcher.cwe, number))
                hits += 1
                if hits == MAX_PER_MATCHER:
                    break
    return tuple(sorted(found, key=lambda one: (one.line, one.level != "strict", one.rule)))


def all_matchers() -> tuple[Matcher, ...]:
    """Every matcher, in the order of the data file."""
    raw = tomllib.loads(_data().decode())
    return tuple(
        Matcher(
            id=one["id"],
            family=one["family"],
            level=one["level"],
            cwe=one["cwe"],
            languages=frozenset(lang for name in one["in"] for lang in raw["groups"].get(name, [name])),
            regex=re.compile(one["pattern"], re.MULTILINE),
        )
        for one in raw["matcher"]
    )


def matchers_version() -> str:
    """A digest of the matcher set: part of what decides whether a thing must be looked at again."""
    return sha256(_data()).hexdigest()[:16]


@cache
def _data() -> bytes:
    return files("hundredfold.evidence").joinpath("data/matchers.toml").read_bytes()


@cache
def _for_language(language: str) -> tuple[Matcher, ...]:
    return tuple(matcher for matcher in _all() if language in matcher.languages)


@cache
def _all() -> tuple[Matcher, ...]:
    return all_matchers()
