"""A tiny Responses API for the gateway's tests: what it serves is decided by the test, and is remembered."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Respond = Callable[["Seen", web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """One request as the provider saw it, and what it was answered."""

    number: int
    path: str
    headers: dict[str, str]
    body: bytes
    usage: dict[str, Any] | None = None
    response_id: str = ""
    sent: Any = field(default_factory=hashlib.sha256)


class Upstream:
    """The running provider."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.seen: list[Seen] = []
        self.base_url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(len(self.seen), request.raw_path, dict(request.headers), await request.read())
        self.seen.append(seen)
        return await self.respond(seen, request)


@asynccontextmanager
async def upstream(respond: Respond | None = None) -> AsyncIterator[Upstream]:
    """Serve on loopback until the block is left."""
    served = Upstream(respond or streamed())
    app = web.Application(client_max_size=2**27)
    app.router.add_route("*", "/{path:.*}", served.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    served.base_url = f"http://127.0.0.1:{port}/v1"
    try:
        yield served
    finally:
        await runner.cleanup()


def usage_of(seen: Seen) -> dict[str, Any]:
    """A usage that differs from request to request."""
    return {
        "input_tokens": 100 + seen.number,
        "input_tokens_details": {"cached_tokens": seen.number % 64},
        "output_tokens": 40 + seen.number,
        "output_tokens_details": {"reasoning_tokens": seen.number % 32},
        "total_tokens": 140 + 2 * seen.number,
    }


def events(seen: Seen, deltas: int = 40, tier: str = "default") -> list[bytes]:
    """The events of one answer, the last being response.completed."""
    seen.response_id = f"resp_{seen.number:06d}"
    response = {"id": seen.response_id, "model": "gpt-5.5-2026-04-23", "service_tier": tier}
    found = [{"type": "response.created", "response": {**response, "usage": None}}]
    found += [{"type": "response.output_text.delta", "delta": f"word {n} " * 8} for n in range(deltas)]
    found.append({"type": "response.completed", "response": {**response, "usage": usage_of(seen)}})
    return [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in found]


def streamed(deltas: int = 40, *, pause_s: float = 0.0, cut_after: int | None = None) -> Respond:
    """Answers with a stream; `cut_after` drops the connection after so many events."""

    async def respond(seen: Seen, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Request-Id": "r1"})
        seen.usage = usage_of(seen)
        await response.prepare(request)
        for number, event in enumerate(events(seen, deltas)):
            if number == cut_after:
                assert request.transport is not None
                request.transport.close()
                return response
            await response.write(event)
            seen.sent.update(event)
            if pause_s:
                await asyncio.sleep(pause_s)
        await response.write_eof()
        return response

    return respond


def fixed(status: int, body: bytes, headers: dict[str, str] | None = None) -> Respond:
    """Answers everything with the same bytes."""

    async def respond(seen: Seen, request: web.Request) -> web.StreamResponse:
        seen.sent.update(body)
        return web.Response(
            status=status, body=body, headers={"Content-Type": "application/json", **(headers or {})}
        )

    return respond


def json_answer(seen: Seen) -> bytes:
    """One unstreamed answer."""
    seen.response_id = f"resp_{seen.number:06d}"
    seen.usage = usage_of(seen)
    return json.dumps(
        {
            "id": seen.response_id,
            "model": "m",
            "service_tier": "flex",
            "usage": seen.usage,
            "status": "completed",
        }
    ).encode()
