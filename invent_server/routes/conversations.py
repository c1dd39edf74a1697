"""/api/v1/conversations: the inbox over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from sqlmodel import Session

from invent_server.assistant import helping, suggestion
from invent_server.assistant.thinking import aside
from invent_server.conversations import changes, listing, writing
from invent_server.conversations.errors import Refused
from invent_server.knowledge.types import IndexUnavailable
from invent_server.routes.table import Call, Query, Route
from invent_server.store import wire
from shared import commands as c
from shared import models as m
from shared.clock import from_rfc3339

BASE = "/api/v1/conversations"
ONE = BASE + "/{id}"
Limit = Annotated[int, Field(ge=1, le=200)]
Cursor = Annotated[str, Field(max_length=400)]


class ListQuery(Query):
    filter: Annotated[str, Field(max_length=1000)] = ""
    limit: Limit = 50
    cursor: Cursor | None = None
    reverse: bool = False


class CountsQuery(Query):
    filter: Annotated[str, Field(max_length=1000)] | None = None


class MessagesQuery(Query):
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Cursor | None = None
    reverse: bool = False


async def list_(call: Call) -> m.Page[m.Conversation]:
    query: ListQuery = call.query
    now = call.services.clock.now()
    return await call.read(
        lambda s: listing.conversations(s, call.agent, query.filter, query.limit, query.cursor, query.reverse, now)
    )


async def counts(call: Call) -> m.Counts:
    now = call.services.clock.now()
    return await call.read(lambda s: listing.counts(s, call.agent, call.query.filter, now))


async def start(call: Call) -> m.Conversation:
    body: c.StartConversation = call.body
    id_ = await call.services.store.write(lambda s: writing.start(s, call.agent, body))
    await call.services.control.takeover(call.agent, id_)
    reply = c.Reply(text=body.text)
    lease = call.services.settings.delivery.lease

    def write(session: Session) -> m.Conversation:
        writing.reply(session, call.agent, id_, reply, call.services.node, lease)
        return wire.conversation(session, listing.visible_conversation(session, call.agent, id_))

    return await call.write(write)


async def get(call: Call) -> m.Conversation:
    return await _one(call, call.params["id"])


async def _one(call: Call, id_: str) -> m.Conversation:
    return await call.read(lambda s: wire.conversation(s, listing.visible_conversation(s, call.agent, id_)))


async def patch(call: Call) -> m.Conversation:
    return await call.services.store.write(lambda s: writing.patch(s, call.agent, call.params["id"], call.body))


async def messages(call: Call) -> m.Page[m.Message]:
    query: MessagesQuery = call.query
    id_ = call.params["id"]

    def read(session: Session) -> m.Page[m.Message]:
        listing.visible_conversation(session, call.agent, id_)
        return listing.messages(session, id_, query.limit, query.cursor, query.reverse)

    return await call.read(read)


async def reply(call: Call) -> m.Message:
    services = call.services
    lease = services.settings.delivery.lease
    return await call.write(lambda s: writing.reply(s, call.agent, call.params["id"], call.body, services.node, lease))


async def note(call: Call) -> m.Message:
    return await call.write(lambda s: writing.note(s, call.agent, call.params["id"], call.body))


async def read(call: Call) -> m.Conversation:
    return await call.services.store.write(lambda s: writing.read(s, call.agent, call.params["id"]))


async def takeover(call: Call) -> m.Conversation:
    body: c.Takeover = call.body
    return await call.services.control.takeover(call.agent, call.params["id"], body.version, body.force)


async def handback(call: Call) -> m.Conversation:
    return await call.services.control.handback(call.agent, call.params["id"], call.body.version)


async def resolve(call: Call) -> m.Conversation:
    body: c.Resolve = call.body
    return await call.services.control.resolve(call.agent, call.params["id"], body.reason, body.version)


async def reopen(call: Call) -> m.Conversation:
    return await call.services.control.reopen(call.agent, call.params["id"], call.body.version)


async def snooze(call: Call) -> m.Conversation:
    body: c.Snooze = call.body
    try:
        until = from_rfc3339(body.until)
    except ValueError as error:
        raise Refused("invalid", f"until: {error}", [{"field": "until", "problem": str(error)}]) from None
    return await call.services.control.snooze(call.agent, call.params["id"], until, body.version)


async def assign(call: Call) -> m.Conversation:
    body: c.Assign = call.body
    return await call.services.control.assign(call.agent, call.params["id"], body.agent, body.version)


async def suggest(call: Call) -> m.Suggestion:
    turn = await call.services.store.read(
        lambda s: helping.turn_of(s, listing.visible_conversation(s, call.agent, call.params["id"]))
    )
    try:
        return await suggestion.suggest(call.services.library.search, turn)
    except IndexUnavailable as error:
        raise Refused("unavailable", str(error), retry_after=2) from None


async def summary(call: Call) -> m.Summary:
    language = await call.services.store.read(lambda s: helping.language_of(s, call.agent.id))
    turn = await call.services.store.read(
        lambda s: helping.turn_of(s, listing.visible_conversation(s, call.agent, call.params["id"]))
    )
    text = await aside(helping.summary, turn, language)

    def keep(session: Session) -> None:
        row = changes.load(session, call.params["id"])
        if row.summary != text:
            row.summary = text
            changes.touch(session, row)

    await call.services.store.write(keep)
    return m.Summary(text=text)


_E = ("unauthorized", "forbidden", "not_found", "invalid", "stale", "unavailable")

ROUTES = [
    Route("GET", BASE, "agent", list_, "The inbox, by need", query=ListQuery, answer=m.Page[m.Conversation]),
    Route("GET", BASE + "/counts", "agent", counts, "Sizes of its groups", query=CountsQuery, answer=m.Counts),
    Route(
        "POST",
        BASE,
        "agent",
        start,
        "Write to a customer first",
        c.StartConversation,
        answer=m.Conversation,
        status=201,
        errors=(*_E, "taken"),
    ),
    Route("GET", ONE, "agent", get, "One conversation", answer=m.Conversation, errors=_E),
    Route("PATCH", ONE, "agent", patch, "Tags, priority", c.PatchConversation, answer=m.Conversation, errors=_E),
    Route("GET", ONE + "/messages", "agent", messages, "Its thread", query=MessagesQuery, answer=m.Page[m.Message]),
    Route(
        "POST",
        ONE + "/messages",
        "agent",
        reply,
        "Reply to the customer",
        c.Reply,
        answer=m.Message,
        status=201,
        errors=(*_E, "not_handler", "closed"),
    ),
    Route("POST", ONE + "/notes", "agent", note, "A note for colleagues", c.Note, answer=m.Message, status=201),
    Route("POST", ONE + "/read", "agent", read, "Mark as read", c.Command, answer=m.Conversation, errors=_E),
    Route(
        "POST",
        ONE + "/takeover",
        "agent",
        takeover,
        "Speak instead of the assistant",
        c.Takeover,
        answer=m.Conversation,
        errors=(*_E, "taken"),
    ),
    Route("POST", ONE + "/handback", "agent", handback, "Back to the assistant", c.Command, answer=m.Conversation),
    Route("POST", ONE + "/resolve", "agent", resolve, "Close", c.Resolve, answer=m.Conversation, errors=_E),
    Route("POST", ONE + "/reopen", "agent", reopen, "Open again", c.Command, answer=m.Conversation, errors=_E),
    Route("POST", ONE + "/snooze", "agent", snooze, "Put aside", c.Snooze, answer=m.Conversation, errors=_E),
    Route("POST", ONE + "/assign", "agent", assign, "Give to a colleague", c.Assign, answer=m.Conversation),
    Route("POST", ONE + "/suggest", "agent", suggest, "Suggest a reply", c.Nothing, answer=m.Suggestion, errors=_E),
    Route("POST", ONE + "/summary", "agent", summary, "Summarise", c.Nothing, answer=m.Summary, errors=_E),
]
