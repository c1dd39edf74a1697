"""What an idle visitor costs: memory of the real server before and with many open chats. One JSON line.

    python -m tests.bench.idle [--visitors 2000] [--said 0] [--hold 30] [--control]

Proportional set size (PSS) of the server and its children. `--said` lets each visitor write so many messages first.
After the measurement some of the chats must still be alive: a message reaches each of them. `--control` wastes 64 KiB
for each chat: the bench must see that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from contextlib import AsyncExitStack
from typing import Any, cast

import aiohttp

from invent_server.services import Services
from tests.bench.memory import pss
from tests.support.app import App
from tests.support.clients import Visitor
from tests.support.databases import forget_templates, fresh
from tests.support.server import Server

LIMIT = 40.0
"""kB for each visitor."""
AT_ONCE = 50
CHECKED = 20


def size(server: Server) -> float:
    """kB of the server with its children."""
    return sum(pss(pid) for pid in server.processes()) * 1024


async def settled(server: Server) -> float:
    """The size when it has stopped moving."""
    last, same = 0.0, 0
    while same < 3:
        await asyncio.sleep(1)
        now = size(server)
        same = same + 1 if abs(now - last) < 300 else 0
        last = now
    return last


async def measure(count: int, said: int, hold: float, control: bool) -> dict[str, Any]:
    with fresh("sqlite") as database:
        server = Server(database, "tests.support.hoarding" if control else "invent_server.cli.main")
        url = await server.start()
        admin = (database.folder / "admin-token").read_text("utf-8").strip()
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trust_env=False)
            )
            app = App(url, cast(Services, None), session, admin)  # its parts are in another process
            await app.inbox(mode="off")
            first = await Visitor.come(app, name="First")
            await first.say()
            async with first.listening(0):
                await asyncio.sleep(3)
            before = await settled(server)
            visitors: list[Visitor] = []
            for _ in range(0, count, AT_ONCE):
                came = await asyncio.gather(*(Visitor.come(app) for _ in range(AT_ONCE)))
                for visitor in came:
                    for _ in range(said):
                        await visitor.say()
                    await stack.enter_async_context(visitor.listening())
                visitors += came
            began = time.monotonic()
            await asyncio.sleep(hold)
            during = await settled(server)
            checked = visitors[:: max(1, len(visitors) // CHECKED)]
            for visitor in checked:
                await visitor.say("still here?")
            await asyncio.sleep(2)
            alive = sum(bool(visitor.of("message")) for visitor in checked)
            connected = len(visitors)
            held = time.monotonic() - began
        after = await settled(server)
        server.kill()
    each = (during - before) / connected
    return {
        "bench": "idle",
        "ok": each > LIMIT if control else each <= LIMIT and alive == len(checked),
        "control": control,
        "visitors": connected,
        "said": said,
        "kb_per_visitor": round(each, 1),
        "limit_kb": LIMIT,
        "before_mb": round(before / 1024, 1),
        "with_visitors_mb": round(during / 1024, 1),
        "after_they_left_mb": round(after / 1024, 1),
        "alive": f"{alive}/{len(checked)}",
        "held_s": round(held),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=2000)
    parser.add_argument("--said", type=int, default=0)
    parser.add_argument("--hold", type=float, default=30, help="Seconds that the chats stay idle (heartbeats pass).")
    parser.add_argument("--control", action="store_true")
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # the server inherits it
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * given.visitors + 1000)), hard))
    try:
        result = asyncio.run(measure(given.visitors, given.said, given.hold, given.control))
    finally:
        forget_templates()
    print(json.dumps(result))
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
