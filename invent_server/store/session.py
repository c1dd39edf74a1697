"""What a write function gets beside the database: events to announce and work to point out.

Both are collected in `session.info` and take effect only if the function's part of the transaction holds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar

import orjson
from sqlalchemy import Connection, bindparam, inspect
from sqlalchemy.orm.util import identity_key
from sqlmodel import Session, select


class Named(Protocol):
    """A row whose key is its `id`."""

    id: str


Row = TypeVar("Row", bound=Named)

EVENTS = "events"
HINTS = "hints"
CLOCK = "now"


class NewEvent(NamedTuple):
    """A state change without its number yet; see tables/stream.py."""

    type: str
    ref: str
    conversation_id: str | None
    inbox_id: str | None
    detail: str | None


@dataclass(slots=True)
class Hints:
    """Which conversations have work and which have messages to send: a nudge, never the truth."""

    work: set[str] = field(default_factory=set)
    outbox: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    """Conversations whose assistant must fall silent."""
    ended: set[str] = field(default_factory=set)
    """Conversations of which a turn has ended."""
    blobs: set[str] = field(default_factory=set)
    """Files of which the row is gone: their contents go too."""

    def add(self, other: Hints) -> None:
        self.work |= other.work
        self.outbox |= other.outbox
        self.stopped |= other.stopped
        self.ended |= other.ended
        self.blobs |= other.blobs


class QuickSession(Session):
    """A session whose `get` by one text uses a statement made once: building it anew takes twice as long as running it.

    Rows that the session has already are returned without asking, as ever.
    """

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        if any(options.values()) or not isinstance(ident, str) or identity_key(entity, ident) in self.identity_map:
            return super().get(entity, ident, **options)
        return self.exec(_by_key(entity), params={"key": ident}).one_or_none()


@cache
def _by_key(table: Any) -> Any:
    return select(table).where(inspect(table).primary_key[0] == bindparam("key"))


@cache
def _by_keys(table: Any) -> Any:
    return select(table).where(inspect(table).primary_key[0].in_(bindparam("keys", expanding=True)))


def by_id(session: Session, table: type[Row], ids: Collection[str]) -> dict[str, Row]:
    """The rows of a table that have one of these ids."""
    if not ids:
        return {}
    return {row.id: row for row in session.exec(_by_keys(table), params={"keys": list(ids)})}


def announce(
    session: Session,
    type_: str,
    ref: str,
    *,
    conversation_id: str | None = None,
    inbox_id: str | None = None,
    detail: str | None = None,
) -> None:
    """Add an event. It gets its number when the transaction is about to commit."""
    session.info[EVENTS].append(NewEvent(type_, ref, conversation_id, inbox_id, detail))


def hint(session: Session) -> Hints:
    """The hints of this write."""
    hints: Hints = session.info[HINTS]
    return hints


def now(session: Session) -> int:
    """Microseconds UTC by the store's clock."""
    return int(session.info[CLOCK]())


def rows(connection: Connection, sql: str, values: Sequence[Any]) -> Sequence[Any]:
    """Rows of a statement written with `?`, by the driver itself: for the ingest path, where each layer shows."""
    return connection.exec_driver_sql(_dialect(connection, sql), tuple(values)).fetchall()


def insert(
    connection: Connection, table: str, columns: Sequence[str], values: Sequence[tuple[Any, ...]], conflict: str = ""
) -> None:
    """Insert rows of texts and whole numbers, given in the order of `columns`; `conflict`: an ON CONFLICT clause.

    SQLite gets them as one JSON text in one step: the driver gives the interpreter's lock away at each step and has to
    wait for it again, so that executemany would wait once for each row while the event loop is busy.
    """
    if not values:
        return
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        sql = f"INSERT INTO {table} ({names}) SELECT {_fields(len(columns))} FROM json_each(?) WHERE true {conflict}"
        connection.exec_driver_sql(sql, (_json(values),))
    else:
        marks = ", ".join(["%s"] * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks}) {conflict}", list(values))


def update(connection: Connection, table: str, columns: Sequence[str], values: Sequence[tuple[Any, ...]]) -> None:
    """Set `columns` of rows; each of `values` ends with the row's id. As `insert`."""
    if not values:
        return
    if connection.dialect.name == "sqlite":
        parts = ", ".join(f"{name} = new.value ->> {at}" for at, name in enumerate(columns))
        sql = f"UPDATE {table} SET {parts} FROM json_each(?) AS new WHERE {table}.id = new.value ->> {len(columns)}"
        connection.exec_driver_sql(sql, (_json(values),))
    else:
        parts = ", ".join(f"{name} = %s" for name in columns)
        connection.exec_driver_sql(f"UPDATE {table} SET {parts} WHERE id = %s", list(values))


def _fields(count: int) -> str:
    return ", ".join(f"value ->> {at}" for at in range(count))


def _json(values: Sequence[Any]) -> str:
    return orjson.dumps(values).decode()


def _dialect(connection: Connection, sql: str) -> str:
    return sql if connection.dialect.name == "sqlite" else sql.replace("?", "%s")


def any_of(connection: Connection, column: str, values: Sequence[str]) -> tuple[str, str | list[str]]:
    """A condition `column is one of values` with ONE bound value, so that the statement's text never varies."""
    if connection.dialect.name == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(?))", _json(values)
    return f"{column} = ANY(?)", list(values)
