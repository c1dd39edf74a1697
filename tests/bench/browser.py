"""A line typed into the chat page -> the first word of its answer on that page, in Chromium: one JSON line.

    python -m tests.bench.browser [--rate 10] [--chats 20] [--browsers 4] [--seconds 30] [--first 0.05] [--pages 0]

`--browsers` of the chats stand in frames of one foreign page, each of an inbox of its own; the others are sockets
without a page, because twenty customers do not paint on the machine that serves them. Lines are sent at Poisson times,
to the chat that has been quiet longest. Both stamps are taken inside the page: when the form is submitted, and when the
first word stands in the document. `added_*` is that minus the `--first` seconds that the stand-in for Ollama takes by
itself; `socket_*`: the same for the bare sockets.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import time

import aiohttp
from playwright.async_api import Frame, async_playwright

from tests.bench.live import Server, percentile, report, serving
from tests.bench.model import PARALLEL, QUESTIONS, Chats, double, grow
from tests.web.conftest import CHROMIUM, QUIET
from tests.web.hosting import hosting

STAMPS = """(() => {
  if (!location.pathname.startsWith('/embed/')) return;
  let sent = 0;
  window.waits = [];
  window.ask = (text) => {
    const input = document.getElementById('text');
    input.value = text;
    input.dispatchEvent(new Event('input'));
    sent = performance.now();
    document.getElementById('form').requestSubmit();
  };
  addEventListener('DOMContentLoaded', () => {
    const live = document.getElementById('live');
    new MutationObserver(() => {
      if (!sent || !live.querySelector('.assistant:not(.waiting) .text')?.textContent) return;
      window.waits.push(performance.now() - sent);
      sent = 0;
    }).observe(live, { subtree: true, childList: true, characterData: true });
  });
})();"""


async def waits(
    server: Server, rate: float, chats: int, browsers: int, seconds: float
) -> tuple[list[float], list[float], int]:
    """Milliseconds to the first word, as the pages and the bare sockets measured them, and how many lines were sent."""
    chance = random.Random(7)
    loop = asyncio.get_running_loop()
    async with hosting() as host, async_playwright() as driver, contextlib.AsyncExitStack() as stack:
        frames = "".join(
            f'<iframe src="{server.url}/embed/chat{n}" width="300" height="260" title="{n}"></iframe>'
            for n in range(browsers)
        )
        host.pages["/"] = frames
        browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        page = await browser.new_page(locale="en-GB", viewport={"width": 700, "height": 600})
        await page.add_init_script(STAMPS)
        await page.goto(f"{host.url}/", wait_until="load")
        rooms = [frame for frame in page.frames if "/embed/" in frame.url]
        for number, room in enumerate(rooms):  # sessions and sockets are open before the clock runs
            await room.evaluate("(text) => ask(text)", QUESTIONS[number % len(QUESTIONS)])
        for room in rooms:
            while not await room.evaluate("window.waits.length"):  # noqa: ASYNC110 - a bench may look
                await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
        others = Chats(server, session)
        made = await stack.enter_async_context(others.open(chats - browsers))
        free = [0.0] * chats
        due, asked, tasks = loop.time(), 0, list[asyncio.Task[None]]()
        until = due + seconds

        async def ask(room: Frame, text: str) -> None:
            await room.evaluate("(text) => ask(text)", text)

        while due < until:
            await asyncio.sleep(max(0.0, due - loop.time()))
            at = min(range(chats), key=free.__getitem__)
            free[at] = loop.time()
            if at < len(rooms):
                tasks.append(loop.create_task(ask(rooms[at], QUESTIONS[asked % len(QUESTIONS)])))
            else:
                tasks.append(loop.create_task(others.say(*made[at - len(rooms)], asked)))
            asked += 1
            due += chance.expovariate(rate)
        await asyncio.gather(*tasks)
        await asyncio.sleep(2)
        found = [wait for room in rooms for wait in (await room.evaluate("window.waits"))[1:]]
        await browser.close()
        return found, others.browser, asked


def main() -> None:
    parser = argparse.ArgumentParser(description="From a line to the first word of its answer, inside the browser.")
    for name, value in (
        ("rate", 10.0),
        ("chats", 20),
        ("browsers", 4),
        ("seconds", 30.0),
        ("first", 0.05),
        ("pages", 0),
    ):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = parser.parse_args()
    with double(given.first) as url:
        names = {"OLLAMA_HOST": url, "INVENT_CHAT_MODEL": "chat:4b", "INVENT_MODELS__PARALLEL": str(PARALLEL)}
        with serving(demo=True, settings=names) as server:
            grow(server, given.pages)
            for number in range(given.browsers):
                body = {"kind": "web", "name": f"chat{number}", "settings": {"allowed_origins": "*"}}
                server.call("POST", "/api/v1/channels", body)
            while not server.call("GET", "/api/v1/models")["ready"]:
                time.sleep(0.05)
            found, sockets, asked = asyncio.run(waits(server, given.rate, given.chats, given.browsers, given.seconds))
    own = given.first * 1000
    report(
        bench="browser",
        asked=asked,
        answered=len(found),
        first_ms=own,
        added_p50=round(percentile(found, 0.5) - own, 1),
        added_p95=round(percentile(found, 0.95) - own, 1),
        socket_p50=round(percentile(sockets, 0.5) - own, 1),
        socket_p95=round(percentile(sockets, 0.95) - own, 1),
        pages=given.pages,
    )


if __name__ == "__main__":
    main()
