"""What a new version changes, and the note that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from invent_tui.answer_lines import SECTIONS
from invent_tui.screens.dialogs import Dialog
from shared.text import clean_line

if TYPE_CHECKING:
    from invent_tui.words import Words
    from shared.instructions import InstructionDiff

TONES = {"+": "$success", "-": "$error", " ": "$quiet"}


def diff_text(diff: InstructionDiff, words: Words) -> Content:
    """The changed lines of each section."""
    lines: list[Content] = []
    for section in diff.sections:
        lines.append(Content.styled(words.tr(SECTIONS[section.section]), "$accent"))
        lines += [Content.styled(f"{one.mark} {one.text}", TONES[one.mark]) for one in section.lines]
    return Content("\n").join(lines) if lines else Content(words.tr("Nothing differs."))


class Publish(Dialog[str]):
    """A difference to read and, unless `read_only`, a note to write; enter publishes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+d", "scroll(1)", show=False, priority=True),
        Binding("up,ctrl+u", "scroll(-1)", show=False, priority=True),
        Binding("pagedown", "scroll(8)", show=False, priority=True),
        Binding("pageup", "scroll(-8)", show=False, priority=True),
    ]

    def __init__(self, title: str, text: Content, note: str, foot: str, *, read_only: bool = False) -> None:
        super().__init__(title, foot)
        self.text = text
        self.note = note
        self.read_only = read_only

    def compose(self) -> ComposeResult:
        with self.box():
            with VerticalScroll():
                yield Static(self.text, markup=False)
            if not self.read_only:
                line = Input(placeholder=self.note, max_length=300, compact=True)
                line.cursor_blink = False
                yield line

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).can_focus = self.read_only
        if not self.read_only:
            self.query_one(Input).focus()

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(clean_line(event.value))
