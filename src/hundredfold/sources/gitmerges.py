"""What merging a commit's parents gives when nobody helps: what a merge commit is compared with.

A clean merge then changes nothing. What a person settled, or slipped in, shows as a change; a settled
conflict has git's markers on the old side.
"""

from __future__ import annotations

from collections.abc import Sequence

from hundredfold.errors import RepositoryError
from hundredfold.gitcommand import FSCK, Git

OLDEST = (2, 38)  # the first git whose merge-tree writes a tree


def merged_tree(view: Git, parents: Sequence[str]) -> str:
    """The tree of merging `parents` one after another, as the objects' names; written to the view only.

    Raises:
        RepositoryError: git can't merge them: objects are missing, or it took too long.
    """
    head = parents[0]
    for at, other in enumerate(parents[1:], start=2):
        done = view.run("merge-tree", "--write-tree", "--allow-unrelated-histories", head, other)
        if done.returncode not in (0, 1):  # 1: there were conflicts, which the tree has
            said = done.stderr.decode("utf-8", "replace").strip()
            raise RepositoryError(f"git can't merge the parents anew: {said[:500]}", FSCK)
        tree = done.stdout.split(b"\n", 1)[0].decode("ascii")
        if at == len(parents):
            return tree
        commit = view.run("commit-tree", tree, "-p", head, "-p", other, stdin=b"merged anew\n")
        head = commit.stdout.decode("ascii").strip()
    return head
