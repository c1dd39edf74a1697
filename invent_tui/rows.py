"""The loaded part of the list: rows in the order of need, read page by page, kept right by events. Pure.

The order never moves under the cursor: the row that is `held` keeps its place, whatever happens to it, until the cursor
leaves it. Rows outside the loaded part are not known here; the pages around it are fetched when the cursor comes near.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from invent_tui.need import Place, matches, place

if TYPE_CHECKING:
    from shared.filters import Term
    from shared.models import Conversation, Page

LIMIT = 1000
"""Rows kept at most; the far end goes when more are read."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a page began or ended: rows beyond `place` are fetched with `cursor`."""

    place: Place
    cursor: str


class Rows:
    """A window over the list of one agent under one filter."""

    def __init__(self, me: str = "", terms: tuple[Term, ...] = ()) -> None:
        self.me = me
        self.terms = terms
        self.order: list[str] = []
        self.chats: dict[str, Conversation] = {}
        self.places: dict[str, Place] = {}
        self.held: str | None = None
        self.doubtful = False
        """An event concerned a chat of which only the server can tell whether it passes the filter."""
        self.loaded = False
        self.offset = 0
        """How many rows of the whole list stand before the window, as far as known."""
        self._head: Edge | None = None
        self._tail: Edge | None = None
        self._starts: list[Edge] = []  # where later pages begin: the window can be cut there
        self._ends: list[Edge] = []  # where earlier pages end
        self._gone: set[str] = set()

    # ------------------------------------------------------------------ reading

    @property
    def before(self) -> str | None:
        """The cursor of the rows before the window; None at the start of the list."""
        return self._head.cursor if self._head else None

    @property
    def after(self) -> str | None:
        """The cursor of the rows after the window; None at the end of the list."""
        return self._tail.cursor if self._tail else None

    def index(self, chat_id: str | None) -> int | None:
        """The position of a conversation in the window."""
        if chat_id is None or chat_id not in self.places:
            return None
        at = bisect_left(self.order, self.places[chat_id], key=self.places.__getitem__)
        return at if at < len(self.order) and self.order[at] == chat_id else None

    # ------------------------------------------------------------------ cursor

    def hold(self, chat_id: str | None, now: int) -> bool:
        """The cursor now stands on `chat_id`; the row that it left takes its true place. True: the order changed."""
        left, self.held = self.held, chat_id
        if left is None or left == chat_id or left not in self.chats:
            return False
        chat = self.chats[left]
        if self._verdict(chat, now) is False or not self._inside(place(chat, self.me)):
            self._drop(left)
            return True
        if place(chat, self.me) == self.places[left]:
            return False
        self._put(chat)
        return True

    # ------------------------------------------------------------------ changes

    def apply(self, chat: Conversation, now: int) -> bool:
        """Take a newer state of a conversation. True: rows appeared, moved or went, so lines must be laid out again."""
        known = self.chats.get(chat.id)
        if chat.id in self._gone or (known is not None and chat.version < known.version):
            return False
        if chat.id == self.held and known is not None:
            self.chats[chat.id] = chat
            return False
        verdict = self._verdict(chat, now)
        if verdict is None and known is None:
            self.doubtful = True
            return False
        target = place(chat, self.me)
        if verdict is False or not self._inside(target):
            return self._drop(chat.id)
        if known is not None and self.places[chat.id] == target:
            self.chats[chat.id] = chat
            return False
        self._put(chat)
        return True

    def remove(self, chat_id: str) -> bool:
        """A conversation was erased. True: it stood in the window."""
        self._gone.add(chat_id)
        return self._drop(chat_id)

    # ------------------------------------------------------------------ pages

    def reset(self, page: Page[Conversation], *, reverse: bool = False, matching: int | None = None) -> None:
        """Start anew with the first page (or, `reverse`, the last one). The held row stays if it is still listed."""
        self.order, self.chats, self.places = [], {}, {}
        self._head = self._tail = None
        self._starts, self._ends = [], []
        self.doubtful, self.loaded = False, True
        self.offset = max(0, (matching or 0) - len(page.items)) if reverse else 0
        for chat in page.items:
            self._take(chat)
        if reverse:
            self._head = self._edge(page, page.next_cursor, -1)
        else:
            self._tail = self._edge(page, page.next_cursor, -1)
        if self.held not in self.chats:
            self.held = None

    def append(self, page: Page[Conversation]) -> None:
        """The page after the window."""
        for chat in page.items:
            self._take(chat)
        if self._tail:
            self._ends.append(self._tail)
        self._tail = self._edge(page, page.next_cursor, -1)
        if start := self._edge(page, page.prev_cursor, 0):
            self._starts.append(start)
        while len(self.order) > LIMIT and self._starts:
            self._head = self._starts.pop(0)
            edge = self._head.place
            self.offset += self._cut([i for i in self.order if self.places[i] < edge])
            self._ends = [end for end in self._ends if end.place >= edge]

    def prepend(self, page: Page[Conversation]) -> None:
        """The page before the window, as a reversed request gave it: nearest row first."""
        known = len(self.order)
        for chat in page.items:
            self._take(chat)
        if self._head:
            self._starts.insert(0, self._head)
        self._head = self._edge(page, page.next_cursor, -1)
        self.offset = max(0, self.offset - (len(self.order) - known)) if self._head else 0
        if end := self._edge(page, page.prev_cursor, 0):
            self._ends.insert(0, end)
        while len(self.order) > LIMIT and self._ends:
            self._tail = self._ends.pop()
            edge = self._tail.place
            self._cut([i for i in self.order if self.places[i] > edge])
            self._starts = [start for start in self._starts if start.place <= edge]

    # ------------------------------------------------------------------ inside

    def _verdict(self, chat: Conversation, now: int) -> bool | None:
        return matches(self.terms, chat, self.me, now) if self.terms else True

    def _inside(self, target: Place) -> bool:
        if self._head and target < self._head.place:
            return False
        return not (self._tail and target > self._tail.place)

    def _edge(self, page: Page[Conversation], cursor: str | None, item: int) -> Edge | None:
        return Edge(place(page.items[item], self.me), cursor) if page.items and cursor else None

    def _cut(self, beyond: list[str]) -> int:
        """Let go of the rows at one end, but for the held one. Gives their number."""
        return sum(self._drop(chat_id) for chat_id in beyond if chat_id != self.held)

    def _take(self, chat: Conversation) -> None:
        known = self.chats.get(chat.id)
        if chat.id in self._gone or (known is not None and known.version > chat.version):
            return
        if chat.id == self.held and known is not None:
            self.chats[chat.id] = chat
            return
        self._put(chat)

    def _put(self, chat: Conversation) -> None:
        self._drop(chat.id)
        target = place(chat, self.me)
        self.order.insert(bisect_left(self.order, target, key=self.places.__getitem__), chat.id)
        self.chats[chat.id] = chat
        self.places[chat.id] = target

    def _drop(self, chat_id: str) -> bool:
        at = self.index(chat_id)
        if at is None:
            return False
        del self.order[at]
        del self.chats[chat_id], self.places[chat_id]
        return True
