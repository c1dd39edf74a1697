"""The inbox in a terminal. `run` is the way in; the screen is painted before anything heavy is imported."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from rich.style import Style
from textual import events
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from invent_tui import bindings, glyphs, keymap
from invent_tui.palette import THEMES, styles, theme_for
from invent_tui.screens.inbox import InboxScreen
from invent_tui.widgets.composer import Composer
from invent_tui.widgets.filter_line import FilterLine
from invent_tui.widgets.section_editor import SectionEditor
from invent_tui.words import Words
from shared.clock import Clock, SystemClock

if TYPE_CHECKING:
    from invent_tui.actions import Action
    from invent_tui.client import Client

MakeClient = Callable[[], "Client"]
WaitFor = Callable[[], tuple[str, str]]


LAST_WORDS = 6
"""Seconds in which the inbox must have ended after its terminal went."""


class InventApp(App[int], inherit_bindings=False):
    """The application. `make_client` runs in a thread, after the first paint, and may wait for a server to start."""

    TITLE = "Invent"
    CSS_PATH = "styles/inbox.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-one"), (90, "-two"), (120, "-three")]  # noqa: RUF012 - as the base declares it
    BINDINGS: ClassVar[list[BindingType]] = []
    COMMAND_PALETTE_BINDING = "ctrl+p"
    ENABLE_COMMAND_PALETTE = False  # our own binding opens it, so that it is in the table like everything else
    ESCAPE_TO_MINIMIZE = False

    def __init__(
        self,
        make_client: MakeClient,
        *,
        clock: Clock | None = None,
        remote: bool = False,
        hold: float = 5.0,
        environ: dict[str, str] | None = None,
    ) -> None:
        env = dict(os.environ) if environ is None else environ
        super().__init__()
        self.make_client = make_client
        self.clock = clock or SystemClock()
        self.remote = remote
        self.hold = hold
        self.keymap_keys = keymap.load(env)
        self.glyphs = glyphs.choose(env)
        self.words = Words(env.get("LANG", "").split(".")[0], None, self.glyphs)
        self.role_styles: dict[str, Style] = {}
        self.problem = ""
        self._wrote_to: Widget | None = None
        self._loop_of_mine: asyncio.AbstractEventLoop | None = None
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = theme_for(env)
        self.set_keymap(bindings.changes(self.keymap_keys))

    def get_default_screen(self) -> Screen[None]:
        self.compute_styles()
        return InboxScreen(self)

    def compute_styles(self) -> None:
        """The styles of all roles under the theme in force, each with its background."""
        variables = self.get_css_variables()
        ansi = self.current_theme.ansi
        found = styles(variables, ansi)
        ground = Style() if ansi else Style(bgcolor=variables["background"][:7])
        self.role_styles = {role: ground + style for role, style in found.items()}

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colours under a theme that does not know them."""
        theme = self.current_theme
        if theme.ansi:
            return {"frame": "ansi_bright_black", "frame-focus": theme.primary, "quiet": "ansi_bright_black"}
        return {"frame": theme.panel or "#505860", "frame-focus": theme.accent or theme.primary, "quiet": "#87909a"}

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda _: self._restyle())
        self._loop_of_mine = asyncio.get_running_loop()

    def watch_terminal(self) -> None:
        """For a thread: when the terminal hangs up, what was sent and is still held goes out, and we leave.

        A thread, because the loop may be waiting for a terminal that takes no output. The kernel sees to the end.
        """
        signal.sigwait({signal.SIGHUP})
        signal.alarm(LAST_WORDS)
        if self._loop_of_mine is None:
            os._exit(1)
        self._loop_of_mine.call_soon_threadsafe(self._hung_up)

    def _hung_up(self) -> None:
        """Leave as by `q`: what is held is sent before the end, which would cut it off."""
        first = self.screen_stack[0]
        if isinstance(first, InboxScreen):
            self.run_worker(first.leave(), exit_on_error=False)
        else:
            self.exit()

    def _restyle(self) -> None:
        self.compute_styles()
        if isinstance(self.screen_stack[0], InboxScreen):
            self.screen_stack[0].restyle()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield SystemCommand(self.words.tr("theme"), self.words.tr("Change the colours"), self.action_change_theme)

    def open_palette(self) -> None:
        """Show every action by its name."""
        self.push_screen(CommandPalette(providers=[ActionProvider], placeholder=self.words.tr("Find an action")))

    async def on_event(self, event: events.Event) -> None:
        """Keys are handled strictly one after the other, whatever speed they come at."""
        typed = isinstance(event, events.Key | events.Paste) and not event.is_forwarded
        if typed:
            await self._written()
        await super().on_event(event)
        if typed and isinstance(self.focused, Composer | FilterLine | SectionEditor):
            self._wrote_to = self.focused

    async def _written(self) -> None:
        """Wait until the text widget has taken what was typed before: a key to send it must not come first."""
        widget, self._wrote_to = self._wrote_to, None
        if widget is not None and widget.is_attached:
            taken = asyncio.Event()
            widget.call_later(taken.set)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await taken.wait()

    def settle(self) -> None:
        """What is loaded stays: keep it out of collections, which would show as a slow key."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()

    def fail(self, problem: str) -> None:
        """Leave with one line of explanation."""
        self.problem = problem
        self.exit(1, return_code=1)


@runtime_checkable
class Offering(Protocol):
    """A screen whose actions stand in the table."""

    def offered(self) -> Iterable[tuple[Action, tuple[str, ...], str | None]]:
        """The actions of this place with their keys, and why one cannot be done now."""

    def action_do(self, action_id: str) -> None:
        """Carry out an action of the table."""


class ActionProvider(Provider):
    """The action table in the command palette: disabled actions say why."""

    def _entries(self) -> Iterable[tuple[str, str, Callable[[], None]]]:
        screen = next((one for one in reversed(self.app.screen_stack) if isinstance(one, Offering)), None)
        if screen is not None:
            for action, keys, why in screen.offered():
                text = self.app_words.tr(action.label)
                help_ = self.app_words.tr(action.help) if why is None else self.app_words.tr(why)
                yield f"{text}  ({', '.join(keys)})", help_, partial(screen.action_do, action.id)
            yield self.app_words.tr("theme"), self.app_words.tr("Change the colours"), self.app.action_change_theme

    @property
    def app_words(self) -> Words:
        assert isinstance(self.app, InventApp)
        return self.app.words

    async def discover(self) -> Hits:
        for text, help_, run_it in self._entries():
            yield DiscoveryHit(Content(text), run_it, text=text, help=help_)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for text, help_, run_it in self._entries():
            if (score := matcher.match(text)) > 0:
                yield Hit(score, Content(text), run_it, text=text, help=help_)


def run(server: str | None, token: str, *, wait_for: WaitFor | None = None, remote: bool = False) -> int:
    """Show the inbox until the agent leaves. Gives the exit code.

    `wait_for` blocks until a server is ready and gives its address and token (for one that starts meanwhile); without
    it `server` and `token` are used. `remote`: over ssh, nothing may be started on this machine.
    """

    def make_client() -> Client:
        from invent_tui.client import Client

        address, secret = wait_for() if wait_for is not None else (server or "", token)
        return Client(address, secret)

    gc.disable()  # nothing to collect before the first list is painted; `settle` turns it on again
    # The client's imports (half of the way to the first list) run while the screen comes up.
    loading = ThreadPoolExecutor(1, "client").submit(make_client)
    try:
        app = InventApp(loading.result, remote=remote)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        threading.Thread(target=app.watch_terminal, daemon=True).start()
    except keymap.KeymapError as error:
        sys.stderr.write(f"invent: {error}\n")
        return 1
    code = app.run(mouse=True)
    gc.enable()
    if app.problem:
        sys.stderr.write(f"invent: {app.problem}\n")
    return app.return_code or code or 0


async def load(make_client: MakeClient) -> Client:
    """Import and make the client beside the screen."""
    return await asyncio.to_thread(make_client)
