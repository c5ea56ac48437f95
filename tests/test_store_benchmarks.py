"""Measurements are kept once, in one unit a series, and given back in order of time."""

from __future__ import annotations

from pathlib import Path

from hundredfold.store.benchmarks import Measured, keep, of_project
from hundredfold.store.database import Database
from hundredfold.store.items import keep_project


def measured(at: int, value: float, unit: str = "ns", name: str = "a", commit: str = "c") -> Measured:
    return Measured("suite", name, unit, "customSmallerIsBetter", value, at, commit)


def test_a_measurement_is_kept_once_and_the_series_is_in_order(database: Database) -> None:
    keep_project(database, "p", Path("/p"))
    assert keep(database, "p", [measured(3, 3.0), measured(1, 1.0)]) == 2
    assert keep(database, "p", [measured(1, 99.0), measured(2, 2.0)]) == 1
    (series,) = of_project(database, "p")
    assert [(one.at_us, one.value) for one in series.points] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert series.direction == "smaller"
    assert [one.at_us for one in of_project(database, "p", newest=2)[0].points] == [2, 3]


def test_another_unit_of_the_same_kind_continues_a_series_and_another_kind_begins_one(
    database: Database,
) -> None:
    keep_project(database, "p", Path("/p"))
    keep(database, "p", [measured(1, 2.0, "µs"), measured(2, 2100.0, "ns"), measured(3, 7.0, "widgets")])
    nanoseconds, widgets = of_project(database, "p")
    assert [one.value for one in nanoseconds.points] == [2000.0, 2100.0]
    assert [one.value for one in widgets.points] == [7.0]


def test_projects_are_apart_and_text_is_storable(database: Database) -> None:
    for project in ("p", "q"):
        keep_project(database, project, Path("/") / project)
    keep(database, "p", [measured(1, 1.0, name="a\0\ud800")])
    assert of_project(database, "q") == []
    assert len(of_project(database, "p")) == 1
