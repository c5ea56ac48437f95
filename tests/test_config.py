"""hundredfold.toml: what is wrong in it is named with file, key and mend; money is exact."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.cli.init import TEMPLATE
from hundredfold.config import dollars, load_settings, place_of
from hundredfold.errors import ConfigError
from hundredfold.settings import Settings


def load(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "hundredfold.toml").write_text(text)
    return load_settings(tmp_path)


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()


def test_a_file_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*other\.toml"):
        load_settings(tmp_path, tmp_path / "other.toml")


def test_what_init_writes_is_read_back_without_complaint(tmp_path: Path) -> None:
    settings = load(tmp_path, TEMPLATE.format(name='"x"'))
    assert settings.project.name == "x"
    assert dollars(settings.budgets.day) == 25 * 10**12


@pytest.mark.parametrize(
    ("text", "names", "mend"),
    [
        ("[fleet]\nagentz = 3\n", "[fleet] unknown key 'agentz'", "'agents'"),
        ('[job.security.budgets]\ndya = "3"\n', "[job.security.budgets] unknown key 'dya'", "'day'"),
        ('[[allocation]]\nwhen = { pth = ["x"] }\npayer = "a"\n', "unknown key 'pth'", "'path'"),
        ('[payer.acme]\nfunding = "nobody"\n', "payer.acme.funding: ", "employer, subscription"),
        ("[flet]\n", "unknown key 'flet'", "'fleet'"),
        ('[fleet]\nagents = "3"\n', "fleet.agents", "Mend"),
        ("[fleet]\nagents = 0\n", "fleet.agents is 0", "1 or more"),
        ('[budgets]\nday = "ten"\n', "[budgets] day: 'ten'", "$12.50"),
        ('[budgets]\nday = "-1"\n', "[budgets] day: '-1'", "$12.50"),
        ('[route]\nprovider = "opnai"\n', "provider 'opnai'", "'openai'"),
        ('[route]\ntier = "turbo"\n', "route.tier", "Write one of: fast, standard, flex"),
        ("[fleet\n", "is not TOML", "Mend"),
        ("[forge]\nmirror-days = nan\n", "forge.mirror-days is nan", "number"),
        ("[fleet]\nstall-seconds = inf\n", "fleet.stall-seconds is inf", "number"),
        ("[forge]\nmirror-days = 1e9\n", "[forge] mirror-days is 1", "36500"),
    ],
)
def test_bad_input_names_the_key_and_the_mend(tmp_path: Path, text: str, names: str, mend: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert names in str(caught.value)
    assert "hundredfold.toml" in str(caught.value)
    assert mend in caught.value.mend


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hundredfold.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_settings(tmp_path)


@given(st.decimals(min_value=0, max_value=10**9, places=12, allow_nan=False))
def test_dollars_are_exact_to_the_picodollar(amount: Decimal) -> None:
    assert dollars(f"${amount}") == int(amount * 10**12)


@pytest.mark.parametrize("text", ["", "$", "NaN", "inf", "1e-13", "0.0000000000001", "1 dollar"])
def test_what_is_no_amount_of_dollars_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        dollars(text)


def test_two_repositories_of_one_name_have_different_places(tmp_path: Path) -> None:
    (tmp_path / "a" / "x").mkdir(parents=True)
    (tmp_path / "b" / "x").mkdir(parents=True)
    places = {place_of(tmp_path / one / "x", Settings()).slug for one in ("a", "b")}
    assert len(places) == 2
    assert all(slug.startswith("x-") for slug in places)
