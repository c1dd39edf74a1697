"""How commands print: clean text, JSON on demand, one line for a failure. Results on stdout, the rest on stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WIDEST, NARROWEST = 24, 20
"""Cells: the widest column between the first and the last, and the least room for the last."""


class Failed(Exception):
    """The command did not succeed: the one line that says why and what to do."""


class Unreachable(Failed):
    """Nobody answers at the server's address (any more)."""


def as_json(value: Any) -> None:
    """Print a model, or plain data, as JSON."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    print(json.dumps(value, ensure_ascii=False, indent=2))


def items(found: Sequence[Any], next_cursor: str | None = None) -> None:
    """Print a listing as the API gives it."""
    as_json({"items": list(found), "next_cursor": next_cursor})


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; on no terminal: values separated by tabs, without headings.

    The first column identifies a row and is never cut; the last takes what room the terminal has.
    """
    from shared.text import clean_line

    cells = [[clean_line("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            print("\t".join(row))
        return
    from rich.cells import cell_len, set_cell_size

    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    widths[1:-1] = [min(width, WIDEST) for width in widths[1:-1]]
    widths[-1] = min(
        widths[-1], max(NARROWEST, shutil.get_terminal_size().columns - sum(widths[:-1]) - 2 * len(widths))
    )

    def line(row: Sequence[str]) -> str:
        fitted = (
            set_cell_size(cell, width) if cell_len(cell) <= width else set_cell_size(cell, width - 1) + "…"
            for cell, width in zip(row, widths, strict=True)
        )
        return "  ".join(fitted).rstrip()

    print(styled(line(columns), "1"))
    for row in cells:
        print(line(row))


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print `name  value` lines, leaving out what is empty."""
    from shared.text import clean_line

    kept = [(name, clean_line(str(value), 2000)) for name, value in pairs if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        print(f"{name:<{width}}  {value}")


def say(text: str) -> None:
    """Print a text of several lines, clean."""
    from shared.text import clean

    print(clean(text))


def styled(text: str, code: str) -> str:
    """One clean line in an ANSI style (`1` bold, `2` dim, `32` green ...) if stdout is a terminal."""
    from shared.text import clean

    text = clean(text)
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


def note(text: str) -> None:
    """A remark to the person at the terminal, on stderr."""
    from shared.text import clean_line

    print(clean_line(text, 2000), file=sys.stderr, flush=True)


def local(at: str | None) -> str:
    """A time of the API in this machine's zone, to the second."""
    return "" if at is None else datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(at: str | None) -> str:
    """How long ago a time of the API is, in one unit: 40s, 12m, 3h, 5d."""
    if at is None:
        return ""
    past = max(0, round((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if past >= size:
            return f"{past // size}{unit}"
    return f"{past}s"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 page`, `2 pages`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def text_from(given: str) -> str:
    """A text argument; `-` reads standard input."""
    if given != "-":
        return given
    if sys.stdin.isatty():
        note("reading from the terminal; Ctrl-D ends it")
    return sys.stdin.buffer.read().decode("utf-8", "replace")


def save(path: Path, text: str) -> None:
    """Write a file that only its owner can read. Raises Failed."""
    from invent_server.store.secrets import write_private

    try:
        write_private(path, text)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror or error}") from None
