"""A GitHub App's tokens: signed, found by its repository, shared, renewed in time, and clear errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from hundredfold.errors import ConfigError
from hundredfold.forges.github.access import client_of
from hundredfold.forges.github.app import AppAuth, key_from_environment
from hundredfold.forges.github.auth import Auth
from hundredfold.forges.github.calls import Call, GitHubError
from hundredfold.forges.github.client import GitHubClient
from hundredfold.settings import ForgeSettings
from tests.support.forge import TestForge, key_pair

ISSUES = Call("GET", "/repos/acme/widget/issues")


@pytest.fixture
def forge(tmp_path: Path) -> TestForge:
    return TestForge(tmp_path / "forge")


Made = Callable[..., GitHubClient]


@pytest_asyncio.fixture
async def made(forge: TestForge) -> AsyncIterator[Made]:
    """Makes clients that are the App; they are closed at the end."""
    clients = []

    with forge.served() as api:

        def make(repository: str = "acme/widget", app_id: str = "", key: str = "") -> GitHubClient:
            def client(auth: Auth) -> GitHubClient:
                clients.append(GitHubClient(auth, base_url=api, clock=forge.clock, pace_s=0))
                return clients[-1]

            auth = AppAuth(
                app_id or str(forge.app.id), key or key_pair()[0], repository, client, clock=forge.clock
            )
            return client(auth)

        yield make
        for one in reversed(clients):
            await one.close()


def tokens(forge: TestForge) -> int:
    return sum(line.operation.endswith("access_tokens") for line in forge.hub.log)


async def test_one_token_serves_all_requests_and_is_renewed_before_it_ends(
    forge: TestForge, made: Made
) -> None:
    client = made()
    await asyncio.gather(*(client.send(ISSUES) for _ in range(10)))
    assert tokens(forge) == 1
    forge.clock.step(3600 - 301)
    await client.send(ISSUES)
    assert tokens(forge) == 1
    forge.clock.step(2)
    await asyncio.gather(*(client.send(ISSUES) for _ in range(10)))
    assert tokens(forge) == 2
    assert not [line for line in forge.hub.log if line.status == 401]


async def test_a_token_that_was_withdrawn_is_replaced_and_the_request_sent_again(
    forge: TestForge, made: Made
) -> None:
    client = made()
    await client.send(ISSUES)
    for token in [one for one in forge.hub.tokens if one.startswith("ghs_")]:
        del forge.hub.tokens[token]
    assert (await client.send(ISSUES)).status == 200
    assert tokens(forge) == 2


async def test_its_comments_bear_its_name_and_it_may_make_check_runs(forge: TestForge, made: Made) -> None:
    client = made()
    assert await client.login() == "fleet[bot]"
    run = Call("POST", "/repos/acme/widget/check-runs", {"name": "fleet", "head_sha": forge.head})
    assert (await client.send(run)).json()["app"]["slug"] == "fleet"
    await client.send(Call("POST", "/repos/acme/widget/issues/1/comments", {"body": "Hello"}))
    assert forge.issue.comments[0].user == "fleet[bot]"


async def test_an_app_that_is_not_installed_there_is_said_so(forge: TestForge, made: Made) -> None:
    with pytest.raises(GitHubError, match="not installed on other/repo") as refused:
        await made("other/repo").send(ISSUES)
    assert "Install it" in refused.value.mend


async def test_another_apps_key_is_refused(forge: TestForge, made: Made) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()).decode()
    with pytest.raises(GitHubError) as refused:
        await made(key=pem).send(ISSUES)
    assert refused.value.status == 401
    assert "PRIVATE" not in str(refused.value)


def test_a_key_that_is_none_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = ForgeSettings(kind="github", repository="acme/widget", app_id="12")
    with pytest.raises(ConfigError, match="GITHUB_APP_KEY"):
        client_of(settings)
    monkeypatch.setenv("GITHUB_APP_KEY", "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----")
    with pytest.raises(ConfigError) as refused:
        client_of(settings)
    assert "s3cret" not in str(refused.value) + refused.value.mend
    monkeypatch.setenv("GITHUB_APP_KEY", str(tmp_path / "nothing.pem"))
    with pytest.raises(ConfigError, match="can't be read"):
        client_of(settings)


def test_the_key_may_be_a_file_or_its_text_on_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    private = key_pair()[0]
    (tmp_path / "app.pem").write_text(private)
    monkeypatch.setenv("KEY", str(tmp_path / "app.pem"))
    assert key_from_environment("KEY") == private
    monkeypatch.setenv("KEY", private.strip().replace("\n", "\\n"))
    assert key_from_environment("KEY") == private.strip()
