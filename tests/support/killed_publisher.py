"""A publisher that dies at a seam, as by kill -9: `python -m … DATABASE FOLDER publish|undo SEAM PROPOSAL…`.

Seams: `intend` (the forge is not called yet), `inside` (the file is not yet in its place, or about to go),
`apply` (the forge is done, but that is not recorded), `half` (one proposal is done, one not begun).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hundredfold.forges.local import LocalForge
from hundredfold.forges.protocol import NONE, History
from hundredfold.proposals.publisher import Publisher
from hundredfold.store.database import open_database
from hundredfold.vocabulary import Proposal, Receipt
from tests.support.proposals import PROJECT, NoRepository

DEAD = 99


class DyingForge(LocalForge):
    """The local forge, with the process's end built in."""

    seam = ""
    calls = 0

    def apply(self, proposal: Proposal, key: str, history: History = NONE) -> Receipt:
        self.calls += 1
        if self.seam == "intend" or (self.seam == "half" and self.calls == 2):
            os._exit(DEAD)
        receipt = super().apply(proposal, key, history)
        if self.seam == "apply":
            os._exit(DEAD)
        return receipt

    def undo(self, receipt: Receipt, key: str) -> str:
        self.calls += 1
        if self.seam == "intend" or (self.seam == "half" and self.calls == 2):
            os._exit(DEAD)
        residue = super().undo(receipt, key)
        if self.seam == "apply":
            os._exit(DEAD)
        return residue


def main(url: str, where: str, verb: str, seam: str, *wanted: str) -> None:
    if seam == "inside":
        last_call = "rename" if verb == "publish" else "unlink"
        setattr(os, last_call, lambda *_, **__: os._exit(DEAD))
    forge = DyingForge(Path(where), NoRepository(), by="Ada")
    forge.seam = seam
    publisher = Publisher(open_database(url), PROJECT, forge, by="Ada")
    if verb == "publish":
        publisher.publish()
    else:
        publisher.undo(wanted)


if __name__ == "__main__":
    main(*sys.argv[1:])
