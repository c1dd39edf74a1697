"""What becomes of a message on its way out: order, retries, the dead letter, and sends whose end nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlmodel import Session, col, select

from invent_server.channels.base import Outgoing, Refused, Result, Retry, Sent, Unknown
from invent_server.conversations import writing
from invent_server.conversations.control import Control
from invent_server.delivery import outbox
from invent_server.store import tables as t
from invent_server.store.database import Store
from invent_server.store.notices import notices
from shared.commands import Reply
from tests.support.clock import ManualClock
from tests.support.databases import Database
from tests.support.parts import Line, Parts, actor, node, until
from tests.support.rows import Company, company, conversation, rows, say

PAUSES = (2.0, 10.0)


class Desk:
    """Agent ana has a conversation and writes in it; sends are driven by hand."""

    def __init__(self, store: Store, made: Company, talk: str) -> None:
        self.store, self.made, self.talk = store, made, talk

    async def write(self, text: str) -> str:
        ana = actor(self.made, "ana")
        message = await self.store.write(lambda s: writing.reply(s, ana, self.talk, Reply(text=text), "n1", 30))
        return message.id

    async def write_many(self, count: int) -> list[str]:
        ana = actor(self.made, "ana")

        def write(session: Session) -> list[str]:
            lines = [Reply(text=f"line {number}") for number in range(count)]
            return [writing.reply(session, ana, self.talk, line, "n1", 30).id for line in lines]

        return await self.store.write(write)

    async def claim(self, message_id: str, node_name: str = "n1") -> outbox.Claimed | None:
        return await self.store.write(lambda s: outbox.claim(s, message_id, node_name, 30))

    async def record(self, claimed: outbox.Claimed, result: Result) -> str | None:
        return await self.store.write(lambda s: outbox.record(s, claimed, result, PAUSES))

    async def due(self) -> list[str]:
        return await self.store.read(lambda s: outbox.due(s, 32))

    async def state(self, message_id: str) -> tuple[str, str | None]:
        [row] = await rows(self.store, t.Outbox, col(t.Outbox.message_id) == message_id)
        [message] = await rows(self.store, t.Message, col(t.Message.id) == message_id)
        return row.state, message.delivery

    async def listed(self) -> list[str | None]:
        return [notice.message_id for notice in await self.store.read(notices)]


async def desk(store: Store, database: Database) -> Desk:
    made = await company(store, "api")
    talk = await conversation(store, made)
    await say(store, made, talk, "k")
    await Control(store, database.settings().handoff).takeover(actor(made, "ana"), talk)
    return Desk(store, made, talk)


async def test_a_later_message_waits_for_an_earlier_one(store: Store, database: Database) -> None:
    at = await desk(store, database)
    first, second = await at.write("first"), await at.write("second")
    assert await at.due() == [first]
    assert await at.claim(second) is None
    claimed = await at.claim(first)
    assert claimed is not None
    assert await at.due() == []
    assert await at.claim(second) is None
    await at.record(claimed, Sent("x1"))
    assert await at.due() == [second]
    assert await at.claim(second) is not None


async def test_only_one_of_many_gets_the_claim(store: Store, database: Database) -> None:
    at = await desk(store, database)
    message = await at.write("once")
    claims = await asyncio.gather(*(at.claim(message, f"n{i}") for i in range(10)))
    assert sum(claim is not None for claim in claims) == 1


async def test_retries_with_growing_pauses_then_the_dead_letter(
    store: Store, database: Database, clock: ManualClock
) -> None:
    at = await desk(store, database)
    message = await at.write("hard to deliver")
    for pause in PAUSES:
        claimed = await at.claim(message)
        assert claimed is not None
        assert await at.record(claimed, Retry("busy")) == "queued"
        assert await at.due() == []
        assert await at.listed() == []
        clock.advance(pause - 0.01)
        assert await at.claim(message) is None
        clock.advance(0.02)
        assert await at.due() == [message]
    claimed = await at.claim(message)
    assert claimed is not None
    assert await at.record(claimed, Retry("busy")) == "failed"
    assert await at.state(message) == ("failed", "failed")
    assert await at.listed() == [message]
    clock.advance(86400)
    assert await at.due() == []
    later = await at.write("the next one is not held up")
    assert await at.due() == [later]


async def test_the_channels_own_word_about_when_counts(store: Store, database: Database, clock: ManualClock) -> None:
    at = await desk(store, database)
    claimed = await at.claim(await at.write("x"))
    assert claimed is not None
    await at.record(claimed, Retry("slow down", after=60.0))
    clock.advance(59)
    assert await at.due() == []
    clock.advance(2)
    assert await at.due() == [claimed.message_id]


@pytest.mark.parametrize(
    ("result", "state"), [(Sent("id"), "sent"), (Refused("no"), "failed"), (Unknown("?"), "uncertain")]
)
async def test_an_end_is_recorded_once(store: Store, database: Database, result: Result, state: str) -> None:
    at = await desk(store, database)
    message = await at.write("x")
    claimed = await at.claim(message)
    assert claimed is not None
    assert await at.record(claimed, result) == state
    assert await at.state(message) == (state, state)
    assert await at.record(claimed, Sent("again")) is None
    assert await at.claim(message) is None
    assert await at.listed() == ([] if state == "sent" else [message])


async def test_a_send_whose_sender_died_is_uncertain_and_stays_so(
    store: Store, database: Database, clock: ManualClock
) -> None:
    """Another node waits for the lease; the same node started anew knows at once. Neither sends again."""
    at = await desk(store, database)
    message = await at.write("x")
    zombie = await at.claim(message)
    assert zombie is not None
    clock.advance(29)
    assert await store.write(lambda s: outbox.doubt(s, "n2", False)) == 0
    assert await store.write(lambda s: outbox.doubt(s, "n2", True)) == 0
    assert await store.write(lambda s: outbox.doubt(s, "n1", True)) == 1
    assert await at.state(message) == ("uncertain", "uncertain")
    assert await at.listed() == [message]
    assert await at.record(zombie, Sent("late")) is None
    assert await at.state(message) == ("uncertain", "uncertain")
    clock.advance(86400)
    assert await at.due() == []
    second = await at.write("y")
    claimed = await at.claim(second)
    assert claimed is not None
    clock.advance(31)
    assert await store.write(lambda s: outbox.doubt(s, "n2", False)) == 1
    assert sorted(await at.listed(), key=str) == sorted([message, second])


async def test_blocked_messages_never_crowd_out_those_that_are_due(
    store: Store, database: Database, clock: ManualClock
) -> None:
    """Many messages wait behind one that is retried: it and everybody else's are still found."""
    at = await desk(store, database)
    texts = await at.write_many(140)
    claimed = await at.claim(texts[0])
    assert claimed is not None
    await at.record(claimed, Retry("busy"))
    other = await conversation(store, at.made, "other")
    await say(store, at.made, other, "k2")
    await Control(store, database.settings().handoff).takeover(actor(at.made, "ana"), other)
    theirs = await Desk(store, at.made, other).write("from another chat")
    assert await at.due() == [theirs]
    clock.advance(3)
    assert set(await at.due()) == {theirs, texts[0]}


async def send_all(parts: Parts, made: Company, talks: Sequence[str], count: int) -> None:
    """Ana takes the conversations over and writes `count` numbered lines in each."""
    ana = actor(made, "ana")

    async def write(talk: str, text: str) -> None:
        await parts.store.write(lambda s: writing.reply(s, ana, talk, Reply(text=text), parts.node, 30))

    for talk in talks:
        await parts.control.takeover(ana, talk)
    for number in range(count):
        await asyncio.gather(*(write(talk, str(number)) for talk in talks))


async def test_the_worker_keeps_each_conversations_order_through_failures(database: Database) -> None:
    """A fifth of all sends fail at first; one conversation fails for ever. The others do not wait for it."""
    import random

    chance = random.Random(2)
    stuck: list[str] = []

    async def answer(outgoing: Outgoing) -> Result:
        await asyncio.sleep(0.001)
        if outgoing.message.conversation_id in stuck:
            return Retry("never")
        return Retry("now and then") if chance.random() < 0.2 else Sent()

    line = Line(answer)
    settings = database.settings(INVENT_DELIVERY__RETRY=",".join(["50ms"] * 30))
    async with node(settings, line=line) as parts:
        made = await company(parts.store, "api")
        talks = [await conversation(parts.store, made, f"c{i}") for i in range(5)]
        stuck.append(talks[0])
        await send_all(parts, made, talks, 5)

        async def done() -> bool:
            waiting = await rows(parts.store, t.Outbox, col(t.Outbox.state).in_(("queued", "sending")))
            return all(row.conversation_id == talks[0] for row in waiting)

        await until(done, 30)
        for talk in talks[1:]:
            sent = await rows(parts.store, t.Outbox, col(t.Outbox.conversation_id) == talk)
            assert {row.state for row in sent} == {"sent"}
            tries = [o.message.text for _, o in line.begun if o.message.conversation_id == talk]
            assert tries == sorted(tries)
            assert sorted(set(tries)) == [str(n) for n in range(5)]
        assert {o.message.text for _, o in line.begun if o.message.conversation_id == talks[0]} == {"0"}
        assert parts.errors == []


async def test_a_channel_that_breaks_or_hangs_is_never_sent_to_again(database: Database) -> None:
    """An exception in a channel and an answer that never comes: nobody knows, so a person decides."""
    line = Line(lambda outgoing: asyncio.sleep(60, Sent()))
    settings = database.settings(INVENT_DELIVERY__TIMEOUT="100ms", INVENT_DELIVERY__LEASE="1s")
    async with node(settings, line=line) as parts:
        made = await company(parts.store, "api")
        talk = await conversation(parts.store, made)
        await send_all(parts, made, [talk], 1)

        async def uncertain(count: int) -> bool:
            return len(await rows(parts.store, t.Outbox, col(t.Outbox.state) == "uncertain")) == count

        await until(lambda: uncertain(1))

        async def fail(outgoing: Outgoing) -> Result:
            raise ValueError("a fault of ours")

        line.answer = fail
        await send_all(parts, made, [talk], 1)
        await until(lambda: uncertain(2))
        assert len(line.begun) == 2


async def test_a_restart_between_claim_and_answer(database: Database) -> None:
    """The node stops hard while it sends; it starts again: uncertain, listed, and the rest goes on."""
    line = Line(lambda outgoing: asyncio.sleep(60, Sent()))
    settings = database.settings(INVENT_DELIVERY__TIMEOUT="20s")
    async with node(settings, line=line) as parts:
        made = await company(parts.store, "api")
        talks = [await conversation(parts.store, made, f"c{i}") for i in range(3)]
        await send_all(parts, made, talks, 2)
        await until(lambda: asyncio.sleep(0, len(line.begun) == 3))
        parts.worker._tasks._on_error = lambda error: None
        await parts.worker._tasks.close()
    line.answer = None
    async with node(settings, line=line) as parts:
        found = await parts.store.read(notices)
        assert len(found) == 3
        assert {notice.kind for notice in found} == {"uncertain"}

        def sent(session: Session) -> bool:
            return set(session.exec(select(t.Outbox.state).where(t.Outbox.state != "uncertain"))) == {"sent"}

        await until(lambda: parts.store.read(sent))
        assert sorted(o.message.text for _, o in line.begun) == ["0"] * 3 + ["1"] * 3
