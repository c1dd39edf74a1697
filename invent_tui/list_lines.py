"""What a row of the list says, as pieces of text. Line one: state, who, where, about what, how long the customer waits.
Line two: what matters now, that is why it waits, or the last words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invent_tui.cells import Line, Piece, cell_len, fit, pad, plain, right
from invent_tui.need import CLOSED, SNOOZED, WAITING, group

if TYPE_CHECKING:
    from invent_tui.words import Words
    from shared.models import Conversation

WAIT = 4
CHANNEL = 4


def first_line(chat: Conversation, me: str, words: Words, now: int, width: int, *, writing: bool) -> Line:
    """State, customer, channel, intent, wait; exactly `width` cells."""
    role, glyph = words.mark(chat, me, writing)
    room = width - 3 - 1 - CHANNEL - 1 - WAIT
    intent = words.intent(chat)
    intent_room = min(12, room - 17) if intent and room >= 24 else 0
    name_room = room - (intent_room + 1 if intent_room else 0)
    ellipsis = words.glyphs.ellipsis
    name = pad(chat.customer.name or words.tr("Visitor"), name_room, ellipsis)
    line: list[Piece] = [
        (role, glyph + " "),
        ("strong" if chat.unread or group(chat, me) == WAITING else "text", name),
        ("dim", " " + pad(words.channel(chat.channel, short=True), CHANNEL, ellipsis)),
    ]
    if intent_room:
        line.append(("dim", " " + pad(intent, intent_room, ellipsis)))
    line.append(("warn" if group(chat, me) == WAITING else "dim", " " + right(wait(chat, words, now), WAIT)))
    return tuple(line)


def wait(chat: Conversation, words: Words, now: int) -> str:
    """How long the customer waits; else the age of the last words."""
    since = chat.waiting_since
    if since is None or group(chat, "") in (CLOSED, SNOOZED):
        since = chat.last_message.created_at if chat.last_message else chat.updated_at
    return words.ago(since, now)


def second_line(chat: Conversation, me: str, words: Words, now: int, width: int, *, writing: bool) -> Line:
    """What matters now; exactly `width` cells."""
    tr, number = words.tr, group(chat, me)
    head = ""
    if chat.unread:
        head = tr.plural("{count} new", "{count} new", chat.unread)
    if number == WAITING:
        text = words.dots(words.reason(chat) or tr("waits for a person"), head, _last(chat, me, words))
    elif number == SNOOZED:
        until = words.until(chat.snoozed_until or chat.updated_at, now)
        text = words.dots(tr("until {time}", time=until), head, _last(chat, me, words))
    elif number == CLOSED:
        text = words.dots(tr("resolved"), words.stars(chat.csat), _last(chat, me, words))
    elif writing:
        text = words.dots(words.glyphs.spark + " " + tr("is writing"), head, _last(chat, me, words))
    else:
        text = words.dots(head, _last(chat, me, words))
    room = width - 3
    cut = fit(text, room, words.glyphs.ellipsis)
    return (("dim", "   " + cut + " " * (room - cell_len(cut))),)


def _last(chat: Conversation, me: str, words: Words) -> str:
    last = chat.last_message
    if last is None:
        return ""
    if last.author.kind == "assistant":
        return f"{words.glyphs.spark} {plain(last.text)}"
    if last.author.kind == "agent":
        who = words.tr("you") if last.author.name == me else last.author.name
        return f"{who}: {last.text}"
    return last.text


def separator(number: int, words: Words, width: int) -> Line:
    """The rule before a group."""
    label = f" {words.group(number)} "
    rule = words.glyphs.rule
    return (("frame", rule * 2), ("dim", label), ("frame", rule * max(0, width - 2 - cell_len(label))))
