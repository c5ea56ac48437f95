"""What kind of file a path is, by its name alone: documentation, test, code, configuration, and so on.

Decided with care for one use: a commit that touches nothing but documentation costs no model call. So only what
can't run counts as documentation: notebooks, Dockerfiles, CI files and build files are code or configuration.
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
    {"license", "licence", "copying", "notice", "authors", "contributors", "changelog", "changes", "history",
     "news", "readme", "contributing", "code_of_conduct", "maintainers", "thanks", "install", "todo", "codeowners"}
)  # fmt: skip
_DOC_SUFFIXES = frozenset(
    {".md", ".markdown", ".rst", ".adoc", ".asciidoc", ".txt", ".mdx", ".org", ".pod", ".tex"}
)
_DOC_FOLDERS = frozenset({"doc", "docs", "documentation"})
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".bmp", ".tiff", ".avif"})
_BINARY = frozenset(
    {
        ".pdf", ".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".jar", ".war", ".class", ".so", ".dll",
        ".dylib", ".exe", ".o", ".a", ".pyc", ".whl", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".mp3", ".mp4",
        ".ogg", ".wav", ".webm", ".mov", ".db", ".sqlite", ".bin", ".wasm", ".npy", ".npz", ".parquet", ".phar",
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
    {".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".conf", ".properties", ".env", ".xml", ".tf"}
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
    if _CI.search(path) and suffix not in _DOC_SUFFIXES:
        return "config"
    if _VENDORED.search(path):
        return "vendored"
    if _GENERATED.search(name):
        return "generated"
    if suffix in _PICTURES:
        return "docs" if folders & _DOC_FOLDERS else "binary"
    if suffix in _BINARY:
        return "binary"
    if name.startswith("requirements") or name == "CMakeLists.txt" or name == "robots.txt":
        return "config"
    if suffix in _DOC_SUFFIXES or (pure.stem.lower() in _DOC_NAMES and suffix in ("", ".txt")):
        return "test" if _TEST.search(path) and suffix == ".txt" else "docs"
    if _TEST.search(path):
        return "test"
    if suffix in _DATA:
        return "data"
    return "config" if suffix in _CONFIG else "code"
