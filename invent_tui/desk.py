"""The agent's desk: reads from the server into the state and carries out what the agent decides. No Textual here.

The screen calls these methods and returns at once; what they bring comes back through `View.draw`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Protocol

from invent_tui.errors import ApiError, Link, Unauthorized, Unreachable
from invent_tui.held import Holding
from invent_tui.rows import Rows
from invent_tui.state import Change, State
from shared.filters import FilterError, parse
from shared.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from invent_tui.client import Client
    from shared.clock import Clock
    from shared.events import Frame
    from shared.filters import Term

Tone = Literal["information", "warning", "error"]
PAGE = 200
NEAR = 60
"""Rows between the cursor and the edge of the window at which the next page is fetched."""


class View(Protocol):
    """What a desk needs of a screen."""

    def draw(self, change: Change) -> None:
        """Paint what changed."""

    def say(self, text: str, tone: Tone = "information") -> None:
        """Tell the agent something in one line."""

    def entered(self) -> None:
        """The server told who we are: language, zone and name are known."""

    def taken(self, chat_id: str, name: str) -> None:
        """A chat cannot be taken over without force: `name` has it."""

    def ended(self, problem: str) -> None:
        """Nothing works any more (the token): leave with this line."""


class Desk:
    """Everything that the inbox reads, shared by the commands in `acts.py`."""

    def __init__(self, client: Client, clock: Clock, view: View, *, hold: float = 5.0) -> None:
        self.client = client
        self.clock = clock
        self.view = view
        self.state = State()
        self.link: Link = "connecting"
        self.filter = ""
        self._terms: tuple[Term, ...] = ()
        self.filtering = False
        """A list under a new filter has been asked for and has not come."""
        self.holding = Holding(hold, lambda: view.draw(Change.LINK))
        self.tasks = Tasks(self._failed)
        self._fetching: set[str] = set()
        self._filter_number = 0

    # ------------------------------------------------------------------ beginning and end

    async def run(self) -> None:
        """Enter, then follow the stream until cancelled. What cannot be reached yet is tried again."""
        await self.client.start()
        wait = 0.3
        while not await self._enter():
            await asyncio.sleep(wait)
            wait = min(wait * 1.6, 5.0)
        try:
            await self.client.stream(lambda: self.state.seq, self.frames, self.linked)
        except Unauthorized as error:
            self.view.ended(str(error))

    async def close(self) -> None:
        """Let what is held happen, wait for it a little, and end."""
        self.holding.release()
        try:
            async with asyncio.timeout(5):
                await self.tasks.join()
        except TimeoutError:
            pass
        await self.tasks.close()
        await self.client.close()

    def start(self, work: Coroutine[object, object, object]) -> None:
        """Do something beside the screen; a failure is told, never lost."""
        self.tasks.start(work)

    async def _enter(self) -> bool:
        try:
            me, page, counts = await asyncio.gather(
                self.client.me(), self.client.conversations(self.filter, limit=PAGE), self.client.counts(self.filter)
            )
        except Unauthorized as error:
            self.view.ended(str(error))
            return False
        except (Unreachable, ApiError) as error:
            self.linked("lost")
            if isinstance(error, ApiError) and error.code != "unavailable":
                self.view.say(str(error), "error")
            return False
        self.state.enter(me.value)
        self.view.entered()
        self.state.rows.reset(page.value)
        self.state.seq = min(page.seq, counts.seq)
        self.view.draw(self.state.take_counts(counts.value, counts.seq) | Change.LIST | Change.LINK)
        return True

    # ------------------------------------------------------------------ stream

    def linked(self, link: Link) -> None:
        """The state of the line changed."""
        if link == "connecting" and self.link == "lost":
            return
        change = Change.LINK if link != self.link else Change.NONE
        if link == "live" and self.link == "lost":
            change |= self.state.line_lost()
            self.start(self.refresh_counts())
            if self.state.rows.terms != self._terms or (self.state.thread is not None and not self.state.thread.loaded):
                self.start(self.reload())
        self.link = link
        self.view.draw(change)

    def frames(self, batch: list[Frame]) -> None:
        """A burst of frames, drawn once."""
        now, change = self.clock.now(), Change.NONE
        for frame in batch:
            change |= self.state.apply(frame, now)
        if Change.STALE in change:
            self.start(self.reload())
        if self.state.counts_doubtful:
            self._soon("counts", self.refresh_counts, 0.4)
        if self.state.rows.doubtful:
            self._soon("list", self.reload_list, 0.8)
        if Change.THREAD in change:
            self.read_now()
            self._soon("why", self.load_evidence, 0.3)
        self.view.draw(change)

    # ------------------------------------------------------------------ list

    async def refresh_counts(self) -> None:
        """The numbers over the list, afresh."""
        answer = await self.client.counts(self.filter)
        self.view.draw(self.state.take_counts(answer.value, answer.seq))

    def set_filter(self, source: str) -> FilterError | None:
        """Show only what passes. Gives what is wrong with it; the list then stays as it was."""
        try:
            terms = parse(source)
        except FilterError as error:
            return error
        if source.strip() == self.filter and (self.filtering or self.state.rows.terms == terms):
            return None
        self.filter, self._terms = source.strip(), terms
        self._filter_number += 1
        self.filtering = True
        self.start(self._filtered())
        return None

    async def _filtered(self, *, end: bool = False) -> None:
        number, rows = self._filter_number, Rows(self.state.name, self._terms)
        try:
            page, counts = await asyncio.gather(
                self.client.conversations(self.filter, limit=PAGE, reverse=end), self.client.counts(self.filter)
            )
        finally:
            if number == self._filter_number:
                self.filtering = False
        if number != self._filter_number:
            return
        rows.held = self.state.rows.held
        rows.reset(page.value, reverse=end, matching=counts.value.matching)
        self.state.take_rows(rows, self.clock.now())
        self.state.counts_seq = -1
        self.view.draw(self.state.take_counts(counts.value, counts.seq) | Change.LIST)

    def jump(self, *, end: bool) -> None:
        """The first or the last page of the list."""
        self._filter_number += 1
        self.state.rows.held = None
        self.start(self._filtered(end=end))

    def near(self, index: int) -> None:
        """The cursor stands at `index`: fetch what it will soon need."""
        rows = self.state.rows
        if rows.after and index > len(rows.order) - NEAR:
            self._once("after", self._more(back=False))
        elif rows.before and index < NEAR:
            self._once("before", self._more(back=True))

    async def _more(self, *, back: bool) -> None:
        rows = self.state.rows
        cursor = rows.before if back else rows.after
        answer = await self.client.conversations(self.filter, limit=PAGE, cursor=cursor, reverse=back)
        if rows is not self.state.rows or cursor != (rows.before if back else rows.after):
            return
        (rows.prepend if back else rows.append)(answer.value)
        self.state.take_rows(rows, self.clock.now())
        self.view.draw(Change.LIST)

    async def reload_list(self) -> None:
        """The list afresh from its first page, unless the agent reads far below it."""
        rows = self.state.rows
        rows.doubtful = False
        if rows.before is None and (rows.index(rows.held) or 0) < PAGE:
            await self._filtered()

    async def reload(self) -> None:
        """Everything on the screen afresh, after events were missed."""
        await self._filtered()
        if self.state.thread is not None:
            await self._read(self.state.thread.chat_id)

    # ------------------------------------------------------------------ thread

    def open(self, chat_id: str) -> None:
        """Read a conversation: what is known is shown at once, the rest follows."""
        chat = self.state.chat(chat_id)
        if chat is None:
            return
        change = self.state.open(chat)
        self.view.draw(change)
        self.start(self._read(chat_id))
        self.start(self.client.viewing(chat_id))

    def close_chat(self) -> None:
        """Stop reading."""
        self.view.draw(self.state.close())
        self.start(self.client.viewing(None))

    async def _read(self, chat_id: str) -> None:
        chat, page = await asyncio.gather(self.client.conversation(chat_id), self.client.messages(chat_id))
        if self.state.thread is None or self.state.thread.chat_id != chat_id:
            return
        change = self.state.take_chat(chat.value, self.clock.now()) | self.state.take_page(
            chat_id, page.value, page.seq
        )
        self.view.draw(change | Change.CHAT)
        self.read_now()
        await self._context(chat_id, chat.value.customer.id)

    async def _context(self, chat_id: str, customer_id: str) -> None:
        customer, memories, past = await asyncio.gather(
            self.client.customer(customer_id),
            self.client.memories(customer_id),
            self.client.conversations(f'customer:"{customer_id}"', limit=20),
        )
        if self.state.open_chat is None or self.state.open_chat.id != chat_id:
            return
        self.state.customer, self.state.past = customer.value, past.value.items
        self.view.draw(self.state.take_memories(memories.value.items, memories.seq))
        await self.load_evidence()

    async def load_evidence(self) -> None:
        """What the assistant's newest answer rests on."""
        thread = self.state.thread
        message = thread.last("assistant") if thread is not None else None
        if thread is None or message is None:
            return
        try:
            trace = await self.client.trace(message.id)
        except ApiError:
            return  # not every message has a trace
        if self.state.thread is thread and self.state.why != trace.value:
            self.state.why = trace.value
            self.view.draw(Change.CONTEXT)

    def older(self) -> None:
        """Older messages of the open conversation."""
        thread = self.state.thread
        if thread is not None and thread.older:
            self._once("older", self._older(thread.chat_id, thread.older))

    async def _older(self, chat_id: str, cursor: str) -> None:
        page = await self.client.messages(chat_id, limit=200, cursor=cursor)
        self.view.draw(self.state.take_page(chat_id, page.value, page.seq))

    def read_now(self) -> None:
        """The agent sees the open chat: nothing in it is unread."""
        chat = self.state.open_chat
        if chat is not None and chat.unread:
            self._once("read", self._mark(chat.id))

    async def _mark(self, chat_id: str) -> None:
        answer = await self.client.act(chat_id, "read")
        self.view.draw(self.state.take_chat(answer.value, self.clock.now()))

    # ------------------------------------------------------------------ inside

    def _once(self, name: str, work: Coroutine[object, object, object]) -> None:
        """Start `work` unless the same is under way."""
        if name in self._fetching:
            work.close()
            return
        self._fetching.add(name)
        self.tasks.start(work).add_done_callback(lambda _: self._fetching.discard(name))

    def _soon(self, name: str, work: Callable[[], Awaitable[None]], delay: float) -> None:
        """Start `work` after `delay` seconds, once for all that happens until then."""

        async def later() -> None:
            await asyncio.sleep(delay)
            await work()

        self._once(name, later())

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, Unauthorized):
            self.view.ended(str(error))
        elif isinstance(error, Unreachable):
            pass  # the header says so already, and what was asked comes with the next connection
        else:
            self.view.say(str(error) or type(error).__name__, "error")
