"""Prices from feeds: exact, effective-dated, and never taking away what was known."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.cli.context import Where
from hundredfold.cli.prices import prices, show, update
from hundredfold.errors import ConfigError, UnavailableError
from hundredfold.prices.book import PriceBook, Unpriced, load_book
from hundredfold.prices.feeds import read_feed, update_of
from hundredfold.prices.rows import ModelRow, PriceRow, Rates, read_file
from hundredfold.prices.writing import rows_text
from hundredfold.vocabulary import Tier

BOOK = load_book()
DAY = date(2026, 11, 24)
AT_US = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp()) * 1_000_000

LITELLM: dict[str, Any] = {
    "sample_spec": {"input_cost_per_token": 0.0},
    "new-model": {
        "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 400000, "max_output_tokens": 128000,
        "input_cost_per_token": 1.25e-06, "cache_read_input_token_cost": 1.25e-07,
        "output_cost_per_token": 1e-05, "input_cost_per_token_priority": 2.5e-06,
        "output_cost_per_token_priority": 2e-05, "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
    },
    "new-model-2026-01-02": {
        "litellm_provider": "openai", "mode": "chat",
        "input_cost_per_token": 1.25e-06, "cache_read_input_token_cost": 1.25e-07,
        "output_cost_per_token": 1e-05, "input_cost_per_token_priority": 2.5e-06,
        "output_cost_per_token_priority": 2e-05, "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
    },
    "gpt-5.5": {"litellm_provider": "openai", "input_cost_per_token": 4e-06, "output_cost_per_token": 3e-05},
    "gpt-5.4": {"litellm_provider": "openai", "input_cost_per_token": 2.5e-06},
    "gemini/gemini-3.5-flash": {"litellm_provider": "gemini", "cache_read_input_token_cost": 1.5e-07},
    "claude-x": {
        "litellm_provider": "anthropic", "input_cost_per_token": 5e-06, "output_cost_per_token": 2.5e-05,
        "provider_specific_entry": {"us": 1.1, "fast": 2.0},
    },
    "painter": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_token": 1e-06},
    "elsewhere": {"litellm_provider": "azure", "input_cost_per_token": 1e-06},
    "negative": {"litellm_provider": "openai", "input_cost_per_token": -1.0},
}  # fmt: skip


def updated() -> tuple[PriceBook, Any]:
    feed = read_feed(json.dumps(LITELLM).encode(), "map.json")
    made = update_of(BOOK, feed, day=DAY, at_us=AT_US, providers=("openai", "anthropic", "google"))
    rows = [*BOOK.rows, *made.new, *(after for _, after in made.changed)]
    return PriceBook(rows, [*BOOK.models, *made.models]), made


def row(book: PriceBook, model: str, tier: Tier = "standard", size: int = 1, at_us: int = AT_US) -> Any:
    provider = (
        "anthropic" if model.startswith("claude") else "google" if model.startswith("gem") else "openai"
    )
    return book.row(prices=provider, model=model, tier=tier, input_tokens=size, at_us=at_us)


def test_a_new_model_has_its_tiers_bands_and_sizes() -> None:
    book, made = updated()
    assert row(book, "new-model").rates == Rates(1_250_000, 125_000, None, None, 10_000_000)
    assert row(book, "new-model", size=200_001).rates.output == 15_000_000
    assert row(book, "new-model", "fast").rates == Rates(2_500_000, None, None, None, 20_000_000)
    assert row(book, "new-model", "fast", size=200_001).rates == Rates(), "not known above the threshold"
    assert isinstance(row(book, "new-model", "flex"), Unpriced)
    assert book.limits("openai", "new-model").context_tokens == 400_000
    assert row(book, "claude-x", "fast").rates.output == 50_000_000
    assert row(book, "new-model", at_us=0).rates.input == 1_250_000
    assert "taken to have held before" in row(book, "new-model").source
    assert not any(one.model in ("painter", "elsewhere", "negative") for one in made.new)
    assert not any(one.model == "new-model-2026-01-02" for one in made.new), "a snapshot priced as its model"


def test_a_changed_price_holds_from_the_day_and_what_is_left_out_stays() -> None:
    book, made = updated()
    assert row(book, "gpt-5.5").rates == Rates(4_000_000, 500_000, None, None, 30_000_000)
    assert row(book, "gpt-5.5", at_us=AT_US - 1).rates.input == 5_000_000
    assert row(book, "gpt-5.5", "fast") == row(BOOK, "gpt-5.5", "fast")
    assert [after.model for _, after in made.changed] == ["gpt-5.5", "gemini-3.5-flash"] and made.same == 1


def test_a_kind_that_had_no_price_gets_one_for_as_long_as_the_others_hold() -> None:
    book, _ = updated()
    assert row(BOOK, "gemini-3.5-flash").rates.cached is None
    assert row(book, "gemini-3.5-flash", at_us=AT_US - 1).rates.cached == 150_000


def test_models_dev_is_read_too() -> None:
    raw = {
        "google": {"models": {"g": {
            "cost": {"input": 1.25, "output": 10, "cache_read": 0.125, "context_over_200k": {"input": 2.5}},
            "limit": {"context": 1048576, "output": 65536},
        }, "free": {}}},
    }  # fmt: skip
    feed = read_feed(json.dumps(raw).encode(), "api.json")
    assert feed.format == "models.dev" and feed.skipped == {"no price": 1}
    assert [(one.over, one.rates.input, one.rates.cached) for one in feed.rows] == [
        (0, 1_250_000, 125_000), (200_000, 2_500_000, None),
    ]  # fmt: skip
    assert feed.models[0].context == 1048576


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": 1}', b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_feed_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        read_feed(content, "x.json")
    assert "x.json" in str(caught.value) and caught.value.mend


any_text = st.text(st.characters(codec="utf-8"), max_size=30)
rates = st.none() | st.integers(0, 10**12)
price_rows = st.builds(
    PriceRow,
    any_text,
    any_text,
    st.sampled_from(get_args(Tier)),
    st.integers(0, 30_000).map(lambda day: day * 86_400_000_000),
    st.integers(0, 10**9),
    st.builds(Rates, rates, rates, rates, rates, rates),
    any_text,
)
model_rows = st.builds(ModelRow, any_text, any_text, *[st.integers(0, 10**9)] * 3, any_text)


@given(st.lists(price_rows, max_size=5), st.lists(model_rows, max_size=3))
def test_rows_written_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[PriceRow], models: list[ModelRow]
) -> None:
    file = tmp_path_factory.getbasetemp() / "written.toml"
    file.write_text(rows_text(rows, models), encoding="utf-8", newline="")
    assert read_file(file) == (rows, models)


def test_the_command_updates_shows_and_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    source = tmp_path / "map.json"
    source.write_text(json.dumps(LITELLM))
    where = Where(repo=tmp_path)  # no repository: the data directory's prices
    assert update(str(source), dry_run=True, where=where) == 0
    assert not (home / "prices").exists()
    assert update(str(source), where=where) == 0
    assert "gpt-5.5 standard: input $5 → $4" in capsys.readouterr().out
    assert update(str(source), where=where, json=True) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["new"], again["changed"]) == ([], []), "a second update changes nothing"
    assert show("new-model", tier="fast", where=where) == 0
    text = capsys.readouterr().out
    assert "$2.5" in text and "not known" in text and "LiteLLM's price map (map.json)" in text
    assert prices("gpt-5.5*", history=True, json=True, where=where) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {one["picodollars_per_token"]["input"] for one in rows if one["tier"] == "standard"} == {
        4_000_000, 5_000_000, 10_000_000, *(one for one in [30_000_000, 60_000_000] if len(rows) > 9)
    }  # fmt: skip
    assert prices(where=where) == 0
    assert "new-model\tfast\t\t$2.5" in capsys.readouterr().out


def test_bad_questions_get_clear_answers(tmp_path: Path) -> None:
    where = Where(repo=tmp_path)
    with pytest.raises(ConfigError, match="unpriced"):
        show("gpt-5.4-nano", tier="flex", where=where)
    with pytest.raises(ConfigError) as caught:
        prices("gpt-5.5x", where=where)
    assert "gpt-5.5" in caught.value.mend
    with pytest.raises(ConfigError, match="provider"):
        prices(provider="opnai", where=where)
    with pytest.raises(ConfigError, match="not a day"):
        prices(at="soon", where=where)
    with pytest.raises(ConfigError, match="can't be read"):
        update(str(tmp_path / "none.json"), where=where)
    with pytest.raises(UnavailableError, match="can't be read"):
        update("http://127.0.0.1:9/map.json", where=where)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_price_is_cut_where_the_terminal_is_narrow(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    assert prices("gpt-5.5*", "gemini-2.5-pro", where=Where(repo=tmp_path)) == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, text.splitlines())) <= width
    for whole in (" standard ", " 272,000 ", " $0.625 ", " $180 "):
        assert whole in text
    assert width == 100 or ("source" in text) == (width == 160)


def test_of_two_entries_of_one_model_the_later_counts_and_a_second_reading_changes_nothing() -> None:
    price = {"litellm_provider": "gemini", "mode": "chat", "output_cost_per_token": 1e-6}
    raw = {
        "gemini/gemini-x": {**price, "input_cost_per_token": 0},
        "gemini-x": {**price, "input_cost_per_token": 3e-7},
    }
    feed = read_feed(json.dumps(raw).encode(), "map.json")
    assert [row.rates.input for row in feed.rows] == [300_000]
    assert feed.skipped == {"a later entry of the same model": 1}
    book = PriceBook(feed.rows, feed.models)
    again = update_of(book, feed, day=date(2026, 11, 24), at_us=1, providers=["*"])
    assert again.same == 1 and not again.new and not again.changed


def test_prices_that_cannot_be_read_are_named(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    price = {"litellm_provider": "openai", "mode": "chat", "output_cost_per_token": 1e-6}
    raw = {
        "odd": {**price, "input_cost_per_token": "cheap", "cache_read_input_token_cost_priority": -1},
        "fine": {**price, "input_cost_per_token": 0, "cache_read_input_token_cost": None},
        "other": {**price, "litellm_provider": "elsewhere", "input_cost_per_token": "dear"},
    }
    source = tmp_path / "map.json"
    source.write_text(json.dumps(raw), encoding="utf-8")
    assert update(str(source), dry_run=True, where=Where(repo=tmp_path)) == 0
    told = capsys.readouterr().err
    assert "2 prices that can't be read, left out: odd input_cost_per_token = cheap, odd cache_read" in told
    feed = read_feed(
        b'{"x": {"models": {"m": {"cost": {"input": -1, "output": 1, "name": "y"}}}}}', "api.json"
    )
    assert [(one.model, one.key, one.value) for one in feed.unread] == [("m", "input", "-1")]
