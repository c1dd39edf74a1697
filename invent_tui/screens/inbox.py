"""The inbox: list, thread and customer side by side, or one over the other where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static, TextArea

from invent_tui import bars
from invent_tui.actions import BY_ID, Action, Context, Situation, hints, in_context, keys_in
from invent_tui.acts import Acts
from invent_tui.cells import right
from invent_tui.desk import Desk, Tone
from invent_tui.need import ASSISTANT, MINE, group
from invent_tui.screens.doing import Doing
from invent_tui.state import GROUPS, Change, State
from invent_tui.widgets.chat_list import ChatList
from invent_tui.widgets.composer import Composer
from invent_tui.widgets.context_panel import ContextPanel
from invent_tui.widgets.filter_line import FilterLine
from invent_tui.widgets.lines import LineBar, LineBlock
from invent_tui.widgets.thread_view import ThreadView
from invent_tui.words import Words

if TYPE_CHECKING:
    from invent_tui.app import InventApp
    from shared.models import Conversation

SUMMARY_ROWS = 3
TICK = 10.0


class InboxScreen(Screen[None]):
    """Paints what the state holds and turns keys into acts. Every action of the table ends in `action_do`."""

    def __init__(self, inbox_app: InventApp) -> None:
        super().__init__()
        self.inbox_app = inbox_app
        self.state = State()
        self.desk: Desk | None = None
        self.acts: Acts | None = None
        self.doing = Doing(self)
        self.header = LineBar(id="header")
        self.footer = LineBar(id="footer")
        self.chats = ChatList(self.state, self.words, id="list")
        self.thread = ThreadView(self.state, self.words, id="thread")
        self.panel = ContextPanel(self.state, self.words, id="context")
        self.composer = Composer(id="composer")
        self.composer_bar = LineBar(id="composer-bar")
        self.filter_line = FilterLine(self.words.tr("/ filter"), id="filter")
        self.filter_note = Static(id="filter-note", markup=False)
        self.summary = LineBlock(id="summary")
        self.position = LineBar(id="position")
        above = Horizontal(self.filter_line, self.position, id="list-head")
        self.list_pane = Vertical(above, self.filter_note, self.chats, id="list-pane", classes="pane")
        self.thread_pane = Vertical(
            self.summary, self.thread, self.composer_bar, self.composer, id="thread-pane", classes="pane empty"
        )
        self.context_pane = Vertical(self.panel, id="context-pane", classes="pane")
        self._titles: dict[str, str] = {}

    @property
    def words(self) -> Words:
        return self.inbox_app.words

    # ------------------------------------------------------------------ beginning

    def compose(self) -> ComposeResult:
        yield self.header
        yield Horizontal(self.list_pane, self.thread_pane, self.context_pane, id="body")
        yield self.footer

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
        except ValueError as error:
            self.ended(str(error))
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

    def taken(self, chat_id: str, name: str) -> None:
        """A colleague has the chat: ask before taking it from them."""
        self.doing.ask_force(chat_id, name)

    def ended(self, problem: str) -> None:
        """Leave with one line."""
        self.inbox_app.fail(problem)

    def draw(self, change: Change) -> None:
        """Paint what changed, and only that."""
        if not self.is_mounted:
            return
        if Change.LIST in change:
            self.chats.rows_changed()
            if self.doing.open_listed and self.desk is not None and not self.desk.filtering:
                self.doing.open_listed = False
                self.call_next(self.action_do, "open")
            if self.desk is not None:
                self.desk.near(self.state.rows.index(self.state.rows.held) or 0)
        elif Change.ROWS in change:
            self.chats.rows_touched(self.state.touched)
        self.state.touched.clear()
        if Change.THREAD in change:
            self.thread.thread_changed()
        elif Change.LIVE in change:
            self.thread.live_changed()
        if Change.CONTEXT in change or Change.CHAT in change:
            self.panel.context_changed()
        if Change.CHAT in change or Change.THREAD in change:
            self._draw_chat()
        if change:
            self._draw_titles()
            self._draw_header()
            self.draw_footer()

    def restyle(self) -> None:
        """The theme changed."""
        for view in (self.chats, self.thread, self.panel):
            view.restyle()
        for bar in (self.header, self.footer, self.composer_bar):
            bar.refresh()
        self._draw_chat()

    # ------------------------------------------------------------------ painting

    def _tick(self) -> None:
        now = self.inbox_app.clock.now()
        self.thread.now = self.panel.now = now
        self.chats.tick(now)
        self._draw_header()

    def _count_down(self) -> None:
        if self.desk is not None and self.desk.holding.act is not None:
            self.draw_footer()

    def _draw_header(self) -> None:
        link = self.desk.link if self.desk is not None else "connecting"
        now = self.inbox_app.clock.now()
        self.header.show(bars.header_line(self.state, link, self.words, now, self.size.width))

    def draw_footer(self) -> None:
        """What can be done here and now, and what is about to happen."""
        context = self.context
        shown = [
            bars.hint(action, keys_in(action, context, self.inbox_app.keymap_keys), self.words)
            for action in hints(context, self.situation())
        ]
        held = ""
        if self.desk is not None and self.desk.holding.act is not None:
            key = "ctrl+z" if context == "composer" else self.inbox_app.keymap_keys["undo"][0]
            held = self.words.dots(
                self.words.tr(
                    "{act} in {seconds} s", act=self.desk.holding.act.label, seconds=self.desk.holding.left()
                ),
                self.words.tr("{key} takes it back", key=key),
            )
        self.footer.show(bars.footer_line(shown, held, self.size.width))

    def _draw_titles(self) -> None:
        tr, counts = self.words.tr, self.state.counts
        if counts is None:
            title = tr("Inbox")
        else:
            numbers = (
                (tr("Waiting"), counts.waiting),
                (tr("Mine"), counts.mine),
                (tr("Assistant"), counts.assistant),
            )
            title = self.words.dots(*(f"{name} {count}" for name, count in numbers))
        self._title(self.list_pane, "list", title)
        self._draw_position()
        chat = self.state.open_chat
        if chat is None:
            self._title(self.thread_pane, "thread", "")
        else:
            now = self.inbox_app.clock.now()
            writing = chat.id in self.state.writing
            g = self.words.glyphs
            mark = (
                g.spark
                if group(chat, self.state.name) == ASSISTANT
                else self.words.mark(chat, self.state.name, writing)[1]
            )
            speaker = f"{mark.strip()} {self.words.speaker(chat, self.state.name, writing, now)}"
            name, narrow = chat.customer.name or tr("Visitor"), self.size.width < 60
            who = [name.split(" ")[0] if narrow else name, self.words.channel(chat.channel, short=narrow), speaker]
            who += [tr("{name} is here too", name=name) for name in self.state.viewers.get(chat.id, [])]
            self._title(self.thread_pane, "thread", self.words.dots(*who))
        self._subtitle(self.thread_pane, "thread-foot", self._thread_foot())
        self._title(self.context_pane, "context", tr("Customer") if chat is not None else "")

    def _draw_position(self) -> None:
        """Where the cursor is in the whole list, and how many rows stand above what is visible."""
        rows, counts = self.state.rows, self.state.counts
        at = rows.index(rows.held)
        if at is None or counts is None:
            self.position.show(())
            return
        place = rows.offset + at + 1
        total = counts.matching if counts.matching is not None else sum(getattr(counts, name) for name in GROUPS)
        above = self.chats.above()
        text = self.words.dots(f"{self.words.glyphs.up}{above}" if above else "", f"{place}/{max(total, place)}")
        self.position.show((("dim", right(text, self.position.size.width)),))

    def _thread_foot(self) -> str:
        thread = self.state.thread
        if thread is None:
            return ""
        typing = [self.words.tr("{name} is typing", name=name) for name in sorted(thread.typing)]
        new = self.words.glyphs.down + " " + self.words.tr("new messages below") if self.thread.new_below else ""
        return self.words.dots(*typing, new)

    def _title(self, widget: Widget, name: str, text: str) -> None:
        if self._titles.get(name) != text:
            self._titles[name] = text
            widget.border_title = Content(text)

    def _subtitle(self, widget: Widget, name: str, text: str) -> None:
        if self._titles.get(name) != text:
            self._titles[name] = text
            widget.border_subtitle = Content(text)

    def _draw_chat(self) -> None:
        """Summary above the thread, and the composer below it."""
        chat = self.state.open_chat
        self.thread_pane.set_class(chat is None, "empty")
        if chat is None:
            self.thread_pane.remove_class("writing")
            self.summary.remove_class("shown")
            return
        width = self.thread_pane.content_size.width or self.size.width
        rows = SUMMARY_ROWS if self.size.height >= 24 else 1
        shown = bars.summary_lines(chat, self.words, width, rows) if self._wants_summary(chat) else []
        self.summary.show(shown)
        self.summary.set_class(bool(shown), "shown")
        draft = self.acts.draft(chat) if self.acts is not None else ""
        self.composer.show_draft(draft)
        mine = group(chat, self.state.name) == MINE
        writing = mine or self.composer.has_focus or bool(self.composer.text) or self.doing.writing
        self.thread_pane.set_class(writing, "writing")
        width = max(20, width)
        if writing:
            taking = self.acts is not None and self.acts.taking(chat.id)
            role, title = bars.reply_title(chat, self.words, note=self.composer.note, taking=taking)
            extra = self.words.tr("F2 inserts the draft") if draft and not self.composer.text else ""
            self.composer_bar.show(bars.composer_line(role, title, extra, self.words, width))
        else:
            self.composer_bar.show(
                bars.composer_line("dim", self.words.tr("r writes to the customer"), "", self.words, width)
            )

    def _wants_summary(self, chat: Conversation) -> bool:
        handed = group(chat, self.state.name) not in (ASSISTANT,) and bool(chat.summary or chat.handoff_reason)
        return handed or chat.id in self.doing.summaries

    # ------------------------------------------------------------------ actions

    @property
    def context(self) -> Context:
        """Where the keys go."""
        focused = self.focused
        if focused is self.composer:
            return "composer"
        if focused is self.filter_line:
            return "filter"
        return "thread" if focused is self.thread else "context" if focused is self.panel else "list"

    def target(self) -> Conversation | None:
        """The conversation that an action concerns: under the cursor in the list, else the open one."""
        rows = self.state.rows
        if self.context in ("list", "filter") and rows.held in rows.chats:
            return rows.chats[rows.held]
        return self.state.open_chat

    def situation(self) -> Situation:
        """What decides which actions are possible."""
        chat = self.target()
        number = group(chat, self.state.name) if chat is not None else -1
        act = self.desk.holding.act if self.desk is not None else None
        target = self.panel.target
        failed = self.acts is not None and self.acts.failed() is not None
        return Situation(
            chat=chat is not None,
            mine=number == MINE,
            assistant=number == ASSISTANT,
            closed=chat is not None and chat.status == "closed",
            snoozed=chat is not None and chat.status == "snoozed",
            undoable=act is not None or failed,
            failed=failed,
            draft=bool(str(self.composer.placeholder)),
            text=bool(self.composer.text.strip()),
            memory=target is not None and target.kind == "memory",
            customer=self.state.customer is not None,
            remote=self.inbox_app.remote,
        )

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
        self.call_after_refresh(self._draw_chat)

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
