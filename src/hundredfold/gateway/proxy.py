"""Forwarding: a request goes out as it came, but for key and tier; its answer comes back byte for byte.
(Where the gateway must ask for usage that the client did not ask for, it keeps that report to itself.)

The order of things is what makes the meter exact: the intent is on disk before the request goes out, and the
row before the bytes that end the answer are handed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from hundredfold.budgets.limits import Refusal
from hundredfold.errors import StorageError
from hundredfold.gateway.bodies import TooLarge, UnknownEncoding, opened
from hundredfold.gateway.dialects.protocol import BadRequest, Dialect, Prepared, Problem
from hundredfold.gateway.dialects.responses import Responses
from hundredfold.gateway.exchange import MOST_NAME, Books, Exchange
from hundredfold.gateway.grants import Granted
from hundredfold.gateway.passing import HOP_BY_HOP, Call, error_response, pass_exchange, pass_unmetered
from hundredfold.gateway.upstreams import Provider
from hundredfold.prices.money import dollars_text

MOST_BODY_BYTES = 64 * 1024 * 1024
MOST_IN_FLIGHT = 2048
UPLOAD_S = 120.0

_NOT_SENT_ON = HOP_BY_HOP | {
    "host",
    "authorization",
    "x-api-key",
    "accept-encoding",
    "content-length",
    "expect",
}


_UNKNOWN = Responses()  # shapes the errors of calls that belong to no dialect


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
        dialect = self._dialect(request, path)
        if dialect is None:
            problem = f"The gateway can't meter {request.method} {path}."
            return self.failed(
                request, path, Problem(404, "invalid_request_error", "not_metered", problem, final=True)
            )
        provider = self._providers.get(granted.upstream)
        if provider is None:
            message = f"The provider {granted.upstream} is not configured."
            return error_response(dialect, Problem(503, "server_error", "unknown_upstream", message))
        if sum(one.in_flight for one in self._providers.values()) >= MOST_IN_FLIGHT:
            message = "Too many requests are in flight."
            return error_response(dialect, Problem(503, "server_error", "gateway_busy", message))
        try:
            async with asyncio.timeout(None if request.content.is_eof() else UPLOAD_S):
                raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return error_response(dialect, _TOO_LARGE)
        except TimeoutError:
            message = "The request did not arrive."
            return error_response(dialect, Problem(408, "invalid_request_error", "slow_request", message))
        call = _call(request, path, raw)
        if not dialect.metered(request.method, path):
            self._books.tally.unmetered[granted.upstream] += 1
            return await pass_unmetered(request, provider, dialect, call)
        return await self._metered(request, granted, provider, dialect, call)

    def failed(self, request: web.BaseRequest, path: str, problem: Problem) -> web.Response:
        """An error in the shape of the API that was called."""
        return error_response(self._dialect(request, path) or _UNKNOWN, problem)

    def _dialect(self, request: web.BaseRequest, path: str) -> Dialect | None:
        for dialect in self._dialects:
            if dialect.metered(request.method, path) or dialect.free(request.method, path, request.headers):
                return dialect
        return None

    async def _metered(
        self, request: web.BaseRequest, granted: Granted, provider: Provider, dialect: Dialect, call: Call
    ) -> web.StreamResponse:
        try:
            encoding = request.headers.get("Content-Encoding", "").strip().lower()
            plain = opened(call.body, encoding, MOST_BODY_BYTES)
            prepared = dialect.prepare(plain, granted.tier)
        except TooLarge:
            return error_response(dialect, _TOO_LARGE)
        except (BadRequest, UnknownEncoding) as error:
            message = f"The gateway can't meter this request: {error}."
            return error_response(
                dialect, Problem(400, "invalid_request_error", "bad_request", message, True)
            )
        for name, value in prepared.headers:
            call.headers[name] = ",".join((*call.headers.getall(name, ()), value))
        if prepared.body is not plain:  # it was opened to be changed, and goes out open
            call = msgspec.structs.replace(call, body=prepared.body)
            call.headers.pop("Content-Encoding", None)
        exchange = Exchange(self._books, granted, dialect.name, prepared, len(plain))
        if not granted.covers(prepared.model):
            exchange.refused(400, "model")
            return error_response(dialect, _another_model(granted, prepared))
        try:
            refusal = await exchange.open()
        except StorageError as error:
            return error_response(dialect, storage_problem(error))
        if refusal is not None:
            return error_response(dialect, _over_the_limit(refusal))
        return await pass_exchange(request, exchange, provider, dialect, prepared, call)


def _call(request: web.BaseRequest, path: str, body: bytes) -> Call:
    named = {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
    headers = CIMultiDict(
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in _NOT_SENT_ON and name.lower() not in named
    )
    query = request.rel_url.raw_query_string
    return Call(request.method, f"{path}?{query}" if query else path, headers, body)


_TOO_LARGE = Problem(
    413,
    "invalid_request_error",
    "request_too_large",
    f"A request may be {MOST_BODY_BYTES:,} bytes at most.",
    final=True,
)


def storage_problem(error: StorageError) -> Problem:
    """The gateway can't read or write what it must: nothing goes out unmetered."""
    return Problem(503, "server_error", "gateway_storage", f"{error}. {error.mend}")


def _another_model(granted: Granted, prepared: Prepared) -> Problem:
    message = (
        f"This attempt's route is the model {granted.model}; the gateway does not let it call "
        f"{prepared.model[:MOST_NAME]}. Set the route's model in hundredfold.toml, or the agent's."
    )
    return Problem(400, "invalid_request_error", "model_not_granted", message, final=True)


def _over_the_limit(refusal: Refusal) -> Problem:
    """What clients take for a used-up quota, and so do not retry."""
    limit = refusal.limit
    window = {"day": "of this UTC day", "month": "of this UTC month", "ever": "in all"}[limit.window]
    message = (
        f"Hundredfold's limit {window} for {limit.scope} is {dollars_text(limit.picodollars)}: "
        f"{dollars_text(refusal.spent)} is spent, {dollars_text(refusal.held)} reserved for requests in "
        f"flight, and this request would reserve {dollars_text(refusal.wanted)}. "
        "Raise it under [budgets] in hundredfold.toml."
    )
    return Problem(429, "insufficient_quota", "insufficient_quota", message, final=True)
