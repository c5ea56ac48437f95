"""Writing a corpus: sessions of both programs until it has its size, then more of them as time goes on.

    python -m benchmarks.usage_corpus.corpus FOLDER --megabytes 200 --seed 1

writes `FOLDER/.codex`, `FOLDER/.claude`, as homes of the two programs, and prints the truth.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from benchmarks.usage_corpus import claude, codex
from benchmarks.usage_corpus.filler import Filler
from benchmarks.usage_corpus.truth import Truth
from hundredfold.prices.book import load_book

#: a line as long as those seen in real logs
GIANT = 40_000_000
#: a command's output is cut by the programs at about this
MOST_OUTPUT = 60_000
TYPICAL_OUTPUT = 6_000


class Corpus:
    """Two homes under `folder` with logs, and the truth about them. `giant`: one line's size."""

    def __init__(self, folder: Path, seed: int, *, giant: int = 0, requests_a_session: int = 60) -> None:
        self.codex_home, self.claude_home = folder / ".codex", folder / ".claude"
        self.truth = Truth()
        self._chance = random.Random(seed)
        self._filler = Filler(seed)
        self._giant, self._length = giant, requests_a_session
        self._open: list[codex.Session | claude.Session] = []
        self._sessions = 0
        self.bytes = 0

    def write(self, size: int) -> None:
        """New sessions, of `size` bytes in all."""
        goal = self.bytes + size
        while self.bytes < goal:
            self._sessions += 1
            if self._sessions % 2:
                self._codex_family()
            else:
                self._claude_session()

    def grow(self, size: int) -> None:
        """Half of `size` onto sessions that are there, half as new ones."""
        goal = self.bytes + size // 2
        while self.bytes < goal and self._open:
            session = self._chance.choice(self._open)
            before = session.flush()
            session.respond(self._output())
            self.bytes += session.flush() - before
        self.write(size - size // 2)

    def flush(self) -> None:
        """Everything that was written is in the files."""
        for session in self._open:
            session.flush()

    def close(self) -> None:
        """End every file; the last line of one is cut off in its middle, as by a kill."""
        for number, session in enumerate(self._open):
            if number == 0:
                session.raw(b'{"timestamp":"2026-11-09T10:00:00.000Z","type":"token_usage_rec')
            session.close()
        self._open = []

    def _output(self) -> int:
        return min(MOST_OUTPUT, int(self._chance.lognormvariate(0, 1.2) * TYPICAL_OUTPUT))

    def _requests(self) -> int:
        return max(3, int(self._chance.lognormvariate(0, 0.8) * self._length))

    def _done(self, session: codex.Session | claude.Session) -> None:
        self.bytes += session.flush()
        if len(self._open) < 40:
            self._open.append(session)
        else:
            session.close()

    def _codex(
        self, new: bool, parent: codex.Session | None = None, *, spawned: bool = False
    ) -> codex.Session:
        chance = self._chance
        session = codex.Session(self.codex_home, chance, self._filler, self.truth, new=new, parent=parent)
        session.begin(parent=parent, spawned=spawned)
        for number in range(self._requests() if parent is None else self._requests() // 3 + 1):
            if number and chance.random() < 0.05:
                session.settings()
            if number and chance.random() < 0.15:
                session.turn()
            session.respond(self._output())
            if new and chance.random() < 0.02:
                session.respond(0, compaction=True)
        if self._giant:
            session.big(
                b'{"type":"function_call_output","output":"%b"}' % self._filler.text(chance, self._giant)
            )
            self._giant = 0
        return session

    def _codex_family(self) -> None:
        chance = self._chance
        first = self._codex(chance.random() < 0.6)
        family = [first]
        if chance.random() < 0.3:
            family.append(self._codex(first.new, first))
        if chance.random() < 0.4:
            family.append(self._codex(first.new, first, spawned=True))
            if chance.random() < 0.3:
                family.append(self._codex(first.new, family[-1]))
        for session in family:
            session.flush()
            if chance.random() < 0.1:  # archived, and still there
                archive = self.codex_home / "archived_sessions" / session.path.name
                archive.parent.mkdir(parents=True, exist_ok=True)
                archive.write_bytes(session.path.read_bytes())
                self.bytes += archive.stat().st_size
            self._done(session)

    def _claude_session(self) -> None:
        chance = self._chance
        session = claude.Session(self.claude_home, chance, self._filler, self.truth)
        earlier = [one for one in self._open if isinstance(one, claude.Session)]
        if earlier and chance.random() < 0.2:
            session.copy_of(chance.choice(earlier))
        for _ in range(self._requests()):
            session.respond(self._output())
            if chance.random() < 0.01:
                session.synthetic()
        self._done(session)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--megabytes", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    corpus = Corpus(given.folder, given.seed, giant=GIANT)
    corpus.write(given.megabytes * 1_000_000)
    corpus.close()
    cost, unpriced = corpus.truth.cost(load_book())
    total = corpus.truth.totals()
    print(
        json.dumps(
            {
                "bytes": corpus.bytes,
                "requests": len(corpus.truth.requests),
                "picodollars": cost,
                "unpriced": dict(unpriced),
                **{n: getattr(total, n) for n in total.__struct_fields__},
            }
        )
    )


if __name__ == "__main__":
    main()
