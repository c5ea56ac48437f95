"""What the simulated agent does next: look around with the tools it was offered, then answer.

It has no model. It names a path that stands in the prompt and reads it, as a coding agent would, for as many
rounds as the profile says; then its answer obeys the schema that the request carries.
"""

from __future__ import annotations

import re
import shlex
from random import Random
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hundredfold.simulation.provider.example import example
from hundredfold.simulation.provider.request import Request, Tool

PATCH_FILE = "simulated-change.txt"


class Say(Struct, frozen=True):
    """A final message."""

    text: str
    refusal: bool = False


class Call(Struct, frozen=True):
    """A tool call. `arguments` is JSON for kind "function", free text for "custom"."""

    kind: Literal["function", "custom"]
    name: str
    namespace: str
    arguments: str


Move = Say | Call

_PATH = re.compile(r"(?<![\w/.:-])(?:[\w@+-][\w.@+-]*/){0,12}[\w@+-][\w.@+-]*\.[A-Za-z]\w{0,9}(?![\w/])")
_MOST_SCANNED = 200_000
_PATH_KEYS = frozenset({"path", "file", "file_path", "filename", "filepath"})
_PATTERN_KEYS = frozenset({"pattern", "query", "regex", "text"})
_FOLDER_KEYS = frozenset({"dir", "directory", "folder", "glob"})
_COMMAND_KEYS = frozenset({"cmd", "command", "argv"})
# Tools that look around, by how much is to be seen with them; any other offered tool is left alone.
_LOOKING = (
    "exec_command",
    "shell_command",
    "shell",
    "run",
    "run_command",
    "read",
    "read_file",
    "search",
    "list",
    "list_files",
)


def paths_in(prompt: str) -> list[str]:
    """The paths that a prompt names, each once, in order; at most 20, from its first 200,000 characters."""
    found: dict[str, None] = {}
    for match in _PATH.finditer(prompt, 0, _MOST_SCANNED):
        found.setdefault(match.group())
        if len(found) == 20:
            break
    return list(found)


def look_around(request: Request, random: Random, *, patch: bool) -> Call | None:
    """The tool call of this round, or None if no tool that was offered serves to look around."""
    tools = {tool.name: tool for tool in request.tools}
    script = tools.get("exec")
    if patch and request.rounds == 0:
        if "apply_patch" in tools:
            return _patch(tools["apply_patch"])
        if script is not None and script.kind == "custom":
            return _call(script, f"text(await tools.apply_patch({_quoted(_patch_text())}));")
    command = _command(paths_in(request.prompt), request.rounds, random)
    if script is not None and script.kind == "custom":
        return _call(script, f"text(await tools.exec_command({{cmd: {_quoted(command)}}}));")
    usable = [tools[name] for name in _LOOKING if name in tools and tools[name].kind == "function"]
    if not usable:
        return None
    tool = usable[0] if usable[0].name in _LOOKING[:3] else usable[request.rounds % len(usable)]
    return _call(tool, _quoted(_arguments(tool, request, command, random)))


def _call(tool: Tool, arguments: str) -> Call:
    kind: Literal["function", "custom"] = "custom" if tool.kind == "custom" else "function"
    return Call(kind, tool.name, tool.namespace, arguments)


def _command(paths: list[str], round_: int, random: Random) -> str:
    if not paths:
        return "ls -a" if round_ == 0 else "git log --oneline -5"
    path = shlex.quote(random.choice(paths))
    first = 1 + 80 * (round_ // 3)
    return (
        f"sed -n '{first},{first + 119}p' {path}",
        f"rg -n -m 20 'def |func |fn |class ' {path} || grep -nE -m 20 'def |func |fn |class ' {path}",
        f"cat {path} | head -c 4000",
    )[round_ % 3]


def _arguments(tool: Tool, request: Request, command: str, random: Random) -> dict[str, Any]:
    """Arguments for any function tool: its keys are filled by what their names say, then by their schema."""
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    required = set(tool.parameters.get("required", ()))
    path = random.choice(paths_in(request.prompt) or ["."])
    filled: dict[str, Any] = {}
    for name, schema in properties.items():
        kinds = schema.get("type", "string") if isinstance(schema, dict) else "string"
        listed = kinds == "array" or (isinstance(kinds, list) and "array" in kinds)
        if name in _COMMAND_KEYS:
            filled[name] = ["sh", "-c", command] if listed else command
        elif name in _PATH_KEYS:
            filled[name] = "." if tool.name.startswith("list") else path
        elif name in _FOLDER_KEYS and name in required:
            filled[name] = "."
        elif name in _PATTERN_KEYS and name in required:
            filled[name] = "return"
        elif name in required:
            nullable = isinstance(kinds, list) and "null" in kinds
            filled[name] = None if nullable else example(schema, random)
    return filled


def _patch_text() -> str:
    return (
        f"*** Begin Patch\n*** Add File: {PATCH_FILE}\n+Written by the simulated provider.\n*** End Patch\n"
    )


def _patch(tool: Tool) -> Call:
    text = _patch_text()
    return _call(tool, text if tool.kind == "custom" else _quoted({"input": text}))


def _quoted(value: Any) -> str:
    return msgspec.json.encode(value).decode()
