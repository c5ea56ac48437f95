"""The bill in the shape of CodexBar's `cost --format json`, for what already reads that.

One element a provider. Its input excludes what was read from the cache; "session" is today, as CodexBar's
menu shows it. Amounts are dollars as JSON numbers there, so exact figures are in our own JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hundredfold.usage.spend import Line
from hundredfold.vocabulary import PICODOLLARS_PER_DOLLAR, Usage


def codexbar_document(lines: Sequence[Line], today: str, updated_at: str) -> list[dict[str, Any]]:
    """The document from real lines by provider, day and model. `today` is a day, `updated_at` a UTC time."""
    providers = sorted({line.labels[0] for line in lines})
    return [
        _provider(name, [one for one in lines if one.labels[0] == name], today, updated_at)
        for name in providers
    ]


def _provider(name: str, lines: Sequence[Line], today: str, updated_at: str) -> dict[str, Any]:
    days = sorted({line.labels[1] for line in lines})
    daily = [_day(day, [one for one in lines if one.labels[1] == day]) for day in days]
    session = [one for one in lines if one.labels[1] == today]
    return {
        "provider": name,
        "source": "local",
        "currencyCode": "USD",
        "updatedAt": updated_at,
        "sessionTokens": sum(map(_tokens, session)),
        "sessionCostUSD": _dollars(session),
        "sessionRequests": sum(one.requests for one in session),
        "last30DaysTokens": sum(map(_tokens, lines)),
        "last30DaysCostUSD": _dollars(lines),
        "last30DaysRequests": sum(one.requests for one in lines),
        "daily": daily,
        "totals": {**_kinds(lines), "totalCost": _dollars(lines)},
    }


def _day(day: str, lines: Sequence[Line]) -> dict[str, Any]:
    return {
        "date": day,
        **_kinds(lines),
        "requestCount": sum(one.requests for one in lines),
        "totalCost": _dollars(lines),
        "modelsUsed": [one.labels[2] for one in lines],
        "modelBreakdowns": [
            {"modelName": one.labels[2], "cost": _dollars([one]), "totalTokens": _tokens(one)}
            for one in lines
        ],
    }


def _kinds(lines: Sequence[Line]) -> dict[str, int]:
    usage = sum((one.usage for one in lines), Usage())
    return {
        "inputTokens": usage.input - usage.cached - usage.cache_write,
        "cacheReadTokens": usage.cached,
        "cacheCreationTokens": usage.cache_write,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
    }


def _tokens(line: Line) -> int:
    return line.usage.input + line.usage.output


def _dollars(lines: Sequence[Line]) -> float:
    return sum(one.money.least for one in lines) / PICODOLLARS_PER_DOLLAR
