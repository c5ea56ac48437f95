"""A command in the sandbox sees its workspace and the system's programs, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.errors import UnavailableError
from hundredfold.vocabulary import CommandResult
from hundredfold.workspaces import bubblewrap, diagnosis, sandbox
from hundredfold.workspaces.execution import Bounds, HeadAndTail
from hundredfold.workspaces.gitview import format_only, git_view
from hundredfold.workspaces.pool import GitWorkspacePool
from hundredfold.workspaces.sandbox import BubblewrapSandbox, RefusingSandbox, examine, find_sandbox
from tests.support.repositories import RepositoryMaker
from tests.support.waiting import PATIENCE_S, comes


@pytest.fixture
def holds() -> BubblewrapSandbox:
    found = find_sandbox()
    assert found is not None, examine()[1]
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "slot" / "tree"
    folder.mkdir(parents=True)
    (folder / "file").write_text("mine\n")
    (tmp_path / "slot2").mkdir()
    (tmp_path / "slot2" / "secret").write_text("another attempt's\n")
    return folder


async def shell(
    box: BubblewrapSandbox, tree: Path, script: str, *, writable: bool = False, timeout_s: float = PATIENCE_S
) -> CommandResult:
    return await box.run(("sh", "-c", script), tree, writable=writable, timeout_s=timeout_s)


async def test_it_sees_its_workspace_and_no_other(holds: BubblewrapSandbox, tree: Path) -> None:
    result = await shell(
        holds, tree, f"cat file; pwd; cat {tree.parent.parent}/slot2/secret; ls {Path.home()}"
    )
    assert result.output.startswith(f"mine\n{tree}\n")
    assert "another" not in result.output
    assert "No such file" in result.output


async def test_what_is_shown_is_seen_below_tmp_too(holds: BubblewrapSandbox, tree: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as named:  # where the sandbox has a folder of its own
        Path(named, "tool").write_text("found\n")
        box = BubblewrapSandbox(holds.program, (Path(named),))
        script = f"cat {named}/tool; echo x > {named}/new; echo y > /tmp/mine && cat /tmp/mine"
        result = await shell(box, tree, script)
        assert {"found", "y"} <= set(result.output.splitlines())
        assert not Path(named, "new").exists()


async def test_reading_is_not_writing(holds: BubblewrapSandbox, tree: Path) -> None:
    await shell(holds, tree, "echo x > file; rm file; mkdir d; chmod 777 file")
    assert [path.name for path in tree.iterdir()] == ["file"]
    assert (tree / "file").read_text() == "mine\n"
    await shell(holds, tree, "echo x > file", writable=True)
    assert (tree / "file").read_text() == "x\n"


async def test_nothing_outside_can_be_written(holds: BubblewrapSandbox, tree: Path) -> None:
    places = "/usr /etc / /root /home /var /dev /proc/sys/kernel"
    script = f"for d in {places}; do (echo x > $d/hundredfold-probe) 2>/dev/null && echo wrote $d; done; true"
    result = await shell(holds, tree, script, writable=True)
    assert result.output == ""
    assert not Path("/tmp/only-inside").exists()
    assert (await shell(holds, tree, "touch /tmp/only-inside && echo ok")).output == "ok\n"
    assert not Path("/tmp/only-inside").exists()


async def test_there_is_no_network_not_even_to_this_machine(holds: BubblewrapSandbox, tree: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        python = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        result = await holds.run(("python3", "-c", python), tree, writable=False, timeout_s=PATIENCE_S)
    assert result.exit_code == 1
    assert "Error" in result.output


async def test_the_environment_is_an_allow_list(
    holds: BubblewrapSandbox, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    result = await shell(holds, tree, "env; cat /proc/1/environ")
    assert "sk-secret" not in result.output
    assert "HOME=/tmp" in result.output


async def test_no_privilege_can_be_gained(holds: BubblewrapSandbox, tree: Path) -> None:
    result = await shell(holds, tree, "grep -E 'NoNewPrivs|CapEff|CapBnd' /proc/self/status")
    values = dict(line.split(":\t") for line in result.output.splitlines())
    assert values == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"}


async def test_no_process_survives_its_command(holds: BubblewrapSandbox, tree: Path) -> None:
    script = "setsid sleep 715.25 & (sleep 715.25 &) ; nohup sleep 715.25 >/dev/null 2>&1 & echo started"
    result = await shell(holds, tree, script)
    assert result.output == "started\n"
    assert await _gone("715.25")


async def test_a_timeout_kills_everything_and_keeps_what_was_said(
    holds: BubblewrapSandbox, tree: Path
) -> None:
    for timeout_s in (0.5, 5.0, 60.0):  # a busy machine starts a command slowly
        began = time.monotonic()
        result = await shell(holds, tree, "echo before; sleep 725.25 & sleep 725.25", timeout_s=timeout_s)
        assert (result.timed_out, result.exit_code) == (True, None)
        assert "time limit" in result.output
        assert time.monotonic() - began < 300
        assert await _gone("725.25")
        if "before" in result.output:
            return
    raise AssertionError(result)


async def test_closing_the_output_does_not_escape_the_timeout(holds: BubblewrapSandbox, tree: Path) -> None:
    result = await shell(holds, tree, "exec >&- 2>&-; sleep 735.25", timeout_s=0.5)
    assert result.timed_out
    assert await _gone("735.25")


async def test_cancelling_kills_everything(holds: BubblewrapSandbox, tree: Path) -> None:
    running = asyncio.ensure_future(shell(holds, tree, "sleep 745.25"))
    await comes(lambda: _alive("745.25"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await _gone("745.25")


@pytest.mark.parametrize("pause_s", [0.0, 0.05, 0.15])
async def test_killing_our_process_kills_its_commands_and_those_just_being_set_up(
    tree: Path, pause_s: float
) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from hundredfold.workspaces.sandbox import find_sandbox\n"
        "def run(): return find_sandbox().run(\n"
        "    ('sleep', '755.25'), Path(sys.argv[1]), writable=False, timeout_s=600)\n"
        "async def many(): await asyncio.gather(*(run() for _ in range(20)))\n"
        "asyncio.run(many())"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tree)]) as process:
        await comes(lambda: _alive("755.25"))
        await asyncio.sleep(pause_s)
        process.kill()
    left = not await _gone("755.25")
    for one in psutil.process_iter(["cmdline"]):
        if "755.25" in (one.info["cmdline"] or []):
            one.kill()
    assert not left


async def test_output_memory_files_and_processes_are_bounded(tree: Path) -> None:
    program = bubblewrap.locate_bubblewrap()
    assert program is not None
    box = BubblewrapSandbox(
        program, bounds=Bounds(memory=200 * 10**6, processes=20, file=10**6, output=1000, temporary=10**6)
    )
    shouted = await shell(box, tree, "echo first; yes | head -c 5000000; echo last")
    assert shouted.output.startswith("first") and shouted.output.endswith("last\n")
    assert len(shouted.output) < 1100 and "bytes cut" in shouted.output
    hog = "b = bytearray(600 * 10**6); import time; time.sleep(90)"
    hungry = await box.run(("python3", "-c", hog), tree, writable=False, timeout_s=PATIENCE_S)
    assert hungry.exit_code is None and "200 MB of memory" in hungry.output
    large = await shell(box, tree, "head -c 5000000 /dev/zero > big; stat -c %s big", writable=True)
    assert (tree / "big").stat().st_size <= 10**6, large
    full = await shell(box, tree, "head -c 5000000 /dev/zero > /tmp/big; stat -c %s /tmp/big")
    assert int(full.output.split()[-1]) <= 10**6
    swarm = await shell(box, tree, "for i in $(seq 60); do sleep 90 & done; wait", timeout_s=PATIENCE_S)
    assert swarm.exit_code != 0 and ("20 processes" in swarm.output or "fork" in swarm.output)


async def test_a_missing_program_is_said(holds: BubblewrapSandbox, tree: Path) -> None:
    result = await holds.run(("no-such-program",), tree, writable=False, timeout_s=PATIENCE_S)
    assert result.exit_code == 127
    assert "not found" in result.output


async def test_arguments_are_never_read_as_options_or_script(holds: BubblewrapSandbox, tree: Path) -> None:
    result = await holds.run(
        ("printf", "%s|", "--ro-bind", "$HOME", "a b"), tree, writable=False, timeout_s=5
    )
    assert result.output == "--ro-bind|$HOME|a b|"


# ------------------------------------------------------------------ git inside


async def test_git_works_in_a_lent_workspace_and_shows_nothing_of_the_users(
    holds: BubblewrapSandbox, tmp_path: Path
) -> None:
    maker = RepositoryMaker(tmp_path / "repo")
    maker.commit({"a.txt": "one\n"}, "first")
    maker.commit({"a.txt": "two\n"}, "second")
    maker.git("branch", "secret-plans")
    maker.git("config", "remote.origin.url", "https://user:ghp_token@example.org/x.git")
    pool = GitWorkspacePool(maker.root, tmp_path / "pool", size=1, disk_bytes=10**9)
    async with pool.lend("HEAD", "a-1", writable=False) as workspace:
        script = "git log --oneline && git show --stat HEAD~1 && git blame a.txt && git status --short"
        result = await shell(holds, workspace.path, script)
        assert result.exit_code == 0, result.output
        assert "first" in result.output and "second" in result.output
        hidden = await shell(
            holds,
            workspace.path,
            f"git config --list; git branch -a; cat {maker.root}/.git/config; "
            f"ls {maker.root}/.git {workspace.path}/../..; git commit -q --allow-empty -m x",
        )
    await pool.close()
    assert "ghp_token" not in hidden.output and "secret-plans" not in hidden.output
    assert "Read-only file system" in hidden.output
    assert maker.git("log", "--oneline").count("\n") == 1


async def test_a_repository_inside_the_workspace_shows_only_its_format(
    holds: BubblewrapSandbox, tmp_path: Path
) -> None:
    maker = RepositoryMaker(tmp_path / "repo")
    maker.commit({"a.txt": "one\n"}, "first")
    maker.git("config", "remote.origin.url", "https://user:ghp_token@example.org/x.git")
    maker.git("config", "http.extraheader", "Authorization: ghp_token")
    result = await shell(
        holds, maker.root, "git log --oneline && cat .git/config; ls .git/hooks; echo x >> .git/config"
    )
    assert "first" in result.output and "repositoryformatversion" in result.output
    assert "ghp_token" not in result.output and "sample" not in result.output
    result = await shell(holds, maker.root, "echo x >> .git/config", writable=True)
    assert result.exit_code != 0


def test_a_git_link_written_by_the_agent_opens_nothing(tmp_path: Path) -> None:
    tree, elsewhere = tmp_path / "slot" / "tree", tmp_path / "home" / ".ssh"
    tree.mkdir(parents=True)
    elsewhere.mkdir(parents=True)
    for link in (
        f"gitdir: {elsewhere}\n",
        "gitdir: ../../home/.ssh",
        "gitdir: /",
        "",
        "x" * 20000,
        "gitdir: ../git",
    ):
        (tree / ".git").write_text(link)
        assert git_view(tree).visible == (), link
    (tree / ".git").unlink()
    (tree / ".git").symlink_to(elsewhere)
    assert git_view(tree) == git_view(tmp_path / "nowhere")


@given(st.text(alphabet='[]core.remot \n\t="url;#includpath/0f', max_size=300))
def test_only_the_format_of_a_configuration_is_kept(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "config"
    path.write_text(text)
    allowed = ("[core]", "[extensions]", "\t")
    for line in format_only(path).decode().splitlines():
        assert line.startswith(allowed)
        assert "url" not in line and "include" not in line


# ------------------------------------------------------------------ none, and broken ones


async def test_without_a_sandbox_commands_are_refused_with_the_mend(tree: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        await RefusingSandbox().run(("touch", "x"), tree, writable=True, timeout_s=PATIENCE_S)
    assert "apt install bubblewrap" in caught.value.mend
    assert not (tree / "x").exists()


def test_a_sandbox_that_does_not_hold_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that runs commands bare: the probe must see through it."""
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done; shift; exec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv(bubblewrap.OVERRIDE, str(fake))
    sandbox.examine.cache_clear()
    try:
        found, said = examine()
        assert found is None
        assert "could read" in said and "open a connection" in said
        monkeypatch.setenv(bubblewrap.OVERRIDE, "/no/such/bwrap")
        sandbox.examine.cache_clear()
        assert examine()[0] is None
        told = {line.name: line for line in diagnosis.diagnose(tmp_path, disk_bytes=10**6, attempts=10)}
        assert not told["sandbox"].ok and "bubblewrap" in told["sandbox"].mend
        assert told["git"].ok and told["disk"].ok and told["open files"].ok
    finally:
        sandbox.examine.cache_clear()


def test_codexs_own_bubblewrap_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = bubblewrap.bundled("codex-resources", "bwrap")
    assert inside is not None
    assert BubblewrapSandbox(inside).probe() == ""


def test_doctor_names_what_is_short(tmp_path: Path) -> None:
    told = {
        line.name: line for line in diagnosis.diagnose(tmp_path / "new", disk_bytes=10**18, attempts=10**9)
    }
    assert not told["disk"].ok and told["disk"].mend
    assert not told["open files"].ok and "fewer agents" in told["open files"].mend


@given(st.lists(st.binary(max_size=50), max_size=40), st.integers(2, 100))
def test_head_and_tail_keep_both_ends_and_count_the_rest(chunks: list[bytes], limit: int) -> None:
    kept = HeadAndTail(limit)
    for chunk in chunks:
        kept.feed(chunk)
    whole, half = b"".join(chunks), limit // 2
    if len(whole) <= 2 * half:
        assert kept.text() == whole.decode("utf-8", "replace")
    else:
        cut = f"\n… {len(whole) - 2 * half} bytes cut …\n".encode()
        assert kept.text() == (whole[:half] + cut + whole[-half:]).decode("utf-8", "replace")


async def _gone(argument: str) -> bool:
    """Whether no such process is left: the kernel ends a sandbox's processes a moment after its command."""
    for _ in range(600):
        if not _alive(argument):
            return True
        await asyncio.sleep(0.05)
    return False


def _alive(argument: str) -> bool:
    return any(argument in (process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
