"""Takeovers at random points of a turn: does anything of the assistant reach the visitor after the acknowledgement?

`python -m tests.bench.race [--runs 2000] [--seed 1] [--control]` runs one server in this process, with real HTTP and
WebSocket clients and a scripted slow responder, and prints one JSON line. A leak is a frame with the assistant's words
(`token`, or a `message` of the assistant that was not there before) that arrives after the acknowledgement was read, or
a message that a GET shows only then. `--control` acknowledges without waiting for what is under way: it must leak.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
from contextlib import nullcontext
from typing import Any
from unittest import mock

import structlog

from invent_server.conversations.control import Control
from invent_server.store import tables as t
from invent_server.store import wire
from tests.support.app import App, serving
from tests.support.clients import Visitor
from tests.support.databases import fresh
from tests.support.responders import Scripted

PIECES = tuple(f"piece{number} " for number in range(8))
PAUSE = 0.006
GRACE = 0.08
SIDE_BY_SIDE = 8
SILENCERS = ("takeover", "takeover", "takeover", "resolve", "assign", "flip")


async def one(app: App, rng: random.Random) -> tuple[int, float, str]:
    """One conversation, one turn, one silencer at a random moment. Leaks, seconds to the acknowledgement, where."""
    visitor = await Visitor.come(app)
    path = f"/api/v1/conversations/{visitor.conversation_id}"
    async with visitor.listening(after=0):
        await visitor.say("tell me")
        if rng.random() < 0.2:  # a newer message supersedes the turn
            await asyncio.sleep(rng.uniform(0, 0.03))
            await visitor.say("and more")
        await asyncio.sleep(rng.uniform(0, PAUSE * len(PIECES) * 1.4))
        command = rng.choice(SILENCERS)
        loop = asyncio.get_running_loop()
        began = loop.time()
        if command == "flip":
            await app.call("POST", path + "/takeover", {})
            await app.call("POST", path + "/handback", {})
            await asyncio.sleep(rng.uniform(0, 0.02))
            began = loop.time()
            status, answer = await app.call("POST", path + "/takeover", {"force": True})
        else:
            body: dict[str, Any] = {"agent": "admin"} if command == "assign" else {}
            status, answer = await app.call("POST", f"{path}/{command}", body)
        acknowledged = loop.time()
        assert status == 200, answer
        before = {message["id"] for message in await visitor.messages() if message["author"]["kind"] == "assistant"}
        await asyncio.sleep(GRACE)
        after = {message["id"] for message in await visitor.messages() if message["author"]["kind"] == "assistant"}
    late = [
        frame
        for moment, frame in visitor.frames
        if moment > acknowledged
        and (
            frame["type"] == "token" or (frame["type"] == "message" and frame["data"]["author"]["kind"] == "assistant")
        )
    ]
    return len(late) + len(after - before), acknowledged - began, command


async def measure(runs: int, seed: int, control: bool) -> dict[str, Any]:
    rng = random.Random(seed)
    responder = Scripted(pieces=PIECES, pause=PAUSE)

    async def careless(self: Control, conversation_id: str, epoch: int) -> Any:
        """The control: nobody waits for what is under way."""
        return await self._store.read(
            lambda session: wire.conversation(session, session.get_one(t.Conversation, conversation_id))
        )

    leaks, waits, where = 0, list[float](), dict[str, int]()
    with fresh("sqlite") as database, mock.patch.object(Control, "_drain", careless) if control else nullcontext():
        async with serving(database, responder) as app:
            await app.inbox()
            gate = asyncio.Semaphore(SIDE_BY_SIDE)

            async def guarded(turn: random.Random) -> tuple[int, float, str]:
                async with gate:
                    return await one(app, turn)

            for found, wait, command in await asyncio.gather(
                *(guarded(random.Random(rng.random())) for _ in range(runs))
            ):
                leaks += found
                where[command] = where.get(command, 0) + found
                waits.append(wait)
    waits.sort()
    return {
        "bench": "race",
        "control": control,
        "runs": runs,
        "seed": seed,
        "leaks": leaks,
        "leaks_by": where,
        "ack_p50_ms": round(statistics.median(waits) * 1000, 1),
        "ack_p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
        "turns": len(responder.turns),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    print(json.dumps(asyncio.run(measure(given.runs, given.seed, given.control))))


if __name__ == "__main__":
    main()
