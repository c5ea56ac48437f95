"""The subscription mode: an agent is lent the user's login, said everywhere, and metered from its own log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from hundredfold.agents.claude.style import Claude
from hundredfold.agents.codex_exec.style import CodexExec
from hundredfold.agents.programs import cell
from hundredfold.agents.programs.backend import ProgramBackend
from hundredfold.agents.programs.protocol import Login, Program, Style
from hundredfold.errors import UnavailableError
from hundredfold.fleet.rollouts import Rollouts
from hundredfold.settings import SUBSCRIPTION_NOTICE, ProjectSettings
from hundredfold.store.database import open_database, sqlite_url
from hundredfold.store.tables.ledger import bookings, requests
from hundredfold.usage.ledger import SOURCES
from hundredfold.vocabulary import Usage
from tests.support import gateways
from tests.support.backends import ready
from tests.support.codex import make_order
from tests.support.program import hundredfold, weak_project
from tests.support.provider import simulated_provider
from tests.support.repositories import RepositoryMaker
from tests.support.waiting import PATIENCE_S


@pytest.mark.codex
@pytest.mark.parametrize("name", ["codex-exec", "claude"])
async def test_tokens_are_read_from_the_agents_log_and_booked_to_its_attempt(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = ready(name, monkeypatch)
    style: Style = Claude() if name == "claude" else CodexExec()
    database = open_database(sqlite_url(tmp_path / "store.db"))
    rollouts = Rollouts(database, ProjectSettings(payer="acme"), "ada")
    backend = ProgramBackend(style, tmp_path / "state", kept=rollouts.keep)
    attempt = gateways.make_attempt(database)
    with simulated_provider(tmp_path, mind={"rounds": [2, 2]}) as provider:
        order = make_order(tmp_path, provider.base_url, model=kind.model, attempt=attempt)
        outcome = await backend.run(order, lambda event: None)
        true = sum((line.usage for line in provider.lines() if line.usage), Usage())
    await backend.close()
    assert outcome.status == "completed", outcome
    parts = ("input", "cached", "cache_write", "output", "reasoning")
    sums = [sa.func.sum(requests.c[part]) for part in parts]
    with database.read() as connection:
        found = connection.execute(sa.select(sa.func.count(), *sums)).one()
        (booked,) = connection.execute(sa.select(bookings)).mappings().all()
        sources = set(connection.execute(sa.select(requests.c.source, requests.c.attempt)).all())
    database.close()
    assert found[0] == 3
    assert dict(zip(parts, found[1:], strict=True)) == {part: getattr(true, part) for part in parts}
    assert (booked["project"], booked["job"], booked["payer"], booked["person"]) == (
        "p",
        "security",
        "acme",
        "ada",
    )
    assert sources == {(1 + SOURCES.index("rollout"), 1)}


async def test_a_lent_login_is_the_users_own_file_and_nothing_else_of_theirs_is_seen(tmp_path: Path) -> None:
    login, other = tmp_path / "login.json", tmp_path / "other.json"
    login.write_text("old token")
    other.write_text("private")
    home, workspace = tmp_path / "home", tmp_path / "tree"
    home.mkdir()
    workspace.mkdir()
    script = f"cat login.json; printf 'new token' > login.json; cat {other} {Path.home()}/.*"
    sight = cell.Sight(workspace, False, home, Program(("/bin/sh",), ()), Login(login, "login.json"))
    began = await cell.start(
        sight, ("-c", f"cd {cell.AGENT_HOME}; {script}"), {"PATH": "/usr/bin:/bin"}, b"", tmp_path / "log"
    )
    assert began.door is None
    out, _ = await asyncio.wait_for(began.process.communicate(), PATIENCE_S)
    assert out == b"old token"
    assert login.read_text() == "new token"


def test_without_a_login_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    for style, mend in ((Claude(subscription=True), "/login"), (CodexExec(subscription=True), "codex login")):
        with pytest.raises(UnavailableError) as raised:
            style.login()
        assert mend in raised.value.mend
    (tmp_path / ".credentials.json").write_text("{}")
    (tmp_path / "auth.json").write_text("{}")
    order = make_order(tmp_path, "http://127.0.0.1:9/v1")
    home = tmp_path / "home"
    home.mkdir()
    for lent in (Claude(subscription=True), CodexExec(subscription=True)):
        assert lent.login() is not None
        launch = lent.launch(order, home, again=False)
        assert not [
            name for name in launch.environment if name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")
        ]
    assert "127.0.0.1" not in (home / "config.toml").read_text()


def test_it_is_said_wherever_work_and_money_are_shown(
    make_repository: Callable[..., RepositoryMaker],
) -> None:
    root = weak_project(make_repository(), "http://127.0.0.1:9/v1", extra='login = "subscription"')
    spent = hundredfold("spend", repo=root)
    assert SUBSCRIPTION_NOTICE[:60] in " ".join(spent.err.split())
    (plan,) = hundredfold("plan", "--json", repo=root).json()["plans"]
    assert plan["notice"] == SUBSCRIPTION_NOTICE
    run = hundredfold("run", "--no-model", "--json", repo=root)
    assert json.loads(run.out)["notice"] == SUBSCRIPTION_NOTICE
