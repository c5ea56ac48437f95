"""What git prints of a change is read back exactly: lines, numbers, names, and what is too large to hold."""

from __future__ import annotations

import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hundredfold.evidence.diffs import Diff, DiffError, DiffLimits, FileDiff, parse_diff
from hundredfold.evidence.paths import decode_path, display_path, encode_path, quote, unquote
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]


def raw_diff(repo: RepositoryMaker, *arguments: str) -> bytes:
    """The bytes of `git diff-tree` for the newest commit."""
    options = ["diff-tree", "-r", "-M", "--root", "--no-commit-id", "--full-index", "-p", *arguments, "HEAD"]
    return subprocess.run(["git", *options], cwd=repo.root, capture_output=True, check=True).stdout


def last_diff(repo: RepositoryMaker, *arguments: str) -> Diff:
    return parse_diff(raw_diff(repo, *arguments))


def applied(old: bytes, file: FileDiff) -> bytes:
    """The old file with the hunks applied: what the diff claims the new file to be."""
    lines = old.split(b"\n")
    lines = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    out: list[bytes] = []
    at = 0
    for hunk in file.hunks:
        start = hunk.old_start - (hunk.old_lines > 0)
        out += lines[at:start]
        before = [line[1:] for line in hunk.lines if line[:1] != b"+"]
        assert lines[start : start + hunk.old_lines] == before
        out += [line[1:] for line in hunk.lines if line[:1] != b"-"]
        at = start + hunk.old_lines
    return b"".join(out + lines[at:])


line_texts = st.sampled_from(
    [
        b"",
        b"a",
        b"b\r",
        b"-- x",
        b"++ y",
        b"@@ -1 +1 @@",
        b"diff --git a/x b/x",
        b"\\ No newline",
        b"\xff",
        b" ",
    ]
)
contents = st.builds(
    lambda lines, end: b"\n".join(lines) + (b"\n" if end and lines else b""),
    st.lists(line_texts, max_size=24),
    st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=contents, new=contents, context=st.sampled_from([0, 1, 3]))
def test_hunks_applied_to_the_old_file_give_the_new_one_and_numbers_name_the_right_lines(
    tmp_path: Path, old: bytes, new: bytes, context: int
) -> None:
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    command = ["git", "diff", "--no-index", "--full-index", "--text", f"-U{context}", "old", "new"]
    patch = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout
    if old == new:
        assert patch == b""
        return
    patch = patch.replace(b"b/new", b"b/old")  # --no-index compares two names
    (file,) = parse_diff(patch).files
    assert applied(old, file) == new
    new_lines, old_lines = new.split(b"\n"), old.split(b"\n")
    added = [line[1:] for hunk in file.hunks for line in hunk.lines if line[:1] == b"+"]
    removed = [line[1:] for hunk in file.hunks for line in hunk.lines if line[:1] == b"-"]
    assert [new_lines[n - 1] for n in file.added_lines()] == [line.removesuffix(b"\n") for line in added]
    assert [old_lines[n - 1] for n in file.removed_lines()] == [line.removesuffix(b"\n") for line in removed]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_either_read_or_refused_by_name(noise: bytes) -> None:
    for source in (noise, b"diff --git a/x b/x\n" + noise, b"diff --git a/x b/x\n@@ -1,3 +1,4 @@\n" + noise):
        try:
            assert isinstance(parse_diff(source), Diff)
        except DiffError as error:
            assert str(error)


@given(st.binary(min_size=1, max_size=60))
def test_quoting_and_decoding_of_names_lose_nothing(name: bytes) -> None:
    assert unquote(quote(name)) == name
    assert encode_path(decode_path(name)) == name
    assert display_path(decode_path(name)).isprintable()


def test_names_of_any_bytes_are_read(make_repository: Make) -> None:
    repo = make_repository()
    names = ["-n", "--output=x", 'quo"te', "back\\slash", "tab\there", "new\nline", "sp ace", " b/ b/x", "ü"]
    names.append(decode_path(b"latin-\xe9.py"))
    repo.commit(dict.fromkeys(names, "1\n2\n"))
    diff = last_diff(repo, "--raw")
    assert sorted(file.path for file in diff.files) == sorted(names)
    assert all(file.status == "added" and file.old_path is None and file.hunks for file in diff.files)
    for name in names:
        (repo.root / name).chmod(0o755)
    repo.commit({}, "modes only: the name stands nowhere but in the first line")
    assert sorted(file.path for file in last_diff(repo).files) == sorted(names)
    assert {file.status for file in last_diff(repo).files} == {"mode"}


def test_each_kind_of_change_is_told(make_repository: Make) -> None:
    repo = make_repository()
    body = "".join(f"line {n}\n" for n in range(40))
    repo.commit({"moved.py": body, "gone.py": "x\n", "same.py": "x\n", "pic": b"\x00\x01", "none": ""})
    repo.git("mv", "moved.py", "new.py")
    (repo.root / "same.py").unlink()
    (repo.root / "same.py").symlink_to("new.py")
    repo.commit({"new.py": body + "more\n", "gone.py": None, "pic": b"\x00\x02", "empty.py": "", "none": "x"})
    by_path = {(file.path, file.status): file for file in last_diff(repo, "--raw").files}
    moved = by_path["new.py", "renamed"]
    assert (moved.old_path, moved.added_lines(), moved.removed_lines()) == ("moved.py", (41,), ())
    assert by_path["gone.py", "deleted"].new_path is None
    assert by_path["pic", "modified"].binary
    assert by_path["empty.py", "added"].hunks == ()
    assert by_path["none", "modified"].added_lines() == (1,)
    assert by_path["same.py", "deleted"].old_mode == "100644"
    assert by_path["same.py", "added"].mode == "120000"
    assert all(len(file.new_oid) == 40 for file in by_path.values() if file.new_path)


def test_a_submodule_is_told_from_a_file(make_repository: Make) -> None:
    repo = make_repository()
    sha = repo.commit({"a": "1\n"})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{sha},sub")
    repo.git("commit", "-q", "-m", "sub")
    (file,) = last_diff(repo).files
    assert file.submodule and file.path == "sub"


def test_a_combined_diff_is_refused(make_repository: Make) -> None:
    repo = make_repository()
    repo.commit({"a": "1\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"a": "2\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a": "3\n"})
    repo.git("merge", "-q", "-s", "ours", "--no-commit", "side")
    repo.commit({"a": "4\n"})
    with pytest.raises(DiffError, match="combined"):
        parse_diff(repo.git("show", "--format=", "--cc").encode())


def test_a_large_diff_is_listed_with_its_size_and_not_held(make_repository: Make) -> None:
    repo = make_repository()
    repo.commit({"big.txt": "0123456789abcde\n" * 400_000, "long.js": "x" * 9_000_000, "small.py": "x = 1\n"})
    saved = repo.root.parent / "patch"
    saved.write_bytes(raw_diff(repo, "--raw"))
    tracemalloc.start()
    with saved.open("rb") as stream:
        diff = parse_diff(stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    by_path = {file.path: file for file in diff.files}
    assert by_path["big.txt"].too_large and by_path["big.txt"].size == 400_000 * 17
    assert by_path["long.js"].too_large and not by_path["long.js"].hunks
    assert by_path["small.py"].added_lines() == (1,)
    assert diff.incomplete == ""
    assert peak < 4_000_000


def test_a_cut_diff_still_lists_every_file_and_says_it_is_cut(make_repository: Make) -> None:
    repo = make_repository()
    repo.commit({f"f{n}.py": "x = 1\n" * 100 for n in range(20)})
    diff = parse_diff(raw_diff(repo, "--raw"), DiffLimits(read=6_000))
    assert len(diff.files) == 20
    assert diff.incomplete
    assert {file.too_large for file in diff.files} == {True, False}
    held = parse_diff(raw_diff(repo, "--raw"), DiffLimits(kept=2_000))
    assert [file.too_large for file in held.files].count(False) == 2
