"""The data behind the double of the API, in memory, and the changes that agents see."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from typing import Any

from aiohttp import web

from invent_tui.need import Place, matches, place
from shared import models as m
from shared.clock import to_rfc3339
from shared.filters import parse
from shared.ids import new_id

NOW = 1_790_000_000_000_000
"""The double's clock, microseconds: Monday 21 September 2026, 13:33:20 UTC."""
TOKEN = "agent-token"
MINUTE = 60_000_000


class Data:
    """Conversations, people and events. `agent` is whoever holds TOKEN."""

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
        self._sorted: list[tuple[Place, str]] | None = None
        self.live: dict[str, tuple[str, str]] = {}

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

    def say(self, chat_id: str, text: str, author: str = "customer", *, id: str = "", **more: Any) -> m.Message:
        """A new message, announced with its conversation."""
        chat = self.chats[chat_id]
        names = {"customer": chat.customer.name, "assistant": "Invent", "agent": self.agent.name, "system": ""}
        values: dict[str, Any] = {
            "id": id or new_id(), "conversation_id": chat_id, "seq": len(self.messages[chat_id]) + 1,
            "author": {"kind": author, "name": names[author]}, "text": text, "created_at": at(self.tick()),
        }  # fmt: skip
        message = m.Message.model_validate({**values, **more})
        self.messages[chat_id].append(message)
        self.emit("message.created", message.model_dump(mode="json"))
        unread = chat.unread + 1 if author == "customer" else chat.unread
        waiting = chat.waiting_since or message.created_at if author == "customer" else None
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
        self.live.pop(chat_id, None)
        message = self.say(chat_id, text, "assistant", id=message_id, delivery={"state": "sent"})
        self.end(chat_id, message_id, "done")
        return message

    def token(self, chat_id: str, message_id: str, offset: int, text: str) -> None:
        so_far = self.live.get(chat_id, ("", ""))[1] if offset else ""
        self.live[chat_id] = (message_id, so_far + text)
        data = {"conversation_id": chat_id, "message_id": message_id, "offset": offset, "text": text}
        self.push({"type": "token", "data": data})

    def end(self, chat_id: str, message_id: str, reason: str) -> None:
        self.live.pop(chat_id, None)
        data = {"conversation_id": chat_id, "message_id": message_id, "reason": reason}
        self.push({"type": "token.end", "data": data})

    # ------------------------------------------------------------------ lists

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

    def page(
        self, source: str = "", limit: int = 50, cursor: str | None = None, *, back: bool = False
    ) -> m.Page[m.Conversation]:
        """One page of the list, as the server pages it: by key, in either direction."""
        listed = self.ordered(source)
        spot = tuple(json.loads(base64.urlsafe_b64decode(cursor))) if cursor else None
        rows = [row for row in listed if spot is None or (row[0] < spot if back else row[0] > spot)]
        rows = rows[::-1] if back else rows
        page = rows[:limit]
        first = page[0][0] if page else None
        others = first is not None and (listed[-1][0] > first if back else listed[0][0] < first)
        return m.Page[m.Conversation](
            items=[self.chats[chat_id] for _, chat_id in page],
            next_cursor=encode(page[-1][0]) if len(rows) > limit else None,
            prev_cursor=encode(first) if others and first is not None else None,
        )

    def counted(self, source: str = "") -> m.Counts:
        names = ("waiting", "mine", "agents", "assistant", "snoozed", "closed")
        numbers = dict.fromkeys(names, 0)
        for spot, _ in self.ordered():
            numbers[names[spot[0]]] += 1
        queue = [chat for chat in self.chats.values() if chat.handler == "queue" and chat.status == "open"]
        oldest = min((chat.waiting_since for chat in queue if chat.waiting_since), default=None)
        return m.Counts(**numbers, matching=len(self.ordered(source)), oldest_waiting_since=oldest)


_sending: set[asyncio.Task[None]] = set()


async def _send(socket: web.WebSocketResponse, text: str) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        await socket.send_str(text)


def at(micros: int) -> str:
    return to_rfc3339(micros)


def encode(spot: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(spot).encode()).decode()
