"""The filter over the list: always visible, applied while it is typed, wrong places marked."""

from __future__ import annotations

from textual import events
from textual.message import Message as Event
from textual.widgets import Input

from invent_tui.bindings import bindings_for
from shared.text import clean_line


class FilterLine(Input):
    """One line of filter language."""

    BINDINGS = bindings_for("filter")
    DEFAULT_CSS = """
    FilterLine { border: none; height: 1; padding: 0; background: $background; }
    FilterLine:focus { border: none; }
    """

    class Edited(Event):
        """The filter reads differently."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, placeholder: str, id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(event.value))

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.insert_text_at_cursor(clean_line(event.text))
