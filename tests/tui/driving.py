"""Driving the inbox in tests: a double, the application under Pilot, and what stands on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from invent_tui.app import InventApp
from invent_tui.client import Client
from invent_tui.screens.inbox import InboxScreen
from tests.tui.company import company
from tests.tui.data import MINUTE, TOKEN
from tests.tui.double import Double

ENVIRON = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "en_US.UTF-8"}


class Clock:
    """A minute after the double's last event."""

    def __init__(self, double: Double) -> None:
        self.double = double

    def now(self) -> int:
        return self.double.now + MINUTE


class Driven:
    """The running inbox and its double."""

    def __init__(self, pilot: Pilot[int], app: InventApp, double: Double) -> None:
        self.pilot = pilot
        self.app = app
        self.double = double

    @property
    def screen(self) -> InboxScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, InboxScreen)
        return screen

    def lines(self) -> list[str]:
        """The screen as text, line by line; a screen that has just been opened may have none."""
        width, height = self.app.size
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip)[:width] for strip in strips[:height]]

    def text(self) -> str:
        return "\n".join(self.lines())

    async def press(self, *keys: str) -> None:
        """Keys as the terminal's driver posts them, one after the other."""
        for key in keys:
            letter = key if len(key) == 1 else {"space": " ", "slash": "/", "question_mark": "?"}.get(key)
            self.app.post_message(events.Key(key, letter))
            await self.pilot.pause()
        await self.pilot.pause(0.02)

    async def type(self, text: str) -> None:
        """All letters at once, as a quick hand on a slow line."""
        for letter in text:
            self.app.post_message(events.Key(_character_to_key(letter), letter))
        await self.pilot.pause()
        await self.pilot.pause(0.02)

    async def until(self, true: Callable[[], object], what: str = "", seconds: float = 4.0) -> None:
        """Wait until something holds."""
        for _ in range(int(seconds / 0.02)):
            if true():
                await self.pilot.pause()
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{what or true} did not come to pass; the screen:\n{self.text()}")

    async def sees(self, *texts: str, seconds: float = 4.0) -> None:
        """Wait until all of `texts` stand on the screen."""
        await self.until(lambda: all(text in self.text() for text in texts), f"{texts}", seconds)

    async def misses(self, text: str) -> None:
        """Wait until `text` stands nowhere."""
        await self.until(lambda: text not in self.text(), f"no {text!r}")

    def posted(self, ending: str) -> list[object]:
        """Bodies of the requests to paths that end so."""
        return [body for method, path, body in self.double.requests if method != "GET" and path.endswith(ending)]


@asynccontextmanager
async def inbox(
    double: Double | None = None,
    size: tuple[int, int] = (137, 40),
    *,
    hold: float = 0.3,
    remote: bool = False,
    environ: dict[str, str] | None = None,
    enter: bool = True,
) -> AsyncIterator[Driven]:
    """The inbox over a double, entered and live."""
    double = double or company()
    await double.start()
    app = InventApp(
        lambda: Client(double.url, TOKEN, timeout=5),
        clock=Clock(double),
        hold=hold,
        remote=remote,
        environ=ENVIRON if environ is None else environ,
    )
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            driven = Driven(pilot, app, double)
            if enter:
                await driven.until(lambda: driven.screen.desk is not None and driven.screen.desk.link == "live", "live")
                await pilot.pause()
            yield driven
    finally:
        await double.stop()
