"""Which key does what: config/keymap.toml, changed by the file that INVENT_KEYMAP names. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

TAKEN: dict[str, str] = {
    "ctrl+i": "the same byte as tab",
    "ctrl+m": "the same byte as enter",
    "ctrl+h": "backspace on some terminals",
    "ctrl+[": "the same byte as escape",
    "ctrl+b": "tmux's own key",
    "ctrl+a": "screen's own key",
    "ctrl+s": "may stop the terminal's output",
    "ctrl+q": "may start the terminal's output again",
    "ctrl+c": "copies; interrupts in a shell",
    "ctrl+backslash": "quits programs",
    "ctrl+enter": "needs a terminal with the Kitty protocol",
    "shift+enter": "needs a terminal with the Kitty protocol",
    "f10": "opens the menu of many terminals",
    "f11": "makes many terminals full screen",
}
"""Keys that do not arrive, or mean something else, on some plain terminal."""
DEAD = frozenset("´`^~¨@#[]{}\\|€¬")
"""Characters that a Spanish keyboard gives as dead keys or with AltGr only."""
CHARACTERS = {"question_mark": "?", "slash": "/", "exclamation_mark": "!"}
"""Textual's names of printable keys that the keymap writes as themselves."""


class KeymapError(ValueError):
    """A keymap that cannot be used: the message names the file, the action and the remedy."""


def load(environ: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Action -> keys. Raises KeymapError."""
    keys = _read(resources.files("config").joinpath("keymap.toml").read_text("utf-8"), "keymap.toml")
    named = environ.get("INVENT_KEYMAP")
    if not named:
        return keys
    try:
        changes = _read(Path(named).expanduser().read_text("utf-8"), named)
    except (OSError, UnicodeDecodeError) as error:
        raise KeymapError(f"INVENT_KEYMAP names {named}, which cannot be read: {error}") from None
    for action, pressed in changes.items():
        if action not in keys:
            raise KeymapError(f"{named}: there is no action {action!r}; `?` in the inbox lists them")
        if not pressed:
            raise KeymapError(f"{named}: {action} needs a key")
        for key in pressed:
            if reason := problem(key):
                raise KeymapError(f"{named}: {action} cannot be {key!r}: {reason}")
    return keys | changes


def problem(key: str) -> str | None:
    """Why a key cannot be relied upon; None when it can."""
    if key in TAKEN:
        return TAKEN[key]
    if key in DEAD or key.rpartition("+")[2] in DEAD:
        return "a dead key, or AltGr, on Spanish keyboards"
    return None


def textual_key(key: str) -> str:
    """A key as Textual names it."""
    return {character: name for name, character in CHARACTERS.items()}.get(key, key)


def _read(text: str, name: str) -> dict[str, tuple[str, ...]]:
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise KeymapError(f"{name} is no readable TOML: {error}") from None
    found: dict[str, tuple[str, ...]] = {}
    for section, actions in sections.items():
        if not isinstance(actions, dict):
            raise KeymapError(f"{name}: write [{section}] with actions below it")
        for action, keys in actions.items():
            listed = [keys] if isinstance(keys, str) else keys
            if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
                raise KeymapError(f'{name}: {action} takes keys, such as ["r"]')
            found[action] = tuple(listed)
    return found
