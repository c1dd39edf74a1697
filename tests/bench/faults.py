"""A model server that fails in every way: what do customers get, how late, and what does it cost? One JSON line.

    python -m tests.bench.faults [--chats 6] [--only hang,drop] [--control]

A real server, for each fault with a fresh stand-in for Ollama that always fails so. Chats ask the demo company's
questions at the same time, twice. Counted: texts of the stand-in that stand as an answer though its stream had failed,
chats that are neither answered nor handed to a person after 50 s, the longest wait, and the growth of the server's
memory between the first and the last round. `--control` asks the same of a stand-in that works: its words must be
found, else the bench is blind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

from tests.bench.live import Server, report, serving
from tests.bench.memory import pss
from tests.ollama_double import Double, Timing, running
from tests.ollama_double.script import Step

LIMIT = 50.0
GROWTH = 12.0
"""MiB that a server may grow by between two rounds: its caches fill in the first."""
MARK = "zebra"
SAID: Step = {"text": f"Refunds take 5 to 10 days, says the {MARK}"}
BUSY = "server busy, please try again.  maximum pending requests exceeded"
MEMORY = "model requires more system memory than is available"
FAULTS: dict[str, list[Step]] = {
    "hang": [{"stall": True}],
    "hang in mid-answer": [SAID, {"stall": True}],
    "reset at token 20": [{"text": [f"{MARK} "] * 20}, {"drop": True}],
    "error in mid-stream": [SAID, {"error_mid": "llama runner process has terminated: out of memory"}],
    "no done": [SAID, {"end_without_done": True}],
    "garbage": [SAID, {"garbage_line": True}],
    "half a line": [SAID, {"half_line": True}],
    "503": [{"error_before": {"status": 503, "error": BUSY}}],
    "404": [{"error_before": {"status": 404, "error": "model 'chat:4b' not found"}}],
    "500 out of memory": [{"error_before": {"status": 500, "error": MEMORY}}],
    "slow trickle": [step for _ in range(200) for step in ({"text": [f"{MARK} "]}, {"delay": 1.0})],
    "10 MB line": [SAID, {"huge_line": 10_000_000}],
    "nonsense": [{"text": f"{MARK} " * 30}],
    "empty answer": [{"text": ""}],
}  # fmt: skip
QUESTIONS = (
    "How long do refunds take to reach my card?",
    "¿Cuántos días tengo para devolver un pedido?",
    "Can I pay with PayPal or in instalments?",
)


async def chat(server: Server, http: aiohttp.ClientSession, question: str) -> dict[str, Any]:
    """One question; what came of it: seconds until an answer or a handoff (None: neither), and the texts."""
    token, talk = await asyncio.to_thread(server.session, "demo")
    visitor = {"Authorization": f"Bearer {token}"}
    agent = {"Authorization": f"Bearer {server.token}"}
    began = time.monotonic()
    body = {"text": question, "client_id": "1"}
    async with http.post(f"{server.url}/web/demo/messages", json=body, headers=visitor) as answer:
        assert answer.status == 201, await answer.text()
    texts: list[str] = []
    while (waited := time.monotonic() - began) < LIMIT + 10:
        async with http.get(f"{server.url}/web/demo/messages", headers=visitor) as found:
            texts = [one["text"] for one in (await found.json())["items"] if one["author"]["kind"] != "customer"]
        async with http.get(f"{server.url}/api/v1/conversations/{talk}", headers=agent) as row:
            handler = (await row.json())["handler"]
        if texts or handler == "queue":
            return {"after": waited, "texts": texts, "handler": handler}
        await asyncio.sleep(0.1)
    return {"after": None, "texts": texts, "handler": "nobody"}


async def suffer(name: str, steps: list[Step], chats: int) -> dict[str, Any]:
    """All chats of one fault."""
    async with running(Double(timing=Timing(first=0.05, token=0.005), parallel=4)) as double:
        with_model = {"OLLAMA_HOST": double.url, "INVENT_CHAT_MODEL": "chat:4b", "INVENT_MODELS__PARALLEL": "4"}
        manager = serving(demo=True, settings=with_model)
        server = await asyncio.to_thread(manager.__enter__)
        try:
            while not (await asyncio.to_thread(server.call, "GET", "/api/v1/models"))["ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            double.rule(*steps)
            sizes: list[float] = []
            found: list[dict[str, Any]] = []
            async with aiohttp.ClientSession(trust_env=False) as http:
                for _ in range(2):
                    asked = [QUESTIONS[number % len(QUESTIONS)] for number in range(chats)]
                    found += await asyncio.gather(*(chat(server, http, question) for question in asked))
                    sizes.append(pss(server.process.pid))
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
    waits = [one["after"] for one in found if one["after"] is not None]
    return {
        "fault": name,
        "chats": len(found),
        "partial": sum(MARK in text for one in found for text in one["texts"]),
        "stranded": sum(one["after"] is None or one["after"] > LIMIT for one in found),
        "answered": sum(bool(one["texts"]) and one["handler"] == "assistant" for one in found),
        "longest_s": round(max(waits, default=0.0), 1),
        "grew_mib": round(sizes[1] - sizes[0], 1),
        "model_calls": len(double.calls()),
    }


async def measure(only: set[str], chats: int, control: bool) -> list[dict[str, Any]]:
    faults = {"none": [{"text": f"The {MARK} says so [1]."}]} if control else FAULTS
    found = []
    for name, steps in faults.items():
        if not only or name in only:
            found.append(await suffer(name, steps, chats))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=6)
    parser.add_argument("--only", default="")
    parser.add_argument("--control", action="store_true")
    given = parser.parse_args()
    found = asyncio.run(measure({one for one in given.only.split(",") if one}, given.chats, given.control))
    partial = sum(one["partial"] for one in found)
    stranded = sum(one["stranded"] for one in found)
    grew = max(one["grew_mib"] for one in found)
    report(
        bench="faults",
        ok=partial > 0 if given.control else partial == 0 and stranded == 0 and grew <= GROWTH,
        control=given.control,
        partial=partial,
        stranded=stranded,
        longest_s=max(one["longest_s"] for one in found),
        grew_mib=grew,
        faults={one["fault"]: one for one in found},
    )


if __name__ == "__main__":
    main()
