"""Compare the ledger with the provider's own log, request by request, token by token, to the picodollar.

A settled row must equal what was served. A row that is cut or unsettled is an interval, which must contain
what was billed. What was not billed must not be charged. Everything else is a difference, and is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook, Unpriced
from hundredfold.simulation.provider.log import LogLine
from hundredfold.store.database import Database
from hundredfold.store.tables.ledger import current_requests as current
from hundredfold.store.tables.ledger import routes
from hundredfold.usage.ledger import STATUSES
from hundredfold.vocabulary import RequestStatus, Tier, Usage

#: rows without a response id are paired with log lines by time, at most this far apart
PAIRING_WINDOW_US = 30_000_000

_TIERS: dict[str, Tier] = {"priority": "fast", "fast": "fast", "flex": "flex", "batch": "batch"}

Kind = Literal[
    "missing",  # billed by the provider, not in the ledger
    "invented",  # charged in the ledger, never billed
    "twice",  # two current rows for one response
    "tokens",
    "route",  # another model or tier than was served
    "money",
    "interval",  # the interval does not contain the truth
    "status",
]


class LedgerRow(Struct, frozen=True, kw_only=True):
    """A current ledger row with its route. `provider` is the family of its prices. For status cut and
    unsettled `usage` is the worst case and the floors the least."""

    provider: str
    key: str
    status: RequestStatus
    at_us: int
    model: str
    served_model: str
    tier: str
    served_tier: str
    usage: Usage
    floor_input: int = 0
    floor_output: int = 0
    http_status: int | None = None


class Difference(Struct, frozen=True):
    """One disagreement: what the log says and what the ledger says."""

    kind: Kind
    key: str
    log: str
    ledger: str


class Comparison(Struct, frozen=True, kw_only=True):
    """How ledger and log compare. Money is picodollars at list price by the served tier.

    `log_cost` counts priced requests only; `unpriced` says how many are not in it. The ledger's cost is an
    interval because of its cut and unsettled rows.
    """

    logged: int
    rows: int
    exact: int
    within: int
    not_billed: int
    unsent: int
    log_usage: Usage
    exact_usage: Usage
    log_cost: int
    ledger_least: int
    ledger_most: int
    unpriced: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing disagrees."""
        return not self.differences


def ledger_rows(database: Database, *, simulated: bool = True) -> list[LedgerRow]:
    """The current rows of all simulated (or all real) requests that came over the wire."""
    query = (
        sa.select(
            routes.c.provider,
            current.c.key,
            current.c.status,
            current.c.at_us,
            routes.c.model,
            routes.c.served_model,
            routes.c.tier,
            routes.c.served_tier,
            *(current.c[name] for name in Usage.__struct_fields__),
            sa.func.coalesce(current.c.floor_input, 0),
            sa.func.coalesce(current.c.floor_output, 0),
            current.c.http_status,
        )
        .join(routes, routes.c.id == current.c.route)
        .where(routes.c.simulated == sa.literal(simulated))
        .order_by(current.c.at_us)
    )
    with database.read() as connection:
        return [
            LedgerRow(
                provider=row[0],
                key=row[1],
                status=STATUSES[row[2]],
                at_us=row[3],
                model=row[4],
                served_model=row[5],
                tier=row[6],
                served_tier=row[7],
                usage=Usage(*row[8:14]),
                floor_input=row[14],
                floor_output=row[15],
                http_status=row[16],
            )
            for row in connection.execute(query)
        ]


def tier_of(served: str, asked: str = "") -> Tier:
    """The tier to bill: the one the answer names, else the one that was asked for."""
    return _TIERS.get(served or asked, "standard")


def compare(
    log: Iterable[LogLine], rows: Sequence[LedgerRow], book: PriceBook, *, prices: str = "openai"
) -> Comparison:
    """Compare a whole log with all its ledger rows. What no row names is priced as the family `prices`."""
    comparing = _Comparing(book, prices)
    lines = list(log)
    left = comparing.by_response([line for line in lines if line.usage is not None], rows)
    comparing.by_time(left)
    comparing.not_billed([line for line in lines if line.usage is None])
    comparing.rest()
    return comparing.result(lines, rows)


class _Comparing:
    def __init__(self, book: PriceBook, prices: str) -> None:
        self._book = book
        self._prices = prices
        self._open: dict[str, LedgerRow] = {}
        self._differences: list[Difference] = []
        self._exact = self._within = self._not_billed = self._unsent = self._unpriced = 0
        self._log_usage = self._exact_usage = Usage()
        self._log_cost = self._least = self._most = 0

    def by_response(self, billed: list[LogLine], rows: Sequence[LedgerRow]) -> list[LogLine]:
        """Compare what bears a response id; returns the billed lines that no row names."""
        for row in rows:
            if row.key in self._open:
                self._differ("twice", row.key, None, row)
            self._open[row.key] = row
        unnamed: list[LogLine] = []
        for line in billed:
            assert line.usage is not None
            self._log_usage += line.usage
            row_of_line = self._open.pop(line.response_id, None)
            if row_of_line is None:
                unnamed.append(line)
            else:
                self._pair(line, line.usage, row_of_line)
        return unnamed

    def by_time(self, unnamed: list[LogLine]) -> None:
        """Find each line's row among those without a response id: an interval, sent at that time."""
        for line in unnamed:
            assert line.usage is not None
            usage = line.usage
            row = self._nearest(
                line,
                (
                    row
                    for row in self._open.values()
                    if row.status in ("cut", "unsettled") and _contains(row, usage)
                ),
            )
            if row is None:
                self._price_line(line, usage, self._prices, line.at_us)
                self._differ("missing", line.response_id, line, None)
            else:
                self._pair(line, usage, self._open.pop(row.key))

    def not_billed(self, lines: list[LogLine]) -> None:
        """Each answer that billed nothing has a row which may be nothing."""
        # Those with a status of their own first: a silence may have become any error at the gateway.
        for line in sorted(lines, key=lambda line: line.status in (0, 200)):
            named = self._open.get(line.response_id)
            row = named or self._nearest(line, (r for r in self._open.values() if _may_be(r, line)))
            if row is None:
                self._differ("missing", line.response_id or f"request {line.seq}", line, None)
                continue
            del self._open[row.key]
            if _may_be_nothing(row):
                self._not_billed += 1
                self._most += self._worst(row)
            else:
                self._differ("invented", row.key, line, row)

    def rest(self) -> None:
        """Rows that no line belongs to: refused by us or never sent; anything else was invented."""
        for row in self._open.values():
            if _may_be_nothing(row):
                self._unsent += 1
                self._most += self._worst(row)
            else:
                self._differ("invented", row.key, None, row)

    def result(self, lines: list[LogLine], rows: Sequence[LedgerRow]) -> Comparison:
        return Comparison(
            logged=len(lines),
            rows=len(rows),
            exact=self._exact,
            within=self._within,
            not_billed=self._not_billed,
            unsent=self._unsent,
            log_usage=self._log_usage,
            exact_usage=self._exact_usage,
            log_cost=self._log_cost,
            ledger_least=self._least,
            ledger_most=self._most,
            unpriced=self._unpriced,
            differences=tuple(self._differences),
        )

    def _pair(self, line: LogLine, usage: Usage, row: LedgerRow) -> None:
        truth = self._price_line(line, usage, row.provider, row.at_us)
        if row.status == "settled":
            charged = self._cost(row, row.usage)
            self._least += charged or 0
            self._most += charged or 0
            if row.usage != usage:
                self._differ("tokens", row.key, line, row)
            elif row.served_model not in ("", line.served_model) or (
                row.served_tier and tier_of(row.served_tier) != tier_of(line.tier_served)
            ):
                self._differ("route", row.key, line, row)
            elif charged != truth:
                self._differ("money", row.key, line, row)
            else:
                self._exact += 1
                self._exact_usage += usage
        elif row.status in ("cut", "unsettled"):
            least, most = self._cheapest(row), self._worst(row)
            self._least += least
            self._most += most
            if not _contains(row, usage) or (truth is not None and not least <= truth <= most):
                self._differ("interval", row.key, line, row)
            else:
                self._within += 1
        else:
            self._differ("status", row.key, line, row)

    def _price_line(self, line: LogLine, usage: Usage, prices: str, at_us: int) -> int | None:
        cost = self._book.cost(
            prices=prices,
            model=line.served_model,
            tier=tier_of(line.tier_served),
            usage=usage,
            at_us=at_us,
        )
        if isinstance(cost, Unpriced):
            self._unpriced += 1
            return None
        self._log_cost += cost.picodollars
        return cost.picodollars

    def _cost(self, row: LedgerRow, usage: Usage) -> int | None:
        cost = self._book.cost(
            prices=row.provider,
            model=row.served_model or row.model,
            tier=tier_of(row.served_tier, row.tier),
            usage=usage,
            at_us=row.at_us,
        )
        return None if isinstance(cost, Unpriced) else cost.picodollars

    def _cheapest(self, row: LedgerRow) -> int:
        """The least a row may cost: its floor, with all of the input cached; 0 if that has no price."""
        floor = Usage(input=row.floor_input, cached=row.floor_input, output=row.floor_output)
        found = [
            self._cost(msgspec.structs.replace(row, served_tier=tier), floor) for tier in ("flex", "default")
        ]
        return min((cost for cost in found if cost is not None), default=0)

    def _worst(self, row: LedgerRow) -> int:
        if row.status not in ("cut", "unsettled"):
            return 0
        return max(
            self._book.worst_case(
                prices=row.provider,
                model=row.served_model or row.model,
                tier=tier,
                usage=row.usage,
                at_us=row.at_us,
            )
            for tier in {tier_of(row.served_tier, row.tier), tier_of(row.tier)}
        )

    def _nearest(self, line: LogLine, candidates: Iterable[LedgerRow]) -> LedgerRow | None:
        near = [
            row
            for row in candidates
            if row.model == line.model and abs(row.at_us - line.at_us) <= PAIRING_WINDOW_US
        ]
        return min(near, key=lambda row: (row.status != "error", abs(row.at_us - line.at_us)), default=None)

    def _differ(self, kind: Kind, key: str, line: LogLine | None, row: LedgerRow | None) -> None:
        self._differences.append(Difference(kind, key, _said(line), _said(row)))


def _contains(row: LedgerRow, usage: Usage) -> bool:
    return (
        row.floor_input <= usage.input <= row.usage.input
        and row.floor_output <= usage.output <= row.usage.output
    )


def _may_be_nothing(row: LedgerRow) -> bool:
    """Whether a row allows that nothing was billed."""
    if row.status == "settled":
        return row.usage == Usage()
    return row.floor_input == 0 and row.floor_output == 0


def _may_be(row: LedgerRow, line: LogLine) -> bool:
    """Whether a row without a response id may stand for this unbilled line."""
    if row.status == "error":
        return line.status in (0, 200) or row.http_status == line.status
    return row.status in ("cut", "unsettled")


def _said(record: LogLine | LedgerRow | None) -> str:
    return "nothing" if record is None else msgspec.json.encode(record).decode()
