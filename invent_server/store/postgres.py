"""PostgreSQL by psycopg 3: a transaction per function, retried when the server could not serialise it.

Two transactions may find the same thing missing and both make it: the second fails on the unique key and is run again,
and then finds what the first has made.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session as SqlSession
from sqlmodel import Session

from invent_server.store.database import BatchWrite, Write, equip, number_events
from invent_server.store.errors import StoreUnavailable
from invent_server.store.session import EVENTS, HINTS, Hints, QuickSession
from shared.clock import Clock

T = TypeVar("T")
ATTEMPTS = 8
RETRY = ("40001", "40P01")  # serialization_failure, deadlock_detected
DOUBLE, ATTEMPTS_DOUBLE = "23505", 3  # unique_violation
QUEUE = 4096


class Postgres:
    """See the module. `url` as libpq takes it: `postgresql://user@host/database`."""

    dialect = "postgresql"

    def __init__(self, url: str, clock: Clock, committed: Callable[[Hints, bool], None]) -> None:
        bare = url.split("://", 1)[1]
        self._engine: AsyncEngine = create_async_engine(f"postgresql+psycopg://{bare}", pool_size=10, max_overflow=10)
        self._clock = clock
        self._committed = committed
        self._waiting = 0

    async def start(self) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()

    async def write(self, fn: Write[T]) -> T:
        if self._waiting >= QUEUE:
            raise StoreUnavailable("the database is behind with its work")
        self._waiting += 1
        try:
            return await asyncio.shield(self._write(fn))
        finally:
            self._waiting -= 1

    async def _write(self, fn: Write[T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result, hints, events = await self._once(fn)
            except (DBAPIError, PoolTimeout) as error:
                state = getattr(getattr(error, "orig", None), "sqlstate", None)
                again = ATTEMPTS if state in RETRY else ATTEMPTS_DOUBLE if state == DOUBLE else 0
                if attempt >= again:
                    _raise(error)
                await asyncio.sleep(random.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - jitter, no secret
                continue
            self._committed(hints, events)
            return result
        raise StoreUnavailable("the database is too busy")

    async def _once(self, fn: Write[T]) -> tuple[T, Hints, bool]:
        async with AsyncSession(self._engine, sync_session_class=QuickSession, expire_on_commit=False) as session:

            def work(plain: SqlSession) -> tuple[T, Hints, bool]:
                assert isinstance(plain, Session)
                equip(plain, self._clock)
                result = fn(plain)
                plain.flush()
                events = plain.info[EVENTS]
                number_events(plain.connection(), events, self._clock.now())
                return result, plain.info[HINTS], bool(events)

            outcome = await session.run_sync(work)
            await session.commit()
            return outcome

    async def write_batched(self, fn: BatchWrite, item: Any) -> Any:
        return (await self.write(lambda session: fn(session, [item])))[0]

    async def read(self, fn: Write[T]) -> T:
        try:
            return await self._read(fn)
        except (DBAPIError, PoolTimeout) as error:
            _raise(error)

    async def _read(self, fn: Write[T]) -> T:
        async with AsyncSession(self._engine, sync_session_class=QuickSession, expire_on_commit=False) as session:
            await session.connection(
                execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            )

            def work(plain: SqlSession) -> T:
                assert isinstance(plain, Session)
                return fn(equip(plain, self._clock))

            return await session.run_sync(work)


def _raise(error: DBAPIError | PoolTimeout) -> NoReturn:
    """`error`, or StoreUnavailable if the server is away or gives no connection."""
    if isinstance(error, PoolTimeout):
        raise StoreUnavailable("the database is behind with its work") from error
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        raise StoreUnavailable(f"the database is away: {str(error.orig).splitlines()[0]}") from error
    raise error
