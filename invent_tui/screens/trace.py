"""The way of one message, over the inbox: steps as a waterfall, passages, the prompt. `J`, `K`: its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from invent_tui.cells import Line, wrap
from invent_tui.errors import ApiError, Unreachable
from invent_tui.screens.dialogs import Dialog
from invent_tui.trace_lines import trace_lines
from invent_tui.widgets.lines import LineView

if TYPE_CHECKING:
    from invent_tui.desk import Desk
    from invent_tui.words import Words
    from shared.models import Message, Trace

_SHOWN = ("customer", "assistant", "agent")


class Lines(LineView):
    """The lines of the way."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def height_of_all(self) -> int:
        return len(self.lines)

    def line_at(self, y: int) -> Line:
        return self.lines[y]


class TraceScreen(Dialog[None]):
    """`messages`: those of the open thread, oldest first; the newest with a way of its own is shown first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,T", "leave", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown,space,ctrl+d", "scroll(12)", show=False),
        Binding("pageup,ctrl+u", "scroll(-12)", show=False),
        Binding("J,right", "step(1)", show=False),
        Binding("K,left", "step(-1)", show=False),
        Binding("p", "prompt", show=False),
    ]

    def __init__(self, desk: Desk, words: Words, messages: list[Message]) -> None:
        tr = words.tr
        super().__init__(tr("The way of a message"), tr("J K other messages, p prompt, esc leaves"))
        self.desk = desk
        self.words = words
        self.messages = [one for one in messages if one.author.kind in _SHOWN and one.kind == "text"]
        self.at = len(self.messages) - 1
        self.trace: Trace | None = None
        self.prompt = False
        self.problem = ""
        self.view = Lines()

    def compose(self) -> ComposeResult:
        with self.box():
            yield self.view

    def on_mount(self) -> None:
        self.load()

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def load(self) -> None:
        """Ask for the way of the chosen message."""
        self.trace, self.problem = None, ""
        if self.messages:
            self.desk.start(self._load(self.messages[self.at]))
        self.draw()

    async def _load(self, message: Message) -> None:
        try:
            found: Trace | None = (await self.desk.client.trace(message.id)).value
        except (ApiError, Unreachable) as error:
            found, self.problem = None, str(error)
        if self.is_attached and self.messages[self.at].id == message.id:
            self.trace = found
            self.draw()

    def draw(self) -> None:
        """Paint what is known."""
        width = max(20, self.view.size.width)
        tr = self.words.tr
        if self.trace is not None:
            self.view.lines = trace_lines(self.trace, self.messages[self.at], self.words, width, prompt=self.prompt)
        else:
            text = self.problem or (tr("It comes …") if self.messages else tr("Nothing has been written here yet"))
            self.view.lines = [(("dim", part),) for part in wrap(text, width)]
        self.view.laid_out(0)

    def action_scroll(self, lines: int) -> None:
        self.view.scroll_lines(lines)

    def action_step(self, steps: int) -> None:
        to = min(max(0, self.at + steps), len(self.messages) - 1)
        if self.messages and to != self.at:
            self.at = to
            self.load()

    def action_prompt(self) -> None:
        self.prompt = not self.prompt
        self.draw()
