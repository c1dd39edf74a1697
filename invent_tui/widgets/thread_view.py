"""The open conversation, line by line. Wrapped lines are kept per message and width; live text repaints its own lines.

Who reads at the end stays at the end; who reads further up stays there, whatever comes before or after.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from textual.message import Message as Event

from invent_tui.bindings import bindings_for
from invent_tui.cells import Line
from invent_tui.state import State
from invent_tui.thread_lines import day_line, live_lines, message_lines, pending_lines
from invent_tui.widgets.lines import LineView
from invent_tui.words import Words

if TYPE_CHECKING:
    from shared.models import Message

EDGE = 40
"""Lines above the visible ones at which older messages are fetched."""


class Block(NamedTuple):
    """Consecutive lines of one thing: a day, a message, a text that is being written."""

    key: str
    lines: list[Line]


class Wrapped(NamedTuple):
    """The lines of a message, and what they were made from."""

    message: Message
    width: int
    same_author: bool
    lines: list[Line]


class ThreadView(LineView):
    """The messages of `state.thread`."""

    BINDINGS = bindings_for("thread")

    class NearTop(Event):
        """Older messages will be needed soon."""

    class NewBelow(Event):
        """Something came below what is visible, or the end came into sight."""

    def __init__(self, state: State, words: Words, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = state
        self.words = words
        self.now = 0
        self.new_below = False
        self._blocks: list[Block] = []
        self._ends: list[int] = []
        self._wrapped: dict[str, Wrapped] = {}
        self._chat = ""
        self._hints: list[str] = []
        self._follow = True

    # ------------------------------------------------------------------ lines

    def height_of_all(self) -> int:
        return self._ends[-1] if self._ends else 0

    def line_at(self, y: int) -> Line:
        at = bisect_right(self._ends, y)
        block = self._blocks[at]
        return (("text", " "), *block.lines[y - self._ends[at] + len(block.lines)])

    # ------------------------------------------------------------------ changes

    def show_hints(self, hints: list[str]) -> None:
        """Lines that stand where nothing is open."""
        if hints != self._hints:
            self._hints = hints
            self.thread_changed()

    def thread_changed(self) -> None:
        """Messages came, changed or went, or another conversation is open."""
        thread = self.state.thread
        chat = thread.chat_id if thread is not None else ""
        if chat != self._chat:
            self._chat, self._follow, self.new_below = chat, True, False
            self._wrapped.clear()
        anchor = None if self._follow else self._anchor()
        height = self.height_of_all()
        self._lay_out()
        if self._follow:
            self.laid_out(self.height_of_all())
        else:
            self.laid_out(self._at(anchor))
            if self.height_of_all() > height and not self.at_bottom:
                self._mark_new()
        self._look_up()

    def live_changed(self) -> None:
        """The text that is being written grew: repaint the lines that differ."""
        old = [block for block in self._blocks if block.key.startswith("live:")]
        new = self._live_blocks()
        same_shape = [(b.key, len(b.lines)) for b in old] == [(b.key, len(b.lines)) for b in new]
        if not same_shape:
            self.thread_changed()
            return
        for before, after in zip(old, new, strict=True):
            at = self._blocks.index(before)
            self._blocks[at] = after
            start = self._ends[at] - len(after.lines)
            for number, (was, now) in enumerate(zip(before.lines, after.lines, strict=True)):
                if was != now:
                    self.repaint(start + number)

    def _lay_out(self) -> None:
        blocks: list[Block] = []
        thread = self.state.thread
        width, me = self._room(), self.state.name
        if thread is not None and width > 0:
            day = author = None
            for message_id in thread.order:
                message = thread.messages[message_id]
                label = self.words.day(message.created_at, self.now)
                if label != day:
                    day, author = label, None
                    blocks.append(Block(f"day:{label}", [day_line(label, self.words, width)]))
                speaker = (message.author.kind, message.author.name, message.kind in ("note", "whisper"))
                blocks.append(Block(message_id, self._wrap(message, me, width, speaker == author)))
                author = speaker
            blocks += self._live_blocks()
            blocks += [Block(item.client_id, pending_lines(item, self.words, width)) for item in thread.pending]
            if not blocks:
                text = self.words.tr("No messages yet") if thread.loaded else self.words.tr("Loading")
                blocks.append(Block("empty", [(("dim", text),)]))
        elif thread is None:
            blocks = [Block("hints", [(), *((("dim", " " + hint),) for hint in self._hints)])]
        self._blocks = blocks
        self._ends = list(accumulate(len(block.lines) for block in blocks))

    def _live_blocks(self) -> list[Block]:
        thread, width = self.state.thread, self._room()
        if thread is None:
            return []
        return [Block(f"live:{key}", live_lines(live.text, self.words, width)) for key, live in thread.live.items()]

    def _wrap(self, message: Message, me: str, width: int, same_author: bool) -> list[Line]:
        known = self._wrapped.get(message.id)
        if known and known.message is message and known.width == width and known.same_author == same_author:
            return known.lines
        lines = message_lines(message, me, self.words, width, same_author=same_author)
        self._wrapped[message.id] = Wrapped(message, width, same_author, lines)
        return lines

    def _room(self) -> int:
        return min(self.size.width - 2, 110)

    # ------------------------------------------------------------------ place

    def _anchor(self) -> tuple[str, int] | None:
        """The thing at the top of the screen, and how many of its lines are above it."""
        y = self.scroll_offset.y
        at = bisect_right(self._ends, y)
        if at >= len(self._blocks):
            return None
        block = self._blocks[at]
        return block.key, y - (self._ends[at] - len(block.lines))

    def _at(self, anchor: tuple[str, int] | None) -> int | None:
        for block, end in zip(self._blocks, self._ends, strict=True):
            if anchor is not None and block.key == anchor[0]:
                return end - len(block.lines) + min(anchor[1], len(block.lines) - 1)
        return None

    def scroll_lines(self, lines: int) -> None:
        super().scroll_lines(lines)
        self._settle()

    def to_end(self, *, end: bool) -> None:
        """To the newest line, or the oldest one that is loaded."""
        self.scroll_to(y=self.max_scroll_y if end else 0, animate=False, immediate=True, force=True)
        self._settle()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._look_up()

    def on_mouse_scroll_up(self) -> None:
        self._follow = False

    def on_mouse_scroll_down(self) -> None:
        self._settle()

    def _settle(self) -> None:
        self._follow = self.at_bottom
        if self._follow and self.new_below:
            self.new_below = False
            self.post_message(self.NewBelow())

    def _mark_new(self) -> None:
        if not self.new_below:
            self.new_below = True
            self.post_message(self.NewBelow())

    def _look_up(self) -> None:
        thread = self.state.thread
        if thread is not None and thread.older and self.scroll_offset.y < EDGE:
            self.post_message(self.NearTop())

    def on_resize(self) -> None:
        self.thread_changed()
