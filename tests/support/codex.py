"""Orders for the real Codex, and a model on loopback that has it run exactly the commands a test names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

from hundredfold.agents.protocol import WorkOrder
from tests.support.scripted_model import event, failure, stream

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary", "count"],
    "properties": {"summary": {"type": "string"}, "count": {"type": "integer"}},
}
ANSWER = {"summary": "looked", "count": 1}


class Shell:
    """A model that asks for one command a request, then answers. `outputs` is what the commands said."""

    def __init__(self, commands: Iterable[str]) -> None:
        self.commands = list(commands)
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    @property
    def outputs(self) -> list[str]:
        items = self.bodies[-1]["input"]
        return [str(item["output"]) for item in items if item["type"] == "function_call_output"]

    async def respond(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        done = len(self.outputs)
        item: dict[str, Any]
        if done < len(self.commands):
            arguments = json.dumps({"cmd": self.commands[done], "yield_time_ms": 10_000})
            item = {
                "type": "function_call",
                "call_id": f"c{done}",
                "name": "exec_command",
                "arguments": arguments,
            }
        else:
            content = [{"type": "output_text", "text": json.dumps(ANSWER)}]
            item = {"type": "message", "id": "m", "role": "assistant", "content": content}
        response = {
            "id": f"r{len(self.bodies)}",
            "output": [item],
            "usage": {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110},
        }
        return await stream(
            request,
            [
                event("response.created", response={"id": response["id"]}),
                event("response.output_item.done", output_index=0, item=item),
                event("response.completed", response=response),
            ],
        )


@asynccontextmanager
async def shell_model(*commands: str) -> AsyncIterator[Shell]:
    model = Shell(commands)
    async with _served(model.respond) as model.url:
        yield model


@asynccontextmanager
async def refusing_model(status: int, code: str) -> AsyncIterator[str]:
    """A model that answers every request with one HTTP error; yields its URL."""
    async with _served(failure(status, code)) as url:
        yield url


@asynccontextmanager
async def _served(respond: Any) -> AsyncIterator[str]:
    application = web.Application(client_max_size=2**26)
    application.router.add_post("/v1/responses", respond)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


def make_order(folder: Path, url: str, name: str = "one", **changed: Any) -> WorkOrder:
    """An order in a workspace below `folder`/workspaces, which is made with one file in it."""
    workspace = folder / "workspaces" / name / "tree"
    if not workspace.exists():
        (workspace / "src").mkdir(parents=True)
        (workspace / "src" / "main.py").write_text("def main():\n    return 42\n")
    values: dict[str, Any] = {
        "attempt": f"a-{name}",
        "prompt": f"Look at src/main.py for {name}.",
        "schema": SCHEMA,
        "workspace": workspace,
        "writable": False,
        "gateway_url": url,
        "model": "gpt-5.5",
        "effort": "low",
        "tier": "standard",
        "deadline_s": 60.0,
        "stall_s": 30.0,
    }
    return WorkOrder(**{**values, **changed})


def processes_below(folder: Path) -> list[psutil.Process]:
    """Processes that name the folder in their command line or environment, or stand below it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values(), process.cwd()]
            if any(str(folder) in word for word in words) and process.pid not in _own():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _own() -> set[int]:
    me = psutil.Process()
    return {me.pid, *(parent.pid for parent in me.parents())}
