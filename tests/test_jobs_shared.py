"""What jobs share: batches, fences, expected tokens, files left out, estimates for plans."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.cli.init import TEMPLATE
from hundredfold.evidence.diffs import FileDiff, Hunk
from hundredfold.jobs.changes import parts_of, removed_lines, sorted_out
from hundredfold.jobs.coverage import apart, how_far, not_looked_at, not_read
from hundredfold.jobs.protocol import Project, load_job, review_minutes
from hundredfold.jobs.questions import BYTES_PER_TOKEN, batches, one_line, question, tokens
from hundredfold.settings import JobSettings
from hundredfold.vocabulary import AgentTask

DOCS: Any = ("screened", "documentation: no code in it")
HUNK = Hunk(1, 2, 1, 1, (b"-a\n", b" b\n"))


def asked(material: str, answer: int = 1_000) -> AgentTask:
    words = {"task": "Read."}
    return question(
        "ask", "$task\n$code", {"code": material}, {}, revision="HEAD", answer_tokens=answer, words=words
    )


@given(st.lists(st.text(max_size=80), max_size=40), st.integers(1, 12), st.integers(1, 4))
def test_every_block_is_in_one_batch_or_told_to_be_beyond(texts: list[str], room: int, most: int) -> None:
    packed, beyond = batches(enumerate(texts), room, most)
    assert len(packed) <= most
    assert all(batch and sum(tokens(block) for _, block in batch) <= room for batch in packed)
    inside = [number for batch in packed for number, _ in batch]
    assert inside == sorted(inside)
    assert sorted([*inside, *beyond]) == list(range(len(texts)))
    assert all(block == texts[number] for batch in packed for number, block in batch)


@given(st.text(max_size=200))
def test_no_material_can_close_its_fence_and_the_same_question_is_the_same_text(text: str) -> None:
    prompt = asked(text).prompt
    fence = prompt.split("\n")[1].removesuffix(" BEGIN code")
    assert prompt == f"Read.\n{fence} BEGIN code\n{text}\n{fence} END" == asked(text).prompt
    assert fence not in text
    assert asked(prompt).prompt.count(fence) == 2  # quoted, the old fence stands inside another one


def test_what_a_template_names_must_be_given_and_material_is_no_template() -> None:
    assert "$revision ${x}" in asked("$revision ${x}").prompt
    with pytest.raises(KeyError):
        question("ask", "$missing", {}, {}, revision="HEAD", answer_tokens=1)


def test_expected_tokens_grow_with_the_prompt_and_with_the_answer() -> None:
    short, long = asked("x"), asked("x" * 4_000 * BYTES_PER_TOKEN)
    assert long.expected.input - short.expected.input >= 4_000 * 2
    assert 0 < long.expected.cached < long.expected.input
    assert asked("x", 2_000).expected.output - short.expected.output == 1_000


def test_a_name_from_outside_stays_one_short_line() -> None:
    assert "\n" not in one_line("a\nb\u2028c\x1b[2J") and len(one_line("x" * 5_000)) == 300


def test_each_file_left_out_has_its_reason() -> None:
    def file(path: str, **changes: Any) -> FileDiff:
        return FileDiff(
            **{"old_path": path, "new_path": path, "status": "modified", "hunks": (HUNK,), **changes}
        )

    files = [
        file("a.py"),
        file("b.gen.py"),
        file("uv.lock"),
        file("README.md"),
        file("README.md", new_mode="160000"),
        file("c.py", too_large=True),
        file("d.py", new_path=None, status="deleted", hunks=()),
        file("e.py", hunks=(), status="mode"),
        file("late.py"),
    ]
    told = [
        (one.state, one.reason) if one else None
        for _, one in sorted_out(files, ("*.gen.py",), len(files) - 1, "commit", DOCS)
    ]
    assert told == [
        None,
        ("not_looked_at", "excluded by the configuration: *.gen.py"),
        ("not_looked_at", "a lock file: its content is generated"),
        DOCS,
        ("not_looked_at", "a submodule: its commits are another repository's"),
        ("not_looked_at", "the change of this file is too large to read"),
        ("screened", "the file was removed: nothing of it is left"),
        ("screened", "mode: no line of it was changed"),
        ("not_looked_at", "beyond the bound of 8 files a commit"),
    ]


def test_what_was_taken_out_below_a_part_is_its_own_if_wished() -> None:
    code = b"def f():\n    return 1\n\n\n\n\n\n\ndef g():\n    return 3\n"
    lines = (b" def f():\n", b"-    x = 0\n", b"+    return 1\n", b"-    return 2\n", b" \n")
    file = FileDiff("a.py", "a.py", "modified", hunks=(Hunk(1, 4, 1, 3, lines),))
    assert removed_lines(file) == [(2, 2, "    x = 0"), (3, 3, "    return 2")]
    strict, wide = (parts_of(file, None, code, after=after)[0] for after in (False, True))
    assert strict.name == wide.name == "f" and (strict.first_line, strict.last_line) == (1, 2)
    assert [text for _, _, text in strict.removed] == ["    x = 0"]
    assert [text for _, _, text in wide.removed] == ["    x = 0", "    return 2"]


def test_a_page_says_why_nobody_looked_and_is_silent_if_somebody_did() -> None:
    meaning = {"investigated": "an agent looked", "not_looked_at": "nobody looked"}
    rows = [{"state": "not_looked_at", "reason": "too large"}] * 2 + [{"state": "investigated", "reason": ""}]
    assert how_far(rows, meaning, "units").endswith("- 1 units: an agent looked\n- 2 units: nobody looked")
    assert not_looked_at(rows) == "## Not looked at\n\n- 2 × too large"
    assert not_looked_at(rows[2:]) == ""


def test_an_input_that_was_not_read_is_no_unit() -> None:
    rows = [{"path": "a.log", "unit": "f1"}, {"path": "b.log", "unit": "", "reason": "it is empty"}]
    rows.append({"path": "b.log", "unit": "", "reason": "said of it before"})
    units, unread = apart(rows)
    assert units == rows[:1] and not_read(unread).endswith("\n\n- b.log: it is empty")
    assert not_read([]) == ""


def test_a_plan_knows_how_long_a_proposal_of_each_job_takes_to_review(tmp_path: Any) -> None:
    def project(**settings: Any) -> Project:
        nothing: Any = None
        return Project("p", tmp_path, nothing, JobSettings(**settings))

    class Silent:
        name = "silent"

    silent: Any = Silent()
    assert review_minutes(load_job("review"), project()) == 5.5
    assert review_minutes(load_job("review"), project(cap=1)) == 2.5
    assert review_minutes(load_job("security"), project()) == 6.0
    assert review_minutes(silent, project()) == 2.0


def test_the_review_example_that_init_writes_holds_the_defaults_once_uncommented() -> None:
    example = TEMPLATE.format(name='"p"').split("#[job.review]")[1]
    table = tomllib.loads("\n".join(line.removeprefix("#") for line in example.splitlines()))
    defaults = JobSettings()
    assert {"passes", "votes"} <= set(table)
    assert all(table[key] == getattr(defaults, key) for key in table)
    assert set(table) <= set(JobSettings.__struct_fields__)
