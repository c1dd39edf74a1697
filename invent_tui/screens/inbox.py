"""The inbox: list, thread and customer side by side, or one over the other where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import on
from textual.widgets import TextArea

from invent_tui import bars
from invent_tui.actions import BY_ID, Action, in_context, keys_in
from invent_tui.acts import Acts
from invent_tui.desk import Desk, Tone
from invent_tui.screens.doing import Doing
from invent_tui.screens.painting import Painting
from invent_tui.state import Change
from invent_tui.widgets.chat_list import ChatList
from invent_tui.widgets.filter_line import FilterLine
from invent_tui.widgets.thread_view import ThreadView
from invent_tui.words import Words

if TYPE_CHECKING:
    from invent_tui.app import InventApp

TICK = 10.0


class InboxScreen(Painting):
    """Turns what the desk tells into paint, and keys into acts. Every action of the table ends in `action_do`."""

    def __init__(self, inbox_app: InventApp) -> None:
        super().__init__(inbox_app)
        self.doing = Doing(self)

    # ------------------------------------------------------------------ beginning

    def on_mount(self) -> None:
        self.set_class(self.words.glyphs.name == "ascii", "ascii")
        self.set_focus(self.chats)
        self._tick()
        self.set_interval(TICK, self._tick)
        self.set_interval(1.0, self._count_down)
        self.draw(Change.COUNTS | Change.LINK | Change.CHAT)
        self.call_after_refresh(lambda: self.run_worker(self._begin(), exit_on_error=False))

    async def _begin(self) -> None:
        """Load the client, enter, and follow the stream for as long as the screen lives."""
        from invent_tui.app import load

        try:
            client = await load(self.inbox_app.make_client)
        except Exception as error:  # whatever kept the server from starting is told in one line
            self.ended(str(error) or type(error).__name__)
            return
        desk = Desk(client, self.inbox_app.clock, self, hold=self.inbox_app.hold)
        for widget in (self, self.chats, self.thread, self.panel):
            widget.state = desk.state
        self.desk, self.acts = desk, Acts(desk, self.words)
        try:
            await desk.run()
        except Exception as error:  # an address that is none, or a fault of ours: one line, never a traceback
            self.ended(str(error) or type(error).__name__)
        finally:
            await desk.close()

    async def leave(self, code: int = 0) -> None:
        """Let what is held happen, then end."""
        if self.desk is not None:
            await self.desk.close()
        self.inbox_app.exit(code, return_code=code)

    # ------------------------------------------------------------------ the desk's view

    def entered(self) -> None:
        """Name, language and zone are known."""
        me = self.state.me
        assert me is not None
        words = Words(me.agent.language, me.agent.timezone, self.inbox_app.glyphs)
        self.inbox_app.words = self.chats.words = self.thread.words = self.panel.words = words
        if self.acts is not None:
            self.acts.words = words
        self.filter_line.placeholder = words.tr("/ filter")
        self.set_timer(1.0, self.inbox_app.settle)

    def say(self, text: str, tone: Tone = "information") -> None:
        """One line to the agent, for a while."""
        self.notify(text, severity=tone, markup=False, timeout=5)

    def draw(self, change: Change) -> None:
        """Paint what changed; then fetch and do what waited for it."""
        super().draw(change)
        if change & (Change.TOLD | Change.STALE):
            self._tell_instructions()
        if Change.LIST not in change or self.desk is None:
            return
        self.desk.near(self.state.rows.index(self.state.rows.held) or 0)
        if self.doing.open_listed and not self.desk.filtering:
            self.doing.open_listed = False
            self.call_next(self.action_do, "open")

    def _tell_instructions(self) -> None:
        """An open instructions screen shows what a colleague has changed."""
        from invent_tui.screens.instructions import InstructionsScreen

        for screen in self.inbox_app.screen_stack:
            if isinstance(screen, InstructionsScreen):
                screen.told()

    def taken(self, chat_id: str, name: str) -> None:
        """A colleague has the chat: ask before taking it from them."""
        self.doing.ask_force(chat_id, name)

    def ended(self, problem: str) -> None:
        """Leave with one line."""
        self.inbox_app.fail(problem)

    # ------------------------------------------------------------------ actions

    def offered(self) -> Iterable[tuple[Action, tuple[str, ...], str | None]]:
        """The actions of this place with their keys, and why one cannot be done now."""
        situation, context = self.situation(), self.context
        for action in in_context(context):
            keys = keys_in(action, context, self.inbox_app.keymap_keys)
            yield action, tuple(bars.key_word(key) for key in keys), action.why_not(situation)

    def action_do(self, action_id: str) -> None:
        """Carry out an action of the table, or say why not."""
        why = BY_ID[action_id].why_not(self.situation())
        if why is not None:
            self.say(self.words.tr(why), "warning")
            return
        self.doing.run(action_id)
        self.draw_footer()

    # ------------------------------------------------------------------ events

    def on_descendant_focus(self) -> None:
        self.draw_footer()

    def on_resize(self) -> None:
        self._draw_header()
        self.draw_footer()
        self.call_after_refresh(self.draw, Change.CHAT)

    @on(ChatList.Moved)
    def _moved(self) -> None:
        if self.desk is not None:
            self.desk.near(self.state.rows.index(self.state.rows.held) or 0)
        self._draw_position()
        self.draw_footer()

    @on(ChatList.Chosen)
    def _chosen(self) -> None:
        self.action_do("open")

    @on(ThreadView.NearTop)
    def _near_top(self) -> None:
        if self.desk is not None:
            self.desk.older()

    @on(ThreadView.NewBelow)
    def _new_below(self) -> None:
        self._subtitle(self.thread_pane, "thread-foot", self._thread_foot())

    @on(FilterLine.Edited)
    def _filter_edited(self, event: FilterLine.Edited) -> None:
        self.doing.filter_edited(event.text)

    @on(TextArea.Changed)
    def _text_changed(self) -> None:
        self.doing.text_changed()
