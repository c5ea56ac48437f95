"""One connection to an app-server: JSON messages over a WebSocket over a Unix socket.

Calls are matched to their answers, notifications handed at once to whoever listens to their thread. Messages
bear no `jsonrpc` field; the server's own requests (approvals, sign-ins) are all refused: an attempt has
nobody to ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Raw, Struct

import hundredfold

CALL_S = 60.0
_CONNECT_S = 10.0
_MOST_MESSAGE_BYTES = 64 * 1024 * 1024
_OVERLOADED = -32001
_OVERLOADED_TRIES = 8
_NO_SUCH_METHOD = -32601

#: what is told in many small pieces and again as a whole when it is done
_NOT_WANTED = (
    "item/agentMessage/delta",
    "item/plan/delta",
    "item/reasoning/textDelta",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/summaryPartAdded",
    "item/fileChange/outputDelta",
    "item/fileChange/patchUpdated",
    "turn/diff/updated",
    "account/rateLimits/updated",
)

Listener = Callable[[str, Raw], None]


class Disconnected(Exception):
    """The connection is gone: the server died, or closed it."""


class CallFailed(Exception):
    """The server answered a call with an error, or not in time (`code` is None)."""

    def __init__(self, method: str, code: int | None, message: str) -> None:
        super().__init__(f"{method}: {message}")
        self.code = code


class _Error(Struct):
    code: int = 0
    message: str = ""


class _Message(Struct):
    id: int | str | None = None
    method: str | None = None
    params: Raw = Raw(b"{}")
    result: Raw = Raw(b"{}")
    error: _Error | None = None


class _Addressed(Struct, rename="camel"):
    thread_id: str = ""


_message = msgspec.json.Decoder(_Message)
_addressed = msgspec.json.Decoder(_Addressed)


class Connection:
    """An initialised connection; made by `connect`."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Raw]] = {}
        self._listeners: dict[str, Listener] = {}
        #: done once nothing more will be heard
        self.closed = asyncio.ensure_future(self._read())

    async def call(self, method: str, params: dict[str, Any], *, timeout_s: float = CALL_S) -> Raw:
        """Call and wait for the answer; "overloaded" is waited out and tried again within bounds.

        Raises:
            CallFailed: the server refused, or did not answer within `timeout_s` seconds.
            Disconnected: the connection ended first.
        """
        for tried in itertools.count(1):
            try:
                return await self._call(method, params, timeout_s)
            except CallFailed as error:
                if error.code != _OVERLOADED or tried >= _OVERLOADED_TRIES:
                    raise
            await asyncio.sleep(min(5.0, 0.1 * 2.0**tried) * random.uniform(0.5, 1.0))  # noqa: S311
        raise AssertionError("unreachable")

    def listen(self, thread: str, listener: Listener) -> None:
        """Hand this thread's notifications to `listener`, which must be quick and not raise."""
        self._listeners[thread] = listener

    def forget(self, thread: str) -> None:
        """Stop listening to the thread."""
        self._listeners.pop(thread, None)

    async def close(self) -> None:
        """Close the connection; what runs in the server goes on."""
        self.closed.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.closed
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(1.0):
                await self._socket.close()
        await self._session.close()

    async def _call(self, method: str, params: dict[str, Any], timeout_s: float) -> Raw:
        if self.closed.done():
            raise Disconnected(method)
        number = next(self._ids)
        answer: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout_s):
                await self._send({"id": number, "method": method, "params": params})
                return await answer
        except TimeoutError:
            raise CallFailed(method, None, f"no answer within {timeout_s:.0f} s") from None
        except _Refused as refused:
            raise CallFailed(method, refused.error.code, refused.error.message) from None
        finally:
            self._waiting.pop(number, None)

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            await self._socket.send_str(msgspec.json.encode(message).decode())
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            raise Disconnected(str(error)) from error

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                with contextlib.suppress(msgspec.DecodeError, Disconnected):
                    await self._heard(_message.decode(message.data))
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(Disconnected("the connection ended"))
            self._waiting.clear()

    async def _heard(self, message: _Message) -> None:
        if message.method is None:
            answer = self._waiting.get(message.id) if isinstance(message.id, int) else None
            if answer is None or answer.done():
                return
            if message.error is not None:
                answer.set_exception(_Refused(message.error))
            else:
                answer.set_result(message.result)
        elif message.id is not None:
            refusal = {"code": _NO_SUCH_METHOD, "message": "nobody can be asked"}
            await self._send({"id": message.id, "error": refusal})
        elif listener := self._listeners.get(_addressed.decode(message.params).thread_id):
            listener(message.method, message.params)


class _Refused(Exception):
    def __init__(self, error: _Error) -> None:
        super().__init__(error.message)
        self.error = error


async def connect(socket: Path) -> Connection:
    """Connect to the server that listens at `socket` and introduce ourselves.

    Raises:
        Disconnected: nobody listens there (yet), or it does not speak our protocol.
    """
    folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        # The kernel takes no path over 107 bytes for a socket, and a user's data folder may lie deep.
        connector = aiohttp.UnixConnector(f"/proc/self/fd/{folder}/{socket.name}")
        session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        try:
            async with asyncio.timeout(_CONNECT_S):
                web = await session.ws_connect("ws://localhost/", max_msg_size=_MOST_MESSAGE_BYTES)
        except (aiohttp.ClientError, OSError) as error:
            await session.close()
            raise Disconnected(f"{socket}: {error}") from error
        except BaseException:
            await session.close()
            raise
    finally:
        os.close(folder)
    connection = Connection(session, web)
    try:
        await connection.call(
            "initialize",
            {
                "clientInfo": {"name": "hundredfold", "version": hundredfold.__version__},
                "capabilities": {"experimentalApi": True, "optOutNotificationMethods": list(_NOT_WANTED)},
            },
            timeout_s=_CONNECT_S,
        )
        await connection._send({"method": "initialized"})
    except CallFailed as error:
        await connection.close()
        raise Disconnected(str(error)) from error
    except BaseException:
        await connection.close()
        raise
    return connection
