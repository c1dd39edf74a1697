"""All keys of one place, as the table of actions tells them."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from invent_tui.actions import Action
from invent_tui.cells import pad, wrap
from invent_tui.screens.dialogs import Help
from invent_tui.words import Words

KEYS, LABEL = 12, 20
FRAME = 5
"""Cells that border, padding and scroll bar of the box take."""


def keys_help(offered: Iterable[tuple[Action, tuple[str, ...], str | None]], words: Words, width: int) -> Help:
    """The help of a screen that offers these actions; what cannot be done now says why."""
    tr = words.tr
    room = min(78, width * 9 // 10 - FRAME) - KEYS - LABEL
    lines: list[Content] = []
    for action, keys, why in offered:
        text = tr(action.help) if why is None else words.dots(tr(action.help), tr(why))
        first, *more = wrap(text, max(16, room))
        tone = "$quiet" if why is not None else ""
        head = Content.styled(pad(", ".join(keys), KEYS), "$accent")
        lines.append(Content.assemble(head, pad(tr(action.label), LABEL), Content.styled(first, tone)))
        lines += [Content.styled(" " * (KEYS + LABEL) + part, tone) for part in more]
    return Help(tr("Keys"), Content("\n").join(lines), tr("esc closes"))
