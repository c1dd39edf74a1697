"""Accessibility rules (axe-core) on every surface: 0 violations, in both themes and both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.web.conftest import Site, Speaker, Window
from tests.web.hosting import Host, framed, opened, say

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page

pytestmark = pytest.mark.asyncio(loop_scope="module")
TEXT = "Some **bold** words, `code`, a list:\n\n- one\n- two\n\n```\ncode that is long\n```\n\nhttps://shop.example/x"


async def violations(view: Page | Frame) -> list[str]:
    """What axe finds in a document and its shadow trees, without the documents that it frames."""
    axe = pytest.importorskip("axe_playwright_python.async_playwright").Axe()
    found: Any = await axe.run(view, options={"resultTypes": ["violations"], "iframes": False})
    return [
        f"{one['id']}: {one['help']} ({one['nodes'][0]['target']} {one['nodes'][0]['html'][:200]})"
        for one in found.response["violations"]
    ]


async def test_it_finds_what_is_wrong(site: Site, window: Window) -> None:
    """The control: a page that is spoilt is reported."""
    page = await window(f"{site.url}/chat/shop")
    await page.evaluate(
        "document.getElementById('send').removeAttribute('aria-label');"
        "document.getElementById('send').removeAttribute('title');"
        "document.documentElement.style.setProperty('--soft', '#bbbbbb')"
    )
    found = await violations(page)
    assert any(one.startswith("button-name") for one in found)
    assert any(one.startswith("color-contrast") for one in found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "es-ES"])
async def test_every_surface_in_every_state(site: Site, host: Host, window: Window, scheme: str, locale: str) -> None:
    options = {"color_scheme": scheme, "locale": locale, "reduced_motion": "reduce"}
    page = await window(host.widget(site.url, "open"), **options)
    await page.wait_for_selector("invent-chat .launcher")
    assert await violations(page) == [], "closed"
    view = await opened(page)
    assert await violations(page) == [], "open"
    assert await violations(view) == [], "the panel before a word is said"
    page = await window(host.frame(site.url, "open"), **options)
    assert await violations(await framed(page)) == [], "in a frame"
    page = await window(f"{site.url}/chat/shop", **options)
    text = f"axe {scheme} {locale}"
    async with site.speaking(Speaker([TEXT])):
        await say(page, f"{text} https://shop.example")
        await page.wait_for_selector("#log .assistant")
    picture: Any = {"name": "photo.png", "mimeType": "image/png", "buffer": PIXEL}
    await page.set_input_files("#picker", [picture])
    await page.wait_for_selector("#send:enabled")
    assert await violations(page) == [], "an answer, and a file that waits"
    async with site.speaking(Speaker(["x"], outcome="handoff")):
        await page.press("#text", "Enter")
        await page.wait_for_selector("#cards form")
    assert await violations(page) == [], "nobody is there"
    talk = await site.talk(text)
    path = f"/api/v1/conversations/{talk['id']}"
    await site.done("POST", f"{path}/takeover", {})
    await site.done("POST", f"{path}/messages", {"text": TEXT})
    await site.done("POST", f"{path}/resolve", {})
    await page.wait_for_selector(".scores")
    await page.check(".scores input >> nth=3", force=True)
    assert await violations(page) == [], "a rating is asked for"


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f0005000180"
    "a5d3e1690000000049454e44ae426082"
)
