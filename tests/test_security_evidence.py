"""Secrets, quotes, fingerprints, matchers and SARIF: the pure parts under the job `security`."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.evidence.fingerprints import Mark, fingerprints
from hundredfold.evidence.matchers import all_matchers, match
from hundredfold.evidence.quotes import Quoted, verify
from hundredfold.evidence.sarif import sarif
from hundredfold.evidence.secrets import find_secrets, redact
from hundredfold.vocabulary import Evidence, Finding

RANDOM = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
SECRETS = {
    "aws-access-key": "AKIA" + "QWERTYUIOPASDFGH",
    "github-token": "ghp_" + RANDOM,
    "gitlab-token": "glpat-" + RANDOM[:20],
    "slack-token": "xoxb-" + "2840192837-" + RANDOM[:24],
    "stripe-key": "sk_live_" + RANDOM[:24],
    "google-api-key": "AIza" + RANDOM[:35],
    "openai-key": "sk-proj-" + RANDOM + RANDOM[:8],
    "anthropic-key": "sk-ant-" + "api03-" + RANDOM + RANDOM[:20],
    "npm-token": "npm_" + RANDOM,
}
LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30), min_size=1)


@pytest.mark.parametrize(("rule", "secret"), SECRETS.items())
def test_a_well_known_secret_is_found_and_redacted(rule: str, secret: str) -> None:
    text = f"first\nconst k = '{secret}'\n"
    (found,) = find_secrets(text, "src/a.js")
    assert (found.rule, found.line, text.split("\n")[1][found.start : found.end]) == (rule, 2, secret)
    assert secret not in redact(text) and secret not in found.redacted and secret[:4] in found.redacted


@pytest.mark.parametrize(
    "text",
    [
        'password = "your_password_here_1"',
        "AKIAIOSFODNN7EXAMPLE",
        'token = "${GITHUB_TOKEN_VALUE}"',
        'secret_key_path = "/etc/app/secret1/key2"',
        'PEM = "-----BEGIN PRIVATE KEY-----"',
        f'api_key = "{RANDOM[:20]}"  # pragma: allowlist secret',
    ],
)
def test_a_placeholder_is_no_secret(text: str) -> None:
    assert find_secrets(text) == ()


def test_an_assignment_counts_outside_tests_only_but_is_redacted_everywhere() -> None:
    line = f'db_password = "{RANDOM[:20]}"'
    assert find_secrets(line, "app/db.py")[0].likely and find_secrets(line, "tests/test_db.py") == ()
    assert RANDOM[:20] not in redact(line)


def test_a_private_key_loses_its_body_and_keeps_its_number_of_lines() -> None:
    body = "\n".join([RANDOM + RANDOM[:28]] * 3)
    text = f"a\n-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\nb"
    assert RANDOM not in redact(text) and redact(text).count("\n") == text.count("\n")
    assert [one.rule for one in find_secrets(text)] == ["private-key"]
    assert RANDOM not in redact(body)


@given(st.text(), st.sampled_from(sorted(SECRETS.values())), st.text())
def test_redacting_twice_is_redacting_once(before: str, secret: str, after: str) -> None:
    once = redact(f"{before} {secret} {after}")
    assert redact(once) == once


@given(LINES, st.data(), st.sampled_from(["\n", "\r\n"]))
def test_a_true_quote_always_verifies(lines: list[str], data: st.DataObject, end: str) -> None:
    content = end.join(lines).encode() + end.encode()
    start = data.draw(st.integers(1, len(lines)))
    stop = data.draw(st.integers(start, len(lines)))
    quote = "\n".join(lines[start - 1 : stop])
    if quote.strip():
        found = verify(content, start, stop, quote)
        assert isinstance(found, Quoted) and start <= found.start_line <= found.end_line <= stop


@given(LINES, st.data())
def test_a_mutated_quote_never_verifies(lines: list[str], data: st.DataObject) -> None:
    clean = [line.replace("§", "") for line in lines]
    quote = "\n".join(clean)
    at = data.draw(st.integers(0, len(quote)))
    found = verify(quote.encode(), 1, len(clean), quote[:at] + "§" + quote[at:])
    assert not isinstance(found, Quoted)


def test_bytes_that_are_no_utf8_and_tabs_are_compared_as_they_were_shown() -> None:
    content = b"a\r\n\tx = '\xff'  +\ty\r\n"
    assert verify(content, 2, 2, "x = '�' + y") == Quoted(2, 2, "\tx = '�'  +\ty")
    assert verify(content, 2, 3, "x") == "lines are not in the file"


def test_fingerprints_hold_no_line_numbers_and_number_equal_findings() -> None:
    mark = Mark("a.py", "f", "xss", "  x =  1\n")
    moved = Mark("a.py", "f", "xss", "\tx = 1")
    first, second = fingerprints([mark, moved])
    assert first != second
    assert fingerprints([moved])[0] == first
    assert fingerprints([Mark("a.py", "g", "xss", "x = 1")])[0] != first


def test_every_matcher_is_fast_on_hostile_lines() -> None:
    hostile = ["(" * 2000, "a" * 2000, " " * 2000, '"select ' + "x from " * 280, "$" * 2000, "log(" * 500]
    started = time.process_time()
    for matcher in all_matchers():
        for line in hostile:
            matcher.regex.search(line)
    assert time.process_time() - started < 5


def test_matcher_names_are_unique_and_each_has_a_cwe() -> None:
    matchers = all_matchers()
    assert len({one.id for one in matchers}) == len(matchers)
    assert all(re.fullmatch(r"CWE-\d+", one.cwe) and one.languages for one in matchers)


def test_broad_matchers_count_on_changed_lines_only_and_comments_never() -> None:
    lines = [(1, "subprocess.run(a)"), (2, "os.system(b)"), (3, "# os.system(c)")]
    assert [one.rule for one in match("a.py", lines, ())] == ["python-shell"]
    assert [one.rule for one in match("a.py", lines, {1})] == ["python-process", "python-shell"]
    assert match("a.txt", lines, {1}) == ()


def test_sarif_says_what_was_not_looked_at_and_has_results_even_if_empty() -> None:
    rows = [{"path": "a b.py", "unit": "f", "state": "not_looked_at", "reason": "too large"}]
    run = json.loads(sarif([], rows, version="1.0.0"))["runs"][0]
    assert run["results"] == [] and run["invocations"][0]["executionSuccessful"] is False
    note = run["invocations"][0]["toolExecutionNotifications"][0]
    assert "too large" in note["message"]["text"]
    assert run["artifacts"][0]["location"]["uri"] == "a%20b.py"


def test_a_sarif_result_carries_fingerprint_severity_and_confidence() -> None:
    finding = Finding(
        id="f-1", fingerprint="ab", project="p", job="security", item="i-1", rule="xss", title="T",
        severity="high", confidence=0.7, description="D", recommendation="R",
        evidence=(Evidence("a.py", "s", 3, 4, "q"),), extra={"cwe": "CWE-79"},
    )  # fmt: skip
    run = json.loads(sarif([finding], [], version="1.0.0"))["runs"][0]
    (result,), (rule,) = run["results"], run["tool"]["driver"]["rules"]
    assert result["partialFingerprints"] == {"hundredfold/v1": "ab"} and result["level"] == "error"
    assert result["properties"]["confidence"] == 0.7
    assert rule["properties"]["security-severity"] == "8.0" and rule["help"]["text"] == "R"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 3
