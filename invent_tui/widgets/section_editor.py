"""Where a section of the instructions is written."""

from __future__ import annotations

from textual import events
from textual.message import Message as Event
from textual.widgets import TextArea

from invent_tui.bindings import bindings_for
from shared.text import clean


class SectionEditor(TextArea):
    """A plain text with line numbers, so that the line below it can name those that work without a model."""

    BINDINGS = bindings_for("section")
    DEFAULT_CSS = """
    SectionEditor {
        height: 1fr; border: none; padding: 0;
        background: $background;
        scrollbar-size-vertical: 1;
    }
    """

    class Typed(Event):
        """The text changed by the agent's hand."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=True, show_line_numbers=True, compact=True, highlight_cursor_line=False)
        self.cursor_blink = False

    def show(self, text: str) -> None:
        """Edit `text`; the cursor stays where it was if it can."""
        if text != self.text:
            at = self.cursor_location
            self.load_text(text)
            self.move_cursor((min(at[0], self.document.line_count - 1), at[1]))

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.post_message(self.Typed())

    async def _on_paste(self, event: events.Paste) -> None:
        # What is pasted comes from anywhere; the terminal must not be reached by its control sequences.
        event.prevent_default()
        event.stop()
        if not self.read_only:
            self.insert(clean(event.text))
