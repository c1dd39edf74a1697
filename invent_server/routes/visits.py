"""What a visitor's page asks for beside messages: how the chat stands, ratings, earlier chats, the launcher's words."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field
from sqlmodel import Session, col, select

from invent_server.conversations import rating
from invent_server.conversations.duty import on_duty
from invent_server.conversations.errors import Refused, not_found
from invent_server.conversations.hours import away, schedule
from invent_server.routes.origins import cors, inbox_of, preflight
from invent_server.routes.table import Call, Query, Route, json_response, refusal
from invent_server.routes.web import BASE, VISIBLE, PublicMessages, language_of, visitor_of
from invent_server.store import tables as t
from invent_server.store import wire
from shared import commands as c
from shared import models as m
from shared.i18n import texts
from shared.text import clean_line


class HistoryQuery(Query):
    limit: Annotated[int, Field(ge=1, le=200)] = 100


async def csat(call: Call) -> web.StreamResponse:
    await inbox_of(call)
    visitor, body = visitor_of(call), call.body
    await call.services.store.write(lambda s: rating.rate(s, visitor.conversation_id, body))
    return cors(call, web.json_response({}))


async def status(call: Call) -> web.StreamResponse:
    """How the conversation stands; `away`: it waits for a person, and nobody is there."""
    inbox = await inbox_of(call)
    visitor = visitor_of(call)

    def read(db: Session) -> m.Standing:
        row = db.get(t.Conversation, visitor.conversation_id)
        if row is None:
            raise not_found("conversation")
        standing = wire.standing(row)
        hours, at = schedule(inbox.settings), call.services.clock.now()
        standing.away = row.handler == "queue" and not on_duty(call.services.hub, inbox.id, hours, at)
        standing.note = away(texts("server", language_of(call.request)), hours, at) if standing.away else ""
        standing.email = bool(db.get_one(t.Customer, row.customer_id).email)
        return standing

    return cors(call, json_response(await call.services.store.read(read)))


async def history(call: Call) -> web.StreamResponse:
    """What was said in earlier conversations of the same customer on this inbox, oldest first."""
    inbox = await inbox_of(call)
    visitor = visitor_of(call)
    rows = await call.services.store.read(
        lambda s: earlier(s, inbox.id, visitor.customer_id, visitor.conversation_id, call.query.limit)
    )
    return cors(call, json_response(PublicMessages(items=[wire.public(wire.message(row)) for row in rows])))


def earlier(db: Session, inbox_id: str, customer_id: str, but: str, limit: int) -> list[t.Message]:
    """The newest visible messages of a customer's other conversations.

    Only of customers with one identity on the inbox: whose several were merged, by a person, by mistake perhaps, would
    read what another wrote.
    """
    known = db.exec(select(t.Identity.id).where(t.Identity.customer_id == customer_id, t.Identity.inbox_id == inbox_id))
    if len(known.all()) != 1:
        return []
    found = db.exec(
        select(t.Message)
        .join(t.Conversation, col(t.Conversation.id) == col(t.Message.conversation_id))
        .where(
            t.Conversation.customer_id == customer_id,
            t.Conversation.inbox_id == inbox_id,
            t.Conversation.id != but,
            *VISIBLE,
        )
        .order_by(col(t.Message.created_at).desc(), col(t.Message.seq).desc())
        .limit(limit)
    ).all()
    return list(reversed(found))


async def widget(call: Call) -> web.StreamResponse:
    """What the launcher on a page shows; a site that is not allowed learns it here, before anything is shown."""
    try:
        inbox = await inbox_of(call)
    except Refused as error:  # readable everywhere, so that the site's own console can name the remedy
        response = refusal(error)
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response
    tr = texts("server", language_of(call.request))
    title = clean_line(inbox.company) or tr("Customer service")
    words = {
        "open": tr("Open the chat"),
        "close": tr("Close the chat"),
        "one": tr("1 new message"),
        "many": tr("{count} new messages", count="{count}"),
        "missing": tr("The chat cannot be reached now."),
    }
    answer = json_response(m.Widget(title=title, locale=tr.language, texts=words))
    answer.headers["Cache-Control"] = "no-store"
    return cors(call, answer)


_E = ("not_found", "origin_refused", "invalid", "unavailable")

ROUTES = [
    *(
        Route("OPTIONS", BASE + path, "public", preflight, "CORS", status=204, raw=True)
        for path in ("/csat", "/status", "/history")
    ),
    Route("POST", BASE + "/csat", "visitor", csat, "The visitor rates the chat", c.WebCsat, errors=(*_E, "exists")),
    Route("GET", BASE + "/status", "visitor", status, "How the chat stands", answer=m.Standing, errors=_E),
    Route(
        "GET",
        BASE + "/history",
        "visitor",
        history,
        "What was said in earlier chats",
        query=HistoryQuery,
        answer=PublicMessages,
        errors=_E,
    ),
    Route("GET", BASE + "/widget", "public", widget, "What the launcher shows", answer=m.Widget, errors=_E, raw=True),
]
