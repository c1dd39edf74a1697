"""From a visitor's message to the first piece of the answer: at his own socket and in an agent's open inbox.

A real server with the demo and 10,000 chunks more; 20 open chats; messages at Poisson times. A chat that was handed to
a person is followed by a new one. Times count from when the message was due.
`python -m tests.bench.latency [--rate 10] [--seconds 30] [--chunks 10000] [--chats 20]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections import Counter
from pathlib import Path

import aiohttp

from shared.tasks import Tasks
from tests.bench.filler import articles
from tests.bench.live import Server, percentile, report, serving

P50_FLOOR, P95_FLOOR = 60.0, 120.0
QUESTIONS = Path(__file__).parent / "sets" / "demo_questions.jsonl"


class Chat:
    """One visitor with an open socket. `asked`: when the message that waits for its answer was due.

    `free_at`: not before this time is the next one asked: that the chat was handed over is told after the answer.
    """

    def __init__(self, bench: Bench, token: str, conversation_id: str) -> None:
        self.bench = bench
        self.token = token
        self.id = conversation_id
        self.asked: float | None = None
        self.free_at = 0.0
        self.seen: set[str] = set()
        self.handler = "assistant"

    async def listen(self, opened: asyncio.Event) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.bench.http.ws_connect("/web/demo/stream", headers=headers) as socket:
            opened.set()
            async for message in socket:
                frame = json.loads(message.data)
                if frame["type"] == "token":
                    self.first("visitor")
                elif frame["type"] == "status":
                    self.handler = frame["data"]["handler"]
                    if self.handler != "assistant" and self.asked is not None and not self.seen:
                        self.asked = None  # written after the chat had been handed over: a person answers that
                        self.bench.counts["written to a person"] += 1
                elif frame["type"] == "token.end":
                    self.asked, self.free_at = None, time.monotonic() + 0.3

    def first(self, where: str) -> None:
        """A piece of text has come to a socket."""
        if self.asked is not None and where not in self.seen:
            self.seen.add(where)
            self.bench.times[where].append((time.monotonic() - self.asked) * 1000)


class Bench:
    """The state of one run."""

    def __init__(self, server: Server, http: aiohttp.ClientSession, tasks: Tasks, seed: int) -> None:
        self.server, self.http, self.tasks = server, http, tasks
        self.chance = random.Random(seed)
        self.chats: dict[str, Chat] = {}
        self.times: dict[str, list[float]] = {"agent": [], "visitor": []}
        self.counts: Counter[str] = Counter()
        rows = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
        self.questions = [row["text"] for row in rows if row["articles"]]

    async def open_chat(self) -> None:
        async with self.http.post("/web/demo/session", json={}) as answer:
            made = await answer.json()
        chat = self.chats[made["conversation_id"]] = Chat(self, made["token"], made["conversation_id"])
        opened = asyncio.Event()
        self.tasks.start(chat.listen(opened))
        await opened.wait()

    async def listen_as_agent(self) -> None:
        headers = {"Authorization": f"Bearer {self.server.token}"}
        async with self.http.ws_connect("/api/v1/stream", headers=headers) as socket:
            async for message in socket:
                frame = json.loads(message.data)
                if frame["type"] == "token" and (chat := self.chats.get(frame["data"]["conversation_id"])):
                    chat.first("agent")

    async def ask(self, chat: Chat, due: float) -> None:
        chat.asked, chat.seen = due, set()
        self.counts["asked"] += 1
        body = {"text": self.chance.choice(self.questions), "client_id": str(self.counts["asked"])}
        headers = {"Authorization": f"Bearer {chat.token}"}
        async with self.http.post("/web/demo/messages", json=body, headers=headers) as answer:
            if answer.status != 201:
                raise RuntimeError(f"POST messages: {answer.status}")

    async def run(self, rate: float, seconds: float, chats: int) -> None:
        self.tasks.start(self.listen_as_agent())
        for _ in range(chats):
            await self.open_chat()
        due = time.monotonic()
        end = due + seconds
        while due < end:
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            if free := [chat for chat in self.chats.values() if chat.asked is None and chat.free_at < due]:
                self.tasks.start(self.ask(self.chance.choice(free), due))
            else:
                self.counts["all chats busy"] += 1
            for chat in [c for c in self.chats.values() if c.handler != "assistant" and c.asked is None]:
                del self.chats[chat.id]
                self.counts["handed over"] += 1
                self.tasks.start(self.open_chat())
            due += self.chance.expovariate(rate)
        await asyncio.sleep(2)


async def measure(server: Server, rate: float, seconds: float, chats: int) -> Bench:
    """One run on a filled server."""
    failures: list[BaseException] = []
    tasks = Tasks(failures.append)
    connections = aiohttp.TCPConnector(limit=0)  # each chat that was handed over keeps its socket
    async with aiohttp.ClientSession(server.url, connector=connections) as http:
        bench = Bench(server, http, tasks, seed=1)
        try:
            await bench.run(rate, seconds, chats)
        finally:
            await tasks.close()
    if failures:
        raise failures[0]
    return bench


def fill(server: Server, chunks: int) -> int:
    """Add made-up knowledge and wait until it is indexed; how many chunks the server then has."""
    bodies = [{"kind": "text", "title": title, "text": text, "lang": "en"} for title, text in articles(chunks)]
    for job in [server.call("POST", "/api/v1/knowledge/sources", body)["job"] for body in bodies]:
        server.settled(job)
    return sum(one["chunks"] for one in server.call("GET", "/api/v1/knowledge/sources")["items"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--chats", type=int, default=20)
    given = parser.parse_args()
    with serving(demo=True) as server:
        chunks = fill(server, given.chunks)
        warm = asyncio.run(measure(server, given.rate, 3, given.chats))
        bench = asyncio.run(measure(server, given.rate, given.seconds, given.chats))
    missing = (
        bench.counts["asked"] - bench.counts["written to a person"] - min(len(found) for found in bench.times.values())
    )
    p50 = max(percentile(found, 0.5) for found in bench.times.values())
    p95 = max(percentile(found, 0.95) for found in bench.times.values())
    report(
        bench="latency",
        p50_ms=round(p50, 1),
        p50_floor=P50_FLOOR,
        p95_ms=round(p95, 1),
        p95_floor=P95_FLOOR,
        ok=p50 <= P50_FLOOR and p95 <= P95_FLOOR and missing == 0,
        by_socket={
            where: {"n": len(found), "p50": round(statistics.median(found), 1), "max": round(max(found), 1)}
            for where, found in bench.times.items()
        },
        unanswered=missing,
        counts=dict(bench.counts),
        warm_up=warm.counts["asked"],
        chunks=chunks,
    )


if __name__ == "__main__":
    main()
