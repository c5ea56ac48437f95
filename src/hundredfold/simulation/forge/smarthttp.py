"""git over HTTP: `git http-backend` behind the forge's own tokens. A push moves what hangs on the refs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from aiohttp import web

from hundredfold.simulation.forge.api.call import Refused
from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.identity import actor_of
from hundredfold.simulation.forge.pushes import moved, show_heads

_ASK = {"WWW-Authenticate": 'Basic realm="GitHub"'}


def handler(hub: Hub) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler of `/{owner}/{repo}.git/…`."""

    async def handle(http: web.Request) -> web.StreamResponse:
        where = http.match_info
        repo = hub.find_repo(where["owner"], where["repo"])
        pushes = "receive-pack" in (http.query.get("service", "") + where["tail"])
        operation = f"git {'push' if pushes else 'fetch'}"
        try:
            actor = actor_of(hub, http.headers.get("Authorization", ""))
        except Refused:
            return _logged(hub, http, operation, web.Response(status=401, headers=_ASK))
        if actor is None and (pushes or (repo is not None and repo.private)):
            return _logged(hub, http, operation, web.Response(status=401, headers=_ASK))
        if repo is None:
            return _logged(hub, http, operation, web.Response(status=404))
        if pushes and actor is not None and not actor.may("contents", "write"):
            return _logged(hub, http, operation, web.Response(status=403, text="Permission denied"))
        fault = hub.faults.strike("PUSH" if pushes else "FETCH", http.path)
        if fault is not None and fault.kind in ("bad_gateway", "forbidden"):
            status = 502 if fault.kind == "bad_gateway" else 403
            return _logged(hub, http, operation, web.Response(status=status))
        login = actor.login if actor is not None else ""
        before = repo.git.refs() if pushes else {}
        if not pushes and http.method == "GET":
            show_heads(repo)
        response = await _backend(repo, http, where["tail"], login)
        if pushes and http.method == "POST":
            after = repo.git.refs()
            for ref in sorted(before.keys() | after.keys()):
                if before.get(ref) != after.get(ref):
                    moved(hub, repo, ref, before.get(ref), after.get(ref), login)
        return _logged(hub, http, operation, response)

    return handle


def _logged(hub: Hub, http: web.Request, operation: str, response: web.Response) -> web.Response:
    hub.write_log(http.method, http.path, operation, response.status, "", "", applied=response.status < 300)
    return response


async def _backend(repo: Repo, http: web.Request, tail: str, login: str) -> web.Response:
    """One request as CGI, see git-http-backend(1)."""
    body = await http.read()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repo.git.folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_PROJECT_ROOT": str(repo.git.folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{tail}",
        "REQUEST_METHOD": http.method,
        "QUERY_STRING": http.query_string,
        "CONTENT_TYPE": http.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": "",  # aiohttp has unpacked it
        "GIT_PROTOCOL": http.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
        **({"REMOTE_USER": login} if login else {}),
    }
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(body)
    head, _, content = output.partition(b"\r\n\r\n")
    status, headers = 200, {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        elif value:
            headers[name] = value.strip()
    return web.Response(status=status, headers=headers, body=content)
