"""One metered request: its intent before it is sent, exactly one row after, its reservation let go."""

from __future__ import annotations

import secrets
import time

from msgspec import Struct

from hundredfold.budgets.limits import Refusal, Reservation
from hundredfold.gateway.dialects.protocol import Prepared, Reading
from hundredfold.gateway.grants import Granted
from hundredfold.gateway.journal import Intent, Journal, Row
from hundredfold.gateway.limiting import Limiting
from hundredfold.gateway.settings import GatewayConfig, Upstream
from hundredfold.gateway.tally import Tally
from hundredfold.gateway.worth import cost, expected_usage, status_of, worst_usage
from hundredfold.prices.book import PriceBook
from hundredfold.store.database import now_us
from hundredfold.usage.pricing import billed_tier
from hundredfold.vocabulary import RequestStatus, Usage

MOST_NAME = 200  # characters of an id or model kept from the wire
#: the error of a request whose client went away
CLIENT_GONE = "client_gone"
_NOTHING = Usage()


class Books(Struct, frozen=True):
    """What every exchange is written to."""

    config: GatewayConfig
    prices: PriceBook
    journal: Journal
    limiting: Limiting
    tally: Tally


class Exchange:
    """From the moment the request is understood to its row."""

    def __init__(self, books: Books, granted: Granted, dialect: str, prepared: Prepared, size: int) -> None:
        told: Upstream = books.config.upstreams[granted.upstream]
        self._books = books
        self._granted = granted
        self._reservation: Reservation | None = None
        self._begun_s = time.monotonic()
        self._first_byte_ms: int | None = None
        self._expected = expected_usage(prepared, size, books.config.reserve_output)
        self.done = False
        self.intent = Intent(
            id=secrets.token_hex(12),
            at_us=now_us(),
            attempt=granted.number,
            project=granted.project,
            job=granted.job,
            agent=granted.agent,
            person=granted.person or books.config.person,
            payer=books.config.payer,
            cost_centre=books.config.cost_centre,
            upstream=granted.upstream,
            prices=told.prices,
            dialect=dialect,
            model=prepared.model[:MOST_NAME],
            tier=granted.tier,
            simulated=told.simulated,
            worst=worst_usage(books.prices, told.prices, prepared, size),
        )

    async def open(self) -> Refusal | None:
        """Reserve and write the intent; a refusal has its row already and nothing may be sent.

        Raises:
            StorageError: the limits can't be read or the intent can't be written; nothing may be sent.
        """
        intent = self.intent
        amount = self._books.prices.worst_case(
            prices=intent.prices,
            model=intent.model,
            tier=intent.tier,
            usage=self._expected,
            at_us=intent.at_us,
        )
        found = await self._books.limiting.reserve(self._granted, amount, intent.at_us)
        if isinstance(found, Refusal):
            self.refused(429, "limit")
            return found
        self._reservation = found
        try:
            self._books.journal.intend(intent)
        except BaseException:
            self._release(0)
            raise
        return None

    def refused(self, http_status: int, error: str) -> None:
        """The gateway does not let it out; there was no intent and nothing is reserved."""
        self._write(
            Row(intent=self.intent, status="refused", usage=Usage(), http_status=http_status, error=error)
        )

    def first_byte(self) -> None:
        """The provider's headers came."""
        self._first_byte_ms = self._elapsed_ms()

    def answered(self, http_status: int, reading: Reading) -> None:
        """The answer has said its last word, or ended without one."""
        status = status_of(http_status, reading)
        error = reading.failure
        if status == "cut" and not error:
            error = "usage_missing" if reading.complete else "stream_cut"
        elif status == "error" and not error:
            error = f"http_{http_status}"
        self._conclude(status, reading, http_status, error)

    def not_sent(self, http_status: int, error: str) -> None:
        """The provider could not be reached at all."""
        self._conclude("error", Reading(), http_status, error)

    def broken(self, http_status: int | None, reading: Reading, error: str) -> None:
        """It was sent, but its end will never be known: the provider or the client went away.

        Only where we hung up on a provider that was answering is what it said so far taken for the least: it
        may forgive what it could not deliver.
        """
        if reading.usage is not None:
            self._conclude("settled", reading, http_status, "")
        else:
            floor = reading.so_far if error == CLIENT_GONE and not reading.failure else None
            self._conclude("cut", reading, http_status, error, floor or _NOTHING)

    def _conclude(
        self,
        status: RequestStatus,
        reading: Reading,
        http_status: int | None,
        error: str,
        floor: Usage = _NOTHING,
    ) -> None:
        if self.done:
            return
        intent = self.intent
        usage = _NOTHING
        if status == "settled":
            usage = reading.usage or _NOTHING
        elif status == "cut":
            said = reading.so_far or _NOTHING
            usage = Usage(
                input=max(intent.worst.input, said.input), output=max(intent.worst.output, said.output)
            )
        tier = billed_tier(intent.tier, reading.served_tier)
        self._write(
            Row(
                intent=intent,
                status=status,
                usage=usage,
                floor=floor,
                response_id=reading.response_id[:MOST_NAME],
                served_model=reading.served_model[:MOST_NAME],
                served_tier=reading.served_tier[:MOST_NAME],
                http_status=http_status,
                error=error,
                first_byte_ms=self._first_byte_ms,
                total_ms=self._elapsed_ms(),
            )
        )
        self._release(
            cost(
                self._books.prices,
                intent.prices,
                reading.served_model or intent.model,
                tier,
                usage,
                status,
                intent.at_us,
            )
        )

    def _write(self, row: Row) -> None:
        self.done = True
        self._books.journal.conclude(row)
        self._books.tally.count(row)

    def _release(self, actual: int) -> None:
        if self._reservation is not None:
            self._books.limiting.settle(self._reservation, actual)
            self._reservation = None

    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - self._begun_s) * 1000)
