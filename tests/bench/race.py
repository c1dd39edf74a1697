"""Does anything of the assistant reach a visitor after a takeover was acknowledged? One JSON line.

    python -m tests.bench.race [--runs 2000] [--seed 1] [--database sqlite|postgresql] [--control drain|recheck]

One server in this process, real HTTP and WebSocket clients, a scripted engine that writes slowly. Each run is one turn
that is silenced at a random point, or aimed at the moment in which its reply is committed. A leak is a frame with the
assistant's words (`token`, or a `message` of the assistant) that arrives at the visitor's open socket after the head of
the acknowledgement has arrived, or a message that a GET shows and that had not arrived before.

`--control drain` acknowledges without waiting for what is under way; `--control recheck` has no stopping either: turns
only look at the epoch again before they commit. Both must leak, else the bench is blind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import structlog

from invent_server.assistant.runner import Runner
from invent_server.assistant.types import Emit, TurnInput, TurnResult
from invent_server.conversations.control import Control
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.session import Hints
from tests.support.app import App, serving
from tests.support.clients import Visitor
from tests.support.databases import DIALECTS, forget_templates, fresh

PIECES = tuple(f"piece{number} " for number in range(8))
PAUSE = 0.006
GRACE = 0.08
SIDE_BY_SIDE = 8
COMMANDS = ("takeover", "takeover", "takeover", "twice", "flip", "resolve", "assign", "unassign", "snooze")
ACK_LIMIT = 1.0


@dataclass
class Slow:
    """Writes its pieces one by one, and tells whoever waits when a conversation's answer is complete."""

    name: str = "slow"
    complete: dict[str, asyncio.Event] = field(default_factory=dict)
    turns: int = 0

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult:
        self.turns += 1
        for piece in PIECES:
            await asyncio.sleep(PAUSE)
            await emit(piece)
        if turn.conversation_id in self.complete:
            self.complete[turn.conversation_id].set()
        return TurnResult("answer", "scripted", "as the bench says", "".join(PIECES), "en")


@dataclass
class Silencing:
    """One run."""

    command: str
    aim: str
    acknowledged: float
    took: float
    late: Counter[str]


async def command(app: App, path: str, body: dict[str, Any]) -> float:
    """POST; the moment at which the head of the answer was there."""
    headers = {"Authorization": f"Bearer {app.admin}"}
    async with app.session.post(app.url + path, json=body, headers=headers) as answer:
        moment = asyncio.get_running_loop().time()
        assert answer.status == 200, await answer.text()
        return moment


async def silence(app: App, path: str, name: str, chance: random.Random) -> tuple[float, float]:
    """Give a command that silences the assistant; when it was begun and when acknowledged."""
    clock = asyncio.get_running_loop().time
    if name == "flip":
        await command(app, f"{path}/takeover", {})
        await command(app, f"{path}/handback", {})
        await asyncio.sleep(chance.uniform(0, PAUSE * len(PIECES) * 1.5))
    began = clock()
    if name == "twice":  # pressed twice: whichever is acknowledged first
        both = (command(app, f"{path}/takeover", {}), command(app, f"{path}/takeover", {}))
        return began, min(await asyncio.gather(*both))
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "assign": ("assign", {"agent": "admin"}),
        "unassign": ("assign", {"agent": None}),
        "snooze": ("snooze", {"until": "2099-01-01T00:00:00Z"}),
        "resolve": ("resolve", {}),
    }
    verb, body = bodies.get(name, ("takeover", {}))
    return began, await command(app, f"{path}/{verb}", body)


async def one(app: App, engine: Slow, chance: random.Random) -> Silencing:
    """One conversation, one silencer."""
    visitor = await Visitor.come(app)
    id_ = visitor.conversation_id
    name, aim = chance.choice(COMMANDS), chance.choice(("anywhere", "anywhere", "commit"))
    complete = engine.complete.setdefault(id_, asyncio.Event())
    async with visitor.listening(after=0):
        await visitor.say("tell me")
        if chance.random() < 0.2:  # a newer message supersedes the turn
            await asyncio.sleep(chance.uniform(0, 0.04))
            await visitor.say("and more")
            complete.clear()
        if aim == "commit":
            await complete.wait()
            await asyncio.sleep(chance.uniform(0, 0.012))
        else:
            await asyncio.sleep(chance.uniform(0, PAUSE * len(PIECES) * 1.6))
        began, acknowledged = await silence(app, f"/api/v1/conversations/{id_}", name, chance)
        await visitor.messages()
        await asyncio.sleep(GRACE)
        shown = {message["id"] for message in await visitor.messages() if message["author"]["kind"] == "assistant"}
    del engine.complete[id_]
    late: Counter[str] = Counter()
    arrived: set[str] = set()
    for moment, frame in visitor.frames:
        spoken = frame["type"] == "token" or (
            frame["type"] == "message" and frame["data"]["author"]["kind"] == "assistant"
        )
        if spoken and moment > acknowledged:
            late[frame["type"]] += 1
        elif spoken and frame["type"] == "message":
            arrived.add(frame["data"]["id"])
    late["get"] = len(shown - arrived)
    return Silencing(name, aim, acknowledged, acknowledged - began, +late)


def broken(control: str) -> ExitStack:
    """The controls: what makes the takeover safe is taken away."""

    async def careless(self: Control, conversation_id: str, epoch: int) -> Any:
        return await self._store.read(lambda s: wire.conversation(s, s.get_one(t.Conversation, conversation_id)))

    heed = Runner._committed

    def deaf(self: Runner, hints: Hints, events: bool) -> None:
        heed(self, Hints(hints.work, hints.outbox, set(), hints.ended), events)

    stack = ExitStack()
    if control:
        stack.enter_context(mock.patch.object(Control, "_drain", careless))
    if control == "recheck":
        stack.enter_context(mock.patch.object(Runner, "_committed", deaf))
    return stack


async def measure(runs: int, seed: int, database: str, control: str) -> dict[str, Any]:
    """All runs, some side by side."""
    chance = random.Random(seed)
    engine = Slow()
    gate = asyncio.Semaphore(SIDE_BY_SIDE)
    with fresh(database) as made, broken(control):
        async with serving(made, engine) as app:
            await app.inbox()

            async def guarded(own: random.Random) -> Silencing:
                async with gate:
                    return await one(app, engine, own)

            found = await asyncio.gather(*(guarded(random.Random(chance.random())) for _ in range(runs)))
    waits = sorted(run.took for run in found)
    leaked = [run for run in found if run.late]
    p99 = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    return {
        "bench": "race",
        "ok": bool(leaked) if control else not leaked and p99 <= ACK_LIMIT,
        "database": database,
        "control": control or None,
        "runs": runs,
        "seed": seed,
        "runs_that_leaked": len(leaked),
        "leaks": sum((run.late for run in found), Counter()),
        "leaked_by_command": Counter(run.command for run in leaked),
        "leaked_by_aim": Counter(run.aim for run in leaked),
        "runs_by_command": Counter(run.command for run in found),
        "ack_p50_ms": round(statistics.median(waits) * 1000, 1),
        "ack_p99_ms": round(p99 * 1000, 1),
        "ack_max_ms": round(waits[-1] * 1000, 1),
        "turns": engine.turns,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=DIALECTS, default="sqlite")
    parser.add_argument("--control", choices=("drain", "recheck"), nargs="?", const="drain", default="")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        result = asyncio.run(measure(given.runs, given.seed, given.database, given.control))
    finally:
        forget_templates()
    print(json.dumps(result))
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
