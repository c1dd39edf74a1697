"""Migrated tables == the tables of the code, on both databases; foreign and newer databases are refused."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlmodel import SQLModel

from invent_server.store import migrate
from invent_server.store import tables as t
from invent_server.store.errors import StoreError
from shared.settings import Settings, load
from tests.support.databases import Database, fresh

TABLES = SQLModel.metadata


def engine_of(database: Database) -> Any:
    if database.dialect == "sqlite":
        return create_engine(f"sqlite:///{database.folder / 'invent.db'}")
    return create_engine(database.url.replace("postgresql://", "postgresql+psycopg://"))


def empty(folder: Path, url: str = "") -> Settings:
    return load(environ={"INVENT_DATA_DIR": str(folder), "INVENT_DATABASE_URL": url})


def test_head_is_the_newest_revision() -> None:
    folder = Path(migrate.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [migrate.HEAD]


def test_the_migrated_database_is_what_the_code_says(database: Database) -> None:
    assert t.HIDDEN
    engine = engine_of(database)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, TABLES) == []
        assert set(inspect(connection).get_table_names()) == {*TABLES.tables, "alembic_version"}
    engine.dispose()


def test_checks_and_names_of_constraints_are_the_same(database: Database) -> None:
    """What the comparison above does not see: CHECKs, and names (later revisions change constraints by name)."""
    engine = engine_of(database)
    with engine.connect() as connection:
        inspector = inspect(connection)
        for name, table in TABLES.tables.items():
            wanted = {str(one.name) for one in table.constraints if type(one).__name__ == "CheckConstraint"}
            assert {one["name"] for one in inspector.get_check_constraints(name)} == wanted, name
            unique = {str(one.name) for one in table.constraints if type(one).__name__ == "UniqueConstraint"}
            assert {one["name"] for one in inspector.get_unique_constraints(name)} == unique, name
            keys = {str(one.name) for one in table.foreign_key_constraints}
            assert {one["name"] for one in inspector.get_foreign_keys(name)} == keys, name
    engine.dispose()


def test_a_second_start_changes_nothing(database: Database) -> None:
    assert migrate.ensure(database.settings()) == migrate.HEAD


@pytest.mark.parametrize("found", ["9999", None])
def test_a_newer_database_is_refused_untouched(database: Database, found: str | None) -> None:
    engine = engine_of(database)
    with engine.begin() as connection:
        if found is None:
            connection.exec_driver_sql("DELETE FROM alembic_version")
        else:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{found}'")
    with pytest.raises(StoreError, match="update Invent"):
        migrate.ensure(database.settings())
    with engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM alembic_version WHERE version_num = '9999'").scalar()
    assert count == (1 if found else 0)
    engine.dispose()


def test_a_foreign_database_is_refused_untouched(dialect: str, tmp_path: Path) -> None:
    if dialect == "sqlite":
        path = tmp_path / "invent.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        before = path.read_bytes()
        with pytest.raises(StoreError, match="another program"):
            migrate.ensure(empty(tmp_path))
        assert path.read_bytes() == before
        return
    with fresh("postgresql") as database, psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("CREATE TABLE theirs (x int)")
        with pytest.raises(StoreError, match="another program"):
            migrate.ensure(database.settings())
        found = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        assert found.fetchall() == [("theirs",)]


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "invent.db"
    path.write_text("my diary, thirty pages")
    with pytest.raises(StoreError, match="no SQLite database"):
        migrate.ensure(empty(tmp_path))
    assert path.read_text() == "my diary, thirty pages"


def test_an_unreachable_server_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        migrate.ensure(empty(tmp_path, "postgresql://nobody@127.0.0.1:1/x"))
    assert "\n" not in str(caught.value)
    with pytest.raises(StoreError, match="neither sqlite"):
        migrate.ensure(empty(tmp_path, "mysql://x/y"))


def test_the_file_and_its_folder_are_private(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        migrate.ensure(empty(tmp_path / "data"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "data" / "invent.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
