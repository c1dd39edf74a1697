"""Which sites may use a web inbox: CORS for the API, frame-ancestors for its page."""

from __future__ import annotations

from aiohttp import web

from invent_server.channels.web import ANY
from invent_server.conversations.errors import Refused, not_found
from invent_server.directory import InboxInfo
from invent_server.routes import auth
from invent_server.routes.table import Call

REFUSED = "this site may not embed this chat; add its origin to allowed_origins"


async def inbox_of(call: Call) -> InboxInfo:
    """The enabled web inbox of the path, if this origin may use it. Raises Refused."""
    inbox = await call.services.directory.inbox(call.params["inbox"])
    if inbox is None or inbox.kind != "web" or not inbox.enabled:
        raise not_found("web inbox")
    if not auth.origin_allowed(call.services, call.request, inbox):
        raise Refused("origin_refused", REFUSED)
    return inbox


def cors(call: Call, response: web.StreamResponse) -> web.StreamResponse:
    """Let the page that asked read the answer: its origin was checked by `inbox_of`."""
    origin = call.request.headers.get("Origin")
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
    return response


async def preflight(call: Call) -> web.StreamResponse:
    await inbox_of(call)
    response = cors(call, web.Response(status=204))
    response.headers["Access-Control-Allow-Methods"] = "GET, POST"
    response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
    response.headers["Access-Control-Max-Age"] = "600"
    return response


def ancestors(inbox: InboxInfo | None) -> str:
    """The sites that may frame the chat, for the policy: its own always, then those of the list."""
    listed = auth.allowed_origins(inbox) if inbox is not None else []
    return ANY if ANY in listed else " ".join(["'self'", *listed])
