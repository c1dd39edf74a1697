"""A faithful double of the agents' API: in-memory data, the stream with replay, resync and live text.

It refuses what the server refuses (wrong token, commands out of turn, unknown keys of the filter) and can be told to
misbehave: lose lines, forget events, answer slowly.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import Any

from aiohttp import WSMsgType, web

from invent_tui.need import Place, matches, place
from shared import models as m
from shared.clock import to_rfc3339
from shared.filters import FilterError, parse
from shared.ids import new_id

NOW = 1_790_000_000_000_000
"""The double's clock, microseconds: Monday 21 September 2026, 13:33:20 UTC."""
TOKEN = "agent-token"  # noqa: S105
MINUTE = 60_000_000


class Double:
    """The data, the routes and the sockets. `agent` is whoever holds TOKEN."""

    def __init__(self, agent: m.Agent | None = None, company: str = "Casa Lumbre") -> None:
        self.agent = agent or m.Agent(
            id="a-marta", name="marta", role="agent", language="en", timezone="Europe/Madrid", created_at=at(0)
        )
        self.agents = [
            self.agent,
            m.Agent(
                id="a-tom", name="tom", role="manager", language="en", timezone="UTC", created_at=at(0), present=True
            ),
        ]
        self.company = company
        self.engine = "extractive"
        self.seq = 100
        self.oldest = 0
        self.now = NOW
        self.chats: dict[str, m.Conversation] = {}
        self.messages: dict[str, list[m.Message]] = {}
        self.customers: dict[str, m.Customer] = {}
        self.memories: dict[str, list[m.Memory]] = {}
        self.traces: dict[str, m.Trace] = {}
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.sockets: set[web.WebSocketResponse] = set()
        self.heard: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.keys: dict[str, tuple[int, str]] = {}
        self.slow: dict[str, float] = {}
        """Seconds that a path's ending is delayed."""
        self.secret = TOKEN
        self.suggestion = "I have checked it: your parcel arrives tomorrow."
        self._sorted: list[tuple[Place, str]] | None = None
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._live: dict[str, tuple[str, str]] = {}

    # ------------------------------------------------------------------ data

    def add(self, name: str, *texts: str, channel: str = "web", **fields: Any) -> m.Conversation:
        """A conversation. Texts alternate: customer, assistant, customer ..."""
        number = len(self.chats) + 1
        customer_id = fields.pop("customer_id", f"cu-{number:06}")
        minutes = fields.pop("minutes", number)
        started = self.now - minutes * MINUTE
        if customer_id not in self.customers:
            self.customers[customer_id] = m.Customer(
                id=customer_id,
                name=name,
                email=f"customer{number}@mail.example",
                language=fields.get("language", "en"),
                identities=[
                    m.Identity(inbox="demo", channel=channel, external_id=f"x{number}", verified=number % 2 == 0)
                ],
                created_at=at(started),
                updated_at=at(started),
            )
        chat_id = f"co-{number:06}"
        messages = []
        for index, text in enumerate(texts):
            author = m.Author(kind="customer", id=customer_id, name=name)
            delivery = None
            if index % 2:
                author, delivery = m.Author(kind="assistant", name="Invent"), m.Delivery(state="delivered")
            messages.append(
                m.Message(
                    id=f"{chat_id}-{index + 1:04}",
                    conversation_id=chat_id,
                    seq=index + 1,
                    author=author,
                    text=text,
                    delivery=delivery,
                    created_at=at(started + index * 1_000_000),
                )
            )
        values: dict[str, Any] = {
            "id": chat_id, "inbox": "demo", "channel": channel, "assistant": "default",
            "customer": {"id": customer_id, "name": name}, "handler": "assistant", "status": "open", "version": 1,
            "created_at": at(started), "updated_at": at(started),
        }  # fmt: skip
        chat = m.Conversation.model_validate({**values, **fields})
        self.messages[chat_id] = messages
        self.chats[chat_id] = self._with_last(chat)
        self._sorted = None
        return self.chats[chat_id]

    def _with_last(self, chat: m.Conversation) -> m.Conversation:
        visible = [one for one in self.messages[chat.id] if one.kind in ("text", "media")]
        if not visible:
            return chat
        last = visible[-1]
        shown = m.LastMessage(author=last.author, kind=last.kind, text=last.text[:200], created_at=last.created_at)
        return chat.model_copy(update={"last_message": shown})

    def remember(self, customer_id: str, text: str, kind: str = "fact", *, pinned: bool = False) -> m.Memory:
        memory = m.Memory.model_validate(
            {"id": new_id(), "customer_id": customer_id, "type": kind, "text": text, "pinned": pinned,
             "created_at": at(self.now), "updated_at": at(self.now)}
        )  # fmt: skip
        self.memories.setdefault(customer_id, []).append(memory)
        return memory

    # ------------------------------------------------------------------ changes that agents see

    def change(self, chat_id: str, **values: Any) -> m.Conversation:
        """Change a conversation and announce it."""
        chat = self.chats[chat_id]
        values = {"version": chat.version + 1, "updated_at": at(self.tick()), **values}
        chat = self._with_last(m.Conversation.model_validate({**chat.model_dump(), **values}))
        self.chats[chat_id] = chat
        self._sorted = None
        self.emit("conversation.updated", chat.model_dump(mode="json"))
        return chat

    def say(self, chat_id: str, text: str, kind: str = "customer", *, id: str = "", **more: Any) -> m.Message:
        """A new message, announced with its conversation."""
        chat = self.chats[chat_id]
        names = {"customer": chat.customer.name, "assistant": "Invent", "agent": self.agent.name, "system": ""}
        values: dict[str, Any] = {
            "id": id or new_id(), "conversation_id": chat_id, "seq": len(self.messages[chat_id]) + 1,
            "author": {"kind": kind, "name": names[kind]}, "text": text, "created_at": at(self.tick()),
        }  # fmt: skip
        message = m.Message.model_validate({**values, **more})
        self.messages[chat_id].append(message)
        self.emit("message.created", message.model_dump(mode="json"))
        unread = chat.unread + 1 if kind == "customer" else chat.unread
        waiting = chat.waiting_since or message.created_at if kind == "customer" else None
        self.change(chat_id, unread=unread, waiting_since=waiting)
        return message

    def update_message(self, message: m.Message, **values: Any) -> m.Message:
        changed = m.Message.model_validate({**message.model_dump(), **values})
        listed = self.messages[message.conversation_id]
        listed[[one.id for one in listed].index(message.id)] = changed
        self.emit("message.updated", changed.model_dump(mode="json"))
        return changed

    def erase(self, chat_id: str) -> None:
        del self.chats[chat_id]
        self._sorted = None
        self.emit("conversation.updated", {"id": chat_id, "deleted": True})

    def tick(self) -> int:
        self.now += 1_000_000
        return self.now

    def emit(self, type_: str, data: Any) -> None:
        """A state event to every socket, kept for replay."""
        self.seq += 3
        frame = {"type": type_, "seq": self.seq, "at": at(self.now), "data": data}
        self.events.append((self.seq, frame))
        self.push(frame)

    def push(self, frame: dict[str, Any]) -> None:
        """Any frame to every open socket."""
        for socket in list(self.sockets):
            if not socket.closed:
                task = asyncio.get_running_loop().create_task(_send(socket, json.dumps(frame)))
                _sending.add(task)
                task.add_done_callback(_sending.discard)

    async def stream_answer(self, chat_id: str, text: str, *, step: int = 7, pause: float = 0.005) -> m.Message:
        """The assistant writes an answer live, then it becomes a message."""
        message_id = new_id()
        for offset in range(0, len(text), step):
            self.token(chat_id, message_id, offset, text[offset : offset + step])
            await asyncio.sleep(pause)
        self._live.pop(chat_id, None)
        message = self.say(chat_id, text, "assistant", id=message_id, delivery={"state": "sent"})
        self.end(chat_id, message_id, "done")
        return message

    def token(self, chat_id: str, message_id: str, offset: int, text: str) -> None:
        so_far = self._live.get(chat_id, ("", ""))[1] if offset else ""
        self._live[chat_id] = (message_id, so_far + text)
        data = {"conversation_id": chat_id, "message_id": message_id, "offset": offset, "text": text}
        self.push({"type": "token", "data": data})

    def end(self, chat_id: str, message_id: str, reason: str) -> None:
        self._live.pop(chat_id, None)
        data = {"conversation_id": chat_id, "message_id": message_id, "reason": reason}
        self.push({"type": "token.end", "data": data})

    async def drop_lines(self) -> None:
        """Cut every socket."""
        for socket in list(self.sockets):
            with contextlib.suppress(ConnectionError):
                await socket.close(code=1011)

    # ------------------------------------------------------------------ serving

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._gate])
        api, chat = "/api/v1", "/api/v1/conversations/{id}"
        app.add_routes(
            [
                web.get(f"{api}/me", self._me),
                web.get(f"{api}/agents", self._agents),
                web.get(f"{api}/conversations", self._list),
                web.get(f"{api}/conversations/counts", self._counts),
                web.get(chat, self._one),
                web.patch(chat, self._patch),
                web.get(f"{chat}/messages", self._page),
                web.post(f"{chat}/{{verb}}", self._command),
                web.get(f"{api}/customers/{{id}}", self._customer),
                web.get(f"{api}/customers/{{id}}/memories", self._memories),
                web.post(f"{api}/customers/{{id}}/memories", self._remember),
                web.patch(f"{api}/customers/{{id}}/memories/{{mid}}", self._change_memory),
                web.delete(f"{api}/customers/{{id}}/memories/{{mid}}", self._forget),
                web.get(f"{api}/messages/{{id}}/trace", self._trace),
                web.get(f"{api}/stream", self._stream),
            ]
        )
        return app

    async def start(self, host: str = "127.0.0.1", port: int = 0, path: str = "") -> str:
        """Serve; gives the address."""
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site: web.BaseSite = web.UnixSite(self._runner, path) if path else web.TCPSite(self._runner, host, port)
        await site.start()
        self.url = f"unix://{path}" if path else f"http://{host}:{self._runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        await self.drop_lines()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.secret}":
            return refusal(401, "unauthorized", "this token is not known")
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path.removeprefix("/api/v1"), body))
        for ending, seconds in self.slow.items():
            if request.path.endswith(ending):
                await asyncio.sleep(seconds)
        key = request.headers.get("Idempotency-Key", "")
        if key in self.keys:
            status, text = self.keys[key]
            return web.json_response(text=text, status=status)
        answer: web.StreamResponse = await handler(request)
        if key and isinstance(answer, web.Response) and answer.status < 300:
            self.keys[key] = (answer.status, answer.text or "")
        if request.method == "GET" and not isinstance(answer, web.WebSocketResponse):
            answer.headers["X-Invent-Seq"] = str(self.seq)
        return answer

    async def _me(self, _: web.Request) -> web.Response:
        return given(m.Me(agent=self.agent, version="0.1", seq=self.seq, engine=self.engine, company=self.company))

    async def _agents(self, _: web.Request) -> web.Response:
        return given(m.Page[m.Agent](items=self.agents))

    def ordered(self, source: str = "") -> list[tuple[Place, str]]:
        """The list in the order of need, as (place, id)."""
        if self._sorted is None:
            self._sorted = sorted((place(chat, self.agent.name), chat.id) for chat in self.chats.values())
        terms = parse(source)
        if not terms:
            return self._sorted
        found = []
        for spot, chat_id in self._sorted:
            chat = self.chats[chat_id]
            rest = [term for term in terms if term.key not in ("text", "customer")]
            if matches(tuple(rest), chat, self.agent.name, self.now) is False:
                continue
            good = True
            for term in terms:
                if term.key == "customer":
                    good = good and (chat.customer.id in term.values) is not term.negated
                if term.key == "text":
                    texts = (
                        " ".join(one.text for one in self.messages[chat_id]).casefold() + chat.customer.name.casefold()
                    )
                    good = good and any(value.casefold() in texts for value in term.values) is not term.negated
            if good:
                found.append((spot, chat_id))
        return found

    async def _list(self, request: web.Request) -> web.Response:
        limit = min(200, int(request.query.get("limit", "50")))
        back = request.query.get("reverse") == "true"
        try:
            listed = self.ordered(request.query.get("filter", ""))
        except FilterError as error:
            return refusal(422, "invalid", str(error), [{"field": "filter", "position": error.position}])
        cursor = request.query.get("cursor")
        spot = tuple(json.loads(base64.urlsafe_b64decode(cursor))) if cursor else None
        rows = [row for row in listed if spot is None or (row[0] < spot if back else row[0] > spot)]
        rows = rows[::-1] if back else rows
        page = rows[:limit]
        more = encode(page[-1][0]) if len(rows) > limit else None
        first = page[0][0] if page else None
        others = first is not None and (listed[-1][0] > first if back else listed[0][0] < first)
        return given(
            m.Page[m.Conversation](
                items=[self.chats[chat_id] for _, chat_id in page],
                next_cursor=more,
                prev_cursor=encode(first) if others and first is not None else None,
            )
        )

    async def _counts(self, request: web.Request) -> web.Response:
        names = ("waiting", "mine", "agents", "assistant", "snoozed", "closed")
        numbers = dict.fromkeys(names, 0)
        for spot, _ in self.ordered():
            numbers[names[spot[0]]] += 1
        waits = [
            c.waiting_since
            for c in self.chats.values()
            if c.handler == "queue" and c.status == "open" and c.waiting_since
        ]
        matching = len(self.ordered(request.query.get("filter", "")))
        return given(m.Counts(**numbers, matching=matching, oldest_waiting_since=min(waits, default=None)))

    async def _one(self, request: web.Request) -> web.Response:
        chat = self.chats.get(request.match_info["id"])
        return given(chat) if chat else refusal(404, "not_found", "no such conversation")

    async def _patch(self, request: web.Request) -> web.Response:
        return given(self.change(request.match_info["id"], **await request.json()))

    async def _page(self, request: web.Request) -> web.Response:
        chat_id = request.match_info["id"]
        if chat_id not in self.chats:
            return refusal(404, "not_found", "no such conversation")
        limit = min(500, int(request.query.get("limit", "50")))
        before = int(request.query.get("cursor", "0")) or 10**9
        found = [one for one in self.messages[chat_id] if one.seq < before][::-1]
        more = str(found[limit - 1].seq) if len(found) > limit else None
        return given(m.Page[m.Message](items=found[:limit], next_cursor=more))

    async def _command(self, request: web.Request) -> web.Response:
        chat = self.chats.get(request.match_info["id"])
        if chat is None:
            return refusal(404, "not_found", "no such conversation")
        body = await request.json()
        verb = request.match_info["verb"]
        me, mine = self.agent.name, chat.handler == "agent" and chat.assignee == self.agent.name
        if verb == "takeover":
            if chat.handler == "agent" and not mine and not body.get("force"):
                return refusal(409, "taken", f"{chat.assignee} has this conversation")
            live = self._live.pop(chat.id, None)
            if live:
                self.end(chat.id, live[0], "takeover")
            draft = live[1] if live else chat.draft
            return given(self.change(chat.id, handler="agent", assignee=me, status="open", draft=draft))
        if verb in ("messages", "notes"):
            if verb == "messages" and not mine:
                return refusal(409, "not_handler", "take the conversation over first")
            kind = "text" if verb == "messages" else "note"
            state = {"state": "sending"} if verb == "messages" else None
            return given(self.say(chat.id, body["text"], "agent", kind=kind, delivery=state), 201)
        if verb == "suggest":
            return given(m.Suggestion(text=self.suggestion))
        if verb == "summary":
            return given(m.Summary(text="Asked where the order is. Wants it before Friday."))
        values: dict[str, dict[str, Any]] = {
            "handback": {"handler": "assistant", "assignee": None, "waiting_since": None, "draft": ""},
            "resolve": {"status": "closed", "waiting_since": None},
            "reopen": {"status": "open", "snoozed_until": None},
            "snooze": {"status": "snoozed", "snoozed_until": body.get("until")},
            "read": {"unread": 0},
        }
        if verb == "assign":
            name = next((one.name for one in self.agents if one.id == body["agent"]), None)
            return given(self.change(chat.id, handler="agent" if name else "queue", assignee=name))
        if verb not in values:
            return refusal(404, "not_found", verb)
        return given(self.change(chat.id, **values[verb]))

    async def _customer(self, request: web.Request) -> web.Response:
        return given(self.customers[request.match_info["id"]])

    async def _memories(self, request: web.Request) -> web.Response:
        return given(m.Page[m.Memory](items=self.memories.get(request.match_info["id"], [])))

    async def _remember(self, request: web.Request) -> web.Response:
        body = await request.json()
        memory = self.remember(request.match_info["id"], body["text"], body.get("type", "fact"))
        self.emit("memory.updated", memory.model_dump(mode="json"))
        return given(memory, 201)

    async def _change_memory(self, request: web.Request) -> web.Response:
        listed = self.memories[request.match_info["id"]]
        at_ = [one.id for one in listed].index(request.match_info["mid"])
        listed[at_] = listed[at_].model_copy(update=await request.json())
        self.emit("memory.updated", listed[at_].model_dump(mode="json"))
        return given(listed[at_])

    async def _forget(self, request: web.Request) -> web.Response:
        listed = self.memories[request.match_info["id"]]
        listed[:] = [one for one in listed if one.id != request.match_info["mid"]]
        self.emit("memory.updated", {"id": request.match_info["mid"], "deleted": True})
        return web.Response(status=204)

    async def _trace(self, request: web.Request) -> web.Response:
        trace = self.traces.get(request.match_info["id"])
        return given(trace) if trace else refusal(404, "not_found", "no trace")

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        after = request.query.get("after")
        frames: list[dict[str, Any]] = [{"type": "hello", "data": {"seq": self.seq, "version": "0.1"}}]
        if after is not None:
            if int(after) > self.seq or int(after) < self.oldest:
                frames.append({"type": "resync", "data": {"seq": self.seq}})
            else:
                frames += [frame for seq, frame in self.events if seq > int(after)]
        for chat_id, (message_id, text) in self._live.items():
            data = {"conversation_id": chat_id, "message_id": message_id, "offset": 0, "text": text}
            frames.append({"type": "token", "data": data})
        self.sockets.add(socket)
        try:
            for frame in frames:
                await socket.send_str(json.dumps(frame))
            async for incoming in socket:
                if incoming.type is WSMsgType.TEXT:
                    self.heard.append(json.loads(incoming.data))
        except ConnectionError:
            pass
        finally:
            self.sockets.discard(socket)
        return socket


_sending: set[asyncio.Task[None]] = set()


async def _send(socket: web.WebSocketResponse, text: str) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        await socket.send_str(text)


def at(micros: int) -> str:
    return to_rfc3339(micros)


def encode(spot: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(spot).encode()).decode()


def given(value: Any, status: int = 200) -> web.Response:
    return web.json_response(text=value.model_dump_json(), status=status)


def refusal(status: int, code: str, message: str, details: object = None) -> web.Response:
    error = {"code": code, "message": message, "details": details}
    return web.json_response({"error": error}, status=status)


def company(language: str = "en") -> Double:
    """A small busy inbox: every state, every kind of message, several channels."""
    double = Double(
        m.Agent(id="a-marta", name="marta", role="agent", language=language, timezone="Europe/Madrid", created_at=at(0))
    )
    waits = at(double.now - 12 * MINUTE)
    tom = double.add(
        "Tom Becker", "Where is the invoice of order 41877?", "I can send it to you. Which address is on it?",
        "I want to talk to a person, please", channel="email", handler="queue", waiting_since=waits, minutes=12,
        handoff_reason="asked_human", handoff_detail="The customer asked for a person.", priority="urgent", unread=2,
        intent={"label": "invoice", "confidence": 0.91}, tags=["b2b"],
        summary="Tom needs the invoice of order 41877 with his VAT number.\nHe wants a person now.\n"
        "The assistant offered to send it and asked for the address.",
    )  # fmt: skip
    double.add(
        "Anaïs Morel", "Vous livrez le samedi ?", channel="instagram", handler="queue", minutes=3,
        waiting_since=at(double.now - 3 * MINUTE), handoff_reason="no_evidence", intent={"label": "shipping", "confidence": 0.6},
        unread=1, language="fr",
    )  # fmt: skip
    double.add(
        "Priya Nair", "The machine leaks", "I am sorry. Since when?", "Since yesterday", channel="web", handler="agent",
        assignee="marta", waiting_since=at(double.now - 40_000_000), minutes=8, intent={"label": "warranty", "confidence": 0.8},
    )  # fmt: skip
    double.add("Jonas Weiß", "VIES is down", "Thank you for telling us.", channel="telegram", handler="agent",
               assignee="tom", minutes=30, intent={"label": "vat", "confidence": 0.7})  # fmt: skip
    lucia = double.add(
        "Lucía Fernández", "Hola, el pedido 4182 llegó roto, quiero que me devuelvan el dinero",
        "Siento lo ocurrido, Lucía. Veo el pedido 4182: taza esmaltada, entregada ayer. [1]",
        "Pues quiero el reembolso, no otra taza", channel="whatsapp", minutes=2, language="es",
        intent={"label": "refund", "confidence": 0.93}, customer_id="cu-lucia",
    )  # fmt: skip
    cited = double.messages[lucia.id][1]
    double.messages[lucia.id][1] = cited.model_copy(
        update={"citations": [m.Citation(title="Damaged items", url=None, chunk_id="k1")]}
    )
    double.messages[lucia.id].insert(
        2,
        m.Message(id="note-1", conversation_id=lucia.id, seq=3, author=m.Author(kind="agent", name="tom"), kind="note",
                  text="Es clienta de años, sé generosa", created_at=at(double.now - 90_000_000)),
    )  # fmt: skip
    last = double.messages[lucia.id][3]
    double.messages[lucia.id][3] = last.model_copy(update={"seq": 4, "attachments": [
        m.Attachment(id="f1", name="photo.jpg", type="image/jpeg", size=240_000)]})  # fmt: skip
    double.traces[cited.id] = m.Trace(
        message_id=cited.id,
        steps=[],
        evidence=[
            m.Evidence(title="Damaged items", chunk_id="k1", score=0.87, cited=True),
            m.Evidence(title="Returns within 30 days", chunk_id="k2", score=0.55),
        ],
    )
    double.remember("cu-lucia", "Prefers Spanish, informal (tú).", "language")
    double.remember("cu-lucia", "Is opening a small café in Zaragoza next spring.", "goal", pinned=True)
    double.remember("cu-lucia", "Has received a broken item twice (orders 41620 and 41873).", "issue")
    double.add("Lucía Fernández", "¿Cuánto tarda un envío?", "De 2 a 4 días.", channel="web", status="closed", csat=5,
               minutes=60 * 24 * 19, customer_id="cu-lucia", intent={"label": "shipping", "confidence": 0.9})  # fmt: skip
    for number in range(9):
        double.add(f"Visitor {number}", "What are your opening hours?", "Monday to Friday, 9 to 18. [1]", minutes=20 + number,
                   intent={"label": "opening_hours", "confidence": 0.85})  # fmt: skip
    double.add("Grupo Ortiz", "¿34 tazas con logo?", channel="whatsapp", status="snoozed", handler="agent", assignee="marta",
               snoozed_until=at(double.now + 20 * 60 * MINUTE), minutes=300)  # fmt: skip
    double.add("Marco Bianchi", "La garanzia?", "Due anni.", channel="telegram", status="closed", csat=5, minutes=200)
    double.messages[tom.id].append(
        m.Message(id="ev-1", conversation_id=tom.id, seq=4, author=m.Author(kind="system"), kind="event",
                  text="The assistant handed over: asked for a person", created_at=at(double.now - 11 * MINUTE)),
    )  # fmt: skip
    return double
