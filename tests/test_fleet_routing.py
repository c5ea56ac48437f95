"""Which agent works for a job: what is asked for, what is installed, and what the provider speaks."""

from __future__ import annotations

from typing import Any

import pytest

from hundredfold.errors import ConfigError, UnavailableError
from hundredfold.fleet.routing import agent_of, apis_of, route_of
from hundredfold.settings import JobSettings, ProviderSettings, RouteSettings, Settings
from hundredfold.vocabulary import AgentTask

ALL = ("native", "codex", "codex-exec", "claude")
TASK = AgentTask(label="x", prompt="", schema={}, revision="")


def settings(openai: ProviderSettings | None = None, **route: Any) -> Settings:
    one = openai or ProviderSettings(base_url="http://127.0.0.1:9/v1")
    return Settings(
        provider={"openai": one, "anthropic": ProviderSettings(base_url="http://127.0.0.1:9/v1")},
        route=RouteSettings(**route),
        job={"security": JobSettings()},
    )


@pytest.mark.parametrize(
    ("route", "installed", "expected"),
    [
        ({}, ALL, "codex"),
        ({}, ("native", "claude"), "native"),
        ({"provider": "anthropic", "model": "claude-opus-5-5"}, ALL, "claude"),
        ({"login": "subscription"}, ALL, "codex-exec"),
        ({"login": "subscription", "provider": "anthropic", "model": "claude-opus-5-5"}, ALL, "claude"),
    ],
)
def test_auto_takes_the_first_that_is_installed_and_can_call_the_provider(
    route: dict[str, Any], installed: tuple[str, ...], expected: str
) -> None:
    assert agent_of(settings(**route), "security", installed) == expected


def test_a_provider_that_speaks_everything_gets_the_agent_of_the_models_maker() -> None:
    every = ProviderSettings(base_url="http://127.0.0.1:9/v1", simulated=True)
    assert agent_of(settings(every), "security", ALL) == "codex"
    assert agent_of(settings(every, model="claude-opus-5-5"), "security", ALL) == "claude"
    assert agent_of(settings(every, model="claude-opus-5-5"), "security", ("native",)) == "native"


def test_what_a_provider_speaks_can_be_said() -> None:
    both = ProviderSettings(base_url="http://127.0.0.1:9/v1", apis=("messages", "responses"))
    assert apis_of(settings(both), "openai") == ("messages", "responses")
    assert apis_of(settings(), "openai") == ("responses", "chat")
    assert apis_of(settings(), "anthropic") == ("messages",)


def test_no_agent_that_serves_is_an_error_with_the_mend() -> None:
    with pytest.raises(UnavailableError, match=r"\(claude would\)") as raised:
        agent_of(settings(provider="anthropic"), "security", ("native", "codex"))
    assert "doctor" in raised.value.mend


def test_an_agent_that_can_not_call_the_provider_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="calls the messages API") as raised:
        agent_of(settings(agent="claude"), "security", ALL)
    assert "'codex' or 'codex-exec' or 'native'" in raised.value.mend


def test_a_login_is_lent_to_those_that_take_one_and_never_near_an_untrusted_head() -> None:
    with pytest.raises(ConfigError, match="can't be lent"):
        agent_of(settings(agent="native", login="subscription"), "security", ALL)
    lent = settings(login="subscription")
    assert route_of(lent, "security", TASK, ALL).backend == "codex-exec"
    stranger = AgentTask(label="x", prompt="", schema={}, revision="", untrusted=True)
    with pytest.raises(ConfigError, match="untrusted head"):
        route_of(lent, "security", stranger, ALL)
    assert route_of(settings(), "security", stranger, ALL).backend == "codex"
