"""A bar on stderr for what takes over a second; nothing where nobody looks."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Bar = Callable[[int, int], None]
"""Called with how much is done, and of how much."""
DELAY = 1.0


@contextlib.contextmanager
def progress(label: str, delay: float = DELAY) -> Iterator[Bar]:
    """A bar that appears after `delay` seconds, if stderr is a terminal, and leaves no trace."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # A redirected stdout belongs to the caller: only a terminal's goes above the bar.
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    task = bar.add_task(label, total=None)
    began = time.monotonic()

    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if not bar.live.is_started and time.monotonic() - began > delay:
            bar.start()

    try:
        yield show
    finally:
        bar.stop()
