"""Text from outside can't mention, imitate a marker, hide, steer a terminal, leak a secret or be endless."""

from __future__ import annotations

import re
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.proposals.outgoing import publishable
from hundredfold.proposals.sanitise import (
    MAX_BODY,
    MAX_TITLE,
    block_for_terminal,
    for_forge,
    for_terminal,
    visible,
)
from tests.support.proposals import a_proposal

TOKEN = "ghp_" + "q7Xw2RkVbN9sTzL4mHc8YdJf3PgUa6EoKiB1"  # looks real, opens nothing

HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.sampled_from(
            [
                "@everyone", "@octocat", "<@123>", "<!--", "-->", "<!-- hundredfold:p-1 -->",
                "\u202e", "\u200b", "\x1b[31m", "\x1b]0;t\x07", "\r\n", "\r", "\n[//]: # (x)",
                "<?php", "<![CDATA[", "\udcff", "\U000e0041",
                TOKEN, "```", "\x9b31m", "\n> [a]: http://b",
            ]
        ),
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(HOSTILE)
def test_nothing_that_steers_or_hides_survives(text: str) -> None:
    shown = for_forge(text)
    assert not re.search(r"@[\w<&!-]|<[!?]|-->", shown)
    assert all(
        sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for sign in shown
    )
    assert not re.search(r"^\s{0,3}(>\s{0,3})*\[[^\]\n]{0,200}\]:", shown, re.MULTILINE)
    shown.encode("utf-8")


@given(HOSTILE)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert for_terminal(for_terminal(text)) == for_terminal(text)
    assert for_forge(for_forge(text)) == for_forge(text)


@given(HOSTILE)
def test_a_terminal_gets_one_line_without_controls(text: str) -> None:
    assert not any(unicodedata.category(sign).startswith("C") for sign in for_terminal(text))
    assert {c for c in block_for_terminal(text) if unicodedata.category(c).startswith("C")} <= {"\n"}


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="@<>[]"), max_size=11))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert for_forge(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ask @octocat now", "ask ＠octocat now"),
        ("@everyone", "＠everyone"),
        ("<!-- hundredfold:p-1 -->", "&lt;!-- hundredfold:p-1 --&gt;"),
        ("[//]: # (hidden)", "\\[//]: # (hidden)"),
        ("if\u202e access", "if[U+202E] access"),
        ("pa\u200bss", "pa[U+200B]ss"),
        ("\x1b[2Jgone", "[U+001B][2Jgone"),
        ("tag\U000e0041", "tag[U+E0041]"),
        ("bytes \udcff", "bytes [byte FF]"),
        ("one\r\ntwo", "one\ntwo"),
        ("naïve 日本 ☕\ufe0f", "naïve 日本 ☕\ufe0f"),
    ],
)
def test_each_trick_is_shown_not_done(text: str, shown: str) -> None:
    assert for_forge(text) == shown


def test_a_secret_never_leaves_even_across_a_trick() -> None:
    for shown in (
        for_forge(f"use {TOKEN}"),
        for_terminal(f"use {TOKEN}"),
        block_for_terminal(f"use\n{TOKEN}"),
    ):
        assert TOKEN not in shown and "redacted" in shown


def test_an_endless_body_is_cut_and_says_so() -> None:
    shown = for_forge("x" * 65_000)
    assert len(shown) == MAX_BODY
    assert shown.endswith("[cut here: 5000 characters more]")


def test_what_is_published_is_clean_and_the_rest_untouched() -> None:
    hostile = msgspec.structs.replace(a_proposal(), title="@all\n# x" + "y" * 300, body="<!-- x -->@all")
    clean = publishable(hostile)
    assert "\n" not in clean.title and len(clean.title) <= MAX_TITLE and "@" not in clean.title + clean.body
    assert publishable(msgspec.structs.replace(hostile, title=" \n ")).title == "(no title)"
    assert msgspec.structs.replace(clean, title=hostile.title, body=hostile.body) == hostile


def test_what_no_model_answered_says_so_where_the_forge_shows_no_title() -> None:
    simulated = msgspec.structs.replace(a_proposal(), title="SIMULATED: Tell #1", body="Same as #2.\n")
    assert publishable(simulated).body.startswith("**Simulated: no model is behind this.**\n\nSame as #2.")
    assert "imulated" not in publishable(msgspec.structs.replace(simulated, title="Tell #1")).body
