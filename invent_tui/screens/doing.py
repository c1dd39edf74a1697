"""What each action of the table does on the inbox screen: one method per action, named `do_` and its id."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from invent_tui.actions import ACTIONS, INBOX
from invent_tui.screens.moving import Moving
from invent_tui.state import Change

if TYPE_CHECKING:
    from invent_tui.acts import Acts
    from shared.models import Conversation, Memory


class Doing(Moving):
    """All actions; those on a chat and on memories are here."""

    def run(self, action_id: str) -> None:
        """Carry out an action."""
        handler: Callable[[], None] = getattr(self, f"do_{action_id}")
        handler()

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

    def do_instructions(self) -> None:
        from invent_tui.screens.instructions import InstructionsScreen

        self._open_target()
        chat, desk = self.state.open_chat, self.screen.desk
        if chat is not None and desk is not None:
            self.screen.app.push_screen(InstructionsScreen(self.screen, desk, chat))

    def do_trace(self) -> None:
        from invent_tui.screens.trace import TraceScreen

        self._open_target()
        desk, thread = self.screen.desk, self.state.thread
        if desk is not None and thread is not None:
            messages = [thread.messages[one] for one in thread.order]
            self.screen.app.push_screen(TraceScreen(desk, self.words, messages))

    def do_summary(self) -> None:
        self._open_target()
        chat = self.state.open_chat
        if chat is not None:
            self.summaries.add(chat.id)
            self._chat(lambda acts, chat: acts.summarize(chat))
            self.screen.draw(Change.CHAT)

    def do_assign(self) -> None:
        self._chat(self._choose_agent)

    def _choose_agent(self, acts: Acts, chat: Conversation) -> None:
        assert self.screen.desk is not None
        self.screen.desk.start(self._assign(acts, chat))

    async def _assign(self, acts: Acts, chat: Conversation) -> None:
        from invent_tui.screens.dialogs import Pick

        assert self.screen.desk is not None
        agents = (await self.screen.desk.client.agents()).value.items
        tr = self.words.tr
        choices = [("", tr("the queue: whoever is free"))]
        for agent in agents:
            if not agent.disabled:
                here = tr("here") if agent.present else tr("away")
                choices.append((agent.id, self.words.dots(agent.name, here)))

        def chosen(agent_id: str | None) -> None:
            if agent_id is not None:
                acts.assign(chat, agent_id or None)

        self.screen.app.push_screen(Pick(tr("Assign"), choices, tr("enter assigns, esc leaves")), chosen)

    def do_snooze(self) -> None:
        self._chat(self._snooze)

    def _snooze(self, acts: Acts, chat: Conversation) -> None:
        from invent_tui.screens.dialogs import Pick

        tr = self.words.tr
        now = self.words.local(self.screen.inbox_app.clock.now())
        morning = now.replace(hour=9, minute=0, second=0, microsecond=0)
        monday = morning + timedelta(days=7 - now.weekday())
        moments = [
            (tr("an hour"), now + timedelta(hours=1)),
            (tr("four hours"), now + timedelta(hours=4)),
            (tr("tomorrow morning"), morning + timedelta(days=1)),
            (tr("Monday morning"), monday),
            (tr("a week"), now + timedelta(days=7)),
        ]
        choices = []
        for label, moment in moments:
            micros = round(moment.timestamp() * 1_000_000)
            clock = f"{self.words.short_day(micros).strip()} {self.words.clock(micros)}"
            choices.append((str(micros), self.words.dots(label, clock)))

        def chosen(value: str | None) -> None:
            if value is not None:
                acts.snooze(chat, int(value))

        self.screen.app.push_screen(Pick(tr("Snooze until"), choices, tr("enter snoozes, esc leaves")), chosen)

    def do_tags(self) -> None:
        self._chat(self._tags)

    def _tags(self, acts: Acts, chat: Conversation) -> None:
        from invent_tui.screens.dialogs import Ask

        tr = self.words.tr

        def written(value: str | None) -> None:
            if value is not None:
                tags = [tag for part in value.replace("#", " ").split(",") if (tag := " ".join(part.split())[:50])]
                acts.patch(chat, tags=list(dict.fromkeys(tags))[:30])

        foot = tr("separated by commas; enter keeps, esc leaves")
        self.screen.app.push_screen(Ask(tr("Tags"), ", ".join(chat.tags), foot, 1000), written)

    def do_priority(self) -> None:
        self._chat(self._priority)

    def _priority(self, acts: Acts, chat: Conversation) -> None:
        from invent_tui.screens.dialogs import Pick

        choices = [(name, self.words.priority(name)) for name in ("urgent", "high", "normal", "low")]

        def chosen(value: str | None) -> None:
            if value is not None:
                acts.patch(chat, priority=value)

        self.screen.app.push_screen(Pick(self.words.tr("Priority"), choices, self.words.tr("esc leaves")), chosen)

    # ------------------------------------------------------------------ memories

    def do_memories(self) -> None:
        self._open_target()
        self._show_context()
        self.screen.set_focus(self.screen.panel)
        self.screen.call_after_refresh(self.screen.panel.to_memories)

    def _memory(self) -> Memory | None:
        target = self.screen.panel.target
        return next((one for one in self.state.memories if target is not None and one.id == target.id), None)

    def do_add_memory(self) -> None:
        from invent_tui.labels import MEMORY_TYPES
        from invent_tui.screens.dialogs import Ask, Pick

        customer, acts, tr = self.state.customer, self.screen.acts, self.words.tr
        if customer is None or acts is None:
            return

        def written(text: str | None) -> None:
            if text:
                choices = [(name, tr(label)) for name, label in MEMORY_TYPES.items()]
                pick = Pick(tr("What kind of memory?"), choices, tr("esc leaves"))
                self.screen.app.push_screen(pick, lambda kind: acts.remember(customer.id, text, kind) if kind else None)

        self.screen.app.push_screen(Ask(tr("Remember"), "", tr("enter keeps, esc leaves")), written)

    def do_edit_memory(self) -> None:
        from invent_tui.screens.dialogs import Ask

        memory, acts, tr, target = self._memory(), self.screen.acts, self.words.tr, self.screen.panel.target
        if memory is None or acts is None:
            past = next((one for one in self.state.past if target is not None and one.id == target.id), None)
            if past is not None:
                self._open_past(past)
            return

        def written(text: str | None) -> None:
            if text and text != memory.text:
                acts.change_memory(memory, text=text)

        self.screen.app.push_screen(Ask(tr("Memory"), memory.text, tr("enter keeps, esc leaves")), written)

    def _open_past(self, chat: Conversation) -> None:
        if chat.id not in self.state.rows.chats:
            self.state.open_chat = chat  # not in the loaded part of the list: what we know of it is enough to begin
        self.open(chat.id)
        self.screen.set_focus(self.screen.thread)

    def do_pin_memory(self) -> None:
        memory, acts = self._memory(), self.screen.acts
        if memory is not None and acts is not None:
            acts.change_memory(memory, pinned=not memory.pinned)

    def do_forget_memory(self) -> None:
        from invent_tui.screens.dialogs import Confirm

        memory, acts, tr = self._memory(), self.screen.acts, self.words.tr
        if memory is None or acts is None:
            return

        def answer(yes: bool | None) -> None:
            if yes:
                acts.forget(memory)

        self.screen.app.push_screen(Confirm(tr("Forget"), memory.text, tr("Forget it"), tr("Keep it")), answer)


_OURS = [one.id for one in ACTIONS if set(one.contexts) & set(INBOX)]
assert all(hasattr(Doing, f"do_{action_id}") for action_id in _OURS), "an action of the table does nothing"
