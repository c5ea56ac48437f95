"""The HTTP side, on loopback: three APIs that create answers, streamed or not; token counts; models."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from hashlib import blake2b
from random import Random
from typing import Any

import msgspec
from aiohttp import web

from hundredfold.simulation.provider.answerers import final_answer
from hundredfold.simulation.provider.apis.chat import Chat
from hundredfold.simulation.provider.apis.messages import Messages
from hundredfold.simulation.provider.apis.protocol import Answer, Api, Refusal
from hundredfold.simulation.provider.apis.responses import Responses
from hundredfold.simulation.provider.faults import Dice, Minute, struck
from hundredfold.simulation.provider.log import Log, LogLine, Outcome
from hundredfold.simulation.provider.moves import Call, Move, Say, look_around, shortened
from hundredfold.simulation.provider.profile import Profile
from hundredfold.simulation.provider.request import Request
from hundredfold.simulation.provider.tokens import Counted, PromptCache, reasoning_of, tokens_of, usage_of
from hundredfold.vocabulary import Usage

LARGEST_BODY = 64 * 2**20
APIS: tuple[Api, ...] = (Responses(), Chat(), Messages())
MODELS = ("gpt-5.5", "gpt-5.6-sol", "gpt-5.3-codex", "claude-opus-5-5", "claude-sonnet-5-5")
FAST, FLEX, DEFAULT = "priority", "flex", "default"


_REFUSALS = {
    "throttled": Refusal(
        429, "throttled", "requests", "rate_limit_exceeded", "Rate limit reached for requests per min."
    ),
    "quota": Refusal(
        429, "quota", "insufficient_quota", "insufficient_quota", "You exceeded your current quota."
    ),
    "context": Refusal(
        400,
        "context",
        "invalid_request_error",
        "context_length_exceeded",
        "Your input exceeds the context window of this model.",
    ),
}
_OVERLOADED = "Our servers are currently overloaded. Please try again later."


class Provider:
    """One simulated account: its randomness, its prompt cache, its limits of the minute and its log."""

    def __init__(self, profile: Profile, log: Log, seed: int) -> None:
        self._profile = profile
        self._log = log
        self._dice = Dice(seed)
        self._cache = PromptCache()
        self._minute = Minute(profile.rate)
        # Response ids must never repeat, not even after a restart on the same seed and log.
        self._life = blake2b(f"{seed} {os.getpid()} {time.time_ns()}".encode(), digest_size=10).hexdigest()

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(client_max_size=LARGEST_BODY)
        for api in APIS:
            application.router.add_post(api.path, partial(self.answer, api))
        application.router.add_post("/v1/messages/count_tokens", self.count)
        application.router.add_get("/v1/models", self.models)
        return application

    async def models(self, _request: web.Request) -> web.Response:
        """The models that the simulation knows by name (it answers to any)."""
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in MODELS]
        return web.json_response({"object": "list", "data": listed})

    async def count(self, http: web.Request) -> web.Response:
        """How many tokens a message's request has. It bills nothing and is not logged."""
        try:
            counted = self._cache.count(Messages().read(await http.read()))
        except msgspec.DecodeError as error:
            refusal = Refusal(400, "invalid", "invalid_request_error", "invalid_request", str(error))
            status, body = Messages().refused(refusal)
            return web.Response(status=status, body=body, content_type="application/json")
        return web.json_response({"input_tokens": counted.input})

    async def answer(self, api: Api, http: web.Request) -> web.StreamResponse:
        """One model request, answered as the profile has it."""
        turn = _Turn(self._log.next_seq(), _now_us(), http.path, api)
        body = await http.read()
        turn.body_bytes = len(body)
        try:
            request = api.read(body)
        except msgspec.DecodeError as error:
            return self._refuse(
                turn, Refusal(400, "invalid", "invalid_request_error", "invalid_request", str(error))
            )
        turn.request = request
        key = request.key(self._dice.seed)
        random = self._dice.throw(key)
        fault = struck(self._profile.faults, random)
        turn.tier = self._tier(request.tier, wrong=fault == "wrong_tier")
        counted = self._cache.count(request)
        wait = self._minute.take(counted.input, asyncio.get_running_loop().time())
        if wait > 0:
            return self._refuse(turn, _REFUSALS["throttled"], retry_after=wait)
        turn.fault = fault
        if fault == "hang":
            return await self._hang(http, turn)
        await asyncio.sleep(self._profile.latency.first_byte_ms / 1000 * self._factor(turn.tier))
        if fault in _REFUSALS:
            return self._refuse(turn, _REFUSALS[fault])
        if fault == "server_error":
            return self._server_error(turn, random)
        turn.response_id = f"{api.prefix}{self._life}{turn.seq:08x}"
        if fault == "overloaded":
            return await self._overloaded(http, turn, request)
        move = self._move(request, key, random, turn)
        return await self._answer(http, turn, request, counted, move, random)

    def _move(self, request: Request, key: bytes, random: Random, turn: _Turn) -> Move:
        mind = self._profile.mind
        # Drawn from the prompt alone, so that every round of a conversation agrees on the number.
        whole = blake2b(request.prompt.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        low, high = mind.rounds
        wanted = low + (int.from_bytes(whole, "little") + self._dice.seed) % (high - low + 1)
        if request.rounds < wanted and not request.answered:
            call = look_around(request, random, patch=mind.patch)
            if call is not None:
                return call
        if request.answered and request.answer_tool:
            return Say("That is my answer.")
        fault = struck(self._profile.answers, random)
        turn.fault = turn.fault or fault
        said = final_answer(request, random, mind=mind, fault=fault)
        if request.answer_tool and fault in ("", "schema_break"):
            return Call("function", request.answer_tool, "", said.text)
        return said

    async def _answer(
        self,
        http: web.Request,
        turn: _Turn,
        request: Request,
        counted: Counted,
        move: Move,
        random: Random,
    ) -> web.StreamResponse:
        reasoning = reasoning_of(request.effort)
        move, incomplete = shortened(move, request.max_output_tokens, reasoning)
        visible = tokens_of(len((move.text if isinstance(move, Say) else move.arguments).encode()))
        output = reasoning + visible
        if incomplete and request.max_output_tokens is not None:
            output = request.max_output_tokens
        usage = usage_of(
            counted, output, reasoning, cache_writes=self._profile.cache_writes or request.writes
        )
        self._cache.remember(request, counted)
        turn.usage = usage
        turn.served_model = self._profile.served_models.get(request.model, request.model)
        answer = Answer(
            response_id=turn.response_id,
            model=turn.served_model,
            created=turn.at_us // 1_000_000,
            asked_tier=request.tier or "auto",
            tier=turn.tier if self._profile.tiers.named else None,
            moves=(move,),
            usage=None if turn.fault == "no_usage" else usage,
            effort=request.effort,
            max_output_tokens=request.max_output_tokens,
            incomplete=incomplete,
            told=request.told,
        )
        headers = {**self._minute.headers(), "x-request-id": f"req_{turn.seq}"}
        pace = self._profile.latency.tokens_per_second
        seconds = usage.output / pace * self._factor(turn.tier) if pace else 0.0
        if not request.stream:
            await asyncio.sleep(seconds)
            self._write(turn, 200, "served")
            body = turn.api.whole(answer)
            return web.Response(body=body, content_type="application/json", headers=headers)
        return await self._stream(http, turn, answer, headers, seconds, random)

    async def _stream(
        self,
        http: web.Request,
        turn: _Turn,
        answer: Answer,
        headers: dict[str, str],
        seconds: float,
        random: Random,
    ) -> web.StreamResponse:
        """Write the events in bursts; the log line comes before the last burst."""
        events = turn.api.events(answer)
        broken = turn.fault in ("cut", "hang_midway")
        # A broken stream ends before what says how it ended, at the earliest after its first event.
        until = random.randrange(1, len(events) - turn.api.tail + 1) if broken else len(events)
        bursts = _bursts(events[:until], self._profile.latency.bursts if seconds else 1)
        response = web.StreamResponse(headers={**headers, "content-type": "text/event-stream"})
        response.enable_chunked_encoding()
        ended: Outcome = "served"
        if broken:
            ended = "cut" if turn.fault == "cut" else "hang"
            turn.usage = _partly(turn.usage, until, len(events))
        try:
            await response.prepare(http)
            for burst in bursts[:-1]:
                await response.write(burst)
                await asyncio.sleep(seconds / len(bursts))
            self._write(turn, 200, ended)
            await response.write(bursts[-1])
            if broken:
                if ended == "hang":
                    await self._silence(http)
                _drop(http)
            else:
                await response.write_eof()
        except (ConnectionError, asyncio.CancelledError) as error:
            self._write(turn, 200, "abandoned")
            if isinstance(error, asyncio.CancelledError):
                raise
        return response

    async def _hang(self, http: web.Request, turn: _Turn) -> web.StreamResponse:
        self._write(turn, 0, "hang")
        await self._silence(http)
        _drop(http)
        return web.Response(status=504)

    async def _silence(self, http: web.Request) -> None:
        """Say nothing until the caller goes away, at most `hang_s`."""
        deadline = time.monotonic() + self._profile.hang_s
        while time.monotonic() < deadline:
            if http.transport is None or http.transport.is_closing():
                return
            await asyncio.sleep(0.5)

    async def _overloaded(self, http: web.Request, turn: _Turn, request: Request) -> web.StreamResponse:
        refusal = Refusal(503, "overloaded", "server_error", "server_is_overloaded", _OVERLOADED)
        body = turn.api.overloaded(turn.response_id, refusal) if request.stream else None
        if body is None:
            return self._refuse(turn, refusal)
        self._write(turn, 200, "overloaded")
        return web.Response(body=body, headers=self._minute.headers(), content_type="text/event-stream")

    def _server_error(self, turn: _Turn, random: Random) -> web.Response:
        status = random.choice((500, 502, 503))
        message = "The server had an error while processing your request."
        return self._refuse(turn, Refusal(status, "server_error", "server_error", "server_error", message))

    def _refuse(self, turn: _Turn, refusal: Refusal, retry_after: float = 0.0) -> web.Response:
        status, body = turn.api.refused(refusal)
        self._write(turn, status, refusal.outcome)
        headers = self._minute.headers()
        if refusal.outcome == "throttled":
            wait = max(retry_after, self._profile.retry_after_s)
            headers |= {"retry-after": f"{wait:.3f}", "retry-after-ms": f"{wait * 1000:.0f}"}
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)

    def _tier(self, asked: str, *, wrong: bool) -> str:
        tiers = self._profile.tiers
        if asked in (FAST, "fast"):
            served = FAST if tiers.fast else DEFAULT
        elif asked == FLEX:
            served = FLEX if tiers.flex else DEFAULT
        else:
            served = DEFAULT
        if wrong:
            return DEFAULT if served != DEFAULT else FAST
        return served

    def _factor(self, tier: str) -> float:
        latency = self._profile.latency
        return {FAST: latency.fast_factor, FLEX: latency.flex_factor}.get(tier, 1.0)

    def _write(self, turn: _Turn, status: int, outcome: Outcome) -> None:
        if turn.logged:  # a stream that was logged as served may still lose its caller at the last byte
            return
        turn.logged = True
        request = turn.request
        billed = outcome in ("served", "cut", "abandoned", "hang")
        self._log.write(
            LogLine(
                seq=turn.seq,
                at_us=turn.at_us,
                end_us=_now_us(),
                path=turn.path,
                status=status,
                outcome=outcome,
                fault=turn.fault,
                response_id=turn.response_id,
                model=request.model if request else "",
                served_model=turn.served_model,
                tier_requested=request.tier if request else "",
                tier_served=turn.tier if billed else "",
                usage=turn.usage if billed else None,
                prompt_cache_key=request.conversation if request else "",
                body_bytes=turn.body_bytes,
            )
        )


class _Turn:
    """What is known so far of the request under way; becomes its log line."""

    def __init__(self, seq: int, at_us: int, path: str, api: Api) -> None:
        self.seq = seq
        self.api = api
        self.at_us = at_us
        self.path = path
        self.body_bytes = 0
        self.request: Request | None = None
        self.fault = ""
        self.tier = ""
        self.response_id = ""
        self.served_model = ""
        self.usage: Usage | None = None
        self.logged = False


def _bursts(events: list[bytes], most: int) -> list[bytes]:
    size = max(1, -(-len(events) // most))
    return [b"".join(events[start : start + size]) for start in range(0, len(events), size)]


def _partly(usage: Usage | None, sent: int, events: int) -> Usage | None:
    """What a stream bills that broke after `sent` of its events: the whole input, its share of the output."""
    if usage is None:
        return None
    output = max(min(1, usage.output), usage.output * sent // events)
    return msgspec.structs.replace(usage, output=output, reasoning=min(usage.reasoning, output))


def _drop(http: web.Request) -> None:
    transport: Any = http.transport
    if transport is not None:
        transport.abort()


def _now_us() -> int:
    return time.time_ns() // 1000
