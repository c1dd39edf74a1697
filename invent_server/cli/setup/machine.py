"""Which language model suits this machine, by its memory and by what Ollama has."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

GB = 1_000_000_000
SHARE = 0.6
"""Of the machine's memory, what a model may take: the rest is for the index, the database and the system."""


class Offer(NamedTuple):
    name: str
    size: int
    """Bytes; in memory it takes about a fifth more."""
    installed: bool


FETCHED = (Offer("qwen3.5:9b", round(6.6 * GB), False), Offer("qwen3.5:4b", round(3.4 * GB), False))
"""What is proposed where Ollama has nothing that fits, the better first."""


def memory() -> int:
    """Bytes of this machine's memory; 0 where it does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0


def shared_with_graphics() -> bool:
    """True on Apple's chips: the graphics processor computes in the same memory."""
    return platform.system() == "Darwin" and platform.machine() == "arm64"


def fits(size: int, total: int) -> bool:
    """Can a model of `size` bytes live in `total` bytes of memory beside everything else?"""
    return total > 0 and size * 1.2 <= total * SHARE


def offer(installed: Sequence[Mapping[str, Any]], total: int, fast: bool) -> Offer | None:
    """The largest model that is there already and fits, else one to fetch, else none.

    `fast`: the large one only where a graphics processor carries it; on a plain processor customers would wait.
    """
    here = [
        Offer(str(one["name"]), int(one["size"]), True)
        for one in installed
        if one["chat"] and not one["remote"] and fits(int(one["size"]), total)
    ]
    if here:
        return max(here, key=lambda one: one.size)
    return next((one for one in FETCHED if fits(one.size, total) and (fast or one is FETCHED[-1])), None)
