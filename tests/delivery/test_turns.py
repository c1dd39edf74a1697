"""Turns: one answer for a burst, failures and deadlines end with a person, nothing speaks without its right to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlmodel import col

from invent_server.assistant import runner
from invent_server.assistant.types import Emit, TurnInput, TurnResult
from invent_server.store import tables as t
from invent_server.store.database import Write
from tests.support.databases import Database, fresh
from tests.support.parts import Parts, actor, node, until
from tests.support.responders import Scripted
from tests.support.rows import company, conversation, rows, say


async def replies(parts: Parts) -> list[t.Message]:
    found = await rows(parts.store, t.Message, col(t.Message.author_kind) == "assistant")
    return sorted(found, key=lambda message: message.seq)


async def idle(parts: Parts) -> None:
    """Until the assistant has nothing left to do."""

    async def nothing() -> bool:
        return not await rows(parts.store, t.Work)

    await until(nothing, 20)


async def test_a_burst_gets_one_answer_that_covers_it_all(database: Database) -> None:
    responder = Scripted(pause=0.02)
    async with node(database.settings(), responder=responder) as parts:
        made = await company(parts.store)
        talk = await conversation(parts.store, made)
        for number in range(4):
            await say(parts.store, made, talk, f"k{number}", f"line {number}")
            await asyncio.sleep(0.03)
        await idle(parts)
        [reply] = await replies(parts)
        assert (reply.covers_first, reply.covers_last) == (1, 4)
        assert responder.turns[-1].unanswered == tuple(f"line {n}" for n in range(4))
        turns = await rows(parts.store, t.Turn)
        assert sorted(turn.state for turn in turns) == ["done"] + ["stopped"] * (len(turns) - 1)
        assert parts.errors == []


async def test_what_lies_between_unanswered_messages_is_not_miscounted(database: Database) -> None:
    """A hand back between two unanswered messages takes a number of the thread: the answer covers both all the same."""
    async with node(database.settings(), responder=Scripted(pause=0.02)) as parts:
        made = await company(parts.store)
        talk = await conversation(parts.store, made)
        await say(parts.store, made, talk, "k1")
        await parts.control.takeover(actor(made, "ana"), talk)
        await say(parts.store, made, talk, "k2")
        await parts.control.handback(actor(made, "ana"), talk)
        await idle(parts)
        [reply] = await replies(parts)
        assert (reply.covers_first, reply.covers_last) == (1, 3)


async def test_a_failing_engine_is_tried_again_and_then_a_person_is_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "POLL", 0.05)
    monkeypatch.setattr(runner, "RETRY_PAUSE", 0.05)
    responder = Scripted(failures=2)
    async with node(database.settings(), responder=responder) as parts:
        made = await company(parts.store)
        first = await conversation(parts.store, made, "first")
        await say(parts.store, made, first, "k1")
        await idle(parts)
        [reply] = await replies(parts)
        assert (reply.outcome, len(responder.turns)) == ("answer", 3)
        responder.failures = 99
        second = await conversation(parts.store, made, "second")
        await say(parts.store, made, second, "k2")
        await idle(parts)
        [talk] = await rows(parts.store, t.Conversation, col(t.Conversation.id) == second)
        assert (talk.handler, talk.handoff_reason) == ("queue", "failed")
        assert len(responder.turns) == 6


async def test_a_turn_ends_at_its_deadline_and_the_customer_is_told(database: Database) -> None:
    async with node(database.settings(INVENT_ASSISTANT__DEADLINE="300ms"), responder=Scripted(pause=0.2)) as parts:
        made = await company(parts.store)
        talk = await conversation(parts.store, made)
        await say(parts.store, made, talk, "k")
        await idle(parts)
        [reply] = await replies(parts)
        assert (reply.outcome, reply.reason) == ("handoff", "deadline")
        assert reply.text


async def test_a_slow_database_pauses_an_answer_and_does_not_begin_it_anew() -> None:
    """The right to speak runs out before it is renewed: the text waits for it."""
    responder = Scripted(pieces=tuple("abcdefghij"), pause=0.03)
    with fresh("sqlite") as database:
        async with node(database.settings(INVENT_ASSISTANT__LEASE="100ms"), responder=responder) as parts:
            made = await company(parts.store)
            talk = await conversation(parts.store, made)
            write = parts.store.write

            async def slow(fn: Write[Any]) -> Any:
                await asyncio.sleep(0.08)
                return await write(fn)

            parts.store.write = slow  # type: ignore[method-assign]
            await say(parts.store, made, talk, "k")
            await idle(parts)
            assert len(responder.turns) == 1
            [reply] = await replies(parts)
            assert reply.text == "abcdefghij"


@pytest.mark.parametrize("ending", ["takeover", "superseded"])
async def test_an_engine_that_does_not_let_go_is_not_heard(ending: str) -> None:
    """It swallows the cancellation and goes on talking: its text reaches neither the visitor nor the next turn."""
    left: list[int] = []

    async def stubborn(turn: TurnInput, emit: Emit) -> TurnResult:
        if len(turn.unanswered) > 1 or left:
            await emit("good")
            return TurnResult("answer", "r", "d", "good", "en")
        left.append(1)

        async def talk() -> None:
            for _ in range(40):
                await asyncio.sleep(0.01)
                await emit("bad")

        chatter = asyncio.get_running_loop().create_task(talk())
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            await asyncio.wait([chatter])
            left.extend([1] if chatter.exception() else [1, 2])
        return TurnResult("answer", "r", "d", "bad", "en")

    stubborn.name = "stubborn"  # type: ignore[attr-defined]
    with fresh("sqlite") as database:
        async with node(database.settings(), responder=stubborn) as parts:  # type: ignore[arg-type]
            made = await company(parts.store)
            talk = await conversation(parts.store, made)
            await say(parts.store, made, talk, "k1")
            await until(lambda: asyncio.sleep(0, left))
            await asyncio.sleep(0.05)
            if ending == "takeover":
                await parts.control.takeover(actor(made, "ana"), talk)
                await parts.control.handback(actor(made, "ana"), talk)
            else:
                await say(parts.store, made, talk, "k2")
            await idle(parts)
            assert [reply.text for reply in await replies(parts)] == ["good"]
            assert left == [1, 1]


async def test_a_restart_in_the_middle_of_an_answer_leaves_nobody_waiting(database: Database) -> None:
    """The node is gone while it answers; the next start finds the work and answers, once."""
    responder = Scripted(pause=30)
    async with node(database.settings(), responder=responder) as parts:
        made = await company(parts.store)
        talks = [await conversation(parts.store, made, f"c{i}") for i in range(3)]
        for number, talk in enumerate(talks):
            await say(parts.store, made, talk, f"k{number}")
        await until(lambda: asyncio.sleep(0, len(responder.turns) == 3))
        parts.runner._open = False
        await parts.runner._tasks.close()
    async with node(database.settings(), responder=Scripted()) as parts:
        await idle(parts)
        found = await replies(parts)
        assert sorted(reply.conversation_id for reply in found) == sorted(talks)
        assert await rows(parts.store, t.Turn, col(t.Turn.state) == "running") == []
