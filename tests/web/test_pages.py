"""The hosted page as it is sent: policy, language, greeting; a wrong address says so in words."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from invent_server.routes.pages import ASSETS
from tests.web.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")


class _Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


async def test_the_page_runs_nothing_but_its_own_files(site: Site) -> None:
    status, headers, page = await site.call("GET", "/chat/shop")
    assert status == 200
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == f"'self' ws://127.0.0.1:{site.port}"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Cache-Control"] == "no-store"
    for tag, attributes in _Elements(page).found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        assert tag != "style"
        address = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        assert address is None or address.startswith(("../assets/", "data:,")), address
        assert tag != "script" or attributes.get("src")


async def test_a_forged_host_does_not_enter_the_policy(site: Site) -> None:
    _, headers, _ = await site.call("GET", "/chat/shop", None, Host="evil.example; script-src *")
    assert "evil" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "", "es"),
        ("en;q=0.5, es;q=0.7", "", "es"),
        ("fr-FR, de;q=0.9", "", "en"),
        ("en", "?lang=es", "es"),
        ("es;q=nonsense, en", "", "en"),
        ("", "", "en"),
    ],
)
async def test_the_browsers_language(site: Site, accept: str, query: str, expected: str) -> None:
    _, _, page = await site.call("GET", "/chat/shop" + query, None, **{"Accept-Language": accept})
    assert f'<html lang="{expected}">' in page
    assert {"es": "Soy el asistente automático", "en": "I am the automatic assistant"}[expected] in page


async def test_the_greeting_is_the_inboxs_own_and_escaped(site: Site) -> None:
    own = 'Hi <b>there</b> & "you"\'s'
    body = {"kind": "web", "name": "own", "settings": {"greeting": own, "mode": "off"}}
    await site.done("POST", "/api/v1/channels", body)
    _, _, page = await site.call("GET", "/chat/own")
    assert "Hi &lt;b&gt;there&lt;/b&gt; &amp; &quot;you&quot;&#x27;s" in page
    assert "<b>there" not in page
    await site.done("PATCH", "/api/v1/channels/own", {"settings": {"greeting": ""}})
    _, _, page = await site.call("GET", "/chat/own")
    assert "a person will answer you" in page
    assert "automatic" not in re.sub(r'data-texts="[^"]*"', "", page)


async def test_no_chat_there_is_said_in_words(site: Site) -> None:
    await site.done("POST", "/api/v1/channels", {"kind": "web", "name": "closed"})
    await site.done("PATCH", "/api/v1/channels/closed", {"enabled": False})
    await site.done("POST", "/api/v1/channels", {"kind": "api", "name": "hooks", "settings": _hooks()})
    for name in ("nowhere", "closed", "hooks", "%3Cscript%3E"):
        status, headers, page = await site.call("GET", f"/chat/{name}", None, **{"Accept-Language": "es"})
        assert (status, headers.getone("Content-Type")) == (404, "text/html; charset=utf-8")
        assert "no hay ningún chat" in page
        assert "script-src 'self'" in headers["Content-Security-Policy"]


def _hooks() -> dict[str, str]:
    return {"webhook_secret": "whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "callback_url": "https://x.example/"}


async def test_files_are_kept_until_they_change(site: Site) -> None:
    for name, kind in ASSETS.items():
        status, headers, _ = await site.call("GET", f"/assets/{name}")
        assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        assert headers["X-Content-Type-Options"] == "nosniff"
        status, _, _ = await site.call("GET", f"/assets/{name}", None, **{"If-None-Match": headers["ETag"]})
        assert status == 304
    for name in ("chat.html", "__init__.py", "%2e%2e%2fapp.py", "..%2f..%2fapp.py"):
        assert (await site.call("GET", f"/assets/{name}"))[0] == 404
