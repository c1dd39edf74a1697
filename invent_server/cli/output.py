"""How commands print: clean text, JSON on demand, one line for a failure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


class Failed(Exception):
    """The command did not succeed: the one line that says why and what to do."""


def as_json(value: Any) -> None:
    """Print a model, or plain data, as JSON."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    print(json.dumps(value, ensure_ascii=False, indent=2))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; on no terminal: values separated by tabs, without headings."""
    from shared.text import clean_line

    cells = [[clean_line("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in cells:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column)
    for row in cells:
        shown.add_row(*(Text(cell) for cell in row))
    Console().print(shown)


def say(text: str) -> None:
    """Print a text of several lines, clean."""
    from shared.text import clean

    print(clean(text))
