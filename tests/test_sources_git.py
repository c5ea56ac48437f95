"""The nastiest repositories are read to the end, or refused with a cause and a mend; nothing in them runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hundredfold.errors import RepositoryError, UnavailableError
from hundredfold.evidence.paths import decode_path
from hundredfold.sources.git import Repository, open_repository
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]
Open = Callable[[Path], Repository]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens repositories and closes them when the test is over."""
    repositories: list[Repository] = []

    def open_one(path: Path) -> Repository:
        repositories.append(open_repository(path))
        return repositories[-1]

    yield open_one
    for repository in repositories:
        repository.close()


def clone(source: RepositoryMaker, target: Path, *options: str) -> Path:
    """A clone through git's own protocol, so that it may be shallow or partial."""
    source.git("config", "uploadpack.allowFilter", "true")
    subprocess.run(
        ["git", "clone", "-q", *options, f"file://{source.root}", str(target)],
        check=True,
        capture_output=True,
    )
    return target


def tree_state(root: Path) -> dict[str, bytes]:
    """Every file below `root` with its content."""
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# ------------------------------------------------------------------ opening


def test_what_is_no_repository_is_refused_with_a_mend(tmp_path: Path, make_repository: Make) -> None:
    empty = make_repository("empty")
    for path, cause in (
        (tmp_path / "absent", "no folder"),
        (tmp_path, "not in a git repository"),
        (empty.root, "no commit yet"),
    ):
        with pytest.raises(RepositoryError, match=cause) as caught:
            open_repository(path)
        assert caught.value.mend
        assert caught.value.exit_code == 3


def test_git_missing_or_too_old_is_said(
    tmp_path: Path, make_repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repository()
    repo.commit({"a": "1\n"})
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(UnavailableError, match="git was not found"):
        open_repository(repo.root)
    (programs / "git").write_text("#!/bin/sh\necho git version 2.17.1\n")
    (programs / "git").chmod(0o755)
    with pytest.raises(UnavailableError, match=r"git 2\.17 is too old"):
        open_repository(repo.root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_repository_is_refused_until_it_is_trusted(
    tmp_path: Path, make_repository: Make, monkeypatch: pytest.MonkeyPatch, opened: Open
) -> None:
    repo = make_repository()
    repo.commit({"a": "1\n"})
    for path in (repo.root, repo.root / ".git"):
        os.chown(path, 65534, 65534)
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    with pytest.raises(RepositoryError, match="belongs to another user") as caught:
        open_repository(repo.root)
    assert "safe.directory" in caught.value.mend
    (tmp_path / "config").write_text(f"[safe]\n\tdirectory = {repo.root}\n")
    assert opened(repo.root).commits()[0].subject == "change"


def test_bare_subfolder_worktree_and_detached_head_work(make_repository: Make, opened: Open) -> None:
    repo = make_repository("one")
    first = repo.commit({"src/a.py": "1\n"})
    second = repo.commit({"src/a.py": "2\n"}, "second")
    repo.git("worktree", "add", "-q", "--detach", str(repo.root.parent / "tree"), first)
    bare = clone(repo, repo.root.parent / "bare.git", "--bare")
    assert opened(repo.root / "src").root == repo.root
    assert opened(bare).bare
    for path, head in ((bare, second), (repo.root.parent / "tree", first)):
        found = opened(path)
        assert found.resolve("HEAD") == head
        assert found.commits(limit=1)[0].sha == head
        assert found.diff(head).files[0].new_path == "src/a.py"
        assert found.file(head, "src/a.py") == (b"2\n" if head == second else b"1\n")


def test_a_folder_of_any_name_can_be_opened(make_repository: Make, opened: Open) -> None:
    repo = make_repository('odd "name\nwith\\all ünï :')
    sha = repo.commit({"a": "1\n"})
    found = opened(repo.root)
    assert found.root == repo.root
    assert found.diff(sha).files[0].added_lines() == (1,)


def test_a_sha256_repository_is_read(tmp_path: Path, opened: Open) -> None:
    repo = RepositoryMaker.__new__(RepositoryMaker)
    repo.root, repo.clock = tmp_path / "sha256", 1_780_000_000
    repo.root.mkdir()
    repo.git("init", "-q", "-b", "main", "--object-format=sha256")
    repo.commit({"a": "1\n"})
    sha = repo.commit({"a": "1\n2\n"})
    assert len(sha) == 64
    found = opened(repo.root)
    assert found.diff(sha).files[0].added_lines() == (2,)
    assert found.file(sha, "a") == b"1\n2\n"


# ------------------------------------------------------------------ names and ranges


def test_names_that_look_like_options_are_names(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    first = repo.commit({"a": "1\n"})
    sha = repo.commit({"-n": "x = 1\n", "--output=y": "2\n"})
    repo.git("update-ref", "refs/heads/--output=x", first)
    found = opened(repo.root)
    assert found.resolve("--output=x") == first
    assert [c.sha for c in found.commits("--output=x..HEAD")] == [sha]
    assert found.file(sha, "-n") == b"x = 1\n"
    assert {f.path for f in found.diff(sha).files} == {"-n", "--output=y"}
    for hostile in ("--all", "-x", "--output=/nowhere", "", "\0", "HEAD\nHEAD", "--output=x ..HEAD"):
        with pytest.raises(RepositoryError):
            found.resolve(hostile)


def test_an_unknown_name_is_answered_with_near_ones(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    repo.commit({"a": "1\n"})
    repo.git("branch", "feature/login")
    with pytest.raises(RepositoryError, match="no commit 'feature/logni'") as caught:
        opened(repo.root).commits("feature/logni..HEAD")
    assert "feature/login" in caught.value.mend


def test_ranges_give_the_commits_newest_first(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    shas = [repo.commit({"a": f"{n}\n"}, f"subject {n}\n\nbody\x01 {n}") for n in range(6)]
    repo.git("tag", "v1", shas[2])
    found = opened(repo.root)
    assert [c.sha for c in found.commits("v1..HEAD")] == shas[:2:-1]
    assert [c.sha for c in found.commits("v1..")] == shas[:2:-1]
    assert [c.sha for c in found.commits("HEAD...v1")] == shas[:2:-1]
    assert [c.sha for c in found.commits("v1")] == shas[2::-1]
    assert found.commits("HEAD..v1") == []
    newest = found.commits(limit=2)
    assert [c.subject for c in newest] == ["subject 5", "subject 4"]
    assert newest[0].parents == (shas[4],)
    assert (newest[0].author, newest[0].at_us) == ("Ada", repo.clock * 1_000_000)


# ------------------------------------------------------------------ what a commit changed


def test_the_first_commit_adds_all_and_an_empty_one_nothing(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    first = repo.commit({"a": "1\n", "b": "2\n"})
    empty = repo.commit({}, "nothing")
    found = opened(repo.root)
    assert [f.status for f in found.diff(first).files] == ["added", "added"]
    assert found.diff(empty).files == () and not found.diff(empty).unseen
    with pytest.raises(RepositoryError, match="no commit"):
        found.diff("0" * 40)


def merge_of(repo: RepositoryMaker, *branches: str) -> None:
    repo.git("merge", "-q", "--no-ff", "--no-commit", *branches)


def forked(make_repository: Make, branches: int = 1) -> RepositoryMaker:
    """A repository whose main and side branches changed different lines of one file."""
    repo = make_repository()
    repo.commit({"a": "".join(f"{n}\n" for n in range(90))})
    for n in range(branches):
        repo.git("checkout", "-q", "-b", f"side{n}", "main")
        repo.commit({"a": "".join(f"{'side' if i == 20 * n else i}\n" for i in range(90))})
    repo.git("checkout", "-q", "main")
    repo.commit({"b": "main\n"})
    return repo


@pytest.mark.parametrize("branches", [1, 3])
def test_a_clean_merge_changes_nothing_and_an_evil_one_what_it_slipped_in(
    make_repository: Make, opened: Open, branches: int
) -> None:
    repo = forked(make_repository, branches)
    names = [f"side{n}" for n in range(branches)]
    merge_of(repo, *names)
    clean = repo.commit({}, "clean")
    repo.git("reset", "-q", "--hard", "HEAD~1")
    merge_of(repo, *names)
    evil = repo.commit({"a": (repo.root / "a").read_text() + "backdoor\n"}, "evil")
    before = tree_state(repo.root / ".git")
    found = opened(repo.root)
    assert (found.diff(clean).files, found.diff(clean).unseen) == ((), ())
    (file,) = found.diff(evil).files
    assert [line for hunk in file.hunks for line in hunk.lines if line[:1] in b"+-"] == [b"+backdoor\n"]
    assert found.commits(limit=1)[0].is_merge
    assert tree_state(repo.root / ".git") == before


def test_a_settled_conflict_shows_what_was_settled(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    repo.commit({"a": "one\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"a": "theirs\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a": "ours\n"})
    repo.git("merge", "-q", "-s", "ours", "--no-commit", "side")
    merged = repo.commit({"a": "both\n"})
    (file,) = opened(repo.root).diff(merged).files
    lines = [line for hunk in file.hunks for line in hunk.lines]
    assert b"+both\n" in lines and b"-theirs\n" in lines and b"-ours\n" in lines


def test_a_shallow_edge_is_unseen_not_taken_for_all_added(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    shas = [repo.commit({"a": f"{n}\n", f"f{n}": "x\n"}) for n in range(5)]
    found = opened(clone(repo, repo.root.parent / "shallow", "--depth=2"))
    assert [c.sha for c in found.commits(limit=10)] == [shas[4], shas[3]]
    assert len(found.diff(shas[4]).files) == 2
    edge = found.diff(shas[3])
    assert edge.files == () and "shallow" in edge.unseen[0]
    with pytest.raises(RepositoryError) as caught:
        found.commits(f"{shas[0]}..HEAD")
    assert "2 commits deep" in caught.value.mend and "unshallow" in caught.value.mend
    subprocess.run(["git", "fetch", "-q", "--unshallow"], cwd=found.root, check=True)
    assert len(found.diff(shas[3]).files) == 2, "a history deepened meanwhile is seen"


def test_a_partial_clone_fetches_nothing_and_says_what_is_not_there(
    make_repository: Make, opened: Open
) -> None:
    repo = make_repository()
    repo.commit({"a": "1\n"})
    sha = repo.commit({"a": "2\n"})
    target = clone(repo, repo.root.parent / "partial", "--filter=blob:none", "--no-checkout")
    found = opened(target)
    diff = found.diff(sha)
    assert diff.unseen and all(not file.hunks for file in diff.files)
    assert [file.path for file in diff.files] == ["a"]
    with pytest.raises(RepositoryError, match="no file"):
        found.file(sha, "a")
    missing = subprocess.run(
        ["git", "rev-list", "--objects", "--missing=print", "HEAD"],
        cwd=target,
        capture_output=True,
        check=True,
    )
    assert b"?" in missing.stdout, "nothing was fetched"


def test_replaced_objects_and_grafts_are_not_seen(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    first = repo.commit({"a": "harmless\n"})
    second = repo.commit({"a": "backdoor\n"})
    repo.git("replace", second, first)
    (repo.root / ".git/info").mkdir(exist_ok=True)
    (repo.root / ".git/info/grafts").write_text(f"{second}\n")
    found = opened(repo.root)
    assert found.file(second, "a") == b"backdoor\n"
    assert [c.sha for c in found.commits()] == [second, first]
    assert found.diff(second).parent == first


def test_nothing_of_the_repositorys_runs_or_hides(make_repository: Make, opened: Open) -> None:
    repo = forked(make_repository)
    trap = f"touch {repo.root.parent / 'ran'}; true"
    repo.commit({".gitattributes": "*.py diff=evil -text\nhidden.py -diff\na merge=evil\n"})
    repo.git("checkout", "-q", "side0")
    repo.commit({"a": "changed\n" + (repo.root / "a").read_text()})
    repo.git("checkout", "-q", "main")
    repo.commit({"a": (repo.root / "a").read_text() + "end\n"})
    merge_of(repo, "side0")
    merged = repo.commit({}, "merged")
    sha = repo.commit({"hidden.py": "x = 1\n\ny = 2\n", "b.py": "z\n"})
    for key in (
        "core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.gitProxy", "diff.external",
        "diff.evil.textconv", "diff.evil.command", "merge.evil.driver", "gpg.program", "pager.log",
    ):  # fmt: skip
        repo.git("config", key, trap)
    for key, value in (
        ("diff.ignoreSubmodules", "all"), ("diff.context", "0"), ("diff.noprefix", "true"),
        ("diff.suppressBlankEmpty", "true"), ("color.ui", "always"), ("diff.renames", "false"),
        ("log.showRoot", "false"), ("i18n.logOutputEncoding", "UTF-16"), ("diff.orderFile", "/nowhere"),
        ("core.bigFileThreshold", "1"), ("log.date", "human"), ("core.quotePath", "false"),
    ):  # fmt: skip
        repo.git("config", key, value)
    hook = repo.root / ".git/hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{trap}\n")
    hook.chmod(0o755)
    before = tree_state(repo.root / ".git")
    found = opened(repo.root)
    by_path = {file.path: file for file in found.diff(sha).files}
    assert by_path["hidden.py"].added_lines() == (1, 2, 3)
    assert by_path["b.py"].added_lines() == (1,)
    assert found.diff(merged).files == ()
    assert found.commits()[0].subject == "change"
    assert found.files(sha) and found.file(sha, "b.py") == b"z\n"
    assert not (repo.root.parent / "ran").exists()
    assert tree_state(repo.root / ".git") == before


def test_a_submodule_change_is_told_even_if_the_configuration_hides_it(
    make_repository: Make, opened: Open
) -> None:
    repo = make_repository()
    sha = repo.commit({"a": "1\n"})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{sha},sub")
    repo.git("commit", "-q", "-m", "sub")
    found = opened(repo.root)
    (file,) = found.diff("HEAD").files
    assert file.submodule
    assert found.files("HEAD") == ["a"]
    with pytest.raises(RepositoryError, match="no file"):
        found.file("HEAD", "sub")


# ------------------------------------------------------------------ files


def test_files_of_any_name_and_kind_are_read(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    latin = decode_path(b"latin-\xe9.py")
    names = ["-n", "new\nline", "tab\t", 'quo"te', "sp ace blob 3", "*", ":(top)x", latin, "dir/deep.py"]
    sha = repo.commit({name: f"content of {i}\r\n".encode() for i, name in enumerate(names)})
    (repo.root / "link").symlink_to("dir/deep.py")
    sha = repo.commit({"empty": "", "bin": b"\0\xff"})
    found = opened(repo.root)
    for i, name in enumerate(names):
        assert found.file(sha, name) == f"content of {i}\r\n".encode()
    assert (found.file(sha, "link"), found.file(sha, "empty"), found.file(sha, "bin")) == (
        b"dir/deep.py", b"", b"\0\xff",
    )  # fmt: skip
    assert sorted(found.files(sha)) == sorted([*names, "link", "empty", "bin"])
    for absent in ("dir", "absent", "absent\nname", "", "a\0b", "../x", "./-n"):
        with pytest.raises(RepositoryError, match="no file"):
            found.file(sha, absent)
    assert found.file(sha, "-n") == b"content of 0\r\n", "a refusal leaves the reader in order"


def test_a_file_beyond_the_bound_is_refused_with_its_size(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    sha = repo.commit({"big": b"x" * 9_000_000, "small": "1\n"})
    found = opened(repo.root)
    with pytest.raises(RepositoryError, match="too large: 9000000 bytes"):
        found.file(sha, "big")
    assert found.file(sha, "small") == b"1\n"


def test_many_threads_read_at_once_and_a_lost_reader_is_replaced(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    sha = repo.commit({f"f{n}": f"{n}\n" * n for n in range(40)})
    found = opened(repo.root)
    wrong: list[int] = []

    def read(start: int) -> None:
        for n in range(40):
            at = (n + start) % 40
            if found.file(sha, f"f{at}") != f"{at}\n".encode() * at:
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    lost = found._objects._batch._process
    assert lost is not None
    lost.kill()
    lost.wait()
    assert found.file(sha, "f3") == b"3\n3\n3\n"


def test_closing_leaves_no_process_and_no_folder(make_repository: Make) -> None:
    repo = make_repository()
    sha = repo.commit({"a": "1\n"})
    found = open_repository(repo.root)
    found.file(sha, "a")
    process, folder = found._objects._batch._process, found._view.git.folder
    assert process is not None and folder.is_dir()
    found.close()
    assert process.poll() is not None
    assert not folder.exists()


def test_the_id_that_a_diff_tells_reads_the_same_file(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    repo.commit({"a.py": "one\n", "sub/new\nline.txt": "b\n"})
    (repo.root / "link").symlink_to("a.py")
    sha = repo.commit({"a.py": "two\n", "sub/new\nline.txt": "c\n"})
    found = opened(repo.root)
    files = found.diff(sha).files
    assert {file.path for file in files} == {"a.py", "link", "sub/new\nline.txt"}
    for file in files:
        assert file.new_oid
        assert found.file(sha, file.path, file.new_oid) == found.file(sha, file.path)
    with pytest.raises(RepositoryError, match=r"no file 'a\.py'"):
        found.file(sha, "a.py", "0" * 40)


# ------------------------------------------------------------------ size


def test_a_commit_of_5000_files_is_read_in_seconds(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    sha = repo.commit({f"d{n % 50}/f{n}.py": f"def f{n}():\n    return {n}\n" for n in range(5000)})
    found = opened(repo.root)
    started = time.process_time()
    diff = found.diff(sha)
    assert time.process_time() - started < 20
    assert len(diff.files) == 5000
    assert all(file.added_lines() == (1, 2) for file in diff.files)


def test_a_50_mb_diff_is_listed_not_held(make_repository: Make, opened: Open) -> None:
    repo = make_repository()
    shutil.rmtree(repo.root / ".git/hooks", ignore_errors=True)
    sha = repo.commit(
        {"big.sql": "0123456789abcdef\n" * 1_900_000, "over.txt": "y\n" * 20_000_000, "a.py": "1\n"}
    )
    by_path = {file.path: file for file in opened(repo.root).diff(sha).files}
    assert by_path["big.sql"].too_large and by_path["big.sql"].size > 32_000_000
    assert by_path["over.txt"].binary, "beyond what git compares"
    assert by_path["a.py"].added_lines() == (1,)
