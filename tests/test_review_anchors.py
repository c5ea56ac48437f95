"""Every anchor is a line of the diff, on the side it says: held against git itself on generated changes."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from hundredfold.evidence.anchors import Anchor, Side, anchor
from hundredfold.evidence.diffs import FileDiff, Hunk
from hundredfold.sources.git import open_repository
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]
WORDS = (
    "alpha",
    "beta = 1",
    "return x",
    "",
    "  if y:",
    "}",
    "-- minus",
    "++ plus",
    "@@ -1 +1 @@",
    "ünïcode",
    "\tz",
)
DIFFS = 500


def edited(chooser: random.Random, lines: list[str]) -> list[str]:
    made = list(lines)
    for _ in range(chooser.randint(1, 6)):
        at = chooser.randint(0, len(made))
        what = chooser.random()
        if what < 0.4:
            made[at:at] = [chooser.choice(WORDS) for _ in range(chooser.randint(1, 4))]
        elif what < 0.7:
            del made[at : at + chooser.randint(1, 4)]
        elif made:
            made[min(at, len(made) - 1)] = chooser.choice(WORDS) + str(chooser.random())
    return made


def stream(chooser: random.Random) -> Iterator[bytes]:
    """A history for `git fast-import`: edits, renames, deletions, no newline at the end, CRLF, merges."""
    files: dict[str, tuple[list[str], str, bool]] = {}
    marks = 0

    def commit(parents: str, changes: dict[str, str | None]) -> bytes:
        nonlocal marks
        marks += 1
        out = f"commit refs/heads/main\nmark :{marks}\ncommitter A <a@b> {1_780_000_000 + marks} +0000\n"
        out += f"data 1\nx\n{parents}"
        raw = out.encode()
        for path, content in changes.items():
            if content is None:
                raw += f"D {path}\n".encode()
            else:
                body = content.encode()
                raw += f"M 100644 inline {path}\ndata {len(body)}\n".encode() + body + b"\n"
        return raw + b"\n"

    def text(path: str) -> str:
        lines, end, last = files[path]
        return end.join(lines) + (end if last and lines else "")

    while marks < DIFFS + 1:
        changes: dict[str, str | None] = {}
        for _ in range(chooser.randint(1, 3)):
            act = chooser.random()
            if len(files) < 3 or act < 0.15:
                path = f"f{chooser.randint(0, 40)} {chooser.choice('ab')}.txt"
                lines = [chooser.choice(WORDS) + str(n) for n in range(chooser.randint(1, 60))]
                files[path] = (lines, chooser.choice(["\n", "\r\n"]), chooser.random() < 0.7)
                changes[path] = text(path)
            elif act < 0.25:
                path = chooser.choice(sorted(files))
                del files[path]
                changes[path] = None
            elif act < 0.4:
                path, moved = chooser.choice(sorted(files)), f"moved {chooser.randint(0, 99)}.txt"
                lines, end, last = files.pop(path)
                changes[path] = None
                files[moved] = (edited(chooser, lines) if chooser.random() < 0.5 else lines, end, last)
                changes[moved] = text(moved)
            else:
                path = chooser.choice(sorted(files))
                lines, end, last = files[path]
                last = last if chooser.random() < 0.8 else not last
                files[path] = (edited(chooser, lines), end, last)
                changes[path] = text(path)
        parents = f"from :{marks}\n" if marks else ""
        if marks > 3 and chooser.random() < 0.1:
            parents += f"merge :{chooser.randint(1, marks - 1)}\n"
        yield commit(parents, changes)


def said_by_git(patch: bytes) -> dict[tuple[str, str], set[int]]:
    """The lines of a patch by (path, side), read from git's text with another reader than ours."""
    there: dict[tuple[str, str], set[int]] = {}
    for block in re.split(rb"^diff --git ", patch, flags=re.MULTILINE)[1:]:
        names = re.search(rb"^--- (?:a/)?(.*?)\t?\n\+\+\+ (?:b/)?(.*?)\t?$", block, re.MULTILINE)
        if not names:
            continue
        path = (names[2] if names[2] != b"/dev/null" else names[1]).decode()
        old = new = left_old = left_new = 0
        for line in block[names.end() :].split(b"\n")[1:]:
            if left_old == left_new == 0:
                head = re.match(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", line)
                if head:
                    old, new = int(head[1]), int(head[3])
                    left_old, left_new = (int(head[n] or 1) if head[n] != b"0" else 0 for n in (2, 4))
            elif line[:1] == b"+":
                there.setdefault((path, "new"), set()).add(new)
                new, left_new = new + 1, left_new - 1
            elif line[:1] == b"-":
                there.setdefault((path, "old"), set()).add(old)
                old, left_old = old + 1, left_old - 1
            elif line[:1] == b" ":
                there.setdefault((path, "new"), set()).add(new)
                old, new, left_old, left_new = old + 1, new + 1, left_old - 1, left_new - 1
    return there


def test_all_anchors_on_five_hundred_generated_diffs_are_lines_of_the_diff(make_repository: Make) -> None:
    chooser = random.Random(20)
    maker = make_repository()
    maker.git("fast-import", "--quiet", stdin=b"".join(stream(chooser)))
    repository = open_repository(maker.root)
    commits = repository.commits("main", DIFFS + 1)
    assert len(commits) == DIFFS + 1 and sum(commit.is_merge for commit in commits) > 20
    patches = said_by_git_per_commit(maker)
    on_lines = statuses = 0
    seen_statuses: set[str] = set()
    for commit in commits[:-1]:
        parent = commit.parents[0]
        files = repository.between(parent, commit.sha).files
        there = patches[commit.sha]
        seen_statuses |= {file.status for file in files}
        for file in files:
            for _ in range(12):
                side: Side = chooser.choice(("old", "new"))
                path = chooser.choice([name for name in (file.old_path, file.new_path) if name])
                start = chooser.randint(1, 70)
                placed = anchor((file,), path, side, start, start + chooser.choice((0, 0, 2, 9)))
                assert placed is not None and placed.path == file.path
                if placed.on_file:
                    continue
                on_lines += 1
                lines = there[placed.path, placed.side]
                assert {placed.start_line, placed.end_line} <= lines, (commit.sha, placed)
                assert placed.start_line <= placed.end_line
        statuses += len(files)
    repository.close()
    assert {"added", "deleted", "modified", "renamed"} <= seen_statuses
    assert statuses > 500 and on_lines > 2_000


def said_by_git_per_commit(maker: RepositoryMaker) -> dict[str, dict[tuple[str, str], set[int]]]:
    """Each commit's patch against its first parent, by git's own porcelain in one call."""
    options = ("--diff-merges=first-parent", "-p", "-M", "--format=%x00%H")
    text = maker.git("-c", "core.quotePath=false", "log", *options, "main")
    made = {}
    for one in text.encode("utf-8", "surrogateescape").split(b"\0")[1:]:
        sha, _, patch = one.partition(b"\n")
        made[sha.decode()] = said_by_git(patch + b"\n")
    return made


HUNK = Hunk(10, 4, 20, 4, (b" a\n", b"-b\n", b"+B\n", b" c\n", b" d\n"))
FILE = FileDiff("was.py", "is.py", "renamed", hunks=(HUNK,))


def test_removed_lines_stay_on_the_old_side_and_context_goes_to_the_new_one() -> None:
    assert anchor([FILE], "was.py", "old", 11, 11) == Anchor("is.py", "old", 11, 11)
    assert anchor([FILE], "is.py", "old", 12, 13) == Anchor("is.py", "new", 22, 23)
    assert anchor([FILE], "is.py", "new", 21, 21) == Anchor("is.py", "new", 21, 21)


def test_lines_that_are_partly_in_a_hunk_are_cut_to_it() -> None:
    assert anchor([FILE], "is.py", "new", 22, 90) == Anchor("is.py", "new", 22, 23)


def test_lines_in_no_hunk_stand_on_the_file_and_an_unknown_file_nowhere() -> None:
    placed = anchor([FILE], "is.py", "new", 50, 60)
    assert placed is not None and placed.on_file and placed.path == "is.py"
    assert anchor([FILE], "other.py", "new", 21, 21) is None


def test_a_new_file_under_a_renamed_ones_old_name_is_meant_by_that_name() -> None:
    new = FileDiff(None, "was.py", "added", hunks=(Hunk(0, 0, 1, 1, (b"+x\n",)),))
    assert anchor([FILE, new], "was.py", "new", 1, 1) == Anchor("was.py", "new", 1, 1)
