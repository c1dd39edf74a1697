"""Reading: opening conversations, the filter, help."""

from __future__ import annotations

from textual.content import Content

from invent_tui.need import WAITING, group
from invent_tui.screens.hands import Hands
from invent_tui.state import Change

FILTER_DELAY = 0.2


class Reading(Hands):
    """Actions that find and open."""

    def do_open(self) -> None:
        if self.screen.desk is not None and self.screen.desk.filtering:
            self.open_listed = True
            return
        if self._open_target():
            self.screen.set_focus(self.screen.thread)

    def _open_target(self) -> bool:
        """Open what the cursor of the list stands on, unless the keys are elsewhere."""
        chat = self.screen.target()
        if chat is None or self._with_desk() is None:
            return False
        self.open(chat.id)
        return True

    def open(self, chat_id: str) -> None:
        """Read a conversation; what was being written in the one before is kept."""
        screen, desk = self.screen, self.screen.desk
        screen.add_class("reading")
        if desk is None or (self.state.open_chat is not None and self.state.open_chat.id == chat_id):
            return
        self.keep_text()
        self.writing = False
        text, note = self._texts.get(chat_id, ("", False))
        desk.open(chat_id)
        screen.composer.begin(text, note=note)
        screen.draw(Change.CHAT)

    def close_thread(self) -> None:
        """Back to the list."""
        self.keep_text()
        self.writing = False
        self.screen.remove_class("reading")
        self.screen.set_focus(self.screen.chats)
        if self.screen.desk is not None:
            self.screen.desk.close_chat()

    def do_next_chat(self) -> None:
        self._neighbour(1)

    def do_previous_chat(self) -> None:
        self._neighbour(-1)

    def _neighbour(self, step: int) -> None:
        self.screen.chats.move(step)
        held = self.state.rows.held
        if held is not None:
            self.open(held)

    def do_next_waiting(self) -> None:
        rows, me = self.state.rows, self.state.name
        here = self.state.open_chat.id if self.state.open_chat is not None else rows.held
        waiting = [chat_id for chat_id in rows.order if group(rows.chats[chat_id], me) == WAITING]
        if not waiting:
            self.screen.say(self.words.tr("Nobody waits"))
            return
        at = waiting.index(here) + 1 if here in waiting and self.state.open_chat is not None else 0
        chosen = waiting[at % len(waiting)]
        self.screen.chats.put(chosen)
        self.open(chosen)
        self.screen.set_focus(self.screen.thread)

    def do_filter(self) -> None:
        self.screen.remove_class("reading")
        self.screen.set_focus(self.screen.filter_line)

    def filter_edited(self, text: str) -> None:
        """Apply the filter when typing pauses."""
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._filter_timer = self.screen.set_timer(FILTER_DELAY, lambda: self._apply_filter(text))

    def _apply_filter(self, text: str) -> None:
        desk, note = self.screen.desk, self.screen.filter_note
        if desk is None:
            return
        wrong = desk.set_filter(text)
        note.set_class(wrong is not None, "wrong")
        if wrong is not None:
            mark = " " * min(wrong.position, max(0, note.size.width - 1)) + "^"
            note.update(Content(f"{mark}\n{wrong.problem}"))

    def do_apply_filter(self) -> None:
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._apply_filter(self.screen.filter_line.value)
        self.screen.set_focus(self.screen.chats)

    def _clear_filter(self) -> None:
        self.screen.filter_line.value = ""
        self.screen.set_focus(self.screen.chats)

    def do_help(self) -> None:
        from invent_tui.screens.keys import keys_help

        self.screen.app.push_screen(keys_help(self.screen.offered(), self.words, self.screen.size.width))

    def do_palette(self) -> None:
        self.screen.inbox_app.open_palette()

    def do_redraw(self) -> None:
        self.screen.app.refresh(layout=True)
