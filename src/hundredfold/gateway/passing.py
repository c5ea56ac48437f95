"""The wire itself: a call goes out, its answer comes back as it arrives, and nobody is waited for for ever.

A slow client slows the provider's stream down, through both sockets' buffers; nothing is piled up here.
"""

from __future__ import annotations

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDict

from hundredfold.gateway.bodies import opener
from hundredfold.gateway.dialects.protocol import Dialect, Reader, Reading
from hundredfold.gateway.exchange import Exchange
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

_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_BROKEN = (aiohttp.ClientError, ConnectionError)


class Call(Struct, frozen=True):
    """What goes out. `path` follows the provider's base URL; `headers` have no key yet."""

    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes

    async def send(self, provider: Provider) -> aiohttp.ClientResponse:
        """Send it; returns when the headers of the answer are there."""
        headers = self.headers.copy()
        headers["Accept-Encoding"] = "identity"
        provider.authorise(headers)
        return await provider.session.request(
            self.method,
            provider.url(self.path),
            headers=headers,
            data=self.body or None,
            allow_redirects=False,
        )


async def pass_exchange(
    request: web.BaseRequest, exchange: Exchange, provider: Provider, dialect: Dialect, call: Call
) -> web.StreamResponse:
    """Send an opened exchange and pass its answer on. Every way out of here leaves its row."""
    answer: aiohttp.ClientResponse | None = None
    response: web.StreamResponse | None = None
    reading, status = Reading(), None
    provider.in_flight += 1
    try:
        answer = await call.send(provider)
        exchange.first_byte()
        status = answer.status
        reader = dialect.reader(status, answer.headers.get("Content-Type", ""))
        reading = reader.reading
        response = await _begin(request, answer)
        await _pass_body(answer, response, exchange, reader)
        return response
    except _NOT_SENT:
        exchange.not_sent(502, "unreachable")
        return error_response(
            502, "server_error", "provider_unreachable", f"The provider {provider.name} can't be reached."
        )
    except TimeoutError:
        exchange.broken(status or 504, reading, "silence")
        if response is not None:
            return _hang_up(request, response)
        message = f"The provider {provider.name} did not answer in time."
        return error_response(504, "server_error", "provider_timeout", message)
    except _BROKEN:
        gone = request.transport is None or request.transport.is_closing()
        exchange.broken(status or 502, reading, "client_gone" if gone else "stream_cut")
        if response is not None:
            return _hang_up(request, response)
        message = f"The provider {provider.name} closed the connection without an answer."
        return error_response(502, "server_error", "provider_disconnected", message)
    finally:
        # Not done by now: the client went away and this task was cancelled, or the gateway ends.
        exchange.broken(status, reading, "client_gone")
        provider.in_flight -= 1
        if answer is not None:
            provider.heard(answer.status, answer.headers, reading.failure)
            answer.close()


async def pass_unmetered(request: web.BaseRequest, provider: Provider, call: Call) -> web.StreamResponse:
    """Pass on a call that uses no tokens."""
    response: web.StreamResponse | None = None
    try:
        answer = await call.send(provider)
        try:
            response = await _begin(request, answer)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        finally:
            answer.close()
    except (*_BROKEN, TimeoutError):
        if response is not None:
            return _hang_up(request, response)
        message = f"The provider {provider.name} can't be reached."
        return error_response(502, "server_error", "provider_unreachable", message)
    return response


def error_response(status: int, kind: str, code: str, message: str) -> web.Response:
    """An error of the gateway's own, in the shape that OpenAI's clients show."""
    body = {"error": {"message": message, "type": kind, "code": code, "param": None}}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


async def _begin(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = CIMultiDict(answer.headers)
    named = headers.get("Connection", "").lower().replace(" ", "").split(",")
    for name in (*HOP_BY_HOP, *filter(None, named)):
        headers.popall(name, None)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    return response


async def _pass_body(
    answer: aiohttp.ClientResponse, response: web.StreamResponse, exchange: Exchange, reader: Reader
) -> None:
    """Pass the body on. A stream's chunks go on at once; of a body that is read at its end the last chunk
    waits for the row."""
    readable = opener(answer.headers.get("Content-Encoding", "").strip().lower())
    held = b""
    async for chunk in answer.content.iter_any():
        if readable is not None:
            reader.feed(readable(chunk))
        if not reader.streams:
            held, chunk = chunk, held
        elif reader.reading.complete and not exchange.done:
            exchange.answered(answer.status, reader.reading)
        if chunk:
            await response.write(chunk)
    reader.end()
    exchange.answered(answer.status, reader.reading)
    if held:
        await response.write(held)
    await response.write_eof()


def _hang_up(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """End a connection in the middle, so that the client sees a cut answer as cut."""
    if request.transport is not None:
        request.transport.close()
    return response
