"""A Discord webhook on loopback that enforces the documented limits and refuses what Discord would refuse.

Limits: https://discord.com/developers/docs/resources/message and /topics/rate-limits. Its clock may run
faster than the real one, so that minutes of waiting take a test seconds.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

PATH = "/api/webhooks/1234567890/secret-token"


class DiscordServer:
    """What the server saw. `violations` are requests over a rate limit, `refused` bad payloads."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.messages: dict[str, dict[str, Any]] = {}
        self.pictures: dict[str, bytes] = {}
        self.edits = 0
        self.requests = 0
        self.violations = 0
        self.refused: list[str] = []
        #: statuses to answer with instead, one a request; 0 = close the connection
        self.faults: deque[int] = deque()
        #: as above, but after the message was taken
        self.late_faults: deque[int] = deque()
        self.url = ""
        self._seen: deque[float] = deque(maxlen=100)

    def now(self) -> float:
        """Seconds of the server's clock."""
        return time.monotonic() * self.speed

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any call to the webhook."""
        self.requests += 1
        body, files = await _read(request)
        fault = self.faults.popleft() if self.faults else None
        if fault == 0:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault == 429:
            return web.json_response({"retry_after": 1.5, "global": False}, status=429)
        if fault is not None:
            return web.json_response({"message": f"fault {fault}"}, status=fault)
        wait = self._over_the_limit()
        if wait:
            self.violations += 1
            return web.json_response(
                {"message": "You are being rate limited.", "retry_after": wait, "global": False}, status=429
            )
        self._seen.append(self.now())
        message = request.match_info.get("message", "")
        if message and message not in self.messages:
            return web.json_response({"message": "Unknown Message", "code": 10008}, status=404)
        if request.method == "DELETE":
            del self.messages[message]
            return web.Response(status=204)
        why = problem(body, files)
        if why:
            self.refused.append(why)
            return web.json_response({"message": why, "code": 50035}, status=400)
        self.edits += bool(message)
        message = message or str(10**18 + len(self.messages) + self.requests)
        self.messages[message] = body
        for content in files.values():
            self.pictures[message] = content
        if self.late_faults and self.late_faults.popleft() == 0:
            assert request.transport is not None
            request.transport.close()
        left = max(0, 5 - sum(one > self.now() - 2 for one in self._seen))
        return web.json_response(
            {"id": message},
            headers={"X-RateLimit-Remaining": str(left), "X-RateLimit-Reset-After": "2.0"},
        )

    def _over_the_limit(self) -> float:
        now = self.now()
        for count, seconds in ((5, 2.0), (30, 60.0)):
            inside = [one for one in self._seen if one > now - seconds]
            if len(inside) >= count:
                return round(inside[-count] + seconds - now + 0.01, 3)
        return 0.0


def problem(body: Any, files: dict[str, bytes]) -> str:
    """Why Discord would not take a message, or what this program promises never to send; "" if it is fine."""
    if not isinstance(body, dict):
        return "not an object"
    if body.get("allowed_mentions") != {"parse": []}:
        return "allowed_mentions is not closed"
    text = json.dumps(body, ensure_ascii=False)
    if any(one in text for one in ("@everyone", "@here", "<@", "<#", "<t:", "</")):
        return "a mention"
    embeds = body.get("embeds", [])
    if len(str(body.get("content", ""))) > 2000 or len(embeds) > 10:
        return "too long"
    if not embeds and not body.get("content") and not files:
        return "empty message"
    total = 0
    for embed in embeds:
        for key, most in (("title", 256), ("description", 4096)):
            size = len(str(embed.get(key, "")).encode("utf-16-le")) // 2
            total += size
            if size > most:
                return f"{key} is too long"
        if len(embed.get("fields", [])) > 25:
            return "too many fields"
        image = embed.get("image", {}).get("url", "")
        names = {one.get("filename") for one in body.get("attachments", [])}
        if image.startswith("attachment://") and (image[13:] not in names or not files):
            return "the picture is not attached"
    if total > 6000:
        return "embeds are too long together"
    if len(files) > 10 or any(not one.startswith(b"\x89PNG") for one in files.values()):
        return "bad files"
    return ""


async def _read(request: web.Request) -> tuple[Any, dict[str, bytes]]:
    if not request.content_type.startswith("multipart/"):
        raw = await request.read()
        return (json.loads(raw) if raw else None), {}
    form = await request.post()
    body: Any = None
    files = {}
    for name, value in form.items():
        if isinstance(value, web.FileField):
            files[name] = value.file.read()
        elif name == "payload_json":  # with a type of its own it is bytes
            body = json.loads(value)
    return body, files


@contextmanager
def discord_server(speed: float = 1.0) -> Iterator[DiscordServer]:
    """The server on a thread of its own; `url` is the webhook's."""
    server = DiscordServer(speed)
    loop = asyncio.new_event_loop()
    app = web.Application(client_max_size=30 * 2**20)
    app.router.add_route("POST", PATH, server.handle)
    app.router.add_route("PATCH", PATH + "/messages/{message}", server.handle)
    app.router.add_route("DELETE", PATH + "/messages/{message}", server.handle)
    runner = web.AppRunner(app)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    server.url = f"http://127.0.0.1:{port}{PATH}"
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
