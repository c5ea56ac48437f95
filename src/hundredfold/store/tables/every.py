"""The metadata with every table in it: what migrations compare with. A new table module is named here."""

from __future__ import annotations

from hundredfold.store.tables import (
    benchmarks,
    experiments,
    imports,
    ledger,
    mirror,
    notices,
    outcomes,
    record,
    similarity,
    work,
)
from hundredfold.store.tables.base import metadata

TOPICS = (work, ledger, record, outcomes, benchmarks, imports, mirror, notices, experiments, similarity)

__all__ = ["TOPICS", "metadata"]
