"""SQLite: WAL, synchronous=FULL, one writer thread with group commit, a few read-only connections."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import OperationalError

from invent_server.store.database import BatchWrite, Write, equip, number_events
from invent_server.store.errors import StoreUnavailable
from invent_server.store.session import EVENTS, HINTS, Hints, NewEvent, QuickSession
from shared.clock import Clock

T = TypeVar("T")
QUEUE = 4096
GROUP = 256
SHARE = 0.005
"""Seconds of a group that belong to writes other than those of messages that come in."""


@dataclass(slots=True)
class _Job:
    """One call of `write` or `write_batched` and where its result goes."""

    fn: Callable[..., Any]
    item: Any
    batched: bool
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Sqlite:
    """See the module. `path` is the database file, which exists and is migrated."""

    dialect = "sqlite"

    def __init__(self, path: Path, clock: Clock, committed: Callable[[Hints, bool], None], readers: int) -> None:
        self._path = path
        self._clock = clock
        self._committed = committed
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._local = threading.local()
        self._engines: list[SqlEngine] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        self._closing = True
        if self._thread.is_alive():
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
        self._readers.shutdown(wait=True)
        for engine in self._engines:
            engine.dispose()

    async def write(self, fn: Write[T]) -> T:
        result: T = await self._submit(_Job(fn, None, False, self._future()))
        return result

    async def write_batched(self, fn: BatchWrite, item: Any) -> Any:
        return await self._submit(_Job(fn, item, True, self._future()))

    async def read(self, fn: Write[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, fn)

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    async def _submit(self, job: _Job) -> Any:
        if self._closing:
            raise StoreUnavailable("the server stops")
        if self._waiting >= QUEUE:
            raise StoreUnavailable("the database is behind with its work")
        self._waiting += 1
        self._jobs.put(job)
        return await job.future

    def _read(self, fn: Write[T]) -> T:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine(f"file:{self._path}?mode=ro").connect()
        connection.exec_driver_sql("BEGIN")
        try:
            with QuickSession(connection, expire_on_commit=False) as session:
                return fn(equip(session, self._clock))
        except OperationalError as error:
            if _is_fatal(error):
                raise StoreUnavailable(f"the database cannot be read: {_short(error)}") from error
            raise
        finally:
            connection.exec_driver_sql("ROLLBACK")

    def _engine(self, uri: str) -> SqlEngine:
        # AUTOCOMMIT: transactions are opened and ended by statements of our own, BEGIN IMMEDIATE above all. A session
        # whose flush fails would still roll back the whole group at the driver, neighbours and all: skipped.
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(uri, uri=True, timeout=10, isolation_level=None, check_same_thread=False),
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )
        event.listen(engine, "connect", _tune)
        self._engines.append(engine)
        return engine

    # ---- the writer thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        connection = self._engine(f"file:{self._path}").connect()
        batched, single = deque[_Job](), deque[_Job]()
        going = True
        while going or batched or single:
            going = going and self._collect(batched, single)
            jobs, hints, events = self._group(connection, batched, single)
            loop = self._loop
            if loop is None or loop.is_closed():
                return
            loop.call_soon_threadsafe(self._resolve, jobs, hints, events)
        connection.close()

    def _collect(self, batched: deque[_Job], single: deque[_Job]) -> bool:
        """Take what has queued; wait for it if nothing is left to do. False: the store closes."""
        try:
            while True:
                job = self._jobs.get(block=not batched and not single)
                if job is None:
                    return False
                (batched if job.batched else single).append(job)
        except queue.Empty:
            return True

    def _group(
        self, connection: Connection, batched: deque[_Job], single: deque[_Job]
    ) -> tuple[list[_Job], Hints, bool]:
        """Run jobs in one transaction; afterwards each has its result or its error. Returns those that were run.

        What comes in from outside goes first and together; then other writes, for SHARE seconds but always one. So
        neither the assistant's work nor a flood of messages makes the other wait for longer than that.
        """
        hints, events, jobs = Hints(), list[NewEvent](), list[_Job]()
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            for part in _parts([batched.popleft() for _ in range(min(GROUP, len(batched)))]):
                jobs += part
                self._part(connection, part, hints, events)
            until = time.monotonic() + SHARE
            while single:
                jobs.append(single.popleft())
                self._part(connection, jobs[-1:], hints, events)
                if time.monotonic() > until:
                    break
            number_events(connection, events, self._clock.now())
            connection.exec_driver_sql("COMMIT")
        except Exception as error:
            _rollback(connection)
            reason = StoreUnavailable(f"the database cannot be written: {_short(error)}")
            jobs += [*batched, *single]
            batched.clear()
            single.clear()
            for job in jobs:
                job.error = job.error or reason
            return jobs, Hints(), False
        return jobs, hints, bool(events)

    def _part(self, connection: Connection, part: list[_Job], hints: Hints, events: list[NewEvent]) -> None:
        connection.exec_driver_sql("SAVEPOINT part")
        session = equip(QuickSession(connection, expire_on_commit=False), self._clock)
        try:
            if part[0].batched:
                for job, result in zip(part, part[0].fn(session, [job.item for job in part]), strict=True):
                    job.result = result
            else:
                part[0].result = part[0].fn(session)
            session.flush()
        except Exception as error:
            session.close()
            if _is_fatal(error):  # SQLite has rolled back by itself: there is no savepoint to go back to
                raise
            connection.exec_driver_sql("ROLLBACK TO part")
            connection.exec_driver_sql("RELEASE part")
            if len(part) > 1:
                for job in part:
                    self._part(connection, [job], hints, events)
            else:
                part[0].error = error
            return
        connection.exec_driver_sql("RELEASE part")
        hints.add(session.info[HINTS])
        events.extend(session.info[EVENTS])
        session.close()

    def _resolve(self, jobs: Sequence[_Job], hints: Hints, events: bool) -> None:
        self._waiting -= len(jobs)
        for job in jobs:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)
        self._committed(hints, events)


def _parts(jobs: list[_Job]) -> list[list[_Job]]:
    """`jobs` in order; neighbours that go to the same batch function stand together."""
    parts: list[list[_Job]] = []
    for job in jobs:
        if parts and job.batched and parts[-1][0].batched and parts[-1][0].fn == job.fn:
            parts[-1].append(job)
        else:
            parts.append([job])
    return parts


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "cache_size=-8000",
        "temp_store=MEMORY",
    ):
        try:
            connection.execute(f"PRAGMA {pragma}")
        except sqlite3.OperationalError:  # a read-only connection cannot set the journal mode, and need not
            continue


def _rollback(connection: Connection) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK")
    except OperationalError:  # SQLite has rolled back already (disk full)
        return


def _is_fatal(error: BaseException) -> bool:
    """The disk is full or broken: the whole group cannot be committed."""
    return isinstance(error, OperationalError) and any(
        word in str(error.orig) for word in ("full", "disk I/O", "readonly", "unable to open")
    )


def _short(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0][:200]
