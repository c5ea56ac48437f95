"""The simulated provider keeps the Responses API's promises, strikes by seed, and logs what it did."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import psutil
import pytest

from hundredfold.errors import ConfigError
from hundredfold.simulation.provider.log import read_log
from hundredfold.simulation.provider.profile import SHIPPED, load_profile
from tests.support.provider import RunningProvider, simulated_provider
from tests.support.waiting import until

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["verdict", "lines"],
    "properties": {
        "verdict": {"enum": ["yes", "no"]},
        "lines": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 3},
    },
}
SHELL = {
    "type": "function",
    "name": "exec_command",
    "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
}
SCRIPT = {
    "type": "additional_tools",
    "role": "developer",
    "tools": [{"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]}],
}
PROMPT = "Please look at src/app/main.py and say what it does."


def request(prompt: str = PROMPT, **more: Any) -> dict[str, Any]:
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}
    form = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA}}
    return {"model": "gpt-5.5", "input": [said], "stream": True, "text": form, **more}


async def post(provider: RunningProvider, body: dict[str, Any]) -> tuple[int, Any, list[dict[str, Any]]]:
    """(status, headers, events); a plain JSON answer is one event."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{provider.base_url}/responses", json=body) as answer,
    ):
        content = await answer.read()
        if answer.content_type == "text/event-stream":
            events = [
                json.loads(line.removeprefix(b"data: "))
                for line in content.splitlines()
                if line.startswith(b"data: ")
            ]
            return answer.status, answer.headers, events
        return answer.status, answer.headers, [json.loads(content)]


async def conversation(
    provider: RunningProvider, body: dict[str, Any], most: int = 6
) -> list[dict[str, Any]]:
    """Answer every tool call until the final message; the completed responses in order."""
    done = []
    for _ in range(most):
        _, _, events = await post(provider, body)
        response = events[-1]["response"]
        done.append(response)
        item = response["output"][0]
        if item["type"] == "message":
            return done
        kind = item["type"] + "_output"
        result = {"type": kind, "call_id": item["call_id"], "output": "def main(): pass"}
        body = {**body, "input": [*body["input"], item, result]}
    raise AssertionError("no final message")


async def test_a_stream_has_the_events_in_order_and_its_usage_is_in_the_log(tmp_path: Path) -> None:
    with simulated_provider(tmp_path, mind={"rounds": [0, 0]}) as provider:
        status, headers, events = await post(provider, request(service_tier="priority"))
    assert status == 200
    assert headers["x-ratelimit-remaining-requests"]
    names = [event["type"] for event in events]
    assert names[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert names[-2:] == ["response.output_item.done", "response.completed"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    done = events[-1]["response"]
    text = done["output"][0]["content"][0]["text"]
    assert "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta") == text
    jsonschema.validate(json.loads(text), SCHEMA)
    assert (events[0]["response"]["service_tier"], done["service_tier"]) == ("priority", "priority")
    (line,) = provider.lines()
    assert (line.outcome, line.response_id, line.tier_served) == ("served", done["id"], "priority")
    assert line.usage is not None
    assert done["usage"] == {
        "input_tokens": line.usage.input,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": line.usage.output,
        "output_tokens_details": {"reasoning_tokens": line.usage.reasoning},
        "total_tokens": line.usage.input + line.usage.output,
    }


async def test_an_answer_that_is_not_streamed_says_the_same(tmp_path: Path) -> None:
    with simulated_provider(tmp_path, mind={"rounds": [0, 0]}) as provider:
        _, _, (plain,) = await post(provider, request(stream=False))
        assert plain["object"] == "response"
        assert plain["usage"]["output_tokens"] == (provider.lines()[0].usage or pytest.fail()).output


@pytest.mark.parametrize(("tools", "kind"), [([SHELL], "function_call"), ([], "custom_tool_call")])
async def test_it_looks_around_with_the_tools_on_offer_before_it_answers(
    tmp_path: Path, tools: list[Any], kind: str
) -> None:
    body = request(tools=tools, prompt_cache_key="one")
    if not tools:
        body["input"].insert(0, SCRIPT)
    with simulated_provider(tmp_path, mind={"rounds": [2, 2]}) as provider:
        done = await conversation(provider, body)
        lines = provider.lines()
    assert [response["output"][0]["type"] for response in done] == [kind, kind, "message"]
    assert "src/app/main.py" in json.dumps(done[0]["output"][0])
    # Each later request begins with the whole earlier one, so nearly all of that is cached, in steps of 128.
    for line, earlier in zip(lines[1:], lines, strict=False):
        assert line.usage is not None
        assert earlier.usage is not None
        assert line.usage.cached % 128 == 0
        assert earlier.usage.input - 128 < line.usage.cached <= earlier.usage.input


async def test_input_tokens_are_a_quarter_of_the_bytes_and_long_prefixes_are_cached(tmp_path: Path) -> None:
    prompt = "x" * 10_000
    body = request(prompt, prompt_cache_key="one")
    with simulated_provider(tmp_path, mind={"rounds": [0, 0]}) as provider:
        await post(provider, body)
        await post(provider, body)
        await post(provider, {**body, "prompt_cache_key": "another"})
        first, again, other = (line.usage or pytest.fail() for line in provider.lines())
    item = json.dumps(body["input"][0])
    assert first.input == -(-(len(item) + len("[]")) // 4)
    assert (first.cached, again.cached, other.cached) == (0, first.input // 128 * 128, 0)


@pytest.mark.parametrize(
    ("asked", "profile", "served"),
    [
        ("priority", {}, "priority"),
        ("flex", {}, "flex"),
        (None, {}, "default"),
        ("priority", {"tiers": {"fast": False}}, "default"),
        ("priority", {"faults": {"wrong_tier": 1.0}}, "default"),
        ("priority", {"tiers": {"named": False}}, None),
    ],
)
async def test_the_answer_names_the_tier_that_served_it(
    tmp_path: Path, asked: str | None, profile: dict[str, Any], served: str | None
) -> None:
    more = {"service_tier": asked} if asked else {}
    with simulated_provider(tmp_path, mind={"rounds": [0, 0]}, **profile) as provider:
        _, _, events = await post(provider, request(**more))
    assert events[-1]["response"].get("service_tier") == served
    # Until the end a stream names the tier that was asked for, as the real one does.
    assert events[0]["response"].get("service_tier") == (served and (asked or "auto"))


@pytest.mark.parametrize(
    ("fault", "status", "code", "outcome"),
    [
        ("throttled", 429, "rate_limit_exceeded", "throttled"),
        ("quota", 429, "insufficient_quota", "quota"),
        ("context", 400, "context_length_exceeded", "context"),
        ("server_error", None, "server_error", "server_error"),
    ],
)
async def test_an_error_answer_bills_nothing_and_is_logged(
    tmp_path: Path, fault: str, status: int | None, code: str, outcome: str
) -> None:
    with simulated_provider(tmp_path, faults={fault: 1.0}) as provider:
        got, headers, (body,) = await post(provider, request())
        (line,) = provider.lines()
    assert got == status or (status is None and got in (500, 502, 503))
    assert body["error"]["code"] == code
    assert (line.outcome, line.status, line.usage) == (outcome, got, None)
    assert ("retry-after" in headers) == (fault == "throttled")


async def test_an_overloaded_stream_fails_inside_the_stream(tmp_path: Path) -> None:
    with simulated_provider(tmp_path, faults={"overloaded": 1.0}) as provider:
        status, _, (event,) = await post(provider, request())
    assert (status, event["type"]) == (200, "response.failed")
    assert event["response"]["error"]["code"] == "server_is_overloaded"


async def test_a_cut_stream_has_no_end_and_bills_its_input_and_a_part_of_its_output(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    with simulated_provider(whole, mind={"rounds": [0, 0]}) as provider:
        await post(provider, request())
        full = provider.lines()[0].usage or pytest.fail()
    with simulated_provider(cut, mind={"rounds": [0, 0]}, faults={"cut": 1.0}) as provider:
        with pytest.raises(aiohttp.ClientError):
            await post(provider, request())
        (line,) = provider.lines()
    assert line.outcome == "cut"
    assert line.usage is not None
    assert line.usage.input == full.input
    assert 0 <= line.usage.output < full.output


@pytest.mark.parametrize("fault", ["hang", "hang_midway"])
async def test_a_hanging_request_is_held_until_the_caller_leaves(tmp_path: Path, fault: str) -> None:
    for number, patience_s in enumerate((0.7, 5.0, 60.0)):  # a busy machine takes a while to hang
        folder = tmp_path / str(number)
        folder.mkdir()
        with simulated_provider(folder, faults={fault: 1.0}) as provider:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(post(provider, request()), patience_s)
            lines = provider.lines()
        if [(one.outcome, one.usage is None) for one in lines] == [("hang", fault == "hang")]:
            return
    raise AssertionError(lines)


@pytest.mark.parametrize("fault", ["malformed", "schema_break", "refusal", "declined"])
async def test_answers_go_wrong_as_the_profile_says(tmp_path: Path, fault: str) -> None:
    with simulated_provider(tmp_path, mind={"rounds": [0, 0]}, answers={fault: 1.0}) as provider:
        _, _, events = await post(provider, request())
        assert provider.lines()[0].fault == fault
    part = events[-1]["response"]["output"][0]["content"][0]
    if fault == "refusal":
        assert part["type"] == "refusal"
    elif fault in ("malformed", "declined"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(part["text"])
    else:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(part["text"]), SCHEMA)


async def test_an_answer_without_usage_still_bills(tmp_path: Path) -> None:
    with simulated_provider(tmp_path, faults={"no_usage": 1.0}) as provider:
        _, _, events = await post(provider, request())
        assert events[-1]["response"]["usage"] is None
        assert provider.lines()[0].usage is not None


async def test_more_than_the_minute_holds_is_throttled_until_it_refills(tmp_path: Path) -> None:
    with simulated_provider(tmp_path, rate={"requests_per_minute": 60}) as provider:
        statuses = [(await post(provider, request(f"number {n}")))[0] for n in range(14)]
    assert statuses[:10] == [200] * 10
    assert 429 in statuses[10:]


async def test_a_seed_strikes_the_same_requests_and_a_retry_draws_anew(tmp_path: Path) -> None:
    async def statuses(folder: str, seed: int, order: Iterable[int]) -> dict[int, list[int]]:
        (tmp_path / folder).mkdir()
        with simulated_provider(tmp_path / folder, seed=seed, faults={"throttled": 0.5}) as provider:
            return {n: [(await post(provider, request(f"number {n}")))[0] for _ in range(3)] for n in order}

    first = await statuses("first", 1, range(12))
    again = await statuses("again", 1, reversed(range(12)))
    other = await statuses("other", 2, range(12))
    assert first == again  # although asked in another order
    assert first != other
    assert any(200 in tries and 429 in tries for tries in first.values())


async def test_the_log_goes_on_in_the_same_file_and_ids_never_repeat(tmp_path: Path) -> None:
    for _ in range(2):
        with simulated_provider(tmp_path, seed=7) as provider:
            await post(provider, request())
        with provider.log.open("ab") as torn:
            torn.write(b'{"seq":99,"at')
    lines = read_log(provider.log)
    assert [line.seq for line in lines] == [1, 2]
    assert len({line.response_id for line in lines}) == 2


async def test_a_hundred_streams_at_once_are_all_answered(tmp_path: Path) -> None:
    with simulated_provider(tmp_path, latency={"tokens_per_second": 2000.0}) as provider:
        answers = await asyncio.gather(*(post(provider, request(f"number {n}")) for n in range(100)))
        assert len(provider.lines()) == 100
    assert {events[-1]["type"] for _, _, events in answers} == {"response.completed"}


async def test_what_is_no_request_is_refused_and_logged(tmp_path: Path) -> None:
    with simulated_provider(tmp_path) as provider:
        status, _, (body,) = await post(provider, {"model": 5})
        assert (status, body["error"]["type"]) == (400, "invalid_request_error")
        assert provider.lines()[0].outcome == "invalid"


def test_every_shipped_profile_loads() -> None:
    names = {file.stem for file in SHIPPED.glob("*.toml")}
    assert names == {"calm", "faulty", "slow", "flood"}
    assert load_profile("faulty").faults.cut == 0.02
    for name in names:
        load_profile(name)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[faults]\nthrotled = 0.1", "throtled"),
        ("[faults]\ncut = 1.5", "cut"),
        ("[faults]\ncut = 0.6\nquota = 0.6", "adds up"),
        ("[mind]\nrounds = [3, 1]", "rounds"),
        ("[latency]\nbursts = 0", "bursts"),
        ("retry_after_s = -1.0", "retry_after_s"),
        ("[faults", "not a profile"),
    ],
)
def test_a_bad_profile_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "p.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_profile(str(file))


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ConfigError) as error:
        load_profile("nothing-of-that-name")
    assert "calm" in error.value.mend


async def test_an_answer_longer_than_its_cap_is_incomplete_and_bills_the_cap(tmp_path: Path) -> None:
    with simulated_provider(tmp_path, mind={"rounds": [0, 0]}) as provider:
        _, _, events = await post(provider, request(max_output_tokens=193))
        (line,) = provider.lines()
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert line.usage is not None
    assert line.usage.output == 193 == events[-1]["response"]["usage"]["output_tokens"]


async def test_no_tool_is_called_where_the_request_forbids_it(tmp_path: Path) -> None:
    with simulated_provider(tmp_path, mind={"rounds": [5, 5]}) as provider:
        _, _, events = await post(provider, request(tools=[SHELL], tool_choice="none"))
    assert events[-1]["response"]["output"][0]["type"] == "message"


def test_the_provider_ends_with_the_process_that_started_it_even_if_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from hundredfold.simulation.process import provider_process\n"
        "with provider_process(pathlib.Path(sys.argv[1]), profile='calm') as provider:\n"
        "    print(provider.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        provider = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    until(lambda: not provider.is_running() or provider.status() == psutil.STATUS_ZOMBIE, "its end")
