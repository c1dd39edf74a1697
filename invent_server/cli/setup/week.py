"""A week of opening hours as a small picture."""

from __future__ import annotations

from invent_server.conversations.hours import DAY, Hours, by_day, day_names
from shared.i18n import Texts, texts

COLUMN = 30
"""Minutes of one character."""


def plotted(hours: Hours, tr: Texts) -> list[str]:
    """A line for each day, midnight to midnight, and a ruler below."""
    names = [name.capitalize() for name in day_names(texts("server", tr.language))]
    closed = tr("closed")
    width = max(map(len, names))
    lines = []
    for day, (name, spans) in enumerate(zip(names, by_day(hours), strict=True)):
        bar = "".join(
            "█" if hours.open_at(day * DAY + minute) else "▌" if _half(hours, day * DAY + minute) else "·"
            for minute in range(0, DAY, COLUMN)
        )
        times = " ".join(f"{_clock(start)}–{_clock(end)}" for start, end in sorted(spans))
        lines.append(f"{name:<{width}}  {bar}  {times or ('' if set(bar) - {'·'} else closed)}".rstrip())
    ruler = "".join(f"{hour:<{6 * 60 // COLUMN}}" for hour in range(0, 24, 6)) + "24"
    return [*lines, " " * (width + 2) + ruler]


def _half(hours: Hours, minute: int) -> bool:
    """Open for a part of this column only."""
    return any(hours.open_at(minute + step) for step in range(0, COLUMN, 5))


def _clock(minute: int) -> str:
    hour = minute // 60 - (24 if minute > DAY else 0)
    return f"{hour}:{minute % 60:02}"
