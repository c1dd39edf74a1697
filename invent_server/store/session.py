"""What a write function gets beside the database: events to announce and work to point out.

Both are collected in `session.info` and take effect only if the function's part of the transaction holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlmodel import Session

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

    def add(self, other: Hints) -> None:
        self.work |= other.work
        self.outbox |= other.outbox
        self.stopped |= other.stopped
        self.ended |= other.ended


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


def bulk(connection: Connection, sql: str, values: list[tuple[Any, ...]]) -> None:
    """Run a statement written with `?` for each of `values`, by the driver's executemany."""
    if values:
        connection.exec_driver_sql(_dialect(connection, sql), values)


def _dialect(connection: Connection, sql: str) -> str:
    return sql if connection.dialect.name == "sqlite" else sql.replace("?", "%s")


def any_of(connection: Connection, column: str, values: Sequence[str]) -> tuple[str, str | list[str]]:
    """A condition `column is one of values` with ONE bound value, so that the statement's text never varies."""
    if connection.dialect.name == "sqlite":
        import orjson

        return f"{column} IN (SELECT value FROM json_each(?))", orjson.dumps(list(values)).decode()
    return f"{column} = ANY(?)", list(values)
