"""The two sockets: agents (/api/v1/stream) and visitors (/web/{inbox}/stream); the token by header or first frame."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

import orjson
from aiohttp import WSMsgType, web
from pydantic import Field
from sqlmodel import Session

from invent_server.conversations import rating
from invent_server.conversations.control import Actor
from invent_server.conversations.errors import Refused, not_found
from invent_server.routes import auth
from invent_server.routes.auth import Visitor
from invent_server.routes.table import Call, Query, Route
from invent_server.routes.team import VERSION
from invent_server.routes.web import visible_after
from invent_server.services import Services
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.stream.hub import AgentSocket, VisitorSocket
from invent_server.stream.socket import BAD_AUTH, TOO_SLOW, Socket, close, frame, receive
from shared.tasks import Tasks

AUTH_SECONDS = 5.0
HEARTBEAT = 25.0
MAX_FRAME = 16_384
TYPING_EVERY = 2.0
READ_EVERY = 1.0
BATCH = 500
GRACE = 10.0
"""Seconds that a slow peer has to read why it was closed."""


class StreamQuery(Query):
    after: Annotated[int, Field(ge=0)] | None = None


def _socket(call: Call) -> web.WebSocketResponse:
    return web.WebSocketResponse(heartbeat=HEARTBEAT, compress=False, max_msg_size=MAX_FRAME, autoping=True)


async def _first_token(ws: web.WebSocketResponse) -> str | None:
    """The token in the first frame `{"type": "auth", "token": "..."}`, within five seconds."""
    try:
        async with asyncio.timeout(AUTH_SECONDS):
            message = await ws.receive()
        data = orjson.loads(message.data) if message.type is WSMsgType.TEXT else None
    except (TimeoutError, ValueError, TypeError):
        return None
    if isinstance(data, dict) and data.get("type") == "auth" and isinstance(data.get("token"), str):
        token: str = data["token"]
        return token
    return None


async def _serve(
    request: web.Request,
    ws: web.WebSocketResponse,
    socket: Socket,
    replay: Callable[[], Awaitable[None]],
    handle: Callable[[dict[str, Any]], None],
) -> None:
    """Replay, then send and receive side by side until one of them ends."""
    transport = request.transport
    failures: list[BaseException] = []
    tasks = Tasks(failures.append)

    async def outgoing() -> None:
        try:
            await replay()
        except (ConnectionError, TimeoutError, RuntimeError):
            socket.end(TOO_SLOW)
        await socket.run()

    sender = tasks.start(outgoing())
    reader = tasks.start(receive(ws, handle))
    try:
        await asyncio.wait([sender, reader], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.close()
        if socket.closing == TOO_SLOW and transport is not None:  # what it never reads must not be kept for ever
            asyncio.get_running_loop().call_later(GRACE, transport.abort)
    if failures:
        raise failures[0]


async def agents(call: Call) -> web.StreamResponse:
    services, request = call.services, call.request
    if not auth.origin_allowed(services, request, None):
        raise Refused("origin_refused", "browsers of other sites may not listen here")
    ip = auth.client_ip(services, request)
    actor: Actor | None = None
    if auth.bearer(request) is not None:
        actor, _ = await auth.agent(services, request)
    ws = _socket(call)
    await ws.prepare(request)
    if actor is None:
        try:
            actor, _ = await auth.agent_of(services, await _first_token(ws), ip)
        except Refused:
            await close(ws, BAD_AUTH)
            return ws
    settings = services.settings.stream
    socket = Socket(ws, settings.queue, settings.queue_bytes)
    member = AgentSocket(socket, actor.id, actor.name, actor.inboxes)
    who = actor

    def handle(data: dict[str, Any]) -> None:
        viewed = (data.get("data") or {}).get("conversation_id") if isinstance(data.get("data"), dict) else None
        if data["type"] == "viewing":
            services.hub.view(member, viewed if isinstance(viewed, str) else None)
        elif data["type"] == "typing" and isinstance(viewed, str):
            typing.start(_agent_types(call, who, viewed))

    typing = Tasks(lambda error: None)
    services.hub.join_agent(member)
    try:
        await _serve(request, ws, socket, lambda: services.tailer.replay(member, call.query.after, VERSION), handle)
    finally:
        services.hub.leave_agent(member)
        await typing.close()
        if not any(other.agent_id == who.id for other in services.hub.agents):
            await services.store.write(lambda session: _left(session, who.id, services.clock.now()))
    return ws


async def _agent_types(call: Call, actor: Actor, conversation_id: str) -> None:
    row = await call.services.store.read(lambda session: session.get(t.Conversation, conversation_id))
    if row is not None and row.assignee_id == actor.id and row.handler == "agent":
        call.services.hub.typing(conversation_id, row.inbox_id, "agent", True, actor.name)


def _left(session: Session, agent_id: str, moment: int) -> None:
    row = session.get(t.Agent, agent_id)
    if row is not None:
        row.last_seen_at = moment
        session.add(row)


async def visitors(call: Call) -> web.StreamResponse:
    services, request = call.services, call.request
    inbox = await services.directory.inbox(call.params["inbox"])
    if inbox is None or inbox.kind != "web" or not inbox.enabled:
        raise not_found("web inbox")
    if not auth.origin_allowed(services, request, inbox):
        raise Refused("origin_refused", "this site may not embed this chat; add it to allowed_origins")
    ip = auth.client_ip(services, request)
    limit = services.settings.limits.sockets_per_ip
    if limit and services.sockets_by_ip.get(ip, 0) >= limit:
        raise Refused("slow_down", "too many open chats from this address", retry_after=30)
    token = auth.bearer(request)
    if token is not None and auth.visitor_of(services, token, inbox.name) is None:
        raise Refused("unauthorized", "the session's token is unknown or expired; begin a session")
    ws = _socket(call)
    services.sockets_by_ip[ip] = services.sockets_by_ip.get(ip, 0) + 1
    try:
        await ws.prepare(request)
        visitor = auth.visitor_of(services, token or await _first_token(ws), inbox.name)
        if visitor is None:
            await close(ws, BAD_AUTH)
            return ws
        await _visit(call, ws, visitor)
    finally:
        services.sockets_by_ip[ip] -= 1
        if not services.sockets_by_ip[ip]:
            del services.sockets_by_ip[ip]
    return ws


async def _visit(call: Call, ws: web.WebSocketResponse, visitor: Visitor) -> None:
    services = call.services
    settings = services.settings.stream
    member = VisitorSocket(Socket(ws, settings.queue, settings.queue_bytes), visitor.conversation_id)
    told = [0.0]
    reading = Reading(services, visitor.conversation_id)

    def handle(data: dict[str, Any]) -> None:
        moment = asyncio.get_running_loop().time()
        if data["type"] == "typing" and moment - told[0] > TYPING_EVERY:
            told[0] = moment
            services.hub.typing(visitor.conversation_id, visitor.inbox_id, "customer", True, visitor.name)
        elif data["type"] == "read" and isinstance(data.get("data"), dict):
            reading.upto(data["data"].get("seq"))

    services.hub.join_visitor(member)
    try:
        await _serve(call.request, ws, member.socket, lambda: _replay(call, member, call.query.after), handle)
    finally:
        services.hub.leave_visitor(member)
        await reading.close()


class Reading:
    """What a visitor has read, written down at most once a second."""

    def __init__(self, services: Services, conversation_id: str) -> None:
        self._services = services
        self._conversation_id = conversation_id
        self._tasks = Tasks(lambda error: None)
        self._seq = self._kept = 0

    def upto(self, seq: object) -> None:
        """The visitor has seen everything up to `seq`; nonsense is ignored."""
        if isinstance(seq, int) and self._seq < seq < 2**31:
            self._seq = seq
            if not len(self._tasks):
                self._tasks.start(self._keep())

    async def _keep(self) -> None:
        while self._kept < self._seq:
            self._kept = self._seq
            await self._services.store.write(partial(rating.seen, conversation_id=self._conversation_id, seq=self._seq))
            await asyncio.sleep(READ_EVERY)

    async def close(self) -> None:
        await self._tasks.close()


async def _replay(call: Call, member: VisitorSocket, after: int | None) -> None:
    """Hello; with `after` every visible message above it and how the conversation stands; then live.

    The member has joined with an open buffer before.
    """
    id_ = member.conversation_id

    def read(session: Session) -> tuple[int, list[t.Message], dict[str, object] | None]:
        row = session.get(t.Conversation, id_)
        if row is None or after is None:
            return row.last_seq if row is not None else 0, [], None
        return row.last_seq, visible_after(session, id_, after, BATCH), wire.status(row)

    await call.services.tailer.catch_up()
    last, missed, standing = await call.services.store.read(read)
    await member.socket.send_now(frame("hello", {"seq": last, "conversation_id": id_}))
    upto = last
    while missed:
        for row in missed:
            await member.socket.send_now(frame("message", wire.public(wire.message(row))))
        upto = max(upto, missed[-1].seq)
        missed = await _more(call, id_, missed[-1].seq) if len(missed) == BATCH else []
    if standing is not None:
        await member.socket.send_now(frame("status", standing))
    member.seen = max(member.seen, upto)
    pending, member.buffered = member.buffered or [], None
    for seq, changed, raw in pending:
        member.push_message(seq, changed, raw)
    call.services.hub.catch_up_visitor(member)


async def _more(call: Call, conversation_id: str, after: int) -> list[t.Message]:
    return await call.services.store.read(lambda session: visible_after(session, conversation_id, after, BATCH))


ROUTES = [
    Route(
        "GET",
        "/api/v1/stream",
        "public",
        agents,
        "Events for agents (WebSocket; agent's token by header or first frame)",
        query=StreamQuery,
        errors=("unauthorized", "origin_refused"),
        raw=True,
    ),
    Route(
        "GET",
        "/web/{inbox}/stream",
        "public",
        visitors,
        "Messages and live text for a visitor (WebSocket; the session's token by header or first frame)",
        query=StreamQuery,
        errors=("unauthorized", "not_found", "origin_refused", "slow_down"),
        raw=True,
    ),
]
