"""Make the pictures of the README anew: `python -m tests.screenshots` (needs Chromium for the chat page).

A real server with the demo company and a stand-in for Ollama, the real inbox and the real page; its pictures are
SVG, without the web fonts that Textual would load.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from pathlib import Path

from playwright.async_api import async_playwright
from textual import events
from textual.pilot import Pilot

from invent_tui.app import InventApp
from invent_tui.client import Client
from tests.bench.live import Server, serving
from tests.bench.model import double
from tests.tui.driving import ENVIRON
from tests.web.conftest import CHROMIUM, QUIET

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
QUESTION = "¿Cuánto cuesta el envío a Baleares?"
ANSWER = (
    "A Baleares el envío cuesta **6,95 €** y tarda de 3 a 5 días laborables; desde 79 € es gratis. "
    "Cuenta el importe de la cesta después de descuentos [1]."
)
FACES = re.compile(r"@font-face\s*\{[^}]*\}")


async def press(app: InventApp, pilot: Pilot[int], *keys: str, pause: float = 0.5) -> None:
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause(0.1)
    await pilot.pause(pause)


async def inbox(server: Server, size: tuple[int, int], name: str, *keys: str, pause: float = 1.5) -> None:
    """The inbox, after some keys."""
    app = InventApp(lambda: Client(server.url, server.token, timeout=5), environ=ENVIRON)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(2.0)
        await press(app, pilot, *keys, pause=pause)
        picture = FACES.sub("", app.export_screenshot(title="Invent"))
        (FOLDER / f"{name}.svg").write_text(picture.replace("Fira Code", "monospace"), "utf-8")


async def page(server: Server) -> None:
    """The hosted page with a question and its answer."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        context = await browser.new_context(locale="es-ES", viewport={"width": 560, "height": 640})
        tab = await context.new_page()
        await tab.goto(f"{server.url}/chat/demo")
        await tab.fill("#text", QUESTION)
        await tab.press("#text", "Enter")
        await tab.locator("#log .assistant .sources a").first.wait_for(timeout=15_000)
        await asyncio.sleep(1)
        await tab.screenshot(path=FOLDER / "chat.png")
        await browser.close()


def script(url: str) -> None:
    """Let the stand-in answer in a sentence."""
    body = json.dumps({"rules": [{"steps": [{"text": ANSWER}]}]}).encode()
    request = urllib.request.Request(f"{url}/__double__/script", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5):
        return


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with double(0.05) as model:
        script(model)
        with serving(demo=True, settings={"OLLAMA_HOST": model, "INVENT_CHAT_MODEL": "chat:4b"}) as server:
            while not (await asyncio.to_thread(server.call, "GET", "/api/v1/models"))["ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            await page(server)
            await inbox(server, (137, 36), "inbox", "enter")
            newest = ("j",) * 8  # the first of those that the assistant has, below all who wait
            await inbox(server, (137, 36), "instructions", *newest, "enter", "i", "f5", pause=3.0)
            await inbox(server, (137, 36), "trace", *newest, "enter", "T", pause=3.0)


if __name__ == "__main__":
    asyncio.run(main())
