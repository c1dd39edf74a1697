"""Who is connected to this node, and the live texts that are being written. Nothing here is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from invent_server.stream.socket import CLOSED, Socket, frame
from shared.events import EndReason
from shared.text import clean

TYPING_TTL = 5.0


@dataclass(eq=False, slots=True)
class AgentSocket:
    """An agent's open inbox. `inboxes` = None: sees all."""

    socket: Socket
    agent_id: str
    name: str
    inboxes: frozenset[str] | None
    viewing: str | None = None
    buffered: list[tuple[int, bytes]] | None = field(default_factory=list)
    """Events that come while a replay runs; None once the socket is live."""

    def sees(self, inboxes: frozenset[str] | None) -> bool:
        """`inboxes`: those that a frame belongs to; None = it concerns everybody."""
        return self.inboxes is None or inboxes is None or not self.inboxes.isdisjoint(inboxes)


@dataclass(eq=False, slots=True)
class VisitorSocket:
    """A visitor's open chat. `seen`: highest message seq that was pushed."""

    socket: Socket
    conversation_id: str
    seen: int = 0
    buffered: list[tuple[int, bool, bytes]] | None = field(default_factory=list)

    def push_message(self, seq: int, changed: bool, raw: bytes) -> None:
        """A message, new or `changed`; a new one that was pushed before is left out."""
        if self.buffered is not None:
            self.buffered.append((seq, changed, raw))
        elif changed or seq > self.seen:
            self.seen = max(self.seen, seq)
            self.socket.push(raw)


@dataclass(slots=True)
class LiveText:
    """An answer while it is written."""

    conversation_id: str
    inbox_id: str
    message_id: str
    private: bool = False
    """Only agents see it: the reply waits for approval."""
    text: str = ""


class Hub:
    """Sockets of this node, live texts, presence and typing."""

    def __init__(self) -> None:
        self.agents: set[AgentSocket] = set()
        self.visitors: dict[str, set[VisitorSocket]] = {}
        self._live: dict[str, LiveText] = {}
        self._presence_due: asyncio.TimerHandle | None = None
        self.on_refresh: list[Callable[[str], None]] = []
        """Told the id of an agent whose rights have changed."""

    # ---- sockets -----------------------------------------------------------------------------------------------

    def join_agent(self, socket: AgentSocket) -> None:
        self.agents.add(socket)
        self._presence_changed()

    def leave_agent(self, socket: AgentSocket) -> None:
        self.agents.discard(socket)
        self._presence_changed()

    def refresh_agent(self, agent_id: str) -> None:
        """An agent's rights have changed: the inbox connects again and gets what it may see now."""
        for agent in tuple(self.agents):
            if agent.agent_id == agent_id:
                agent.socket.end(CLOSED)
        for told in self.on_refresh:
            told(agent_id)

    def join_visitor(self, socket: VisitorSocket) -> None:
        self.visitors.setdefault(socket.conversation_id, set()).add(socket)

    def leave_visitor(self, socket: VisitorSocket) -> None:
        group = self.visitors.get(socket.conversation_id)
        if group is not None:
            group.discard(socket)
            if not group:
                del self.visitors[socket.conversation_id]

    def visitors_of(self, conversation_id: str) -> Iterable[VisitorSocket]:
        return tuple(self.visitors.get(conversation_id, ()))

    def to_agents(self, inbox_id: str | None, raw: bytes, token_of: str | None = None) -> None:
        """Push a frame without a number to every agent who may see `inbox_id`.

        Live text (`token_of`) goes only to sockets that are live: others get all of it when they are.
        """
        inboxes = None if inbox_id is None else frozenset((inbox_id,))
        for agent in self.agents:
            if agent.sees(inboxes) and (token_of is None or agent.buffered is None):
                agent.socket.push(raw, token_of)

    def to_visitors(self, conversation_id: str, raw: bytes, token_of: str | None = None) -> None:
        for visitor in self.visitors.get(conversation_id, ()):
            if token_of is None or visitor.buffered is None:
                visitor.socket.push(raw, token_of)

    async def visitors_flushed(self, conversation_id: str, seconds: float = 0.5) -> None:
        """Wait until the visitor's sockets have written what was pushed (a slow one is not waited for)."""
        for visitor in self.visitors_of(conversation_id):
            await visitor.socket.flushed(seconds)

    # ---- live text ---------------------------------------------------------------------------------------------

    def begin(self, live: LiveText) -> None:
        """An answer starts: the visitor sees that somebody types."""
        self._live[live.conversation_id] = live
        self._assistant_types(live, True)

    def token(self, conversation_id: str, piece: str) -> None:
        """The next piece of the live text of a conversation."""
        live = self._live.get(conversation_id)
        if live is None or not piece:
            return
        raw = _token(live, len(live.text), piece)
        live.text += piece
        self.to_agents(live.inbox_id, raw, live.message_id)
        if not live.private:
            self.to_visitors(conversation_id, raw, live.message_id)

    def end(self, conversation_id: str, message_id: str, reason: EndReason) -> str:
        """The answer ended. On anything but `done` queued pieces are taken back. Returns the text so far."""
        live = self._live.get(conversation_id)
        if live is None or live.message_id != message_id:
            return ""
        del self._live[conversation_id]
        if reason != "done":
            for visitor in self.visitors_of(conversation_id):
                visitor.socket.withdraw(message_id)
        raw = frame("token.end", {"conversation_id": conversation_id, "message_id": message_id, "reason": reason})
        self.to_agents(live.inbox_id, raw)
        if not live.private:
            self.to_visitors(conversation_id, raw)
        self._assistant_types(live, False)
        return live.text

    def _assistant_types(self, live: LiveText, on: bool) -> None:
        if not live.private:
            self.typing(live.conversation_id, live.inbox_id, "assistant", on)

    def catch_up_agent(self, agent: AgentSocket) -> None:
        """Give a joining agent the live texts so far."""
        for live in self._live.values():
            if live.text and agent.sees(frozenset((live.inbox_id,))):
                agent.socket.push(_token(live, 0, live.text), live.message_id)

    def catch_up_visitor(self, visitor: VisitorSocket) -> None:
        live = self._live.get(visitor.conversation_id)
        if live is not None and live.text and not live.private:
            visitor.socket.push(_token(live, 0, live.text), live.message_id)

    # ---- typing and presence -----------------------------------------------------------------------------------

    def typing(self, conversation_id: str, inbox_id: str, who: str, on: bool, name: str = "") -> None:
        """Somebody types (or stopped). Agents see it of customers, visitors of the others."""
        data = {"conversation_id": conversation_id, "who": who, "name": clean(name, 80), "on": on}
        self.to_agents(inbox_id, frame("typing", data))
        if who != "customer":
            self.to_visitors(conversation_id, frame("typing", {"who": who, "on": on}))

    def present(self) -> list[dict[str, str | None]]:
        """Connected agents and what each looks at."""
        unique = {(agent.name, agent.viewing) for agent in self.agents}
        return [{"name": name, "conversation_id": viewing} for name, viewing in sorted(unique, key=str)]

    def view(self, agent: AgentSocket, conversation_id: str | None) -> None:
        """An agent looks at another conversation."""
        if agent.viewing != conversation_id:
            agent.viewing = conversation_id
            self._presence_changed()

    def _presence_changed(self) -> None:
        """Tell everybody, at most ten times a second."""
        if self._presence_due is None:
            self._presence_due = asyncio.get_running_loop().call_later(0.1, self._tell_presence)

    def _tell_presence(self) -> None:
        self._presence_due = None
        self.to_agents(None, frame("presence", {"agents": self.present()}))

    def close(self, code: int) -> None:
        """End every socket (the server stops)."""
        for agent in tuple(self.agents):
            agent.socket.end(code)
        for group in tuple(self.visitors.values()):
            for visitor in tuple(group):
                visitor.socket.end(code)


def _token(live: LiveText, offset: int, text: str) -> bytes:
    return frame(
        "token",
        {
            "conversation_id": live.conversation_id,
            "message_id": live.message_id,
            "offset": offset,
            "text": text,
        },
    )
