"""The real simulated provider as a process, for any test that needs a model to answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from hundredfold.simulation.process import provider_process
from hundredfold.simulation.provider.log import LogLine, read_log


class RunningProvider(Struct, frozen=True):
    """`base_url` ends in `/v1`; `log` is the exact log; `pid` for tests that kill it."""

    base_url: str
    port: int
    log: Path
    pid: int

    def lines(self) -> list[LogLine]:
        """What the log holds now."""
        return read_log(self.log)


#: the mind of an agent that finds something wherever it looks, is right, and finishes
SURE: dict[str, Any] = {"p_true": 1.0, "p_finished": 1.0, "p_found": 1.0}


@contextmanager
def simulated_provider(
    tmp_path: Path, *, seed: int = 0, port: int = 0, **profile: Any
) -> Iterator[RunningProvider]:
    """Run it with a profile given as tables: `simulated_provider(tmp_path, faults={"cut": 1.0})`."""
    file = tmp_path / "provider-profile.toml"
    top = [f"{key} = {json.dumps(value)}" for key, value in profile.items() if not isinstance(value, dict)]
    tables = [
        f"[{name}]\n" + "\n".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items())
        for name, table in profile.items()
        if isinstance(table, dict)
    ]
    file.write_text("\n".join(top + tables) + "\n", encoding="utf-8")
    log = tmp_path / "provider-log.jsonl"
    with provider_process(log, profile=str(file), seed=seed, port=port) as running:
        yield RunningProvider(running.base_url, running.port, log, running.pid)
