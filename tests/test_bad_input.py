"""Bad input at the real command line: a clear message that names the thing and the mend, and an exit code."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.program import WEAK, command, hundredfold, weak_project
from tests.support.provider import simulated_provider
from tests.support.repositories import RepositoryMaker
from tests.support.waiting import PATIENCE_S, until

Make = Callable[..., RepositoryMaker]


def run_here(repo: Path, *more: str) -> dict[str, object]:
    ran = hundredfold("run", "--no-model", "--json", *more, repo=repo)
    assert ran.code == 0, ran.err
    report: dict[str, object] = ran.json()
    return report


def reasons(report: dict[str, object]) -> str:
    return str(report["coverage"])


def test_no_such_folder(tmp_path: Path) -> None:
    ran = hundredfold("run", repo=tmp_path / "nowhere")
    assert ran.code == 3
    assert "nowhere" in ran.err
    assert "--repo" in ran.err


def test_not_a_repository(tmp_path: Path) -> None:
    ran = hundredfold("run", repo=tmp_path)
    assert ran.code == 3
    assert "not" in ran.err
    assert "repository" in ran.err


def test_an_empty_repository(make_repository: Make) -> None:
    ran = hundredfold("run", repo=make_repository().root)
    assert ran.code == 3
    assert "no commit" in ran.err


def test_a_cadence_that_is_none_is_told_before_anything_is_begun(make_repository: Make, home: Path) -> None:
    maker = make_repository()
    maker.commit({"a.py": "x = 1\n"})
    (maker.root / "hundredfold.toml").write_text('[job.security]\ncadence = "every hour"\n')
    ran = hundredfold("run", "--watch", "--no-model", repo=maker.root)
    assert ran.code == 2 and "[job.security]: the cadence 'every hour'" in ran.err
    assert '"*/10 * * * *"' in ran.err


def test_an_unknown_revision_names_the_nearest(make_repository: Make) -> None:
    maker = make_repository()
    maker.commit({"a.py": "x = 1\n"})
    maker.git("tag", "v1.0")
    ran = hundredfold("run", "--range", "v1.1..HEAD", repo=maker.root)
    assert ran.code == 3
    assert "v1.1" in ran.err
    assert "v1.0" in ran.err


def test_a_range_that_looks_like_an_option(make_repository: Make) -> None:
    maker = make_repository()
    maker.commit({"a.py": "x = 1\n"})
    ran = hundredfold("run", "--range=--output=stolen", repo=maker.root)
    assert ran.code == 3
    assert not list(maker.root.glob("stolen*"))


def test_a_bare_repository_works(make_repository: Make, tmp_path: Path) -> None:
    maker = make_repository()
    maker.commit({"a.py": WEAK.format(n=1)})
    subprocess.run(["git", "clone", "-q", "--bare", str(maker.root), str(tmp_path / "bare")], check=True)
    assert run_here(tmp_path / "bare")["items"] == {"listed": 1}


def test_a_shallow_clone_says_where_it_ends(make_repository: Make, tmp_path: Path) -> None:
    maker = make_repository()
    for number in range(4):
        maker.commit({f"{number}.py": WEAK.format(n=number)})
    clone = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "2", f"file://{maker.root}", str(clone)], check=True)
    report = run_here(clone)
    assert "shallow" in reasons(report)
    assert report["taken"]["found"] == 2  # type: ignore[index]


def test_binary_and_huge_diffs_are_not_looked_at_and_said_so(make_repository: Make) -> None:
    maker = make_repository()
    half = b"x = 1\n" * 4_500_000
    maker.commit({"a.bin": bytes(range(256)) * 100, "one.py": half, "two.py": half}, "54 MB of changes")
    said = reasons(run_here(maker.root))
    assert "binary" in said
    assert "large" in said


def test_paths_that_are_not_utf_8(make_repository: Make) -> None:
    maker = make_repository()
    blob = maker.git("hash-object", "-w", "--stdin", stdin=WEAK.format(n=1).encode())
    maker.git(
        "update-index", "--add", "-z", "--index-info", stdin=b"100644 %s\tcaf\xe9\n\x1b.py\0" % blob.encode()
    )
    maker.git("commit", "-q", "-m", "A name of bytes")
    report = run_here(maker.root)
    assert report["items"] == {"listed": 1}
    words = hundredfold("run", "--no-model", repo=maker.root)
    assert "\x1b" not in words.out + words.err


def test_a_submodule_is_not_looked_at_and_said_so(make_repository: Make) -> None:
    maker = make_repository()
    sha = maker.commit({"a.py": "x = 1\n"})
    maker.git("update-index", "--add", "--cacheinfo", f"160000,{sha},lib")
    maker.git("commit", "-q", "-m", "A submodule")
    assert "submodule" in reasons(run_here(maker.root))


def test_a_commit_of_5000_files(make_repository: Make) -> None:
    maker = make_repository()
    maker.commit(
        {f"src/m{number}.py": f"def f{number}(a):\n    return a + {number}\n" for number in range(5000)}
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = run_here(maker.root)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert sum(report["items"].values()) == 1  # type: ignore[attr-defined]
    assert after.ru_utime - before.ru_utime < 90


@pytest.mark.parametrize("agent", ["codex", "nonsense"])
def test_an_agent_that_is_not_there(make_repository: Make, tmp_path: Path, agent: str) -> None:
    with simulated_provider(tmp_path) as provider:
        repo = weak_project(make_repository(), provider.base_url, commits=1, agent=agent)
        ran = hundredfold("run", repo=repo, HUNDREDFOLD_CODEX=str(tmp_path / "no-codex"))
    assert ran.code == (4 if agent == "codex" else 2), (ran.out, ran.err)
    assert agent in ran.out + ran.err or "route.agent" in ran.err


def test_a_broken_configuration(make_repository: Make) -> None:
    maker = make_repository()
    maker.commit({"a.py": "x = 1\n"})
    (maker.root / "hundredfold.toml").write_text("[fleet]\nagentz = 3\n")
    for name in ("run", "plan", "doctor", "inbox", "spend"):
        ran = hundredfold(name, repo=maker.root)
        assert ran.code == 2, (name, ran.out, ran.err)
        assert "agentz" in ran.err
        assert "'agents'" in ran.err


def test_a_disk_that_can_not_be_written(make_repository: Make) -> None:
    maker = make_repository()
    maker.commit({"a.py": "x = 1\n"})
    ran = hundredfold("run", repo=maker.root, HUNDREDFOLD_HOME="/proc/hundredfold")
    assert ran.code == 7, ran.err
    assert "/proc/hundredfold" in ran.err
    assert "HUNDREDFOLD_HOME" in ran.err


def test_two_runs_at_once_on_one_project(make_repository: Make, tmp_path: Path) -> None:
    with simulated_provider(tmp_path, latency={"first_byte_ms": 10000.0}) as provider:
        repo = weak_project(make_repository(), provider.base_url, commits=1)
        first = subprocess.Popen(
            command("run", repo=repo), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until(provider.lines)
            second = hundredfold("run", repo=repo)
        finally:
            first.terminate()
            first.wait(PATIENCE_S)
    assert second.code == 6, (second.out, second.err)
    assert f"process {first.pid}" in second.err


def test_a_misspelt_command_and_option() -> None:
    ran = hundredfold("rnu")
    assert ran.code not in (0, None)
    assert "run" in ran.out + ran.err
