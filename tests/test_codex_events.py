"""Reading what Codex says: how turns end, and that the protocol is still the one we speak."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.agents.codex.events import (
    MOST_TEXT,
    Item,
    Turn,
    TurnError,
    outcome_of,
    progress_of,
    status_of,
)
from hundredfold.agents.codex.locate import find_codex
from hundredfold.agents.codex.turn import Stalled, Watch
from hundredfold.agents.protocol import Event, Retrying, Spent
from hundredfold.vocabulary import Usage

CUT = "stream disconnected before completion: error decoding response body"


def failed(info: Any, message: str = "") -> Turn:
    return Turn("t", "failed", error=TurnError(message, info))


@pytest.mark.parametrize(
    ("info", "message", "kind"),
    [
        ("usageLimitExceeded", "Quota exceeded. Check your plan.", "quota"),
        ({"responseTooManyFailedAttempts": {"httpStatusCode": 429}}, "exceeded retry limit", "throttled"),
        ("other", "exceeded retry limit, last status: 429 Too Many Requests", "throttled"),
        ({"responseTooManyFailedAttempts": {"httpStatusCode": 503}}, "exceeded retry limit", "provider"),
        ({"responseStreamDisconnected": {"httpStatusCode": None}}, CUT, "provider"),
        ("other", CUT, "provider"),
        ("serverOverloaded", "", "provider"),
        ("contextWindowExceeded", "", "context"),
        ("other", '{"error": {"code": "context_length_exceeded"}}', "context"),
        ("unauthorized", "", "auth"),
        ("other", "unexpected status 401 Unauthorized: no", "auth"),
        ("badRequest", "", "request"),
        ("other", '{"error": {"message": "no such model"}}', "request"),
        ("somethingNew", "", "agent"),
        (None, "", "agent"),
    ],
)
def test_every_error_of_codex_has_its_kind(info: Any, message: str, kind: str) -> None:
    outcome = outcome_of(failed(info, message), None)
    assert (outcome.status, outcome.error_kind) == ("failed", kind)


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I can't help with that.", "I cannot do this.", "Sorry, no."]
)
def test_a_text_that_declines_is_a_refusal(text: str) -> None:
    assert outcome_of(Turn("t", "completed"), text).status == "refused"


def test_an_answer_that_speaks_of_refusals_is_none() -> None:
    text = '{"summary": "I cannot see where it says: I\'m sorry"}'
    assert outcome_of(Turn("t", "completed"), text).status == "completed"


def test_the_policy_of_the_provider_is_a_refusal() -> None:
    outcome = outcome_of(failed("cyberPolicy", "flagged"), None)
    assert (outcome.status, outcome.text) == ("refused", "flagged")


def test_the_last_message_of_the_turn_is_the_answer() -> None:
    items = [Item("agentMessage", text="first"), Item("commandExecution"), Item("agentMessage", text="last")]
    assert outcome_of(Turn("t", "completed", items), "heard").text == "last"
    assert outcome_of(Turn("t", "completed"), "heard").text == "heard"


@given(
    st.builds(
        Item,
        type=st.sampled_from(["commandExecution", "agentMessage", "fileChange", "reasoning", "new kind"]),
        text=st.none() | st.text(max_size=1000),
        command=st.none() | st.text(max_size=1000),
        changes=st.none() | st.lists(st.dictionaries(st.just("path"), st.text())),
    )
)
def test_progress_is_one_short_line(item: Item) -> None:
    line = progress_of(item).text
    assert len(line) <= MOST_TEXT
    assert len(line.splitlines()) <= 1


@given(st.text(), st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_no_error_of_codex_breaks_its_reader(message: str, info: Any) -> None:
    error = TurnError(message, info)
    status = status_of(error)
    assert status is None or 400 <= status < 600
    assert outcome_of(Turn("t", "failed", error=error), None).status in ("failed", "refused")


async def test_tokens_are_told_as_differences_and_never_twice_after_a_resume() -> None:
    def total(count: int) -> msgspec.Raw:
        tokens = {"inputTokens": count, "cachedInputTokens": 0, "outputTokens": 1, "reasoningOutputTokens": 0}
        return msgspec.Raw(msgspec.json.encode({"tokenUsage": {"total": tokens, "last": tokens}}))

    told: dict[bool, list[Event]] = {False: [], True: []}
    for resumed, events in told.items():
        watch = Watch(events.append, resumed=resumed)
        for count in (100, 100, 250):
            watch.hear("thread/tokenUsage/updated", total(count))
    assert told[False] == [Spent(Usage(100, output=1)), Spent(Usage(150))]
    assert told[True] == [Spent(Usage(150))]


async def test_retries_are_reported_but_are_no_sign_of_life() -> None:
    events: list[Event] = []
    watch = Watch(events.append, resumed=False)
    closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    notice = {"willRetry": True, "error": {"message": "Reconnecting... 1/3", "codexErrorInfo": "other"}}

    async def retry() -> None:
        for _ in range(20):
            watch.hear("error", msgspec.Raw(msgspec.json.encode(notice)))
            await asyncio.sleep(0.02)

    retrying = asyncio.ensure_future(retry())
    with pytest.raises(Stalled, match="Reconnecting"):
        await watch.end_of("t", 0.2, closed)
    retrying.cancel()
    assert isinstance(events[0], Retrying)


@pytest.mark.codex
def test_the_installed_codex_still_speaks_the_protocol_we_do(tmp_path: Path) -> None:
    program = find_codex()
    assert program is not None
    command = [str(program), "app-server", "generate-json-schema", "--experimental", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60, env={"HOME": str(tmp_path)})

    def properties(name: str) -> set[str]:
        return set(json.loads((tmp_path / "v2" / f"{name}.json").read_text())["properties"])

    started = {"cwd", "model", "modelProvider", "approvalPolicy", "permissions", "serviceTier", "config"}
    assert started | {"runtimeWorkspaceRoots"} <= properties("ThreadStartParams")
    assert started | {"threadId", "runtimeWorkspaceRoots"} <= properties("ThreadResumeParams")
    assert {"threadId", "input", "outputSchema", "effort"} <= properties("TurnStartParams")
    assert {"threadId", "turnId"} <= properties("TurnInterruptParams")
    assert {"command", "cwd", "permissionProfile", "timeoutMs"} <= properties("CommandExecParams")
    for name in ("ThreadDeleteParams", "ThreadBackgroundTerminalsCleanParams"):
        assert "threadId" in properties(name)
    assert {"turn", "threadId"} <= properties("TurnCompletedNotification")
    assert {"error", "willRetry"} <= properties("ErrorNotification")
    assert "tokenUsage" in properties("ThreadTokenUsageUpdatedNotification")
