"""A real server with a web inbox and two articles, and a real Chromium in front of it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from invent_server.assistant.types import Emit, TurnInput, TurnResult
from invent_server.runtime import listen, running
from invent_server.services import Services
from shared import settings as shared_settings
from shared.models import Citation, OutcomeKind
from tests.web.hosting import Host, hosting

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

SECRET = "the key of the shop"
CHROMIUM = Path("/usr/bin/chromium")
INSTALLED = CHROMIUM.exists()
# Without these Chromium asks its maker's servers at every start; as root it has no sandbox.
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
ENVIRONMENT = {
    "INVENT_LIMITS__SESSIONS_PER_IP": "0",
    "INVENT_LIMITS__VISITOR_MESSAGES": "0",
    "INVENT_LOG__LEVEL": "error",
    "INVENT_HTTP__DRAIN": "200ms",
}


@dataclass
class Speaker:
    """A responder that says its pieces slowly, then the rest at once."""

    pieces: list[str]
    pause: float = 0.0
    citations: tuple[Citation, ...] = ()
    outcome: OutcomeKind = "answer"
    name: str = "scripted"

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult:
        for piece in self.pieces:
            await emit(piece)
            await asyncio.sleep(self.pause)
        return TurnResult(self.outcome, "scripted", "", "".join(self.pieces), "en", citations=self.citations)


@dataclass
class Site:
    """A server that can be stopped and started again at the same address."""

    folder: Path
    port: int = 0
    token: str = ""
    services: Services = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _running: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, speaker: Speaker | None = None) -> None:
        """Start the server; `speaker` answers from its first moment on."""
        ready = asyncio.Event()
        self._stop = asyncio.Event()

        async def serve() -> None:
            environment = {**ENVIRONMENT, "INVENT_DATA_DIR": str(self.folder)}
            async with running(shared_settings.load(environ=environment)) as (runner, services):
                self.services = services
                if speaker is not None:
                    services.runner.responder = speaker
                self.port = await listen(runner, "127.0.0.1", self.port)
                ready.set()
                await self._stop.wait()

        self._running = asyncio.get_running_loop().create_task(serve())
        waiting = asyncio.get_running_loop().create_task(ready.wait())
        await asyncio.wait([self._running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._running.done():
            await self._running
        self.token = (self.folder / "admin-token").read_text("utf-8").strip()
        await until(lambda: self.services.library.ready)

    async def stop(self) -> None:
        self._stop.set()
        if self._running is not None:
            await self._running

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """Status, headers and body (of JSON: its value) of a request by the admin."""
        given = {"Authorization": f"Bearer {self.token}", **headers}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=body, headers=given) as answer,
        ):
            text = await answer.text()
            return answer.status, answer.headers, await answer.json() if "json" in answer.content_type else text

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        """The body of a request that must succeed."""
        status, _, answer = await self.call(method, path, body)
        assert status < 300, answer
        return answer

    async def talk(self, text: str) -> dict[str, Any]:
        """The conversation in which a customer wrote this."""
        page = await self.done("GET", f'/api/v1/conversations?filter=text:"{text}"')
        assert len(page["items"]) == 1, text
        return dict(page["items"][0])

    @asynccontextmanager
    async def speaking(self, speaker: Speaker) -> AsyncIterator[None]:
        """Let this responder answer for a while."""
        before = self.services.runner.responder
        self.services.runner.responder = speaker
        yield
        self.services.runner.responder = before


async def until(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    await made.start()
    await made.done("POST", "/api/v1/channels", {"kind": "web", "name": "shop"})
    for title, text, url in (
        (
            "Refunds",
            "Refunds arrive on your card **5 working days** after we receive the parcel.",
            "https://shop.example/r",
        ),
        ("Gift cards", "Gift cards are valid for two years and can be topped up in the shop.", None),
    ):
        await made.done("POST", "/api/v1/knowledge/sources", {"kind": "text", "title": title, "text": text, "url": url})
    await made.services.library.settled()
    yield made
    await made.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium of the system. Without it, or without playwright: a skip that says so; in CI a failure."""
    if os.environ.get("CI") == "true":
        assert INSTALLED, f"CI needs {CHROMIUM}"
    playwright = pytest.importorskip(
        "playwright.async_api", reason="playwright is not installed: pip install playwright"
    )
    if not INSTALLED:
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    async with playwright.async_playwright() as driver:
        started = await driver.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(site: Site) -> AsyncIterator[Host]:
    """A site that the inbox `open` allows to include it."""
    async with hosting() as made:
        settings = {"allowed_origins": f"https://shop.example, {made.url}", "identity_secret": SECRET}
        await site.done("POST", "/api/v1/channels", {"kind": "web", "name": "open", "settings": settings})
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Browser) -> AsyncIterator[Window]:
    """Open an address in a browser profile of its own, or in that of another page."""
    contexts: list[BrowserContext] = []

    async def opened(url: str, *, beside: Page | None = None, script: str = "", **options: Any) -> Page:
        context = beside.context if beside else await browser.new_context(**{"locale": "en-GB", **options})
        contexts.append(context)
        page = await context.new_page()
        if script:
            await page.add_init_script(script)
        await page.goto(url)
        return page

    yield opened
    for context in dict.fromkeys(contexts):
        await context.close()


@dataclass
class Visitor:
    """A browser window on the chat page. `problems`: what the page complained of."""

    page: Page
    problems: list[str] = field(default_factory=list)

    async def say(self, text: str) -> None:
        await self.page.fill("#text", text)
        await self.page.press("#text", "Enter")

    async def texts(self, kind: str = "") -> list[str]:
        """What stands in the log, in order: of one kind of author, or of all."""
        chosen = f"#log .message{'.' + kind if kind else ''} .text"
        found: list[str] = await self.page.locator(chosen).all_inner_texts()
        return [re.sub(r"\s+", " ", one).strip() for one in found]

    async def sees(self, text: str, where: str = "#log") -> None:
        await self.page.locator(where).get_by_text(text).first.wait_for(timeout=10_000)

    async def state(self, text: str) -> None:
        await self.sees(text, "header")


Visit = Callable[..., Awaitable[Visitor]]
Window = Callable[..., Awaitable["Page"]]


@pytest_asyncio.fixture(loop_scope="module")
async def visit(site: Site, browser: Browser) -> AsyncIterator[Visit]:
    """Open the page in a window of its own (`context`: in the same browser profile as another)."""
    contexts: list[BrowserContext] = []

    async def opened(*, context: BrowserContext | None = None, script: str = "", **options: Any) -> Visitor:
        profile = context or await browser.new_context(**{"locale": "en-GB", **options})
        contexts.append(profile)
        page = await profile.new_page()
        made = Visitor(page)
        page.on("pageerror", lambda error: made.problems.append(str(error)))
        page.on("dialog", lambda dialog: made.problems.append(f"dialog {dialog.message}"))
        page.on("console", lambda line: made.problems.append(line.text) if "Content Security" in line.text else None)
        if script:
            await page.add_init_script(script)
        await page.goto(f"{site.url}/chat/shop")
        return made

    yield opened
    for profile in dict.fromkeys(contexts):
        await profile.close()
