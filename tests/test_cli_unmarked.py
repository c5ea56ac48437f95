"""A simulated provider that its table does not call so is told; nothing else is asked or told."""

from __future__ import annotations

from pathlib import Path

from hundredfold.cli.unmarked import unmarked
from hundredfold.settings import ProviderSettings, Settings
from hundredfold.simulation.process import provider_process


def test_a_simulated_provider_that_its_table_does_not_call_so_is_told(tmp_path: Path) -> None:
    with provider_process(tmp_path / "log", profile="calm") as process:
        asked = Settings(
            provider={
                "mine": ProviderSettings(base_url=process.base_url),
                "marked": ProviderSettings(base_url=process.base_url, simulated=True),
                "gone": ProviderSettings(base_url="http://127.0.0.1:9/v1"),
                "real": ProviderSettings(base_url="https://api.example.com/v1"),
            }
        )
        found = unmarked(asked)
    assert list(found) == ["mine"] and "simulated = true into [provider.mine]" in found["mine"]
