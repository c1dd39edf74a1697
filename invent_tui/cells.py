"""Text measured in terminal cells: fitting and wrapping of text that is already clean. No Textual here.

A line on the screen is a tuple of pieces `(role, text)`; a role names a style (see `palette.py`).
"""

from __future__ import annotations

import re

from rich.cells import cell_len, chop_cells, set_cell_size

Piece = tuple[str, str]
Line = tuple[Piece, ...]

__all__ = ["Line", "Piece", "cell_len", "columns", "fit", "pad", "plain", "right", "wrap"]


def fit(text: str, width: int, ellipsis: str = "…") -> str:
    """`text` in at most `width` cells, ending in the ellipsis when something had to go."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    mark = ellipsis if cell_len(ellipsis) < width else ""
    return set_cell_size(text, width - cell_len(mark)).rstrip() + mark


def pad(text: str, width: int, ellipsis: str = "…") -> str:
    """`text` in exactly `width` cells, filled on the right."""
    text = fit(text, width, ellipsis)
    return text + " " * (width - cell_len(text))


def right(text: str, width: int) -> str:
    """`text` in exactly `width` cells, filled on the left."""
    text = fit(text, width)
    return " " * (width - cell_len(text)) + text


def columns(line: Line) -> int:
    """How many cells a line takes."""
    return sum(cell_len(text) for _, text in line)


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells: broken at spaces, inside a word only when it is wider than the line.

    Line breaks and leading spaces of the text stay. A `width` below 1 counts as 1.
    """
    width = max(1, width)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        if len(paragraph) <= width and cell_len(paragraph) <= width:
            lines.append(paragraph.rstrip())
        else:
            lines.extend(_wrap_paragraph(paragraph, width))
    return lines


_MARKS = (
    (re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
    (re.compile(r"^#{1,6} +", re.MULTILINE), ""),
    (re.compile(r"!?\[([^\]\n]+)\]\((https?://[^)\s]+)\)"), r"\1 (\2)"),
)


def plain(text: str) -> str:
    """Text without the marks of Markdown, as the assistant's quotations have them; everything else stays."""
    for pattern, into in _MARKS:
        text = pattern.sub(into, text)
    return text


def _wrap_paragraph(paragraph: str, width: int) -> list[str]:
    lines: list[str] = []
    line, used = "", 0
    for word in _words(paragraph):
        size = cell_len(word)
        bare = cell_len(word.rstrip())
        if used + bare <= width:
            line, used = line + word, used + size
            continue
        if line.strip():
            lines.append(line.rstrip())
            line, used = "", 0
        if bare > width:
            *full, word = chop_cells(word, width)
            lines.extend(part.rstrip() for part in full)
        line, used = word, cell_len(word)
    if line.strip() or not lines:
        lines.append(line.rstrip())
    return lines


def _words(paragraph: str) -> list[str]:
    """Words, each with the spaces that follow it; leading spaces belong to the first."""
    words: list[str] = []
    start = 0
    length = len(paragraph)
    at = 0
    while at < length and paragraph[at] == " ":
        at += 1
    while at < length:
        while at < length and paragraph[at] != " ":
            at += 1
        while at < length and paragraph[at] == " ":
            at += 1
        words.append(paragraph[start:at])
        start = at
    return words
