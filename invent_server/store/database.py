"""`write` and `read`: the only ways to the database. The dialect decides how; the callers never know.

SQLite: one writer thread owns the only writing connection and commits what queued while the last commit ran, with a
savepoint for each function (measured: 2.7 times a fixed wait). PostgreSQL: a transaction for each function, retried
when the server asks for it. Both take the event counter as the last statement before the commit, so that a reader by
cursor can never skip an event that commits late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection
from sqlmodel import Session

from invent_server.store.errors import StoreUnavailable
from invent_server.store.session import CLOCK, EVENTS, HINTS, Hints, NewEvent, insert, rows
from shared.clock import Clock
from shared.settings import Settings

T = TypeVar("T")
Item = TypeVar("Item")
Write = Callable[[Session], T]
BatchWrite = Callable[[Session, list[Any]], list[Any]]
OnCommit = Callable[[Hints, bool], None]

INSIST = 0.5

log = structlog.get_logger(__name__)


class Engine(Protocol):
    """One dialect's way to run functions. A cancelled caller of a write cancels nothing."""

    dialect: str

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def write(self, fn: Write[T]) -> T: ...
    async def write_batched(self, fn: BatchWrite, item: Any) -> Any: ...
    async def read(self, fn: Write[T]) -> T: ...


class Store:
    """The database of one server. `on_commit` callbacks run on the event loop after each commit."""

    def __init__(self, engine: Engine, on_commit: list[OnCommit]) -> None:
        self._engine = engine
        self.on_commit = on_commit
        self.dialect = engine.dialect

    async def start(self) -> None:
        await self._engine.start()

    async def close(self) -> None:
        await self._engine.close()

    async def write(self, fn: Write[T]) -> T:
        """Run `fn` in a transaction and return its result after the commit (durable: fsync).

        `fn` is plain synchronous code and touches nothing but the session. A cancelled caller cancels nothing.
        Raises what `fn` raises (its changes are undone) and StoreUnavailable.
        """
        return await self._engine.write(fn)

    async def insist(self, fn: Write[T]) -> T:
        """Like `write`, for what has happened and must be recorded: waits for a database that takes no writes."""
        while True:
            try:
                return await self.write(fn)
            except StoreUnavailable as error:
                log.warning("not recorded yet", error=str(error))
                await asyncio.sleep(INSIST)

    async def write_batched(self, fn: Callable[[Session, list[Item]], list[T]], item: Item) -> T:
        """Like `write`, for the ingest path: items that wait at the same time are handed to `fn` together.

        If `fn` raises for several items it is run again for each alone, so that a poison item harms no neighbour.
        """
        result: T = await self._engine.write_batched(fn, item)
        return result

    async def read(self, fn: Write[T]) -> T:
        """Run `fn` on a read-only connection, on one consistent snapshot."""
        return await self._engine.read(fn)


def open_store(settings: Settings, clock: Clock) -> Store:
    """The store that the settings name, not yet started."""
    on_commit: list[OnCommit] = []

    def committed(hints: Hints, events: bool) -> None:
        for callback in on_commit:
            callback(hints, events)

    url = settings.database.url
    if url.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        from invent_server.store.postgres import Postgres

        return Store(Postgres(url, clock, committed), on_commit)
    from invent_server.store.sqlite import Sqlite

    return Store(Sqlite(sqlite_path(settings), clock, committed, settings.database.readers), on_commit)


def sqlite_path(settings: Settings) -> Path:
    """The database file: `sqlite:///PATH`, or `invent.db` in the data directory."""
    url = settings.database.url
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else settings.data_dir / "invent.db"


def equip(session: Session, clock: Clock) -> Session:
    """Give a write session its empty baggage (see session.py)."""
    session.info.update({EVENTS: [], HINTS: Hints(), CLOCK: clock.now})
    return session


def number_events(connection: Connection, events: list[NewEvent], at: int) -> None:
    """Take the numbers for `events` and store them: the LAST statements before a commit."""
    if not events:
        return
    step = len(events)
    last = rows(connection, "UPDATE counter SET value = value + ? WHERE name = 'event' RETURNING value", [step])[0][0]
    insert(
        connection,
        "event",
        ("seq", "type", "at", "inbox_id", "conversation_id", "ref", "detail"),
        [
            (last - step + 1 + i, e.type, at, e.inbox_id, e.conversation_id, e.ref, e.detail)
            for i, e in enumerate(events)
        ],
    )
