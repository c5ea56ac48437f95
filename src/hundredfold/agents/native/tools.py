"""The tools of the native agent: what the model is told of them, and what happens when it calls one.

A call always has an answer, be it an error. Every answer is bounded and stands in a marked fence, because
what is in it was written by strangers.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.agents.native import files
from hundredfold.agents.native.files import ToolError
from hundredfold.errors import UnavailableError
from hundredfold.workspaces.protocol import Sandbox

MOST_OUTPUT_CHARACTERS = 24_000
MOST_FOUND = 200
_SEARCH_S = 20.0
_COMMAND_S = 120.0
_LONGEST_COMMAND_S = 600
_MOST_PATTERN_CHARACTERS = 1000

#: the pattern and the path are arguments of the script, never part of it; ripgrep takes linear time
_SEARCH = (
    "if command -v rg >/dev/null; then exec rg --no-config --no-heading --line-number --color never "
    '--hidden --no-ignore --glob \'!.git\' --max-columns 500 --max-count 100 --sort path -e "$1" -- "$2"; '
    'else exec git grep --line-number -I -E -e "$1" -- "$2"; fi'
)


class _ReadFile(Struct, frozen=True):
    path: str
    start_line: int | None = None
    end_line: int | None = None


class _ListFiles(Struct, frozen=True):
    path: str = "."
    pattern: str | None = None


class _Search(Struct, frozen=True):
    pattern: str
    path: str | None = None


class _RunCommand(Struct, frozen=True):
    command: str
    timeout_seconds: int | None = None


def definitions(*, commands: bool) -> list[dict[str, Any]]:
    """What the model is told. `commands`: whether there is a sandbox to run them in."""
    number = {"type": ["integer", "null"]}
    text = {"type": ["string", "null"]}
    path = {"type": "string", "description": "relative to the checkout's root"}
    told = [
        _function(
            "read_file",
            f"Lines of a text file with their numbers, at most {files.MOST_LINES} at once.",
            {"path": path, "start_line": number, "end_line": number},
        ),
        _function(
            "list_files",
            f"Files below a folder, at most {files.MOST_LISTED}; `pattern` is a glob such as *.py.",
            {"path": path, "pattern": text},
        ),
        _function(
            "search",
            f"Lines that {'match a regular expression' if commands else 'hold the text literally'}, as "
            f"path:line:text, at most {MOST_FOUND}.",
            {"pattern": {"type": "string"}, "path": text},
        ),
    ]
    if commands:
        told.append(
            _function(
                "run_command",
                "Run a shell command in a sandbox at the checkout's root, without a network; by default at "
                f"most {_COMMAND_S:.0f} seconds.",
                {"command": {"type": "string"}, "timeout_seconds": number},
            )
        )
    return told


def _function(name: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": parameters,
        "strict": True,
    }


class Toolbox:
    """The tools of one attempt in its workspace."""

    def __init__(
        self,
        workspace: Path,
        *,
        writable: bool,
        sandbox: Sandbox | None,
        threads: Executor,
        commands: asyncio.Semaphore,
        mark: str,
    ) -> None:
        self._workspace = workspace
        self._writable = writable
        self._sandbox = sandbox
        self._threads = threads
        self._commands = commands
        self._mark = mark

    async def call(self, name: str, arguments: str) -> str:
        """The answer to a call, fenced and bounded."""
        try:
            said = await self._dispatch(name, arguments)
        except msgspec.DecodeError as error:
            said = f"error: the arguments are not right: {error}"
        except (ToolError, OSError, ValueError) as error:  # ValueError: a NUL or half a character
            said = f"error: {error}"
        except UnavailableError as error:
            said = f"refused: {error}"
        return f"<<<{self._mark} {name[:40]}\n{shortened(said)}\n>>>{self._mark}"

    async def _dispatch(self, name: str, arguments: str) -> str:
        if name == "read_file":
            read = msgspec.json.decode(arguments, type=_ReadFile)
            return await self._blocking(
                files.read_file, self._workspace, read.path, read.start_line, read.end_line
            )
        if name == "list_files":
            listed = msgspec.json.decode(arguments, type=_ListFiles)
            return await self._blocking(files.list_files, self._workspace, listed.path, listed.pattern)
        if name == "search":
            return await self._search(msgspec.json.decode(arguments, type=_Search))
        if name == "run_command":
            return await self._run(msgspec.json.decode(arguments, type=_RunCommand))
        raise ToolError(f"there is no tool {name!r}")

    async def _search(self, asked: _Search) -> str:
        if len(asked.pattern) > _MOST_PATTERN_CHARACTERS:
            raise ToolError(f"the pattern is longer than {_MOST_PATTERN_CHARACTERS} characters")
        start = asked.path or "."
        if self._sandbox is None:
            return await self._blocking(files.find_literal, self._workspace, start, asked.pattern, MOST_FOUND)
        real = files.confined(self._workspace, start)
        relative = str(real.relative_to(self._workspace.resolve()))
        argv = ("sh", "-c", _SEARCH, "sh", asked.pattern, relative)
        async with self._commands:
            result = await self._sandbox.run(argv, self._workspace, writable=False, timeout_s=_SEARCH_S)
        lines = result.output.splitlines()
        if result.exit_code == 1 and not lines:
            return "(nothing found)"
        if len(lines) > MOST_FOUND:
            lines = [*lines[:MOST_FOUND], f"(more than {MOST_FOUND} lines; search more narrowly)"]
        return "\n".join(lines)

    async def _run(self, asked: _RunCommand) -> str:
        if self._sandbox is None:
            raise ToolError("commands are refused: this machine has no sandbox")
        limit = min(max(1, asked.timeout_seconds or int(_COMMAND_S)), _LONGEST_COMMAND_S)
        async with self._commands:
            result = await self._sandbox.run(
                ("sh", "-c", asked.command), self._workspace, writable=self._writable, timeout_s=limit
            )
        ended = "killed" if result.exit_code is None else f"exit code {result.exit_code}"
        return f"{ended} after {result.seconds:.1f} s\n{result.output}"

    async def _blocking(self, function: Any, *arguments: Any) -> str:
        said: str = await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        return said


def shortened(text: str) -> str:
    """The text, cut in the middle if it is too long for a tool's answer."""
    cut = len(text) - MOST_OUTPUT_CHARACTERS
    if cut <= 0:
        return text
    half = MOST_OUTPUT_CHARACTERS // 2
    return f"{text[:half]}\n… {cut} characters cut …\n{text[-half:]}"
