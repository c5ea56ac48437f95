"""The wire itself: a call goes out, its answer comes back as it arrives, and nobody is waited for for ever.

A slow client slows the provider's stream down, through both sockets' buffers; nothing is piled up here.
"""

from __future__ import annotations

import time

import aiohttp
from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDict

from hundredfold.gateway.bodies import opener
from hundredfold.gateway.dialects.protocol import Dialect, Prepared, Problem, Reader, Reading
from hundredfold.gateway.exchange import CLIENT_GONE, Exchange
from hundredfold.gateway.upstreams import Provider

#: RFC 9110 7.6.1: these are about one connection and are not passed on
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

LONGEST_EXCHANGE_S = 6 * 3600.0
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_BROKEN = (aiohttp.ClientError, ConnectionError)


class Call(Struct, frozen=True):
    """What goes out. `path` follows the provider's base URL; `headers` have no key yet."""

    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes

    async def send(self, provider: Provider, dialect: Dialect) -> aiohttp.ClientResponse:
        """Send it; returns when the headers of the answer are there."""
        headers = self.headers.copy()
        headers["Accept-Encoding"] = "identity"
        provider.authorise(headers, dialect)
        return await provider.session.request(
            self.method,
            provider.url(self.path),
            headers=headers,
            data=self.body or None,
            allow_redirects=False,
        )


async def pass_exchange(
    request: web.BaseRequest,
    exchange: Exchange,
    provider: Provider,
    dialect: Dialect,
    prepared: Prepared,
    call: Call,
) -> web.StreamResponse:
    """Send an opened exchange and pass its answer on. Every way out of here leaves its row."""
    answer: aiohttp.ClientResponse | None = None
    response: web.StreamResponse | None = None
    reading, status = Reading(), None
    provider.in_flight += 1
    try:
        answer = await call.send(provider, dialect)
        exchange.first_byte()
        status = answer.status
        reader = dialect.reader(prepared, status, answer.headers.get("Content-Type", ""))
        reading = reader.reading
        response = await _begin(request, answer, reader.withholds)
        await _pass_body(answer, response, exchange, reader)
        return response
    except _NOT_SENT:
        exchange.not_sent(502, "unreachable")
        return error_response(dialect, _unreachable(provider))
    except TimeoutError:
        exchange.broken(status or 504, reading, "silence")
        if response is not None:
            return _hang_up(request, response)
        message = f"The provider {provider.name} did not answer in time."
        return error_response(dialect, Problem(504, "server_error", "provider_timeout", message))
    except _BROKEN:
        gone = request.transport is None or request.transport.is_closing()
        exchange.broken(status or 502, reading, CLIENT_GONE if gone else "stream_cut")
        if response is not None:
            return _hang_up(request, response)
        message = f"The provider {provider.name} closed the connection without an answer."
        return error_response(dialect, Problem(502, "server_error", "provider_disconnected", message))
    finally:
        # Not done by now: the client went away and this task was cancelled, or the gateway ends.
        exchange.broken(status, reading, CLIENT_GONE)
        provider.in_flight -= 1
        if answer is not None:
            provider.heard(answer.status, answer.headers, reading.failure)
            answer.close()


async def pass_unmetered(
    request: web.BaseRequest, provider: Provider, dialect: Dialect, call: Call
) -> web.StreamResponse:
    """Pass on a call that uses no tokens."""
    response: web.StreamResponse | None = None
    until_s = time.monotonic() + LONGEST_EXCHANGE_S
    try:
        answer = await call.send(provider, dialect)
        try:
            response = await _begin(request, answer, False)
            async for chunk in answer.content.iter_any():
                _in_time(until_s)
                await response.write(chunk)
            await response.write_eof()
        finally:
            answer.close()
    except (*_BROKEN, TimeoutError):
        if response is not None:
            return _hang_up(request, response)
        return error_response(dialect, _unreachable(provider))
    return response


def error_response(dialect: Dialect, problem: Problem) -> web.Response:
    """An error of the gateway's own, in the shape that the dialect's clients show."""
    status, body = dialect.shaped(problem)
    # The makers' own client libraries obey this header; others go by status and code.
    headers = {"x-should-retry": "false"} if problem.final else None
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _unreachable(provider: Provider) -> Problem:
    message = f"The provider {provider.name} can't be reached."
    return Problem(502, "server_error", "provider_unreachable", message)


async def _begin(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, withholds: bool
) -> web.StreamResponse:
    headers = CIMultiDict(answer.headers)
    named = headers.get("Connection", "").lower().replace(" ", "").split(",")
    for name in (*HOP_BY_HOP, *filter(None, named)):
        headers.popall(name, None)
    if withholds:
        headers.popall("Content-Length", None)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    return response


async def _pass_body(
    answer: aiohttp.ClientResponse, response: web.StreamResponse, exchange: Exchange, reader: Reader
) -> None:
    """Pass the body on. A stream's chunks go on at once; of a body that is read at its end the last chunk
    waits for the row. An answer in a content encoding, though none was asked for, is passed whole."""
    until_s = time.monotonic() + LONGEST_EXCHANGE_S
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    readable, plain = opener(encoding), encoding in ("", "identity")
    held = b""
    async for chunk in answer.content.iter_any():
        _in_time(until_s)
        if plain:
            chunk = reader.feed(chunk)
        elif readable is not None:
            reader.feed(readable(chunk))
        if not reader.streams:
            held, chunk = chunk, held
        elif reader.reading.complete and not exchange.done:
            exchange.answered(answer.status, reader.reading)
        if answer.content.at_eof():
            held = chunk + held  # in one write with what ends the answer
        elif chunk:
            await response.write(chunk)
    rest = reader.end()
    if plain:
        held += rest
    exchange.answered(answer.status, reader.reading)
    await response.write_eof(held)


def _in_time(until_s: float) -> None:
    """Checked as bytes come: a timer of each exchange costs more, and silence has its own limit.

    Raises:
        TimeoutError: the exchange has taken too long.
    """
    if time.monotonic() > until_s:
        raise TimeoutError


def _hang_up(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """End a connection in the middle, so that the client sees a cut answer as cut."""
    if request.transport is not None:
        request.transport.close()
    return response
