"""Small logs of Codex and Claude Code, line by line, and what the ledger holds after they were imported."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hundredfold.store.database import Database
from hundredfold.store.tables.ledger import bookings, current_requests, routes
from hundredfold.usage.importers.booking import Books
from hundredfold.usage.importers.claude import Claude
from hundredfold.usage.importers.codex import Codex
from hundredfold.usage.importers.otlp import Otlp
from hundredfold.usage.importers.protocol import LogFormat
from hundredfold.usage.importers.run import Report, import_logs
from hundredfold.vocabulary import Usage

FORMATS: dict[str, LogFormat] = {"codex": Codex(), "claude": Claude(), "otlp": Otlp()}
THREAD = "0197a001-0000-7000-8000-000000000001"


def stamp(second: int) -> str:
    hours, minutes = second // 3600 % 24, second // 60 % 60
    return f"2026-11-0{1 + second // 86_400}T{hours:02}:{minutes:02}:{second % 60:02}.000Z"


def line(second: int, type_: str, payload: dict[str, Any]) -> bytes:
    return json.dumps(
        {"timestamp": stamp(second), "type": type_, "payload": payload}, separators=(",", ":")
    ).encode()


def meta(thread: str = THREAD, version: str = "0.154.0", **rest: Any) -> bytes:
    return line(0, "session_meta", {"id": thread, "cwd": "/home/dev/shop", "cli_version": version, **rest})


def context(second: int, model: str = "gpt-5.5") -> bytes:
    return line(second, "turn_context", {"turn_id": "t", "cwd": "/home/dev/shop", "model": model})


def tier(second: int, name: str | None) -> bytes:
    settings = {"service_tier": name}
    return line(second, "event_msg", {"type": "thread_settings_applied", "thread_settings": settings})


def wire(input_: int, cached: int, output: int, reasoning: int = 0) -> dict[str, int]:
    return {
        "input_tokens": input_,
        "cached_input_tokens": cached,
        "output_tokens": output,
        "reasoning_output_tokens": reasoning,
    }


def record(second: int, response: str, used: dict[str, int]) -> bytes:
    return line(
        second,
        "token_usage_record",
        {"thread_id": THREAD, "turn_id": "t", "response_id": response, "usage": used},
    )


def count(second: int, total: dict[str, int] | None) -> bytes:
    info = None if total is None else {"total_token_usage": total, "last_token_usage": {}}
    return line(second, "event_msg", {"type": "token_count", "info": info})


def output(second: int, size: int = 300) -> bytes:
    return line(
        second, "response_item", {"type": "function_call_output", "output": '"usage"\n' * (size // 8)}
    )


def message(second: int, id_: str, *, output: int, write: int = 0, write_1h: int = 0, **rest: Any) -> bytes:
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": write,
        "cache_creation": {
            "ephemeral_5m_input_tokens": write - write_1h,
            "ephemeral_1h_input_tokens": write_1h,
        },
        "output_tokens": output,
        "service_tier": "standard",
        "speed": rest.pop("speed", "standard"),
    }
    value = {
        "isSidechain": False,
        "cwd": "/home/dev/shop",
        "message": {"model": "claude-opus-4-7", "id": id_, "usage": usage},
        "type": "assistant",
        "timestamp": stamp(second),
        **rest,
    }
    return json.dumps(value, separators=(",", ":")).encode()


def write(path: Path, lines: Iterable[bytes], *, end: bytes = b"\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(lines) + end)
    return path


def rollout(home: Path, lines: Sequence[bytes], thread: str = THREAD, day: str = "01") -> Path:
    """A rollout in its place below a home of Codex."""
    folder = home / "sessions" / "2026" / "11" / day
    return write(folder / f"rollout-2026-11-{day}T00-00-00-{thread}.jsonl", lines)


def take_in(database: Database, path: Path, kind: str = "codex", **rest: Any) -> Report:
    """Import."""
    return import_logs(database.url, [(FORMATS[kind], path)], Books(person="Ada"), **rest)


def rows(database: Database) -> list[dict[str, Any]]:
    """The rows that count, oldest first, with their route and booking."""
    joined = sa.select(current_requests, routes, bookings).where(
        routes.c.id == current_requests.c.route, bookings.c.id == current_requests.c.booking
    )
    with database.read() as connection:
        found = connection.execute(
            joined.order_by(current_requests.c.at_us, current_requests.c.input)
        ).mappings()
        return [dict(row) for row in found]


def used(database: Database) -> list[tuple[int, int, int]]:
    """Input, cached and output of the rows that count."""
    return [(row["input"], row["cached"], row["output"]) for row in rows(database)]


def totals(database: Database) -> tuple[int, Usage]:
    """How many requests, and their tokens."""
    found = rows(database)
    names = Usage.__struct_fields__
    return len(found), Usage(*(sum(row[name] for row in found) for name in names))
