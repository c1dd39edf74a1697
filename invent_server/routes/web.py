"""/web/{inbox}/...: what a visitor's page calls. Everything but `session` takes the session's token."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from invent_server.assistant import replies
from invent_server.conversations import attaching
from invent_server.conversations.errors import Refused, not_found
from invent_server.conversations.receive import Inbound, receive_many
from invent_server.conversations.visitors import Claim, Visit, visit
from invent_server.directory import InboxInfo
from invent_server.metrics import RECEIVED
from invent_server.routes import auth
from invent_server.routes.auth import Visitor
from invent_server.routes.origins import cors, inbox_of, preflight
from invent_server.routes.table import Call, Query, Route, json_response
from invent_server.store import tables as t
from invent_server.store import wire
from shared import commands as c
from shared import models as m
from shared.clock import SECOND, to_rfc3339
from shared.i18n import LANGUAGES, supported, texts
from shared.ids import secret

BASE = "/web/{inbox}"


VISIBLE: tuple[ColumnElement[bool], ...] = (
    col(t.Message.kind).in_(wire.VISIBLE_KINDS),
    or_(col(t.Message.author_kind) == "customer", col(t.Message.delivery).in_(wire.VISIBLE_DELIVERY)),
)


class AfterQuery(Query):
    after: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class PublicMessages(BaseModel):
    items: list[dict[str, object]]


async def session(call: Call) -> web.StreamResponse:
    inbox = await inbox_of(call)
    services = call.services
    body: c.WebSession = call.body
    ip = auth.client_ip(services, call.request)
    former = auth.visitor_of(services, body.token, inbox.name)
    claim = _claim(call, inbox, body, former)
    if former is None and (wait := services.sessions.hit(ip)):
        raise Refused("slow_down", "too many new sessions from this address", retry_after=wait)
    reopen = services.settings.web.reopen

    def write(db: Session) -> Visit:
        return visit(db, db.get_one(t.Inbox, inbox.id), claim, reopen)

    found = await services.store.write(write)
    expires = services.clock.now() + round(services.settings.web.session * SECOND)
    visitor = Visitor(
        inbox.name, inbox.id, found.customer_id, found.customer_name, found.identity, found.conversation_id, expires
    )
    locale = supported(body.locale)
    answer = m.Session(
        token=auth.make_visitor_token(services.secrets, visitor),
        conversation_id=found.conversation_id,
        customer_id=found.customer_id,
        expires_at=to_rfc3339(expires),
        greeting=greeting_of(inbox, locale),
        locale=locale,
    )
    return cors(call, json_response(answer))


def greeting_of(inbox: InboxInfo, locale: str) -> str:
    """The first line that a visitor reads: the inbox's own, or one that says who answers here."""
    tr = texts("server", locale)
    if own := str(inbox.settings.get("greeting") or ""):
        return own
    if inbox.mode == "automatic":
        return replies.greeting(tr, inbox.company)
    return tr("Hello! Write to us here and a person will answer you.")


def _claim(call: Call, inbox: InboxInfo, body: c.WebSession, former: Visitor | None) -> Claim:
    """Who the visitor is: proven by `user_hash`, known by an earlier token, or new."""
    locale = supported(body.locale) if body.locale else None
    if body.user_id is not None or body.user_hash is not None:
        secrets = call.services.secrets.reveal(inbox.settings, ("identity_secret",))
        key = str(secrets.get("identity_secret") or "")
        expected = hmac.new(key.encode(), (body.user_id or "").encode(), hashlib.sha256).hexdigest()
        given = (body.user_hash or "").encode("utf-8", "replace")
        if not key or not body.user_id or not hmac.compare_digest(expected.encode(), given):
            raise Refused("identity_invalid", "user_id and user_hash do not belong together, or identity is not set up")
        before = former.identity if former is not None and former.identity.startswith("visitor:") else None
        return Claim(f"user:{body.user_id}", True, body.name, body.email, None, locale, before)
    identity = former.identity if former else f"visitor:{secret(16)}"
    return Claim(identity, False, body.name, body.email, None, locale)


async def post(call: Call) -> web.StreamResponse:
    inbox = await inbox_of(call)
    visitor, body = visitor_of(call), call.body
    if not body.text.strip() and not body.attachments:
        raise Refused("invalid", "text: is empty", [{"field": "text", "problem": "is empty"}])
    if wait := call.services.visitor_messages.hit(visitor.customer_id):
        raise Refused("slow_down", "you write faster than people can read", retry_after=wait)
    files: tuple[dict[str, Any], ...] = ()
    if body.attachments:
        files = await call.services.store.read(
            lambda s: attaching.take(s, body.attachments, visitor.conversation_id, inbox.name, "customer")
        )
    received = await call.services.store.write_batched(
        receive_many,
        Inbound(
            key=f"{inbox.id}:{visitor.conversation_id}:{body.client_id}",
            inbox_id=inbox.id,
            mode=inbox.mode,
            conversation_id=visitor.conversation_id,
            customer_name=visitor.name,
            text=body.text,
            client_id=body.client_id,
            attachments=files,
            arrived_at=call.arrived_at,
            checked_us=call.services.clock.now() - call.arrived_at,
        ),
    )
    if received.error is not None or received.message is None:
        raise received.error or not_found("conversation")
    if received.new:
        RECEIVED.labels("web").inc()
    answer = web.Response(
        body=orjson.dumps(wire.public(received.message)),
        content_type="application/json",
        status=201 if received.new else 200,
    )
    return cors(call, answer)


async def messages(call: Call) -> web.StreamResponse:
    await inbox_of(call)
    visitor, query = visitor_of(call), call.query
    rows = await call.services.store.read(lambda s: visible_after(s, visitor.conversation_id, query.after, query.limit))
    return cors(call, json_response(PublicMessages(items=[wire.public(wire.message(row)) for row in rows])))


def visible_after(db: Session, conversation_id: str, after: int, limit: int) -> list[t.Message]:
    """What the visitor may see with a seq above `after`, oldest first."""
    rows = db.exec(
        select(t.Message)
        .where(
            t.Message.conversation_id == conversation_id,
            t.Message.seq > after,
            *VISIBLE,
        )
        .order_by(col(t.Message.seq))
        .limit(limit)
    )
    return list(rows)


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


def visitor_of(call: Call) -> Visitor:
    """The visitor of an authenticated request."""
    assert call.visitor is not None
    return call.visitor


_E = ("not_found", "origin_refused", "invalid", "slow_down", "unavailable")

ROUTES = [
    *(
        Route("OPTIONS", BASE + path, "public", preflight, "CORS", status=204, raw=True)
        for path in ("/session", "/messages")
    ),
    Route(
        "POST",
        BASE + "/session",
        "public",
        session,
        "Begin or resume a visitor's session",
        c.WebSession,
        answer=m.Session,
        errors=(*_E, "identity_invalid"),
    ),
    Route(
        "POST",
        BASE + "/messages",
        "visitor",
        post,
        "The visitor writes",
        c.WebMessage,
        answer=m.Message,
        status=201,
        errors=(*_E, "unauthorized"),
    ),
    Route(
        "GET",
        BASE + "/messages",
        "visitor",
        messages,
        "What the visitor may see",
        query=AfterQuery,
        answer=PublicMessages,
        errors=_E,
    ),
]
