"""The HTTP side of the simulated forge: the API below `/api/v3`, git over HTTP, downloads, webhooks.

An API request is met in this order: fault, token, rate limits, handler, ETag. What is answered is told to the
hub's observers, who may check it against GitHub's description.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import uuid
from typing import Any

import aiohttp
from aiohttp import web

from hundredfold.simulation.forge import operations, smarthttp
from hundredfold.simulation.forge.api.actions import job_log, run_archive
from hundredfold.simulation.forge.api.call import Call, Operation, Refused, Reply
from hundredfold.simulation.forge.faults import Fault
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.identity import actor_of
from hundredfold.simulation.forge.pushes import moved

DOCS = "https://docs.github.com/rest"
LARGEST_BODY = 256 * 2**20
DELIVERY_TICK_S, DELIVERY_TIMEOUT_S = 0.02, 10.0
ANSWERS_KEPT = 5_000


class Server:
    """Serves one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._before: dict[str, tuple[str, bytes]] = {}  # what an address answered last, for `stale`

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(client_max_size=LARGEST_BODY)
        router = application.router
        router.add_route("*", "/api/v3/{tail:.*}", self.api)
        router.add_get("/_downloads/{kind}/{owner}/{repo}/{number}", self.download)
        router.add_get("/_simulated/requests", self.requests)
        router.add_route("*", "/{owner}/{repo}.git/{tail:.*}", smarthttp.handler(self._hub))
        application.cleanup_ctx.append(self._deliveries)
        return application

    # ------------------------------------------------------------------ the API

    async def api(self, http: web.Request) -> web.StreamResponse:
        """One request to the API."""
        from urllib.parse import unquote

        path = "/" + unquote(http.rel_url.raw_path).removeprefix("/api/v3/").rstrip("/")
        raw = await http.read()
        fault = self._hub.faults.strike(http.method, path)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        lost = fault if fault is not None and fault.kind in ("bad_gateway", "cut") else None
        if fault is not None and (refused := self._struck(fault)) is not None:
            return self._log(http, path, "", refused, "", fault, applied=False)
        if lost is not None and not lost.after:
            return self._lose(http, path, "", lost, applied=False)
        stale = self._before.get(str(http.rel_url)) if fault is not None and fault.kind == "stale" else None
        if stale is not None:
            return self._log(http, path, "", _bytes(200, *stale), "", fault, applied=False)
        response, operation, token, applied = self._answer(http, path, raw)
        if lost is not None:
            return self._lose(http, path, operation, lost, applied=applied)
        return self._log(http, path, operation, response, token, fault, applied=applied)

    def _answer(self, http: web.Request, path: str, raw: bytes) -> tuple[web.Response, str, str, bool]:
        """The response, the operation's name, the token, and whether a handler succeeded."""
        hub, now = self._hub, self._hub.clock()
        found = operations.find(http.method, path)
        name = found[0].name if found else ""
        try:
            actor = actor_of(hub, http.headers.get("Authorization", ""))
        except Refused as error:
            return self._json(name, b"", _error(error), {}), name, "", False
        token = actor.token if actor else ""
        resource = "search" if path.startswith("/search/") else "core"
        free = path == "/rate_limit"
        window = hub.meter.window(token, resource, now)
        limits = {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Reset": str(int(window.resets)),
            "X-RateLimit-Resource": resource,
        }
        if not free and window.left == 0:
            headers = limits | {"X-RateLimit-Remaining": "0", "X-RateLimit-Used": str(window.used)}
            refused = Refused(403, f"API rate limit exceeded for {actor.login if actor else 'your address'}.")
            return self._json(name, raw, _error(refused), headers), name, token, False
        wait = hub.meter.secondary(token, http.method, content=bool(found and found[0].content), now=now)
        if wait > 0:
            reply = _secondary(wait)
            return self._json(name, raw, reply, limits), name, token, False
        window.used += not free
        account = hub.meter.account(token)
        account.running += 1
        try:
            reply = self._handled(
                found,
                Call(hub, actor, name, path, {}, dict(http.query), {}, http.headers.get("Accept", "")),
                raw,
            )
        finally:
            account.running -= 1
        applied = reply.status < 300
        response = self._conditional(http, name, raw, reply)
        if response.status == 304 and actor is not None:
            window.used -= not free
        limits |= {"X-RateLimit-Remaining": str(window.left), "X-RateLimit-Used": str(window.used)}
        response.headers.update(limits)
        return response, name, token, applied

    def _handled(self, found: tuple[Operation, dict[str, str]] | None, call: Call, raw: bytes) -> Reply:
        if found is None:
            return _error(Refused(404, "Not Found"))
        operation, call.params = found
        try:
            call.body = _object(raw)
            return operation.handler(call)
        except Refused as error:
            return _error(error)

    def _conditional(self, http: web.Request, name: str, raw: bytes, reply: Reply) -> web.Response:
        response = self._json(name, raw, reply, {})
        if http.method != "GET" or reply.status != 200 or not isinstance(response.body, bytes):
            return response
        etag = f'W/"{hashlib.sha256(response.body).hexdigest()[:40]}"'
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
        if len(self._before) < ANSWERS_KEPT or str(http.rel_url) in self._before:
            self._before[str(http.rel_url)] = (etag, response.body)
        if http.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        return response

    def _json(self, name: str, raw: bytes, reply: Reply, headers: dict[str, str]) -> web.Response:
        for observer in self._hub.observers:
            observer(name, raw, reply.status, reply.body)
        body = reply.body
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        kind = {
            "Content-Type": f"{reply.content_type}; charset=utf-8"
            if body is not None and "charset" not in reply.content_type
            else reply.content_type
        }
        return web.Response(
            status=reply.status,
            body=body,
            headers={
                "X-GitHub-Media-Type": "github.v3; format=json",
                "X-GitHub-Api-Version-Selected": "2022-11-28",
                "X-GitHub-Request-Id": uuid.uuid4().hex[:20].upper(),
                **(kind if body is not None else {}),
                **reply.headers,
                **headers,
            },
        )

    # ------------------------------------------------------------------ faults

    def _struck(self, fault: Fault) -> web.Response | None:
        if fault.kind == "forbidden":
            return self._json("", b"", _error(Refused(403, "Resource not accessible by integration")), {})
        if fault.kind in ("secondary", "throttled"):
            reply = _secondary(fault.seconds)
            reply.status = 403 if fault.kind == "secondary" else 429
            return self._json("", b"", reply, {})
        if fault.kind == "gone":
            full_name, _, branch = fault.branch.partition(":")
            repo = self._hub.find_repo(*full_name.split("/"))
            if repo is not None and (old := repo.git.ref(f"refs/heads/{branch}")) is not None:
                repo.git.delete_ref(f"refs/heads/{branch}")
                moved(self._hub, repo, f"refs/heads/{branch}", old, None, "ghost")
        return None

    def _lose(
        self, http: web.Request, path: str, operation: str, fault: Fault, *, applied: bool
    ) -> web.StreamResponse:
        if fault.kind == "bad_gateway":
            page = web.Response(
                status=502, text="<html><body>502 Bad Gateway</body></html>", content_type="text/html"
            )
            return self._log(http, path, operation, page, "", fault, applied=applied)
        self._hub.write_log(http.method, path, operation, 0, "", fault.kind, applied=applied)
        transport: Any = http.transport
        if transport is not None:
            transport.abort()
        return web.Response(status=500)

    def _log(
        self,
        http: web.Request,
        path: str,
        operation: str,
        response: web.Response,
        token: str,
        fault: Fault | None,
        *,
        applied: bool,
    ) -> web.Response:
        kind = fault.kind if fault is not None else ""
        self._hub.write_log(http.method, path, operation, response.status, token, kind, applied=applied)
        return response

    # ------------------------------------------------------------------ what is not the API

    async def download(self, http: web.Request) -> web.Response:
        """A job's log, a run's logs or an artifact, where a redirect led."""
        where = http.match_info
        repo = self._hub.find_repo(where["owner"], where["repo"])
        content = _downloaded(repo, where["kind"], int(where["number"])) if repo is not None else None
        self._hub.write_log("GET", http.path, "download", 200 if content else 404, "", "", applied=True)
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def requests(self, _http: web.Request) -> web.Response:
        """How many requests were answered, by operation and status."""
        counts: dict[str, int] = {}
        for line in self._hub.log:
            key = f"{line.operation or line.path} {line.status}"
            counts[key] = counts.get(key, 0) + 1
        return web.json_response({"simulated": True, "total": self._hub.requests, "by": counts})

    async def _deliveries(self, _application: web.Application) -> Any:
        """Deliver queued webhooks in the background."""
        task = asyncio.create_task(self._deliver())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _deliver(self) -> None:
        timeout = aiohttp.ClientTimeout(total=DELIVERY_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                while self._hub.outbox:
                    event, payload = self._hub.outbox.pop(0)
                    for hook in list(self._hub.hooks):
                        body = json.dumps(payload).encode()
                        try:
                            async with session.post(
                                hook.url, data=body, headers=signed(event, body, hook.secret)
                            ):
                                pass
                        except (aiohttp.ClientError, TimeoutError):
                            continue  # GitHub does not deliver again by itself either
                await asyncio.sleep(DELIVERY_TICK_S)


def signed(event: str, body: bytes, secret: str, delivery: str = "") -> dict[str, str]:
    """The headers of a webhook delivery, with its signature."""
    mark = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/simulated",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-GitHub-Hook-ID": "1",
        "X-Hub-Signature-256": f"sha256={mark}",
    }


def _downloaded(repo: Repo, kind: str, number: int) -> bytes | None:
    runs = repo.workflow_runs.values()
    if kind == "logs":
        return next((job_log(job) for run in runs for job in run.jobs if job.id == number), None)
    if kind == "archives":
        return run_archive(repo.workflow_runs[number]) if number in repo.workflow_runs else None
    return next((one.content for run in runs for one in run.artifacts if one.id == number), None)


def _object(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(400, "Problems parsing JSON") from error
    if isinstance(body, list):  # labels may be sent as a bare list
        return {"labels": body}
    if not isinstance(body, dict):
        raise Refused(400, "Body should be a JSON object")
    return body


def _error(error: Refused) -> Reply:
    body: dict[str, Any] = {"message": error.message, "documentation_url": DOCS, "status": str(error.status)}
    if error.errors is not None:
        body["errors"] = error.errors
    return Reply(error.status, body)


def _secondary(wait: float) -> Reply:
    reply = _error(
        Refused(
            403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        )
    )
    reply.headers["Retry-After"] = str(max(0, round(wait)))
    return reply


def _bytes(status: int, etag: str, body: bytes) -> web.Response:
    return web.Response(
        status=status, body=body, headers={"ETag": etag, "Content-Type": "application/json; charset=utf-8"}
    )
