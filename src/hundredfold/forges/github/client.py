"""GitHub's REST API: calls as data, sent within its limits, and never twice what may count twice.

A request that reads, or that sets something to a value, is sent again after a 5xx or a lost connection. A
POST is not: whether it took effect is unknown then (`Uncertain`), and who sent it must look. Rate limits
are waited out for everybody who shares the client; beyond `patience_s` they are an error that says when to
come back. Changes are spaced by `pace_s`, as GitHub asks of integrations.

Why not a library: what may be repeated is the publisher's to decide, ETags belong into the same transaction
as the rows they stand for, and a dry run shows calls as data.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from hundredfold import __version__
from hundredfold.errors import ConfigError
from hundredfold.forges.github.auth import Auth
from hundredfold.forges.github.calls import Answer, Call, GitHubError, RateLimited, Shut, Uncertain
from hundredfold.forges.github.limits import Rate, pause, rate_of

if TYPE_CHECKING:
    import aiohttp

API = "https://api.github.com"
API_VERSION = "2022-11-28"
PAGE = 100
MAX_ANSWER = 64 * 1024 * 1024
MAX_PAGES = 10_000
TRIES = 5
TIMEOUT_S = 60.0


class Tally(Struct):
    """What a client has used so far."""

    requests: int = 0
    unchanged: int = 0
    retries: int = 0
    waited_s: float = 0.0


class GitHubClient:
    """Sends calls. One object for all that share a credential, within one event loop.

    Args:
        base_url: of the API; another one for GitHub Enterprise Server or a test. Plain http only to this
        machine. pace_s: least seconds between two changes. patience_s: longest single wait for a rate
        limit. backoff_s: the first pause after a fault; doubles with each.

    Raises:
        ConfigError: `base_url` is no address a credential may be sent to.
    """

    def __init__(
        self,
        auth: Auth,
        *,
        base_url: str = API,
        pace_s: float = 1.0,
        patience_s: float = 900.0,
        backoff_s: float = 1.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.base_url = checked_url(base_url)
        self.auth = auth
        self.tally = Tally()
        self.rate: Rate | None = None
        self._pace_s, self._patience_s, self._backoff_s = pace_s, patience_s, backoff_s
        self._clock, self._sleep = clock, sleep
        self._closed_until = 0.0
        self._next_change = 0.0
        self._random = random.SystemRandom()
        self._session: aiohttp.ClientSession | None = None
        self._login = ""

    async def send(self, call: Call, *, etag: str = "", most: int = MAX_ANSWER) -> Answer:
        """Send a call until it is answered, as the module says.

        Args:
            etag: answer 304 without a body if that is still what is there.
            most: bytes of an answer that are read.

        Raises:
            GitHubError: refused (`status` tells), or unreachable after `TRIES` tries.
            Uncertain: a change that may or may not have taken effect.
            RateLimited: a limit that lasts too long.
        """
        faults = limits = 0
        renewed = False
        while True:
            await self._turn(call)
            try:
                answer = await self._once(call, etag, most)
            except _Lost as lost:
                faults += 1
                if lost.sent and not call.safe_again:
                    raise Uncertain(f"{_named(call)}: {lost}; it may have taken effect") from lost
                if faults >= TRIES:
                    raise Shut(f"{_named(call)}: {lost}, {faults} times", _REACH) from lost
                await self._back_off(faults)
                continue
            if answer.status < 400:
                return answer
            said = _said(answer)
            wait = pause(answer.status, answer.headers, said, self._clock(), limits)
            if wait is not None:
                limits += 1
                self._close(call, wait, answer.status, limits)
                continue
            if answer.status == 401 and not renewed and await self.auth.renewed():
                renewed = True
                continue
            if answer.status >= 500:
                faults += 1
                if not call.safe_again:
                    raise Uncertain(
                        f"{_named(call)}: GitHub answered {answer.status}; it may have taken effect",
                        status=answer.status,
                    )
                if faults < TRIES:
                    await self._back_off(faults)
                    continue
            raise (Shut if answer.status == 401 else GitHubError)(
                f"{_named(call)}: GitHub answered {answer.status}: {said}",
                _MENDS.get(answer.status, ""),
                status=answer.status,
            )

    async def pages(self, call: Call, *, etag: str = "") -> AsyncIterator[Answer]:
        """Every page of a list, `PAGE` entries each unless the call says otherwise. `etag` is the first
        page's: if that is unchanged, its 304 is all there is.

        Raises:
            GitHubError: as `send`, or the pages do not end.
        """
        query = dict(call.query)
        query.setdefault("per_page", str(PAGE))
        page = msgspec.structs.replace(call, query=tuple(query.items()))
        for _ in range(MAX_PAGES):
            answer = await self.send(page, etag=etag)
            yield answer
            following = None if answer.unchanged else self._next(page, answer)
            if following is None:
                return
            page, etag = following, ""
        raise GitHubError(f"{_named(call)}: more than {MAX_PAGES} pages")

    async def entries(self, call: Call, key: str = "") -> AsyncIterator[dict[str, Any]]:
        """Every entry of every page; `key`: where an answer holds its list, if it is no list itself."""
        async for answer in self.pages(call):
            found = answer.json()
            for one in found[key] if key else found:
                yield one

    async def login(self) -> str:
        """The name our own comments bear; asked once."""
        self._login = self._login or await self.auth.login(self)
        return self._login

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self.auth.close()

    async def _turn(self, call: Call) -> None:
        """Wait until a limit is over, and for a change until its time has come."""
        while (wait := self._closed_until - self._clock()) > 0:
            self.tally.waited_s += wait
            await self._sleep(wait)
        if call.changes and self._pace_s > 0:
            now = self._clock()
            at = max(now, self._next_change)
            self._next_change = at + self._pace_s
            if at > now:
                await self._sleep(at - now)

    async def _once(self, call: Call, etag: str, most: int) -> Answer:
        import aiohttp

        headers = {
            "Accept": call.accept,
            "Authorization": await self.auth.authorization(),
            "X-GitHub-Api-Version": API_VERSION,
        }
        if etag:
            headers["If-None-Match"] = etag
        body = None
        if call.body is not None:
            body = msgspec.json.encode(call.body)
            headers["Content-Type"] = "application/json"
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=20.0),
                headers={"User-Agent": f"hundredfold/{__version__}"},
                trust_env=False,
            )
        self.tally.requests += 1
        try:
            # aiohttp drops Authorization where a redirect leads to another host, as logs' downloads do.
            async with self._session.request(
                call.method,
                self.base_url + call.target,
                headers=headers,
                data=body,
                allow_redirects=not call.changes,
            ) as answer:
                content = await _read(answer, most, _named(call))
                known = {name.lower(): value for name, value in answer.headers.items()}
        except aiohttp.ClientConnectorError as error:
            raise _Lost(f"GitHub can't be reached ({type(error).__name__})", sent=False) from error
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise _Lost(f"the connection failed ({type(error).__name__})", sent=True) from error
        if answer.status == 304:
            self.tally.unchanged += 1
        elif 300 <= answer.status < 400:
            raise GitHubError(
                f"{_named(call)}: GitHub says it is elsewhere now", _MOVED, status=answer.status
            )
        rate = rate_of(known)
        if rate is not None:
            self.rate = rate
            if rate.remaining == 0 and answer.status < 400:  # the next would be refused
                wait = min(max(0.0, rate.reset_s - self._clock()), self._patience_s)
                self._closed_until = max(self._closed_until, self._clock() + wait)
        return Answer(answer.status, known, content)

    async def _back_off(self, faults: int) -> None:
        self.tally.retries += 1
        await self._sleep(self._backoff_s * 2.0 ** (faults - 1) * self._random.uniform(0.5, 1.0))

    def _close(self, call: Call, wait: float, status: int, times: int) -> None:
        """Nobody sends before the limit is over."""
        until = self._clock() + wait
        if wait > self._patience_s or times > TRIES:
            raise RateLimited(
                f"{_named(call)}: a rate limit of GitHub for {wait:.0f} s", until, status=status
            )
        self.tally.retries += 1
        self._closed_until = max(self._closed_until, until)

    def _next(self, call: Call, answer: Answer) -> Call | None:
        """The page after this one, by the Link header, if it leads to the same API."""
        for part in answer.headers.get("link", "").split(","):
            address, _, relation = part.partition(">;")
            if relation.strip() != 'rel="next"':
                continue
            url = urlsplit(address.strip().removeprefix("<"))
            base = urlsplit(self.base_url)
            if (url.scheme, url.netloc) != (base.scheme, base.netloc):
                raise GitHubError(f"{_named(call)}: the next page is on another host")
            path = url.path.removeprefix(base.path)
            return msgspec.structs.replace(call, path=f"{path}?{url.query}" if url.query else path, query=())
        return None


class _Lost(Exception):
    """No answer came; `sent`: the request may have arrived."""

    def __init__(self, cause: str, *, sent: bool) -> None:
        super().__init__(cause)
        self.sent = sent


_REACH = "Is the network up, and [forge] base-url right?"
_MOVED = "Was the repository renamed? Put its new name into [forge] repository."
_MENDS = {
    401: "The token is wrong or has expired.",
    403: "The token may not do that: give it the permission, or approve again without that proposal.",
    404: "Does it exist, and may the token see it?",
}


def checked_url(base_url: str) -> str:
    """The base URL without a slash at its end.

    Raises:
        ConfigError: no http(s) URL, or plain http to another machine.
    """
    url = urlsplit(base_url)
    local = url.hostname in ("localhost", "::1") or (url.hostname or "").startswith("127.")
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query:
        raise ConfigError(f"{base_url[:200]!r} is no address of an API", f"Write it like {API}.")
    if url.scheme == "http" and not local:
        raise ConfigError(
            f"{base_url[:200]!r} would send the token in the clear", "Use https to another machine."
        )
    return base_url.rstrip("/")


async def _read(answer: aiohttp.ClientResponse, most: int, name: str) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_chunked(65536):
        parts.append(part)
        size += len(part)
        if size > most:
            raise GitHubError(f"{name}: the answer is longer than {most} bytes", status=answer.status)
    return b"".join(parts)


def _named(call: Call) -> str:
    return f"{call.method} {call.path.partition('?')[0]}"


def _said(answer: Answer) -> str:
    """GitHub's message and its first details, bounded and on one line."""
    try:
        found = msgspec.json.decode(answer.body)
        details = found.get("errors") or []
        more = [
            str(one.get("message") or one.get("code") or "") if isinstance(one, dict) else str(one)
            for one in details
        ]
        said = "; ".join(filter(None, (str(found.get("message", "")), *more[:3])))
    except (msgspec.DecodeError, AttributeError, TypeError):
        said = answer.body[:200].decode("utf-8", "replace")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())[:300]
