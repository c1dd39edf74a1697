"""Inline instructions: a customer's message with its answers then and anew, and the text that makes the difference."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen

from invent_tui import answer_lines, bars
from invent_tui.actions import ACTIONS, BY_ID, TEACH, Action, Context, Situation, hints, in_context, keys_in
from invent_tui.errors import ApiError, Unreachable
from invent_tui.rehearsal import NAMES, Rehearsal
from invent_tui.teaching import Teaching
from invent_tui.widgets.answers import Answers
from invent_tui.widgets.lines import LineBar, LineBlock
from invent_tui.widgets.section_editor import SectionEditor
from invent_tui.words import Words

if TYPE_CHECKING:
    from invent_tui.app import InventApp
    from invent_tui.desk import Desk, Tone
    from invent_tui.screens.inbox import InboxScreen
    from shared.instructions import InstructionSection, InstructionVersion
    from shared.models import Conversation

MANAGERS = ("manager", "admin")
CASES = 5
PHONE = 70


class InstructionsScreen(Screen[None]):
    """Lies over the inbox, which goes on living below it. Every action of the table ends in `action_do`."""

    def __init__(self, inbox: InboxScreen, desk: Desk, chat: Conversation) -> None:
        super().__init__()
        self.inbox = inbox
        self.inbox_app: InventApp = inbox.inbox_app
        self.desk = desk
        self.chat = chat
        me = desk.state.me
        self.state = Rehearsal(chat.id, me is not None and me.agent.role in MANAGERS)
        self.teaching = Teaching(desk.client, self.state, self, chat.assistant)
        self.header, self.footer = LineBar(id="header"), LineBar(id="footer")
        self.answers = Answers(id="answers")
        self.sections = LineBar(id="sections")
        self.editor = SectionEditor(id="section")
        self.rules = LineBar(id="rules")
        self.evaluation = LineBlock(id="evaluation")
        self.answers_pane = Vertical(self.answers, id="answers-pane", classes="pane")
        self.editor_pane = Vertical(
            self.sections, self.editor, self.rules, self.evaluation, id="editor-pane", classes="pane"
        )
        self._titles = ("", "")
        self._shown = ("", "")
        """The section in the editor, and its text as both last agreed."""

    @property
    def words(self) -> Words:
        return self.inbox_app.words

    def compose(self) -> ComposeResult:
        yield self.header
        yield Horizontal(self.answers_pane, self.editor_pane, id="teach")
        yield self.footer

    def on_mount(self) -> None:
        self.set_class(self.words.glyphs.name == "ascii", "ascii")
        self.set_focus(self.editor)
        self.set_interval(10.0, self._draw_header)
        self.paint()
        self.teaching.start(self.teaching.load())

    def on_unmount(self) -> None:
        self.desk.start(self.teaching.close())

    # ------------------------------------------------------------------ painting

    def paint(self) -> None:
        """Draw everything that changed."""
        if not self.is_mounted:
            return
        state, words, tr = self.state, self.words, self.words.tr
        self._show_section()
        self._draw_answers()
        width = self.editor_pane.content_size.width or self.size.width
        self.sections.show(answer_lines.section_line(state, words, width))
        me = self.desk.state.me
        model = me is not None and me.engine != "extractive"
        self.rules.show(answer_lines.rules_line(state, words, width, model=model))
        rows = CASES if self.size.height >= 30 else 2
        self.evaluation.show(answer_lines.evaluation_lines(state.evaluation, words, width, rows))
        left = words.dots(self.chat.customer.name or tr("Visitor"), self._which())
        right = words.dots(tr("Instructions"), tr(answer_lines.SECTIONS[state.section]), self._versions())
        if (left, right) != self._titles:
            self._titles = (left, right)
            self.answers_pane.border_title, self.editor_pane.border_title = Content(left), Content(right)
        self._draw_header()
        self.draw_footer()

    def _take_typed(self) -> None:
        """What stands in the editor is the truth: its own event may still be on the way."""
        name, text = self._shown
        if name and self.editor.text != text:
            self._shown = (name, self.editor.text)
            self.state.texts[name] = self.editor.text

    def _show_section(self) -> None:
        self._take_typed()
        self.editor.read_only = self.state.told is None
        if self.state.told is None:
            return
        wanted = (self.state.section, self.state.texts[self.state.section])
        if wanted != self._shown:
            self.editor.show(wanted[1])
            if wanted[0] != self._shown[0]:
                self.editor.move_cursor(self.editor.document.end)
            self._shown = wanted

    def _draw_answers(self, *, top: bool = False) -> None:
        width = self.answers.size.width
        if width:
            name = self.chat.customer.name or self.words.tr("Visitor")
            self.answers.show(answer_lines.answer_lines(self.state, name, self.words, width), top=top)

    def _which(self) -> str:
        message, state = self.state.message, self.state
        if message is None:
            return ""
        at = self.words.clock(message.sent_at or message.created_at)
        return self.words.dots(self.words.tr("message of {time}", time=at), f"{state.at + 1}/{len(state.messages)}")

    def _versions(self) -> str:
        told, tr = self.state.told, self.words.tr
        if told is None:
            return tr("loading")
        number = told.version.version
        arrow = "->" if self.words.glyphs.name == "ascii" else "→"
        if self.state.differs:
            saving = tr("not saved yet") if self.state.unsaved else ""
            return self.words.dots(tr("draft v{old} {arrow} v{new}", old=number, arrow=arrow, new=number + 1), saving)
        return tr("v{number}", number=number)

    def _draw_header(self) -> None:
        now = self.inbox_app.clock.now()
        self.header.show(bars.header_line(self.desk.state, self.desk.link, self.words, now, self.size.width))

    def draw_footer(self) -> None:
        """What can be done here and now."""
        context, keys = self.context, self.inbox_app.keymap_keys
        shown = [
            bars.hint(action, keys_in(action, context, keys), self.words)
            for action in hints(context, self.situation(), limit=7)
        ]
        self.footer.show(bars.footer_line(shown, "", self.size.width))

    # ------------------------------------------------------------------ what is meant

    @property
    def context(self) -> Context:
        """Where the keys go."""
        return "answers" if self.focused is self.answers else "section"

    @property
    def phone(self) -> bool:
        """Too narrow for both sides: one at a time."""
        return self.size.width < PHONE

    def situation(self) -> Situation:
        """What decides which actions are possible."""
        state = self.state
        return Situation(
            chat=True,
            told=state.told is not None,
            manager=state.manager,
            changed=state.differs,
            message=state.message is not None,
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
        self._take_typed()
        why = BY_ID[action_id].why_not(self.situation())
        if why is not None:
            self.say(self.words.tr(why), "warning")
            return
        getattr(self, f"do_{action_id}")()
        self.draw_footer()

    def say(self, text: str, tone: Tone = "information") -> None:
        """One line to the agent, for a while."""
        self.notify(text, severity=tone, markup=False, timeout=5)

    def told(self) -> None:
        """A colleague changed something."""
        if self.state.told is not None:
            self.teaching.start(self.teaching.refresh())

    # ------------------------------------------------------------------ events

    @on(SectionEditor.Typed)
    def _typed(self) -> None:
        self._take_typed()
        self.teaching.typed()
        self.paint()

    def on_descendant_focus(self) -> None:
        self.draw_footer()

    def on_resize(self) -> None:
        self.set_class(self.phone, "phone")
        self.call_after_refresh(self.paint)

    def conflicted(self, section: InstructionSection, mine: str) -> None:
        """Whose text shall stand?"""
        from invent_tui.screens.dialogs import Pick

        tr = self.words.tr
        choices = [
            ("mine", tr("mine: {text}", text=mine.strip().replace("\n", " / ")[:60])),
            ("theirs", tr("theirs: {text}", text=section.text.replace("\n", " / ")[:60])),
        ]
        name = tr(answer_lines.SECTIONS[section.section])
        title = tr("{name} changed {section} meanwhile", name=section.author, section=name)

        def chosen(whose: str | None) -> None:
            if whose == "mine":
                self.teaching.keep_mine(section)
            elif whose == "theirs":
                self.teaching.take_theirs(section)

        self.app.push_screen(Pick(title, choices, tr("enter keeps it, esc decides later")), chosen)

    # ------------------------------------------------------------------ actions

    def do_replay(self) -> None:
        if self.phone:
            self._side(answers=True)
        self.teaching.replay()

    def do_evaluate(self) -> None:
        self.teaching.evaluate()

    def do_next_section(self) -> None:
        self._section(1)

    def do_previous_section(self) -> None:
        self._section(-1)

    def _section(self, by: int) -> None:
        self._side(answers=False)
        self.state.step(by)
        self.teaching.start(self.teaching.save())
        self.paint()

    def do_other_side(self) -> None:
        self._side(answers=self.context == "section")

    def _side(self, *, answers: bool) -> None:
        self.set_class(answers, "answers")
        self.set_focus(self.answers if answers else self.editor)
        self.call_after_refresh(self._draw_answers)

    def do_earlier_message(self) -> None:
        self._message(-1)

    def do_later_message(self) -> None:
        self._message(1)

    do_older_message = do_earlier_message
    do_newer_message = do_later_message

    def _message(self, by: int) -> None:
        if self.state.choose(self.state.at + by):
            self.paint()
            self._draw_answers(top=True)

    def do_scroll_down(self) -> None:
        self.answers.scroll_lines(self.answers.size.height // 2)

    def do_scroll_up(self) -> None:
        self.answers.scroll_lines(-(self.answers.size.height // 2))

    def do_keep_draft(self) -> None:
        """Answers first, then the screen: one layer at a time. What was typed is saved before it goes."""
        if self.phone and self.has_class("answers"):
            self._side(answers=False)
            return
        if not self.state.unsaved:
            self.dismiss()
        elif self.state.manager:
            self.teaching.start(self._saved_and_left())
        else:
            self._leave_text(self.words.tr("Only managers save instructions. Your text will be lost."))

    async def _saved_and_left(self) -> None:
        tr = self.words.tr
        try:
            await self.teaching.save()
        except (ApiError, Unreachable) as error:
            self._leave_text(tr("Not saved: {problem}. Your text will be lost.", problem=str(error).rstrip(".")))
            return
        if not self.state.unsaved:
            self.say(tr("The draft is kept"))
            self.dismiss()

    def _leave_text(self, question: str) -> None:
        """What was typed goes only if the agent says so."""
        from invent_tui.screens.dialogs import Confirm

        tr = self.words.tr

        def leave(yes: bool | None) -> None:
            if yes:
                self.dismiss()

        self.app.push_screen(Confirm(tr("Leave"), question, tr("Leave"), tr("Stay")), leave)

    def do_publish(self) -> None:
        self.teaching.start(self._publish())

    async def _publish(self) -> None:
        from invent_tui.screens.publishing import Publish, diff_text

        await self.teaching.save()
        if self.state.unsaved:
            return
        tr, told = self.words.tr, self.state.told
        assert told is not None
        diff = await self.teaching.difference("published", "draft")

        def noted(note: str | None) -> None:
            if note is not None:
                self.teaching.start(self.teaching.publish(note, self._in_force))

        title = tr("Publish v{number}", number=told.version.version + 1)
        foot = tr("enter publishes, esc leaves")
        self.app.push_screen(Publish(title, diff_text(diff, self.words), tr("what changes and why"), foot), noted)

    def _in_force(self, version: int) -> str:
        return self.words.tr("Version {number} is in force", number=version)

    def do_versions(self) -> None:
        self.teaching.start(self._history())

    async def _history(self) -> None:
        from invent_tui.screens.dialogs import Pick

        tr, words, found = self.words.tr, self.words, await self.teaching.versions()
        now = self.inbox_app.clock.now()
        choices = [(str(one.version), self._line_of(one, now)) for one in found]

        def chosen(value: str | None) -> None:
            one = next((one for one in found if str(one.version) == value), None)
            if one is not None:
                self.teaching.start(self._compare(one, found[0].version))

        title = words.dots(tr("Versions"), tr("published: v{number}", number=found[0].version))
        self.app.push_screen(Pick(title, choices, tr("enter compares, esc leaves")), chosen)

    def _line_of(self, one: InstructionVersion, now: int) -> str:
        words, tr = self.words, self.words.tr
        when = ""
        if one.created_at:
            when = f"{words.short_day(one.created_at).strip()} {words.clock(one.created_at)}"
        back = tr("v{number} again", number=one.restored) if one.restored is not None else ""
        note = one.note if one.version else tr("what Invent brings")
        return words.dots(f"v{one.version}", when, one.author, back, note)

    async def _compare(self, one: InstructionVersion, newest: int) -> None:
        from invent_tui.screens.publishing import Publish, diff_text

        tr = self.words.tr
        current = one.version == newest
        old, new = (str(max(0, newest - 1)), str(newest)) if current else ("published", str(one.version))
        text = diff_text(await self.teaching.difference(old, new), self.words)

        def noted(note: str | None) -> None:
            if note is not None:
                self.teaching.start(self.teaching.roll_back(one.version, note, self._in_force))

        title = (
            tr("What v{number} changed", number=newest) if current else tr("Roll back to v{number}", number=one.version)
        )
        read_only = current or not self.state.manager
        foot = tr("esc leaves") if read_only else tr("enter rolls back, esc leaves")
        self.app.push_screen(Publish(title, text, tr("why"), foot, read_only=read_only), noted)

    # ------------------------------------------------------------------ as everywhere

    def do_help(self) -> None:
        from invent_tui.screens.keys import keys_help

        self.app.push_screen(keys_help(self.offered(), self.words, self.size.width))

    def do_palette(self) -> None:
        self.inbox_app.open_palette()

    def do_redraw(self) -> None:
        self.app.refresh(layout=True)


_OURS = [one.id for one in ACTIONS if set(one.contexts) & set(TEACH)]
assert all(hasattr(InstructionsScreen, f"do_{one}") for one in _OURS), "an action of the table does nothing"
assert tuple(answer_lines.SECTIONS) == NAMES, "the sections have an order"
