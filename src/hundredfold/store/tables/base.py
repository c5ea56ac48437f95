"""What every table module shares: the metadata with its naming rules, and the id that counts up.

Conventions: `*_us` are UTC microseconds since the epoch; ids are those of `vocabulary.identity`; JSON columns
hold what no query filters on; large texts live in `blobs` files and only their digest stands here.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = BigInteger().with_variant(Integer(), "sqlite")
