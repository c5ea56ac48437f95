"""Every changed line is in a unit, a unit is what a reader would point at, and hostile files are bounded."""

from __future__ import annotations

import difflib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.evidence.diffs import FileDiff, parse_diff
from hundredfold.evidence.kinds import kind_of
from hundredfold.evidence.units import LONG_LINES, Unit, changed_units


def changed(path: str, old: str | None, new: str | None) -> tuple[tuple[Unit, ...], FileDiff]:
    """The units of a change between two texts, by a patch as git would print it."""
    before, after = (old or "").splitlines(keepends=True), (new or "").splitlines(keepends=True)
    body = "".join(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", n=3))
    mode = "new file mode 100644\n" if old is None else "deleted file mode 100644\n" if new is None else ""
    (file,) = parse_diff(f"diff --git a/{path} b/{path}\n{mode}{body}".encode()).files
    sides = [None if text is None else text.encode() for text in (old, new)]
    return changed_units(path, sides[0], sides[1], file), file


SAMPLES = {
    "a.py": (
        "import os\n\n\nclass Shop:\n    size = 1\n\n    @login_required\n    def buy(self):\n"
        "        return MARK\n\n\ndef other():\n    pass\n",
        "Shop.buy",
        (7, 9),
    ),
    "a.js": (
        "const x = 1;\nconst buy = async (a) => {\n  return MARK;\n};\nfunction b() {}\n",
        "buy",
        (2, 4),
    ),
    "a.ts": (
        "class Shop {\n  @guard()\n  buy(a: number): number {\n    return MARK;\n  }\n}\n",
        "Shop.buy",
        (2, 5),
    ),
    "a.tsx": ("export function Page() {\n  return <b>{MARK}</b>;\n}\n", "Page", (1, 3)),
    "a.go": ("package a\n\nfunc (s *Shop) Buy() int {\n\treturn MARK\n}\n", "Shop.Buy", (3, 5)),
    "a.rs": (
        "impl Till for Shop {\n    #[inline]\n    fn buy(&self) -> u8 {\n        MARK\n    }\n}\n",
        "Till for Shop.buy",
        (2, 5),
    ),
    "A.java": (
        "class Shop {\n  int a;\n  @Safe\n  int buy() {\n    return MARK;\n  }\n}\n",
        "Shop.buy",
        (3, 6),
    ),
    "a.c": ("#include <a.h>\nstatic char *buy(int a)\n{\n  return MARK;\n}\n", "buy", (2, 5)),
    "a.cpp": ("namespace n {\nint &Shop::buy() {\n  return MARK;\n}\n}\n", "n.Shop::buy", (2, 4)),
    "a.cs": (
        "namespace N {\nclass Shop {\n  int Buy() {\n    return MARK;\n  }\n}\n}\n",
        "N.Shop.Buy",
        (3, 5),
    ),
    "a.rb": (
        "module M\n  class Shop\n    def self.buy\n      MARK\n    end\n  end\nend\n",
        "M.Shop.buy",
        (3, 5),
    ),
    "a.php": ("<?php\nclass Shop {\n  function buy() {\n    return MARK;\n  }\n}\n", "Shop.buy", (3, 5)),
}


@pytest.mark.parametrize("path", SAMPLES)
def test_a_changed_line_belongs_to_its_function_in_every_language(path: str) -> None:
    text, name, span = SAMPLES[path]
    units, file = changed(path, text.replace("MARK", "1"), text.replace("MARK", "2"))
    (unit,) = units
    assert (unit.name, (unit.start_line, unit.end_line)) == (name, span)
    assert unit.changed_lines == frozenset(file.added_lines())
    assert unit.language


def test_a_decorator_taken_away_touches_its_function() -> None:
    text = "import x\n\n\n\n@route\n@login_required\ndef delete(item):\n    item.delete()\n"
    units, _ = changed("a.py", text, text.replace("@login_required\n", ""))
    assert [unit.name for unit in units] == ["delete"]
    assert units[0].changed_lines == frozenset()


def test_lines_outside_functions_are_regions_and_classes() -> None:
    text = "".join(f"A{n} = {n}\n" for n in range(60)) + "class C:\n    x = 1\n"
    new = text.replace("A5 = 5", "A5 = 6").replace("A50 = 50", "A50 = 51").replace("x = 1", "x = 2")
    units, _ = changed("a.py", text, new)
    assert [unit.name for unit in units] == ["top level", "top level", "C"]
    assert [unit.changed_lines for unit in units] == [{6}, {51}, {62}]


def test_a_deleted_file_gives_the_units_that_were_there() -> None:
    units, _ = changed("a.py", "def f():\n    pass\n", None)
    assert [(unit.name, unit.start_line, unit.end_line) for unit in units] == [("f", 1, 2)]


def test_a_long_function_is_divided_and_no_unit_is_long() -> None:
    body = "".join(f"    x{n} = {n}\n" for n in range(900))
    units, file = changed("a.py", None, f"def long():\n{body}")
    assert all(unit.end_line - unit.start_line < LONG_LINES for unit in units)
    assert {line for unit in units for line in unit.changed_lines} == set(file.added_lines())
    assert {unit.name for unit in units} == {"part of long"}


source_lines = st.sampled_from(
    [
        "def f():",
        "class C:",
        "    x = 1",
        "    def g(self):",
        "        return 2",
        "",
        "@d",
        "y = (",
        ")",
        "\f",
        "'''",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    old=st.lists(source_lines, max_size=60),
    new=st.lists(source_lines, min_size=1, max_size=60),
    path=st.sampled_from(["a.py", "a.rb", "a.js", "a.unknown"]),
)
def test_every_added_line_is_in_exactly_the_units_that_say_so(
    old: list[str], new: list[str], path: str
) -> None:
    before, after = ("".join(f"{line}\n" for line in lines).replace("\f", "") for lines in (old, new))
    if before == after:
        return
    units, file = changed(path, before, after)
    written = set(file.added_lines())
    last = after.count("\n")
    for unit in units:
        assert 1 <= unit.start_line <= unit.end_line <= last
        within = {line for line in written if unit.start_line <= line <= unit.end_line}
        assert unit.changed_lines == within
    assert {line for unit in units for line in unit.changed_lines} == written


@pytest.mark.parametrize(
    ("path", "hostile"),
    [
        ("a.tsx", "a<" * 60_000),
        ("a.cs", "a<" * 250_000),
        ("a.cpp", "{[(" * 60_000),
        ("a.rs", "\"\\'`$${" * 25_000),
        ("a.py", "(" * 500_000),
        ("a.js", "x=1;" * 120_000),
    ],
)
def test_a_hostile_file_becomes_a_region_in_bounded_time(path: str, hostile: str) -> None:
    started = time.process_time()
    units, _ = changed(path, None, hostile + "\n")
    assert time.process_time() - started < 15
    assert [(unit.start_line, unit.end_line) for unit in units] == [(1, 1)]


def test_the_parser_is_in_order_after_it_gave_up() -> None:
    changed("a.cs", None, "a<" * 250_000 + "\n")
    text, name, _ = SAMPLES["a.cs"]
    units, _ = changed("a.cs", text.replace("MARK", "1"), text.replace("MARK", "2"))
    assert [unit.name for unit in units] == [name]


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        (
            "docs",
            "README.md LICENSE LICENSE-MIT docs/a.txt docs/logo.png man/x.1 CHANGES.rst COPYING NEWS.txt",
        ),
        (
            "code",
            "docs/conf.py a.ipynb Dockerfile Makefile a.mdx unknown install License.java a.svg README.py",
        ),
        ("code", "app/templates/mail.txt bin/run a.html a.sql docs/Makefile"),
        (
            "config",
            "requirements.txt requirements/dev.txt dev-requirements.txt CMakeLists.txt pyproject.toml",
        ),
        (
            "config",
            ".github/workflows/ci.yml AGENTS.md CLAUDE.md prompts/x.md CODEOWNERS go.mod .gitlab-ci.yml",
        ),
        ("test", "tests/test_a.py a_test.go spec/a_spec.rb src/a.test.ts conftest.py FooTest.java"),
        ("lock", "uv.lock package-lock.json go.sum sub/Cargo.lock"),
        ("generated", "a.min.js a_pb2.py a.pb.go"),
        ("vendored", "vendor/a/b.go third_party/x.c node_modules/a/index.js vendor/a/README.md"),
        ("data", "a.csv words.txt a.po"),
        ("binary", "a.pdf logo.png a.wasm"),
    ],
)
def test_the_kind_of_a_file_errs_towards_being_looked_at(kind: str, paths: str) -> None:
    assert {path: kind_of(path) for path in paths.split()} == dict.fromkeys(paths.split(), kind)
