"""Other systems' requests, from OTLP JSON and from JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hundredfold.store.database import Database
from tests.support.logs import rows, take_in

NS = 1_793_530_800_000_000_000


def attribute(key: str, value: Any) -> dict[str, Any]:
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": key, "value": {kind: str(value)}}


def export(span: str, **said: Any) -> bytes:
    names = {name.replace("__", "."): value for name, value in said.items()}
    record = {
        "traceId": "t" * 32,
        "spanId": span,
        "endTimeUnixNano": str(NS),
        "attributes": [attribute(name, value) for name, value in names.items()],
    }
    resource = {"attributes": [attribute("service.name", "helpdesk")]}
    return json.dumps(
        {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [record]}]}]}
    ).encode()


def test_spans_and_lines_with_genai_attributes_are_requests(
    sqlite_database: Database, tmp_path: Path
) -> None:
    used = {"gen_ai__usage__input_tokens": 1200, "gen_ai__usage__output_tokens": 80}
    flat = {
        "timestamp": "2026-11-01T10:00:00Z",
        "id": "resp_9",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.5",
        "gen_ai.usage.input_tokens": 500,
        "gen_ai.usage.cache_read.input_tokens": 400,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.reasoning.output_tokens": 20,
        "openai.response.service_tier": "priority",
        "hundredfold.project": "shop",
    }
    lines = [
        export(
            "a",
            gen_ai__response__id="resp_1",
            gen_ai__provider__name="openai",
            gen_ai__request__model="gpt-5.4",
            **used,
        ),
        export("b", gen_ai__system="anthropic", gen_ai__request__model="claude-opus-5", **used),
        export("c", http__method="GET"),
        json.dumps(flat).encode(),
        json.dumps({**flat, "id": "resp_10", "gen_ai.usage.output_tokens": "many"}).encode(),
        json.dumps({**flat, "id": "resp_11", "timestamp": ""}).encode(),
    ]
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    report = take_in(sqlite_database, path, "otlp")
    assert report.skipped == {"records without tokens": 1}
    assert [one.line for one in report.troubles] == [5, 6]
    found = {row["key"]: row for row in rows(sqlite_database)}
    assert set(found) == {"resp_1", f"{'t' * 32}:b", "resp_9"}
    assert (found["resp_1"]["at_us"], found["resp_1"]["agent"]) == (NS // 1000, "helpdesk")
    mine = found["resp_9"]
    assert (mine["input"], mine["cached"], mine["output"], mine["reasoning"]) == (500, 400, 30, 20)
    assert (mine["tier"], mine["served_tier"], mine["project"]) == ("fast", "priority", "shop")


def test_a_file_that_is_one_document(sqlite_database: Database, tmp_path: Path) -> None:
    document = json.loads(export("a", gen_ai__usage__input_tokens=5, gen_ai__provider__name="openai"))
    (tmp_path / "export.json").write_text(json.dumps(document, indent=2))
    take_in(sqlite_database, tmp_path, "otlp")
    assert [row["input"] for row in rows(sqlite_database)] == [5]


def test_what_is_wrong_with_a_record_is_said_in_words(sqlite_database: Database, tmp_path: Path) -> None:
    used = {"id": "a", "gen_ai.usage.input_tokens": 5}
    wrong: dict[str, dict[str, Any]] = {
        "it is not between 2000 and 2099": {**used, "timestamp": NS // 1_000_000},  # milliseconds
        "the time 'soon' can't be read": {**used, "timestamp": "soon"},
        "it has no time": used,
        "a part of it is missing or of another kind": {"resourceSpans": "none"},
    }
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in wrong.values()))
    report = take_in(sqlite_database, path, "otlp")
    for trouble, what in zip(report.troubles, wrong, strict=True):
        assert what in trouble.what
    assert not rows(sqlite_database)


def test_a_document_nested_without_end_is_told(sqlite_database: Database, tmp_path: Path) -> None:
    nest = b"[" * 100_000 + b"]" * 100_000
    (tmp_path / "whole.json").write_bytes(b'{"resourceSpans":\n' + nest + b"}")
    (tmp_path / "lines.json").write_bytes(b"{broken\n" + nest + b"\n")
    report = take_in(sqlite_database, tmp_path, "otlp")
    assert {one.path.rpartition("/")[2] for one in report.troubles} == {"whole.json", "lines.json"}
