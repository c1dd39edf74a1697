"""Steps of a way as bars on one scale of time, for terminals. Pure."""

from __future__ import annotations

EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(offset: float, length: float, whole: float, width: int, *, ascii_only: bool = False) -> str:
    """`width` cells: where in `whole` a step of this `length` stands. A short step is a mark, never nothing."""
    if whole <= 0:
        return ("|" if ascii_only else "▏").ljust(width)
    offset, length = min(max(0.0, offset), whole), max(0.0, length)
    begin = min(width - 1, int(offset / whole * width))
    end = min(float(width), (offset + length) / whole * width)
    full = int(end) - begin
    if ascii_only:
        return (" " * begin + ("#" * max(0, full) or "|")).ljust(width)
    if full <= 0:  # inside one cell: as wide as it is long, wherever in the cell it stands
        drawn = EIGHTHS[max(1, min(8, round(length / whole * width * 8)))]
    else:
        drawn = "█" * full + EIGHTHS[int((end - int(end)) * 8)].strip()
    return (" " * begin + drawn).ljust(width)[:width]
