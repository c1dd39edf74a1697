"""Moving: the cursor, the panes, and back again."""

from __future__ import annotations

from textual.widget import Widget

from invent_tui.screens.writing import Writing


class Moving(Writing):
    """Actions that change what is looked at, not what is."""

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

    def do_next_pane(self) -> None:
        self._cycle(1)

    def do_previous_pane(self) -> None:
        self._cycle(-1)

    def do_pane_list(self) -> None:
        self.keep_text()
        self.screen.remove_class("reading")
        self.screen.set_focus(self.screen.chats)

    def do_pane_thread(self) -> None:
        if self.state.open_chat is not None:
            self.screen.add_class("reading")
            self.screen.set_focus(self.screen.thread)
        else:
            self.do_open()

    def do_pane_context(self) -> None:
        self._show_context()
        self.screen.set_focus(self.screen.panel)

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
            self.screen.set_focus(panes[(here + step) % len(panes)])

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
            self.screen.set_focus(self.screen.thread if self.state.open_chat is not None else self.screen.chats)
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
            screen.set_focus(screen.thread)
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

        tr = self.words.tr
        unsent = [text for text, _ in self._texts.values() if text.strip()]
        question = tr("Leave the inbox? A text that you have begun will be lost.") if unsent else tr("Leave the inbox?")

        def leave(yes: bool | None) -> None:
            if yes:
                self.screen.run_worker(self.screen.leave())

        self.screen.app.push_screen(Confirm(tr("Leave"), question, tr("Leave"), tr("Stay")), leave)
