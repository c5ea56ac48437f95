"""OpenAI's organisation usage and costs APIs on loopback, as their reference describes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-admin-test"
DAY_S = 86_400
MOST = {"/v1/organization/usage/completions": 31, "/v1/organization/costs": 180}


class UsageApi:
    """What it knows, by day; `page_size` buckets of a page at most. `faults` are answered first."""

    def __init__(self) -> None:
        self.usage: dict[int, list[dict[str, Any]]] = {}
        self.costs: dict[int, list[dict[str, Any]]] = {}
        self.page_size = 7
        self.faults: list[tuple[int, dict[str, str]]] = []
        self.asked: list[dict[str, list[str]]] = []
        self.url = ""

    def answer(self, path: str, query: dict[str, list[str]], now: int) -> tuple[int, dict[str, Any]]:
        days = self.usage if "usage" in path else self.costs
        limit = int(query["limit"][0])
        if path not in MOST or query["bucket_width"] != ["1d"] or not 1 <= limit <= MOST[path]:
            return 400, {"error": {"message": "a parameter is not allowed"}}
        self.asked.append(query)
        first = int(query["start_time"][0]) // DAY_S
        every = list(range(first, now // DAY_S + 1))
        start = int(query.get("page", ["0"])[0].removeprefix("page_") or 0)
        shown = every[start : start + min(limit, self.page_size)]
        kind = "organization.usage.completions.result" if "usage" in path else "organization.costs.result"
        more = start + len(shown) < len(every)
        return 200, {
            "object": "page",
            "data": [
                {
                    "object": "bucket",
                    "start_time": day * DAY_S,
                    "end_time": (day + 1) * DAY_S,
                    "results": [{"object": kind, **one} for one in days.get(day, [])],
                }
                for day in shown
            ],
            "has_more": more,
            "next_page": f"page_{start + len(shown)}" if more else None,
        }


@contextmanager
def serving(api: UsageApi, now: int) -> Iterator[UsageApi]:
    """The API on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers: dict[str, str] = {}
            if self.headers["Authorization"] != f"Bearer {KEY}":
                status, body = 401, {"error": {"message": "Incorrect API key provided"}}
            elif api.faults:
                status, headers = api.faults.pop(0)
                body = {"error": {"message": "slow down"}}
            else:
                status, body = api.answer(parts.path, parse_qs(parts.query), now)
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
