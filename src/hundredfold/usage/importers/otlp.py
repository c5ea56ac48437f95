"""Other systems' model calls: OpenTelemetry's GenAI attributes, in OTLP JSON or as plain JSON lines.

Each line (or each file that is one JSON document) is one of

- an OTLP/JSON export (`resourceSpans` or `resourceLogs`), as the collector's file exporter writes it: every
  span or log record with `gen_ai.usage.input_tokens` or `gen_ai.usage.output_tokens` is a request;
- a flat object, `{"timestamp": "2026-11-01T10:00:00Z", "id": "…", "gen_ai.provider.name": "openai",
  "gen_ai.request.model": "gpt-5.5", "gen_ai.usage.input_tokens": 1200, …}`.

`cache_read` and `reasoning` tokens are parts of input and output. Attributes that are read besides:
`gen_ai.response.id` (else `id`, else trace and span id), `gen_ai.response.model`,
`gen_ai.usage.cache_creation.input_tokens`, `openai.request.service_tier`, `openai.response.service_tier`,
`service.name` (as the agent), `hundredfold.project`, `hundredfold.person`, `hundredfold.label`.

Sources: OpenTelemetry semantic conventions for generative AI 1.37; opentelemetry-proto, JSON mapping (64-bit
integers are strings).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hundredfold.usage.importers.protocol import (
    Complain,
    Found,
    Place,
    Places,
    Row,
    Threads,
    absurd,
    at_us,
    impossible,
    possible,
    row_key,
    told_us,
)
from hundredfold.vocabulary import Tier, digest

_USAGE = "gen_ai.usage."
#: what older conventions and exporters call it
_OLDER = {
    "input_tokens": ("prompt_tokens",),
    "output_tokens": ("completion_tokens",),
    "cache_read.input_tokens": ("cache_read_input_tokens", "cached_input_tokens"),
    "cache_creation.input_tokens": ("cache_creation_input_tokens",),
    "reasoning.output_tokens": ("reasoning_tokens", "reasoning_output_tokens"),
}
_TIERS: dict[str, Tier] = {
    "priority": "fast",
    "fast": "fast",
    "flex": "flex",
    "batch": "batch",
}
_PROVIDERS = {"gcp.gemini": "google", "gcp.vertex_ai": "google", "gcp.gen_ai": "google", "google": "google"}


class Otlp:
    """`LogFormat` for OTLP JSON and JSON lines."""

    name = "otlp"
    apart = False

    def homes(self) -> list[Path]:
        """Nobody knows where other systems log."""
        return []

    def folders(self, home: Path) -> list[Path]:
        """What is given."""
        return []

    def is_log(self, name: str) -> bool:
        """See `LogFormat.is_log`."""
        return name.endswith((".json", ".jsonl", ".ndjson"))

    def parser(self, path: str, state: bytes, threads: Threads, places: Places, complain: Complain) -> Export:
        """See `LogFormat.parser`."""
        return Export(places, complain)


class Export:
    """`Parser` for one file."""

    def __init__(self, places: Places, complain: Complain) -> None:
        self._places, self._complain = places, complain
        self._rows: dict[tuple[str, str], Row] = {}
        self._skipped = 0
        #: the lines so far of a document that began on the first
        self._document: list[bytes] = []

    def block(self, base: int, block: bytes) -> int:
        """See `Parser.block`."""
        position = 0
        while (end := block.find(b"\n", position)) >= 0:
            self.line(base + position, block[position:end])
            position = end + 1
        return position

    def skips(self, begun: bytes) -> bool:
        """See `Parser.skips`: any line may count."""
        return False

    def line(self, offset: int, line: bytes) -> None:
        """See `Parser.line`."""
        if not line.strip():
            return
        if self._document:
            self._document.append(line)
            return
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            if offset == 0:
                self._document.append(line)
            else:
                self._complain(offset, f"not JSON: {error}")
            return
        self._value(offset, value)

    def _value(self, offset: int, value: Any) -> None:
        if not isinstance(value, dict):
            self._complain(offset, "not a JSON object")
            return
        try:
            self._object(offset, value)
        except (ValueError, OverflowError) as error:
            self._complain(offset, f"not as OTLP or the documented lines have it: {error}")
        except (TypeError, AttributeError, KeyError):
            self._complain(offset, "not as OTLP has it: a part of it is missing or of another kind")

    def end(self) -> Found:
        """See `Parser.end`."""
        if self._document:
            lines, self._document = self._document, []
            try:
                self._value(0, msgspec.json.decode(b"\n".join(lines)))
            except (msgspec.DecodeError, RecursionError):  # so they were lines after all
                for offset, line in zip(_offsets(lines), lines, strict=True):
                    if offset == 0:
                        self._complain(0, "not JSON, and neither is the file as a whole")
                    else:
                        self.line(offset, line)
        skipped = {"records without tokens": self._skipped} if self._skipped else {}
        return Found(list(self._rows.values()), b"", [], skipped)

    def _object(self, offset: int, value: dict[str, Any]) -> None:
        exported = [
            (resource.get("resource"), record)
            for groups, scopes, records in (
                ("resourceSpans", "scopeSpans", "spans"),
                ("resourceLogs", "scopeLogs", "logRecords"),
            )
            for resource in value.get(groups, ())
            for scope in resource.get(scopes, ())
            for record in scope.get(records, ())
        ]
        if not exported and not {"resourceSpans", "resourceLogs"} & value.keys():
            self._request(offset, value, _time_of(value), str(value.get("id") or ""))
        for resource, record in exported:
            said = _attributes((resource or {}).get("attributes", ())) | _attributes(
                record.get("attributes", ())
            )
            nanoseconds = record.get("endTimeUnixNano") or record.get("timeUnixNano") or 0
            span = ":".join(filter(None, (record.get("traceId"), record.get("spanId"))))
            self._request(offset, said, int(nanoseconds) // 1000, span)

    def _request(self, offset: int, said: dict[str, Any], at: int, spare_key: str) -> None:
        counts = [_count(said, name) for name in ("input_tokens", "output_tokens")]
        if counts == [None, None]:
            self._skipped += 1
            return
        if not at:
            raise ValueError("it has no time")
        told_us(at)
        input_, output = counts[0] or 0, counts[1] or 0
        cached = _count(said, "cache_read.input_tokens") or 0
        write = _count(said, "cache_creation.input_tokens") or 0
        reasoning = _count(said, "reasoning.output_tokens") or 0
        used = (input_, cached, write, 0, output, reasoning)
        if wrong := impossible(*used):
            if nonsense := absurd(used):
                self._complain(offset, nonsense)
                return
            self._complain(offset, f"{wrong}; what is possible of it is counted")
            used = possible(*used)
        provider = str(said.get("gen_ai.provider.name") or said.get("gen_ai.system") or "unknown")
        asked = str(
            said.get("openai.request.service_tier") or said.get("gen_ai.openai.request.service_tier") or ""
        )
        served = str(
            said.get("openai.response.service_tier") or said.get("gen_ai.openai.response.service_tier") or ""
        )
        place = Place(
            provider=_PROVIDERS.get(provider, provider),
            dialect="otlp",
            model=str(said.get("gen_ai.response.model") or said.get("gen_ai.request.model") or "unknown"),
            tier=_TIERS.get(served or asked, "standard"),
            served_tier=served,
            agent=str(said.get("service.name") or ""),
            project=str(said.get("hundredfold.project") or ""),
            person=str(said.get("hundredfold.person") or said.get("user.id") or ""),
            label=str(said.get("hundredfold.label") or ""),
        )
        key = str(said.get("gen_ai.response.id") or spare_key)
        key = key or digest("otlp", str(at), place.provider, place.model, str(used))
        identity = (key, place.provider)
        if identity not in self._rows:
            self._rows[identity] = (row_key(key), self._places.number(place), at, *used)


def _offsets(lines: list[bytes]) -> list[int]:
    """Where lines begin that follow upon each other."""
    found = [0]
    for line in lines[:-1]:
        found.append(found[-1] + len(line) + 1)
    return found


def _count(said: dict[str, Any], name: str) -> int | None:
    """A count of tokens by its name or an older one of it; text with digits is a number in OTLP JSON."""
    for one in (name, *_OLDER[name]):
        value = said.get(_USAGE + one)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | str | float) or int(value) != float(value):
            raise ValueError(f"{_USAGE}{one} is {value!r}")
        return int(value)
    return None


def _time_of(value: dict[str, Any]) -> int:
    time = value.get("timestamp") or value.get("time") or 0
    if not isinstance(time, str):
        return int(float(time) * 1_000_000)
    try:
        return at_us(time)
    except ValueError as error:
        raise ValueError(f"the time {time[:40]!r} can't be read") from error


def _attributes(pairs: Any) -> dict[str, Any]:
    """OTLP's list of key and typed value as a dictionary of the plain ones."""
    found: dict[str, Any] = {}
    for pair in pairs:
        for kind, value in pair["value"].items():
            found[pair["key"]] = int(value) if kind == "intValue" else value
    return found
