"""Fresh, migrated databases for tests, of both dialects. Each costs a file copy or a CREATE DATABASE ... TEMPLATE."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psycopg

from invent_server.store import migrate
from shared.settings import Settings, load

DIALECTS = ("sqlite", "postgresql")
ADMIN = os.environ.get("INVENT_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
"""A PostgreSQL server on which databases may be created and dropped."""
QUIET = {
    "INVENT_LIMITS__VISITOR_MESSAGES": "0",
    "INVENT_LIMITS__SESSIONS_PER_IP": "0",
    "INVENT_LIMITS__LOGIN": "0",
    "INVENT_LIMITS__SOCKETS_PER_IP": "0",
    "INVENT_LOG__LEVEL": "error",
}
"""Tests and benches are one address."""


@dataclass(frozen=True, slots=True)
class Database:
    """One migrated, empty database and the data directory beside it."""

    dialect: str
    folder: Path
    url: str = ""
    """Empty: SQLite in `folder`."""
    more: Mapping[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a server on this database."""
        return {"INVENT_DATA_DIR": str(self.folder), "INVENT_DATABASE_URL": self.url, **QUIET, **self.more, **more}

    def settings(self, **more: str) -> Settings:
        return load(environ=self.environment(**more))


@cache
def postgres_problem() -> str | None:
    """Why PostgreSQL cannot be used; None when it can."""
    try:
        with psycopg.connect(ADMIN, connect_timeout=2):
            return None
    except psycopg.OperationalError as error:
        return str(error).splitlines()[0]


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="invent-test-"))


@cache
def _template_file() -> Path:
    folder = _folder() / "template"
    migrate.ensure(load(environ={"INVENT_DATA_DIR": str(folder)}))
    return folder / "invent.db"


@cache
def _template_database() -> str:
    name = f"invent_test_{os.getpid()}_{secrets.token_hex(4)}_template"
    _admin(f'CREATE DATABASE "{name}"')
    migrate.ensure(load(environ={"INVENT_DATA_DIR": str(_folder()), "INVENT_DATABASE_URL": _url(name)}))
    return name


def _admin(sql: str) -> None:
    with psycopg.connect(ADMIN, autocommit=True) as connection:
        connection.execute(sql.encode())


def _url(name: str) -> str:
    return f"{ADMIN.rsplit('/', 1)[0]}/{name}"


@contextmanager
def fresh(dialect: str, **more: str) -> Iterator[Database]:
    """A database of its own; it is removed at the end. `more`: further settings, as environment variables."""
    folder = Path(tempfile.mkdtemp(prefix="data-", dir=_folder()))
    try:
        if dialect == "sqlite":
            shutil.copyfile(_template_file(), folder / "invent.db")
            yield Database(dialect, folder, more=more)
            return
        name = f"invent_test_{os.getpid()}_{secrets.token_hex(4)}"
        _admin(f'CREATE DATABASE "{name}" TEMPLATE "{_template_database()}"')
        try:
            yield Database(dialect, folder, _url(name), more)
        finally:
            _admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def forget_templates() -> None:
    """At the end of a session: nothing stays behind."""
    if _template_database.cache_info().currsize:
        with suppress(psycopg.Error):
            _admin(f'DROP DATABASE IF EXISTS "{_template_database()}" WITH (FORCE)')
        _template_database.cache_clear()
    if _folder.cache_info().currsize:
        shutil.rmtree(_folder(), ignore_errors=True)
        _template_file.cache_clear()
        _folder.cache_clear()
