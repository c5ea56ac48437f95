"""One process per attempt: started in its cell, heard line by line, ended for certain.

The watchdogs are ours: a program may wait for ever for the first byte of an answer. A sign of life is a line
that is no retry, or a byte that came back from the gateway. Programs die with this process (their sandbox
sees to it), but their homes stay, so a later life of ours lets the conversation go on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from hundredfold.agents.programs import cell
from hundredfold.agents.programs.protocol import Attendant, Style
from hundredfold.agents.programs.relay import relayed
from hundredfold.agents.protocol import Event, Gone, Outcome, Started, WorkOrder
from hundredfold.errors import StorageError
from hundredfold.tasks import to_the_end
from hundredfold.workspaces.execution import REAP_S

GO_ON = (
    "Your work was cut short by a restart; commands that ran were ended. Go on from where you were, and give "
    "your final answer in the form that was asked for."
)


class Stalled(Exception):
    """Nothing was heard of the agent for as long as silence is allowed."""


class ProgramBackend:
    """Runs work orders with one program. All it keeps is below `state` (0700), a folder per attempt.

    `kept` is called with an attempt's home when its turn is over, before the home is removed.
    """

    def __init__(
        self, style: Style, state: Path, *, kept: Callable[[WorkOrder, Path], None] | None = None
    ) -> None:
        self.name = style.name
        self._style = style
        self._state = state.resolve()
        self._kept = kept

    async def run(
        self, order: WorkOrder, report: Callable[[Event], None], resume: dict[str, Any] | None = None
    ) -> Outcome:
        """Run the order to its end (see `agents.protocol.Backend`).

        Raises:
            Gone: the home of `resume` is no more.
            UnavailableError: the program is not installed, or there is no sandbox to run it in.
            StorageError: the disk refused.
        """
        order = replace(order, workspace=order.workspace.resolve())
        folder = self._state / order.attempt
        if resume is not None:
            if not self._style.resumes:
                raise Gone(f"attempts of {self.name} die with their process")
            order = replace(order, gateway_url=_address(folder))
        try:
            async with asyncio.timeout(order.deadline_s):
                return await self._worked(order, folder, report, again=resume is not None)
        except TimeoutError:
            return Outcome("failed", error_kind="deadline", error=f"not done after {order.deadline_s:.0f} s")
        except Stalled as stalled:
            return Outcome("failed", error_kind="stalled", error=str(stalled))
        except OSError as error:
            raise StorageError(
                f"can't write {folder}: {error.strerror}",
                "Free some disk space, or set HUNDREDFOLD_HOME to a folder you can write.",
            ) from error
        finally:
            await to_the_end(asyncio.to_thread(self._leave, order, folder))

    async def close(self, *, keep_running: bool = False) -> None:
        """Remove what attempts of killed processes left. Programs can't be left running."""
        if not keep_running:
            await asyncio.to_thread(shutil.rmtree, self._state, ignore_errors=True)

    async def _worked(
        self, order: WorkOrder, folder: Path, report: Callable[[Event], None], *, again: bool
    ) -> Outcome:
        program, login = self._style.program(), self._style.login()
        home = folder / "home"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep(folder, order.gateway_url)
        inside = replace(order, gateway_url=cell.inside(order.gateway_url))
        launch = self._style.launch(inside, home, again=again)
        sight = cell.Sight(order.workspace, order.writable, home, program, login)
        clock = asyncio.get_running_loop().time
        began = await cell.start(sight, launch.options, launch.environment, launch.input, folder / "log")
        watch, attendant = Watch(clock), self._style.attendant(inside, report)
        report(Started({"attempt": order.attempt} if self._style.resumes else None))
        try:
            async with contextlib.AsyncExitStack() as stack:
                if began.door is not None:
                    host, port = cell.outside(order.gateway_url)
                    await stack.enter_async_context(relayed(began.door, host, port, watch.touch))
                await watch.over(attendant, began.process, order.stall_s)
                if launch.input is not None:  # one that is talked to may never end by itself
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(asyncio.shield(_gone(began.process)), REAP_S)
            code = began.process.returncode
        finally:
            cell.kill(began.process)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(_gone(began.process)), REAP_S)
        return attendant.ended(code, cell.last_words(folder / "log"))

    def _leave(self, order: WorkOrder, folder: Path) -> None:
        try:
            if self._kept is not None and (folder / "home").is_dir():
                self._kept(order, folder / "home")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class Watch:
    """Knows when a program last showed a sign of life."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard_at = clock()

    def touch(self) -> None:
        """Begin the allowed silence anew."""
        self._heard_at = self._clock()

    async def over(self, attendant: Attendant, process: asyncio.subprocess.Process, stall_s: float) -> None:
        """Have the program attended until its turn is over, or it is.

        Raises:
            Stalled: no sign of life for `stall_s` seconds.
        """
        attending = asyncio.ensure_future(attendant.attend(process, self.touch))
        ending = asyncio.ensure_future(process.wait())
        try:
            while not (attending.done() or ending.done()):
                left = self._heard_at + stall_s - self._clock()
                if left <= 0:
                    raise Stalled(f"nothing was heard for {stall_s:.0f} s")
                await asyncio.wait({attending, ending}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            # Whichever was first: what it said last is still to be read, and its exit code to be had.
            await asyncio.wait({attending}, timeout=REAP_S)
            if attending.done():
                attending.result()
        finally:
            attending.cancel()
            ending.cancel()


async def _gone(process: asyncio.subprocess.Process) -> None:
    await process.wait()


def _keep(folder: Path, address: str) -> None:
    """What a later life of ours needs to let the conversation go on."""
    file = folder / "address.json"
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.encode(address))


def _address(folder: Path) -> str:
    try:
        return msgspec.json.decode((folder / "address.json").read_bytes(), type=str)
    except (OSError, msgspec.DecodeError):
        raise Gone(f"nothing is left of attempt {folder.name}") from None
