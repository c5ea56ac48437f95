"""What the fleet may ask of a running gateway, over loopback and with the control secret."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from hundredfold.errors import StorageError
from hundredfold.gateway.poster import Poster
from hundredfold.gateway.tally import GatewayStatus, Tally, UpstreamStatus, prometheus_text
from hundredfold.gateway.upstreams import Provider


class Control:
    """Answers status, metrics, flush and stop."""

    def __init__(
        self,
        secret: str,
        fingerprint: str,
        tally: Tally,
        poster: Poster,
        providers: Mapping[str, Provider],
        stop: Callable[[], None],
    ) -> None:
        self._secret = secret
        self._fingerprint = fingerprint
        self._tally = tally
        self._poster = poster
        self._providers = providers
        self._stop = stop

    def allows(self, request: web.BaseRequest) -> bool:
        """Whether the caller knows the secret."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._secret.encode())

    async def answer(self, method: str, what: str) -> web.Response | None:
        """The answer to a control call; None if there is no such call."""
        match method, what:
            case "GET", "status":
                return _json(self.status())
            case "GET", "metrics":
                text = prometheus_text(self._tally, self.status())
                return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4"})
            case "POST", "flush":
                try:
                    await self._poster.flush()
                except StorageError as error:
                    return web.Response(status=503, text=f"{error}. {error.mend}".strip())
                return _json(self.status())
            case "POST", "stop":
                self._stop()
                return _json(self.status())
        return None

    def status(self) -> GatewayStatus:
        """How the gateway is doing."""
        by_status = self._tally.by_status()
        return GatewayStatus(
            pid=os.getpid(),
            fingerprint=self._fingerprint,
            in_flight=sum(one.in_flight for one in self._providers.values()),
            requests=by_status,
            refused=by_status.get("refused", 0),
            behind=not self._poster.caught_up,
            trouble=self._poster.trouble,
            upstreams={
                name: UpstreamStatus(
                    in_flight=one.in_flight,
                    throttled_until_s=one.throttled_until,
                    quota_exhausted=one.quota_exhausted,
                )
                for name, one in self._providers.items()
            },
        )


def _json(status: GatewayStatus) -> web.Response:
    return web.Response(body=msgspec.json.encode(status), content_type="application/json")
