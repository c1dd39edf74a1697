"""Hostile texts, wherever a text can come from, run no script; what does run one is shown by broken controls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared.models import Citation
from tests.web.conftest import Site, Speaker, Window, until
from tests.web.hosting import Host, opened, say
from tests.web.test_browser import HOSTILE as MARKUP

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = pytest.mark.asyncio(loop_scope="module")
SETS = json.loads((Path(__file__).parents[1] / "bench" / "sets" / "hostile.json").read_text("utf-8"))
TEXTS = [
    *MARKUP,
    "<script>top.pwned=1</script>",
    "<img src=x onerror=top.pwned=1>",
    "<svg><script>top.pwned=1</script></svg>",
    "<svg/onload=top.pwned=1>",
    "<details open ontoggle=top.pwned=1>",
    "<video><source onerror=top.pwned=1></video>",
    "<audio src onloadstart=top.pwned=1>",
    "<input autofocus onfocus=top.pwned=1>",
    "<marquee onstart=top.pwned=1>",
    "<a href='java\tscript:top.pwned=1'>x</a>",
    "[x](java\tscript:top.pwned=1)",
    "[x](javascript://shop.example/%0atop.pwned=1)",
    "[x](&#106;avascript:top.pwned=1)",
    "[x](data:text/html;base64,PHNjcmlwdD50b3AucHduZWQ9MTwvc2NyaXB0Pg==)",
    "[x](blob:https://shop.example/1)",
    "[x](file:///etc/passwd)",
    "[x](mailto:a@b.example?subject=<script>)",
    "![x](x onerror=top.pwned=1)",
    "![x](javascript:top.pwned=1)",
    "`<img src=x onerror=top.pwned=1>`",
    "```\n<script>top.pwned=1</script>\n```",
    "```html\n<iframe srcdoc='<script>top.pwned=1</script>'>",
    "# <img src=x onerror=top.pwned=1>",
    "> <svg onload=top.pwned=1>",
    "*<u onclick=top.pwned=1>a*",
    "_<b onmouseover=top.pwned=1>x</b>_",
    "<template><script>top.pwned=1</script></template>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<object data='data:text/html,<script>top.pwned=1</script>'></object>",
    "<embed src=javascript:top.pwned=1>",
    "<portal src=//evil.example>",
    "<xss style=animation-name:x onanimationstart=top.pwned=1>",
    "&lt;script&gt;top.pwned=1&lt;/script&gt;",
    "\\u003cscript\\u003etop.pwned=1\\u003c/script\\u003e",
    "</script><script>top.pwned=1</script>",
    "--><script>top.pwned=1</script>",
    "]]><script>top.pwned=1</script>",
    "__proto__",
    '{"__proto__": {"pwned": 1}}',
    "constructor.prototype.pwned=1",
    "https://shop.example/<script>top.pwned=1</script>",
    "https://shop.example/`onclick=top.pwned=1`",
    "http://[::1",
    "https://user:pass@evil.example/",
    *(one["text"] for one in SETS[:: max(1, len(SETS) // 40)]),
]
FOREIGN = ":is(script,img,svg,iframe,style,base,object,embed,form,link,meta,table,math,video,audio,input,template)"


async def unharmed(page: Page, view: Any, problems: list[str]) -> None:
    """Nothing ran, nothing was added that could, and no policy had to step in."""
    assert await page.evaluate("window.pwned") is None
    assert await view.evaluate("window.pwned ?? Object.prototype.pwned") is None
    assert problems == []
    for place in ("#log", "#live", "#earlier", ".message:first-of-type .text", "h1", "#state"):
        assert await view.locator(f"{place} {FOREIGN}").count() == 0, place
    handlers = "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => /^on/i.test(a.name))"
    assert await view.evaluate(f"{handlers}.length") == 0
    links = await view.eval_on_selector_all("#log a", "all => all.map(one => [one.protocol, one.rel, one.target])")
    assert {protocol for protocol, _, _ in links} <= {"https:", "http:", "mailto:"}
    assert {(rel, target) for _, rel, target in links} <= {("noopener noreferrer nofollow", "_blank")}


def watch(page: Page) -> list[str]:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("popup", lambda popup: problems.append(popup.url))
    page.on("console", lambda line: problems.append(line.text) if "Content Security" in line.text else None)
    return problems


async def test_there_are_enough() -> None:
    assert len(set(TEXTS)) >= 100


async def test_as_message_name_knowledge_answer_greeting_and_file_name(site: Site, host: Host, window: Window) -> None:
    """All of them through every door, in the panel on a foreign site."""
    page = await window("about:blank")
    problems = watch(page)
    await page.goto(host.widget(site.url, "open"))
    view = await opened(page)
    evil = tuple(Citation(title=text or "x", url=text, chunk_id="x") for text in TEXTS[:60])
    async with site.speaking(Speaker(["\n\n".join(TEXTS)], citations=evil)):
        await say(view, "\n".join(TEXTS)[:19_000])
        await view.wait_for_selector("#log .assistant")
        await page.evaluate("(name) => Invent.identify({ name, email: name })", "<img src=x onerror=top.pwned=1>")
    talk = (await site.done("GET", "/api/v1/conversations?filter=text:marquee"))["items"][0]
    path = f"/api/v1/conversations/{talk['id']}"
    await site.done("POST", f"{path}/takeover", {})
    for text in TEXTS:
        await site.done("POST", f"{path}/messages", {"text": text})
    await until(lambda: _count(view, "#log .agent", len(TEXTS)), 60)
    names = [text.replace("\x00", "")[:200] or "x" for text in TEXTS if text.isprintable()][:10]
    files = [{"name": name, "mimeType": "text/html", "buffer": b"<script>top.pwned=1</script>"} for name in names]
    await view.set_input_files("#picker", files)  # type: ignore[arg-type]
    await until(lambda: _ready(view))
    await view.press("#text", "Enter")
    await view.wait_for_selector("#log .customer .file")
    for locator in (view.locator("#log .agent .text").nth(3), view.locator("#log .text li").first):
        if await locator.count():
            await locator.click()
    await page.wait_for_timeout(200)
    await unharmed(page, view, problems)


async def _count(view: Any, selector: str, wanted: int) -> bool:
    return bool(await view.locator(selector).count() == wanted)


async def _ready(view: Any) -> bool:
    return bool(await view.locator("#send:enabled").count())


async def test_as_greeting_and_knowledge(site: Site, window: Window) -> None:
    await site.done("POST", "/api/v1/channels", {"kind": "web", "name": "greeter"})
    for number, text in enumerate(TEXTS):
        if not text.strip():
            continue
        await site.done("PATCH", "/api/v1/channels/greeter", {"settings": {"greeting": text}})
        if number % 12 == 0:
            page = await window("about:blank")
            problems = watch(page)
        await page.goto(f"{site.url}/chat/greeter")
        assert await page.evaluate("window.pwned") is None, text
        assert await page.locator(f".message .text {FOREIGN}").count() == 0, text
        assert problems == [], text
    body = "The zorgle " + "\n\n".join(f"zorgle {text}" for text in MARKUP)
    added = {"kind": "text", "title": "<img src=x onerror=top.pwned=1> zorgle", "text": body, "url": "javascript:1"}
    await site.done("POST", "/api/v1/knowledge/sources", added)
    await site.services.library.settled()
    await say(page, "zorgle")
    await page.wait_for_selector("#log .assistant")
    await unharmed(page, page, problems)


BROKEN = "export function rich(into, text) { into.innerHTML = text; }\nfunction unused(into, text) {"


async def broken(page: Page, *, policy: bool) -> None:
    """The page with a renderer that parses markup; without `policy` also without the header that forbids it."""

    async def script(route: Route) -> None:
        answer = await route.fetch()
        text = (await answer.text()).replace("export function rich(into, text) {", BROKEN)
        await route.fulfill(response=answer, body=text)

    async def document(route: Route) -> None:
        answer = await route.fetch()
        headers = {k: v for k, v in answer.headers.items() if policy or k != "content-security-policy"}
        await route.fulfill(response=answer, headers=headers)

    await page.route("**/assets/text.js", script)
    await page.route("**/chat/shop", document)


async def test_a_broken_page_does_run_them(site: Site, window: Window) -> None:
    """The control: the same texts, a renderer that parses markup, no policy."""
    page = await window("about:blank")
    await broken(page, policy=False)
    await page.goto(f"{site.url}/chat/shop")
    async with site.speaking(Speaker(["<img src=x onerror=window.pwned=1>"])):
        await say(page, "control")
        await page.wait_for_function("window.pwned === 1")


async def test_the_policy_holds_even_for_a_broken_page(site: Site, window: Window) -> None:
    page = await window("about:blank")
    await broken(page, policy=True)
    await page.goto(f"{site.url}/chat/shop")
    async with site.speaking(Speaker(["<img src=x onerror=window.pwned=1>"])):
        await say(page, "second control")
        await page.wait_for_timeout(1500)
    assert await page.evaluate("window.pwned") is None
