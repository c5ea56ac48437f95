"""What OpenAI's organisation APIs say of usage and costs, kept apart from the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from hundredfold.errors import ConfigError, UnavailableError
from hundredfold.store.database import Database
from hundredfold.store.tables.imports import provider_costs, provider_usage
from hundredfold.usage.importers import openai_usage
from hundredfold.usage.importers.openai_usage import Fetched, fetch
from tests.support.logs import rows
from tests.support.usage_api import DAY_S, KEY, UsageApi, serving

NOW = int(time.time())
TODAY = NOW // DAY_S


def used(model: str, requests: int, **rest: object) -> dict[str, object]:
    tokens = {
        "input_tokens": 1000,
        "input_cached_tokens": 800,
        "input_cache_write_tokens": 10,
        "output_tokens": 50,
    }
    names = {"project_id": "proj_1", "api_key_id": "key_1", "user_id": None, "batch": False}
    return {**tokens, "num_model_requests": requests, "model": model, **names, **rest}


def cost(value: object, item: str | None = None) -> dict[str, object]:
    amount = {"value": value, "currency": "usd"}
    return {
        "amount": amount,
        "line_item": item,
        "project_id": "proj_1",
        "quantity": 2.5,
        "quantity_unit": "1M",
    }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[UsageApi]:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    monkeypatch.setattr(openai_usage, "_pause", lambda error, number: 0.0 if error.code != 401 else None)
    made = UsageApi()
    for day in range(TODAY - 40, TODAY + 1):
        made.usage[day] = [
            used("gpt-5.5", 3, service_tier="priority"),
            used("gpt-5.5", 2, service_tier="default"),
            used("gpt-5.5", 1, batch=True, service_tier="default"),
        ]
        made.costs[day] = [cost("0.1"), cost(0.06, "GPT-5.5, input"), cost("1e-12", "GPT-5.5, output")]
    with serving(made, NOW) as served:
        yield served


def get(database: Database, api: UsageApi, days: int = 31) -> Fetched:
    return fetch(database.url, key_env="OPENAI_ADMIN_KEY", base_url=api.url, days=days)


def test_every_page_of_both_is_kept_by_day_model_tier_project_and_key(
    database: Database, api: UsageApi
) -> None:
    found = get(database, api)
    assert (found.usage, found.costs, found.pages) == (93, 93, 10)
    assert all("service_tier" in one["group_by"] or "line_item" in one["group_by"] for one in api.asked)
    by = (provider_usage.c.start_us, provider_usage.c.tier)
    with database.read() as connection:
        usage = connection.execute(sa.select(provider_usage).order_by(*by)).all()
        costs = connection.execute(sa.select(provider_costs).order_by(provider_costs.c.start_us)).all()
    assert {row.start_us // 1_000_000 for row in usage} == {
        day * DAY_S for day in range(TODAY - 30, TODAY + 1)
    }
    assert [(row.tier, row.requests) for row in usage[:3]] == [("batch", 1), ("default", 2), ("priority", 3)]
    assert (usage[0].input, usage[0].cached, usage[0].cache_write, usage[0].output) == (1000, 800, 10, 50)
    assert (usage[0].project, usage[0].api_key) == ("proj_1", "key_1")
    assert sum(int(row.picodollars) for row in costs) == 31 * (160_000_000_000 + 1)
    assert rows(database) == [], "a bucket is no request"


def test_fetching_again_replaces_what_those_days_said(sqlite_database: Database, api: UsageApi) -> None:
    get(sqlite_database, api)
    api.usage[TODAY] = [used("gpt-5.6", 9)]
    api.costs[TODAY] = []
    assert get(sqlite_database, api, days=1).usage == 1
    with sqlite_database.read() as connection:
        models = connection.execute(
            sa.select(provider_usage.c.model, sa.func.sum(provider_usage.c.requests)).group_by(
                provider_usage.c.model
            )
        ).all()
    assert {(model, int(number)) for model, number in models} == {("gpt-5.5", 30 * 6), ("gpt-5.6", 9)}


def test_throttling_and_faults_are_ridden_out_and_have_an_end(
    sqlite_database: Database, api: UsageApi
) -> None:
    api.faults = [(429, {"Retry-After": "0"}), (500, {}), (503, {"Retry-After": "soon"})]
    assert get(sqlite_database, api, days=2).usage == 6
    api.faults = [(500, {})] * 20
    with pytest.raises(UnavailableError, match="answered 500: slow down"):
        get(sqlite_database, api)


def test_the_pause_is_the_one_asked_for_within_bounds() -> None:
    from email.message import Message
    from urllib.error import HTTPError

    def pause(code: int, after: str) -> float | None:
        headers = Message()
        headers["retry-after"] = after
        return openai_usage._pause(HTTPError("", code, "", headers, None), 2)

    assert [pause(429, "7"), pause(429, "9999"), pause(503, "soon"), pause(404, "7")] == [
        7.0,
        30.0,
        2.0,
        None,
    ]


def test_a_wrong_key_and_none_are_told(
    sqlite_database: Database, api: UsageApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-other")
    with pytest.raises(UnavailableError, match="401: Incorrect API key") as refused:
        get(sqlite_database, api)
    assert "admin key" in refused.value.mend and "sk-other" not in str(refused.value)
    monkeypatch.delenv("OPENAI_ADMIN_KEY")
    with pytest.raises(ConfigError, match="OPENAI_ADMIN_KEY"):
        get(sqlite_database, api)


@pytest.mark.parametrize("amount", ["much", None, "nan", [1]])
def test_an_amount_that_is_none_is_refused_and_nothing_is_kept(
    sqlite_database: Database, api: UsageApi, amount: object
) -> None:
    api.costs[TODAY] = [cost(amount)]
    with pytest.raises(UnavailableError, match="amount"):
        get(sqlite_database, api)
    with sqlite_database.read() as connection:
        assert connection.execute(sa.select(provider_usage)).all() == []
