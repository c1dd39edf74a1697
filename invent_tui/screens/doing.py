"""What each action of the table does on the inbox screen: one method per action, named `do_` and its id."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget

from invent_tui.actions import BY_ID
from invent_tui.need import AGENTS, WAITING, group
from invent_tui.state import Change
from shared.text import clean, clean_line

if TYPE_CHECKING:
    from invent_tui.acts import Acts
    from invent_tui.desk import Desk
    from invent_tui.screens.inbox import InboxScreen
    from invent_tui.state import State
    from invent_tui.words import Words
    from shared.models import Conversation, Memory

FILTER_DELAY = 0.2
TYPING_EVERY = 3.0


class Doing:
    """The hands of the inbox screen."""

    def __init__(self, screen: InboxScreen) -> None:
        self.screen = screen
        self.writing = False
        """The composer was asked for and stays until left."""
        self.summaries: set[str] = set()
        """Chats whose summary the agent wants to see."""
        self._texts: dict[str, tuple[str, bool]] = {}
        self._filter_timer: Timer | None = None
        self._typed_at = 0.0

    def run(self, action_id: str) -> None:
        """Carry out an action."""
        handler: Callable[[], None] = getattr(self, f"do_{action_id}")
        handler()

    # ------------------------------------------------------------------ shortcuts

    @property
    def state(self) -> State:
        return self.screen.state

    @property
    def words(self) -> Words:
        return self.screen.words

    def _with_desk(self) -> tuple[Desk, Acts] | None:
        if self.screen.desk is None or self.screen.acts is None or self.state.me is None:
            self.screen.say(self.words.t("Not connected yet"), "warning")
            return None
        return self.screen.desk, self.screen.acts

    def _chat(self, act: Callable[[Acts, Conversation], None]) -> None:
        """Do something with the conversation that is meant."""
        chat, both = self.screen.target(), self._with_desk()
        if chat is not None and both is not None:
            act(both[1], chat)

    # ------------------------------------------------------------------ moving

    def do_down(self) -> None:
        self._step(1)

    def do_up(self) -> None:
        self._step(-1)

    def do_half_down(self) -> None:
        self._step(0.5)

    def do_half_up(self) -> None:
        self._step(-0.5)

    def do_page_down(self) -> None:
        self._step(1.0, page=True)

    def do_page_up(self) -> None:
        self._step(-1.0, page=True)

    def do_top(self) -> None:
        self._end(end=False)

    def do_bottom(self) -> None:
        self._end(end=True)

    def _step(self, amount: float, *, page: bool = False) -> None:
        screen, context = self.screen, self.screen.context
        paged = page or isinstance(amount, float)
        if context == "list":
            size = screen.chats.rows_per_page()
            screen.chats.move(round(amount * size) or (1 if amount > 0 else -1) if paged else int(amount))
        elif context == "thread":
            screen.thread.scroll_lines(round(amount * screen.thread.size.height) if paged else int(amount))
        elif paged:
            screen.panel.scroll_lines(round(amount * screen.panel.size.height))
        else:
            screen.panel.move(int(amount))

    def _end(self, *, end: bool) -> None:
        screen, context, rows = self.screen, self.screen.context, self.state.rows
        if context == "thread":
            screen.thread.to_end(end=end)
        elif context == "context":
            screen.panel.scroll_lines(10_000 if end else -10_000)
        elif screen.desk is not None and (rows.after if end else rows.before):
            screen.desk.jump(end=end)
        else:
            screen.chats.move(len(rows.order) if end else -len(rows.order))

    # ------------------------------------------------------------------ panes

    def do_next_pane(self) -> None:
        self._cycle(1)

    def do_previous_pane(self) -> None:
        self._cycle(-1)

    def do_pane_list(self) -> None:
        self.keep_text()
        self.screen.remove_class("reading")
        self.screen.chats.focus()

    def do_pane_thread(self) -> None:
        if self.state.open_chat is not None:
            self.screen.add_class("reading")
            self.screen.thread.focus()
        else:
            self.do_open()

    def do_pane_context(self) -> None:
        self._show_context()
        self.screen.panel.focus()

    def do_pane_composer(self) -> None:
        self._open_target()
        self._write(note=self.screen.composer.note)

    def _panes(self) -> list[Widget]:
        screen = self.screen
        panes: list[Widget] = [screen.chats, screen.thread, screen.composer, screen.panel]
        return [
            pane
            for pane in panes
            if pane.display and all(parent.display for parent in pane.ancestors_with_self if isinstance(parent, Widget))
        ]

    def _cycle(self, step: int) -> None:
        panes = self._panes()
        focused = self.screen.focused
        here = panes.index(focused) if focused in panes else -1 if step > 0 else 0
        if panes:
            panes[(here + step) % len(panes)].focus()

    def do_context(self) -> None:
        screen = self.screen
        if screen.context_pane.display:
            self._hide_context()
        else:
            self._open_target()
            self._show_context()

    def _show_context(self) -> None:
        self.screen.add_class("context").remove_class("no-context")
        self.screen.call_after_refresh(self.screen.panel.context_changed)

    def _hide_context(self) -> None:
        if self.screen.context == "context":
            (self.screen.thread if self.state.open_chat is not None else self.screen.chats).focus()
        self.screen.remove_class("context").add_class("no-context")

    def do_back(self) -> None:
        """Close what is on top: panel, composer, thread, filter."""
        screen, context = self.screen, self.screen.context
        if screen.has_class("context") and not screen.has_class("-three"):
            self._hide_context()
        elif context == "composer":
            self._stop_writing()
        elif context == "filter":
            self._clear_filter()
        elif context == "context":
            screen.thread.focus()
        elif context == "thread":
            self.close_thread()
        elif screen.filter_line.value:
            self._clear_filter()
        elif self.state.open_chat is not None:
            self.close_thread()

    def do_close(self) -> None:
        if self.screen.context == "list" and not self.screen.has_class("context"):
            self._leave()
        else:
            self.do_back()

    def _leave(self) -> None:
        from invent_tui.screens.dialogs import Confirm

        t = self.words.t
        unsent = [text for text, _ in self._texts.values() if text.strip()]
        question = t("Leave the inbox? A text that you have begun will be lost.") if unsent else t("Leave the inbox?")

        def leave(yes: bool | None) -> None:
            if yes:
                self.screen.run_worker(self.screen.leave())

        self.screen.app.push_screen(Confirm(t("Leave"), question, t("Leave"), t("Stay")), leave)

    # ------------------------------------------------------------------ reading

    def do_open(self) -> None:
        if self._open_target():
            self.screen.thread.focus()

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
        self.screen.chats.focus()
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
            self.screen.say(self.words.t("Nobody waits"))
            return
        at = waiting.index(here) + 1 if here in waiting and self.state.open_chat is not None else 0
        chosen = waiting[at % len(waiting)]
        self.screen.chats.put(chosen)
        self.open(chosen)
        self.screen.thread.focus()

    # ------------------------------------------------------------------ writing

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
        self.screen.composer.focus()
        self.screen.draw(Change.CHAT)

    def _stop_writing(self) -> None:
        self.keep_text()
        self.writing = False
        if not self.screen.composer.text.strip():
            self.screen.composer.note = False
        self.screen.thread.focus()
        self.screen.call_after_refresh(self.screen.draw, Change.CHAT)

    def keep_text(self) -> None:
        """Remember what is written in the open chat."""
        chat, composer = self.state.open_chat, self.screen.composer
        if chat is not None:
            self._texts[chat.id] = (composer.text, composer.note)

    def text_changed(self) -> None:
        """The agent types: colleagues may see it."""
        chat, desk = self.state.open_chat, self.screen.desk
        self.screen.draw_footer()
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
            self.screen.composer.focus()
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
                    subprocess.run([*command, str(file)], check=False)
            except OSError as error:
                self.screen.say(clean_line(f"{command[0]}: {error.strerror}"), "error")
                return
            composer.begin(clean(file.read_text("utf-8", errors="replace")).rstrip("\n"), note=composer.note)

    def do_undo(self) -> None:
        if self.screen.desk is not None and self.screen.desk.holding.undo() is None:
            self.screen.say(self.words.t("There is nothing to take back"))

    def do_undo_send(self) -> None:
        composer = self.screen.composer
        if not composer.text and self.screen.desk is not None and self.screen.desk.holding.act is not None:
            self.do_undo()
        else:
            composer.action_undo()

    def do_send_again(self) -> None:
        self._chat(lambda acts, chat: acts.send_again(chat))

    # ------------------------------------------------------------------ the chat

    def do_hand_back(self) -> None:
        self._chat(lambda acts, chat: acts.hand_back(chat))

    def do_resolve(self) -> None:
        self._chat(lambda acts, chat: acts.resolve(chat))

    def do_reopen(self) -> None:
        self._chat(lambda acts, chat: acts.reopen(chat))

    def do_suggestion(self) -> None:
        self._open_target()
        self._chat(lambda acts, chat: acts.suggest(chat))
        self._write(note=False)

    def do_suggestion_here(self) -> None:
        self._chat(lambda acts, chat: acts.suggest(chat))

    def do_summary(self) -> None:
        self._open_target()
        chat = self.state.open_chat
        if chat is not None:
            self.summaries.add(chat.id)
            self._chat(lambda acts, chat: acts.summarize(chat))
            self.screen.draw(Change.CHAT)

    def ask_force(self, chat_id: str, name: str) -> None:
        """A colleague has the chat: take it from them?"""
        from invent_tui.screens.dialogs import Confirm

        chat, t = self.state.chat(chat_id), self.words.t
        if chat is None:
            return
        who = name or t("Another agent")

        def answer(yes: bool | None) -> None:
            if yes and self.screen.acts is not None:
                self.screen.acts.take_over(self.state.chat(chat_id) or chat, force=True)
                self._write(note=False)

        question = t("{name} has the chat with {customer}. Take it over?", name=who, customer=chat.customer.name)
        self.screen.app.push_screen(Confirm(t("Take over"), question, t("Take over"), t("Cancel")), answer)

    def do_assign(self) -> None:
        self._chat(self._choose_agent)

    def _choose_agent(self, acts: Acts, chat: Conversation) -> None:
        assert self.screen.desk is not None
        self.screen.desk.start(self._assign(acts, chat))

    async def _assign(self, acts: Acts, chat: Conversation) -> None:
        from invent_tui.screens.dialogs import Pick

        assert self.screen.desk is not None
        agents = (await self.screen.desk.client.agents()).value.items
        t = self.words.t
        choices = [("", t("the queue: whoever is free"))]
        for agent in agents:
            if not agent.disabled:
                here = t("here") if agent.present else t("away")
                choices.append((agent.id, self.words.dots(agent.name, here)))

        def chosen(agent_id: str | None) -> None:
            if agent_id is not None:
                acts.assign(chat, agent_id or None)

        self.screen.app.push_screen(Pick(t("Assign"), choices, t("enter assigns, esc leaves")), chosen)

    def do_snooze(self) -> None:
        self._chat(self._snooze)

    def _snooze(self, acts: Acts, chat: Conversation) -> None:
        from invent_tui.screens.dialogs import Pick

        t = self.words.t
        now = self.words.local(self.screen.inbox_app.clock.now())
        morning = now.replace(hour=9, minute=0, second=0, microsecond=0)
        monday = morning + timedelta(days=7 - now.weekday())
        moments = [
            (t("an hour"), now + timedelta(hours=1)),
            (t("four hours"), now + timedelta(hours=4)),
            (t("tomorrow morning"), morning + timedelta(days=1)),
            (t("Monday morning"), monday),
            (t("a week"), now + timedelta(days=7)),
        ]
        choices = []
        for label, moment in moments:
            micros = round(moment.timestamp() * 1_000_000)
            clock = f"{self.words.short_day(micros).strip()} {self.words.clock(micros)}"
            choices.append((str(micros), self.words.dots(label, clock)))

        def chosen(value: str | None) -> None:
            if value is not None:
                acts.snooze(chat, int(value))

        self.screen.app.push_screen(Pick(t("Snooze until"), choices, t("enter snoozes, esc leaves")), chosen)

    def do_tags(self) -> None:
        self._chat(self._tags)

    def _tags(self, acts: Acts, chat: Conversation) -> None:
        from invent_tui.screens.dialogs import Ask

        t = self.words.t

        def written(value: str | None) -> None:
            if value is not None:
                tags = [tag for part in value.replace("#", " ").split(",") if (tag := " ".join(part.split())[:50])]
                acts.patch(chat, tags=list(dict.fromkeys(tags))[:30])

        foot = t("separated by commas; enter keeps, esc leaves")
        self.screen.app.push_screen(Ask(t("Tags"), ", ".join(chat.tags), foot, 1000), written)

    def do_priority(self) -> None:
        self._chat(self._priority)

    def _priority(self, acts: Acts, chat: Conversation) -> None:
        from invent_tui.screens.dialogs import Pick

        choices = [(name, self.words.priority(name)) for name in ("urgent", "high", "normal", "low")]

        def chosen(value: str | None) -> None:
            if value is not None:
                acts.patch(chat, priority=value)

        self.screen.app.push_screen(Pick(self.words.t("Priority"), choices, self.words.t("esc leaves")), chosen)

    # ------------------------------------------------------------------ memories

    def do_memories(self) -> None:
        self._open_target()
        self._show_context()
        self.screen.panel.focus()
        self.screen.call_after_refresh(self.screen.panel.to_memories)

    def _memory(self) -> Memory | None:
        target = self.screen.panel.target
        return next((one for one in self.state.memories if target is not None and one.id == target.id), None)

    def do_add_memory(self) -> None:
        from invent_tui.screens.dialogs import Ask, Pick
        from invent_tui.words import MEMORY_TYPES

        customer, acts, t = self.state.customer, self.screen.acts, self.words.t
        if customer is None or acts is None:
            return

        def written(text: str | None) -> None:
            if text:
                choices = [(name, t(label)) for name, label in MEMORY_TYPES.items()]
                pick = Pick(t("What kind of memory?"), choices, t("esc leaves"))
                self.screen.app.push_screen(pick, lambda kind: acts.remember(customer.id, text, kind) if kind else None)

        self.screen.app.push_screen(Ask(t("Remember"), "", t("enter keeps, esc leaves")), written)

    def do_edit_memory(self) -> None:
        from invent_tui.screens.dialogs import Ask

        memory, acts, t, target = self._memory(), self.screen.acts, self.words.t, self.screen.panel.target
        if memory is None or acts is None:
            past = next((one for one in self.state.past if target is not None and one.id == target.id), None)
            if past is not None:
                self._open_past(past)
            return

        def written(text: str | None) -> None:
            if text and text != memory.text:
                acts.change_memory(memory, text=text)

        self.screen.app.push_screen(Ask(t("Memory"), memory.text, t("enter keeps, esc leaves")), written)

    def _open_past(self, chat: Conversation) -> None:
        if chat.id not in self.state.rows.chats:
            self.state.open_chat = chat  # not in the loaded part of the list: what we know of it is enough to begin
        self.open(chat.id)
        self.screen.thread.focus()

    def do_pin_memory(self) -> None:
        memory, acts = self._memory(), self.screen.acts
        if memory is not None and acts is not None:
            acts.change_memory(memory, pinned=not memory.pinned)

    def do_forget_memory(self) -> None:
        from invent_tui.screens.dialogs import Confirm

        memory, acts, t = self._memory(), self.screen.acts, self.words.t
        if memory is None or acts is None:
            return

        def answer(yes: bool | None) -> None:
            if yes:
                acts.forget(memory)

        self.screen.app.push_screen(Confirm(t("Forget"), memory.text, t("Forget it"), t("Keep it")), answer)

    # ------------------------------------------------------------------ filter

    def do_filter(self) -> None:
        self.screen.remove_class("reading")
        self.screen.filter_line.focus()

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

    def _clear_filter(self) -> None:
        self.screen.filter_line.value = ""
        self.screen.chats.focus()

    # ------------------------------------------------------------------ help

    def do_help(self) -> None:
        from invent_tui.screens.dialogs import Help

        t = self.words.t
        lines: list[Content] = []
        for action, keys, why in self.screen.offered():
            head = Content.styled(f"{', '.join(keys):<18}", "$accent")
            label = f"{t(action.label):<18} "
            body = t(action.help) if why is None else f"{t(action.help)} ({t(why)})"
            lines.append(Content.assemble(head, label, Content.styled(body, "$quiet" if why else "")))
        self.screen.app.push_screen(Help(t("Keys"), Content("\n").join(lines), t("esc closes")))

    def do_palette(self) -> None:
        self.screen.inbox_app.open_palette()

    def do_redraw(self) -> None:
        self.screen.app.refresh(layout=True)


assert all(hasattr(Doing, f"do_{action_id}") for action_id in BY_ID), "an action of the table does nothing"
