"""Runs one order with one backend until it is killed: `python -m tests.support.orphan KIND STATE` + the order
on standard input. Prints the session as one JSON line, then one word as soon as the agent does something."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec

from hundredfold.agents.protocol import Event, Progress, Started, WorkOrder
from tests.support.backends import KINDS


def told(event: Event) -> None:
    if isinstance(event, Started):
        print(json.dumps(event.session), flush=True)
    elif isinstance(event, Progress):
        print("works", flush=True)


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=WorkOrder, dec_hook=lambda kind, x: kind(x))
    backend = KINDS[sys.argv[1]].make(Path(sys.argv[2]))
    outcome = asyncio.run(backend.run(order, told))
    print(outcome, flush=True)


if __name__ == "__main__":
    main()
