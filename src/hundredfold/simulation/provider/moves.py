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
from hundredfold.simulation.provider.tokens import BYTES_PER_TOKEN

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

# Starts only where a word starts and every part is bounded, so that long lines cost linear time.
_PATH = re.compile(
    r"(?<![\w/.:@+-])(?:[\w@+-][\w.@+-]{0,80}/){0,12}[\w@+-][\w.@+-]{0,80}\.[A-Za-z]\w{0,9}(?![\w/])"
)
_PATH_LINE = re.compile(r"^path: (\S.{0,300})$", re.MULTILINE)
_MOST_SCANNED = 200_000
_PATH_KEYS = frozenset({"path", "file", "file_path", "filename", "filepath"})
_PATTERN_KEYS = frozenset({"pattern", "query", "regex", "text"})
_FOLDER_KEYS = frozenset({"dir", "directory", "folder", "glob"})
_COMMAND_KEYS = frozenset({"cmd", "command", "argv"})
# A whole shell does every round; small tools take turns, the cheap ones first. Others are left alone.
_SHELLS = ("exec_command", "shell_command", "shell", "Bash")
_SMALL_TOOLS = (
    "read_file",
    "read",
    "Read",
    "search",
    "Grep",
    "list_files",
    "list",
    "Glob",
    "run_command",
    "run",
)


def paths_in(prompt: str) -> list[str]:
    """The paths that a prompt names, each once, in order; at most 20, from its first 200,000 characters.

    Those in `path: …` lines if there are any, else names with a folder if there are any: `os.system` looks
    like a file's name too.
    """
    told = dict.fromkeys(_PATH_LINE.findall(prompt, 0, _MOST_SCANNED))
    if told:
        return list(told)[:20]
    found: dict[str, None] = {}
    for match in _PATH.finditer(prompt, 0, _MOST_SCANNED):
        found.setdefault(match.group())
    return ([path for path in found if "/" in path] or list(found))[:20]


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
    functions = {name: tool for name, tool in tools.items() if tool.kind == "function"}
    shells = [functions[name] for name in _SHELLS if name in functions]
    small = [functions[name] for name in _SMALL_TOOLS if name in functions]
    if not shells and not small:
        return None
    tool = shells[0] if shells else small[request.rounds % len(small)]
    return _call(tool, _quoted(_arguments(tool, request, command, random)))


def shortened(move: Move, most: int | None, reasoning: int) -> tuple[Move, bool]:
    """The move as far as `most` output tokens reach, hidden reasoning first; and whether it was cut."""
    if most is None:
        return move, False
    text = move.text if isinstance(move, Say) else move.arguments
    room = max(0, most - reasoning) * BYTES_PER_TOKEN
    if len(text.encode()) <= room and reasoning <= most:
        return move, False
    return Say(text.encode()[:room].decode("utf-8", "ignore")), True


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
        listed, nullable = "array" in kinds, "null" in kinds
        if name in _COMMAND_KEYS:
            filled[name] = ["sh", "-c", command] if listed else command
        elif name in _PATH_KEYS:
            filled[name] = "." if tool.name.startswith("list") else path
        elif name not in required:
            continue
        elif nullable:
            filled[name] = None
        elif name in _PATTERN_KEYS:
            filled[name] = "return"
        else:
            filled[name] = "." if name in _FOLDER_KEYS else example(schema, random)
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
