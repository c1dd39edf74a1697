"""Questions to the person at the terminal: one line each, a proposal that Enter takes, `-` to leave it for later."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING, Any, TypeVar

from shared.i18n import Texts, texts
from shared.text import clean

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
_WHOLE: Any = {"break_long_words": False, "break_on_hyphens": False, "replace_whitespace": False}
LATER = "-"


class Wrong(Exception):
    """An answer that cannot be used; the message says why, in the person's language."""


@dataclass(slots=True)
class Asker:
    """`quiet`: nobody is asked, every question answers itself with its proposal."""

    console: Console
    quiet: bool
    tr: Texts = field(default_factory=lambda: texts("cli", "en"))
    typed: int = 0
    """Answers given so far."""

    def ask(self, question: str, proposal: str | None, read: Callable[[str], T], hint: str = "") -> T | None:
        """The answer, as `read` understands it (raises Wrong: it is asked again); None: left for later."""
        if self.quiet:
            return None if proposal is None else read(proposal)
        self.say(question, "bold")
        if hint:
            self.say(hint, "dim")
        prompt = f"  [{clean(proposal)}] › " if proposal else "  › "
        while True:
            line = input(prompt).strip()
            self.typed += 1
            if line == LATER or (not line and proposal is None):
                return None
            try:
                return read(line or proposal or "")
            except Wrong as error:
                self.say(str(error), "yellow")

    def pause(self, text: str) -> None:
        """Wait for Enter."""
        input(f"  {clean(text)} › ")

    def say(self, text: str, style: str = "") -> None:
        """A line, or several, indented; long ones go on below their beginning."""
        for line in clean(text).splitlines():
            mark = "  " if line[:2] in ("✓ ", "· ", "! ", "? ") else ""
            width = max(20, self.console.width - 1)
            # A command or an address is to be copied whole: the terminal wraps what has no spaces to break at.
            for part in wrap(line, width, initial_indent="  ", subsequent_indent="  " + mark, **_WHOLE) or [""]:
                self.console.print(part, style=style, soft_wrap=True)

    def copied(self, text: str) -> None:
        """What is to be copied: on a line of its own, never broken."""
        self.console.print(f"  {clean(text)}", style="cyan", soft_wrap=True)

    def title(self, number: int, of: int, text: str) -> None:
        self.console.print()
        self.console.print(f"{number}/{of}  {clean(text)}", style="bold cyan")

    def done(self, text: str) -> None:
        self.say(f"✓ {text}", "green")

    def later(self, text: str) -> None:
        """What is left for later, and how it is done then."""
        self.say(f"· {text}", "dim")


def console(to_stderr: bool) -> Console:
    """Where the questions stand. Nothing in texts is markup."""
    from rich.console import Console

    return Console(stderr=to_stderr, markup=False, highlight=False, emoji=False)


def edited() -> None:
    """Let arrow keys move in the line that is typed, where the platform has the means."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - `input` uses it from now on


def at_terminal() -> bool:
    """Is somebody there to be asked?"""
    return sys.stdin.isatty() and sys.stdout.isatty()
