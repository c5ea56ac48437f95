"""The migrations and `schema.metadata` are the same database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from hundredfold.errors import StorageError
from hundredfold.store.database import MIGRATIONS, Database, newest_revision
from hundredfold.store.tables.every import metadata


def test_the_migrations_make_what_the_schema_says(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_unique_and_foreign_keys_are_those_of_the_schema(database: Database) -> None:
    found = sa.inspect(database.engine)
    for table in metadata.sorted_tables:
        wanted = {
            tuple(column.name for column in one.columns)
            for one in table.constraints
            if isinstance(one, sa.UniqueConstraint)
        }
        assert {tuple(one["column_names"]) for one in found.get_unique_constraints(table.name)} == wanted
        keys = {(tuple(one.column_keys), one.referred_table.name) for one in table.foreign_key_constraints}
        there: list[Any] = list(found.get_foreign_keys(table.name))
        assert {(tuple(one["constrained_columns"]), one["referred_table"]) for one in there} == keys


def test_migrating_twice_changes_nothing(database: Database) -> None:
    before = sa.inspect(database.engine).get_table_names()
    database.migrate()
    assert sa.inspect(database.engine).get_table_names() == before


def test_the_view_of_current_requests_looks_rows_up_by_index(database: Database) -> None:
    query = "SELECT count(*) FROM current_requests WHERE at_us > 0"
    with database.read() as connection:
        if database.is_sqlite:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
            better = [row[3] for row in plan if "better" in row[3]]
            assert better and all("SEARCH better USING COVERING INDEX" in step for step in better)
        else:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            text = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {query}"))
            assert "Anti Join" in text and "uq_requests_key" in text


def test_a_database_of_a_newer_version_is_refused_with_the_mend(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="9999") as refused:
        database.migrate()
    assert "newer version" in refused.value.mend


def test_the_newest_revision_is_the_one_that_the_migrations_end_at() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert newest_revision() == scripts.get_current_head()
    assert sorted(one.revision for one in scripts.walk_revisions()) == [
        f"{number:04}" for number in range(1, len(list(scripts.walk_revisions())) + 1)
    ], "revisions are compared as text, so they are four digits, in order"
