"""The list of conversations: two lines a row, groups by need. A cursor move repaints the bar of two rows, no more."""

from __future__ import annotations

from typing import NamedTuple

from textual import events
from textual.message import Message as Event

from invent_tui.bindings import bindings_for
from invent_tui.cells import Line
from invent_tui.list_lines import first_line, second_line, separator, wait
from invent_tui.state import State
from invent_tui.widgets.lines import LineView
from invent_tui.words import Words


class Entry(NamedTuple):
    """One line: a rule before a group (`chat` empty), or line 0 or 1 of a conversation."""

    chat: str
    part: int


class ChatList(LineView):
    """The rows of `state.rows`, with a cursor on `state.rows.held`."""

    BINDINGS = bindings_for("list")

    class Moved(Event):
        """The cursor stands on another conversation."""

    class Chosen(Event):
        """The conversation under the cursor is to be opened."""

    def __init__(self, state: State, words: Words, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = state
        self.words = words
        self.now = 0
        self._entries: list[Entry] = []
        self._starts: dict[str, int] = {}
        self._lines: dict[str, tuple[Line, Line]] = {}
        self._waits: dict[str, str] = {}

    # ------------------------------------------------------------------ lines

    def height_of_all(self) -> int:
        return len(self._entries)

    def line_at(self, y: int) -> Line:
        entry = self._entries[y]
        if not entry.chat:
            return separator(entry.part, self.words, self.size.width)
        line = self._row(entry.chat)[entry.part]
        held = entry.chat == self.state.rows.held
        return (("accent", self.words.glyphs.bar) if held else (line[0][0], " "), *line)

    def _row(self, chat_id: str) -> tuple[Line, Line]:
        lines = self._lines.get(chat_id)
        if lines is None:
            chat, me, width = self.state.rows.chats[chat_id], self.state.name, self.size.width - 1
            writing = chat_id in self.state.writing
            lines = (
                first_line(chat, me, self.words, self.now, width, writing=writing),
                second_line(chat, me, self.words, self.now, width, writing=writing),
            )
            self._lines[chat_id] = lines
            self._waits[chat_id] = wait(chat, self.words, self.now)
        return lines

    # ------------------------------------------------------------------ changes

    def rows_changed(self) -> None:
        """Rows appeared, moved or went. What is under the cursor stays where it is on the screen."""
        rows = self.state.rows
        if rows.held is None and rows.order:
            rows.hold(rows.order[0], self.now)
        before = self._starts.get(rows.held or "")
        top = self.scroll_offset.y
        self._lay_out()
        after = self._starts.get(rows.held or "")
        if before is not None and after is not None:
            top += after - before
        self.laid_out(top)
        if after is not None and before is None:
            self.show_line(after, 2, 1)

    def rows_touched(self, chat_ids: set[str]) -> None:
        """These rows look different."""
        for chat_id in chat_ids:
            self._lines.pop(chat_id, None)
            if chat_id in self._starts:
                self.repaint(self._starts[chat_id], 2)

    def tick(self, now: int) -> None:
        """Time went on: repaint the rows whose wait reads differently."""
        self.now = now
        for y in range(self.scroll_offset.y, min(self.scroll_offset.y + self.size.height, len(self._entries))):
            entry = self._entries[y]
            if entry.chat and entry.part == 0 and entry.chat in self._waits:
                chat = self.state.rows.chats.get(entry.chat)
                if chat is not None and self._waits[entry.chat] != wait(chat, self.words, now):
                    self._lines.pop(entry.chat, None)  # gone already while another screen lies over the list
                    self.repaint(y, 1, max(0, self.size.width - 6), 6)

    def _lay_out(self) -> None:
        rows = self.state.rows
        self._lines.clear()
        self._entries, self._starts = [], {}
        group = -1
        for chat_id in rows.order:
            number = rows.places[chat_id][0]
            if number != group:
                group = number
                self._entries.append(Entry("", number))
            self._starts[chat_id] = len(self._entries)
            self._entries += (Entry(chat_id, 0), Entry(chat_id, 1))

    def above(self) -> int:
        """How many waiting conversations are above what is visible."""
        top = self.scroll_offset.y
        return sum(1 for entry in self._entries[:top] if entry.chat and entry.part == 1)

    # ------------------------------------------------------------------ cursor

    def move(self, steps: int) -> None:
        """The cursor goes `steps` rows down (negative: up)."""
        rows = self.state.rows
        at = rows.index(rows.held)
        if rows.order:
            self.put(rows.order[min(max(0, (at or 0) + steps), len(rows.order) - 1)])

    def put(self, chat_id: str) -> None:
        """The cursor goes to a conversation."""
        rows, left = self.state.rows, self.state.rows.held
        if chat_id == left or chat_id not in rows.chats:
            return
        if rows.hold(chat_id, self.now):
            self.rows_changed()
        else:
            for moved in (left, chat_id):
                if moved in self._starts:
                    self.repaint(self._starts[moved], 2, 0, 1)
        self._come_into_sight(self._starts[chat_id])
        self.post_message(self.Moved())

    def _come_into_sight(self, start: int) -> None:
        """Beyond an edge the list jumps by half a page: a slow line then carries one repaint in many moves."""
        top, page = self.scroll_offset.y, self.size.height
        if start <= 1:
            self.show_line(0, 3)
        elif start < top:
            self.show_line(max(0, start - page // 2), 2)
        elif start + 2 > top + page:
            self.show_line(min(start + page // 2, self.height_of_all() - 2), 2)

    def rows_per_page(self) -> int:
        """How many rows fit."""
        return max(1, self.size.height // 2)

    # ------------------------------------------------------------------ mouse and size

    def on_click(self, event: events.Click) -> None:
        y = event.y + self.scroll_offset.y
        if y < len(self._entries) and self._entries[y].chat:
            chosen = self._entries[y].chat
            again = chosen == self.state.rows.held
            self.put(chosen)
            if again or event.chain > 1:
                self.post_message(self.Chosen())

    def on_resize(self) -> None:
        self._lines.clear()
        held = self._starts.get(self.state.rows.held or "")
        self.laid_out()
        if held is not None:
            self.show_line(held, 2)
