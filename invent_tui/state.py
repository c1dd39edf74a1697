"""What the inbox knows. A pure reducer: answers and events go in, `Change`s come out; no network, no screen.

Whatever the order in which events and answers arrive, and however often, the state equals a fresh fetch: rows are
guarded by the conversation's version, messages by the seq of the event or answer that brought them.
"""

from __future__ import annotations

from enum import Flag, auto
from typing import TYPE_CHECKING, TypeVar

from invent_tui.need import WAITING, group
from invent_tui.rows import Rows
from invent_tui.transcript import Live, Pending, Transcript

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from shared.events import Frame, Gone, TokenData, TokenEndData, TypingData
    from shared.models import Conversation, Counts, Customer, Me, Memory, Message, Page, Trace, Wire

RECENT = 500
"""How many late changes are kept for answers that were on their way when they happened."""
Value = TypeVar("Value")
GROUPS = ("waiting", "mine", "agents", "assistant", "snoozed", "closed")
"""Fields of Counts by group number."""


class Change(Flag):
    """What must be drawn again."""

    NONE = 0
    LIST = auto()  # rows appeared, moved or went
    ROWS = auto()  # rows named in `touched` look different
    COUNTS = auto()
    THREAD = auto()  # messages of the open conversation
    LIVE = auto()  # the text that is being written
    CHAT = auto()  # the open conversation itself: who speaks, summary, draft
    CONTEXT = auto()  # customer, memories, past chats, evidence
    LINK = auto()  # the connection
    TOLD = auto()  # the instructions of an assistant
    STALE = auto()  # fetch again: the list, the counts and the thread


class State:
    """Rows, counts, the open thread and its context."""

    def __init__(self) -> None:
        self.me: Me | None = None
        self.rows = Rows()
        self.counts: Counts | None = None
        self.counts_seq = -1
        self.counts_doubtful = False
        self.thread: Transcript | None = None
        self.pending: dict[str, list[Pending]] = {}
        """What this agent wrote and the server has not confirmed, by conversation."""
        self.open_chat: Conversation | None = None
        self.customer: Customer | None = None
        self.memories: list[Memory] = []
        self.past: list[Conversation] = []
        self.why: Trace | None = None
        """The way of the assistant's newest word in the open chat."""
        self.viewers: dict[str, list[str]] = {}
        """Conversation id -> names of the other agents who look at it."""
        self.writing: dict[str, str] = {}
        """Conversation id -> the message that the assistant is writing there now."""
        self.lives: dict[str, Live] = {}
        """What is being written anywhere, by message: a chat opened meanwhile shows all of it."""
        self.touched: set[str] = set()
        self._recent: dict[str, Conversation | None] = {}  # what events told of late; None: erased
        self._recent_memories: dict[str, tuple[int, Memory | None]] = {}
        self._stamps: dict[str, int] = {}  # customer or memory id -> seq of what we hold
        self.seq = -1
        """Seq of the newest event that is in the state."""

    @property
    def name(self) -> str:
        """The name of the agent who sits here."""
        return self.me.agent.name if self.me else ""

    def chat(self, chat_id: str | None) -> Conversation | None:
        """A conversation that is known, open or listed."""
        if chat_id is None:
            return None
        if self.open_chat is not None and self.open_chat.id == chat_id:
            return self.open_chat
        return self.rows.chats.get(chat_id)

    # ------------------------------------------------------------------ answers

    def enter(self, me: Me) -> None:
        """Who we are; the rows' order depends on it."""
        self.me = me
        self.rows.me = me.agent.name

    def take_counts(self, counts: Counts, seq: int) -> Change:
        """The counts as they stood at event `seq`."""
        if seq < self.counts_seq:
            return Change.NONE
        self.counts, self.counts_seq, self.counts_doubtful = counts, seq, False
        return Change.COUNTS

    def open(self, chat: Conversation) -> Change:
        """Begin to read a conversation."""
        if self.thread is None or self.thread.chat_id != chat.id:
            self.thread = Transcript(chat.id)
            self.thread.pending = self.pending.setdefault(chat.id, [])
            self.customer, self.memories, self.past, self.why = None, [], [], None
            written = self.writing.get(chat.id)
            if written is not None and written in self.lives:
                self.thread.stream(written, self.lives[written])
        known = self.chat(chat.id)
        self.open_chat = known if known is not None and known.version > chat.version else chat
        return Change.THREAD | Change.CHAT | Change.CONTEXT

    def close(self) -> Change:
        """Stop reading."""
        self.thread = self.open_chat = self.customer = None
        self.memories, self.past, self.why = [], [], None
        return Change.THREAD | Change.CHAT | Change.CONTEXT

    def take_chat(self, chat: Conversation, now: int) -> Change:
        """A conversation as a command answered it or an event brought it."""
        change = Change.NONE
        known = self.chat(chat.id) or self._recent.get(chat.id)
        if known is not None and chat.version < known.version:
            return change
        _remember(self._recent, chat.id, chat)
        if known is None or group(known, self.name) != group(chat, self.name):
            change |= self._moved(known, chat)
        elif group(chat, self.name) == WAITING and known.waiting_since != chat.waiting_since:
            self.counts_doubtful = True
        if self.open_chat is not None and self.open_chat.id == chat.id and chat != self.open_chat:
            self.open_chat = chat
            change |= Change.CHAT
        if self.rows.apply(chat, now):
            change |= Change.LIST
        elif chat.id in self.rows.chats:
            self.touched.add(chat.id)
            change |= Change.ROWS
        return change

    def take_message(self, message: Message, seq: int) -> Change:
        """A message as it stood at event `seq`."""
        thread = self.thread
        if thread is None or thread.chat_id != message.conversation_id:
            return Change.NONE
        was_live = message.id in thread.live
        if not thread.put(message, seq):
            return Change.NONE
        return Change.THREAD | (Change.LIVE if was_live else Change.NONE)

    def take_page(self, chat_id: str, page: Page[Message], seq: int) -> Change:
        """A page of messages, newest first, for a conversation that may have been left meanwhile."""
        if self.thread is None or self.thread.chat_id != chat_id:
            return Change.NONE
        self.thread.page(page, seq)
        return Change.THREAD

    def line_lost(self) -> Change:
        """The stream broke: pieces of live text may be missing. The next connection begins each text at 0."""
        writing, self.writing, self.lives = self.writing, {}, {}
        change = Change.NONE
        for chat_id in writing:
            change |= self._looks_different(chat_id)
        if self.thread is not None and self.thread.live:
            self.thread.live.clear()
            change |= Change.LIVE
        return change

    def restart(self, seq: int) -> Change:
        """Events were missed: forget what guards against old news. The caller fetches everything again."""
        self.seq = seq if seq >= 0 else self.seq
        self.counts_seq = -1
        self._stamps.clear()
        self._recent.clear()
        self._recent_memories.clear()
        if self.thread is not None:
            pending = self.thread.pending
            self.thread = Transcript(self.thread.chat_id)
            self.thread.pending = pending
        return self.line_lost() | Change.THREAD

    def take_rows(self, rows: Rows, now: int) -> None:
        """Rows with pages just read. Events that came while they were on their way are in the pages or applied here."""
        self.rows = rows
        for chat_id, chat in self._recent.items():
            if chat is None:
                rows.remove(chat_id)
            else:
                rows.apply(chat, now)

    def take_memories(self, memories: list[Memory], seq: int) -> Change:
        """The memories of the open chat's customer as they stood at event `seq`."""
        owner = self.customer.id if self.customer is not None else ""
        found = {one.id: one for one in memories}
        for memory_id, (at, memory) in self._recent_memories.items():
            if at > seq and memory is None:
                found.pop(memory_id, None)
            elif at > seq and memory is not None and memory.customer_id == owner:
                found[memory_id] = memory
        return self.show_memories(list(found.values()))

    def show_memories(self, memories: list[Memory]) -> Change:
        """What is remembered of the open chat's customer: pinned first, then the oldest."""
        self.memories = sorted(memories, key=lambda one: (not one.pinned, one.created_at, one.id))
        return Change.CONTEXT

    # ------------------------------------------------------------------ events

    def apply(self, frame: Frame, now: int) -> Change:
        """One frame of the stream. `now` in microseconds judges the filter's `older:` and `newer:`."""
        if frame.type == "resync":
            return self.restart(frame.data.seq) | Change.STALE
        if frame.type == "token":
            return self._token(frame.data)
        if frame.type == "token.end":
            return self._ended(frame.data)
        if frame.type == "typing":
            return self._typing(frame.data)
        if frame.type == "presence":
            return self._present({one.name: one.conversation_id for one in frame.data.agents})
        if frame.type == "hello":
            return Change.NONE
        self.seq = max(self.seq, frame.seq)
        if frame.type == "message.created" or frame.type == "message.updated":
            if _gone(frame.data):
                gone = self.thread is not None and self.thread.remove(frame.data.id)
                return Change.THREAD if gone else Change.NONE
            return self._stops(frame.data.conversation_id) | self.take_message(frame.data, frame.seq)
        if frame.type == "conversation.updated":
            return self._erased(frame.data.id) if _gone(frame.data) else self.take_chat(frame.data, now)
        if frame.type == "customer.updated":
            return self._customer(frame.data, frame.seq)
        if frame.type == "memory.updated":
            return self._memory(frame.data, frame.seq)
        if frame.type == "instructions.updated":
            return Change.TOLD
        return Change.NONE

    # ------------------------------------------------------------------ inside

    def _moved(self, known: Conversation | None, chat: Conversation) -> Change:
        """Keep the counts by what is known of a row's way from group to group; else ask again soon."""
        if self.counts is None or known is None:
            self.counts_doubtful = True
            return Change.NONE
        old, new = group(known, self.name), group(chat, self.name)
        values = {GROUPS[old]: max(0, getattr(self.counts, GROUPS[old]) - 1)}
        values[GROUPS[new]] = getattr(self.counts, GROUPS[new]) + 1
        self.counts = self.counts.model_copy(update=values)
        self.counts_doubtful = self.counts_doubtful or WAITING in (old, new) or bool(self.rows.terms)
        return Change.COUNTS

    def _erased(self, chat_id: str) -> Change:
        self.counts_doubtful = True
        _remember(self._recent, chat_id, None)
        change = Change.LIST if self.rows.remove(chat_id) else Change.NONE
        if self.open_chat is not None and self.open_chat.id == chat_id:
            change |= self.close()
        return change

    def _token(self, data: TokenData) -> Change:
        known = data.conversation_id in self.writing
        self.writing[data.conversation_id] = data.message_id
        live = self.lives.setdefault(data.message_id, Live())
        live.add(data.offset, data.text)
        change = Change.NONE if known else self._looks_different(data.conversation_id)
        thread = self.thread
        if thread is not None and thread.chat_id == data.conversation_id and thread.stream(data.message_id, live):
            change |= Change.LIVE
        return change

    def _ended(self, data: TokenEndData) -> Change:
        self.lives.pop(data.message_id, None)
        change = self._stops(data.conversation_id)
        thread = self.thread
        if thread is not None and thread.chat_id == data.conversation_id and thread.end(data.message_id, data.reason):
            change |= Change.LIVE
        return change

    def _stops(self, chat_id: str) -> Change:
        return self._looks_different(chat_id) if self.writing.pop(chat_id, None) else Change.NONE

    def _looks_different(self, chat_id: str) -> Change:
        change = Change.CHAT if self.open_chat is not None and self.open_chat.id == chat_id else Change.NONE
        if chat_id in self.rows.chats:
            self.touched.add(chat_id)
            change |= Change.ROWS
        return change

    def _typing(self, data: TypingData) -> Change:
        if self.thread is None or data.conversation_id != self.thread.chat_id or data.who == "assistant":
            return Change.NONE
        who = data.name or (self.open_chat.customer.name if self.open_chat and data.who == "customer" else "")
        if not who or who == self.name:
            return Change.NONE
        before = set(self.thread.typing)
        (self.thread.typing.add if data.on else self.thread.typing.discard)(who)
        return Change.CHAT if before != self.thread.typing else Change.NONE

    def _present(self, present: dict[str, str | None]) -> Change:
        viewers: dict[str, list[str]] = {}
        for name, chat_id in sorted(present.items()):
            if chat_id and name != self.name:
                viewers.setdefault(chat_id, []).append(name)
        if viewers == self.viewers:
            return Change.NONE
        self.viewers = viewers
        return Change.CHAT

    def _customer(self, customer: Customer | Gone, seq: int) -> Change:
        if self.customer is None or self.customer.id != customer.id or not self._newer(customer.id, seq):
            return Change.NONE
        if _gone(customer):
            return self.close()
        self.customer = customer
        return Change.CONTEXT

    def _memory(self, memory: Memory | Gone, seq: int) -> Change:
        if self._recent_memories.get(memory.id, (-1, None))[0] < seq:
            _remember(self._recent_memories, memory.id, (seq, None if _gone(memory) else memory))
        known = any(one.id == memory.id for one in self.memories)
        if not _gone(memory) and (self.customer is None or memory.customer_id != self.customer.id):
            return Change.NONE
        if not self._newer(memory.id, seq) or (_gone(memory) and not known):
            return Change.NONE
        rest = [one for one in self.memories if one.id != memory.id]
        self.show_memories(rest if _gone(memory) else [*rest, memory])
        return Change.CONTEXT

    def _newer(self, thing: str, seq: int) -> bool:
        if self._stamps.get(thing, -1) >= seq:
            return False
        self._stamps[thing] = seq
        return True


def _remember(recent: dict[str, Value], key: str, value: Value) -> None:
    """Keep the newest `RECENT` values."""
    recent.pop(key, None)
    recent[key] = value
    if len(recent) > RECENT:
        del recent[next(iter(recent))]


def _gone(data: Wire) -> TypeIs[Gone]:
    return getattr(data, "deleted", False) is True
