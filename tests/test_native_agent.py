"""The native loop: it looks around, answers, stays inside its workspace, and always ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.agents.native import conversation, files
from hundredfold.agents.native.backend import NativeBackend
from hundredfold.agents.native.conversation import Conversation
from hundredfold.agents.native.files import ToolError, confined
from hundredfold.agents.native.response import ApiError, EventStream
from hundredfold.agents.protocol import Event, Gone, Outcome, Progress, Retrying, Spent, Started, WorkOrder
from hundredfold.vocabulary import Usage
from hundredfold.workspaces.sandbox import RefusingSandbox, find_sandbox
from tests.support.provider import simulated_provider
from tests.support.scripted_model import (
    ScriptedModel,
    calls,
    event,
    failure,
    message,
    scripted_model,
    silence,
    stream,
)
from tests.support.waiting import comes

SCHEMA: dict[str, Any] = {
    "title": "test.answer",
    "type": "object",
    "properties": {"verdict": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["verdict", "count"],
    "additionalProperties": False,
}
GOOD = '{"verdict": "fine", "count": 1}'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "src").mkdir(parents=True)
    (root / "src/main.py").write_text("".join(f"line {n}\n" for n in range(1, 1001)))
    (root / "src/évil\nname").write_text("needle\n")
    (tmp_path / "secret").write_text("top secret")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "pipe")
    (root / "binary").write_bytes(b"\0\1")
    return root


@pytest.fixture
async def backend() -> AsyncIterator[NativeBackend]:
    made = NativeBackend(find_sandbox())
    yield made
    await made.close()


def order(tree: Path, url: str, **changes: Any) -> WorkOrder:
    base = WorkOrder(
        attempt="a-0123456789ab",
        prompt="Look at src/main.py and answer.",
        schema=SCHEMA,
        workspace=tree,
        writable=False,
        gateway_url=url,
        model="gpt-5.5",
        effort="medium",
        tier="standard",
        deadline_s=300.0,
        stall_s=120.0,
    )
    return msgspec.structs.replace(base, **changes)


async def work(
    backend: NativeBackend, tree: Path, model: ScriptedModel, **changes: Any
) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    return await backend.run(order(tree, model.url, **changes), events.append), events


def outputs(model: ScriptedModel) -> list[str]:
    """What the tools answered, as the model saw it in the last request."""
    return [
        item["output"] for item in model.bodies[-1]["input"] if item.get("type") == "function_call_output"
    ]


# ------------------------------------------------------------------ the simulated provider


async def test_a_hundred_attempts_look_around_and_answer_by_the_schema(tmp_path: Path, tree: Path) -> None:
    backend = NativeBackend(None)
    with simulated_provider(tmp_path, mind={"rounds": [2, 2]}) as provider:
        spent: list[Usage] = []

        def report(event: Event) -> None:
            if isinstance(event, Spent):
                spent.append(event.usage)

        outcomes = await asyncio.gather(
            *(backend.run(order(tree, provider.base_url, attempt=f"a-{n:012x}"), report) for n in range(100))
        )
        await backend.close()
        served = [line.usage for line in provider.lines()]
    assert [outcome.status for outcome in outcomes] == ["completed"] * 100
    for outcome in outcomes:
        jsonschema.validate(json.loads(outcome.text), SCHEMA)
    assert len(served) == 300
    assert sum(usage.input for usage in spent) == sum(usage.input for usage in served if usage)
    assert sum(usage.cached for usage in spent) > 0, "the conversation is one that the provider can cache"


async def test_faults_of_the_provider_are_ridden_out(tmp_path: Path, tree: Path) -> None:
    backend = NativeBackend(None)
    faults = {"throttled": 0.05, "server_error": 0.03, "cut": 0.02}
    with simulated_provider(tmp_path, faults=faults, retry_after_s=0.05, seed=7) as provider:
        outcomes = await asyncio.gather(
            *(
                backend.run(order(tree, provider.base_url, attempt=f"a-{n:012x}"), lambda _: None)
                for n in range(60)
            )
        )
        await backend.close()
        assert any(line.outcome != "served" for line in provider.lines())
    assert {outcome.status for outcome in outcomes} == {"completed"}


# ------------------------------------------------------------------ the loop


async def test_tools_are_called_in_order_and_their_results_come_back_fenced(
    backend: NativeBackend, tree: Path
) -> None:
    asked = calls(
        ("read_file", {"path": "src/main.py", "start_line": 7, "end_line": 8}),
        ("list_files", {"path": "src", "pattern": None}),
        ("search", {"pattern": "need[l]e|line 99[0-9]$", "path": "src"}),
        ("no_such_tool", {}),
        ("read_file", {"path": 7}),
        ("search", {"pattern": "a\0b", "path": None}),
    )
    async with scripted_model(asked, message(GOOD)) as model:
        outcome, events = await work(backend, tree, model)
        read, listed, found, unknown, wrong, null = outputs(model)
        second = model.bodies[1]
    assert outcome == Outcome("completed", text=GOOD)
    assert "     7 | line 7\n     8 | line 8\n" in read and "line 9" not in read
    assert "src/main.py" in listed and r"src/évil\nname" in listed
    assert "src/main.py:990:line 990" in found and "needle" in found
    assert "there is no tool" in unknown and "arguments are not right" in wrong
    assert "error: " in null
    mark = read.splitlines()[0].split()[0].removeprefix("<<<")
    assert len(mark) == 16 and read.endswith(f">>>{mark}")
    assert events[0] == Started(None)
    assert sum(isinstance(event, Progress) for event in events) == 6
    assert events[1] == Spent(Usage(input=100, output=10))
    assert second["store"] is False and second["prompt_cache_key"] == "a-0123456789ab"
    assert second["text"]["format"]["schema"] == SCHEMA and second["text"]["format"]["strict"] is True
    assert [item.get("call_id") for item in second["input"] if item.get("type") == "function_call"] == [
        f"call_{n}" for n in range(6)
    ]


async def test_commands_run_in_the_sandbox_and_can_write_only_where_allowed(
    backend: NativeBackend, tree: Path
) -> None:
    command = calls(("run_command", {"command": "pwd; echo x > written; echo $?", "timeout_seconds": 5}))
    async with scripted_model(command, message(GOOD)) as model:
        await work(backend, tree, model)
        assert "Read-only file system" in outputs(model)[0]
        assert not (tree / "written").exists()
    async with scripted_model(command, message(GOOD)) as model:
        await work(backend, tree, model, writable=True)
        assert (tree / "written").read_text() == "x\n"


@pytest.mark.parametrize("sandbox", [None, RefusingSandbox()])
async def test_without_a_sandbox_commands_are_refused_and_search_is_literal(
    tree: Path, sandbox: RefusingSandbox | None
) -> None:
    backend = NativeBackend(sandbox)
    asked = calls(
        ("run_command", {"command": "touch /tmp/x"}),
        ("search", {"pattern": "(a+)+$", "path": None}),
        ("search", {"pattern": "needle", "path": None}),
    )
    async with scripted_model(asked, message(GOOD)) as model:
        await work(backend, tree, model)
        refused, nothing, found = outputs(model)
        assert "run_command" not in [tool["name"] for tool in model.bodies[0]["tools"]]
    await backend.close()
    assert "refused" in refused and "nothing found" in nothing and ":1:needle" in found


async def test_the_number_of_turns_is_bounded_and_the_last_must_answer(tree: Path) -> None:
    backend = NativeBackend(None, turns=3)
    look = calls(("list_files", {"path": ".", "pattern": None}))
    async with scripted_model(look, look, message(GOOD)) as model:
        outcome, _ = await work(backend, tree, model)
        assert [body["tool_choice"] for body in model.bodies] == ["auto", "auto", "none"]
    assert outcome.status == "completed"
    async with scripted_model(look) as model:
        outcome, _ = await work(backend, tree, model)
        assert len(model.bodies) == 3
    assert (outcome.status, outcome.error_kind) == ("failed", "agent")
    await backend.close()


async def test_reasoning_goes_back_only_if_it_is_sealed(backend: NativeBackend, tree: Path) -> None:
    look = calls(("list_files", {"path": ".", "pattern": None}))
    look["output"] = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "sealed"},
        *look["output"],
    ]
    async with scripted_model(look, message(GOOD)) as model:
        await work(backend, tree, model)
        sent = model.bodies[1]["input"]
    assert [item["id"] for item in sent if item.get("type") == "reasoning"] == ["rs_2"]


# ------------------------------------------------------------------ how it ends


@pytest.mark.parametrize(
    ("answer", "kind", "most"),
    [
        (failure(429, "insufficient_quota"), "quota", 1),
        (failure(401, "invalid_api_key"), "auth", 1),
        (failure(400, "invalid_request_error"), "request", 1),
        (failure(404, "not_found"), "request", 1),
        (failure(400, "context_length_exceeded"), "context", 1),
        (failure(429, "rate_limit_exceeded", **{"retry-after": "0.01"}), "throttled", 8),
        (failure(503, "server_is_overloaded", **{"retry-after-ms": "1"}), "provider", 5),
    ],
)
async def test_errors_are_told_apart_and_retried_only_where_it_helps(
    backend: NativeBackend, tree: Path, answer: Any, kind: str, most: int
) -> None:
    async with scripted_model(answer) as model:
        outcome, events = await work(backend, tree, model)
        assert (outcome.status, outcome.error_kind) == ("failed", kind)
        assert "simulated" in outcome.error
        assert len(model.bodies) == most
        assert sum(isinstance(event, Retrying) for event in events) == most - 1


async def test_retry_after_is_waited_for_unless_the_deadline_comes_first(
    backend: NativeBackend, tree: Path
) -> None:
    throttled = failure(429, "rate_limit_exceeded", **{"retry-after": "0.5"})
    async with scripted_model(throttled, message(GOOD)) as model:
        began = time.monotonic()
        outcome, _ = await work(backend, tree, model)
        assert outcome.status == "completed"
        assert time.monotonic() - began >= 0.5
    async with scripted_model(failure(429, "rate_limit_exceeded", **{"retry-after": "3600"})) as model:
        outcome, _ = await work(backend, tree, model)
        assert outcome.error_kind == "throttled"
        assert len(model.bodies) == 1


async def test_cut_streams_failures_inside_a_stream_and_strange_ones(
    backend: NativeBackend, tree: Path
) -> None:
    async def cut(request: Any) -> Any:
        return await stream(request, [event("response.created")], finish=False)

    async def overloaded(request: Any) -> Any:
        error = {"code": "server_is_overloaded", "message": "busy"}
        return await stream(
            request, [event("response.failed", response={"status": "failed", "error": error})]
        )

    async def quota(request: Any) -> Any:
        return await stream(request, [event("error", code="insufficient_quota", message="used up")])

    async with scripted_model(cut, overloaded, message(GOOD)) as model:
        outcome, events = await work(backend, tree, model)
        assert outcome.status == "completed"
        assert sum(isinstance(event, Retrying) for event in events) == 2
    async with scripted_model(quota) as model:
        outcome, _ = await work(backend, tree, model)
        assert outcome.error_kind == "quota"


async def test_silence_is_stalled_and_a_slow_end_is_the_deadline(backend: NativeBackend, tree: Path) -> None:
    async def trickle(request: Any) -> Any:
        response = await stream(request, [])
        for _ in range(200):
            await response.write(event("response.output_text.delta", delta="x"))
            await asyncio.sleep(0.05)
        return response

    async def midway(request: Any) -> Any:
        await stream(request, [event("response.created")])
        await asyncio.sleep(600)

    for script in (silence, midway):
        async with scripted_model(script) as model:
            outcome, _ = await work(backend, tree, model, stall_s=0.3)
            assert outcome.error_kind == "stalled"
    async with scripted_model(trickle) as model:
        outcome, _ = await work(backend, tree, model, stall_s=60.0, deadline_s=1.0)
        assert outcome.error_kind == "deadline"


async def test_a_refused_connection_ends(tree: Path, backend: NativeBackend) -> None:
    outcome = await backend.run(order(tree, "http://127.0.0.1:1/v1", deadline_s=1.5), lambda _: None)
    assert outcome.error_kind in ("provider", "deadline")


async def test_refusals_cut_answers_and_empty_ones(backend: NativeBackend, tree: Path) -> None:
    refusal = [{"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}]
    for answer, expected in (
        (message("", output=refusal), ("refused", None)),
        (
            message("", status="incomplete", incomplete_details={"reason": "content_filter"}),
            ("refused", None),
        ),
        (
            message("{", status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            ("failed", "context"),
        ),
        (message("", output=[]), ("failed", "agent")),
    ):
        async with scripted_model(answer) as model:
            outcome, _ = await work(backend, tree, model)
            assert (outcome.status, outcome.error_kind) == expected
            assert outcome.status != "refused" or outcome.text


async def test_a_whole_answer_is_read_too(backend: NativeBackend, tree: Path) -> None:
    from aiohttp import web

    async def whole(request: Any) -> Any:
        return web.json_response(message(GOOD))

    async with scripted_model(whole) as model:
        outcome, _ = await work(backend, tree, model)
    assert outcome == Outcome("completed", text=GOOD)


async def test_cancelling_ends_the_attempt_and_its_command(backend: NativeBackend, tree: Path) -> None:
    command = calls(("run_command", {"command": "sleep 611.5", "timeout_seconds": None}))
    async with scripted_model(command, message(GOOD)) as model:
        running = asyncio.ensure_future(work(backend, tree, model))
        await comes(lambda: _running("sleep 611.5"))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    await comes(lambda: not _running("sleep 611.5"), "its end")


def _running(command: str) -> bool:
    import psutil

    return any(" ".join(p.info["cmdline"] or []) == command for p in psutil.process_iter(["cmdline"]))


async def test_there_is_nothing_to_resume(backend: NativeBackend, tree: Path) -> None:
    with pytest.raises(Gone):
        await backend.run(order(tree, "http://127.0.0.1:1"), lambda _: None, resume={})


# ------------------------------------------------------------------ the parts


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "out", "up/secret", "src/../../secret", ".git", "a\0b"]
)
def test_no_path_leads_out_of_the_workspace(tree: Path, path: str) -> None:
    (tree / ".git").write_text("gitdir: ../git\n")
    with pytest.raises(ToolError):
        files.read_file(tree, path, None, None)
    with pytest.raises(ToolError):
        files.find_literal(tree, path, "secret", 10)


@given(st.text(max_size=60))
def test_whatever_path_is_asked_for_stays_inside(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    root = tmp_path_factory.getbasetemp()
    with contextlib.suppress(ToolError):
        assert confined(root, path).is_relative_to(root.resolve())


def test_pipes_loops_binaries_and_missing_files_are_errors_not_hangs(tree: Path) -> None:
    for path in ("pipe", "loop", "binary", "missing", "src"):
        with pytest.raises(ToolError):
            files.read_file(tree, path, None, None)
    assert files.find_literal(tree, ".", "top secret", 10) == "(nothing found)"


def test_reading_is_bounded_and_says_what_is_left(tree: Path) -> None:
    text = files.read_file(tree, "src/main.py", 501, None)
    assert text.splitlines()[0] == "   501 | line 501"
    assert len(text.splitlines()) == files.MOST_LINES + 1
    assert "lines 901 to 1000 not shown" in text
    with pytest.raises(ToolError, match="1000 lines"):
        files.read_file(tree, "src/main.py", 1001, None)


def test_a_long_conversation_drops_the_oldest_tool_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MOST_BYTES", 10_000)
    talk = Conversation({"model": "m"}, "the task")
    for n in range(40):
        talk.told(f"c{n}", f"{n}:" + "x" * 1000)
    body = msgspec.json.decode(talk.body(final=False))
    assert len(talk.body(final=False)) < 12_000
    assert body["input"][0]["content"] == "the task"
    assert len(body["input"]) == 41, "every call keeps an answer"
    assert body["input"][-1]["output"].startswith("39:")
    assert "call the tool again" in body["input"][1]["output"]


@given(st.lists(st.integers(1, 40), max_size=30), st.booleans(), st.sampled_from([b"\n", b"\r\n"]))
def test_a_stream_split_anywhere_gives_the_same_answer(cuts: list[int], named: bool, newline: bytes) -> None:
    answer = {
        "status": "completed",
        "output": [{"type": "message"}],
        "usage": {"input_tokens": 5, "output_tokens": 2},
    }
    parts = [
        event("response.created", response={"status": "in_progress"}),
        event("response.output_text.delta", delta="response.completed"),
        event("response.completed", response=answer),
    ]
    raw = b"".join(parts).replace(b"\n", newline)
    if not named:
        raw = b"".join(line for line in raw.splitlines(keepends=True) if not line.startswith(b"event:"))
    events, found, place = EventStream(), None, 0
    for size in [*cuts, len(raw)]:
        found = found or events.feed(raw[place : place + size])
        place += size
    assert found is not None and found.tokens() == Usage(input=5, output=2)


def test_an_endless_event_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hundredfold.agents.native.response.MOST_EVENT_BYTES", 1000)
    events = EventStream()
    with pytest.raises(ApiError):
        for _ in range(20):
            events.feed(b"x" * 100)
