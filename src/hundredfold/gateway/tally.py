"""What a gateway has done since it started, for the fleet and for Prometheus."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from hundredfold.gateway.journal import Row


class UpstreamStatus(Struct, frozen=True):
    """One provider. `throttled_until_s`: epoch seconds until which it asked for a pause, 0 if it did not."""

    in_flight: int
    throttled_until_s: float
    quota_exhausted: bool


class GatewayStatus(Struct, frozen=True):
    """A running gateway. `behind`: rows wait in the journal; `trouble`: why, "" if nothing is wrong.

    `requests` counts rows by status since the start. `fingerprint` changes with configuration and keys.
    """

    pid: int
    fingerprint: str
    in_flight: int
    requests: dict[str, int]
    refused: int
    behind: bool
    trouble: str
    upstreams: dict[str, UpstreamStatus]


class Tally:
    """Counts."""

    def __init__(self) -> None:
        self.rows: Counter[tuple[str, str]] = Counter()  # provider, status
        self.tokens: Counter[tuple[str, str]] = Counter()  # provider, kind; settled rows only
        self.unmetered: Counter[str] = Counter()  # calls passed on that use no tokens, by provider

    def count(self, row: Row) -> None:
        """Count a row."""
        provider = row.intent.upstream
        self.rows[provider, row.status] += 1
        if row.status == "settled":
            for kind in row.usage.__struct_fields__:
                self.tokens[provider, kind] += getattr(row.usage, kind)

    def by_status(self) -> dict[str, int]:
        """Rows by status."""
        found: Counter[str] = Counter()
        for (_, status), number in self.rows.items():
            found[status] += number
        return dict(found)


def prometheus_text(tally: Tally, status: GatewayStatus) -> str:
    """The text exposition format, version 0.0.4."""
    lines = ["# TYPE hundredfold_gateway_requests_total counter"]
    lines += [
        f'hundredfold_gateway_requests_total{{upstream="{_escaped(upstream)}",status="{name}"}} {number}'
        for (upstream, name), number in sorted(tally.rows.items())
    ]
    lines.append("# TYPE hundredfold_gateway_tokens_total counter")
    lines += [
        f'hundredfold_gateway_tokens_total{{upstream="{_escaped(upstream)}",kind="{kind}"}} {number}'
        for (upstream, kind), number in sorted(tally.tokens.items())
    ]
    lines.append("# TYPE hundredfold_gateway_unmetered_total counter")
    lines += [
        f'hundredfold_gateway_unmetered_total{{upstream="{_escaped(upstream)}"}} {number}'
        for upstream, number in sorted(tally.unmetered.items())
    ]
    for name, value_of in (
        ("in_flight", lambda one: one.in_flight),
        ("throttled_until_seconds", lambda one: one.throttled_until_s),
        ("quota_exhausted", lambda one: int(one.quota_exhausted)),
    ):
        lines.append(f"# TYPE hundredfold_gateway_{name} gauge")
        lines += [
            f'hundredfold_gateway_{name}{{upstream="{_escaped(upstream)}"}} {value_of(one)}'
            for upstream, one in sorted(status.upstreams.items())
        ]
    lines.append("# TYPE hundredfold_gateway_journal_behind gauge")
    lines.append(f"hundredfold_gateway_journal_behind {int(status.behind)}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
