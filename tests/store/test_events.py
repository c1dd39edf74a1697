"""The event log: a reader by cursor misses nothing: numbers are taken as the last statement of a write."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial

from sqlmodel import Session

from invent_server.store.database import Store, open_store
from invent_server.store.session import announce, rows
from invent_server.stream.frames import events_after, last_seq, oldest_seq
from shared.clock import SystemClock
from tests.support.databases import fresh
from tests.support.fixtures import require_postgres
from tests.support.rows import event_seqs

WRITES, WRITERS = 300, 12
Writer = Callable[[Store, random.Random], Awaitable[None]]


async def counted(store: Store, chance: random.Random) -> None:
    """As the program writes: events collected, numbered at the end."""

    def write(session: Session) -> None:
        announce(session, "conversation.updated", "c")
        if store.dialect == "postgresql" and chance.random() < 0.3:
            rows(session.connection(), "SELECT pg_sleep(?)", [chance.uniform(0, 0.01)])

    await store.write(write)


async def serial(store: Store, chance: random.Random) -> None:
    """The control: the number is taken where the event is written, as a serial column would."""

    def write(session: Session) -> None:
        connection = session.connection()
        rows(connection, "INSERT INTO event (seq, type, at, ref) VALUES (nextval('s'), 'x', 0, 'c') RETURNING seq", [])
        if chance.random() < 0.3:
            rows(connection, "SELECT pg_sleep(?)", [chance.uniform(0, 0.01)])

    await store.write(write)


def after(session: Session, seq: int) -> list[int]:
    return [event.seq for event in events_after(session, seq, 50)]


async def tail(store: Store, write: Writer) -> tuple[list[int], list[int]]:
    """What a reader by cursor sees while many write, and what is there in the end."""
    chance = random.Random(7)
    seen: list[int] = []
    over = asyncio.Event()

    async def writer() -> None:
        for _ in range(WRITES // WRITERS):
            await write(store, chance)

    async def read() -> None:
        cursor = 0
        while True:
            last_round = over.is_set()
            batch = await store.read(partial(after, seq=cursor))
            seen.extend(batch)
            cursor = max([cursor, *batch])
            if last_round and not batch:
                return

    reader = asyncio.get_running_loop().create_task(read())
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    over.set()
    await reader
    return seen, list(await event_seqs(store))


async def test_a_cursor_reader_sees_every_event_once_in_order(store: Store) -> None:
    seen, there = await tail(store, counted)
    assert seen == there == list(range(1, len(there) + 1))
    assert len(there) == WRITES // WRITERS * WRITERS
    assert await store.read(last_seq) == len(there)
    assert await store.read(oldest_seq) == 1


async def test_control_serial_numbers_are_skipped() -> None:
    """The same reader over numbers taken early misses some: the test above can see the fault."""
    require_postgres()
    with fresh("postgresql") as database:
        store = open_store(database.settings(), SystemClock())
        await store.start()
        await store.write(lambda s: s.connection().exec_driver_sql("CREATE SEQUENCE s"))
        seen, there = await tail(store, serial)
        await store.close()
    assert len(there) == WRITES // WRITERS * WRITERS
    assert len(seen) < len(there)
