"""The customer's message with its answers: lines that somebody else makes, and the keys that choose another message."""

from __future__ import annotations

from invent_tui.bindings import bindings_for
from invent_tui.cells import Line
from invent_tui.widgets.lines import LineView


class Answers(LineView):
    BINDINGS = bindings_for("answers")
    DEFAULT_CSS = "Answers { height: 1fr; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Line] = []

    def show(self, lines: list[Line], *, top: bool = False) -> None:
        """Draw these lines; only those that changed are sent. `top`: from the first one on."""
        before, self._lines = self._lines, lines
        if len(before) != len(lines) or top:
            self.laid_out(0 if top else None)
            return
        for y, (old, new) in enumerate(zip(before, lines, strict=True)):
            if old != new:
                self.repaint(y)

    def line_at(self, y: int) -> Line:
        return self._lines[y]

    def height_of_all(self) -> int:
        return len(self._lines)
