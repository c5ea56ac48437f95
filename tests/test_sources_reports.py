"""Logs and JUnit reports as files: found within the repository, read within bounds, bad ones told by name."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from hundredfold.errors import ConfigError, SourceError
from hundredfold.evidence.logs.cleaning import MAX_LINE
from hundredfold.sources.reports.files import content_of, lines_of, matching
from hundredfold.sources.reports.junit import failed_cases

GOOD = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest"><testsuite name="inner">
<testcase classname="tests.test_a.TestB" name="test_c[1]" file="tests/test_a.py" line="12">
<failure message="assert 1 == 2">Traceback\nE assert 1 == 2</failure></testcase>
<testcase classname="x" name="fine"/>
<testcase classname="x" name="shaky"><flakyFailure type="Timeout" message="late"/></testcase>
<testcase classname="x" name="broken" line="-4"><error>first line\nsecond</error></testcase>
</testsuite></testsuite></testsuites>"""


def test_failed_tests_are_read_and_passed_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "r.xml").write_text(GOOD)
    one, shaky, broken = failed_cases(tmp_path / "r.xml")
    assert (one.suite, one.name, one.path, one.line) == (
        "tests.test_a.TestB",
        "test_c[1]",
        "tests/test_a.py",
        12,
    )
    assert one.message == "assert 1 == 2" and not one.flaky
    assert shaky.flaky and shaky.message == "Timeout: late"
    assert (broken.message, broken.line) == ("first line", 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not XML"),
        (b"<testsuites><testcase", "line 1"),
        (b"<html/>", "its root is <html>"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><testsuites/>', "document type"),
        ("<testsuites/>".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_bad_report_is_told_by_name(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_bytes(content)
    with pytest.raises(SourceError, match=r"bad\.xml") as told:
        failed_cases(tmp_path / "bad.xml")
    assert said in str(told.value) and told.value.mend


def test_packed_logs_are_read_and_torn_ones_told(tmp_path: Path) -> None:
    text = b"one\r\ntwo\nthree"
    (tmp_path / "a.log").write_bytes(text)
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a.log.zst").write_bytes(zstandard.compress(text))
    for name in ("a.log", "a.log.gz", "a.log.zst"):
        assert list(lines_of(tmp_path / name)) == ["one", "two", "three"]
    for name in ("a.log.gz", "a.log.zst"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-7] if name.endswith("gz") else b"torn")
        with pytest.raises(SourceError, match=name):
            list(lines_of(tmp_path / name))
    with pytest.raises(SourceError, match="more than 5 bytes"):
        content_of(tmp_path / "a.log", 5)


def test_a_line_without_end_is_cut_and_not_held(tmp_path: Path) -> None:
    with (tmp_path / "long.log").open("wb") as file:
        for _ in range(40):
            file.write(b"x" * 1_000_000)
        file.write(b"\nafter")
    first, last = lines_of(tmp_path / "long.log")
    assert len(first) == 4 * MAX_LINE and last == "after"


def test_patterns_stay_in_the_repository(tmp_path: Path) -> None:
    root, outside = tmp_path / "repo", tmp_path / "secret.log"
    (root / "ci").mkdir(parents=True)
    outside.write_text("secret")
    (root / "ci" / "a.log").write_text("a")
    (root / "ci" / "link.log").symlink_to(outside)
    (root / "ci" / "folder.log").mkdir()
    (root / "ci" / "loop").symlink_to(root)
    assert [one.name for one in matching(root, ["ci/*.log", "ci/a*"])] == ["a.log"]
    for pattern in ("../*.log", "/etc/*", "ci/../../*", ""):
        with pytest.raises(ConfigError, match="does not stay"):
            matching(root, [pattern])
