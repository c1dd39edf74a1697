"""Group commit: what one write does to the others, to its caller, and when the store cannot keep up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from invent_server.store import sqlite
from invent_server.store import tables as t
from invent_server.store.database import Store, Write
from invent_server.store.errors import StoreUnavailable
from invent_server.store.session import Hints, announce, hint
from tests.support.databases import fresh
from tests.support.parts import until
from tests.support.rows import event_seqs, rows


def fact(name: str, value: str = "1") -> Write[str]:
    """Writes one row, announces an event, points out work; returns the name."""

    def write(session: Session) -> str:
        session.add(t.Meta(name=name, value=value))
        announce(session, "conversation.updated", name)
        hint(session).work.add(name)
        return name

    return write


async def names(store: Store) -> set[str]:
    return {row.name for row in await rows(store, t.Meta)}


def broken(session: Session) -> None:
    session.add(t.Meta(name="half", value="1"))
    announce(session, "conversation.updated", "half")
    session.flush()
    raise ValueError("as the test says")


def refused_by_the_database(session: Session) -> None:
    announce(session, "conversation.updated", "double")
    session.add(t.Meta(name="taken", value="2"))


@pytest.mark.parametrize(("poison", "error"), [(broken, ValueError), (refused_by_the_database, IntegrityError)])
async def test_a_write_that_fails_harms_no_neighbour(store: Store, poison: Write[None], error: type[Exception]) -> None:
    await store.write(fact("taken"))
    seen: list[Hints] = []
    store.on_commit.append(lambda hints, events: seen.append(hints))
    writes = [store.write(fact(f"n{i}")) for i in range(20)]
    results = await asyncio.gather(*writes[:10], store.write(poison), *writes[10:], return_exceptions=True)
    assert isinstance(results[10], error)
    assert [*results[:10], *results[11:]] == [f"n{i}" for i in range(20)]
    assert await names(store) == {"taken", *(f"n{i}" for i in range(20))}
    assert len(await event_seqs(store)) == 21
    assert set().union(*(hints.work for hints in seen)) == {f"n{i}" for i in range(20)}


async def test_a_poison_item_of_a_batch_harms_no_neighbour(store: Store) -> None:
    def take(session: Session, items: list[int]) -> list[int]:
        for item in items:
            session.add(t.Meta(name=f"i{item}", value=str(len(items))))
            announce(session, "conversation.updated", f"i{item}")
        session.flush()
        if 7 in items:
            raise ValueError("seven")
        return [item * 2 for item in items]

    results = await asyncio.gather(*(store.write_batched(take, i) for i in range(20)), return_exceptions=True)
    assert isinstance(results[7], ValueError)
    assert [r for i, r in enumerate(results) if i != 7] == [i * 2 for i in range(20) if i != 7]
    assert await names(store) == {f"i{i}" for i in range(20) if i != 7}
    assert len(await event_seqs(store)) == 19


async def test_a_cancelled_caller_cancels_no_commit(store: Store) -> None:
    """Cancelled before, while and after the database works: what was handed over is kept."""
    for i in range(30):
        task = asyncio.get_running_loop().create_task(store.write(fact(f"c{i}")))
        for _ in range(i % 6 + 1):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    async def kept() -> bool:
        return await names(store) == {f"c{i}" for i in range(30)}

    await until(kept)
    assert len(await event_seqs(store)) == 30
    assert await store.write(fact("after")) == "after"


async def test_what_is_read_back_is_what_was_committed(store: Store) -> None:
    """A caller who has its answer finds its row, however many write at once."""

    async def one(number: int) -> bool:
        await store.write(fact(f"r{number}"))
        return await store.read(lambda session: session.get(t.Meta, f"r{number}") is not None)

    assert all(await asyncio.gather(*(one(i) for i in range(100))))


async def test_a_read_writes_nothing(store: Store) -> None:
    def sneak(session: Session) -> None:
        session.add(t.Meta(name="sneaked", value="1"))
        session.flush()

    with pytest.raises(Exception, match=r"(?i)read-?only"):
        await store.read(sneak)
    assert await names(store) == set()


async def test_after_the_end_a_write_is_refused_at_once() -> None:
    from invent_server.store.database import open_store
    from shared.clock import SystemClock

    with fresh("sqlite") as database:
        store = open_store(database.settings(), SystemClock())
        await store.start()
        last = [store.write(fact(f"l{i}")) for i in range(50)]
        results = asyncio.gather(*last)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await store.close()
        assert await results == [f"l{i}" for i in range(50)]
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(2):
                await store.write(fact("late"))


async def test_a_full_queue_refuses_instead_of_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    from invent_server.store.database import open_store
    from shared.clock import SystemClock

    monkeypatch.setattr(sqlite, "QUEUE", 20)
    go = threading.Event()
    with fresh("sqlite") as database:
        store = open_store(database.settings(), SystemClock())
        await store.start()
        try:
            first = asyncio.get_running_loop().create_task(store.write(lambda session: go.wait(10)))
            await asyncio.sleep(0.05)
            others = [asyncio.get_running_loop().create_task(store.write(fact(f"q{i}"))) for i in range(30)]
            await asyncio.sleep(0.05)
            refused = [task for task in others if task.done()]
            assert len(refused) == 11
            assert all(isinstance(task.exception(), StoreUnavailable) for task in refused)
            go.set()
            await first
            kept = await asyncio.gather(*(task for task in others if task not in refused))
            assert await names(store) == set(kept)
            assert await store.write(fact("again")) == "again"
        finally:
            go.set()
            await store.close()


async def test_writes_of_one_moment_share_a_commit() -> None:
    """Group commit is what makes fsync affordable: far fewer commits than writes."""
    from invent_server.store.database import open_store
    from shared.clock import SystemClock

    with fresh("sqlite") as database:
        store = open_store(database.settings(), SystemClock())
        await store.start()
        commits: list[Any] = []
        store.on_commit.append(lambda hints, events: commits.append(hints))
        await asyncio.gather(*(store.write(fact(f"g{i}")) for i in range(500)))
        settings = await store.write(
            lambda s: [s.connection().exec_driver_sql(f"PRAGMA {p}").scalar() for p in PRAGMAS]
        )
        await store.close()
    assert len(commits) * 2 < 500
    assert dict(zip(PRAGMAS, settings, strict=True)) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


PRAGMAS = ("journal_mode", "synchronous", "foreign_keys")


async def test_an_aborted_write_leaves_no_number_behind(store: Store) -> None:
    """The counter belongs to the transaction: a rolled-back write leaves no gap and no event."""
    await store.write(fact("a"))
    for _ in range(3):
        with pytest.raises(ValueError, match="as the test"):
            await store.write(broken)
    await store.write(fact("b"))
    assert list(await event_seqs(store)) == [1, 2]
    value = await store.read(lambda s: s.exec(select(t.Counter.value).where(t.Counter.name == "event")).one())
    assert value == 2
