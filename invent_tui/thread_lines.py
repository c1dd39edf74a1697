"""How messages look: author, wrapped text, delivery and time, per width. Pure: the view caches what comes out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from invent_tui.cells import Line, Piece, cell_len, columns, fit, pad, plain, right, wrap

if TYPE_CHECKING:
    from invent_tui.transcript import Pending
    from invent_tui.words import Words
    from shared.models import Attachment, Delivery, Message

AUTHOR = 9
NARROW = 54
"""Below this width the author stands above the text instead of beside it."""
_CITED = re.compile(r"(\[\d{1,2}\])")


def message_lines(message: Message, me: str, words: Words, width: int, *, same_author: bool = False) -> list[Line]:
    """The lines of one message. `same_author`: the one above is by the same person, whose name is not repeated."""
    role, author = _author(message, me, words)
    text_role = {"note": "note", "whisper": "note", "event": "dim", "action": "dim"}.get(message.kind, "text")
    mark, mark_role = _ticks(message.delivery, words)
    stamp = words.clock(message.sent_at or message.created_at)
    text = words.event(message) if message.kind == "event" else message.text
    if message.author.kind == "assistant":
        text = plain(text)
    body = text or ("" if message.attachments else " ")
    lines = _block(
        role,
        "" if same_author else author,
        body,
        text_role,
        mark,
        mark_role,
        stamp,
        width,
        cited=bool(message.citations),
    )
    indent = 1 if width < NARROW else AUTHOR
    room = width - indent
    for attachment in message.attachments:
        lines.append(_indented(indent, "accent", fit(_attachment(attachment, words), room)))
    if message.citations:
        sources = (f"[{number}] {citation.title}" for number, citation in enumerate(message.citations, 1))
        lines.extend(_indented(indent, "dim", part) for part in wrap(words.dots(*sources), room))
    problem = _problem(message.delivery, words)
    if problem:
        lines.extend(_indented(indent, "error", part) for part in wrap(problem, room))
    return lines


def live_lines(text: str, words: Words, width: int) -> list[Line]:
    """The text that the assistant is writing, with a cursor at its end."""
    return _block("assistant", words.glyphs.spark, plain(text) + words.glyphs.cursor, "text", "", "dim", "", width)


def pending_lines(item: Pending, words: Words, width: int) -> list[Line]:
    """A message of ours that is not confirmed."""
    tr, g = words.tr, words.glyphs
    author = g.pencil + " " + tr("you") if item.note else tr("you")
    mark = g.failed if item.state == "failed" else g.sending
    role = "error" if item.state == "failed" else "pending"
    lines = _block("agent", author, item.text, role, mark, role, words.clock(item.created_at), width)
    if item.state == "failed":
        told = words.dots(tr("not sent: {problem}", problem=item.problem), tr("R sends it again, u takes it back"))
        indent = 1 if width < NARROW else AUTHOR
        lines.extend(_indented(indent, "error", part) for part in wrap(told, width - indent))
    return lines


def day_line(label: str, words: Words, width: int) -> Line:
    """The rule that begins a day."""
    label = fit(f" {label} ", width)
    rest = width - cell_len(label)
    rule = words.glyphs.rule
    return (("frame", rule * (rest // 2)), ("dim", label), ("frame", rule * (rest - rest // 2)))


def _block(
    role: str,
    author: str,
    text: str,
    text_role: str,
    mark: str,
    mark_role: str,
    stamp: str,
    width: int,
    *,
    cited: bool = False,
) -> list[Line]:
    tail: Line = ((mark_role, right(mark, 2)), ("dim", " " + right(stamp, 5)))
    if width < NARROW:
        head: list[Line] = []
        if author:
            name = pad(author, width - columns(tail))
            head.append(((role, name), *tail))
        return head + [((text_role, " "), *_cited(part, text_role, cited)) for part in wrap(text, width - 1)]
    room = width - AUTHOR - columns(tail) - 1
    lines: list[Line] = []
    for number, part in enumerate(wrap(text, room)):
        first = number == 0
        left: Piece = (role, pad(author if first else "", AUTHOR))
        pieces = _cited(part, text_role, cited)
        gap: Line = (("text", " " * (room - cell_len(part) + 1)), *tail) if first else ()
        lines.append((left, *pieces, *gap))
    return lines


def _cited(text: str, role: str, cited: bool) -> Line:
    if not cited or "[" not in text:
        return ((role, text),)
    return tuple(("cite" if _CITED.fullmatch(part) else role, part) for part in _CITED.split(text) if part)


def _author(message: Message, me: str, words: Words) -> tuple[str, str]:
    g, author = words.glyphs, message.author
    if message.kind in ("note", "whisper"):
        return "note", g.pencil + " " + fit(author.name or words.tr("note"), AUTHOR - 3, g.ellipsis)
    if message.kind in ("event", "action") or author.kind == "system":
        return "dim", g.gear
    if author.kind == "assistant":
        return "assistant", g.spark
    if author.kind == "agent":
        return "agent", words.tr("you") if author.name == me else fit(author.name, AUTHOR - 1, g.ellipsis)
    first = (author.name or words.tr("Visitor")).split(" ")[0]
    return "customer", fit(first, AUTHOR - 1, g.ellipsis)


def _ticks(delivery: Delivery | None, words: Words) -> tuple[str, str]:
    g = words.glyphs
    if delivery is None:
        return "", "dim"
    return {
        "queued": (g.sending, "dim"),
        "sending": (g.sending, "dim"),
        "sent": (g.tick, "dim"),
        "delivered": (g.ticks, "dim"),
        "read": (g.ticks, "accent"),
        "failed": (g.failed, "error"),
        "uncertain": (g.doubt, "warn"),
    }[delivery.state]


def _problem(delivery: Delivery | None, words: Words) -> str:
    if delivery is None or delivery.state not in ("failed", "uncertain"):
        return ""
    tr, g = words.tr, words.glyphs
    if delivery.error == "withdrawn":
        return f"{g.failed} " + tr("withdrawn before it was sent")
    if delivery.state == "failed":
        return f"{g.failed} " + words.dots(tr("not delivered"), delivery.error or "")
    return f"{g.doubt} " + words.dots(tr("may not have arrived"), delivery.error or "")


def _attachment(attachment: Attachment, words: Words) -> str:
    size = attachment.size
    amount = f"{size} B" if size < 1024 else f"{size // 1024} kB" if size < 2**20 else f"{size / 2**20:.1f} MB"
    return f"{words.glyphs.file} " + words.dots(attachment.name, amount)


def _indented(indent: int, role: str, text: str) -> Line:
    return (("text", " " * indent), (role, text))
