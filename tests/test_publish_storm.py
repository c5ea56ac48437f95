"""Killed with -9 under faults, the publisher applies each proposal once, or not, and undoes the batch."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.publish_storm import storm


def test_under_faults_and_kills_each_is_applied_once_and_all_is_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = argparse.Namespace(proposals=24, items=12, kills=2, faults=0.1, seed=7)
    assert storm(tmp_path, arguments) == 0
    shown = capsys.readouterr().out
    assert '"failed checks": 0' in shown and '"undone": ' in shown
