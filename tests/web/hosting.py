"""Somebody else's site, at an origin of its own, that includes the chat in one of its two ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Casa Clara</title>
<meta name="viewport" content="width=device-width"></head>
<body><main><h1>Casa Clara</h1><p><a id="before" href="#x">A link of the site</a></p></main>{included}</body></html>"""


@dataclass
class Host:
    """`pages`: path -> what the body includes; `headers`: of every page."""

    url: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def widget(self, server: str, inbox: str, path: str = "/", **data: str) -> str:
        """Include the launcher; the page's address."""
        options = "".join(f' data-{key.replace("_", "-")}="{escape(value)}"' for key, value in data.items())
        self.pages[path] = f'<script src="{server}/widget.js" data-inbox="{inbox}"{options} async></script>'
        return self.url + path

    def frame(self, server: str, inbox: str, path: str = "/framed", fragment: str = "") -> str:
        """Include the page in a bare frame; the page's address."""
        source = escape(f"{server}/embed/{inbox}{fragment}")
        self.pages[path] = f'<iframe src="{source}" title="Chat" width="600" height="600"></iframe>'
        return self.url + path

    async def _answer(self, request: web.Request) -> web.Response:
        body = PAGE.format(included=self.pages.get(request.path, ""))
        return web.Response(text=body, content_type="text/html", headers=self.headers)


@asynccontextmanager
async def hosting(headers: Mapping[str, str] | None = None) -> AsyncIterator[Host]:
    """A site on a port of its own until the end of the block."""
    host = Host(headers=dict(headers or {}))
    app = web.Application()
    app.router.add_get("/{path:.*}", host._answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield host
    finally:
        await runner.cleanup()


async def framed(page: Page, selector: str = "invent-chat iframe, iframe") -> Frame:
    """The chat inside a page, when it is there to be written into."""
    element = await page.wait_for_selector(selector, state="attached")
    frame = await element.content_frame() if element else None
    assert frame is not None
    await frame.wait_for_selector("#text", state="attached")
    return frame


async def opened(page: Page) -> Frame:
    """Open the launcher; the chat in it."""
    await page.click("invent-chat .launcher")
    frame = await framed(page, "invent-chat iframe")
    await frame.wait_for_selector("#text:focus")
    return frame


async def say(view: Page | Frame, text: str) -> None:
    """Write a line and send it."""
    await view.fill("#text", text)
    await view.press("#text", "Enter")
