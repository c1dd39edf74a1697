"""Small screens over the inbox: choose one of a few, write one line, confirm, read all keys.

External text in them is Content, never markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from shared.text import clean_line

Result = TypeVar("Result")


class Dialog(ModalScreen[Result], Generic[Result]):
    """A box in the middle; `esc` leaves without a result."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, title: str, foot: str = "") -> None:
        super().__init__()
        self.heading = title
        self.foot = foot

    def action_leave(self) -> None:
        self.dismiss(None)

    def box(self) -> Vertical:
        """The frame that holds the dialog."""
        frame = Vertical(classes="box")
        frame.border_title = Content(self.heading)
        if self.foot:
            frame.border_subtitle = Content(self.foot)
        return frame


class Pick(Dialog[str]):
    """Choose one of a few: (value, text) pairs, read top down."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "step(1)", show=False),
        Binding("k", "step(-1)", show=False),
        Binding("q", "leave", show=False),
    ]

    def __init__(self, title: str, choices: Sequence[tuple[str, str]], foot: str = "") -> None:
        super().__init__(title, foot)
        self.choices = choices

    def compose(self) -> ComposeResult:
        with self.box():
            yield OptionList(
                *(Option(Content(text), id=str(n)) for n, (_, text) in enumerate(self.choices)), compact=True
            )

    def action_step(self, steps: int) -> None:
        listed = self.query_one(OptionList)
        (listed.action_cursor_down if steps > 0 else listed.action_cursor_up)()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self.choices[event.option_index][0])


class Ask(Dialog[str]):
    """Write one line."""

    def __init__(self, title: str, value: str, foot: str, limit: int = 200) -> None:
        super().__init__(title, foot)
        self.value = value
        self.limit = limit

    def compose(self) -> ComposeResult:
        with self.box():
            line = Input(self.value, max_length=self.limit, compact=True, select_on_focus=False)
            line.cursor_blink = False
            yield line

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(clean_line(event.value))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()


class Confirm(Dialog[bool]):
    """Yes or no to something that is hard to undo; Cancel has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", show=False),
        Binding("n", "leave", show=False),
        Binding("left,h,right,l", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, question: str, yes: str, no: str) -> None:
        super().__init__(title)
        self.question = question
        self.yes = yes
        self.no = no

    def compose(self) -> ComposeResult:
        with self.box():
            yield Label(Content(self.question))
            with Horizontal():
                yield Button(Content(self.no), id="no", compact=True)
                yield Button(Content(self.yes), id="yes", compact=True, variant="primary")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes")

    def action_yes(self) -> None:
        self.dismiss(True)


class Help(Dialog[None]):
    """All keys of one place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,question_mark,f1", "leave", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
    ]

    def __init__(self, title: str, text: Content, foot: str) -> None:
        super().__init__(title, foot)
        self.text = text

    def compose(self) -> ComposeResult:
        with self.box(), VerticalScroll():
            yield Static(self.text, markup=False)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
