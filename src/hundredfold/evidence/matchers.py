"""Places in changed code where a weakness could be: the matchers of `data/matchers.toml`.

A match is a reason to have a function looked at, never a finding. Strict matchers are telling wherever they
stand in a changed function (a fix often adds a check next to the weak line); broad ones are common and count
only on lines that the commit itself touched. That keeps strict families dominant among what agents are asked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Literal

import msgspec
from msgspec import Struct

MAX_LINE = 2_000  # characters of a line that are searched; every pattern is bounded, so its time is too
MAX_PER_MATCHER = 5  # candidates of one matcher in one unit: more say nothing new
MAX_JOINED = 4  # lines of one statement that are searched as one

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
#: What a line ends in that goes on in the next one.
_GOES_ON = ("(", "[", ",", "+", "=", ".", "\\", "||", "&&")


class Candidate(Struct, frozen=True):
    """A line that is a reason to look. `line` is 1-based in its file."""

    rule: str
    family: str
    level: Level
    cwe: str
    line: int


class Matcher(Struct, frozen=True):
    """One pattern of a family and the languages it speaks of.

    One of the `hints`, in lower case, stands in every text that the pattern matches.
    """

    id: str
    family: str
    level: Level
    cwe: str
    languages: frozenset[str]
    hints: tuple[str, ...]
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


def possible(path: str, text: str) -> tuple[Matcher, ...]:
    """The matchers that have a hint in `text`, with only those hints: no others can match in it.

    Cheap enough for every file of a large commit; a file without any needs no further look.
    """
    lowered = text.lower()
    found = []
    for one in _for_language(language_of(path)):
        hints = tuple(hint for hint in one.hints if hint in lowered)
        if hints:
            found.append(msgspec.structs.replace(one, hints=hints))
    return tuple(found)


def speaks_up(path: str, lines: Sequence[str]) -> bool:
    """Whether any matcher matches anywhere in the lines: if not, they need not be taken apart into units."""
    among = possible(path, "\n".join(lines))
    if not among:
        return False
    for _, text in _statements(list(enumerate(lines, 1))):
        lowered = text.lower()
        if any(_hinted(matcher, lowered) and matcher.regex.search(text) for matcher in among):
            return True
    return False


def match(
    path: str,
    lines: Sequence[tuple[int, str]],
    changed: Collection[int],
    among: Sequence[Matcher] | None = None,
) -> tuple[Candidate, ...]:
    """The candidates of a unit's (number, text) lines, of which `changed` are those the commit touched.

    A line that visibly goes on (it ends in an opening bracket, a comma, an operator) is searched together
    with the next ones, so that a call split over lines is seen. Whole-line comments are passed over. In order
    of lines, strict before broad on the same line. `among`: only these matchers, e.g. what is `possible` in
    the file that the lines are of.
    """
    if among is None:
        among = possible(path, "\n".join(text for _, text in lines))
    if not among:
        return ()
    found: list[Candidate] = []
    searched = [(numbers, text, text.lower()) for numbers, text in _statements(lines)]
    for matcher in among:
        hits = 0
        for numbers, text, lowered in searched:
            if matcher.level == "broad" and not any(number in changed for number in numbers):
                continue
            if _hinted(matcher, lowered) and matcher.regex.search(text):
                found.append(Candidate(matcher.id, matcher.family, matcher.level, matcher.cwe, numbers[0]))
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
            hints=tuple(one["hint"]),
            regex=re.compile(one["pattern"], re.ASCII),
        )
        for one in raw["matcher"]
    )


def matchers_version() -> str:
    """A digest of the matcher set: part of what decides whether a thing must be looked at again."""
    return sha256(_data()).hexdigest()[:16]


def _hinted(matcher: Matcher, lowered: str) -> bool:
    return any(hint in lowered for hint in matcher.hints)


def _statements(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[tuple[int, ...], str]]:
    """Each line with the lines it goes on in: their numbers and their text as one."""
    kept = [(number, text[:MAX_LINE]) for number, text in lines if not _COMMENT.match(text[:MAX_LINE])]
    for at, (number, text) in enumerate(kept):
        numbers, last = [number], text.rstrip()
        if last.endswith(_GOES_ON):
            for following, more in kept[at + 1 : at + MAX_JOINED]:
                numbers.append(following)
                last = more.strip()
                text = f"{text.rstrip()} {last}"  # a blank: no hint can stand across it
                if not last.endswith(_GOES_ON):
                    break
        yield tuple(numbers), text[:MAX_LINE]


@cache
def _data() -> bytes:
    return files("hundredfold.evidence").joinpath("data/matchers.toml").read_bytes()


@cache
def _for_language(language: str) -> tuple[Matcher, ...]:
    return tuple(matcher for matcher in _all() if language in matcher.languages)


@cache
def _all() -> tuple[Matcher, ...]:
    return all_matchers()
