"""The chat page in a real browser: a question and its answer, a person, lost connections, hostile texts."""

from __future__ import annotations

import pytest

from invent_server.limits import Limiter
from shared.models import Citation
from shared.settings import Rate
from tests.web.conftest import Site, Speaker, Visit, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    '"><script>window.pwned=1</script>',
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "[click](javascript:window.pwned=1)",
    "[click](JaVaScRiPt:window.pwned=1)",
    "[click](data:text/html,<script>window.pwned=1</script>)",
    "[click](vbscript:msgbox)",
    '[a](https://shop.example/" onmouseover=window.pwned=1 ")',
    "**<b onclick=window.pwned=1>bold</b>**",
    "- <li onclick=window.pwned=1>item",
    "javascript:window.pwned=1",
    'https://shop.example/"><script>window.pwned=1</script>',
    "</textarea><script>window.pwned=1</script>",
    "<style>*{display:none}</style>",
    "<base href=https://evil.example/>",
    "<a href=javascript:window.pwned=1>x</a>",
    "{{constructor.constructor('window.pwned=1')()}} ${window.pwned=1}",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.pwned=1>",
    "<form action=https://evil.example><button>send</button></form>",
    "\u202egnp.exe <object data=javascript:window.pwned=1>",
]


async def test_a_question_is_answered_with_its_source(site: Site, visit: Visit) -> None:
    visitor = await visit()
    await visitor.say("How long do refunds take?")
    await visitor.sees("5 working days")
    assert (await visitor.texts())[0] == "How long do refunds take?"
    source = visitor.page.locator("#log .sources a")
    assert await source.inner_text() == "Refunds"
    assert await source.get_attribute("href") == "https://shop.example/r"
    assert await source.get_attribute("rel") == "noopener noreferrer nofollow"
    assert await visitor.page.locator("#log .assistant strong").inner_text() == "5 working days"
    assert "automatic" in await visitor.page.locator("#log .assistant .who").inner_text()
    assert await visitor.page.locator("#live *").count() == 0
    assert visitor.problems == []


async def test_a_person_takes_over_in_the_middle_of_a_sentence(site: Site, visit: Visit) -> None:
    visitor = await visit()
    async with site.speaking(Speaker(["I am writing ", "something long ", *["and longer "] * 40], pause=0.1)):
        await visitor.say("please take me over")
        await visitor.sees("something long", "#live")
        assert await visitor.texts("assistant") == [], "what is being written is not read out"
        talk = await site.talk("please take me over")
        await site.done("POST", f"/api/v1/conversations/{talk['id']}/takeover", {})
        await until(lambda: _none(visitor.page.locator("#live .message")))
        await visitor.state("A colleague is with you")
        await site.done("POST", f"/api/v1/conversations/{talk['id']}/messages", {"text": "Hello, **I** am a person."})
        await visitor.sees("am a person.")
    assert await visitor.texts() == ["please take me over", "Hello, I am a person."]
    assert await visitor.page.locator("#log .agent .who").inner_text() == "admin"
    await visitor.page.reload()
    await visitor.sees("am a person.")
    await visitor.state("A colleague is with you")
    assert await visitor.texts() == ["please take me over", "Hello, I am a person."]


async def _none(locator: object) -> bool:
    return await locator.count() == 0  # type: ignore[attr-defined,no-any-return]


async def test_a_restart_of_the_server_loses_and_doubles_nothing(site: Site, visit: Visit) -> None:
    visitor = await visit()
    async with site.speaking(Speaker(["first answer"])):
        await visitor.say("before the restart")
        await visitor.sees("first answer")
    await site.stop()
    await visitor.say("while it is away")
    await visitor.sees("Not sent yet")
    await visitor.say("and another")
    await site.start(Speaker(["second answer"]))
    await visitor.sees("second answer")
    await until(lambda: _none(visitor.page.locator("#log .pending")))
    await visitor.state("Automatic assistant")
    talk = await site.talk("while it is away")
    page = await site.done("GET", f"/api/v1/conversations/{talk['id']}/messages")
    stored = [one["text"] for one in page["items"] if one["kind"] == "text"]
    await until(lambda: _same(visitor.texts(), stored))
    assert stored[:2] == ["before the restart", "first answer"]
    assert [text for text in stored if text in ("while it is away", "and another")] == [
        "while it is away",
        "and another",
    ]


async def _same(found: object, wanted: list[str]) -> bool:
    return await found == wanted  # type: ignore[misc,no-any-return]


async def test_hostile_texts_stay_texts(site: Site, visit: Visit) -> None:
    visitor = await visit()
    evil = Citation(title="<img src=x onerror=window.pwned=1>", url="javascript:window.pwned=1", chunk_id="x")
    async with site.speaking(Speaker(["\n".join(HOSTILE)], citations=(evil,))):
        await visitor.say("\n".join(HOSTILE))
        await visitor.sees("<math>", "#log .assistant")
    talk = (await site.done("GET", "/api/v1/conversations?filter=text:mglyph"))["items"][0]
    await site.done("POST", f"/api/v1/conversations/{talk['id']}/takeover", {})
    for text in HOSTILE:
        await site.done("POST", f"/api/v1/conversations/{talk['id']}/messages", {"text": text})
    await until(lambda: _count(visitor.page.locator("#log .agent"), len(HOSTILE)))
    await visitor.page.locator("#log .agent .text").nth(10).click()
    await visitor.page.wait_for_timeout(100)
    assert await visitor.page.evaluate("window.pwned") is None
    assert visitor.problems == []
    foreign = "#log :is(script,img,svg,iframe,style,base,object,form,button,textarea,table,math)"
    assert await visitor.page.locator(foreign).count() == 0
    handlers = (
        "() => [...document.querySelectorAll('#log *')].some(e => [...e.attributes].some(a => /^on/.test(a.name)))"
    )
    assert await visitor.page.evaluate(handlers) is False
    links = await visitor.page.eval_on_selector_all("#log a", "all => all.map(one => [one.href, one.rel])")
    assert links
    for href, rel in links:
        assert href.startswith(("https://shop.example/", "https://evil.example/")), href
        assert rel == "noopener noreferrer nofollow"
    assert "gnp.exe <object" in (await visitor.texts("agent"))[-1]


async def _count(locator: object, wanted: int) -> bool:
    return await locator.count() == wanted  # type: ignore[attr-defined,no-any-return]


async def test_without_websockets_it_asks_again_and_again(site: Site, visit: Visit) -> None:
    blocked = "window.WebSocket = class { constructor() { throw new Error('blocked'); } }"
    visitor = await visit(script=blocked)
    async with site.speaking(Speaker(["polled answer"])):
        await visitor.say("no sockets here")
        await visitor.sees("polled answer")
    assert await visitor.texts() == ["no sockets here", "polled answer"]
    await visitor.state("Automatic assistant")


async def test_it_works_where_storage_throws(site: Site, visit: Visit) -> None:
    throwing = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    visitor = await visit(script=throwing)
    async with site.speaking(Speaker(["kept in memory"])):
        await visitor.say("private window")
        await visitor.sees("kept in memory")
    assert visitor.problems == []


async def test_two_tabs_show_the_same_once(site: Site, visit: Visit) -> None:
    one = await visit()
    async with site.speaking(Speaker(["for both tabs"])):
        await one.say("from the first tab")
        await one.sees("for both tabs")
        two = await visit(context=one.page.context)
        await two.sees("for both tabs")
        await two.say("from the second tab")
        await one.sees("from the second tab")
        await until(lambda: _count(one.page.locator("#log .assistant"), 2))
        await until(lambda: _count(two.page.locator("#log .assistant"), 2))
    assert await one.texts() == await two.texts()
    assert len(await one.texts()) == 4


async def test_too_many_messages_wait_their_turn(site: Site, visit: Visit) -> None:
    visitor = await visit()
    before = site.services.visitor_messages
    site.services.visitor_messages = Limiter(Rate(1, 2.0))
    try:
        async with site.speaking(Speaker(["slowly"])):
            await visitor.say("one")
            await visitor.say("two")
            await visitor.sees("You write faster than people can read")
            await until(lambda: _none(visitor.page.locator("#log .pending")))
    finally:
        site.services.visitor_messages = before
    assert await visitor.texts("customer") == ["one", "two"]


async def test_a_closed_inbox_is_said_in_words(site: Site, visit: Visit) -> None:
    visitor = await visit()
    await site.done("PATCH", "/api/v1/channels/shop", {"enabled": False})
    try:
        await visitor.say("is anybody there?")
        await visitor.sees("This chat is not open at the moment")
    finally:
        await site.done("PATCH", "/api/v1/channels/shop", {"enabled": True})


async def test_emoji_do_not_shift_what_is_streamed(site: Site, visit: Visit) -> None:
    visitor = await visit()
    async with site.speaking(Speaker(["👩‍🍳🍲 warm ", "and ", "good 🎉"], pause=0.15)):
        await visitor.say("emoji please")
        await visitor.sees("🍲 warm and", "#live")
        assert await visitor.page.locator("#live .text").inner_text() in ("👩‍🍳🍲 warm and", "👩‍🍳🍲 warm and good 🎉")
        await visitor.sees("good 🎉")
    assert await visitor.texts("assistant") == ["👩‍🍳🍲 warm and good 🎉"]


@pytest.mark.parametrize("locale", ["es-MX", "en-GB"])
async def test_narrow_and_in_the_browsers_language(site: Site, visit: Visit, locale: str) -> None:
    visitor = await visit(locale=locale, viewport={"width": 320, "height": 560})
    assert await visitor.page.get_attribute("html", "lang") == locale[:2]
    async with site.speaking(Speaker(["a" * 400 + " https://shop.example/" + "b" * 300])):
        await visitor.say("x" * 300)
        await visitor.sees("aaaa")
    wide = "document.documentElement.scrollWidth > innerWidth || scroll.scrollWidth > scroll.clientWidth"
    assert await visitor.page.evaluate(wide.replace("scroll.s", "document.getElementById('scroll').s")) is False
    label = {"es-MX": "Escribe un mensaje", "en-GB": "Write a message"}[locale]
    await visitor.page.get_by_label(label).focus()


async def test_the_keyboard_is_enough(site: Site, visit: Visit) -> None:
    visitor = await visit()
    page = visitor.page
    await page.focus("#text")
    await page.keyboard.type("line one")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("line two")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.id") == "send"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await page.evaluate(outline) == "solid"
    async with site.speaking(Speaker(["heard"])):
        await page.keyboard.press("Enter")
        await visitor.sees("heard")
    assert await page.locator("#log .customer .text").inner_text() == "line one\nline two"


async def test_the_screen_stays_where_the_visitor_reads(site: Site, visit: Visit) -> None:
    visitor = await visit(viewport={"width": 500, "height": 400})
    async with site.speaking(Speaker(["\n\n".join(f"paragraph {n}" for n in range(40))])):
        await visitor.say("tell me a lot")
        await visitor.sees("paragraph 39")
    await visitor.page.evaluate("document.getElementById('scroll').scrollTop = 0")
    talk = await site.talk("tell me a lot")
    await site.done("POST", f"/api/v1/conversations/{talk['id']}/takeover", {})
    await site.done("POST", f"/api/v1/conversations/{talk['id']}/messages", {"text": "news below"})
    await visitor.page.get_by_role("button", name="New messages below").click()
    assert await visitor.page.evaluate("document.getElementById('scroll').scrollTop") > 100
