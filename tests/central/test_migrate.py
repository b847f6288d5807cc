"""A migrated database has exactly the tables of the schema, on both engines."""

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from central import migrations
from central.database import Database
from central.migrate import HEAD, migrate
from central.schema import METADATA


def test_a_migrated_database_differs_in_nothing_from_the_schema(database: Database) -> None:
    differences = database.sync_read(lambda connection: compare_metadata(_context(connection), METADATA))

    assert differences == []


def test_migrated_checks_are_those_of_the_schema(database: Database) -> None:
    def checks(connection: sa.Connection) -> set[tuple[str, str | None]]:
        look = sa.inspect(connection)
        return {(table, check["name"]) for table in METADATA.tables for check in look.get_check_constraints(table)}

    wanted = {
        (table.name, str(constraint.name))
        for table in METADATA.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    }
    assert database.sync_read(checks) == wanted


def test_a_database_at_the_newest_step_is_left_alone(database: Database) -> None:
    assert migrate(database) is False


def test_the_newest_step_is_the_newest_file() -> None:
    folder = Path(migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'data' / 'new.db'}")

    assert migrate(database) is True
    tables = database.sync_read(lambda connection: set(sa.inspect(connection).get_table_names()))
    database.close()

    assert tables == {*METADATA.tables, "alembic_version"}


def _context(connection: sa.Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"compare_type": True})
