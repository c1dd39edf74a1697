"""Sockets that drop at random and come back by `?after=`: is anything missed or doubled, and is the state the same?

`python -m tests.bench.resume [--sockets 200] [--visitors 20] [--drops 20] [--rate 50] [--seconds 60] [--seed 1]
[--control]` runs the real server under a stream of changes of every event type and prints one JSON line. Every agents'
socket must have seen each event exactly once, in order; its state, folded from events alone, must equal a fresh fetch.
Every visitor's page, which goes on from its last message, must show what a fetch shows. A place in the future gets a
`resync`. `--control` comes back by the clock (without `after`): it must miss events.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, cast

import aiohttp
import orjson

from invent_server.services import Services
from tests.support.app import App
from tests.support.clients import Visitor
from tests.support.databases import forget_templates, fresh
from tests.support.folding import State, fetched
from tests.support.receiver import SECRET, Delivery, Receiver, receiving, signed
from tests.support.server import Server

TALKS = 4
WRITERS = 4
EVENTS_EACH = 2.0
"""Events that a change makes on the average (answers of the assistant included)."""
PATIENCE = 30.0
"""Seconds that the last event may take to arrive."""
EVERY = {
    *("message.created", "message.updated", "conversation.updated", "customer.updated"),
    *("memory.updated", "knowledge.updated", "notice.updated"),
}


@lru_cache(maxsize=4000)
def parsed(raw: str) -> dict[str, Any]:
    """A frame's JSON: all inboxes get the same text, so it is read once."""
    return dict(orjson.loads(raw))


class Listener:
    """An agent's inbox on a bad line."""

    def __init__(self, app: App, seed: int, drops: int, seconds: float, control: bool) -> None:
        self.app = app
        self.state = State()
        self.after = 0
        self.resumes: list[float] = []
        self.kinds: set[str] = set()
        self.doubled = 0
        self._rng = random.Random(seed)
        self._drops = drops
        self._seconds = seconds
        self._control = control

    async def run(self, end: asyncio.Future[int]) -> None:
        """Listen, losing the line `drops` times at random moments, until the number of the last event is there."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for moment in sorted(began + self._rng.uniform(0.02, 0.98) * self._seconds for _ in range(self._drops)):
            async with self._connected() as ws:
                connection = ws._response.connection
                assert connection is not None
                assert connection.transport is not None
                loop.call_at(max(moment, loop.time() + 0.01), connection.transport.abort)
                async for message in ws:
                    self._take(message)
        async with self._connected() as ws:
            last = await self._until(ws, end)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while self.after < last:
                        self._take(await ws.receive())

    async def _until(self, ws: aiohttp.ClientWebSocketResponse, end: asyncio.Future[int]) -> int:
        while not end.done():
            with contextlib.suppress(TimeoutError):
                self._take(await ws.receive(timeout=1))
        return end.result()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        query = "" if self._control and self.after else f"?after={self.after}"
        headers = {"Authorization": f"Bearer {self.app.admin}"}
        at = time.monotonic()
        async with self.app.session.ws_connect(f"{self.app.url}/api/v1/stream{query}", headers=headers) as ws:
            await ws.receive_json(timeout=60)
            self.resumes.append(time.monotonic() - at)
            yield ws

    def _take(self, message: aiohttp.WSMessage) -> None:
        if message.type is not aiohttp.WSMsgType.TEXT:
            return
        frame = parsed(message.data)
        if "seq" in frame:
            self.doubled += frame["seq"] <= self.after
            self.after = max(self.after, frame["seq"])
            self.kinds.add(frame["type"])
        self.state.apply(frame)


class Page:
    """A visitor's page on a bad line: it keeps messages by their seq and goes on from the last."""

    def __init__(self, visitor: Visitor, seed: int, drops: int, seconds: float) -> None:
        self.visitor = visitor
        self.shown: dict[int, dict[str, Any]] = {}
        self.doubled = 0
        self._rng = random.Random(seed)
        self._drops = drops
        self._seconds = seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Listen, dropping the line, until `stop` and then until nothing comes any more."""
        for _ in range(self._drops):
            await self._listen(self._seconds / self._drops * self._rng.uniform(0.5, 1.0))
        await stop.wait()
        await self._listen(1.0)

    async def _listen(self, seconds: float) -> None:
        visitor = self.visitor
        visitor.frames.clear()
        async with visitor.listening(max(self.shown, default=0)):
            await asyncio.sleep(seconds)
        new: set[int] = set()
        for message in visitor.of("message"):
            seq = message["seq"]
            self.doubled += seq in new and message == self.shown[seq]
            new.add(seq)
            self.shown[seq] = message

    async def differs(self) -> bool:
        """Is anything missing or other than a fetch shows? (The state of a delivery may have moved on meanwhile.)"""
        there = {message["seq"]: message["text"] for message in await self.visitor.messages()}
        last = max(there, default=0)
        while more := await self.visitor.messages(last):
            there |= {message["seq"]: message["text"] for message in more}
            last = max(there)
        return there != {seq: message["text"] for seq, message in self.shown.items()}


async def outside(app: App, receiver: Receiver, seconds: float) -> None:
    """A channel whose other side refuses what it gets: notices come."""

    async def refuse(delivery: Delivery) -> int:
        return 404

    receiver.answer = refuse
    await app.inbox("far", "api", webhook_secret=SECRET, callback_url=receiver.url)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        count += 1
        body = {"type": "message", "id": f"far-{count}", "text": "from afar", "customer": {"id": f"far {count % 3}"}}
        raw, headers = signed(body)
        async with app.session.post(f"{app.url}/webhooks/api/far", data=raw, headers=headers) as answer:
            assert answer.status == 200
        await asyncio.sleep(2)


async def refused_places(app: App) -> int:
    """Places in the future that did not get a `resync` at once (0 is right)."""
    wrong = 0
    for after in (10**6, 10**9, 2**62):
        async with app.session.ws_connect(
            f"{app.url}/api/v1/stream?after={after}", headers={"Authorization": f"Bearer {app.admin}"}
        ) as ws:
            hello, second = await ws.receive_json(timeout=10), await ws.receive_json(timeout=10)
            wrong += (hello["type"], second["type"], second["data"].get("seq")) != (
                "hello",
                "resync",
                hello["data"]["seq"],
            )
    return wrong


async def change(app: App, rate: float, seconds: float, rng: random.Random, visitors: list[Visitor]) -> int:
    """Changes of every type, about `rate` events a second, whatever the server's pace. How many changes."""
    memories: list[tuple[str, str]] = []
    customers: dict[str, str] = {}
    made = 0
    loop = asyncio.get_running_loop()
    end = due = loop.time()
    end += seconds
    while loop.time() < end:
        due += EVENTS_EACH / rate
        visitor = rng.choice(visitors)
        path = f"/api/v1/conversations/{visitor.conversation_id}"
        kind = rng.random()
        if kind < 0.45:
            await visitor.say(f"line {made}")
        elif kind < 0.6:
            await app.call("POST", path + "/notes", {"text": f"note {made}"})
        elif kind < 0.72:
            await app.call("PATCH", path, {"priority": rng.choice(["low", "normal", "high", "urgent"])})
        elif kind < 0.84:
            await app.call("POST", path + rng.choice(["/takeover", "/handback"]), {})
        elif kind < 0.92:
            if visitor.conversation_id not in customers:
                _, talk = await app.call("GET", path)
                customers[visitor.conversation_id] = talk["customer"]["id"]
            owner = f"/api/v1/customers/{customers[visitor.conversation_id]}/memories"
            if memories and rng.random() < 0.4:
                base, id_ = memories.pop()
                await app.call("DELETE", f"{base}/{id_}")
            else:
                status, memory = await app.call("POST", owner, {"text": f"fact {made}"})
                if status == 201:
                    memories.append((owner, memory["id"]))
        elif kind < 0.96:
            await app.call("POST", "/web/site/session", {"token": visitor.token, "name": f"Name {made}"}, token="none")
        else:
            body = {"kind": "text", "title": f"Article {made}", "text": "A line of text.", "lang": "en"}
            await app.call("POST", "/api/v1/knowledge/sources", body)
        made += 1
        await asyncio.sleep(max(0.0, due - loop.time()))
    return made


async def measure(
    sockets: int, pages: int, drops: int, rate: float, seconds: float, seed: int, control: bool
) -> dict[str, Any]:
    with fresh("sqlite") as database:
        server = Server(database)
        url = await server.start()
        admin = (database.folder / "admin-token").read_text("utf-8").strip()
        connector = aiohttp.TCPConnector(limit=0)
        async with receiving() as receiver, aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            app = App(url, cast(Services, None), session, admin)  # its parts are in another process
            await app.inbox()
            listeners = [Listener(app, seed * 1000 + number, drops, seconds, control) for number in range(sockets)]
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            end: asyncio.Future[int] = loop.create_future()
            running = [loop.create_task(one.run(end)) for one in listeners]
            talks = [[await Visitor.come(app, name=f"Customer {n}") for n in range(TALKS)] for _ in range(WRITERS)]
            shown_to = [Page(talks[n % WRITERS][n // WRITERS % TALKS], seed + n, drops, seconds) for n in range(pages)]
            for page in shown_to:  # a second page of the same chat
                page.visitor = Visitor(app, page.visitor.inbox, page.visitor.token, page.visitor.conversation_id)
            running += [asyncio.get_running_loop().create_task(page.run(stop)) for page in shown_to]
            refusing = asyncio.get_running_loop().create_task(outside(app, receiver, seconds))
            parts = [
                change(app, rate / WRITERS, seconds, random.Random(seed + part), talks[part]) for part in range(WRITERS)
            ]
            made = sum(await asyncio.gather(*parts))
            await refusing
            await asyncio.sleep(5.0)  # knowledge jobs end
            async with session.get(f"{url}/api/v1/me", headers={"Authorization": f"Bearer {admin}"}) as answer:
                end.set_result(int(answer.headers["X-Invent-Seq"]))
            stop.set()
            await asyncio.gather(*running)
            wrong_places = await refused_places(app)
            pages_different = sum([await page.differs() for page in shown_to])
            with sqlite3.connect(f"file:{database.folder / 'invent.db'}?mode=ro", uri=True) as rows:
                wanted = [row[0] for row in rows.execute("SELECT seq FROM event ORDER BY seq")]
            different = 0
            shown: list[str] = []
            truth = await fetched(app, sorted({job for one in listeners for job in one.state.jobs}))
            for one in listeners:
                found = one.state.differences(truth)
                different += bool(found)
                shown += found[:1]
        server.kill()
    missed = sum(len(set(wanted) - set(one.state.seqs)) for one in listeners)
    resumes = sorted(moment for one in listeners for moment in one.resumes[1:])
    kinds = set.intersection(*(one.kinds for one in listeners)) if listeners else set()
    doubled = sum(one.doubled for one in listeners) + sum(page.doubled for page in shown_to)
    whole = not (missed or doubled or different or pages_different or wrong_places or EVERY - kinds)
    return {
        "bench": "resume",
        "ok": bool(missed) if control else whole,
        "control": control,
        "sockets": sockets,
        "drops": drops,
        "events": len(wanted),
        "events_per_s": round(len(wanted) / seconds, 1),
        "changes": made,
        "missed": missed,
        "doubled": doubled,
        "states_different": different,
        "pages": pages,
        "pages_different": pages_different,
        "future_places_without_resync": wrong_places,
        "event_types_unseen": sorted(EVERY - kinds),
        "first_difference": shown[:1],
        "resume_p95_ms": round(resumes[int(len(resumes) * 0.95)] * 1000, 1) if resumes else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--drops", type=int, default=20)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true")
    given = parser.parse_args()
    how = (given.sockets, given.visitors, given.drops, given.rate, given.seconds, given.seed, given.control)
    try:
        result = asyncio.run(measure(*how))
    finally:
        forget_templates()
    print(json.dumps(result))
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
