"""What kind of file a path is, by its name alone: documentation, test, code, configuration, and so on.

Decided with care for one use: a commit that touches nothing but documentation costs no model call. So only
what can't run, and steers nothing that runs, counts as documentation: notebooks, Dockerfiles, CI and build
files, instructions to agents and templates do not. What is not known is code. A file's content is not asked:
whoever wants to hide something would write "generated" into it.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["docs", "test", "code", "config", "lock", "generated", "vendored", "binary", "data"]

_LOCKS = frozenset(
    {
        "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "poetry.lock",
        "pdm.lock", "uv.lock", "Pipfile.lock", "Cargo.lock", "go.sum", "Gemfile.lock", "composer.lock",
        "requirements.lock", "mix.lock", "packages.lock.json", "flake.lock", "gradle.lockfile",
    }
)  # fmt: skip
_DOC_NAMES = frozenset(
    {
        "license", "licence", "unlicense", "copying", "notice", "authors", "contributors", "changelog",
        "changes", "history", "news", "readme", "contributing", "code_of_conduct", "maintainers", "thanks",
        "todo", "security",
    }
)  # fmt: skip
_DOC_SUFFIXES = frozenset({".md", ".markdown", ".rst", ".adoc", ".asciidoc", ".org", ".pod", ".rdoc", ".tex"})
_DOC_FOLDERS = frozenset({"doc", "docs", "documentation", "man"})
_AGENT_INSTRUCTIONS = re.compile(
    r"(^|/)(agents|claude|gemini|skill|copilot-instructions|[^/]*\.(instructions|prompt))\.md$|"
    r"(^|/)(prompts|\.claude|\.cursor|\.codex|\.agents)/",
    re.IGNORECASE,
)
_CONFIG_TEXT = re.compile(
    r"(^|[-_./])(requirements|constraints)([-_./][^/]*)?\.(txt|in)$|(^|/)(CMakeLists|meson_options|robots)\.txt$"
)
_LICENSE = re.compile(r"(LICEN[CS]E|COPYING)[-.][A-Z0-9][A-Z0-9.-]*")
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".bmp", ".tiff", ".avif"})
_BINARY = frozenset(
    {
        ".pdf", ".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".jar", ".war", ".class",
        ".so", ".dll", ".dylib", ".exe", ".o", ".a", ".pyc", ".whl", ".woff", ".woff2", ".ttf", ".otf",
        ".eot", ".mp3", ".mp4", ".ogg", ".wav", ".webm", ".mov", ".db", ".sqlite", ".bin", ".wasm", ".npy",
        ".npz", ".parquet", ".phar",
    }
)  # fmt: skip
_DATA = frozenset(
    {
        ".csv",
        ".tsv",
        ".jsonl",
        ".ndjson",
        ".po",
        ".pot",
        ".mo",
        ".snap",
        ".geojson",
        ".log",
        ".diff",
        ".patch",
    }
)
_CONFIG = frozenset(
    {".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".conf", ".properties", ".env", ".xml", ".tf", ".mod"}
)
_VENDORED = re.compile(
    r"(^|/)(vendor|vendored|third_party|thirdparty|node_modules|bower_components|_vendor)/"
)
_GENERATED = re.compile(
    r"(\.min\.(js|css)|\.bundle\.js|_pb2(_grpc)?\.py|\.pb\.(go|cc|h)|\.generated\.\w+|_generated\.\w+|\.g\.(cs|dart))$"
)
_TEST = re.compile(
    r"(^|/)(tests?|specs?|__tests__|testdata|fixtures|e2e)/|(^|/)(test_[^/]*|conftest)\.py$|"
    r"[^/]*(_test\.(go|py|rb|cc|cpp|rs)|_spec\.rb|\.(test|spec)\.[cm]?[jt]sx?|Tests?\.(java|cs|php|kt))$"
)
_CI = re.compile(
    r"(^|/)\.(github|gitlab|circleci|buildkite)/|(^|/)(\.gitlab-ci\.yml|azure-pipelines\.yml|\.travis\.yml)$"
)


def kind_of(path: str) -> Kind:
    """The kind of the file at `path`."""
    pure = PurePosixPath(path)
    name, suffix, folders = pure.name, pure.suffix.lower(), set(pure.parts[:-1])
    if name in _LOCKS:
        return "lock"
    if _VENDORED.search(path):
        return "vendored"
    if _GENERATED.search(name):
        return "generated"
    if _CONFIG_TEXT.search(path) or (_CI.search(path) and suffix not in _DOC_SUFFIXES):
        return "config"
    if suffix in _PICTURES:
        return "docs" if folders & _DOC_FOLDERS else "binary"
    if suffix in _BINARY:
        return "binary"
    if suffix in _DOC_SUFFIXES:
        return "config" if _AGENT_INSTRUCTIONS.search(path) else "docs"
    if _is_plain_documentation(pure, folders):
        return "docs"
    if _TEST.search(path):
        return "test"
    if suffix in _DATA:
        return "data"
    if suffix == ".txt":
        return "code" if "templates" in folders else "data"
    return "config" if suffix in _CONFIG or name == "CODEOWNERS" else "code"


def _is_plain_documentation(path: PurePosixPath, folders: set[str]) -> bool:
    """Whether a file without a markup language's suffix is for people to read."""
    suffix = path.suffix.lower()
    if suffix in ("", ".txt") and path.stem.lower() in _DOC_NAMES:
        return True
    in_docs = bool(folders & _DOC_FOLDERS)
    return bool(_LICENSE.fullmatch(path.name)) or (in_docs and bool(re.fullmatch(r"\.(txt|[1-8])", suffix)))
