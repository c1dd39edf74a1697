"""Pages for people: the chat, hosted at /chat/{inbox} and framed by other sites at /embed/{inbox}, and /widget.js.

All three are the files in invent_server/web. `?lang=`, `?theme=light|dark` choose what the browser else chooses.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from html import escape
from importlib import resources
from string import Template

from aiohttp import web

from invent_server.channels.web import ORIGIN
from invent_server.directory import InboxInfo
from invent_server.routes import auth
from invent_server.routes.origins import ancestors
from invent_server.routes.table import Call, Route
from invent_server.routes.web import greeting_of, language_of
from shared.i18n import Texts, texts
from shared.text import clean, clean_line

SCRIPT, STYLE = "text/javascript", "text/css"
SCRIPTS = ("chat.js", "line.js", "thread.js", "outgoing.js", "files.js", "cards.js", "host.js", "text.js")
ASSETS = {**dict.fromkeys(SCRIPTS, SCRIPT), "chat.css": STYLE, "dark.css": STYLE}
WIDGET = "widget.js"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:; connect-src 'self'{sockets};"
    " base-uri 'none'; form-action 'none'; frame-ancestors {ancestors};"
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
THEMES = {"light": "not all", "dark": "all"}
"""Theme -> media of dark.css; without one the browser's own wish decides."""


async def chat(call: Call) -> web.StreamResponse:
    """The page of a web inbox; 404, in words, where there is none or it is closed. No other site may frame it."""
    return await _chat(call, framed=False)


async def embed(call: Call) -> web.StreamResponse:
    """The same page for frames of the sites that the inbox allows."""
    return await _chat(call, framed=True)


async def _chat(call: Call, framed: bool) -> web.StreamResponse:
    tr = texts("server", language_of(call.request))
    inbox = await call.services.directory.inbox(call.params["inbox"])
    if inbox is None or inbox.kind != "web" or not inbox.enabled:
        return _html(call, _gone(tr), 404, "'none'")
    page = _page(inbox, tr, call.request.query.get("theme", ""), call.services.settings.web.max_file)
    return _html(call, page, 200, ancestors(inbox) if framed else "'none'")


async def widget(call: Call) -> web.StreamResponse:
    """The launcher that a site includes."""
    return _sent(call, WIDGET, SCRIPT)


async def asset(call: Call) -> web.StreamResponse:
    """A script or style. Browsers keep it and ask whether it is still the same."""
    name = call.params["name"]
    if name not in ASSETS:
        return web.Response(status=404, text="not found")
    return _sent(call, name, ASSETS[name])


def _sent(call: Call, name: str, kind: str) -> web.StreamResponse:
    raw, tag = _file(name)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "ETag": tag}
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if call.request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    response = web.Response(body=raw, content_type=kind, charset="utf-8", headers=headers)
    response.enable_compression()
    return response


def _page(inbox: InboxInfo, tr: Texts, theme: str, max_file: int) -> str:
    title = clean_line(inbox.company) or tr("Customer service")
    automatic = inbox.mode == "automatic"
    labels = _labels(tr, automatic)
    dark = THEMES.get(theme)
    return _template("chat.html").substitute(
        preloads="\n".join(f'<link rel="modulepreload" href="../assets/{name}">' for name in SCRIPTS[1:]),
        **{
            name: escape(value)
            for name, value in {
                "lang": tr.language,
                "title": title,
                "initial": title[0].upper(),
                "inbox": inbox.name,
                "most": str(max_file),
                "dark": dark or "(prefers-color-scheme: dark)",
                "scheme": theme if dark else "light dark",
                "close": tr("Close the chat"),
                "attach": tr("Attach a file"),
                "drop": tr("Drop files here to send them"),
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
        },
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
        "read": tr("Read"),
        "removed": tr("This message was removed"),
        "earlier": tr("Show earlier chats"),
        "earlierChat": tr("Earlier chat"),
        "download": tr("Download {name}", name="{name}"),
        "gone": tr("This file is no longer there"),
        "uploading": tr("Uploading …"),
        "tooLarge": tr("{name} is too large: files may have up to {size}", name="{name}", size="{size}"),
        "notTaken": tr("{name} could not be uploaded", name="{name}"),
        "remove": tr("Remove {name}", name="{name}"),
        "tooMany": tr("At most 10 files go with one message"),
        "rate": tr("How was this chat?"),
        "score": tr("{count} of 5", count="{count}"),
        "worst": tr("Poor"),
        "best": tr("Very good"),
        "comment": tr("Tell us more, if you like"),
        "sendRating": tr("Send rating"),
        "thanks": tr("Thank you for your rating."),
        "away": tr("Nobody is here right now. Your message is kept, and a colleague will answer you here."),
        "leaveEmail": tr("Leave your email address, so that we can reach you when this page is closed:"),
        "email": tr("Email address"),
        "keep": tr("Leave address"),
        "kept": tr("Thank you. We will answer you here, or by email."),
        "notKept": tr("This address could not be kept. Look at it once more."),
    }


def _gone(tr: Texts) -> str:
    return _template("gone.html").substitute(
        lang=tr.language,
        title=escape(tr("This chat is not open")),
        text=escape(tr("There is no chat at this address, or it is closed at the moment.")),
    )


def _html(call: Call, body: str, status: int, framers: str) -> web.Response:
    response = web.Response(text=body, content_type="text/html", charset="utf-8", status=status, headers=HEADERS)
    # 'self' names no WebSocket in older Safari: its own addresses are named beside it.
    origins = sorted(one for one in auth.own_origins(call.services, call.request) if ORIGIN.fullmatch(one))
    sockets = "".join(" " + origin.replace("http", "ws", 1) for origin in origins)
    response.headers["Content-Security-Policy"] = POLICY.format(sockets=sockets, ancestors=framers)
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
    Route("GET", "/embed/{inbox}", "public", embed, "The same page for frames", errors=("not_found",), raw=True),
    Route("GET", "/widget.js", "public", widget, "The launcher for other sites", raw=True),
    Route("GET", "/assets/{name}", "public", asset, "Its script and style", errors=("not_found",), raw=True),
]
