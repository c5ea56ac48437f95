"""What git alone tells of a change: each way of coming into a branch and of leaving it again, in real
repositories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hundredfold.outcomes.gitfate import Change, kept, landing, revert, silent_revert
from hundredfold.sources.git import open_repository
from hundredfold.sources.githistory import History
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]
DAY = 86_400 * 1_000_000
BODY = "".join(f"def part_{n}():\n    return {n} * {n}\n\n\n" for n in range(6))


class Branchy:
    """A repository with a main branch on which things happen to a change that was made on `work`."""

    def __init__(self, maker: RepositoryMaker) -> None:
        self.maker = maker
        self.base = maker.commit({"README": "words\n", "other.py": "x = 1\n"}, "Start")
        maker.git("checkout", "-q", "-b", "work")
        self.first = maker.commit({"shop.py": BODY}, "Add the shop")
        self.last = maker.commit({"shop.py": BODY + "TOTAL = 6\n"}, "Count the parts")
        maker.git("checkout", "-q", "main")
        self.commit = maker.commit({"other.py": "x = 2\n"}, "Something else")
        self.change = Change((self.first, self.last), self.base, pull=7)

    def git(self, *arguments: str) -> str:
        self.maker.clock += 60
        return self.maker.git(*arguments)

    def head(self) -> str:
        return self.maker.git("rev-parse", "HEAD")

    def commit_tree_of(self, revision: str, message: str) -> str:
        """A commit on main with the work's file as it is at a revision."""
        self.git("checkout", "-q", revision, "--", "shop.py")
        self.git("commit", "-q", "-am", message)
        return self.head()


@pytest.fixture
def branchy(make_repository: Make) -> Branchy:
    return Branchy(make_repository())


@pytest.fixture
def history(branchy: Branchy) -> Iterator[Callable[[], History]]:
    opened = []

    def read() -> History:
        opened.append(open_repository(branchy.maker.root))
        return History(opened[-1], "main")

    yield read
    for one in opened:
        one.close()


def test_what_never_came_in_did_not_land(branchy: Branchy, history: Callable[[], History]) -> None:
    assert landing(history(), branchy.change) is None


def test_each_way_of_coming_in_is_told(branchy: Branchy, history: Callable[[], History]) -> None:
    start = branchy.head()

    def how(merge: str = "", pull: int = 7) -> tuple[str, int]:
        found = landing(history(), Change(branchy.change.commits, branchy.base, pull, merge))
        branchy.git("reset", "-q", "--hard", start)
        assert found is not None
        return found.how, len(found.commits)

    branchy.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7 from a/work", "work")
    assert how(merge=branchy.head()) == ("merged", 3)
    branchy.git("merge", "-q", "--no-ff", "-m", "Merge the work", "work")
    assert how() == ("in the branch", 2)
    branchy.git("cherry-pick", "-x", branchy.first, branchy.last)
    assert how() == ("picked", 2)
    branchy.commit_tree_of("work", "Add a shop, after much talk (#7)")
    assert how() == ("squashed", 1)
    branchy.commit_tree_of("work", "Add a shop")
    assert how(pull=0) == ("same change", 1)
    branchy.git("cherry-pick", branchy.first)
    branchy.git("cherry-pick", branchy.last)
    assert how(pull=0) == ("rebased", 2)


def test_a_merge_arrives_when_it_is_merged_not_when_it_was_written(
    branchy: Branchy, history: Callable[[], History]
) -> None:
    branchy.maker.clock += 5 * 86_400
    branchy.git("merge", "-q", "--no-ff", "-m", "Merge", "work")
    found = landing(history(), branchy.change)
    assert found is not None and found.at_us == branchy.maker.clock * 1_000_000


@pytest.mark.parametrize(
    "message",
    [
        'Revert "Add a shop (#7)"\n\nThis reverts commit {sha}.',
        'Revert "Add a shop (#7)" (#9)\n\nReverts a/shop#7',
        'Revert "Add a shop"',
        "Back to before\n\nThis reverts commits {short} and 0123456789abcdef.",
    ],
)
def test_each_way_of_taking_back_is_told(
    branchy: Branchy, history: Callable[[], History], message: str
) -> None:
    sha = branchy.commit_tree_of("work", "Add a shop (#7)")
    branchy.git("rm", "-q", "shop.py")
    branchy.git("commit", "-q", "-m", message.format(sha=sha, short=sha[:10]))
    landed = landing(history(), branchy.change)
    assert landed is not None
    found = revert(history(), landed)
    assert found is not None and found.sha == branchy.head() and not found.silent


def test_a_revert_that_was_reverted_or_brought_back_is_none(
    branchy: Branchy, history: Callable[[], History]
) -> None:
    sha = branchy.commit_tree_of("work", "Add a shop (#7)")
    branchy.git("revert", "--no-edit", sha)
    back = branchy.head()
    landed = landing(history(), branchy.change)
    assert landed is not None and revert(history(), landed) is not None
    branchy.git("revert", "--no-edit", back)
    assert revert(history(), landed) is None, "the revert was reverted"
    branchy.git("reset", "-q", "--hard", back)
    branchy.commit_tree_of("work", "Reland: Add a shop (#12)")
    assert revert(history(), landed) is None, "it was brought back"


def test_a_part_that_was_taken_back_is_no_revert(branchy: Branchy, history: Callable[[], History]) -> None:
    sha = branchy.commit_tree_of("work", "Add a shop (#7)")
    branchy.commit_tree_of(branchy.first, f"Drop the total\n\nThis partially reverts commit {sha}.")
    landed = landing(history(), branchy.change)
    assert landed is not None and revert(history(), landed) is None


def test_the_opposite_change_is_a_revert_that_does_not_say_so(
    branchy: Branchy, history: Callable[[], History]
) -> None:
    branchy.commit_tree_of("work", "Add a shop (#7)")
    branchy.git("rm", "-q", "shop.py")
    branchy.git("commit", "-q", "-m", "Tidy up")
    landed = landing(history(), branchy.change)
    assert landed is not None and revert(history(), landed) is None
    found = silent_revert(history(), landed, landed.at_us + DAY)
    assert found is not None and (found.sha, found.silent) == (branchy.head(), True)


def test_lines_are_followed_through_renames_edits_and_removal(
    branchy: Branchy, history: Callable[[], History]
) -> None:
    branchy.commit_tree_of("work", "Add a shop (#7)")
    landed = landing(history(), branchy.change)
    assert landed is not None

    def standing() -> tuple[int, int]:
        found = kept(history(), landed, (branchy.maker.clock + 60) * 1_000_000)
        assert found is not None
        return found.kept, found.lines

    assert standing() == (25, 25)
    branchy.git("mv", "shop.py", "store.py")
    branchy.git("commit", "-q", "-m", "Rename it")
    assert standing() == (25, 25)
    branchy.maker.commit({"store.py": BODY.replace("return 3 * 3", "return 9") + "TOTAL = 6\n"}, "Simplify")
    assert standing() == (24, 25)
    branchy.maker.commit({"store.py": "pass\n"}, "Start anew")
    assert standing() == (0, 25)
    assert kept(history(), landed, 1_000_000) is None, "before the branch began"
