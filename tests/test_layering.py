"""The shape of the code: imports run downwards, pure parts stay pure, a command line starts quickly, and what
the pages say of it is there."""

from __future__ import annotations

import ast
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.modules import PAGE, SOURCE, modules, packages
from tests.support.repositories import RepositoryMaker

ROOT = PAGE.parents[1]
PURE = ("evidence", "prices", "economics")

#: from the ground up; a package may import itself and what stands below it
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "refusals", "tasks"}),
    frozenset({"gitcommand", "payloads"}),
    frozenset({"vocabulary"}),
    frozenset({"outcome"}),
    frozenset({"sections"}),
    frozenset({"settings"}),
    frozenset({"config"}),
    frozenset({"plots"}),
    frozenset({"evidence", "prices"}),
    frozenset({"economics"}),
    frozenset({"store"}),
    frozenset({"usage", "budgets"}),
    frozenset({"forges", "workspaces"}),
    frozenset({"sources"}),
    frozenset({"jobs", "agents", "gateway", "proposals", "outcomes", "worth"}),
    frozenset({"notices"}),
    frozenset({"fleet", "simulation"}),
    frozenset({"cli", "web"}),
    frozenset({"__main__"}),
)

#: what touches the world, or tells the time
WORLDLY = frozenset(
    {
        "aiohttp", "asyncio", "ctypes", "dbos", "filelock", "glob", "http", "io", "multiprocessing", "os",
        "platform", "psutil", "random", "requests", "select", "shutil", "signal", "socket", "sqlalchemy",
        "sqlite3", "subprocess", "tempfile", "time", "urllib.request",
    }
)  # fmt: skip
#: a stream in memory is no I/O, and a seeded generator no chance
HARMLESS = {
    ("evidence/diffs.py", "io"),
    ("economics/uncertainty.py", "random"),
    ("economics/paired.py", "random"),
}

#: what costs more to import than the whole command line may
HEAVY = (
    "acp", "aiohttp", "alembic", "asyncio", "bandit", "croniter", "dbos", "jsonschema", "jwt", "matplotlib",
    "numpy", "psutil", "psycopg", "rich", "scipy", "sqlalchemy", "tree_sitter", "yaml", "zstandard",
)  # fmt: skip
#: what a command needs that reads the database and prints a table; SQLAlchemy imports asyncio
TABLES = ("asyncio", "rich", "sqlalchemy")
#: commands that people call all day, and which of `HEAVY` they may import where the schema is current; the
#: jobs that `plan` asks read blobs
QUICK: dict[tuple[str, ...], tuple[str, ...]] = {
    ("prices",): ("rich",),
    ("spend",): TABLES,
    ("spend", "--by", "day"): TABLES,
    ("whatif",): TABLES,
    ("worth",): TABLES,
    ("inbox",): TABLES,
    ("outcomes",): TABLES,
    ("plan",): (*TABLES, "zstandard"),
}
#: runs the command as on a terminal and says what it imported
_IMPORTED_BY = """
import sys
from hundredfold.cli import main
sys.argv = ["hundredfold", *sys.argv[1:]]
sys.stdout.isatty = lambda: True
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
sys.stderr.write("\\nimported: " + " ".join(sys.modules))
"""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(SOURCE.rglob("*.py")):
        yield file.relative_to(SOURCE).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that the code names in an import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports name their module in full"
            if node.module == "hundredfold":
                yield from (f"hundredfold.{alias.name}" for alias in node.names)
            else:
                yield node.module


def layer_of(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def ours(name: str) -> str:
    """The package or module of ours that a dotted name belongs to; "" if it is another's."""
    first, _, rest = name.partition(".")
    part = rest.partition(".")[0]
    return part if first == "hundredfold" and part != "__version__" else ""


def test_imports_run_downwards() -> None:
    upward = [
        f"{path} imports {name}"
        for path, tree in trees()
        if path != "__init__.py"
        for name in imported(tree)
        for own in [path.split("/")[0].removesuffix(".py")]
        if (part := ours(name)) and part != own and layer_of(part) >= layer_of(own)
    ]
    assert upward == []


def test_evidence_and_prices_touch_nothing_outside_and_know_no_clock() -> None:
    found = [
        f"{path} imports {name}"
        for path, tree in trees()
        if path.split("/")[0] in PURE
        for name in imported(tree)
        if (name in WORLDLY or name.split(".")[0] in WORLDLY) and (path, name) not in HARMLESS
    ]
    assert found == []
    clocks = [
        f"{path}:{node.lineno} {node.attr}"
        for path, tree in trees()
        if path.split("/")[0] in PURE
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today", "time_ns", "monotonic")
    ]
    assert clocks == []


def test_a_package_is_introduced_by_a_docstring_and_does_nothing_when_imported() -> None:
    for path, tree in trees():
        if not path.endswith("__init__.py") or path == "cli/__init__.py":  # whose `main` is the program
            continue
        assert ast.get_docstring(tree), f"{path} has no docstring"
        rest = tree.body[1:]
        if path == "__init__.py":
            assert [ast.unparse(one).split(" ")[0] for one in rest] == ["__version__"]
        elif re.fullmatch(r"jobs/\w+/__init__\.py", path):  # an entry point names the class by its package
            assert [type(one) for one in rest] == [ast.ImportFrom, ast.Assign], (
                f"{path} holds more than a name"
            )
        else:
            assert rest == [], f"{path} holds code"


def test_no_module_is_longer_than_a_screenful_of_screens() -> None:
    long = {
        path: lines
        for path, _ in trees()
        if (lines := len((SOURCE / path).read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_the_command_line_imports_nothing_heavy() -> None:
    script = f"import sys, hundredfold.cli; print([one for one in {HEAVY!r} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A repository that was worked on before, so that its database is there, and the environment for it."""
    folder = tmp_path_factory.mktemp("used")
    repository = RepositoryMaker(folder / "repo")
    repository.commit({"a.txt": "a"}, "A commit")
    environment = {**os.environ, "HUNDREDFOLD_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "hundredfold", "inbox"]
    subprocess.run(command, cwd=repository.root, env=environment, capture_output=True, check=True)
    return repository.root, environment


@pytest.mark.parametrize("arguments", QUICK)
def test_a_quick_command_imports_nothing_it_can_do_without(
    arguments: tuple[str, ...], used: tuple[Path, dict[str, str]]
) -> None:
    root, environment = used
    command = [sys.executable, "-c", _IMPORTED_BY, *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = set(done.stderr.rpartition("\nimported: ")[2].split())
    assert "hundredfold.cli" in found
    assert (found & set(HEAVY)) - set(QUICK[arguments]) == set()
    assert "sqlalchemy.dialects.postgresql" not in found


def cpu_seconds(*arguments: str, cwd: Path) -> float:
    """User and system time of one call of Python, whose modules were compiled by an earlier one."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(("arguments", "most"), [(("--help",), 0.25), (("spend",), 1.0)])
def test_a_command_starts_within_its_cpu_seconds(
    arguments: tuple[str, ...], most: float, tmp_path: Path
) -> None:
    repository = RepositoryMaker(tmp_path / "repo")
    repository.commit({"a.txt": "a"}, "A commit")
    found: list[float] = []
    while len(found) < 3 or (min(found) >= most and len(found) < 10):  # a busy machine counts for more
        found.append(cpu_seconds("-m", "hundredfold", *arguments, cwd=repository.root))
    yardstick = min(cpu_seconds("-c", "import asyncio, inspect, json", cwd=repository.root) for _ in range(3))
    slower = max(1.0, yardstick / 0.06)  # than the machine that the bounds were set on
    assert min(found) < most * slower, (found, yardstick)


def test_the_architecture_names_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", text))
    assert len(named) > 50
    missing = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (path := ROOT / "tests" / file).is_file()
        or (
            name and not re.search(rf"^(async )?def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        )
    ]
    assert missing == []


def test_the_maps_name_every_package_and_module_and_none_that_is_gone() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [one for one in packages() if not re.search(rf"^{one}/ ", text, re.MULTILINE)] == []
    there = {f"{package}/{file.name}" for package in (".", *packages()) for file in modules(package)}
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)(?:: \w+)?`", text)) - set(
        re.findall(r"`(test_\w+\.py)`", text)
    )
    gone = [one for one in sorted(named) if not any(f"/{path}".endswith(f"/{one}") for path in there)]
    assert [one for one in gone if one != "__init__.py" and not (ROOT / one).is_file()] == []
    listed, package = set(), "."
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            package = line[3:].replace("hundredfold", ".")
        elif match := re.match(r"- `(\w+\.py)`", line):
            listed.add(f"{package}/{match[1]}")
    assert listed == there, "write the page anew: python -m tests.support.modules"


def test_the_layers_are_drawn_as_they_are() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    chart = text.split("\n## Layout\n")[1].split("```")[1]
    drawn = [
        frozenset(re.findall(r"\w+", part.partition("   ")[0]))
        for line in chart.strip().splitlines()
        for part in line.split(" → ")
    ]
    there = {own for path, _ in trees() for own in [path.split("/")[0].removesuffix(".py")]}
    layers = [layer & there for layer in LAYERS]
    assert drawn[::-1] == [one for one in layers if one - {"__main__"}]
