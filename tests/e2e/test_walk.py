"""The walk of the README, for real: a server, Chromium, OpenSSH in tmux, the command line, a stand-in for Ollama.

A customer who writes Spanish asks on the hosted page and gets an answer with its source; a question for a person; an
agent over ssh reads the summary, answers, hands back, takes over in the middle of an answer, edits an instruction and
sees the same message answered by it, publishes, hands back; the customer comes back and is known; a changed article is
read again, and the same question is answered anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bench.live import Server, serving
from tests.bench.model import double
from tests.bench.ssh import free_port
from tests.support.ssh_client import command, make_key, needed
from tests.web.conftest import CHROMIUM, QUIET, Visitor

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

SOCKET = f"invent-walk-{os.getpid()}"
QUESTION = "¿Cuántos días tengo para devolver un pedido?"
FOR_A_PERSON = "Mi pedido llegó roto, quiero hablar con una persona"
SLOW = "¿Cuánto cuesta el envío a Baleares?"
OPENING = "¿A qué hora puedo recoger mi pedido en el almacén de Sagunto?"
BEFORE, AFTER = "de 9 a 14", "de 10 a 20"
ARTICLE = (
    "# Recogida en el almacén de Sagunto\n\nPuedes recoger tu pedido en el almacén de Sagunto de lunes a viernes, {}."
)
RULES = [
    {
        "prompt": "Trata de usted",
        "text": r"Baleares\?\s*</question>",
        "steps": [{"text": "A usted el envío a Baleares le cuesta 6,95 € [1]."}],
    },
    {
        "text": r"Baleares\?\s*</question>",
        "steps": [
            {"text": "El envío a Baleares "},
            {"delay": 0.2},
            {"text": "cuesta algo, "},
            {"delay": 30},
            {"text": "que nunca se dirá [1]."},
        ],
    },
]  # fmt: skip


class Agent:
    """A person at a terminal: tmux, and in it ssh."""

    def tmux(self, *words: str) -> str:
        full = ["tmux", "-L", SOCKET, "-f", "/dev/null", *words]
        return subprocess.run(full, capture_output=True, check=True, timeout=10).stdout.decode("utf-8", "replace")

    def presses(self, *keys: str) -> None:
        for key in keys:
            self.tmux("send-keys", key)
            time.sleep(0.15)

    def types(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)
        time.sleep(0.2)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    async def sees(self, pattern: str, seconds: float = 15) -> str:
        """Wait until the screen shows it; how the screen then is."""
        until = time.monotonic() + seconds
        while not re.search(pattern, screen := await asyncio.to_thread(self.screen)):
            assert time.monotonic() < until, f"{pattern!r} is not shown:\n{screen}"
            await asyncio.sleep(0.1)
        return screen


@contextmanager
def terminal(argv: list[str]) -> Iterator[Agent]:
    agent = Agent()
    agent.tmux("new-session", "-d", "-x", "137", "-y", "40", "env LANG=C.UTF-8 TERM=tmux-256color bash --norc")
    try:
        agent.tmux("send-keys", shlex.join(argv), "Enter")
        yield agent
    finally:
        agent.tmux("kill-server")


def invent(server: Server, *words: str) -> str:
    """The command, as an admin gives it on the server's machine."""
    environ = {**os.environ, "INVENT_DATA_DIR": str(server.folder)}
    full = [sys.executable, "-P", "-m", "invent_server.cli.main", *words]
    return subprocess.run(full, env=environ, capture_output=True, text=True, check=True, timeout=60).stdout


def script(url: str) -> None:
    """Tell the stand-in what it says; everything else it quotes from the first passage."""
    body = json.dumps({"rules": RULES}).encode()
    request = urllib.request.Request(f"{url}/__double__/script", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


async def opened(context: BrowserContext, server: Server) -> Visitor:
    page = await context.new_page()
    visitor = Visitor(page)
    page.on("pageerror", lambda error: visitor.problems.append(str(error)))
    await page.goto(f"{server.url}/chat/demo")
    return visitor


async def test_the_walk(tmp_path: Path) -> None:
    needed("tmux", "ssh", "ssh-keygen")
    if not CHROMIUM.exists():
        assert not os.environ.get("CI"), f"CI needs {CHROMIUM}"
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    playwright = pytest.importorskip("playwright.async_api", reason="pip install playwright")
    port = free_port()
    article = tmp_path / "sagunto.md"
    article.write_text(ARTICLE.format(BEFORE))
    key = make_key(tmp_path, "lucia")
    with double(0.05) as model:
        script(model)
        settings = {"INVENT_SSH_PORT": str(port), "OLLAMA_HOST": model, "INVENT_CHAT_MODEL": "chat:4b"}
        with serving(demo=True, settings=settings) as server:
            source = json.loads(invent(server, "knowledge", "add", str(article), "--json"))["items"][0]["id"]
            invent(server, "agents", "add", "lucia", "--role", "manager")
            invent(server, "agents", "key", "lucia", "add", f"{key.file}.pub")
            async with asyncio.timeout(20):
                while not (await asyncio.to_thread(server.call, "GET", "/api/v1/models"))["ready"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            async with playwright.async_playwright() as driver:
                browser = await driver.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
                context = await browser.new_context(locale="es-ES")
                customer = await opened(context, server)
                with terminal(command(port, "lucia", key)) as agent:
                    await _one_conversation(customer, agent)
                    await _edit_an_instruction(customer, agent)
                await customer.page.close()
                customer = await opened(context, server)  # days later: the same browser
                await customer.sees("hablar con una persona")
                await customer.say(SLOW)
                await customer.sees("A usted el envío a Baleares le cuesta 6,95")
                await customer.say(OPENING)
                await customer.sees(BEFORE)
                article.write_text(ARTICLE.format(AFTER))
                invent(server, "reindex", source)
                await customer.say(OPENING)
                await customer.sees(AFTER)
                assert customer.problems == []
                assert not any("nunca se dirá" in text for text in await customer.texts())
                await browser.close()


async def _one_conversation(customer: Visitor, agent: Agent) -> None:
    await customer.say(QUESTION)
    await customer.page.locator("#log .assistant .sources a").first.wait_for(timeout=15_000)
    assert "automátic" in (await customer.page.locator("#log .assistant .who").first.inner_text()).lower()
    await customer.say(FOR_A_PERSON)
    await agent.sees("Grupo Ortiz")  # the inbox is open over ssh
    agent.presses("/")
    agent.types("is:waiting text:roto")
    agent.presses("Enter", "Enter")
    await agent.sees(r"devolver un pedido[\s\S]*llegó roto")  # the summary on top, and the thread
    agent.presses("r")
    await agent.sees("Reply")
    agent.types("Hola, soy Lucía. Te enviamos otro hoy mismo.")
    agent.presses("C-j")
    await customer.sees("Te enviamos otro hoy mismo")
    agent.presses("Escape", "H")
    await agent.sees("handed back to the assistant")
    await customer.say(SLOW)
    await customer.sees("El envío a Baleares", "#live")
    agent.presses("r")  # in the middle of the answer
    await customer.page.locator("#live .message").wait_for(state="detached", timeout=10_000)
    agent.types("Son 6,95 €, pero hoy te lo regalamos.")
    agent.presses("C-j")
    await customer.sees("hoy te lo regalamos")


async def _edit_an_instruction(customer: Visitor, agent: Agent) -> None:
    agent.presses("Escape", "i")
    await agent.sees("f5|F5")
    agent.presses("Enter")
    agent.types("Trata de usted a todo el mundo.")
    agent.presses("f5")
    await agent.sees("A usted el envío")
    agent.presses("f8")
    await agent.sees("what changes and why")
    agent.types("De usted")
    agent.presses("Enter")
    await agent.sees(r"Instructions · \w+ · .*v2")
    agent.presses("Escape", "H")
    await customer.state("automátic")
