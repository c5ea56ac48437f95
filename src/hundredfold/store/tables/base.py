"""What every table module shares: the metadata with its naming rules, and the id that counts up.

Conventions: `*_us` are UTC microseconds since the epoch; ids are those of `vocabulary.identity`; JSON columns
hold what no query filters on; large texts live in `blobs` files and only their digest stands here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, MetaData
from sqlalchemy.types import TypeDecorator

from hundredfold.store.shortkeys import lengthened, shortened

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = BigInteger().with_variant(Integer(), "sqlite")


class ShortKey(TypeDecorator[str]):
    """A column of texts that is stored shortened."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # noqa: D102
        return None if value is None else shortened(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: D102
        return None if value is None else lengthened(bytes(value))
