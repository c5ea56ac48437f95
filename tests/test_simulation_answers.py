"""What the simulated agent does and claims: real places with probability `p_true`, wrong ones otherwise."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import jsonschema
import pytest

from hundredfold.jobs.security.asking import refute_task, schema
from hundredfold.jobs.security.claims import check_claims
from hundredfold.simulation.provider.answerers import ANSWERERS, final_answer
from hundredfold.simulation.provider.apis.responses import read_request
from hundredfold.simulation.provider.excerpts import Excerpt, excerpts_in
from hundredfold.simulation.provider.moves import Call, look_around, paths_in
from hundredfold.simulation.provider.profile import Mind
from hundredfold.simulation.provider.request import Request
from hundredfold.vocabulary import Evidence

CODE = ("import os", "", "def run(command):", "    os.system(command)", "    return 0")
EVIDENCE = Evidence("src/app/Makefile", "c0ffee", 11, 15, "\n".join(CODE))
CLAIM = dict.fromkeys(("title", "rule", "cwe", "severity", "description", "how_to_check"), "x")
#: as the job itself writes it
PROMPT = refute_task("c0ffee", CLAIM, EVIDENCE, None).prompt
INVESTIGATE, REFUTE = schema("investigate"), schema("refute")


def request(form: dict[str, Any] | None, tools: list[Any] | None = None, rounds: int = 0) -> Request:
    text = {"format": {"type": "json_schema", "schema": form}} if form else None
    results = [{"type": "function_call_output", "call_id": "c", "output": ""}] * rounds
    body = {"model": "m", "input": [{"role": "user", "content": PROMPT}, *results], "tools": tools or []}
    return read_request(json.dumps({**body, "text": text}).encode())


def is_true(claim: dict[str, Any]) -> bool:
    first, last = claim["start_line"] - 11, claim["end_line"] - 11
    quote = "\n".join(CODE[first : last + 1])
    return (claim["path"], claim["quote"]) == ("src/app/Makefile", quote)


def test_the_code_that_a_job_shows_is_found_under_its_path() -> None:
    (excerpt,) = excerpts_in(PROMPT)
    assert excerpt == Excerpt("src/app/Makefile", tuple(enumerate(CODE, 11)))


def test_added_lines_count_and_removed_ones_do_not() -> None:
    shown = "path: a b.c\n    7 +| new\n    8  | old\ntaken out:\n    8 -| gone\n  …\n   20  | far"
    assert excerpts_in(shown) == [
        Excerpt("a b.c", ((7, "new"), (8, "old"))),
        Excerpt("a b.c", ((20, "far"),)),
    ]


@pytest.mark.parametrize("p_true", [0.0, 1.0])
def test_claims_are_true_as_often_as_the_profile_says(p_true: float) -> None:
    claims: list[dict[str, Any]] = []
    verdicts = set()
    for seed in range(60):
        answer = final_answer(request(INVESTIGATE), Random(seed), mind=Mind(p_true=p_true), fault="")
        value = json.loads(answer.text)
        jsonschema.validate(value, INVESTIGATE)
        verdicts.add(value["verdict"])
        claims += value["findings"]
        assert bool(value["findings"]) == (value["verdict"] == "findings")
    assert len(claims) > 20
    assert {"findings", "nothing_found"} <= verdicts
    assert {is_true(claim) for claim in claims} == {p_true == 1.0}


@pytest.mark.parametrize("p_true", [0.0, 1.0])
def test_the_job_s_own_check_keeps_true_claims_and_drops_wrong_ones(p_true: float) -> None:
    content = "\n".join(["# filler"] * 10 + list(CODE)).encode()
    files = {EVIDENCE.path: content}
    dropped: Counter[str] = Counter()
    kept = 0
    for seed in range(30):
        value = ANSWERERS["hundredfold.security.investigate"](
            PROMPT, INVESTIGATE, Random(seed), Mind(p_true=p_true)
        )
        kept += len(check_claims(value, "c0ffee", files, lambda _, path: files.get(path), dropped))
    if p_true:
        assert kept > 10
        assert set(dropped) <= {"said twice"}
    else:
        assert kept == 0
        assert sum(dropped.values()) > 10
        assert len(dropped) >= 3  # wrong paths, wrong lines and wrong quotes


def test_a_mind_that_always_finds_and_finishes_never_says_otherwise() -> None:
    mind = Mind(p_found=1.0, p_finished=1.0)
    answers = [
        ANSWERERS["hundredfold.security.investigate"](PROMPT, INVESTIGATE, Random(n), mind) for n in range(60)
    ]
    assert {one["verdict"] for one in answers} == {"findings"}


@pytest.mark.parametrize(("p_true", "verdict"), [(1.0, "upheld"), (0.0, "refuted")])
def test_a_refuter_upholds_or_refutes_with_a_quote(p_true: float, verdict: str) -> None:
    for seed in range(10):
        value = ANSWERERS["hundredfold.security.refute"](PROMPT, REFUTE, Random(seed), Mind(p_true=p_true))
        jsonschema.validate(value, REFUTE)
        assert value["verdict"] == verdict
        assert [is_true(place) for place in value["evidence"]] == [True]


@pytest.mark.parametrize("label", ["investigate", "refute"])
def test_an_answerer_obeys_its_schema_without_any_code_in_the_prompt(label: str) -> None:
    assert schema(label)["title"] in ANSWERERS
    value = ANSWERERS[schema(label)["title"]]("nothing here", schema(label), Random(1), Mind(p_true=1.0))
    jsonschema.validate(value, schema(label))


def test_paths_are_read_from_prose() -> None:
    assert paths_in("see src/a.py, `lib/b/c.rs:12` and https://example.org/x.html") == [
        "src/a.py",
        "lib/b/c.rs",
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"command": {"type": "array", "items": {"type": "string"}}}, "sh"),
        ({"command": {"type": "string"}}, "src/app/Makefile"),
    ],
)
def test_a_shell_gets_its_command_in_the_form_it_takes(parameters: dict[str, Any], expected: str) -> None:
    takes = {"type": "object", "properties": parameters, "required": ["command"]}
    tool = {"type": "function", "name": "shell", "parameters": takes}
    call = look_around(request(None, [tool]), Random(0), patch=False)
    assert isinstance(call, Call)
    arguments = json.loads(call.arguments)
    assert expected in arguments["command"]
    jsonschema.validate(arguments, takes)


def test_tools_that_do_not_look_around_are_left_alone() -> None:
    tool = {"type": "function", "name": "send_mail", "parameters": {"type": "object", "properties": {}}}
    assert look_around(request(None, [tool]), Random(0), patch=False) is None


def test_rounds_take_turns_between_small_tools() -> None:
    tools = [
        {
            "type": "function",
            "name": name,
            "parameters": {"type": "object", "properties": {key: {"type": "string"}}, "required": [key]},
        }
        for name, key in (("read", "path"), ("search", "pattern"), ("list", "path"))
    ]
    calls = [look_around(request(None, tools, rounds), Random(0), patch=False) for rounds in range(3)]
    assert [call.name for call in calls if call] == ["read", "search", "list"]
