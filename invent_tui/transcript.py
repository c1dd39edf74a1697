"""One open conversation: its messages, the text that is being written now, and what this agent has not sent yet. Pure.

Every method may be called again with the same data, and events may come before or after the pages that hold them.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from shared.models import Message, Page

PendingState = Literal["held", "sending", "failed"]


@dataclass(slots=True)
class Pending:
    """A message of this agent that the server has not confirmed. `client_id` is its idempotency key."""

    client_id: str
    text: str
    note: bool
    state: PendingState
    author: str
    created_at: str
    problem: str = ""


@dataclass(slots=True)
class Live:
    """Text that streams in, kept as pieces by offset: no order of arrival can spoil it."""

    pieces: dict[int, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.pieces[at] for at in sorted(self.pieces))

    def add(self, offset: int, text: str) -> None:
        """A piece; one that spans earlier ones (a fresh start after a lost line) replaces them."""
        end = offset + len(text)
        for at in [at for at in self.pieces if offset <= at < end]:
            if at > offset or len(self.pieces[at]) <= len(text):
                del self.pieces[at]
        covered = any(at <= offset and end <= at + len(piece) for at, piece in self.pieces.items())
        if text and not covered:
            self.pieces[offset] = text


class Transcript:
    """The messages of one conversation that are loaded, by `seq`."""

    def __init__(self, chat_id: str) -> None:
        self.chat_id = chat_id
        self.messages: dict[str, Message] = {}
        self.order: list[str] = []
        self.live: dict[str, Live] = {}
        self.pending: list[Pending] = []
        self.older: str | None = None
        """The cursor of older messages; None when the first one is loaded."""
        self.loaded = False
        self.typing: set[str] = set()
        """Who is typing now, by name."""
        self._known: dict[str, int] = {}  # message id -> event seq of what we hold
        self._ended: set[str] = set()
        self._gone: set[str] = set()

    def page(self, page: Page[Message], seq: int) -> None:
        """A page read newest first, true up to event `seq`."""
        for message in page.items:
            self.put(message, seq)
        self.older = page.next_cursor
        self.loaded = True

    def put(self, message: Message, seq: int) -> bool:
        """A message as it stood at event `seq`. True: something changed."""
        if message.id in self._gone or self._known.get(message.id, -1) > seq:
            return False
        self._known[message.id] = seq
        self.live.pop(message.id, None)
        self._ended.add(message.id)
        if message.author.kind == "agent":
            self._confirm(message)
        before = self.messages.get(message.id)
        if before == message:
            return False
        self.messages[message.id] = message
        if before is None:
            insort(self.order, message.id, key=self._seq)
        return True

    def remove(self, message_id: str) -> bool:
        """A message was erased."""
        self._gone.add(message_id)
        self.live.pop(message_id, None)
        if message_id not in self.messages:
            return False
        self.order.remove(message_id)
        del self.messages[message_id]
        return True

    def stream(self, message_id: str, live: Live) -> bool:
        """Text that is being written; the same `live` grows with each piece."""
        if message_id in self._ended or message_id in self._gone:
            return False
        self.live[message_id] = live
        return True

    def end(self, message_id: str, reason: str) -> bool:
        """Writing ended. `done`: the text stays until its message comes; else it goes, as on the customer's screen."""
        self._ended.add(message_id)
        if reason == "done":
            return False
        return self.live.pop(message_id, None) is not None

    def last(self, *authors: str) -> Message | None:
        """The newest visible message by one of these kinds of author (by anyone when none is named)."""
        for message_id in reversed(self.order):
            message = self.messages[message_id]
            if message.kind in ("text", "media") and (not authors or message.author.kind in authors):
                return message
        return None

    def drop_pending(self, client_id: str) -> Pending | None:
        """Take back what was not sent."""
        for item in self.pending:
            if item.client_id == client_id:
                self.pending.remove(item)
                return item
        return None

    def _confirm(self, message: Message) -> None:
        """The event of a message of ours can come before the answer to its POST: it must not stand there twice."""
        for item in self.pending:
            if item.state == "sending" and item.author == message.author.name and item.text == message.text:
                self.pending.remove(item)
                return

    def _seq(self, message_id: str) -> int:
        return self.messages[message_id].seq
