"""After a takeover is acknowledged nothing of the assistant leaves, wherever its turn or its reply stood."""

from __future__ import annotations

import asyncio
import random

import pytest
from sqlmodel import Session, col

from invent_server.channels.base import Outgoing, Result, Sent
from invent_server.store import tables as t
from tests.support.databases import Database
from tests.support.parts import Line, Parts, actor, node, until
from tests.support.responders import Scripted
from tests.support.rows import Company, company, conversation, rows, say

ROUNDS = 24


async def slow(outgoing: Outgoing) -> Result:
    await asyncio.sleep(0.004)
    return Sent()


async def silenced(parts: Parts, made: Company, talk: str) -> tuple[float, list[t.Outbox]]:
    """Take over; when it was acknowledged, and what of the assistant was then still on its way."""
    await parts.control.takeover(actor(made, "ana"), talk)
    moment = asyncio.get_running_loop().time()
    left = await rows(
        parts.store,
        t.Outbox,
        col(t.Outbox.conversation_id) == talk,
        col(t.Outbox.author_kind) == "assistant",
        col(t.Outbox.state).in_(("queued", "sending")),
    )
    return moment, left


async def test_no_send_begins_or_runs_after_the_acknowledgement(database: Database) -> None:
    """Takeovers at random moments around commit, claim and send, on a channel that cannot take back."""
    chance = random.Random(11)
    line = Line(slow)
    responder = Scripted(pieces=("answer",))
    async with node(database.settings(INVENT_DELIVERY__SETTLE="0s"), responder=responder, line=line) as parts:
        made = await company(parts.store, "api")

        async def one(number: int) -> None:
            talk = await conversation(parts.store, made, f"customer {number}")
            await say(parts.store, made, talk, f"k{number}")
            if number % 4:  # most of them around the claim and the send of the reply
                await until(lambda: rows(parts.store, t.Outbox, col(t.Outbox.conversation_id) == talk))
            await asyncio.sleep(chance.uniform(0, 0.02))
            moment, left = await silenced(parts, made, talk)
            assert left == []
            await asyncio.sleep(0.02)
            mine = [when for when, o in (*line.begun, *line.ended) if o.message.conversation_id == talk]
            assert all(when <= moment for when in mine), (number, moment, mine)

        for group in range(ROUNDS // 8):
            await asyncio.gather(*(one(group * 8 + i) for i in range(8)))
        assert parts.errors == []
        assert line.begun


async def test_a_second_takeover_waits_for_the_first(database: Database) -> None:
    """Pressed twice: the second command changes nothing, but it too must not be acknowledged early."""
    going, line = asyncio.Event(), Line()

    async def hold(outgoing: Outgoing) -> Result:
        await going.wait()
        return Sent()

    line.answer = hold
    settings = database.settings(INVENT_DELIVERY__SETTLE="0s")
    async with node(settings, responder=Scripted(pieces=("answer",)), line=line) as parts:
        made = await company(parts.store, "api")
        talk = await conversation(parts.store, made)
        await say(parts.store, made, talk, "k")
        await until(lambda: asyncio.sleep(0, line.begun))
        loop = asyncio.get_running_loop()
        first = loop.create_task(parts.control.takeover(actor(made, "ana"), talk))
        await asyncio.sleep(0.1)
        second = loop.create_task(parts.control.takeover(actor(made, "ana"), talk))
        await asyncio.sleep(0.2)
        assert not first.done()
        assert not second.done()
        going.set()
        assert (await first).handler == (await second).handler == "agent"


async def test_a_reply_being_sent_beyond_the_bound_becomes_uncertain(database: Database) -> None:
    """The channel hangs: the takeover waits its bound, says so to a person, and lets the agent speak."""
    line = Line(lambda outgoing: asyncio.sleep(30, Sent()))
    settings = database.settings(
        INVENT_HANDOFF__DRAIN="200ms", INVENT_DELIVERY__SETTLE="0s", INVENT_DELIVERY__TIMEOUT="1s"
    )
    async with node(settings, line=line) as parts:
        made = await company(parts.store, "api")
        talk = await conversation(parts.store, made)
        await say(parts.store, made, talk, "k")
        await until(lambda: asyncio.sleep(0, line.begun))
        await parts.control.takeover(actor(made, "ana"), talk)
        [row] = await rows(parts.store, t.Outbox)
        assert (row.state, row.token) == ("uncertain", None)
        [message] = await rows(parts.store, t.Message, col(t.Message.author_kind) == "assistant")
        assert message.delivery == "uncertain"


@pytest.mark.parametrize("silencer", ["takeover", "resolve", "assign", "snooze"])
async def test_each_silencer_keeps_a_queued_reply_from_leaving(database: Database, silencer: str) -> None:
    """The reply waits for a retry when somebody silences the assistant: it never leaves, and stays as a draft."""
    from invent_server.channels.base import Retry

    line = Line(lambda outgoing: asyncio.sleep(0, Retry("later", 0.3)))
    settings = database.settings(INVENT_DELIVERY__RETRY="300ms,300ms,300ms", INVENT_DELIVERY__SETTLE="0s")
    async with node(settings, responder=Scripted(pieces=("answer",)), line=line) as parts:
        made = await company(parts.store, "api")
        talk = await conversation(parts.store, made)
        await say(parts.store, made, talk, "k")
        await until(lambda: asyncio.sleep(0, line.begun))
        line.answer = None
        ana = actor(made, "ana")
        control = parts.control
        if silencer == "takeover":
            await control.takeover(ana, talk)
        elif silencer == "resolve":
            await control.resolve(ana, talk)
        elif silencer == "assign":
            await control.assign(ana, talk, "ben")
        else:
            moment = await parts.store.read(lambda s: s.info["now"]())
            await control.snooze(ana, talk, moment + 60_000_000)
        await asyncio.sleep(0.8)
        assert len(line.begun) == 1
        [row] = await rows(parts.store, t.Outbox)
        assert row.state == "withdrawn"


async def test_the_assistant_answers_again_after_a_hand_back(database: Database) -> None:
    """Flipping back and forth leaves no conversation with an unanswered message and nobody at work on it."""
    chance = random.Random(5)
    async with node(database.settings(INVENT_DELIVERY__SETTLE="0s"), responder=Scripted(pause=0.003)) as parts:
        made = await company(parts.store)
        ana = actor(made, "ana")

        async def one(number: int) -> None:
            talk = await conversation(parts.store, made, f"customer {number}")
            for turn in range(3):
                await say(parts.store, made, talk, f"{number}-{turn}")
                await asyncio.sleep(chance.uniform(0, 0.02))
                await parts.control.takeover(ana, talk)
                await asyncio.sleep(chance.uniform(0, 0.01))
                await parts.control.handback(ana, talk)

            async def answered() -> bool:
                [row] = await rows(parts.store, t.Conversation, col(t.Conversation.id) == talk)
                return bool(row.answered_seq == row.customer_seq and row.handler == "assistant")

            await until(answered)

        await asyncio.gather(*(one(i) for i in range(8)))
        assert parts.errors == []
        assert await rows(parts.store, t.Work) == []
        assert await rows(parts.store, t.Turn, col(t.Turn.state) == "running") == []


@pytest.mark.parametrize("way", ["reopened", "timed"])
async def test_what_was_unanswered_is_answered_after_a_snooze(database: Database, way: str) -> None:
    """A snooze that cuts off the assistant's turn must not leave the customer without any answer."""
    from invent_server.conversations.control import back_from_snooze

    responder = Scripted(pieces=("answer",), pause=0.1)
    async with node(database.settings(), responder=responder) as parts:
        made = await company(parts.store)
        talk = await conversation(parts.store, made)
        await say(parts.store, made, talk, "k")
        await until(lambda: asyncio.sleep(0, responder.turns))
        moment = await parts.store.read(lambda s: s.info["now"]())
        await parts.control.snooze(actor(made, "ana"), talk, moment + 200_000)
        if way == "reopened":
            await parts.control.reopen(actor(made, "ana"), talk)
        else:
            await asyncio.sleep(0.25)
            assert await parts.store.write(back_from_snooze) == 1

        def state(session: Session) -> bool:
            row = session.get_one(t.Conversation, talk)
            return row.answered_seq == row.customer_seq or row.handler == "queue"

        await until(lambda: parts.store.read(state), 5)
