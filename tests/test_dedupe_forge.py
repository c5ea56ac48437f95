"""The job `dedupe` on a forge: issues that say the same are closed, labelled and told there, and brought
back. Codex is the real one.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from hundredfold.simulation.forge.api.issues import new_issue
from tests.support.forge import TOKEN, TestForge
from tests.support.github import state
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import SURE, simulated_provider
from tests.support.repositories import RepositoryMaker
from tests.test_dedupe_end_to_end import ISSUES, Make

DAY = 86_400
JOB = """[job.dedupe]
cadence = ""
[job.dedupe.duplicates]
candidates = 2
[known]
model = "none"
[forge]
kind = "github"
repository = "acme/widget"
base-url = "{api}"
pace-seconds = 0.0
"""
#: the first was settled long ago, so the second is not closed but told of it
RETURNED = (
    ("Export to CSV loses the header row", "Exporting the report to CSV loses its header row in export.py."),
    ("CSV export loses the header row again", "Since today it has none.\r\nSee export.py."),
)
AGAIN = ("Add a dark theme please", "")


def filed(forge: TestForge) -> list[int]:
    """Issues a day apart, all in the past; their numbers."""
    numbers = []
    now = time.time()
    texts = (*ISSUES, *RETURNED, AGAIN)
    for left, (title, body) in zip(range(len(texts), 0, -1), texts, strict=True):
        forge.clock.at = now - left * DAY
        numbers.append(new_issue(forge.hub, forge.repo, "bob", title, body or None).number)
    settled = forge.repo.issues[numbers[3]]
    settled.state, settled.reason = "closed", "completed"
    forge.clock.at = now
    return numbers


@pytest.mark.codex
def test_issues_that_say_the_same_are_closed_labelled_and_told_on_the_forge_and_back(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    maker: RepositoryMaker = make_repository()
    maker.commit({"a.txt": "a"})
    (maker.root / ".git/info/exclude").write_text("hundredfold.toml\n")
    forge = TestForge(tmp_path / "forge")
    first, theme, twin, settled, returned, again = filed(forge)
    issues = forge.repo.issues

    def program(*arguments: str, code: int = 0) -> Any:
        ended = hundredfold(*arguments, "--json", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert ended.code == code, (arguments, ended.out, ended.err)
        return ended.json()

    before = state(forge.hub)
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider, forge.served() as api:
        config = CONFIG.format(
            base_url=provider.base_url, agent="codex", extra=JOB.format(api=api), provider=""
        )
        (maker.root / "hundredfold.toml").write_text(config)
        unread = hundredfold("plan", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert unread.code == 2 and "`hundredfold mirror`" in unread.err
        ran = program("run")
        assert ran["taken"]["found"] == 6 and ran["attempts"] == {"ok": 3}
        proposed = {
            (one["type"], one["title"].removeprefix("SIMULATED: ")): one["id"]
            for one in program("inbox")["proposals"]
        }
        close = proposed.pop(("close", f"Close #{twin} as a duplicate of #{first}"))
        label = proposed.pop(("labels", f"Label #{twin} as duplicate"))
        comment = proposed.pop(("comment", f"Tell #{returned} that it may say the same as #{settled}"))
        assert set(proposed) == {
            ("close", f"Close #{again} as a duplicate of #{theme}"),
            ("labels", f"Label #{again} as duplicate"),
        }

        program("approve", label, comment, "--by", "Ada")
        assert issues[twin].state == "open" and "duplicate" in issues[twin].labels
        (told,) = issues[returned].comments
        assert f"**#{settled}** (closed)" in told.body and "Here:\n\n> CSV export loses" in told.body
        again_looked = program("run")["taken"]
        assert (again_looked["found"], again_looked["queued"]) == (6, 0), "what we did there is no new work"

        program("approve", close, "--by", "Ada")
        assert (issues[twin].state, issues[twin].reason) == ("closed", "duplicate")
        assert issues[twin].comments[0].body.startswith(f"Duplicate of #{first}\n")

        body, issues[theme].body = issues[theme].body, "I meant something else."
        stale = program("approve", *proposed.values(), "--by", "Ada", code=8)
        assert [one["result"] for one in stale["published"]] == ["stale", "stale"]
        assert all(f"#{theme} was edited" in one["detail"] for one in stale["published"])
        issues[theme].body = body

        undone = program("undo", close, comment, label, "--by", "Ada")["undone"]
        assert {one["result"] for one in undone} == {"undone"}
        assert issues[twin].reason == "reopened", "as `undo --table` says"
        issues[twin].reason = None
        assert state(forge.hub) == before
        after = program("run")
        assert (after["taken"]["found"], after["taken"]["queued"]) == (6, 1), "the stale one alone"
        assert after["items"] == {"done": 1} and after["attempts"] == {}, "what was answered still holds"
        back = program("inbox")["proposals"]
        assert {one["id"] for one in back} == set(proposed.values())
        (plan,) = program("plan")["plans"]
        assert plan["tasks"] == 0 and {one["state"] for one in plan["items"]} == {"done", "skipped"}
