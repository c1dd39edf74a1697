"""The action table as Textual's bindings.

They have priority, that is, the application carries them out itself before it looks at the next key. Without that a
quick hand, or a slow line that delivers `r` and the first letters together, would type the letters into the list.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.binding import Binding, BindingType

from invent_tui.actions import EVERY, Context, in_context, keys_in
from invent_tui.keymap import load


class PlainKeys(Enum):
    """Keys of plain terminals that Textual takes for others."""

    ALT_ENTER = "alt+enter"


# Without the Kitty protocol alt+enter is ESC CR, which Textual reads as enter: it would break the line, not send.
cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)["\x1b\r"] = (PlainKeys.ALT_ENTER,)


@cache
def defaults() -> dict[str, tuple[str, ...]]:
    """The keymap as it is delivered."""
    return load({})


def bindings_for(context: Context) -> list[BindingType]:
    """One binding per action of a context. They all end in the screen's `do`."""
    return [
        Binding(
            ",".join(keys),
            f"screen.do('{action.id}')",
            action.label,
            show=False,
            priority=True,
            id=f"{context}.{action.id}",
        )
        for action in in_context(context)
        if (keys := keys_in(action, context, defaults()))
    ]


def changes(keymap: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """What a changed keymap means for Textual: binding id -> keys."""
    return {
        f"{context}.{action.id}": ",".join(keys_in(action, context, keymap))
        for context in EVERY
        for action in in_context(context)
        if keymap[action.id] != defaults()[action.id] and keys_in(action, context, keymap)
    }
