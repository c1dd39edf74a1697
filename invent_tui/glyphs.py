"""Marks on the screen, each with an ASCII twin for terminals that cannot draw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of marks. State marks stand beside a word wherever they matter: none carries a meaning alone."""

    name: str
    urgent: str
    waiting: str
    mine: str
    agent: str
    writing: str
    assistant: str
    resolved: str
    snoozed: str
    star: str
    bar: str
    rule: str
    dot: str
    ellipsis: str
    live: str
    offline: str
    spark: str
    gear: str
    pencil: str
    file: str
    tick: str
    ticks: str
    sending: str
    failed: str
    doubt: str
    cursor: str
    pin: str
    up: str
    down: str
    bullet: str
    prompt: str


UNICODE = Glyphs(
    name="unicode",
    urgent="!!",
    waiting="! ",
    mine="● ",
    agent="◍ ",
    writing="◐ ",
    assistant="○ ",
    resolved="✓ ",
    snoozed="z ",
    star="★",
    bar="▌",
    rule="─",
    dot="·",
    ellipsis="…",
    live="●",
    offline="○",
    spark="✦",
    gear="⚙",
    pencil="✎",
    file="▣",
    tick="✓",
    ticks="✓✓",
    sending="↑",
    failed="✗",
    doubt="?",
    cursor="▍",
    pin="◆",
    up="↑",
    down="↓",
    bullet="·",
    prompt="/",
)
ASCII = Glyphs(
    name="ascii",
    urgent="!!",
    waiting="! ",
    mine="@ ",
    agent="& ",
    writing="* ",
    assistant="o ",
    resolved="v ",
    snoozed="z ",
    star="*",
    bar="|",
    rule="-",
    dot="-",
    ellipsis="~",
    live="*",
    offline="o",
    spark="*",
    gear="#",
    pencil="n",
    file="[]",
    tick="v",
    ticks="vv",
    sending="^",
    failed="x",
    doubt="?",
    cursor="_",
    pin="*",
    up="^",
    down="v",
    bullet="-",
    prompt="/",
)


def choose(environ: Mapping[str, str]) -> Glyphs:
    """The set for this terminal: `INVENT_GLYPHS=ascii|unicode`, else ASCII where colour or Unicode is refused."""
    asked = environ.get("INVENT_GLYPHS", "").lower()
    if asked in ("ascii", "unicode"):
        return ASCII if asked == "ascii" else UNICODE
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C.UTF-8"
    plain = "NO_COLOR" in environ or environ.get("TERM", "") in ("dumb", "linux", "vt100", "vt220")
    return ASCII if plain or "utf" not in locale.lower().replace("-", "") else UNICODE
