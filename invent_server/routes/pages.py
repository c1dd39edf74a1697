"""Pages for people: the hosted chat, /chat/{inbox}, with its script and style; the files stand in invent_server/web."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from html import escape
from importlib import resources
from string import Template

from aiohttp import web

from invent_server.directory import InboxInfo
from invent_server.routes import auth
from invent_server.routes.table import Call, Route
from invent_server.routes.web import greeting_of
from shared.i18n import LANGUAGES, Texts, texts
from shared.text import clean, clean_line

SCRIPT, STYLE = "text/javascript", "text/css"
ASSETS = {"chat.js": SCRIPT, "thread.js": SCRIPT, "text.js": SCRIPT, "chat.css": STYLE}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'{sockets};"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_ORIGIN = re.compile(r"https?://[a-z0-9.\-]+(:\d+)?|https?://\[[0-9a-f:.]+\](:\d+)?")


async def chat(call: Call) -> web.StreamResponse:
    """The page of a web inbox; 404, in words, where there is none or it is closed."""
    language = language_of(call.request)
    tr = texts("server", language)
    inbox = await call.services.directory.inbox(call.params["inbox"])
    if inbox is None or inbox.kind != "web" or not inbox.enabled:
        return _html(call, _gone(tr), 404)
    return _html(call, _page(inbox, tr), 200)


async def asset(call: Call) -> web.StreamResponse:
    """A script or style. Browsers keep it and ask whether it is still the same."""
    name = call.params["name"]
    if name not in ASSETS:
        return web.Response(status=404, text="not found")
    raw, tag = _file(name)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "ETag": tag}
    if call.request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    response = web.Response(body=raw, content_type=ASSETS[name], charset="utf-8", headers=headers)
    response.enable_compression()
    return response


def language_of(request: web.Request) -> str:
    """`?lang=`, else the first language of the browser's list that there are texts in, else English."""
    wanted: list[tuple[float, str]] = [(2.0, request.query.get("lang", ""))]
    for part in request.headers.get("Accept-Language", "")[:500].split(","):
        name, _, weight = part.partition(";q=")
        try:
            wanted.append((float(weight or 1), name))
        except ValueError:
            continue
    for _, name in sorted(wanted, key=lambda pair: -pair[0]):
        short = name.strip().replace("_", "-").split("-")[0].lower()
        if short in LANGUAGES:
            return short
    return LANGUAGES[0]


def _page(inbox: InboxInfo, tr: Texts) -> str:
    title = clean_line(inbox.company) or tr("Customer service")
    automatic = inbox.mode == "automatic"
    labels = _labels(tr, automatic)
    return _template("chat.html").substitute(
        {
            name: escape(value)
            for name, value in {
                "lang": tr.language,
                "title": title,
                "initial": title[0].upper(),
                "inbox": inbox.name,
                "texts": json.dumps(labels, ensure_ascii=False),
                "state": labels["state"],
                "greeter": "assistant" if automatic else "agent",
                "author": labels["assistant"] if automatic else title,
                "tag": f" · {labels['automatic']}" if automatic else "",
                "greeting": clean(greeting_of(inbox, tr.language)),
                "conversation": tr("Conversation"),
                "newer": tr("New messages below"),
                "label": tr("Write a message"),
                "send": tr("Send"),
                "noscript": tr("This chat needs JavaScript. Switch it on and load the page again."),
            }.items()
        }
    )


def _labels(tr: Texts, automatic: bool) -> dict[str, str]:
    """What the script says. `state`: how the conversation stands at first."""
    return {
        "lang": tr.language,
        "you": tr("You"),
        "assistant": tr("Assistant"),
        "automatic": tr("automatic"),
        "colleague": tr("Customer service"),
        "source": tr("Source:"),
        "state": tr("Automatic assistant") if automatic else tr("People answer here"),
        "waiting": tr("A colleague will answer you here. You can go on writing."),
        "taken": tr("A colleague is with you"),
        "closed": tr("This conversation is closed. Write to open it again."),
        "connecting": tr("Connecting …"),
        "offline": tr("You are offline"),
        "closedNow": tr("This chat is not open at the moment"),
        "sending": tr("Sending …"),
        "unsent": tr("Not sent yet. Trying again …"),
        "unsentOffline": tr("Not sent yet: you are offline. It goes out when you are back."),
        "slow": tr("You write faster than people can read. It goes out in a moment."),
        "refused": tr("This message could not be sent"),
        "now": tr("Try now"),
    }


def _gone(tr: Texts) -> str:
    return _template("gone.html").substitute(
        lang=tr.language,
        title=escape(tr("This chat is not open")),
        text=escape(tr("There is no chat at this address, or it is closed at the moment.")),
    )


def _html(call: Call, body: str, status: int) -> web.Response:
    response = web.Response(text=body, content_type="text/html", charset="utf-8", status=status, headers=HEADERS)
    # 'self' names no WebSocket in older Safari: its own addresses are named beside it.
    origins = sorted(one for one in auth.own_origins(call.services, call.request) if _ORIGIN.fullmatch(one))
    sockets = "".join(" " + origin.replace("http", "ws", 1) for origin in origins)
    response.headers["Content-Security-Policy"] = POLICY.format(sockets=sockets)
    response.headers["Vary"] = "Accept-Language"
    response.enable_compression()
    return response


@cache
def _template(name: str) -> Template:
    return Template(_file(name)[0].decode())


@cache
def _file(name: str) -> tuple[bytes, str]:
    """A file of the page, and its tag."""
    raw = resources.files("invent_server").joinpath("web", name).read_bytes()
    return raw, f'"{hashlib.sha256(raw).hexdigest()[:20]}"'


ROUTES = [
    Route("GET", "/chat/{inbox}", "public", chat, "The hosted chat page", errors=("not_found",), raw=True),
    Route("GET", "/assets/{name}", "public", asset, "Its script and style", errors=("not_found",), raw=True),
]
