"""A process that begins one attempt and is killed by its test: python -m … FOLDER URL SESSION_FILE."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from hundredfold.agents.codex.backend import CodexBackend
from hundredfold.agents.protocol import Event, Progress, Started
from tests.support.codex import make_order


async def main(folder: Path, url: str, session_file: Path) -> None:
    known: dict[str, object] = {}

    def report(event: Event) -> None:
        if isinstance(event, Started):
            known["session"] = event.session
        if isinstance(event, Progress) and not session_file.exists():
            session_file.with_suffix(".new").write_text(json.dumps(known["session"]))
            session_file.with_suffix(".new").rename(session_file)

    await CodexBackend(folder / "codex").run(make_order(folder, url), report)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
