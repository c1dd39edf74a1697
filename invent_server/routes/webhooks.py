"""/webhooks/{channel}/{inbox}: signed events from outside. Verified over the raw bytes, stored, then answered 200."""

from __future__ import annotations

from aiohttp import web
from sqlmodel import Session

from invent_server.channels.base import BadSignature, InboundMessage, Malformed
from invent_server.conversations.errors import Refused, not_found
from invent_server.conversations.receive import Inbound, receive_many
from invent_server.conversations.visitors import Claim, Visit, visit
from invent_server.directory import InboxInfo
from invent_server.metrics import RECEIVED
from invent_server.routes.table import Call, Route
from invent_server.store import tables as t
from invent_server.store.session import now
from shared.text import storable


async def post(call: Call) -> web.StreamResponse:
    services = call.services
    inbox = await services.directory.inbox(call.params["inbox"])
    if inbox is None or inbox.kind != call.params["channel"] or inbox.kind == "web":
        raise not_found("inbox")
    channel = services.channels[inbox.kind]
    raw = await call.request.read()
    try:
        channel.verify(raw, call.request.headers, services.secrets.reveal(inbox.settings, channel.secrets))
    except BadSignature as error:
        raise Refused("unauthorized", f"the signature does not hold: {error}") from None
    try:
        events = channel.parse(raw)
    except Malformed as error:
        raise Refused("invalid", str(error)) from None
    body = storable(raw.decode("utf-8", "replace"))
    checked = services.clock.now() - call.arrived_at
    for event in events:
        if inbox.enabled:
            await _take(call, inbox, event, body, checked)
        else:
            await services.store.write(lambda s, e=event: _ignored(s, inbox, e, body))  # type: ignore[misc]
    return web.json_response({"received": len(events)})


async def _take(call: Call, inbox: InboxInfo, event: InboundMessage, body: str, checked: int) -> None:
    services = call.services
    claim = Claim(storable(event.sender), event.verified, event.name, event.email, event.phone)
    reopen = services.settings.web.reopen

    def find(session: Session) -> Visit:
        return visit(session, session.get_one(t.Inbox, inbox.id), claim, reopen)

    key = _key(inbox, event)
    if await services.store.read(lambda session: session.get(t.Receipt, key)) is not None:
        return
    found = await services.store.write(find)
    received = await services.store.write_batched(
        receive_many,
        Inbound(
            key=key,
            inbox_id=inbox.id,
            mode=inbox.mode,
            conversation_id=found.conversation_id,
            customer_name=found.customer_name,
            text=event.text,
            sent_at=event.sent_at,
            raw=body,
            arrived_at=call.arrived_at,
            checked_us=checked,
        ),
    )
    if received.new:
        RECEIVED.labels(inbox.kind).inc()


def _key(inbox: InboxInfo, event: InboundMessage) -> str:
    """What recognises the event when it comes again."""
    return f"{inbox.id}:{storable(event.external_id)}"


def _ignored(session: Session, inbox: InboxInfo, event: InboundMessage, body: str) -> None:
    """A disabled inbox keeps what came, and shows it to nobody."""
    key = _key(inbox, event)
    if session.get(t.Receipt, key) is None:
        session.add(t.Receipt(key=key, inbox_id=inbox.id, raw=body, received_at=now(session)))


ROUTES = [
    Route(
        "POST",
        "/webhooks/{channel}/{inbox}",
        "public",
        post,
        "Events of a channel",
        errors=("not_found", "unauthorized", "invalid", "too_large"),
        raw=True,
    )
]
