"""Temporary folders are gone when their process is, and not before."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hundredfold.sources.scratch import Scratch

HOLDER = """
import sys
from hundredfold.sources.scratch import Scratch
scratch = Scratch()
print(scratch.folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_killed_process_folder_goes_when_the_next_is_made_and_a_living_ones_stays() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        (held / "objects").mkdir()
        first = Scratch()
        assert held.is_dir()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert held.is_dir()
        second = Scratch()
        assert not held.exists()
        assert first.folder.is_dir()
    first.close()
    second.close()
    assert not first.folder.exists()
    assert not second.folder.exists()


def test_a_folder_goes_with_an_orderly_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOLDER], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert not Path(done.stdout.strip()).exists()


def test_what_only_looks_like_a_folder_of_ours_is_left_alone(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    link, file = temporary / "hundredfold-view-link", temporary / "hundredfold-view-file"
    link.symlink_to(elsewhere)
    file.touch()
    Scratch().close()
    assert elsewhere.is_dir()
    assert link.is_symlink()
    assert file.is_file()
