"""Runs apache-otava over series given as JSON on stdin; prints its change points and its CPU seconds.

Run by `benchmarks.change_points` with an interpreter that has apache-otava; it imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
import time

from otava.analysis import compute_change_points  # type: ignore[import-not-found]

asked = json.load(sys.stdin)
began = time.process_time()
found = []
for series in asked["series"]:
    points, _ = compute_change_points(series, max_pvalue=asked["p"], min_magnitude=0.0)
    found.append([int(one.index) for one in points])
json.dump({"found": found, "cpu_s": time.process_time() - began}, sys.stdout)
