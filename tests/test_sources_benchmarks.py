"""Every format is read as its tool writes it, and what is no such file is a clear error, never a crash."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.errors import ConfigError
from hundredfold.sources.benchmarks.reading import FORMATS, read, recognised
from hundredfold.sources.benchmarks.records import Run

SHA = "0123456789abcdef0123456789abcdef01234567"
RUN = Run(SHA, 1_700_000_000_000_000)


def data_js(*benches: Any, date: Any = 1_700_000_000_000, tool: str = "customSmallerIsBetter") -> bytes:
    entry = {"commit": {"id": SHA}, "date": date, "tool": tool, "benches": list(benches)}
    return b"window.BENCHMARK_DATA = " + json.dumps({"entries": {"suite": [entry]}}).encode() + b";\n"


GO = b"""goos: linux
pkg: example.org/sort
BenchmarkQuick-8   \t  1000\t  1200 ns/op\t 64 B/op\t 2 allocs/op
BenchmarkQuick-8   \t  1000\t  1300 ns/op\t 64 B/op\t 2 allocs/op
BenchmarkQuick-8   \t  1000\t  1250 ns/op\t 64 B/op\t 2 allocs/op
BenchmarkCopy/1k-8 \t  1000\t  100.5 ns/op\t 990.10 MB/s
PASS
ok  \texample.org/sort\t3.2s
"""
SAMPLES: dict[str, tuple[bytes, str, list[tuple[str, str, float]]]] = {
    "github-action-benchmark": (
        data_js({"name": "a", "unit": "ns", "value": 5.5, "range": "± 1.25"}),
        "data.js",
        [("a", "ns", 5.5)],
    ),
    "pytest-benchmark": (
        json.dumps(
            {
                "commit_info": {"id": SHA, "time": "2024-01-01T00:00:00+00:00"},
                "datetime": "2024-01-02T03:04:05.123456+00:00",
                "benchmarks": [
                    {
                        "name": "test_a",
                        "fullname": "t.py::test_a",
                        "group": None,
                        "stats": {"median": 0.5, "iqr": 0.1},
                    }
                ],
            }
        ).encode(),
        "out.json",
        [("t.py::test_a", "s", 0.5)],
    ),
    "hyperfine": (
        json.dumps(
            {"results": [{"command": "sleep", "median": 0.3, "stddev": 0.01, "parameters": {"n": "2"}}]}
        ).encode(),
        "h.json",
        [("sleep (n=2)", "s", 0.3)],
    ),
    "asv": (
        json.dumps(
            {
                "commit_hash": SHA,
                "date": 1_700_000_000_000,
                "env_name": "py3.11",
                "result_columns": ["result", "params"],
                "results": {
                    "bench.time_a": [[0.1, None, 0.3], [["1", "2", "3"]]],
                    "bench.peakmem_b": [[2e6], []],
                },
                "version": 2,
            }
        ).encode(),
        "asv.json",
        [
            ("bench.time_a (1=1)", "s", 0.1),
            ("bench.time_a (1=3)", "s", 0.3),
            ("bench.peakmem_b", "bytes", 2e6),
        ],
    ),
    "criterion": (
        json.dumps(
            {
                "mean": {"point_estimate": 9.0},
                "median": {"point_estimate": 8.0, "standard_error": 0.1},
                "slope": None,
            }
        ).encode(),
        "target/criterion/sort/quick/100/new/estimates.json",
        [("sort/quick/100", "ns", 8.0)],
    ),
    "go": (
        GO,
        "bench.txt",
        [
            ("BenchmarkQuick", "ns/op", 1250.0),
            ("BenchmarkQuick B/op", "B/op", 64.0),
            ("BenchmarkQuick allocs/op", "allocs/op", 2.0),
            ("BenchmarkCopy/1k", "ns/op", 100.5),
            ("BenchmarkCopy/1k MB/s", "MB/s", 990.1),
        ],
    ),
    "jmh": (
        json.dumps(
            [
                {
                    "benchmark": "org.A.b",
                    "mode": "thrpt",
                    "params": {"size": "10"},
                    "primaryMetric": {"score": 12.5, "scoreError": "NaN", "scoreUnit": "ops/s"},
                }
            ]
        ).encode(),
        "jmh.json",
        [("org.A.b (size=10)", "ops/s", 12.5)],
    ),
    "custom": (b'[{"name": "size", "unit": "bytes", "value": 7}]', "c.json", [("size", "bytes", 7.0)]),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_each_format_is_recognised_and_read(name: str) -> None:
    content, file, wanted = SAMPLES[name]
    assert recognised(content, file) == name
    found = read(content, file, RUN)
    assert [(one.name, one.unit, one.value) for one in found.readings] == wanted
    assert {one.commit for one in found.readings} == {SHA}
    assert all(one.at_us > 0 for one in found.readings)


def test_messages_of_cargo_criterion_and_of_libtest() -> None:
    message = {"reason": "benchmark-complete", "id": "a/b", "typical": {"estimate": 3.0, "unit": "ns"}}
    lines = json.dumps({"reason": "group-complete"}) + "\n" + json.dumps(message) + "\n"
    (one,) = read(lines.encode(), "m.json", RUN).readings
    assert (one.name, one.unit, one.value) == ("a/b", "ns", 3.0)
    libtest = b"running 1 test\ntest sort::quick ... bench:       1,234 ns/iter (+/- 56)\n"
    (two,) = read(libtest, "b.txt", RUN).readings
    assert (two.name, two.value, two.spread, two.tool) == ("sort::quick", 1234.0, 56.0, "cargo")


@pytest.mark.parametrize("tool", ["customSmallerIsBetter", "customBiggerIsBetter"])
def test_the_custom_formats_say_the_direction_by_their_name(tool: str) -> None:
    (one,) = read(SAMPLES["custom"][0], "c.json", RUN, tool).readings
    assert one.tool == tool


def test_what_is_no_measurement_is_left_out_and_counted() -> None:
    content = data_js(
        {"name": "ok", "unit": "ns", "value": 1},
        {"name": "nan", "unit": "ns", "value": float("nan")},
        {"name": "inf", "unit": "ns", "value": float("inf")},
        {"name": "text", "unit": "ns", "value": "7"},
        {"name": "true", "unit": "ns", "value": True},
        {"name": "", "unit": "ns", "value": 1},
        {"unit": "ns"},
        "no bench",
        {"name": "big", "unit": "ns", "value": 10**400},
    )
    found = read(content, "data.js", RUN)
    assert [one.name for one in found.readings] == ["ok"]
    assert sum(found.left_out.values()) == 8


def test_a_history_reads_the_same_whether_or_not_it_is_json_to_the_letter() -> None:
    """NaN is no JSON: such a file is decoded as a whole, others entry by entry."""
    benches = [{"name": "a", "unit": "ns", "value": 1, "range": "± 1,000"}, {"name": "b", "value": "no"}]
    entry = {"commit": {"id": SHA}, "date": 1_700_000_000_000, "tool": "cargo", "benches": benches}
    odd = {"benches": [{"name": "c", "unit": "ns", "value": 1}], "date": float("nan")}
    suites = {"One": [entry, {"benches": 3}, 7], "Other": [entry]}
    strict, lenient = (
        read(f"window.BENCHMARK_DATA = {json.dumps({'entries': one})};\n ".encode(), "data.js", RUN)
        for one in (suites, {**suites, "Odd": [odd], "None": 5})
    )
    assert len(strict.readings) == 2 and strict.readings == lenient.readings
    assert strict.readings[0].spread == 1000.0 and strict.readings[0].tool == "cargo"
    assert (sum(strict.left_out.values()), sum(lenient.left_out.values())) == (2, 3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"   \n", "is empty"),
        (b"hello", "of no known format"),
        (b"{", "is not JSON"),
        (b"window.BENCHMARK_DATA = {oops", "is not JSON"),
        (b"window.BENCHMARK_DATA = []", "has no `entries`"),
        (b'window.BENCHMARK_DATA = {"entries": {}}', "holds no measurement"),
        (b'{"unknown": 1}', "its keys are unknown"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"results": "\xff"}', "is not UTF-8"),
        (b"[1, 2]", "of no known format"),
        (data_js({"name": "a", "unit": "ns", "value": 1}, date="yesterday"), "without a time"),
    ],
)
def test_a_file_that_is_none_is_a_clear_error(content: bytes, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(content, "some/file.json", RUN)
    assert "some/file.json" in str(refused.value) and says in str(refused.value)
    assert refused.value.mend


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as refused:
        read(b"[]", "f", RUN, "xml")
    assert "jmh" in refused.value.mend


KEYS = [
    "entries",
    "benches",
    "commit",
    "id",
    "date",
    "name",
    "value",
    "unit",
    "results",
    "params",
    "result",
    "benchmarks",
    "stats",
    "median",
    "primaryMetric",
    "score",
    "commit_hash",
    "result_columns",
    "reason",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(KEYS),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(JSON, st.sampled_from(["auto", *FORMATS]))
def test_no_json_crashes_a_reader(document: Any, name: str) -> None:
    content = json.dumps(document).encode()
    try:
        found = read(content, "f.json", RUN, name)
    except ConfigError:
        return
    assert all(one.name and one.at_us > 0 and one.value == one.value for one in found.readings)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(["auto", *FORMATS]))
def test_no_bytes_crash_a_reader(content: bytes, name: str) -> None:
    with contextlib.suppress(ConfigError):
        read(content, "f", RUN, name)
