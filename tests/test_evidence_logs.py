"""What a failing log tells: cleaned lines, an excerpt within its budget, what failed and its fingerprint."""

from __future__ import annotations

import time
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hundredfold.evidence.logs.cleaning import cleaned
from hundredfold.evidence.logs.excerpt import excerpt
from hundredfold.evidence.logs.failures import failure, failure_in
from hundredfold.evidence.logs.marks import _rules, mark_of, may_tell

LINES = st.lists(st.text(max_size=120), max_size=80)
NOISE = [f"Downloading package {number}" for number in range(5_000)]
PYTEST = [
    "=================== FAILURES ===================",
    "____________________ test_total ____________________",
    "    def test_total():",
    ">       assert total([]) == 0",
    "E       ZeroDivisionError: division by zero",
    "shop/cart.py:31: ZeroDivisionError",
    "FAILED tests/test_cart.py::test_total - ZeroDivisionError: division by zero",
    "=============== 1 failed, 80 passed in 2.31s ===============",
    "##[error]Process completed with exit code 1.",
    "Post job cleanup.",
]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("2026-04-22T16:11:48.3161976Z ##[error]Exit 1", "##[error]Exit 1"),
        ("build\tRun tests\t2026-04-22T16:11:48.3161976Z FAIL x", "FAIL x"),
        ("\x1b[31;1m   FAIL\x1b[0m a", "   FAIL a"),
        ("^[[94mif^[[39;49;00m x", "if x"),
        ("10%\r50%\r100% done\r", "100% done"),
        ("\x1b]0;title\x07ok \u202eevil", "ok evil"),
        ("[2026-04-22 16:11:48,123] boom", "boom"),
        ("a 2026-04-22T16:11:48Z b", "a 2026-04-22T16:11:48Z b"),
    ],
)
def test_a_line_is_read_as_a_person_would(raw: str, text: str) -> None:
    assert cleaned(raw) == text


@given(st.text(st.characters(exclude_characters="\n")))
def test_a_cleaned_line_is_one_line_that_can_not_steer_a_terminal(raw: str) -> None:
    text = cleaned(raw)
    assert "\x1b" not in text and "\r" not in text and "\u202e" not in text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("at", range(len(_rules().marks)))
@given(data=st.data())
def test_what_a_mark_matches_is_never_passed_over(at: int, data: st.DataObject) -> None:
    pattern = _rules().marks[at][1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generator's, on syntax that it reads otherwise
        text = cleaned(data.draw(st.from_regex(pattern)))
    found = pattern.search(text)
    assert found is None or may_tell(text), found[0]


def test_servers_that_gave_up_are_told_whatever_their_number() -> None:
    assert mark_of("510 Bad Gateway") and mark_of("599 Service Unavailable")


@settings(deadline=None)
@given(LINES, st.integers(50, 600))
def test_an_excerpt_keeps_its_budget_and_shows_lines_that_stand_there(lines: list[str], budget: int) -> None:
    made = excerpt(lambda: lines, budget)
    assert made.total_lines == len(lines)
    assert made.tokens <= max(budget, 30)
    for piece in made.pieces:
        for at, line in enumerate(piece.lines):
            assert line == cleaned(lines[piece.first_line - 1 + at])
    assert made == excerpt(lambda: lines, budget)


def test_the_telling_lines_are_found_in_a_haystack() -> None:
    made = excerpt(lambda: [*NOISE, *PYTEST, *NOISE[:50]], 600)
    shown = made.text()
    assert "ZeroDivisionError: division by zero" in shown and "exit code 1" in shown and "1 failed" in shown
    assert "lines …" in shown
    found = failure_in(made)
    assert found is not None
    assert (found.test, found.path, found.line) == ("test_total", "shop/cart.py", 31)
    assert "ZeroDivisionError" in found.message


def test_a_log_that_tells_of_no_failure_yields_none() -> None:
    assert failure_in(excerpt(lambda: NOISE)) is None
    assert (
        failure_in(excerpt(lambda: ["PASS src/error.test.ts", "0 failed", "test fails_on_empty ... ok"]))
        is None
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("panicked at 0x7f3a after 31 ms", "panicked at 0x11bc after 7 ms", True),
        ("no file /tmp/pytest-of-a/x1/data.csv", "no file /tmp/pytest-of-b/y9/data.csv", True),
        ("no file /home/runner/work/a/a/src/data.csv", "no file /builds/x/data.csv", False),
        ("expected 3, got 4", "expected 3, got 5", True),
        ("KeyError: 'name'", "KeyError: 'city'", False),
    ],
)
def test_a_fingerprint_lasts_from_run_to_run_and_tells_failures_apart(
    one: str, other: str, same: bool
) -> None:
    assert (failure("t", one).fingerprint == failure("t", other).fingerprint) is same
    assert failure("t", one).fingerprint != failure("u", one).fingerprint


@pytest.mark.parametrize(
    "piece",
    ["a.", "error ", "(", "/a", "0 failed ", "E  ", "at x:1 ", "|", "_", "1 of ", "- ", "x" * 9 + ".py"],
)
def test_no_line_takes_long(piece: str) -> None:
    line = (piece * 4_000)[:100_000]
    before = time.process_time()
    failure_in(excerpt(lambda: [line] * 20))
    assert time.process_time() - before < 4.0


def test_marks_are_weighed() -> None:
    end = mark_of("##[error]Process completed with exit code 2.")
    assert end is not None and (end.family, end.weight) == ("end", 9)
    for line in (
        "",
        "PASS src/error.test.ts",
        "Compiling thiserror v1.0",
        "  ✓ rejects an invalid error (3 ms)",
    ):
        assert mark_of(line) is None, line
