"""The lines around the panes: header, footer, and the line above the composer. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from invent_tui.cells import Line, Piece, cell_len, columns, fit, pad, wrap

if TYPE_CHECKING:
    from invent_tui.actions import Action
    from invent_tui.errors import Link
    from invent_tui.state import State
    from invent_tui.words import Words
    from shared.models import Conversation

KEY_WORDS = {
    "enter": "enter",
    "escape": "esc",
    "question_mark": "?",
    "ctrl+j": "ctrl+j",
    "f1": "F1",
    "f2": "F2",
    "f3": "F3",
    "f4": "F4",
    "f5": "F5",
    "f6": "F6",
    "f7": "F7",
    "f8": "F8",
}


def header_line(state: State, link: Link, words: Words, now: int, width: int) -> Line:
    """Product, company; who waits and for how long; the line; the time."""
    tr, g = words.tr, words.glyphs
    counts = state.counts
    left: list[Piece] = [("accent.strong", " Invent")]
    if state.me is not None and state.me.company and width >= 70:
        left.append(("dim", f" {g.dot} {fit(state.me.company, 30, g.ellipsis)}"))
    right: list[Piece] = []
    if counts is not None:
        number = counts.waiting
        waiting = tr.plural("{count} waiting", "{count} waiting", number) if number else tr("nobody waits")
        right.append(("warn.strong" if counts.waiting else "dim", waiting))
        since = counts.oldest_waiting_since
        if counts.waiting and since and width >= 60:
            right.append(("warn", f" {g.dot} " + tr("oldest {wait}", wait=words.ago(since, now))))
    if state.me is not None and state.me.engine == "extractive" and width >= 110:
        right.append(("dim", "   " + tr("without a model")))
    if link == "live":
        right.append(("good", f"   {g.live} " + tr("live")))
    else:
        word = tr("reconnecting") if link == "lost" else tr("connecting")
        right.append(("warn", f"   {g.offline} {word}"))
    right.append(("dim", f"  {words.clock(now)} "))
    gap = width - columns(tuple(left)) - columns(tuple(right))
    if gap < 1:
        left, gap = [("accent.strong", " Invent")], max(1, width - 7 - columns(tuple(right)))
    return (*left, ("text", " " * gap), *right)


def footer_line(hints: Sequence[tuple[str, str]], held: str, width: int) -> Line:
    """Key and label of what can be done; what is about to happen, with its undo, stands first."""
    pieces: list[Piece] = [("text", " ")]
    if held:
        pieces += [("warn.strong", fit(held, width - 2)), ("text", "   ")]
    for number, (key, label) in enumerate(hints):
        gap = "   " if number else ""
        last = hints[-1]  # help is always offered
        reserve = 0 if (key, label) == last else cell_len(last[0]) + cell_len(last[1]) + 4
        if columns(tuple(pieces)) + cell_len(gap + key + label) + 1 + reserve > width:
            continue
        pieces += [("accent", gap + key), ("dim", f" {label}")]
    return tuple(pieces)


def hint(action: Action, keys: tuple[str, ...], words: Words) -> tuple[str, str]:
    """The key and the label of an action, as the footer shows them."""
    return key_word(keys[0]), words.tr(action.label)


def key_word(key: str) -> str:
    """A key as people write it."""
    return KEY_WORDS.get(key, key)


def reply_title(chat: Conversation, words: Words, *, note: bool, taking: bool) -> tuple[str, str]:
    """Where the words will go: the role and text of the line above the composer."""
    tr = words.tr
    if note:
        return "note", tr("Note {dot} only colleagues read it", dot=words.glyphs.dot)
    to = tr(
        "Reply {dot} goes to {name} by {channel}",
        dot=words.glyphs.dot,
        name=chat.customer.name,
        channel=words.channel(chat.channel),
    )
    if taking:
        return "warn", words.dots(to, tr("taking over"))
    return "accent", to


def composer_line(role: str, text: str, extra: str, words: Words, width: int) -> Line:
    """The rule above the composer with its title on the left and a hint on the right."""
    rule = words.glyphs.rule
    extra = f" {extra} " if extra else ""
    room = width - 4 - cell_len(extra)
    if room < 20:
        extra, room = "", width - 4
    title = f" {fit(text, room - 2, words.glyphs.ellipsis)} "
    fill = max(0, width - 2 - cell_len(title) - cell_len(extra) - 1)
    return (("frame", rule), (role, title), ("frame", rule * fill), ("dim", extra), ("frame", rule * 2))


def summary_lines(chat: Conversation, words: Words, width: int, rows: int) -> list[Line]:
    """What stands above a chat that was handed over: why, and the summary."""

    lines: list[Line] = []
    reason = words.reason(chat)
    if reason:
        text = words.tr("Handed over: {reason}", reason=reason)
        lines.append((("warn", " " + pad(text, width - 2, words.glyphs.ellipsis)),))
    body = [part for part in wrap(chat.summary, width - 2) if part] if chat.summary else []
    if len(body) > rows:  # too long: a little of each of its lines rather than all of the first ones
        body = [fit(part, width - 2, words.glyphs.ellipsis) for part in chat.summary.split("\n") if part][:rows]
    lines += [(("text", " " + part),) for part in body]
    return lines
