"""What an item of this job is about: series that stepped at one range of commits, frozen when found."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.evidence.measures import Direction, changed, shown
from hundredfold.evidence.regressions import REACH, Examined, Group, levels_around

SHOWN_POINTS = 200  # of a series around its step
SHOWN_SERIES = 12  # of a group; the others are counted
PICTURES = 4


class Stepped(Struct, frozen=True):
    """One series that stepped: its newest values, where the step is in them, and how sure it is."""

    id: str
    suite: str
    name: str
    unit: str
    direction: Direction
    values: tuple[float, ...]
    at: int
    before: float
    after: float
    p: float
    sigma: float
    #: the values [begin, end) that the medians are of; end 0 = all
    begin: int = 0
    end: int = 0
    #: the last measured commit before the step and the first after it; "" = unknown
    last: str = ""
    first: str = ""

    @property
    def change(self) -> float:
        """Relative change: 0.05 is five per cent more."""
        return self.after / self.before - 1.0

    @property
    def label(self) -> str:
        """Suite and name."""
        return f"{self.suite}: {self.name}" if self.suite else self.name

    def line(self) -> str:
        """The step in one line."""
        return (
            f"{self.label}: {shown(self.before, self.unit)} → {shown(self.after, self.unit)} "
            f"({changed(self.after / self.before)}, noise {self.sigma:.1%}, p {self.p:.1g})"
        )


class Subject(Struct, frozen=True):
    """The payload of an item. Commits may be "" (unknown); `count` is of all series that stepped here."""

    before: str
    after: str
    at_us: int
    count: int
    series: tuple[Stepped, ...]

    @property
    def within(self) -> bool:
        """Whether both sides are of one commit: no change of the code can be why."""
        return bool(self.before) and self.before == self.after


def subject_of(group: Group, examined: dict[str, Examined]) -> Subject:
    """A group as it is kept in an item, the largest steps first."""
    ordered = sorted(group.alerts, key=lambda one: -abs(one.level.ratio - 1))
    stepped = []
    for alert in ordered[:SHOWN_SERIES]:
        one = examined[alert.series]
        begin = max(0, min(alert.level.index - SHOWN_POINTS // 2, len(one.points) - SHOWN_POINTS))
        low, high = (min(max(at - begin, 0), SHOWN_POINTS) for at in levels_around(one, alert.level.index))
        series = one.series
        assert series.direction is not None and one.noise is not None
        stepped.append(
            Stepped(
                id=series.id,
                suite=series.suite,
                name=series.name,
                unit=series.unit,
                direction=series.direction,
                values=tuple(point.value for point in one.points[begin : begin + SHOWN_POINTS]),
                at=alert.level.index - begin,
                before=alert.level.before,
                after=alert.level.after,
                p=alert.level.p,
                sigma=one.noise.sigma,
                begin=low,
                end=high,
                last=alert.last_before.commit,
                first=alert.first.commit,
            )
        )
    return Subject(
        group.before.commit, group.after.commit, group.after.at_us, len(group.alerts), tuple(stepped)
    )


def subject(payload: dict[str, Any]) -> Subject:
    """What `discover` put into an item."""
    return msgspec.convert(payload, Subject)


def anchor_of(group: Group, examined: dict[str, Examined], known: list[dict[str, Any]]) -> str:
    """What names a group for good: its first sighting's, if one of its series was seen to step about here.

    A boundary moves by a point or two as more points come; that must not make it a new regression. `known`
    are the `extra`s of earlier findings.
    """
    for alert in group.alerts:
        points = examined[alert.series].points
        for one in known:
            near = points[max(0, alert.level.index - REACH) : alert.level.index + REACH + 1]
            seen = int(one.get("at_us", 0))
            if alert.series in one.get("series", ()) and near[0].at_us <= seen <= near[-1].at_us:
                return str(one["anchor"])
    return f"{group.before.commit}..{group.after.commit or group.after.at_us}"
