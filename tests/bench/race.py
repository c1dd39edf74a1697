"""Does anything of the assistant reach a visitor after a takeover was acknowledged? One JSON line.

    python -m tests.bench.race [--runs 2000] [--seed 1] [--database sqlite|postgresql] [--engine scripted|model]
        [--control drain|recheck]

One server in this process, real HTTP and WebSocket clients, and an engine that writes slowly: a scripted one, or the
model's own with a stand-in for Ollama, which must see its connection closed within a second. Each run is one turn
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
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from unittest import mock

import structlog

from invent_server.assistant.generative import Generative
from invent_server.assistant.runner import Runner
from invent_server.assistant.types import Emit, TurnInput, TurnResult
from invent_server.conversations.control import Control
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.session import Hints
from tests.assistant.worlds import Search
from tests.ollama_double import Double, Timing, running
from tests.support.app import App, serving
from tests.support.clients import Visitor
from tests.support.databases import DIALECTS, forget_templates, fresh

PIECES = tuple(f"piece{number} " for number in range(8))
PAUSE = 0.006
GRACE = 0.08
SIDE_BY_SIDE = 8
COMMANDS = ("takeover", "takeover", "takeover", "twice", "flip", "resolve", "assign", "unassign", "snooze")
ACK_LIMIT = 1.0


class Engine(Protocol):
    """What writes the answers; `complete` tells whoever waits when a conversation's answer is complete."""

    complete: dict[str, asyncio.Event]
    turns: int
    name: str

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult: ...


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
class Model:
    """The model's own engine with a stand-in that says a word at a time."""

    double: Double
    name: str = "model"
    writes: Generative | None = None
    complete: dict[str, asyncio.Event] = field(default_factory=dict)
    turns: int = 0

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult:
        assert self.writes is not None
        self.turns += 1
        result = await self.writes(turn, emit)
        if turn.conversation_id in self.complete:
            self.complete[turn.conversation_id].set()
        return result

    async def closed(self, word: str, acknowledged: float) -> float | None:
        """Seconds after the acknowledgement until the last call about `word` had ended; None: it had before."""
        loop = asyncio.get_running_loop()
        mine = [one for one in self.double.calls() if word in str(one.body)]
        while any(one.ended is None for one in mine) and loop.time() < acknowledged + 5:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        ends = [one.ended or loop.time() for one in mine if one.disconnected or one.ended is None]
        return max(ends) - acknowledged if ends else None


@dataclass
class Silencing:
    """One run."""

    command: str
    aim: str
    acknowledged: float
    took: float
    late: Counter[str]
    closed: float | None = None


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


async def one(app: App, engine: Engine, chance: random.Random) -> Silencing:
    """One conversation, one silencer."""
    visitor = await Visitor.come(app)
    id_ = visitor.conversation_id
    name, aim = chance.choice(COMMANDS), chance.choice(("anywhere", "anywhere", "commit"))
    complete = engine.complete.setdefault(id_, asyncio.Event())
    async with visitor.listening(after=0):
        word = f"item{chance.randrange(10**12)}z"
        await visitor.say(f"How many days do I have to return {word}?")
        if chance.random() < 0.2:  # a newer message supersedes the turn
            await asyncio.sleep(chance.uniform(0, 0.04))
            await visitor.say(f"I mean {word}, how many days to return it?")
            complete.clear()
        if aim == "commit":
            await complete.wait()
            await asyncio.sleep(chance.uniform(0, 0.012))
        else:
            await asyncio.sleep(chance.uniform(0, PAUSE * len(PIECES) * 1.6))
        began, acknowledged = await silence(app, f"/api/v1/conversations/{id_}", name, chance)
        closed = await engine.closed(word, acknowledged) if isinstance(engine, Model) else None
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
    return Silencing(name, aim, acknowledged, acknowledged - began, +late, closed)


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


@asynccontextmanager
async def written_by(kind: str, database: str) -> AsyncIterator[tuple[App, Engine]]:
    """A server whose assistant writes with the engine of that kind."""
    if kind == "scripted":
        engine: Engine = Slow()
        with fresh(database) as made:
            async with serving(made, engine) as app:
                yield app, engine
        return
    timing = Timing(first=PAUSE, token=PAUSE)
    async with running(Double(parallel=SIDE_BY_SIDE * 2, timing=timing)) as double:
        double.rule({"text": "You have 30 days to return an item [1]."})
        names = {
            "OLLAMA_HOST": double.url,
            "INVENT_CHAT_MODEL": "chat:4b",
            "INVENT_MODELS__PARALLEL": str(SIDE_BY_SIDE * 2),
        }
        with fresh(database, **names) as made:
            engine = model = Model(double)
            async with serving(made, engine) as app:
                services = app.services
                model.writes = Generative(Search(evidence=0.95), services.models.chat, services.settings.assistant)
                while not services.models.chat.ready:  # noqa: ASYNC110 - a bench may look
                    await asyncio.sleep(0.01)
                yield app, engine


async def measure(runs: int, seed: int, database: str, control: str, kind: str) -> dict[str, Any]:
    """All runs, some side by side."""
    chance = random.Random(seed)
    gate = asyncio.Semaphore(SIDE_BY_SIDE)
    with broken(control):
        async with written_by(kind, database) as (app, engine):
            await app.inbox()

            async def guarded(own: random.Random) -> Silencing:
                async with gate:
                    return await one(app, engine, own)

            found = await asyncio.gather(*(guarded(random.Random(chance.random())) for _ in range(runs)))
    waits = sorted(run.took for run in found)
    leaked = [run for run in found if run.late]
    p99 = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    ends = sorted(run.closed for run in found if run.closed is not None)
    prompt = not ends or ends[-1] <= ACK_LIMIT
    return {
        "bench": "race",
        "ok": bool(leaked) if control else not leaked and p99 <= ACK_LIMIT and prompt,
        "engine": kind,
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
        "model_calls_cut": len(ends),
        "model_closed_max_ms": round(ends[-1] * 1000, 1) if ends else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=DIALECTS, default="sqlite")
    parser.add_argument("--engine", choices=("scripted", "model"), default="scripted")
    parser.add_argument("--control", choices=("drain", "recheck"), nargs="?", const="drain", default="")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        result = asyncio.run(measure(given.runs, given.seed, given.database, given.control, given.engine))
    finally:
        forget_templates()
    print(json.dumps(result))
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
