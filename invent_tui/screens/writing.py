"""Writing: the composer, sending and taking back."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

from invent_tui.need import AGENTS, group
from invent_tui.screens.reading import Reading
from invent_tui.state import Change
from shared.text import clean, clean_line

TYPING_EVERY = 3.0


class Writing(Reading):
    """Actions that make text."""

    def do_reply(self) -> None:
        """Take over and write: the cursor is in the text before the server has answered."""
        self._open_target()
        chat, both = self.state.open_chat, self._with_desk()
        if chat is None or both is None:
            return
        if group(chat, self.state.name) == AGENTS:
            self.ask_force(chat.id, chat.assignee or "")
            return
        both[1].take_over(chat)
        self._write(note=False)

    def do_note(self) -> None:
        self._open_target()
        self._write(note=True)

    def _write(self, *, note: bool) -> None:
        if self.state.open_chat is None:
            return
        self.writing = True
        self.screen.composer.note = note
        self.screen.thread_pane.add_class("writing")
        self.screen.set_focus(self.screen.composer)
        self.screen.draw(Change.CHAT)

    def _stop_writing(self) -> None:
        self.keep_text()
        self.writing = False
        if not self.screen.composer.text.strip():
            self.screen.composer.note = False
        self.screen.set_focus(self.screen.thread)
        self.screen.call_after_refresh(self.screen.draw, Change.CHAT)

    def text_changed(self) -> None:
        """The agent types: colleagues may see it."""
        chat, desk = self.state.open_chat, self.screen.desk
        self.screen.draw_footer()
        empty = not self.screen.composer.text
        if empty is not self._empty:
            self._empty = empty
            self.screen.draw(Change.CHAT)
        if chat is None or desk is None or not self.screen.composer.text or self.screen.composer.note:
            return
        now = self.screen.inbox_app.clock.now() / 1e6
        if now - self._typed_at > TYPING_EVERY:
            self._typed_at = now
            desk.start(desk.client.typing(chat.id))

    def do_send(self) -> None:
        chat, both, composer = self.state.open_chat, self._with_desk(), self.screen.composer
        if chat is None or both is None:
            return
        text = clean(composer.text).strip()
        note = composer.note
        composer.begin("", note=False)
        self._texts.pop(chat.id, None)
        both[1].send(chat, text, note=note, put_back=lambda text, note: self._put_back(chat.id, text, note))

    def _put_back(self, chat_id: str, text: str, note: bool) -> None:
        if self.state.open_chat is not None and self.state.open_chat.id == chat_id:
            written = self.screen.composer.text
            self.screen.composer.begin(f"{text}\n{written}" if written.strip() else text, note=note)
            self.screen.set_focus(self.screen.composer)
        else:
            self._texts[chat_id] = (text, note)

    def do_insert_draft(self) -> None:
        composer = self.screen.composer
        composer.add(str(composer.placeholder))
        chat, acts = self.state.open_chat, self.screen.acts
        if chat is not None and acts is not None:
            acts.suggestions.pop(chat.id, None)

    def do_editor(self) -> None:
        """Write in $EDITOR; the inbox waits."""
        composer = self.screen.composer
        command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "message.txt"
            file.write_text(composer.text, "utf-8")
            try:
                with self.screen.app.suspend():
                    # The editor is to hear of a terminal that hangs up; the inbox keeps that for a thread of its own.
                    kept = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
                    try:
                        subprocess.run([*command, str(file)], check=False)
                    finally:
                        signal.pthread_sigmask(signal.SIG_SETMASK, kept)
            except OSError as error:
                self.screen.say(clean_line(f"{command[0]}: {error.strerror}"), "error")
                return
            composer.begin(clean(file.read_text("utf-8", errors="replace")).rstrip("\n"), note=composer.note)

    def do_undo(self) -> None:
        """Take back what is held; else what could not be sent."""
        both = self._with_desk()
        if both is None or both[0].holding.undo() is not None:
            return
        item, chat = both[1].failed(), self.state.open_chat
        if item is not None and chat is not None and self.state.thread is not None:
            self.state.thread.drop_pending(item.client_id)
            self._put_back(chat.id, item.text, item.note)
            self.screen.draw(Change.THREAD)

    def do_undo_send(self) -> None:
        composer = self.screen.composer
        if not composer.text and self.screen.desk is not None and self.screen.desk.holding.act is not None:
            self.do_undo()
        else:
            composer.action_undo()

    def do_send_again(self) -> None:
        self._chat(lambda acts, chat: acts.send_again(chat))

    def ask_force(self, chat_id: str, name: str) -> None:
        """A colleague has the chat: take it from them?"""
        from invent_tui.screens.dialogs import Confirm

        chat, tr = self.state.chat(chat_id), self.words.tr
        if chat is None:
            return
        who = name or tr("Another agent")

        def answer(yes: bool | None) -> None:
            if yes and self.screen.acts is not None:
                self.screen.acts.take_over(self.state.chat(chat_id) or chat, force=True)
                self._write(note=False)

        question = tr("{name} has the chat with {customer}. Take it over?", name=who, customer=chat.customer.name)
        self.screen.app.push_screen(Confirm(tr("Take over"), question, tr("Take over"), tr("Cancel")), answer)
