"""`inbox`, `approve`, `reject`, `undo` and `why` as a person or a script meets them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hundredfold.cli.context import Context, Where
from hundredfold.cli.decide import approve, reject, undo
from hundredfold.cli.edit import edit
from hundredfold.cli.inbox import inbox
from hundredfold.cli.why import why
from hundredfold.config import Place
from hundredfold.errors import ConfigError
from hundredfold.proposals.record import record_done
from hundredfold.settings import Settings
from hundredfold.store import proposals
from hundredfold.vocabulary import Done
from tests.support.proposals import (
    PROJECT,
    RUN,
    GitReader,
    a_finding,
    a_proposal,
    an_item,
    files_below,
    prepared,
    state_of,
)
from tests.support.repositories import RepositoryMaker


class Reader(GitReader):
    def user_name(self) -> str:
        return "Ada"


class Project:
    """An opened project in place of the command line's `--repo`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def open(self) -> Context:
        return self.context


@pytest.fixture
def project(make_repository: Callable[..., RepositoryMaker], tmp_path: Path) -> Iterator[Context]:
    repository = make_repository()
    sha = repository.commit({"app.py": "import os\n"})
    place = Place(repository.root, PROJECT, tmp_path / "home")
    context = Context(cast(Any, Reader(repository.root)), Settings(), place)
    prepared(context.database, repository.root)
    names = ("one", "two", "moved")
    done = Done(
        tuple(a_finding(name) for name in names),
        (
            a_proposal("one", preconditions={"commit": sha}),
            a_proposal("two"),
            a_proposal("moved", preconditions={"head": "0" * 40}),
        ),
    )
    record_done(context.database, an_item(), RUN, done, model=True)
    yield context
    context.database.close()


@pytest.fixture
def where(project: Context) -> Where:
    return cast(Where, Project(project))


ONE, TWO, MOVED = (a_proposal(name).id for name in ("one", "two", "moved"))


def test_the_inbox_fits_80_columns_and_keeps_words_off_stdout(
    where: Where, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert inbox(where=where) == 0
    shown = capsys.readouterr()
    assert ONE in shown.out and "high" in shown.out and "3 shown" in shown.err and "shown" not in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "\x1b" not in shown.out
    assert inbox(json=True, where=where) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["pending_minutes"] == 6.0 and len(answer["proposals"]) == 3


def test_showing_one_starts_the_clock_that_the_decision_stops(
    where: Where, project: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inbox(ONE[:8], where=where) == 0
    assert "os.system(x)" in capsys.readouterr().out
    assert approve(ONE, where=where) == 0
    assert "as Ada" in capsys.readouterr().err, "whose name is taken is said"
    (decision,) = proposals.decisions_of(project.database, ONE)
    assert decision.by == "Ada" and decision.seconds is not None and 0 <= decision.seconds < 60


def test_approve_applies_reject_needs_a_reason_undo_takes_back(
    where: Where, project: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    forge, pages = project.place.state / "forge", project.place.state / "inbox"
    inbox(where=where)
    assert len(list(pages.iterdir())) == 3
    capsys.readouterr()
    assert approve(ONE, TWO, by="Grace", json=True, where=where) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {one["result"] for one in answer["published"]} == {"applied"}
    assert len(files_below(forge)) == 2 and len(list(pages.iterdir())) == 1
    with pytest.raises(ConfigError, match="reason"):
        reject(MOVED, where=where)
    assert reject(MOVED, reason="by design", where=where) == 0
    assert reject(ONE, reason="changed my mind", where=where) == 9
    assert "undo it first" in capsys.readouterr().out
    assert undo(batch=RUN, where=where) == 0
    assert files_below(forge) == {}
    assert {state_of(project.database, one) for one in (ONE, TWO)} == {"undone"}
    assert undo(batch=RUN, where=where) == 0
    with pytest.raises(ConfigError, match="nothing"):
        undo(where=where)


def test_a_stale_one_is_said_and_does_not_hold_up_the_rest(
    where: Where, project: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    assert approve(run=RUN, where=where) == 8
    out = capsys.readouterr().out
    assert f"{MOVED}  stale: HEAD was at 000000000000" in out
    assert state_of(project.database, ONE) == "applied"


def test_an_id_of_another_kind_is_refused_by_name(where: Where) -> None:
    with pytest.raises(ConfigError, match="no proposal but item"):
        approve(an_item().id, where=where)


def test_why_prints_text_or_json(where: Where, capsys: pytest.CaptureFixture[str]) -> None:
    approve(ONE, where=where)
    capsys.readouterr()
    assert why(ONE, where=where) == 0
    text = capsys.readouterr().out
    assert "← asked" in text and "pending" in text and "\x1b" not in text
    assert why(ONE, json=True, where=where) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "item"


def test_what_matches_nothing_is_said_and_a_type_or_day_that_there_is_none_of_is_refused(
    where: Where, capsys: pytest.CaptureFixture[str]
) -> None:
    assert approve(job="none", where=where) == 0
    assert "nothing of that waits" in capsys.readouterr().err
    for call in (approve, inbox):
        with pytest.raises(ConfigError, match="no type 'commentt'") as caught:
            call(type_="commentt", where=where)
        assert "comment" in caught.value.mend
    with pytest.raises(ConfigError, match="'2026-13-45' is no day"):
        undo(day="2026-13-45", where=where)


def test_without_a_terminal_or_an_editor_edit_says_what_to_do(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="no terminal") as caught:
        edit(ONE, where=where)
    assert "--body-file" in caught.value.mend
