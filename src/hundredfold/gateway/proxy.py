"""Forwarding: a request goes out as it came, but for key and tier; its answer comes back byte for byte.

The order of things is what makes the meter exact: the intent is on disk before the request goes out, and the
row before the bytes that end the answer are handed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict

from hundredfold.budgets.limits import Refusal
from hundredfold.errors import StorageError
from hundredfold.gateway.bodies import TooLarge, UnknownEncoding, opened
from hundredfold.gateway.dialects.protocol import BadRequest, Dialect
from hundredfold.gateway.exchange import Books, Exchange
from hundredfold.gateway.grants import Granted
from hundredfold.gateway.passing import HOP_BY_HOP, Call, error_response, pass_exchange, pass_unmetered
from hundredfold.gateway.upstreams import Provider
from hundredfold.prices.money import dollars_text

MOST_BODY_BYTES = 64 * 1024 * 1024
MOST_IN_FLIGHT = 2048
UPLOAD_S = 120.0

_NOT_SENT_ON = HOP_BY_HOP | {"host", "authorization", "accept-encoding", "content-length", "expect"}


class Proxy:
    """Forwards the calls of attempts."""

    def __init__(
        self, books: Books, providers: Mapping[str, Provider], dialects: tuple[Dialect, ...]
    ) -> None:
        self._books = books
        self._providers = providers
        self._dialects = dialects

    async def forward(self, request: web.BaseRequest, granted: Granted, path: str) -> web.StreamResponse:
        """Forward one call. `path` follows the API's base URL."""
        provider = self._providers.get(granted.upstream)
        if provider is None:
            return error_response(503, "server_error", "unknown_upstream", "This provider is not configured.")
        for dialect in self._dialects:
            if dialect.metered(request.method, path):
                return await self._metered(request, granted, provider, dialect, path)
            if dialect.free(request.method, path):
                return await pass_unmetered(request, provider, _call(request, path, b""))
        return error_response(
            404, "invalid_request_error", "not_metered", f"The gateway can't meter {request.method} {path}."
        )

    async def _metered(
        self, request: web.BaseRequest, granted: Granted, provider: Provider, dialect: Dialect, path: str
    ) -> web.StreamResponse:
        if sum(one.in_flight for one in self._providers.values()) >= MOST_IN_FLIGHT:
            return error_response(503, "server_error", "gateway_busy", "Too many requests are in flight.")
        try:
            async with asyncio.timeout(UPLOAD_S):
                raw = await request.read()
            encoding = request.headers.get("Content-Encoding", "").strip().lower()
            plain = opened(raw, encoding, MOST_BODY_BYTES)
            prepared = dialect.prepare(plain, granted.tier)
        except (TooLarge, web.HTTPRequestEntityTooLarge):
            message = f"A request may be {MOST_BODY_BYTES:,} bytes at most."
            return error_response(413, "invalid_request_error", "request_too_large", message)
        except TimeoutError:
            return error_response(408, "invalid_request_error", "slow_request", "The request did not arrive.")
        except (BadRequest, UnknownEncoding) as error:
            message = f"The gateway can't meter this request: {error}."
            return error_response(400, "invalid_request_error", "bad_request", message)
        if prepared.body is plain:
            call = _call(request, path, raw)
        else:  # it was opened to set the tier, and goes out open
            call = _call(request, path, prepared.body)
            call.headers.pop("Content-Encoding", None)
        exchange = Exchange(self._books, granted, dialect.name, prepared, len(plain))
        try:
            refusal = await exchange.open()
        except StorageError as error:
            return error_response(503, "server_error", "gateway_storage", f"{error}. {error.mend}")
        if refusal is not None:
            return _over_the_limit(refusal)
        return await pass_exchange(request, exchange, provider, dialect, call)


def _call(request: web.BaseRequest, path: str, body: bytes) -> Call:
    named = {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
    headers = CIMultiDict(
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in _NOT_SENT_ON and name.lower() not in named
    )
    query = request.rel_url.raw_query_string
    return Call(request.method, f"{path}?{query}" if query else path, headers, body)


def _over_the_limit(refusal: Refusal) -> web.Response:
    """A 429 that clients take for a used-up quota, and so do not retry."""
    limit = refusal.limit
    window = {"day": "of this UTC day", "month": "of this UTC month", "ever": "in all"}[limit.window]
    message = (
        f"Hundredfold's limit {window} for {limit.scope} is {dollars_text(limit.picodollars)}: "
        f"{dollars_text(refusal.spent)} is spent, {dollars_text(refusal.held)} reserved for requests in "
        f"flight, and this request would reserve {dollars_text(refusal.wanted)}. "
        "Raise it under [budgets] in hundredfold.toml."
    )
    return error_response(429, "insufficient_quota", "insufficient_quota", message)
