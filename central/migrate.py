"""Brings a database to the tables of `central.schema`, in one transaction, from whatever step it stands at."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from central.config import SettingsError
from central.database import Database

HEAD: Final = "0001"
"""The newest step. A test holds it against the files."""

_DO: Final = "check that it is there and that we may write to it, or name another with --database"
_FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x77656C6C
"""Any number, the same for all our processes: two that start together must not both make the tables."""


def opened(url: str) -> tuple[Database, bool]:
    """Return the database at `url`, at `HEAD`, and whether it had to be changed.

    Raises `SettingsError` where it cannot be used.
    """
    database = None
    try:
        database = Database(url)
        changed = migrate(database)
    except (SQLAlchemyError, ImportError, OSError) as problem:
        if database is not None:
            database.close()
        where = sa.make_url(url).render_as_string(hide_password=True)
        why = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
        raise SettingsError(f"database {where} cannot be used: {why}; {_DO}") from problem
    return database, changed


def migrate(database: Database) -> bool:
    """Bring `database` to `HEAD`; return whether anything had to be done.

    A database that is there already costs one question: alembic is loaded only when there is work, because a server
    that starts again after a crash must not wait for it.
    """
    if database.sync_read(_step) == HEAD:
        return False
    return database.sync_write(_upgrade)


def _step(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: sa.Connection) -> bool:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if _step(connection) == HEAD:
        return False
    from alembic import command  # noqa: PLC0415 - see `migrate`
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    command.upgrade(config, "head")
    return True
