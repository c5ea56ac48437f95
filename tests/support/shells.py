"""A model on loopback, whichever API an agent calls, that has it run exactly the commands a test names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web

from hundredfold.simulation.provider.apis.messages import Messages
from hundredfold.simulation.provider.apis.protocol import Answer, Api
from hundredfold.simulation.provider.apis.responses import Responses
from hundredfold.simulation.provider.moves import Call, Move, Say
from hundredfold.simulation.provider.request import Request
from hundredfold.vocabulary import Usage
from tests.support.codex import ANSWER

_SHELLS = ("exec_command", "shell_command", "Bash")


class AnyShell:
    """Asks for one command a request, then answers. `outputs` is what the commands said."""

    def __init__(self, commands: tuple[str, ...]) -> None:
        self.commands = list(commands)
        self.bodies: list[dict[str, Any]] = []
        self.tools: set[str] = set()
        self.url = ""

    @property
    def outputs(self) -> list[str]:
        body = self.bodies[-1]
        if "input" in body:
            return [str(one["output"]) for one in body["input"] if one["type"] == "function_call_output"]
        blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
        return [json.dumps(block["content"]) for block in blocks if block["type"] == "tool_result"]

    async def respond(self, api: Api, http: web.Request) -> web.StreamResponse:
        body = await http.read()
        self.bodies.append(json.loads(body))
        request = api.read(body)
        self.tools |= {tool.name for tool in request.tools}
        answer = Answer(
            response_id=f"{api.prefix}{len(self.bodies)}",
            model=request.model,
            created=1,
            asked_tier="auto",
            tier=None,
            moves=(self._move(request),),
            usage=Usage(100, 0, 0, 10),
        )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(http)
        for event in api.events(answer):
            await response.write(event)
        return response

    def _move(self, request: Request) -> Move:
        done = len(self.outputs)
        if done < len(self.commands):
            tool = next(one for one in request.tools if one.name in _SHELLS)
            key = "cmd" if "cmd" in tool.parameters["properties"] else "command"
            return Call("function", tool.name, "", json.dumps({key: self.commands[done]}))
        text = json.dumps(ANSWER)
        return Call("function", request.answer_tool, "", text) if request.answer_tool else Say(text)


@asynccontextmanager
async def any_shell(*commands: str) -> AsyncIterator[AnyShell]:
    """Serve it until the block is left."""
    model = AnyShell(commands)
    application = web.Application(client_max_size=2**26)
    for api in (Responses(), Messages()):
        application.router.add_post(api.path, partial(model.respond, api))
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield model
    await runner.cleanup()
