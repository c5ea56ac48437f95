"""A Responses API on loopback that answers by a script: for faults the simulated provider draws by chance."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answer = dict[str, Any] | Callable[[web.Request], Any]


class ScriptedModel:
    """Answers the n-th request with the n-th entry of the script, the last one for ever."""

    def __init__(self, script: Sequence[Answer]) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        answer = self.script[min(len(self.bodies), len(self.script)) - 1]
        if callable(answer):
            made: web.StreamResponse = await answer(request)
            return made
        return await stream(request, [event("response.completed", response=answer)])


def event(name: str, **fields: Any) -> bytes:
    data = json.dumps({"type": name, **fields})
    return f"event: {name}\ndata: {data}\n\n".encode()


async def stream(request: web.Request, chunks: Sequence[bytes], *, finish: bool = True) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for chunk in chunks:
        await response.write(chunk)
    if not finish:
        assert request.transport is not None
        request.transport.close()
    return response


def message(text: str, **extra: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    return {
        "id": "resp_1",
        "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": content}],
        "usage": usage,
        **extra,
    }


def calls(*asked: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    output = [
        {"type": "function_call", "call_id": f"call_{n}", "name": name, "arguments": json.dumps(arguments)}
        for n, (name, arguments) in enumerate(asked)
    ]
    return message("", output=output)


def failure(status: int, code: str, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        body = {"error": {"message": f"simulated {code}", "type": code, "code": code}}
        return web.json_response(body, status=status, headers=headers)

    return answer


async def silence(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


@asynccontextmanager
async def scripted_model(*script: Answer) -> AsyncIterator[ScriptedModel]:
    model = ScriptedModel(script)
    application = web.Application()
    application.router.add_post("/v1/responses", model.respond)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield model
    await runner.cleanup()
