"""One model request: sent, retried within bounds, and its errors told apart.

All attempts share one HTTP session. Answers are streamed: silence then means that nothing is happening, so a
stalled request is told from a slow one. It costs no more than asking for whole answers (1,000 attempts of
three requests: 1.44 against 1.38 CPU seconds), which are read too, for servers that do not stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

import aiohttp
import msgspec

from hundredfold.agents.native.response import (
    MOST_EVENT_BYTES,
    ApiError,
    EventStream,
    Failure,
    Response,
    api_error,
    read_failure,
)
from hundredfold.agents.protocol import Retrying
from hundredfold.refusals import pause_asked

#: tries of one request, the first included
_TRIES = {"throttled": 8, "provider": 5}
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 60.0
_MOST_ERROR_BYTES = 65536


class Stalled(Exception):
    """Nothing was heard from the provider for as long as silence is allowed."""


class Client:
    """Sends requests to the gateway. One object, one connection pool, for all attempts of a process."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._random = random.SystemRandom()

    async def create(
        self, url: str, body: bytes, *, stall_s: float, deadline: float, report: Callable[[Retrying], None]
    ) -> Response:
        """Send `body` to `url` + /responses until it is answered; `deadline` is a time of the event loop.

        Raises:
            ApiError: the provider's error, with retries used up where they make sense.
            Stalled: no byte within `stall_s` seconds.
        """
        tries: dict[str, int] = {}
        while True:
            try:
                return await self._once(url, body, stall_s)
            except ApiError as error:
                done = tries[error.kind] = tries.get(error.kind, 0) + 1
                if not error.retryable or done >= _TRIES.get(error.kind, 1):
                    raise
                delay = self._delay(done, error.retry_after_s)
                if asyncio.get_running_loop().time() + delay >= deadline:
                    raise
                report(Retrying(error.status, delay, str(error)))
            await asyncio.sleep(delay)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _delay(self, failures: int, retry_after_s: float | None) -> float:
        backoff = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** (failures - 1))
        jittered = backoff * self._random.uniform(0.5, 1.0)
        if retry_after_s is None:
            return jittered
        # Not before the provider said, and not all at the same moment.
        return retry_after_s + min(jittered, 0.25 * retry_after_s + 0.1)

    async def _once(self, url: str, body: bytes, stall_s: float) -> Response:
        if self._session is None:
            # As many connections as attempts: the fleet bounds those. Silence is bounded below.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"Content-Type": "application/json", "Authorization": "Bearer none"},
                auto_decompress=True,
                trust_env=False,
            )
        try:
            async with (
                asyncio.timeout(stall_s) as silence,
                self._session.post(
                    f"{url.rstrip('/')}/responses", data=body, allow_redirects=False
                ) as answer,
            ):
                silence.reschedule(asyncio.get_running_loop().time() + stall_s)
                if answer.status != 200:
                    said = read_failure(await answer.content.read(_MOST_ERROR_BYTES))
                    raise api_error(answer.status, said, pause_asked(answer.headers, time.time()))
                response = await self._read(answer, silence, stall_s)
        except TimeoutError as error:
            raise Stalled(f"nothing was heard for {stall_s:.0f} s") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            message = f"the connection failed: {error or type(error).__name__}"
            raise ApiError("provider", message, retryable=True) from error
        if response.status == "failed":
            raise api_error(None, response.error or Failure())
        return response

    async def _read(
        self, answer: aiohttp.ClientResponse, silence: asyncio.Timeout, stall_s: float
    ) -> Response:
        clock = asyncio.get_running_loop().time
        if answer.content_type != "text/event-stream":
            whole = bytearray()
            async for data in answer.content.iter_any():
                silence.reschedule(clock() + stall_s)
                whole += data
                if len(whole) > MOST_EVENT_BYTES:
                    raise ApiError("provider", f"the answer is longer than {MOST_EVENT_BYTES} bytes")
            try:
                return msgspec.json.decode(whole, type=Response)
            except msgspec.DecodeError as error:
                raise ApiError("provider", f"the answer can't be read: {error}", retryable=True) from error
        events = EventStream()
        async for data in answer.content.iter_any():
            silence.reschedule(clock() + stall_s)
            response = events.feed(data)
            if response is not None:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    await answer.content.read()  # to the end, so that the connection can be used again
                return response
        raise ApiError("provider", "the stream was cut before its end", retryable=True)
