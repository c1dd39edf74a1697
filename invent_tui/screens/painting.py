"""How the inbox screen looks: its widgets, and what is painted when something changes. Nothing is done here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from invent_tui import bars
from invent_tui.actions import Context, Situation, hints, keys_in
from invent_tui.acts import Acts
from invent_tui.cells import cell_len, right
from invent_tui.desk import Desk
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


class Painting(Screen[None]):
    """The picture of the state. `draw` paints what changed, and only that."""

    doing: Doing

    def __init__(self, inbox_app: InventApp) -> None:
        super().__init__()
        self.inbox_app = inbox_app
        self.state = State()
        self.desk: Desk | None = None
        self.acts: Acts | None = None
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

    def compose(self) -> ComposeResult:
        yield self.header
        yield Horizontal(self.list_pane, self.thread_pane, self.context_pane, id="body")
        yield self.footer

    def draw(self, change: Change) -> None:
        """Paint what changed, and only that."""
        if not self.is_mounted:
            return
        if Change.LIST in change:
            self.chats.rows_changed()
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
        if change & ~Change.LIVE:
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

    # ------------------------------------------------------------------ parts

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
            parts = [f"{name} {count}" for name, count in numbers]
            while len(parts) > 1 and cell_len(self.words.dots(*parts)) > self.list_pane.size.width - 6:
                parts.pop()  # a narrow list says less rather than half a word
            title = self.words.dots(*parts)
        self._title(self.list_pane, "list", title)
        self._draw_position()
        chat = self.state.open_chat
        if chat is None:
            self._title(self.thread_pane, "thread", "")
            self.thread.show_hints(self._first_steps())
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
            who = [
                name.split(" ")[0] if narrow and len(name) > 14 else name,
                self.words.channel(chat.channel, short=narrow),
                speaker,
            ]
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

    def _first_steps(self) -> list[str]:
        """What to do when nothing is open."""
        keys = self.inbox_app.keymap_keys
        return [
            self.words.tr("{key} opens the chat under the cursor", key=bars.key_word(keys["open"][0])),
            self.words.tr("{key} opens the next one that waits", key=bars.key_word(keys["next_waiting"][0])),
            self.words.tr("{key} shows all keys", key=bars.key_word(keys["help"][0])),
        ]

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
        rows = SUMMARY_ROWS * 2 if self.size.height >= 36 else SUMMARY_ROWS if self.size.height >= 24 else 1
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

    # ------------------------------------------------------------------ what is meant

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
