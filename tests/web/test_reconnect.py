"""Thirty lost connections of three kinds while both sides write: nothing is lost, nothing doubled; controls that do."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from invent_server.stream.socket import TOO_SLOW
from tests.web.conftest import Site, Speaker, Window, until
from tests.web.hosting import say

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
ROUNDS = 30


async def thread(page: Page) -> list[str]:
    return [text.strip() for text in await page.locator("#log .message:not(.pending) .text").all_inner_texts()]


async def stored(site: Site, path: str) -> list[str]:
    items, cursor = [], ""
    while True:
        found = await site.done("GET", f"{path}/messages?limit=500{cursor}")
        items += found["items"]
        if not found["next_cursor"]:
            return [one["text"] for one in items if one["kind"] == "text"]
        cursor = f"&cursor={found['next_cursor']}"


async def begin(site: Site, page: Page, text: str) -> str:
    """A chat that a person has; its path."""
    async with site.speaking(Speaker(["one moment"])):
        await say(page, text)
        await page.wait_for_selector("#log .assistant")
    talk = await site.talk(text)
    path = f"/api/v1/conversations/{talk['id']}"
    await site.done("POST", f"{path}/takeover", {})
    return path


async def lose(site: Site, page: Page, kind: int) -> None:
    """Break the connection: the server cuts the socket, the network goes, or the page is loaded anew."""
    if kind == 0:
        for group in tuple(site.services.hub.visitors.values()):
            for visitor in tuple(group):
                visitor.socket.end(TOO_SLOW)
    elif kind == 1:
        await page.context.set_offline(True)
        await page.wait_for_timeout(30)
        await page.context.set_offline(False)
    else:
        await page.reload()


async def test_thirty_lost_connections_lose_and_double_nothing(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop")
    path = await begin(site, page, "thirty times")
    chance = random.Random(11)
    for number in range(ROUNDS):
        lost_first = chance.random() < 0.5
        if lost_first:
            await lose(site, page, number % 3)
        await say(page, f"customer {number}")
        await site.done("POST", f"{path}/messages", {"text": f"agent {number}"})
        if not lost_first:
            await lose(site, page, number % 3)
    wanted = {f"{who} {number}" for number in range(ROUNDS) for who in ("customer", "agent")}

    async def complete() -> bool:
        return wanted <= set(await stored(site, path)) and await thread(page) == await stored(site, path)

    await until(complete, 60)
    assert max(Counter(await stored(site, path)).values()) == 1
    assert await page.locator("#log .pending").count() == 0
    kept = "Object.keys(localStorage).filter((key) => key.includes('.out.')).length"
    assert await page.evaluate(kept) == 0, "nothing waits any more"


async def test_what_waits_outlives_the_page(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop")
    path = await begin(site, page, "kept through a reload")

    async def refuse(route: Route) -> None:
        await route.abort() if route.request.method == "POST" else await route.continue_()

    await page.route("**/web/shop/messages", refuse)
    await say(page, "first of two")
    await say(page, "second of two")
    await page.wait_for_selector("#log .bad")
    await page.reload()
    await until(lambda: page.evaluate("document.querySelectorAll('#log .pending').length === 2"))
    other = await window(f"{site.url}/chat/shop", beside=page)  # a second tab sends what the first could not
    await until(lambda: _ends(site, path, ["first of two", "second of two"]))
    await page.unroute("**/web/shop/messages")
    await page.evaluate("dispatchEvent(new Event('online'))")
    for tab in (page, other):
        await until(lambda tab=tab: _same(tab, site, path))  # type: ignore[misc]


async def _ends(site: Site, path: str, wanted: list[str]) -> bool:
    return (await stored(site, path))[-len(wanted) :] == wanted


async def _same(page: Page, site: Site, path: str) -> bool:
    return await thread(page) == await stored(site, path)


async def answers_lost(page: Page, change: Any = None) -> None:
    """Every first answer to a message is lost on its way back; `change` spoils what is sent again."""
    seen: set[str] = set()

    async def handle(route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
            return
        body = json.loads(route.request.post_data or "{}")
        again = body["text"] in seen
        seen.add(body["text"])
        if again:
            await route.continue_(post_data=json.dumps(change(body) if change else body))
        else:
            await route.fetch()
            await route.abort()

    await page.route("**/web/shop/messages", handle)


async def test_a_lost_answer_doubles_nothing(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop")
    path = await begin(site, page, "answers are lost")
    await answers_lost(page)
    for number in range(3):
        await say(page, f"line {number}")
    await until(lambda: _ends(site, path, ["line 0", "line 1", "line 2"]), 20)
    await until(lambda: _same(page, site, path), 20)
    assert max(Counter(await thread(page)).values()) == 1


async def test_without_its_own_name_a_line_is_doubled(site: Site, window: Window) -> None:
    """The control: a new client_id for each try."""
    page = await window(f"{site.url}/chat/shop")
    path = await begin(site, page, "control of doubles")
    chance = random.Random(3)
    await answers_lost(page, lambda body: {**body, "client_id": str(chance.random())})
    await say(page, "doubled")
    await until(lambda: _ends(site, path, ["doubled", "doubled"]), 20)
