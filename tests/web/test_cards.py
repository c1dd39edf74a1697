"""Beside the conversation, in the browser: files, ratings, an address for when nobody is there, read marks, changes."""

from __future__ import annotations

from typing import Any

import pytest

from invent_server.conversations import changes
from invent_server.store import tables as t
from invent_server.store.session import announce
from tests.web.conftest import Site, Speaker, Window, until
from tests.web.hosting import say

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_file_is_sent_and_saved_by_both_sides(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop")
    dropped = """(name) => { const files = new DataTransfer();
      files.items.add(new File(['<script>1</script>'], name, { type: 'text/html' }));
      for (const type of ['dragenter', 'drop'])
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true })); }"""
    await page.evaluate(dropped, "dropped.html")
    pasted = """(name) => { const files = new DataTransfer(); files.items.add(new File(['x'], name));
      document.getElementById('text').dispatchEvent(
        new ClipboardEvent('paste', { clipboardData: files, bubbles: true, cancelable: true })); }"""
    await page.evaluate(pasted, "pasted.txt")
    chosen: Any = {"name": "chosen.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4"}
    await page.set_input_files("#picker", chosen)
    await page.wait_for_selector("#send:enabled")
    await page.click("#chips li:nth-child(2) button")
    async with site.speaking(Speaker(["thank you"])):
        await say(page, "three ways, one taken back")
        await page.wait_for_selector("#log .assistant")
    assert await page.locator("#log .customer .file .name").all_inner_texts() == ["dropped.html", "chosen.pdf"]
    async with page.expect_download() as saving:
        await page.click("#log .customer .file >> nth=0")
    saved = await saving.value
    assert saved.suggested_filename == "dropped.html"
    assert (await saved.path()).read_text() == "<script>1</script>"
    talk = await site.talk("three ways, one taken back")
    await site.done("POST", f"/api/v1/conversations/{talk['id']}/takeover", {})
    too_large: Any = {"name": "big.bin", "mimeType": "x/y", "buffer": b"x" * 10_600_000}
    await page.set_input_files("#picker", too_large)
    await until(lambda: page.evaluate("document.getElementById('told').textContent.includes('too large')"))
    assert await page.locator("#chips li").count() == 0


async def test_a_closed_chat_asks_for_one_rating(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop")
    async with site.speaking(Speaker(["bye"])):
        await say(page, "that was all, rate me")
        await page.wait_for_selector("#log .assistant")
    talk = await site.talk("that was all, rate me")
    path = f"/api/v1/conversations/{talk['id']}"
    await site.done("POST", f"{path}/resolve", {})
    await page.focus("#text")
    await page.wait_for_selector(".scores")
    await page.focus(".scores input >> nth=0")
    await page.keyboard.press("Space")
    for _ in range(3):
        await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Tab")
    await page.keyboard.type("quick and kind")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#cards .note")
    assert (await site.done("GET", path))["csat"] == 4
    await page.reload()
    await page.wait_for_selector("#log .assistant")
    await page.wait_for_timeout(300)
    assert await page.locator("#cards form").count() == 0, "once for each closing"
    async with site.speaking(Speaker(["again"])):
        await say(page, "one more thing")
        await page.wait_for_selector("#log .assistant >> nth=1")
    await site.done("POST", f"{path}/resolve", {})
    await page.wait_for_selector(".scores")


async def test_nobody_is_there(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop", locale="es-ES")
    async with site.speaking(Speaker(["Paso"], outcome="handoff")):
        await say(page, "necesito una persona ya")
        await page.wait_for_selector("#cards input[type=email]")
    await page.fill("#cards input", "ana@shop.example")
    await page.press("#cards input", "Enter")
    await page.wait_for_selector("#cards .note")
    talk = await site.talk("necesito una persona ya")
    found = await site.done("GET", f"/api/v1/customers/{talk['customer']['id']}")
    assert found["email"] == "ana@shop.example"
    await site.done("POST", f"/api/v1/conversations/{talk['id']}/takeover", {})
    await until(lambda: page.evaluate("!document.querySelector('#cards *')"))


async def test_read_marks_edits_and_removals_reach_the_page(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop")
    async with site.speaking(Speaker(["a moment"])):
        await say(page, "what does it cost?")
        await page.wait_for_selector("#log .assistant")
    talk = await site.talk("what does it cost?")
    path = f"/api/v1/conversations/{talk['id']}"
    await site.done("POST", f"{path}/takeover", {})
    assert await page.locator("#log .read").count() == 0
    await site.done("POST", f"{path}/read", {})
    await page.wait_for_selector("#log .customer .read")
    reply = await site.done("POST", f"{path}/messages", {"text": "10 euros"})
    await page.wait_for_selector("#log .agent")

    async def change(text: str) -> None:
        def write(session: Any) -> None:
            row = changes.load(session, talk["id"])
            session.get_one(t.Message, reply["id"]).text = text
            announce(session, changes.UPDATED, reply["id"], conversation_id=row.id, inbox_id=row.inbox_id)

        await site.services.store.write(write)

    await change("12 euros")
    await until(lambda: page.evaluate("document.querySelector('#log .agent .text').textContent === '12 euros'"))
    await page.context.set_offline(True)  # a change that the page sleeps through
    await change("")
    await page.context.set_offline(False)
    await until(lambda: page.evaluate("document.querySelector('#log .agent .text').textContent.includes('removed')"))
    assert await page.locator("#log .agent").count() == 1


async def test_earlier_chats_are_shown_when_they_are_asked_for(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop")
    async with site.speaking(Speaker(["an old answer"])):
        await say(page, "a question of last week")
        await page.wait_for_selector("#log .assistant")
    talk = await site.talk("a question of last week")
    await site.done("POST", f"/api/v1/conversations/{talk['id']}/resolve", {})

    def age(session: Any) -> None:
        row = changes.load(session, talk["id"])
        row.closed_at = row.created_at = row.created_at - 10**12
        session.add(row)

    await site.services.store.write(age)
    await page.reload()
    await page.click("#earlier button")
    await page.wait_for_selector("#earlier .assistant")
    assert await page.locator("#earlier .text").all_inner_texts() == ["a question of last week", "an old answer"]
    assert await page.locator("#log .message").count() == 0, "a chat closed long ago starts anew"


async def test_two_tabs_and_what_is_unread(site: Site, window: Window) -> None:
    page = await window(f"{site.url}/chat/shop")
    async with site.speaking(Speaker(["one"])):
        await say(page, "tabs and titles")
        await page.wait_for_selector("#log .assistant")
    other = await window(f"{site.url}/chat/shop", beside=page)
    await other.wait_for_selector("#log .assistant")
    talk = await site.talk("tabs and titles")
    await site.done("POST", f"/api/v1/conversations/{talk['id']}/takeover", {})
    await site.done("POST", f"/api/v1/conversations/{talk['id']}/messages", {"text": "for both"})
    for tab in (page, other):
        await tab.wait_for_selector("#log .agent")
        assert await tab.locator("#log .agent").count() == 1
    await until(lambda: _untold(page))


async def _untold(page: Any) -> bool:
    return not (await page.title()).startswith("(")
