"""What the parts of `Doing` share: the screen, the state, and how to reach the desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.timer import Timer

if TYPE_CHECKING:
    from invent_tui.acts import Acts
    from invent_tui.desk import Desk
    from invent_tui.screens.inbox import InboxScreen
    from invent_tui.state import State
    from invent_tui.words import Words
    from shared.models import Conversation


class Hands:
    """The hands of the inbox screen."""

    def __init__(self, screen: InboxScreen) -> None:
        self.screen = screen
        self.writing = False
        """The composer was asked for and stays until left."""
        self.summaries: set[str] = set()
        """Chats whose summary the agent wants to see."""
        self.open_listed = False
        """The chat under the cursor is to be opened as soon as the list has come."""
        self._texts: dict[str, tuple[str, bool]] = {}
        self._filter_timer: Timer | None = None
        self._typed_at = 0.0
        self._empty = True

    @property
    def state(self) -> State:
        return self.screen.state

    @property
    def words(self) -> Words:
        return self.screen.words

    def _with_desk(self) -> tuple[Desk, Acts] | None:
        if self.screen.desk is None or self.screen.acts is None or self.state.me is None:
            self.screen.say(self.words.tr("Not connected yet"), "warning")
            return None
        return self.screen.desk, self.screen.acts

    def _chat(self, act: Callable[[Acts, Conversation], None]) -> None:
        """Do something with the conversation that is meant."""
        chat, both = self.screen.target(), self._with_desk()
        if chat is not None and both is not None:
            act(both[1], chat)

    def keep_text(self) -> None:
        """Remember what is written in the open chat."""
        chat, composer = self.state.open_chat, self.screen.composer
        if chat is not None:
            self._texts[chat.id] = (composer.text, composer.note)
