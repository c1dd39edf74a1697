"""Signed webhooks: taken in once whatever is repeated, and never an error for what a sender may write."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlmodel import col

from invent_server.store import tables as t
from tests.support.app import App, serving
from tests.support.databases import Database
from tests.support.parts import until
from tests.support.receiver import SECRET, Delivery, receiving, signed
from tests.support.rows import rows

ODD: list[dict[str, Any]] = [
    {"id": "a\0b"},
    {"id": "a\0c"},
    {"id": "a"},
    {"id": "m1", "customer": {"id": "q\0z", "name": "na\0me", "email": "e\0", "phone": "\0"}},
    {"id": "m2", "text": "x\0y\u202e\x1b[2J"},
    {"id": "m3", "sent_at": "9999-12-31T23:59:59Z"},
    {"id": "m4", "sent_at": "0001-01-01T00:00:00Z"},
    {"id": "é" * 300, "customer": {"id": "ж" * 200}},
    {"id": "m5", "text": "😀" * 30_000},
    {"id": 17, "customer": {"id": 18}},
]


async def hook(app: App, **more: Any) -> int:
    """Send one; the status."""
    body = {"type": "message", "id": "x", "customer": {"id": "c", "name": "Zoe"}, "text": "hello", **more}
    raw, headers = signed(body, "w1")
    async with app.session.post(f"{app.url}/webhooks/api/far", data=raw, headers=headers) as answer:
        return answer.status


async def test_odd_ids_and_texts_are_taken_and_kept_apart(database: Database) -> None:
    """Two ids that differ only behind a NUL are two messages: neither is taken for the other's repetition."""
    async with serving(database) as app:
        await app.inbox("far", "api", webhook_secret=SECRET)
        for _ in range(2):
            for more in ODD:
                assert await hook(app, **more) == 200, more
        assert len(await rows(app.services.store, t.Receipt)) == len(ODD)
        found = await rows(app.services.store, t.Message, col(t.Message.author_kind) == "customer")
        assert len(found) == len(ODD)
        for path in ("conversations/%00", "messages/%00/trace", "customers/%00", "jobs/%00"):
            assert (await app.call("GET", f"/api/v1/{path}"))[0] == 404


async def test_a_webhook_that_comes_many_times_at_once_is_one(database: Database) -> None:
    async with serving(database) as app:
        await app.inbox("far", "api", webhook_secret=SECRET)
        statuses = await asyncio.gather(*(hook(app, id=f"k{n % 5}", customer={"id": "new"}) for n in range(40)))
        assert set(statuses) == {200}
        assert len(await rows(app.services.store, t.Message, col(t.Message.author_kind) == "customer")) == 5
        assert len(await rows(app.services.store, t.Customer)) == 1
        assert len(await rows(app.services.store, t.Conversation)) == 1


async def test_the_answer_arrives_signed_and_once(database: Database) -> None:
    """Through the receiver: refused at first, then taken; a receiver that falls silent gets it never again."""
    async with receiving() as receiver, serving(database, INVENT_DELIVERY__RETRY="50ms,50ms,50ms") as app:
        statuses = iter([503, 429, 200])

        async def answer(delivery: Delivery) -> int:
            return next(statuses)

        receiver.answer = answer
        await app.inbox("far", "api", webhook_secret=SECRET, callback_url=receiver.url)
        await hook(app, id="k1")
        await until(lambda: asyncio.sleep(0, len(receiver.deliveries) == 3), 20)
        first, second, third = receiver.deliveries
        assert first.id == second.id == third.id == third.body["id"]
        assert (third.body["text"], third.body["in_reply_to"]) == ("one two three", "k1")
        assert third.body["customer_id"] == "c"
        assert receiver.bad_signatures == 0
        await until(lambda: _states(app, {"sent"}))


async def _states(app: App, wanted: set[str]) -> bool:
    return {row.state for row in await rows(app.services.store, t.Outbox)} == wanted


@pytest.mark.parametrize("fate", ["hangs", "hangs up"])
async def test_an_answer_that_is_lost_is_for_a_person(database: Database, fate: str) -> None:
    """The other side has read the message and says nothing, or closes: it is never sent again by itself."""
    read = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        await reader.readuntil(b"\r\n\r\n")
        read += 1
        if fate == "hangs":
            await asyncio.sleep(1)
        writer.close()

    other = await asyncio.start_server(take, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}/"
    async with serving(database, INVENT_DELIVERY__TIMEOUT="300ms", INVENT_DELIVERY__RETRY="50ms,50ms") as app:
        await app.inbox("far", "api", webhook_secret=SECRET, callback_url=url)
        await hook(app, id="k1")
        await until(lambda: _states(app, {"uncertain"}), 20)
        status, page = await app.call("GET", "/api/v1/notices")
        assert status == 200
        assert [notice["kind"] for notice in page["items"]] == ["uncertain"]
        await asyncio.sleep(0.3)
        assert read == 1
    other.close()
