"""A takeover while the model writes: after the acknowledgement nothing of it is seen, and it is told to stop.

INVENT_RACES sets how many; the bar is 2,000.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest
from sqlmodel import col

from invent_server.assistant.generative import Generative
from invent_server.store import tables as t
from tests.assistant.worlds import Search
from tests.models.test_generative import room
from tests.ollama_double import Double, Timing, running
from tests.support.databases import fresh
from tests.support.parts import actor, node
from tests.support.rows import company, conversation, rows, say

RACES = int(os.environ.get("INVENT_RACES", "40"))
AT_ONCE = 8


async def test_nothing_is_seen_after_the_acknowledgement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    seen: list[tuple[float, str]] = []
    clock = asyncio.get_running_loop().time
    timing = Timing(first=0.005, token=0.004)
    closed: list[float] = []
    with fresh("sqlite") as database:
        async with running(Double(parallel=AT_ONCE, timing=timing)) as double:
            double.rule({"text": "You have 30 days to return an item in store or by post, free of charge [1]."})
            settings = database.settings()
            async with room(double, tmp_path, parallel=AT_ONCE, first=5.0, silence=5.0) as models:
                engine = Generative(Search(evidence=0.95), models.chat, settings.assistant)
                async with node(settings, responder=engine) as parts:
                    made = await company(parts.store, "web")
                    tell = parts.hub.token

                    def token(talk: str, piece: str) -> None:
                        seen.append((clock(), talk))
                        tell(talk, piece)

                    monkeypatch.setattr(parts.hub, "token", token)

                    async def race(number: int) -> None:
                        talk = await conversation(parts.store, made, f"customer {number}")
                        question = f"How many days do I have to return item{number}z?"
                        await say(parts.store, made, talk, f"key{number}", question)
                        await asyncio.sleep(chance.uniform(0.0, 0.15))
                        await parts.control.takeover(actor(made, "ana"), talk)
                        acknowledged = clock()
                        before = await rows(parts.store, t.Message, col(t.Message.conversation_id) == talk)
                        await asyncio.sleep(0.1)
                        after = await rows(parts.store, t.Message, col(t.Message.conversation_id) == talk)
                        assert len(before) == len(after), number
                        assert all(at <= acknowledged for at, of in seen if of == talk), number
                        mine = [one for one in double.calls() if f"item{number}z" in str(one.body)]
                        while any(one.ended is None for one in mine):
                            await asyncio.sleep(0.01)
                            assert clock() - acknowledged < 1, number
                        closed.extend(one.disconnected for one in mine)

                    for group in range(RACES // AT_ONCE):
                        await asyncio.gather(*(race(group * AT_ONCE + i) for i in range(AT_ONCE)))
                    assert parts.errors == []
    assert any(closed), "some takeovers came in the middle of an answer"
    assert seen
