"""GitHub's rate limits: the primary one of each hour and resource, and the secondary ones of each minute.

Figures: docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api (2022-11-28).
"""

from __future__ import annotations

from dataclasses import dataclass, field

HOUR_S, MINUTE_S = 3600, 60


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a token may do; 0 = without limit. A read costs 1 of the minute's points, a write 5."""

    core: int = 5000
    search: int = 30  # a minute
    anonymous: int = 60
    points_per_minute: int = 900
    content_per_minute: int = 80
    concurrent: int = 100


GITHUB = Limits()
#: for tests that are about something else
UNLIMITED = Limits(core=1_000_000, search=1_000_000, points_per_minute=0, content_per_minute=0, concurrent=0)


@dataclass(slots=True)
class Window:
    """A count that starts anew when its time is over."""

    limit: int
    seconds: int
    resets: float = 0.0
    used: int = 0

    def renew(self, now: float) -> None:
        """Start anew if the time is over."""
        if now >= self.resets:
            self.used, self.resets = 0, now + self.seconds

    @property
    def left(self) -> int:
        """How much is left."""
        return max(0, self.limit - self.used)


@dataclass(slots=True)
class Account:
    """What one token has used."""

    core: Window
    search: Window
    points: Window
    content: Window
    running: int = 0
    refused: int = 0


@dataclass(slots=True)
class Meter:
    """Counts every token's requests against the limits."""

    limits: Limits
    accounts: dict[str, Account] = field(default_factory=dict)

    def account(self, token: str) -> Account:
        """The account of a token ("" = anonymous)."""
        if token not in self.accounts:
            one = self.limits
            self.accounts[token] = Account(
                Window(one.core if token else one.anonymous, HOUR_S),
                Window(one.search, MINUTE_S),
                Window(one.points_per_minute, MINUTE_S),
                Window(one.content_per_minute, MINUTE_S),
            )
        return self.accounts[token]

    def window(self, token: str, resource: str, now: float) -> Window:
        """The primary window of a resource ("core" or "search")."""
        account = self.account(token)
        found = account.search if resource == "search" else account.core
        found.renew(now)
        return found

    def secondary(self, token: str, method: str, *, content: bool, now: float) -> float:
        """Count a request against the secondary limits: 0 if it may pass, else the seconds to wait."""
        account = self.account(token)
        account.points.renew(now)
        account.content.renew(now)
        cost = 1 if method in ("GET", "HEAD", "OPTIONS") else 5
        for window, amount in ((account.points, cost), (account.content, int(content))):
            if window.limit and amount and window.used + amount > window.limit:
                account.refused += 1
                return max(1.0, window.resets - now)
        if self.limits.concurrent and account.running >= self.limits.concurrent:
            account.refused += 1
            return 1.0
        account.points.used += cost
        account.content.used += int(content)
        return 0.0
