"""The real Codex program completes whole turns against the simulated provider."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import Struct

from tests.support.provider import RunningProvider, simulated_provider
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.codex

SCHEMA = {
    "type": "object",
    "title": "a schema that no answerer knows",
    "additionalProperties": False,
    "required": ["summary", "lines"],
    "properties": {
        "summary": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 9}},
    },
}


class Turn(Struct, frozen=True):
    """What `codex exec --json` said, and what it left in its workspace."""

    exit_code: int
    events: list[dict[str, Any]]
    workspace: Path

    def items(self, kind: str) -> list[dict[str, Any]]:
        return [e["item"] for e in self.events if e["type"] == "item.completed" and e["item"]["type"] == kind]


def codex_exec(provider: RunningProvider, folder: Path, model: str, *, sandbox: str = "read-only") -> Turn:
    from codex_cli_bin import bundled_codex_path

    home, workspace, scratch = folder / "codex", folder / "work", folder / "scratch"
    for made in (home, workspace / "src", scratch):
        made.mkdir(parents=True)
    (workspace / "src" / "main.py").write_text("def main():\n    return 42\n")
    (home / "config.toml").write_text(
        f'model = "{model}"\nmodel_provider = "simulated"\nservice_tier = "fast"\n'
        f'[model_providers.simulated]\nname = "simulated"\nbase_url = "{provider.base_url}"\n'
        'wire_api = "responses"\nrequest_max_retries = 4\nstream_max_retries = 4\n'
        "[features]\nshell_snapshot = false\nplugins = false\napps = false\n"
    )
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    command = [str(bundled_codex_path()), "exec", "--json", "--skip-git-repo-check", "--sandbox", sandbox]
    command += ["--output-schema", str(folder / "schema.json"), "-C", str(workspace), "Look at src/main.py."]
    # Its home must not lie below TMPDIR, or it can't sandbox commands.
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "CODEX_HOME": str(home),
        "TMPDIR": str(scratch),
    }
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S
    )
    return Turn(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], workspace)


@contextmanager
def provider_in(folder: Path, **profile: Any) -> Iterator[RunningProvider]:
    with simulated_provider(folder, seed=1, **profile) as provider:
        yield provider


@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.6-sol"])
def test_codex_runs_commands_answers_by_schema_and_counts_what_the_provider_logged(
    tmp_path: Path, model: str
) -> None:
    with provider_in(tmp_path, mind={"rounds": [2, 2]}) as provider:
        turn = codex_exec(provider, tmp_path, model)
        lines = provider.lines()
    assert turn.exit_code == 0
    (message,) = turn.items("agent_message")
    jsonschema.validate(json.loads(message["text"]), SCHEMA)
    assert [line.outcome for line in lines] == ["served"] * 3
    assert {line.tier_served for line in lines} == {"priority"}
    usage = turn.events[-1]["usage"]
    assert usage["input_tokens"] == sum(line.usage.input for line in lines if line.usage)
    assert usage["cached_input_tokens"] == sum(line.usage.cached for line in lines if line.usage) > 0
    assert usage["output_tokens"] == sum(line.usage.output for line in lines if line.usage)
    if model == "gpt-5.5":  # newer ones run commands inside a script, which `exec` does not report
        first, *_ = turn.items("command_execution")
        assert first["exit_code"] == 0
        assert "return 42" in first["aggregated_output"]


def test_codex_applies_a_patch_that_the_provider_asks_for(tmp_path: Path) -> None:
    with provider_in(tmp_path, mind={"rounds": [1, 1], "patch": True}) as provider:
        turn = codex_exec(provider, tmp_path, "gpt-5.5", sandbox="workspace-write")
    assert turn.exit_code == 0
    assert (turn.workspace / "simulated-change.txt").read_text() == "Written by the simulated provider.\n"


def test_codex_gets_over_server_errors_and_cut_streams(tmp_path: Path) -> None:
    faults = {"server_error": 0.2, "cut": 0.2}
    with provider_in(tmp_path, mind={"rounds": [3, 3]}, faults=faults) as provider:
        turn = codex_exec(provider, tmp_path, "gpt-5.5")
        lines = provider.lines()
    assert turn.events[-1]["type"] == "turn.completed"
    assert len(turn.items("agent_message")) == 1
    assert sum(line.outcome == "served" for line in lines) == 4
    assert any(line.outcome != "served" for line in lines)


@pytest.mark.parametrize("fault", ["quota", "throttled"])
def test_codex_of_this_version_leaves_every_429_to_its_caller(tmp_path: Path, fault: str) -> None:
    with provider_in(tmp_path, faults={fault: 1.0}) as provider:
        turn = codex_exec(provider, tmp_path, "gpt-5.5")
        assert len(provider.lines()) == 1
    assert turn.events[-1]["type"] == "turn.failed"


@pytest.mark.parametrize(("how", "messages"), [("refusal", 0), ("declined", 1)])
def test_codex_completes_its_turn_when_the_model_declines(tmp_path: Path, how: str, messages: int) -> None:
    with provider_in(tmp_path, mind={"rounds": [0, 0]}, answers={how: 1.0}) as provider:
        turn = codex_exec(provider, tmp_path, "gpt-5.5")
    assert turn.events[-1]["type"] == "turn.completed"
    assert len(turn.items("agent_message")) == messages
