"""Gaps in the answers of 20 chats while knowledge is taken in: one JSON line.

    python -m tests.bench.indexing [--chunks 2000] [--chats 20] [--token 0.05]

A stand-in for Ollama says a word every `--token` seconds to every chat, the server passes them on, and the visitors'
sockets note when each piece came. `late`: what a piece took longer than the stand-in's own pace, in milliseconds, at
rest and while 2,000 chunks are indexed (with vectors, if INVENT_ONNX_DIR names the model). Bar: p99.9 at most 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import aiohttp

from shared.tasks import Tasks
from tests.bench.filler import articles
from tests.bench.live import Server, percentile, report, serving

WORDS = 120
QUESTION = "How long do refunds take to reach my card?"
BAR = 50.0


@contextlib.contextmanager
def speaking(token: float, chats: int) -> Iterator[str]:
    """A stand-in that says WORDS words to whoever asks; its address."""
    command = [sys.executable, "-m", "tests.ollama_double", "--first", "0.05", "--token", str(token)]
    process = subprocess.Popen([*command, "--parallel", str(chats)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        text = "Refunds [1] " + "take five working days to reach the card. " * (WORDS // 8)
        rule = json.dumps({"steps": [{"text": text}], "path": "/api/chat"}).encode()
        request = urllib.request.Request(f"{url}/__double__/script", rule, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=5).close()
        yield url
    finally:
        process.terminate()
        process.wait()


class Visitor:
    """One chat that asks again whenever it was answered."""

    def __init__(self, server: Server, session: aiohttp.ClientSession, token: str, gaps: list[float]) -> None:
        self._server, self._session, self._gaps = server, session, gaps
        self._headers = {"Authorization": f"Bearer {token}"}
        self._asked = 0

    async def run(self) -> None:
        last: tuple[str, float] | None = None
        async with self._session.ws_connect(self._server.url + "/web/demo/stream", headers=self._headers) as socket:
            await self._ask()
            async for message in socket:
                frame, now = json.loads(message.data), time.monotonic()
                if frame["type"] == "token":
                    name = frame["data"]["message_id"]
                    if last is not None and last[0] == name:
                        self._gaps.append((now - last[1]) * 1000)
                    last = name, now
                elif frame["type"] == "token.end":
                    await self._ask()

    async def _ask(self) -> None:
        self._asked += 1
        body = {"text": QUESTION, "client_id": f"n{self._asked}"}
        async with self._session.post(
            f"{self._server.url}/web/demo/messages", json=body, headers=self._headers
        ) as answer:
            answer.raise_for_status()


def take_in(server: Server, chunks: int) -> float:
    """Index made-up articles, all of their vectors too. Seconds that it took."""
    began = time.monotonic()
    jobs = []
    for title, text in articles(chunks):
        body = {"kind": "text", "title": title, "text": text, "lang": "en"}
        jobs.append(server.call("POST", "/api/v1/knowledge/sources", body)["job"])
    for job in jobs:
        server.settled(job)
    vectors_made(server)
    return time.monotonic() - began


def vectors_made(server: Server, seconds: float = 900) -> None:
    """Wait until every passage has its vector, where there are to be any."""
    until = time.monotonic() + seconds
    while os.environ.get("INVENT_ONNX_DIR") and time.monotonic() < until:
        state = server.call("GET", "/readyz")["vectors"]
        if state["problem"]:
            raise RuntimeError(state["problem"])
        if state["ready"] and state["done"] == state["total"]:
            return
        time.sleep(0.2)


async def measure(server: Server, chats: int, chunks: int, rest: float) -> tuple[list[float], list[float], float]:
    """Gaps at rest, gaps while indexing, and how long that took."""
    quiet: list[float] = []
    busy: list[float] = []
    gaps: list[float] = []
    tasks = Tasks(lambda error: print(repr(error), file=sys.stderr))
    async with aiohttp.ClientSession(trust_env=False, connector=aiohttp.TCPConnector(limit=0)) as session:
        for _ in range(chats):
            token, _ = await asyncio.to_thread(server.session, "demo")
            tasks.start(Visitor(server, session, token, gaps).run(), "visitor")
        await asyncio.sleep(2)
        gaps.clear()
        await asyncio.sleep(rest)
        quiet += gaps
        gaps.clear()
        took = await asyncio.to_thread(take_in, server, chunks)
        busy += gaps
        await tasks.close()
    return quiet, busy, took


def late(gaps: list[float], pace: float) -> dict[str, float]:
    """What pieces came later than the stand-in's pace."""
    over = [max(0.0, gap - pace) for gap in gaps]
    return {name: round(percentile(over, share), 1) for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--chats", type=int, default=20)
    parser.add_argument("--token", type=float, default=0.05)
    parser.add_argument("--rest", type=float, default=10.0)
    given = parser.parse_args()
    with speaking(given.token, given.chats) as url:
        parallel = str(given.chats)
        names = {"OLLAMA_HOST": url, "INVENT_CHAT_MODEL": "chat:4b", "INVENT_MODELS__PARALLEL": parallel}
        with serving(demo=True, settings=names) as server:
            while not server.call("GET", "/api/v1/models")["ready"]:
                time.sleep(0.05)
            vectors_made(server)
            quiet, busy, took = asyncio.run(measure(server, given.chats, given.chunks, given.rest))
    pace = given.token * 1000
    worst = late(busy, pace)
    report(
        bench="indexing",
        chunks=given.chunks,
        vectors=bool(os.environ.get("INVENT_ONNX_DIR")),
        took_s=round(took, 1),
        pieces=len(busy),
        late_at_rest_ms=late(quiet, pace),
        late_ms=worst,
        bar_ms=BAR,
        ok=worst["p99.9"] <= BAR,
    )


if __name__ == "__main__":
    main()
