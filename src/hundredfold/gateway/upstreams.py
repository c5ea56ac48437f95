"""The providers as the gateway sees them: a connection pool, the key, and how long each asked for a pause."""

from __future__ import annotations

import time
from collections.abc import Mapping

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from hundredfold.gateway.dialects.protocol import Dialect
from hundredfold.gateway.settings import GatewayConfig, Upstream
from hundredfold.refusals import QUOTA_CODES, pause_asked

CONNECT_S = 30.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
#: what asks for a pause; 529 is Anthropic's "overloaded"
THROTTLES = frozenset({429, 529})


class Provider:
    """One upstream and its state."""

    def __init__(self, name: str, told: Upstream, key: str, silence_s: float) -> None:
        self.name = name
        self.told = told
        self.in_flight = 0
        #: epoch seconds until which it asked for a pause; 0: it did not
        self.throttled_until = 0.0
        self.quota_exhausted = False
        self._key = key
        self._base_url = told.base_url.rstrip("/")
        self._throttles = 0
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=silence_s)
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool of connections; no cookies, no proxies of the environment, bytes as they come."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Content-Type", "Accept-Encoding"),
            )
        return self._session

    def url(self, path_and_query: str) -> URL:
        """The address of a call, as it is: nothing is quoted anew."""
        return URL(self._base_url + path_and_query, encoded=True)

    def authorise(self, headers: CIMultiDict[str], dialect: Dialect) -> None:
        """Put the key in. It goes to this provider's base URL alone: redirects are not followed."""
        if self._key:
            name, value = dialect.credentials(self._key)
            headers[name] = value

    def heard(self, status: int, headers: Mapping[str, str], code: str) -> None:
        """Learn from an answer: a throttle's pause, a used-up quota, or that all is well."""
        if status >= 400 and code in QUOTA_CODES:
            self.quota_exhausted = True
        elif status in THROTTLES:
            self._throttles += 1
            asked = pause_asked(headers, time.time())
            backoff = FIRST_PAUSE_S * 2.0 ** min(self._throttles - 1, 8)
            pause = min(asked if asked is not None else backoff, LONGEST_PAUSE_S)
            self.throttled_until = max(self.throttled_until, time.time() + pause)
        elif status < 400 and not code:
            self._throttles = 0
            self.quota_exhausted = False

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def providers(config: GatewayConfig, environment: Mapping[str, str]) -> dict[str, Provider]:
    """All upstreams with their keys, read once."""
    keys = config.keys(environment)
    return {
        name: Provider(name, told, keys[name], config.first_byte_seconds)
        for name, told in config.upstreams.items()
    }
