"""What the server adds to the model's own time, and what chores cost a customer: one JSON line.

    python -m tests.bench.model [--rate 10] [--chats 20] [--seconds 30] [--first 0.05] [--pages 0]

A stand-in for Ollama answers from another process after `--first` seconds. `added_*`: from the sending of a message to
the first live piece of its answer in an open inbox and at the visitor, minus the stand-in's own time. `chores_*`: the
same for one turn on a stand-in with one slot, alone and with 50 chores waiting. `prompt_tokens_*`: as the stand-in
counts them. `--pages`: articles taken in beside the demo company's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp

from invent_server.assistant.generative import Generative
from invent_server.models.ollama import Message, Times
from invent_server.models.room import ModelRoom
from invent_server.models.scheduler import Priority
from shared.settings import load
from tests.assistant.worlds import Search, turn
from tests.bench.live import Server, percentile, report, serving
from tests.models.conftest import Kept
from tests.ollama_double import Double, Timing, running

QUESTIONS = (
    "How long do refunds take to reach my card?",
    "How much does shipping to Portugal cost?",
    "¿Cuánto cuesta el envío a Baleares?",
    "¿Cuántos días tengo para devolver un pedido?",
    "Can I pay with PayPal or in instalments?",
)
PARALLEL = 8
"""Places of the stand-in; the server is not told."""
ANSWER = "Orders, deliveries and refunds take three to five working days, and you get a mail with every step of it [1]."
CHORES = 50


@contextlib.contextmanager
def double(first: float) -> Iterator[str]:
    """A stand-in in its own process; its address."""
    command = [sys.executable, "-m", "tests.ollama_double", "--first", str(first), "--token", "0.005"]
    process = subprocess.Popen([*command, "--parallel", str(PARALLEL)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


class Chats:
    """Visitors who write, and an agent who looks on; first pieces by conversation, as each saw them."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        self._sent: dict[str, float] = {}
        self.inbox: list[float] = []
        self.browser: list[float] = []
        self._seen: dict[tuple[str, str], str] = {}

    @contextlib.asynccontextmanager
    async def open(self, count: int) -> AsyncIterator[list[tuple[str, str]]]:
        made = [await asyncio.to_thread(self._server.session, "demo") for _ in range(count)]
        tasks = [asyncio.get_running_loop().create_task(self._listen(token, talk)) for token, talk in made]
        tasks.append(asyncio.get_running_loop().create_task(self._listen(None, "")))
        await asyncio.sleep(0.5)
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, token: str | None, talk: str) -> None:
        path = "/api/v1/stream" if token is None else "/web/demo/stream"
        headers = {"Authorization": f"Bearer {token or self._server.token}"}
        async with self._session.ws_connect(self._server.url + path, headers=headers) as ws:
            async for message in ws:
                frame = json.loads(message.data)
                if frame["type"] == "token":
                    self._piece("inbox" if token is None else "browser", talk, frame["data"])

    def _piece(self, where: str, talk: str, data: dict[str, Any]) -> None:
        talk = talk or data["conversation_id"]
        if self._seen.get((where, talk)) == data["message_id"] or talk not in self._sent:
            return
        self._seen[where, talk] = data["message_id"]
        times = self.inbox if where == "inbox" else self.browser
        times.append((time.monotonic() - self._sent[talk]) * 1000)

    async def say(self, token: str, talk: str, number: int) -> None:
        self._sent[talk] = time.monotonic()
        body = {"text": QUESTIONS[number % len(QUESTIONS)], "client_id": f"n{number}"}
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.post(f"{self._server.url}/web/demo/messages", json=body, headers=headers) as answer:
            assert answer.status in (200, 201), await answer.text()


async def load_of(server: Server, rate: float, chats: int, seconds: float) -> tuple[list[float], list[float], int]:
    """First pieces in ms at Poisson times, in the inbox and at the visitors, and how many were asked."""
    chance = random.Random(7)
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(trust_env=False, connector=aiohttp.TCPConnector(limit=0)) as session:
        seen = Chats(server, session)
        async with seen.open(chats) as made, asyncio.TaskGroup() as group:
            due, number = loop.time(), 0
            until = due + seconds
            free = [0.0] * chats
            while due < until:
                await asyncio.sleep(max(0.0, due - loop.time()))
                at = min(range(chats), key=free.__getitem__)  # the chat that has been quiet longest
                free[at] = loop.time()
                group.create_task(seen.say(*made[at], number))
                number += 1
                due += chance.expovariate(rate)
            await asyncio.sleep(1.5)
        return seen.inbox, seen.browser, number


def grow(server: Server, pages: int) -> None:
    """Take in articles about nothing that is asked."""
    chance = random.Random(3)
    words = [f"{a}{b}{c}" for a in ("lam", "tor", "bel", "mus") for b in ("a", "ino", "era") for c in ("", "s", "dor")]
    for number in range(pages):
        parts = [f"## Part {n}\n\n{' '.join(chance.choices(words, k=90))}." for n in range(6)]
        body = {"kind": "text", "title": f"Article {number}", "text": "\n\n".join(parts), "lang": "en"}
        job = server.call("POST", "/api/v1/knowledge/sources", body)["job"]
        if number % 50 == 49 or number == pages - 1:
            server.settled(job)


async def first_piece(engine: Generative) -> float:
    """Milliseconds from the beginning of a turn to its first piece."""
    began = time.perf_counter()
    heard: list[float] = []

    async def emit(piece: str) -> None:
        heard.append((time.perf_counter() - began) * 1000)

    result = await engine(turn("How many days do I have to return an item?"), emit)
    assert result.engine.startswith("ollama:"), result.detail
    return heard[0]


async def with_chores(first: float, samples: int = 20) -> tuple[list[float], list[float]]:
    """First pieces alone, and with chores waiting for the only slot."""
    settings = load(environ={"HOME": "/nonexistent"})
    alone, crowded = [], []
    with tempfile.TemporaryDirectory() as folder:
        async with running(Double(timing=Timing(first=first, token=0.005))) as stand_in:
            stand_in.rule({"text": "memory " * 400}, text="^chore")
            given = settings.models.model_copy(update={"host": stand_in.url, "chat": "chat:4b"})
            room = ModelRoom(given, Path(folder), Kept())
            looking = asyncio.get_running_loop().create_task(room.chat.run())
            while not room.chat.ready:  # noqa: ASYNC110 - a bench may look
                await asyncio.sleep(0.01)
            engine = Generative(Search(evidence=0.95), room.chat, settings.assistant)
            alone = [await first_piece(engine) for _ in range(samples)]

            async def chore() -> None:
                async def heard(piece: str) -> None: ...

                await room.ollama.chat("chat:4b", (Message("user", "chore"),), Times(60, 60, 60), heard)

            loop = asyncio.get_running_loop()
            chores = [loop.create_task(room.scheduler.run(Priority.MEMORY, "chat:4b", chore)) for _ in range(CHORES)]
            for _ in range(samples):
                await asyncio.sleep(0.1)
                crowded.append(await first_piece(engine))
            for task in (*chores, looking):
                task.cancel()
            await asyncio.gather(*chores, looking, return_exceptions=True)
            await room.close()
    return alone, crowded


async def script(url: str) -> None:
    """Let the stand-in answer as a model does: in a sentence."""
    async with aiohttp.ClientSession(trust_env=False) as session:
        rules = {"rules": [{"steps": [{"text": ANSWER}]}]}
        async with session.post(f"{url}/__double__/script", json=rules) as answer:
            assert answer.status == 200, await answer.text()


async def prompts(url: str) -> list[int]:
    """Tokens of the prompts that the stand-in got, about four characters each."""
    async with aiohttp.ClientSession(trust_env=False) as session, session.get(f"{url}/__double__/log") as answer:
        log = await answer.json()
    asked = [one["body"]["messages"] for one in log if one["path"] == "/api/chat" and one["body"].get("messages")]
    return [sum(len(line["content"]) for line in messages) // 4 for messages in asked]


def main() -> None:
    parser = argparse.ArgumentParser(description="What the server adds to the model's own time.")
    for name, value in (("rate", 10.0), ("chats", 20), ("seconds", 30.0), ("first", 0.05), ("pages", 0)):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = parser.parse_args()
    with double(given.first) as url:
        names = {"OLLAMA_HOST": url, "INVENT_CHAT_MODEL": "chat:4b"}
        with serving(demo=True, settings=names) as server:
            grow(server, given.pages)
            asyncio.run(script(url))
            asyncio.run(load_of(server, given.rate, given.chats, 3))
            while not server.call("GET", "/api/v1/models")["ready"]:
                time.sleep(0.05)
            inbox, browser, asked = asyncio.run(load_of(server, given.rate, given.chats, given.seconds))
            sizes = asyncio.run(prompts(url))
    alone, crowded = asyncio.run(with_chores(given.first))
    own = given.first * 1000
    report(
        bench="model",
        asked=asked,
        answered_by_model=len(sizes),
        first_ms=own,
        added_inbox_p50=round(percentile(inbox, 0.5) - own, 1),
        added_inbox_p95=round(percentile(inbox, 0.95) - own, 1),
        added_browser_p50=round(percentile(browser, 0.5) - own, 1),
        added_browser_p95=round(percentile(browser, 0.95) - own, 1),
        chores_alone_p50=round(statistics.median(alone), 1),
        chores_crowded_p50=round(statistics.median(crowded), 1),
        chores_crowded_max=round(max(crowded), 1),
        prompt_tokens_p50=percentile([float(size) for size in sizes], 0.5),
        prompt_tokens_max=max(sizes, default=0),
        pages=given.pages,
    )


if __name__ == "__main__":
    main()
