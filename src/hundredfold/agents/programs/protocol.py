"""The seam between running an agent program and knowing one: what is started, and what its lines mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from hundredfold.agents.protocol import Event, Outcome, WorkOrder


class Program(Struct, frozen=True):
    """A program as it is called: its first words (an interpreter first, if it needs one), and what of the
    disk it must see to run."""

    words: tuple[str, ...]
    visible: tuple[Path, ...]


class Login(Struct, frozen=True):
    """A subscription's login, lent to an agent: the user's own file, shown in the agent's home under a name.
    The file stays the user's, since a renewed token must reach them."""

    file: Path
    name: str


class Launch(Struct, frozen=True):
    """How an attempt's program is started: options, environment and what it reads on its standard input.
    None: it is talked to while it runs."""

    options: tuple[str, ...]
    environment: Mapping[str, str]
    input: bytes | None


class Listener(Protocol):
    """Hears what one program prints, line by line, and reports it."""

    def hear(self, line: bytes) -> bool:
        """Take in one line; whether it is a sign of life (a retry is none). What can't be read is none."""
        ...

    def ended(self, exit_code: int | None, words: str) -> Outcome:
        """How the attempt ended, once the program has; `words` is the end of its standard error."""
        ...


class Attendant(Protocol):
    """Sees to one running program until its turn is over."""

    async def attend(self, process: asyncio.subprocess.Process, touch: Callable[[], None]) -> None:
        """Follow the turn to its end, or to the program's; `touch` at each sign of life. Never waits for more
        than the program's next word; cancelled when there is none for too long."""
        ...

    def ended(self, exit_code: int | None, words: str) -> Outcome:
        """How the attempt ended; `exit_code` is None if the program still runs, `words` is the end of its
        standard error."""
        ...


class Style(Protocol):
    """One agent program: how it is found, told what to do, and understood.

    `resumes`: a conversation that was cut short can go on in another process.
    """

    name: str
    resumes: bool

    def program(self) -> Program:
        """The program.

        Raises:
            UnavailableError: it is not installed.
        """
        ...

    def login(self) -> Login | None:
        """The subscription's login that agents are lent, or None: then they hold no credential."""
        ...

    def launch(self, order: WorkOrder, home: Path, *, again: bool) -> Launch:
        """Write what the program finds in its home (`home` here, `cell.AGENT_HOME` inside its sandbox) and
        say how it is started; `again`: its process died, and its conversation goes on if it was kept."""
        ...

    def attendant(self, order: WorkOrder, report: Callable[[Event], None]) -> Attendant:
        """Who sees to it."""
        ...
