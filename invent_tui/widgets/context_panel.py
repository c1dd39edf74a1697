"""The customer's panel: who, what is remembered, past chats, why. The cursor walks over memories and past chats."""

from __future__ import annotations

from invent_tui.bindings import bindings_for
from invent_tui.cells import Line
from invent_tui.context_lines import Row, Target, context_rows
from invent_tui.state import State
from invent_tui.widgets.lines import LineView
from invent_tui.words import Words


class ContextPanel(LineView):
    """Rows of the open chat's context."""

    BINDINGS = bindings_for("context")

    def __init__(self, state: State, words: Words, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = state
        self.words = words
        self.now = 0
        self._rows: list[Row] = []
        self.target: Target | None = None

    def height_of_all(self) -> int:
        return len(self._rows)

    def line_at(self, y: int) -> Line:
        row = self._rows[y]
        here = self.has_focus and row.target is not None and row.target == self.target
        return (("accent", self.words.glyphs.bar if here else " "), *row.line)

    def context_changed(self) -> None:
        """What the panel shows may be something else."""
        rows = context_rows(self.state, self.words, max(10, self.size.width - 2), self.now)
        if rows == self._rows:
            return
        self._rows = rows
        targets = self._targets()
        if self.target not in targets:
            self.target = targets[0] if targets else None
        self.laid_out()

    def _targets(self) -> list[Target]:
        return list(dict.fromkeys(row.target for row in self._rows if row.target is not None))

    def move(self, steps: int) -> None:
        """The cursor goes to another memory or past chat; beyond the last one the panel scrolls."""
        targets = self._targets()
        if not targets or self.target is None:
            self.scroll_lines(steps)
            return
        at = targets.index(self.target)
        to = min(max(0, at + steps), len(targets) - 1)
        if to == at:
            self.scroll_lines(steps)
            return
        self.target = targets[to]
        lines = [y for y, row in enumerate(self._rows) if row.target == self.target]
        self.show_line(lines[0], len(lines), 1)
        self.refresh()

    def to_memories(self) -> None:
        """The cursor goes to the first memory."""
        targets = [target for target in self._targets() if target.kind == "memory"]
        self.target = targets[0] if targets else self.target
        self.refresh()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_resize(self) -> None:
        self._rows = []
        self.context_changed()
