"""Colours: two themes of our own, and the style of every role that a line of text can name."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="invent",
    primary="#6cb6b0",
    secondary="#8aa4c8",
    accent="#6cb6b0",
    warning="#e0af68",
    error="#e57373",
    success="#8fbf7f",
    foreground="#d3d7dc",
    background="#14171b",
    surface="#14171b",
    panel="#1b2026",
    dark=True,
    variables={
        "frame": "#343b44",
        "frame-focus": "#6cb6b0",
        "quiet": "#7f8a96",
        "input-selection-background": "#2f5a57",
        "scrollbar": "#343b44",
        "scrollbar-background": "#14171b",
    },
)
LIGHT = Theme(
    name="invent-light",
    primary="#1f7a73",
    secondary="#40618f",
    accent="#1f7a73",
    warning="#94620c",
    error="#b3372f",
    success="#3f7a2c",
    foreground="#23282e",
    background="#fbfaf7",
    surface="#fbfaf7",
    panel="#f0eee8",
    dark=False,
    variables={
        "frame": "#cfcbc1",
        "frame-focus": "#1f7a73",
        "quiet": "#6b7178",
        "input-selection-background": "#bfe0dc",
        "scrollbar": "#cfcbc1",
        "scrollbar-background": "#fbfaf7",
    },
)
TERMINAL = Theme(
    name="invent-terminal",
    primary="ansi_cyan",
    secondary="ansi_blue",
    accent="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    ansi=True,
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "frame": "ansi_bright_black",
        "frame-focus": "ansi_cyan",
        "quiet": "ansi_bright_black",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "input-selection-background": "ansi_blue",
        "input-selection-foreground": "ansi_white",
        "block-cursor-background": "ansi_cyan",
        "block-cursor-foreground": "ansi_black",
    },
)
THEMES = (DARK, LIGHT, TERMINAL)


def theme_for(environ: Mapping[str, str]) -> str:
    """The theme of this terminal: `INVENT_THEME` names one; 16 colours or none get the terminal's own."""
    asked = environ.get("INVENT_THEME", "")
    if asked in {theme.name for theme in THEMES}:
        return asked
    term = environ.get("TERM", "")
    rich = environ.get("COLORTERM", "") in ("truecolor", "24bit") or "256color" in term or "direct" in term
    return DARK.name if rich and "NO_COLOR" not in environ else TERMINAL.name


def styles(variables: Mapping[str, str], ansi: bool) -> dict[str, Style]:
    """The Rich style of each role under a theme's variables."""

    def style(name: str, bold: bool = False, underline: bool = False) -> Style:
        value = variables.get(name, "ansi_default")
        colour = value.removeprefix("ansi_") if value.startswith("ansi_") else value[:7]
        return Style(color=colour, bold=bold or None, underline=underline or None)

    text = Style() if ansi else style("foreground")
    quiet = style("quiet")
    return {
        "text": text,
        "strong": text + Style(bold=True),
        "dim": quiet,
        "frame": style("frame"),
        "accent": style("accent"),
        "accent.strong": style("accent", bold=True),
        "warn": style("warning"),
        "warn.strong": style("warning", bold=True),
        "error": style("error"),
        "error.strong": style("error", bold=True),
        "good": style("success"),
        "customer": text + Style(bold=True),
        "assistant": style("accent"),
        "agent": style("secondary", bold=True),
        "note": style("warning"),
        "cite": style("accent", underline=True),
        "draft": quiet + Style(italic=True),
        "pending": quiet,
    }
