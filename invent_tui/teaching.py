"""What the instructions screen does: loads, saves, answers anew, evaluates, publishes. No Textual here.

What was typed is saved section by section and never overwritten: a section that a colleague has changed meanwhile is
told to the screen, which asks whose text shall stand.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Protocol

from invent_tui.errors import ApiError, Unauthorized, Unreachable
from invent_tui.rehearsal import Evaluation, Rehearsal
from shared.tasks import Tasks

if TYPE_CHECKING:
    from invent_tui.client import Client
    from invent_tui.desk import Tone
    from shared.instructions import InstructionDiff, InstructionSection, InstructionVersion

SAVE_AFTER = 2.0
"""Seconds after the last key at which the draft is saved."""
MESSAGES = 200


class View(Protocol):
    """What this needs of a screen."""

    def paint(self) -> None:
        """Draw everything that changed."""

    def say(self, text: str, tone: Tone = "information") -> None:
        """Tell the agent something in one line."""

    def conflicted(self, section: InstructionSection, mine: str) -> None:
        """A colleague has changed what is being edited."""


class Teaching:
    """One open instructions screen. Every method returns at once; what it brings comes by `view.paint`."""

    def __init__(self, client: Client, state: Rehearsal, view: View, assistant: str) -> None:
        self.client = client
        self.state = state
        self.view = view
        self.assistant = assistant
        self.tasks = Tasks(self._failed)
        self._replay: asyncio.Task[None] | None = None
        self._evaluation: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()
        self._due: asyncio.TimerHandle | None = None

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Do something beside the screen; a failure is told, never lost."""
        return self.tasks.start(work)

    async def close(self) -> None:
        """End what is under way; the draft was saved before, or cannot be."""
        if self._due is not None:
            self._due.cancel()
        await self.tasks.close()

    # ------------------------------------------------------------------ draft

    async def load(self) -> None:
        """The draft and the customer's messages, the last one chosen and answered as it was then."""
        told, page = await asyncio.gather(
            self.client.instructions(self.assistant), self.client.messages(self.state.chat_id, limit=MESSAGES)
        )
        self.state.take(told.value)
        self.state.read(page.value.items[::-1])
        self.view.paint()

    async def refresh(self) -> None:
        """A colleague changed something."""
        self.state.take((await self.client.instructions(self.assistant)).value)
        self.view.paint()

    def typed(self) -> None:
        """The text changed: save it when the hand rests."""
        if self._due is not None:
            self._due.cancel()
        if self.state.manager:
            self._due = asyncio.get_running_loop().call_later(SAVE_AFTER, lambda: self.start(self.save()))

    async def save(self) -> None:
        """Keep every edited section in the draft on the server."""
        if not self.state.manager:
            return
        async with self._saving:
            for name in self.state.unsaved:
                text = self.state.texts[name]
                try:
                    saved = await self.client.edit_instructions(name, text, self.state.base[name], self.assistant)
                except ApiError as error:
                    if error.code != "stale":
                        raise
                    self.view.conflicted(_section(error.details), text)
                    return
                self.state.took(saved.value, text)
        self.view.paint()

    def keep_mine(self, section: InstructionSection) -> None:
        """Mine shall stand, over what the colleague wrote."""
        self._seen(section)
        self.start(self.save())

    def take_theirs(self, section: InstructionSection) -> None:
        """The colleague's text shall stand."""
        self._seen(section)
        self.state.texts[section.section] = section.text
        self.view.paint()

    def _seen(self, section: InstructionSection) -> None:
        told = self.state.told
        if told is not None:
            told.sections = [section if one.section == section.section else one for one in told.sections]
        self.state.base[section.section] = section.revision

    async def difference(self, old: str, new: str) -> InstructionDiff:
        return (await self.client.instruction_diff(old, new, self.assistant)).value

    async def versions(self) -> list[InstructionVersion]:
        return (await self.client.instruction_versions(self.assistant)).value.items

    async def publish(self, note: str, said: Callable[[int], str]) -> None:
        """The draft, as it was looked at, becomes the next version."""
        assert self.state.told is not None
        revision = sum(one.revision for one in self.state.told.sections)
        made = await self.client.publish_instructions(note, revision, self.assistant)
        await self.refresh()
        self.view.say(said(made.value.version))

    async def roll_back(self, version: int, note: str, said: Callable[[int], str]) -> None:
        """An old version becomes the next one."""
        made = await self.client.roll_back_instructions(version, note, self.assistant)
        await self.refresh()
        self.view.say(said(made.value.version))

    # ------------------------------------------------------------------ answered anew

    def replay(self) -> None:
        """Answer the chosen message by what stands in the editor; an answer under way is dropped."""
        if self._replay is not None:
            self._replay.cancel()
        self.state.asking()
        self.view.paint()
        self._replay = self.start(self._answered())

    async def _answered(self) -> None:
        state, message = self.state, self.state.message
        if message is None:
            return
        problem = "the server ended without an answer"
        try:
            async for frame in self.client.replay(message.id, _sections(state)):
                if state.message is not message:
                    return
                if frame.type == "began":
                    state.question, state.old = frame.question, frame.old
                elif frame.type == "token":
                    state.new, state.live = None, state.live + frame.text
                elif frame.type == "done":
                    problem = ""
                    state.done(frame.new)
                else:
                    problem = frame.message
                self.view.paint()
        except (ApiError, Unreachable) as error:
            if isinstance(error, Unauthorized):
                raise
            problem = str(error)
        if problem:
            state.failed(problem)
            self.view.paint()

    @property
    def evaluating(self) -> bool:
        return self._evaluation is not None and not self._evaluation.done()

    def evaluate(self) -> None:
        """Answer the last messages by draft and published version; again: stop."""
        if self.evaluating and self._evaluation is not None:
            self._evaluation.cancel()
            self.state.evaluation = None
        else:
            self.state.evaluation = Evaluation()
            self._evaluation = self.start(self._compared(self.state.evaluation))
        self.view.paint()

    async def _compared(self, under_way: Evaluation) -> None:
        try:
            async for frame in self.client.evaluate(_sections(self.state), self.assistant):
                if frame.type == "began":
                    under_way.total = frame.total
                elif frame.type == "case":
                    under_way.take(frame)
                elif frame.type == "done":
                    under_way.result = frame
                else:
                    under_way.problem = frame.message
                self.view.paint()
        except (ApiError, Unreachable) as error:
            under_way.problem = str(error)
        if under_way.result is None and not under_way.problem:
            under_way.problem = "the server ended without a result"
        self.view.paint()

    def _failed(self, error: BaseException) -> None:
        with contextlib.suppress(RuntimeError):
            self.view.say(str(error) or type(error).__name__, "error")


def _sections(state: Rehearsal) -> dict[str, str]:
    """What differs here from the server's draft."""
    return {name: state.texts[name].strip() for name in state.unsaved}


def _section(details: object) -> InstructionSection:
    from shared.instructions import InstructionSection

    return InstructionSection.model_validate(details)
