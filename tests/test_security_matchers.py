"""The matchers: what they catch, what they pass over, and that their shortcuts lose nothing."""

from __future__ import annotations

import random
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hundredfold.evidence.matchers import Matcher, all_matchers, match, possible, speaks_up
from hundredfold.evidence.secrets import find_secrets, may_hold_secrets
from hundredfold.jobs.security.scanners import bandit_may_speak
from tests.support.weak_functions import PAIRS

MATCHERS = all_matchers()
PATHS = (
    "a.py",
    "a.js",
    "a.go",
    "a.rb",
    "a.php",
    "A.java",
    "a.c",
    "a.rs",
    "a.html",
    ".github/workflows/a.yml",
)
PIECES = [line for pair in PAIRS for text in (pair.weak, pair.mended) for line in text.split("\n")] + [
    "# a comment", "call(", "a,", "", "x = '../' + name", "uses: some/action@v1", "password = read()",
    "os.", "system(x)", "  [", "pickle.loads(", "vm.", "`ls #{x}`",
]  # fmt: skip
SECRETIVE = [
    'key = "Zk3mQ8xT1vB5nW7rY2pL"',
    "x",
    "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5",
    "token = read()",
    "postgres://u:s3cretAAq9@db.internal/x",
    "-----BEGIN RSA PRIVATE KEY-----",
    "QWERTY12" * 8,
]


def flags(path: str, code: str) -> bool:
    lines = list(enumerate(code.split("\n"), 1))
    return bool(match(path, lines, {number for number, _ in lines}))


def test_the_labelled_weak_functions_are_caught_and_few_of_the_mended_ones() -> None:
    missed = [(pair.weakness, pair.path) for pair in PAIRS if not flags(pair.path, pair.weak)]
    flagged = [(pair.weakness, pair.path) for pair in PAIRS if flags(pair.path, pair.mended)]
    assert len(PAIRS) >= 30 and len({pair.path for pair in PAIRS}) >= 8
    assert len(missed) <= len(PAIRS) // 10, missed
    # A check that is missing altogether looks like ordinary code: no pattern finds that.
    assert ("missing check", "A.java") in missed
    assert len(flagged) <= len(PAIRS) // 3, flagged


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("matcher", MATCHERS, ids=lambda one: one.id)
@given(data=st.data())
def test_what_a_pattern_matches_holds_one_of_its_hints(matcher: Matcher, data: st.DataObject) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the generator's, on syntax that it reads otherwise
        text = data.draw(st.from_regex(matcher.regex))
    found = matcher.regex.search(text)
    assert found is not None
    assert any(hint in text.lower() for hint in matcher.hints), text


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PATHS), st.lists(st.sampled_from(PIECES), min_size=1, max_size=12))
def test_the_shortcuts_agree_with_trying_every_matcher(path: str, lines: list[str]) -> None:
    numbered = list(enumerate(lines, 1))
    changed = set(range(1, len(lines) + 1))
    language = {one.id for one in possible(path, "\n".join(hint for m in MATCHERS for hint in m.hints))}
    plain = [
        Matcher(one.id, one.family, one.level, one.cwe, one.languages, ("",), one.regex)
        for one in MATCHERS
        if one.id in language
    ]
    fast = match(path, numbered, changed)
    assert fast == match(path, numbered, changed, plain)
    assert speaks_up(path, lines) == bool(fast)


def test_a_call_split_over_lines_is_one_statement() -> None:
    lines = [(7, "db.execute("), (8, "    'select a from t where n = ' +"), (9, "    name,"), (10, ")")]
    assert ("sql-built", 8) in [(one.rule, one.line) for one in match("a.py", lines, ())]
    assert ("sql-execute", 7) in [(one.rule, one.line) for one in match("a.py", lines, {9})]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(SECRETIVE), max_size=6))
def test_text_that_is_said_to_hold_no_secret_holds_none(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert may_hold_secrets(text) or not find_secrets(text)


def test_a_discord_token_is_found_without_its_name_nearby() -> None:
    token = "MTk4NjIyNDgzNDcxOTI1MjQ4" + ".Cl2FMQ." + "ZnCjm1XVW7vRze4b7Cq4se7kKWs"
    assert [one.rule for one in find_secrets(f'run("{token}")')] == ["discord-bot-token"]


def test_every_name_on_bandits_lists_is_a_word_that_wakes_it() -> None:
    from bandit.core.extension_loader import MANAGER

    names = {name for group in MANAGER.blacklist.values() for one in group for name in one["qualnames"]}
    assert len(names) > 80
    assert [name for name in names if not bandit_may_speak("a.py", f"import {name}\n")] == []
    assert not bandit_may_speak("a.py", "def f(a):\n    return a + 1\n")
    assert not bandit_may_speak("a.rb", "eval(x)")


def test_a_large_file_without_any_clue_is_passed_over_quickly() -> None:
    noise = random.Random(7)
    words = ["alpha", "beta", "gamma", "value", "total", "count", "name"]
    lines = [f"    {noise.choice(words)} = {noise.choice(words)} + {at}" for at in range(20_000)]
    assert not speaks_up("a.py", lines)
