"""Brings a database to the tables of this program, and refuses those that are not ours or are of a newer one.

Alembic is imported only when there is something to do: its import would cost each start a quarter of a second.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, inspect

from invent_server.store.database import sqlite_path
from invent_server.store.errors import StoreError
from shared.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0007"
"""The newest revision in migrations/versions (a test holds it to that)."""


def ensure(settings: Settings) -> str | None:
    """Create or upgrade the database. Returns the revision that it had before (None: it was empty).

    Blocking; called before the store starts. An SQLite file is copied aside before an upgrade. Raises StoreError.
    """
    url = settings.database.url
    if url.startswith(("postgresql", "postgres")):
        engine = create_engine("postgresql+psycopg://" + url.split("://", 1)[1])
        where, path = url.rsplit("@", 1)[-1], None
    elif not url or url.startswith("sqlite:///"):
        path = sqlite_path(settings)
        _check_file(path)
        engine = create_engine(f"sqlite:///{path}")
        where = str(path)
    else:
        raise StoreError(f"database.url {url.split('://')[0]}://... is neither sqlite:/// nor postgresql://")
    try:
        with engine.connect() as connection:
            before = _revision(connection, where)
            if before == HEAD:
                return before
            if path is not None and before is not None:
                connection.close()
                shutil.copy2(path, path.with_suffix(f".before-{HEAD}.db"))
        with engine.begin() as connection:
            _upgrade(connection)
        return before
    except StoreError:
        raise
    except Exception as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise StoreError(f"the database {where} cannot be used: {reason}") from error
    finally:
        engine.dispose()


def _check_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            with path.open("r+b") as file:
                head = file.read(16)
            if head and head != b"SQLite format 3\x00":
                raise StoreError(f"{path} is no SQLite database; move it away or name another with INVENT_DATABASE_URL")
        else:
            sqlite3.connect(path).close()
            path.chmod(0o600)
    except (OSError, sqlite3.OperationalError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(
            f"the data directory {path.parent} cannot be used: {reason}; give another with INVENT_DATA_DIR"
        ) from None


def _revision(connection: Connection, where: str) -> str | None:
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "alembic_version" not in tables or "conversation" not in tables:
        raise StoreError(f"the database {where} belongs to another program; name an empty one in INVENT_DATABASE_URL")
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if found is None or str(found) > HEAD:
        raise StoreError(
            f"the database {where} was made by a newer Invent (revision {found}, this one knows {HEAD}); update Invent"
        )
    return str(found)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "invent_server.store:migrations")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    from alembic import command

    command.upgrade(_config(connection), "head")
