"""Where the agent writes. Its title says who will read it; a draft of the assistant stands in it, grey, until taken."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.message import Message as Event
from textual.widgets import TextArea

from invent_tui.bindings import bindings_for
from shared.text import clean


class Composer(TextArea):
    """A text of three to eight rows."""

    BINDINGS = bindings_for("composer")
    DEFAULT_CSS = """
    Composer {
        height: auto; min-height: 3; max-height: 8;
        border: none; padding: 0 1;
        background: $background;
        scrollbar-size-vertical: 1;
    }
    """

    class Typed(Event):
        """The text changed by the agent's hand."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=True, show_line_numbers=False, compact=True, highlight_cursor_line=False)
        self.cursor_blink = False
        self.note = False

    def begin(self, text: str, *, note: bool) -> None:
        """Show `text`, the cursor at its end."""
        self.note = note
        if text != self.text:
            self.load_text(text)
        self.move_cursor(self.document.end)

    def show_draft(self, draft: str) -> None:
        """The grey text that can be taken over; shown while nothing is written."""
        if str(self.placeholder) != draft:
            self.placeholder = Content(draft)

    def add(self, text: str) -> None:
        """Write `text` where the cursor is."""
        self.insert(clean(text))

    async def _on_paste(self, event: events.Paste) -> None:
        # What is pasted comes from anywhere; the terminal must not be reached by its control sequences.
        event.prevent_default()
        event.stop()
        self.insert(clean(event.text))
