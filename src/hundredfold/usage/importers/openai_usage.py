"""OpenAI's organisation usage and costs APIs, read with an admin key into tables of their own.

They say what the whole organisation used, by bucket, and so can't be rows of a ledger of requests: they are
what `spend reconcile` compares the ledger with. A bucket that is fetched again replaces what it said before,
since usage and costs of the last days still grow.

Source: platform.openai.com/docs/api-reference/usage (completions, costs): pages of buckets; days are UTC;
`input_tokens` holds cached and audio tokens; an amount may be a number or text.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Generic, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import msgspec
from msgspec import Meta, Struct

from hundredfold.errors import ConfigError, UnavailableError
from hundredfold.store.statements import open_store
from hundredfold.vocabulary import PICODOLLARS_PER_DOLLAR

DAY_S = 86_400
#: the most daily buckets of one page
USAGE_LIMIT, COSTS_LIMIT = 31, 180
MOST_PAGES = 10_000
MOST_BYTES = 64 * 1024 * 1024
TIMEOUT_S = 60.0
RETRIES = 5
LONGEST_PAUSE_S = 30.0

Count = Annotated[int, Meta(ge=0, le=2**62)]


class _Used(Struct):
    input_tokens: Count = 0
    input_cached_tokens: Count = 0
    input_cache_write_tokens: Count = 0
    output_tokens: Count = 0
    num_model_requests: Count = 0
    model: str | None = None
    service_tier: str | None = None
    batch: bool | None = None
    project_id: str | None = None
    api_key_id: str | None = None


class _Amount(Struct):
    value: Any = 0
    currency: str = "usd"


class _Cost(Struct):
    amount: _Amount = msgspec.field(default_factory=_Amount)
    line_item: str | None = None
    project_id: str | None = None
    api_key_id: str | None = None
    quantity: Any = None
    quantity_unit: str | None = None


Result = TypeVar("Result")


class _Bucket(Struct, Generic[Result]):
    start_time: int
    end_time: int
    results: list[Result] = []


class _Page(Struct, Generic[Result]):
    data: list[_Bucket[Result]] = []
    has_more: bool = False
    next_page: str | None = None


class Fetched(Struct):
    """How many rows were kept, of how many pages."""

    usage: int = 0
    costs: int = 0
    pages: int = 0


def fetch(
    database_url: str, *, key_env: str, base_url: str = "https://api.openai.com/v1", days: int = 31
) -> Fetched:
    """Fetch the last `days` UTC days and keep them.

    Raises:
        ConfigError: no key, or no number of days or address.
        UnavailableError: the API refused, can't be reached, or answered what can't be read.
        StorageError: the database refused.
    """
    key = os.environ.get(key_env, "").strip()
    if not key:
        raise ConfigError(
            f"${key_env} holds no admin key",
            "Make one under organisation settings, admin keys, and export it.",
        )
    if not 1 <= days <= 3650:
        raise ConfigError(f"--days {days} is not from 1 to 3650")
    if urlsplit(base_url).scheme not in ("https", "http"):
        raise ConfigError(f"{base_url!r} is no address", "Write it like https://api.openai.com/v1.")
    api = _Api(base_url.rstrip("/"), key)
    since = int(time.time()) // DAY_S * DAY_S - (days - 1) * DAY_S
    usage = list(_usage_rows(api, since))
    costs = list(_cost_rows(api, since))
    _keep(database_url, since, usage, costs)
    return Fetched(len(usage), len(costs), api.pages)


def _usage_rows(api: _Api, since: int) -> Iterator[tuple[Any, ...]]:
    groups = ["project_id", "api_key_id", "model", "batch", "service_tier"]
    query = {"start_time": since, "bucket_width": "1d", "limit": USAGE_LIMIT, "group_by": groups}
    summed: dict[tuple[Any, ...], list[int]] = {}
    for bucket in api.buckets("/organization/usage/completions", query, _Used):
        for one in bucket.results:
            tier = "batch" if one.batch else one.service_tier or ""
            names = (one.model or "", tier, one.project_id or "", one.api_key_id or "")
            counts = summed.setdefault((bucket.start_time, bucket.end_time, *names), [0] * 5)
            for place, count in enumerate(
                (
                    one.num_model_requests,
                    one.input_tokens,
                    one.input_cached_tokens,
                    one.input_cache_write_tokens,
                    one.output_tokens,
                )
            ):
                counts[place] += count
    for (start, end, *rest), counts in summed.items():
        yield ("openai", start * 1_000_000, end * 1_000_000, *rest, *counts)


def _cost_rows(api: _Api, since: int) -> Iterator[tuple[Any, ...]]:
    groups = ["project_id", "line_item", "api_key_id"]
    query = {"start_time": since, "bucket_width": "1d", "limit": COSTS_LIMIT, "group_by": groups}
    summed: dict[tuple[Any, ...], int] = {}
    quantities: dict[tuple[Any, ...], tuple[str, str]] = {}
    for bucket in api.buckets("/organization/costs", query, _Cost):
        for one in bucket.results:
            names = (one.project_id or "", one.line_item or "", one.api_key_id or "")
            key = (bucket.start_time, *names, one.amount.currency.lower())
            summed[key] = summed.get(key, 0) + _picodollars(one.amount.value)
            quantity = "" if one.quantity is None else str(one.quantity)
            quantities[key] = (quantity, one.quantity_unit or "")
    for (start, *rest), picodollars in summed.items():
        yield ("openai", start * 1_000_000, *rest, str(picodollars), *quantities[start, *rest])


def _picodollars(value: Any) -> int:
    """An amount, given as a number or as text, rounded half to even.

    Raises:
        UnavailableError: it is none.
    """
    try:
        amount = Decimal(str(value))
        if not amount.is_finite():
            raise InvalidOperation
        return int((amount * PICODOLLARS_PER_DOLLAR).to_integral_value())
    except InvalidOperation as error:
        raise UnavailableError(f"the costs API gave the amount {str(value)[:40]!r}") from error


class _Api:
    """Pages of buckets over HTTP, with patience for throttling and faults."""

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url, self._key = base_url, key
        self.pages = 0

    def buckets(self, path: str, query: dict[str, Any], kind: type[Result]) -> Iterator[_Bucket[Result]]:
        """Every bucket of every page.

        Raises:
            UnavailableError: see `fetch`.
        """
        decoder = msgspec.json.Decoder(_Page[kind], float_hook=Decimal)  # type: ignore[valid-type]
        page: str | None = None
        for _ in range(MOST_PAGES):
            body = self._get(path, query | ({"page": page} if page else {}))
            self.pages += 1
            try:
                answer = decoder.decode(body)
            except msgspec.DecodeError as error:
                raise UnavailableError(f"{path} answered what can't be read: {error}") from error
            yield from answer.data
            if not answer.has_more:
                return
            if not answer.next_page or answer.next_page == page:
                raise UnavailableError(f"{path} says there is more and names no next page")
            page = answer.next_page
        raise UnavailableError(f"{path} has more than {MOST_PAGES:,} pages", "Ask for fewer --days.")

    def _get(self, path: str, query: dict[str, Any]) -> bytes:
        url = f"{self._base_url}{path}?{urlencode(query, doseq=True)}"
        request = Request(url, headers={"Authorization": f"Bearer {self._key}"})  # noqa: S310
        for number in range(RETRIES + 1):
            try:
                with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                    body: bytes = answer.read(MOST_BYTES + 1)
                if len(body) > MOST_BYTES:
                    raise UnavailableError(f"{path} answered with more than {MOST_BYTES:,} bytes")
                return body
            except HTTPError as error:
                pause = _pause(error, number)
                if pause is None or number == RETRIES:
                    raise UnavailableError(
                        f"{path} answered {error.code}: {_said(error)}", _mend(error.code)
                    ) from error
            except (URLError, TimeoutError, ConnectionError) as error:
                if number == RETRIES:
                    reason = getattr(error, "reason", error)
                    raise UnavailableError(f"{self._base_url} can't be reached: {reason}") from error
                pause = min(LONGEST_PAUSE_S, 0.5 * 2**number)
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _pause(error: HTTPError, number: int) -> float | None:
    """How long to wait before the next try; None if none will help."""
    if error.code != 429 and error.code < 500:
        return None
    try:
        asked = float(error.headers.get("retry-after") or 0)
    except ValueError:
        asked = 0.0
    return min(LONGEST_PAUSE_S, max(asked, 0.5 * 2.0**number))


def _said(error: HTTPError) -> str:
    """The provider's words for it, which hold no key."""
    try:
        told = json.loads(error.read(64 * 1024))["error"]["message"]
    except (ValueError, KeyError, TypeError, OSError):
        told = str(error.reason)
    return " ".join(str(told).split())[:200]


def _mend(code: int) -> str:
    if code in (401, 403):
        return "It takes an admin key of the organisation (sk-admin-…), not a project's key."
    return ""


def _keep(database_url: str, since: int, usage: list[tuple[Any, ...]], costs: list[tuple[Any, ...]]) -> None:
    """What was said of these days before is replaced, in one transaction."""
    store = open_store(database_url)
    fetched_us = time.time_ns() // 1000
    try:
        with store.transaction() as statements:
            for table, rows, columns in (
                ("provider_usage", usage, 13),
                ("provider_costs", costs, 10),
            ):
                statements.run(
                    f"DELETE FROM {table} WHERE provider = ? AND start_us >= ?",  # noqa: S608
                    ("openai", since * 1_000_000),
                )
                places = ", ".join("?" for _ in range(columns))
                statements.many(
                    f"INSERT INTO {table} VALUES ({places})",  # noqa: S608
                    [(*row, fetched_us) for row in rows],
                )
    finally:
        store.close()
