"""PostgreSQL goes away and comes back: nothing acknowledged is lost, and every part goes on by itself."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlmodel import Session

from invent_server.store import tables as t
from invent_server.store.errors import StoreUnavailable
from tests.support.databases import ADMIN, Database
from tests.support.fixtures import require_postgres
from tests.support.parts import node, until
from tests.support.rows import company, conversation, rows, say


@pytest.fixture
def dialect() -> str:
    return require_postgres()


async def cut(database: Database) -> None:
    """End every connection to the database, as a restart does."""
    name = database.url.rsplit("/", 1)[1]

    def end() -> None:
        with psycopg.connect(ADMIN, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )

    await asyncio.to_thread(end)


async def test_connections_that_are_cut_lose_nothing(database: Database) -> None:
    async with node(database.settings()) as parts:
        made = await company(parts.store)
        talks = [await conversation(parts.store, made, f"c{i}") for i in range(5)]
        acked: set[str] = set()

        async def customer(number: int) -> None:
            """Writes twenty messages, each again until it is acknowledged."""
            for turn in range(20):
                key = f"{number}-{turn}"
                while key not in acked:
                    try:
                        result = await say(parts.store, made, talks[number], key)
                    except StoreUnavailable:
                        await asyncio.sleep(0.01)
                        continue
                    assert result.message is not None
                    acked.add(key)
                await asyncio.sleep(0.01)

        async def fate() -> None:
            for _ in range(5):
                await asyncio.sleep(0.1)
                await cut(database)

        await asyncio.gather(fate(), *(customer(number) for number in range(5)))
        stored = await rows(parts.store, t.Receipt)
        assert {receipt.key.split(":", 1)[1] for receipt in stored} == acked
        assert len(await rows(parts.store, t.Message, t.Message.author_kind == "customer")) == len(acked) == 100

        def answered(session: Session) -> bool:
            return all(session.get_one(t.Conversation, talk).answered_seq for talk in talks)

        async def settled() -> bool:
            return not await rows(parts.store, t.Work) and await parts.store.read(answered)

        await until(settled, 20)


async def test_a_read_of_a_database_that_is_away_says_so(database: Database) -> None:
    async with node(database.settings()) as parts:
        await parts.store.read(lambda session: session.get(t.Meta, "x"))
        name = database.url.rsplit("/", 1)[1]
        with psycopg.connect(ADMIN, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
            await cut(database)
            with pytest.raises(StoreUnavailable):
                await parts.store.read(lambda session: session.get(t.Meta, "x"))
            with pytest.raises(StoreUnavailable):
                await parts.store.write(lambda session: session.get(t.Meta, "x"))
            await asyncio.sleep(1.2)
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
        made = await company(parts.store)
        talk = await conversation(parts.store, made)
        await say(parts.store, made, talk, "k")

        async def answered() -> bool:
            return bool(await rows(parts.store, t.Message, t.Message.author_kind == "assistant"))

        await until(answered, 20)
        assert parts.errors == []
