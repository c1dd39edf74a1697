"""What an agent does to a conversation. Each act returns at once; its answer, or why it failed, comes by the view."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import uuid4

from invent_tui.errors import Answer, ApiError, Unreachable
from invent_tui.held import Held
from invent_tui.need import MINE, group
from invent_tui.state import Change
from invent_tui.transcript import Pending, Transcript
from shared.clock import to_rfc3339

if TYPE_CHECKING:
    from invent_tui.desk import Desk
    from invent_tui.words import Words
    from shared.models import Conversation, Memory, Message


class Acts:
    """The commands of the inbox over one desk."""

    def __init__(self, desk: Desk, words: Words) -> None:
        self.desk = desk
        self.words = words
        self.suggestions: dict[str, str] = {}
        """Conversation id -> text that the assistant proposes, until it is used or the chat goes on."""
        self._takeovers: dict[str, asyncio.Task[bool]] = {}

    # ------------------------------------------------------------------ who speaks

    def is_mine(self, chat: Conversation) -> bool:
        return group(chat, self.desk.state.name) == MINE

    def take_over(self, chat: Conversation, *, force: bool = False) -> None:
        """Speak to this customer from now on. Text can be typed meanwhile; sending waits for the acknowledgement."""
        if self.is_mine(chat) or chat.id in self._takeovers:
            return
        task = self.desk.tasks.start(self._take_over(chat, force))
        self._takeovers[chat.id] = task
        task.add_done_callback(lambda _: self._acknowledged(chat.id))

    def taking(self, chat_id: str) -> bool:
        """A takeover of this chat is not acknowledged yet."""
        return chat_id in self._takeovers

    def _acknowledged(self, chat_id: str) -> None:
        self._takeovers.pop(chat_id, None)
        self.desk.view.draw(Change.CHAT)

    async def _take_over(self, chat: Conversation, force: bool) -> bool:
        try:
            answer = await self.desk.client.act(chat.id, "takeover", {"force": force} if force else {})
        except ApiError as error:
            if error.code == "taken":
                self.desk.view.taken(chat.id, chat.assignee or "")
                return False
            raise
        except Unreachable:
            self.desk.view.say(self.words.tr("No line to the server: the chat was not taken over"), "error")
            return False
        self._show(answer)
        return True

    def hand_back(self, chat: Conversation) -> None:
        """The assistant speaks again, in a few seconds."""
        self._hold(chat, self.words.tr("Handing back to the assistant"), "handback")

    def resolve(self, chat: Conversation) -> None:
        """Close the conversation, in a few seconds."""
        self._hold(chat, self.words.tr("Resolving"), "resolve")

    def reopen(self, chat: Conversation) -> None:
        """Open a closed or snoozed conversation again."""
        self._now(self.desk.client.act(chat.id, "reopen"))

    def snooze(self, chat: Conversation, until: int) -> None:
        """Put a conversation away until a moment (microseconds)."""
        self._now(self.desk.client.act(chat.id, "snooze", {"until": to_rfc3339(until)}))

    def assign(self, chat: Conversation, agent: str | None) -> None:
        """Give a conversation to an agent (id), or to the queue."""
        self._now(self.desk.client.act(chat.id, "assign", {"agent": agent}))

    def patch(self, chat: Conversation, **values: object) -> None:
        """Change tags or priority."""
        self._now(self.desk.client.patch(chat.id, dict(values)))

    # ------------------------------------------------------------------ writing

    def send(self, chat: Conversation, text: str, *, note: bool, put_back: Callable[[str, bool], None]) -> None:
        """Post a note at once; a reply in a few seconds. `put_back` restores the text when the reply is taken back."""
        thread = self.desk.state.thread
        if thread is None or thread.chat_id != chat.id:
            return
        me, now = self.desk.state.name, to_rfc3339(self.desk.clock.now())
        item = Pending(str(uuid4()), text, note, "sending" if note else "held", me, now)
        thread.pending.append(item)
        self.suggestions.pop(chat.id, None)
        self.desk.view.draw(Change.THREAD | Change.CHAT)
        if note:
            self.desk.start(self._post(chat, thread, item))
            return

        def happen() -> None:
            item.state = "sending"
            self.desk.start(self._post(chat, thread, item))

        def undo() -> None:
            thread.drop_pending(item.client_id)
            put_back(text, note)
            self.desk.view.draw(Change.THREAD)

        label = self.words.tr("Sending to {name}", name=chat.customer.name)
        self.desk.holding.add(Held(chat.id, label, happen, undo))

    def send_again(self, chat: Conversation) -> None:
        """Try what failed once more, under the same key."""
        thread = self.desk.state.thread
        for item in thread.pending if thread is not None else ():
            if item.state == "failed" and thread is not None:
                item.state = "sending"
                self.desk.start(self._post(chat, thread, item))
        self.desk.view.draw(Change.THREAD)

    def failed(self) -> Pending | None:
        """The newest message of the open chat that could not be sent."""
        thread = self.desk.state.thread
        found = [item for item in thread.pending if item.state == "failed"] if thread is not None else []
        return found[-1] if found else None

    async def _post(self, chat: Conversation, thread: Transcript, item: Pending) -> None:
        view = self.desk.view
        try:
            if not item.note:
                await self._have(chat)
            answer: Answer[Message] = await self.desk.client.post_message(
                chat.id, item.text, note=item.note, key=item.client_id
            )
        except (ApiError, Unreachable) as error:
            item.state = "failed"
            unreachable = isinstance(error, Unreachable)
            item.problem = self.words.tr("no line to the server") if unreachable else str(error)
            view.say(self.words.tr("Not sent: {problem}", problem=item.problem), "error")
            view.draw(Change.THREAD)
            return
        thread.drop_pending(item.client_id)
        thread.put(answer.value, answer.seq)
        view.draw(Change.THREAD)

    async def _have(self, chat: Conversation) -> None:
        """Wait until the chat is ours. Raises ApiError not_handler when it is not to be had."""
        running = self._takeovers.get(chat.id)
        if running is not None:
            await running
        now = self.desk.state.chat(chat.id) or chat
        if not self.is_mine(now) and not await self._take_over(now, force=False):
            who = now.assignee or self.words.tr("another agent")
            raise ApiError(409, "not_handler", self.words.tr("{name} has this chat", name=who))

    # ------------------------------------------------------------------ the assistant's help

    def suggest(self, chat: Conversation) -> None:
        """Ask for a proposed reply; it appears as a draft."""
        self.desk.start(self._suggest(chat.id))

    async def _suggest(self, chat_id: str) -> None:
        answer = await self.desk.client.suggest(chat_id)
        if not answer.value.text:
            self.desk.view.say(self.words.tr("The assistant has no suggestion"), "warning")
            return
        self.suggestions[chat_id] = answer.value.text
        self.desk.view.draw(Change.CHAT)

    def summarize(self, chat: Conversation) -> None:
        """Ask for a summary; it stands above the thread."""
        self.desk.start(self._summarize(chat.id))

    async def _summarize(self, chat_id: str) -> None:
        answer = await self.desk.client.summary(chat_id)
        chat = self.desk.state.open_chat
        if chat is not None and chat.id == chat_id:
            self.desk.state.open_chat = chat.model_copy(update={"summary": answer.value.text})
            self.desk.view.draw(Change.CHAT)

    def draft(self, chat: Conversation) -> str:
        """Text that stands ready for the composer: a suggestion, or what a takeover withdrew."""
        return self.suggestions.get(chat.id) or (chat.draft if self.is_mine(chat) else "")

    # ------------------------------------------------------------------ memories

    def remember(self, customer_id: str, text: str, kind: str) -> None:
        """A new memory of the customer."""
        self._memory(self.desk.client.remember(customer_id, {"text": text, "type": kind}))

    def change_memory(self, memory: Memory, **values: object) -> None:
        """Edit or pin."""
        self._memory(self.desk.client.change_memory(memory.customer_id, memory.id, dict(values)))

    def forget(self, memory: Memory) -> None:
        """Remove a memory for good."""
        self.desk.start(self._forget(memory))

    async def _forget(self, memory: Memory) -> None:
        await self.desk.client.forget(memory.customer_id, memory.id)
        state = self.desk.state
        self.desk.view.draw(state.show_memories([one for one in state.memories if one.id != memory.id]))

    def _memory(self, request: Awaitable[Answer[Memory]]) -> None:
        async def work() -> None:
            memory = (await request).value
            state = self.desk.state
            if state.customer is not None and state.customer.id == memory.customer_id:
                rest = [one for one in state.memories if one.id != memory.id]
                self.desk.view.draw(state.show_memories([*rest, memory]))

        self.desk.start(work())

    # ------------------------------------------------------------------ inside

    def _hold(self, chat: Conversation, label: str, verb: str) -> None:
        act = Held(
            chat.id,
            self.words.dots(label, chat.customer.name),
            lambda: self._now(self.desk.client.act(chat.id, verb)),
            lambda: None,
        )
        self.desk.holding.add(act)

    def _now(self, request: Awaitable[Answer[Conversation]]) -> None:
        async def work() -> None:
            try:
                self._show(await request)
            except Unreachable:
                self.desk.view.say(self.words.tr("No line to the server: nothing was changed"), "error")

        self.desk.start(work())

    def _show(self, answer: Answer[Conversation]) -> None:
        change = self.desk.state.take_chat(answer.value, self.desk.clock.now())
        self.desk.view.draw(change | Change.CHAT)
