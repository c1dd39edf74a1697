"""Channels that cannot take back what they have sent hold a finished reply: the customer may add a line."""

from __future__ import annotations

import asyncio

import pytest
from sqlmodel import col

from invent_server.store import tables as t
from tests.support.databases import Database
from tests.support.parts import Line, Parts, actor, node, until
from tests.support.responders import Scripted
from tests.support.rows import Company, company, conversation, rows, say


async def replied(parts: Parts, talk: str) -> list[t.Message]:
    """The assistant's replies that were not taken back."""
    found = await rows(
        parts.store, t.Message, col(t.Message.author_kind) == "assistant", col(t.Message.conversation_id) == talk
    )
    return [message for message in found if message.delivery_error != "withdrawn"]


async def test_a_line_in_that_time_makes_one_answer_of_two(database: Database) -> None:
    line, responder = Line(), Scripted()
    async with node(database.settings(INVENT_DELIVERY__SETTLE="400ms"), responder=responder, line=line) as parts:
        made = await company(parts.store, "api")
        talk = await conversation(parts.store, made)
        await say(parts.store, made, talk, "k1", "where is my parcel")
        await until(lambda: replied(parts, talk))
        await asyncio.sleep(0.1)
        await say(parts.store, made, talk, "k2", "number 4711")
        await until(lambda: asyncio.sleep(0, line.begun))
        await asyncio.sleep(0.6)
        assert len(line.begun) == 1
        assert responder.turns[-1].unanswered == ("where is my parcel", "number 4711")
        [reply] = await replied(parts, talk)
        assert (reply.covers_first, reply.covers_last) == (1, 2 + 1)
        assert line.begun[0][1].message.id == reply.id


async def test_a_reply_leaves_when_the_time_is_over(database: Database) -> None:
    """Not before it, and not long after it; the next one does not touch the first."""
    line = Line()
    async with node(database.settings(INVENT_DELIVERY__SETTLE="300ms"), line=line) as parts:
        made = await company(parts.store, "api")
        talk = await conversation(parts.store, made)
        loop = asyncio.get_running_loop()
        for number in (1, 2):
            begun = loop.time()
            await say(parts.store, made, talk, f"k{number}")
            await until(lambda n=number: asyncio.sleep(0, len(line.begun) == n))  # type: ignore[misc]
            assert line.begun[-1][0] - begun >= 0.3
        assert len(await replied(parts, talk)) == 2
        await until(lambda: _sent(parts))


async def _sent(parts: Parts) -> bool:
    return {row.state for row in await rows(parts.store, t.Outbox)} == {"sent"}


@pytest.mark.parametrize("then", ["handback", "nothing"])
async def test_a_reply_that_a_takeover_took_back_has_answered_nothing(database: Database, then: str) -> None:
    """The customer waits on; handed back without a word, the assistant answers anew."""
    line = Line()
    async with node(database.settings(INVENT_DELIVERY__SETTLE="300ms"), line=line) as parts:
        made = await company(parts.store, "api")
        talk = await _held(parts, made)
        taken = await parts.control.takeover(actor(made, "ana"), talk)
        assert taken.draft == "one two three"
        assert taken.waiting_since is not None
        if then == "handback":
            await parts.control.handback(actor(made, "ana"), talk)
            await until(lambda: asyncio.sleep(0, line.begun))
            assert len(await replied(parts, talk)) == 1
        await asyncio.sleep(0.5)
        assert len(line.begun) == (then == "handback")


async def _held(parts: Parts, made: Company) -> str:
    talk = await conversation(parts.store, made)
    await say(parts.store, made, talk, "k1")
    await until(lambda: replied(parts, talk))
    return talk


async def test_a_resolved_chat_stays_answered(database: Database) -> None:
    line = Line()
    async with node(database.settings(INVENT_DELIVERY__SETTLE="300ms"), line=line) as parts:
        made = await company(parts.store, "api")
        talk = await _held(parts, made)
        await parts.control.resolve(actor(made, "ana"), talk)
        await asyncio.sleep(0.5)
        assert line.begun == []
        [row] = await rows(parts.store, t.Conversation)
        assert (row.status, row.answered_seq, row.waiting_since) == ("closed", row.customer_seq, None)
