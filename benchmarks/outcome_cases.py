"""Whether the observer of git agrees with people on what became of commits in real repositories.

    python -m benchmarks.outcome_cases FOLDER [--cases benchmarks/outcome_cases.json]

FOLDER holds clones named OWNER+NAME (or OWNER+NAME/repo, bare). Each case names a commit and, by hand, its
fate 30 days after it came in: survived, reverted (taken back by another commit), or rewritten (less than a
fifth of its lines still stood). Disagreements are listed one by one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from hundredfold.outcomes.gitfate import Change
from hundredfold.outcomes.judging import judge
from hundredfold.outcomes.saying import DAY_US
from hundredfold.sources.git import open_repository
from hundredfold.sources.githistory import History

LATER_DAYS = 400  # after its last commit: every horizon is over


def main(folder: Path, cases: Path) -> None:
    listed = json.loads(cases.read_text())["cases"]
    agreed, seen, wrong = 0, Counter[str](), []
    before = time.process_time()
    for name in dict.fromkeys(one["repository"] for one in listed):
        where = folder / name.replace("/", "+")
        repository = open_repository(where / "repo" if (where / "repo").is_dir() else where)
        history = History(repository, "HEAD")
        now = history.entries[0].at_us + LATER_DAYS * DAY_US
        for one in listed:
            if one["repository"] != name:
                continue
            sha = repository.resolve(one["commit"])
            found = judge(
                "o-case", history, Change((sha,)), now, opened_us=history.by_sha[sha].at_us
            ).observation
            fate = "rewritten" if found.rule.startswith("rewritten") else found.state
            seen[fate] += 1
            agreed += fate == one["fate"]
            if fate != one["fate"]:
                wrong.append(f"{name} {sha[:10]}: by hand {one['fate']}, observed {fate} ({found.rule})")
        repository.close()
    print(
        f"{agreed} of {len(listed)} agree; observed: {dict(seen)}; {time.process_time() - before:.1f} CPU s"
    )
    print("\n".join(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    main(given.folder, given.cases)
