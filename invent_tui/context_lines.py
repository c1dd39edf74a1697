"""The context panel as lines: who the customer is, what is remembered, past chats, why it answered so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from invent_tui.cells import Line, cell_len, fit, pad, wrap
from invent_tui.trace_lines import why_lines

if TYPE_CHECKING:
    from invent_tui.state import State
    from invent_tui.words import Words
    from shared.models import Conversation, Customer, Evidence, Memory

MEMORY_CAP = 30


class Target(NamedTuple):
    """What a line of the panel stands for, so that the cursor can act on it."""

    kind: str  # "memory" or "chat"
    id: str


class Row(NamedTuple):
    """A line, and what it stands for."""

    line: Line
    target: Target | None = None


def context_rows(state: State, words: Words, width: int, now: int) -> list[Row]:
    """All rows of the panel for the open chat; empty when none is open."""
    chat = state.open_chat
    if chat is None:
        return []
    rows = _customer(chat, state.customer, words, width)
    rows += _heading(words.tr("Memories") + f" {len(state.memories)}/{MEMORY_CAP}", width)
    rows += [row for memory in state.memories for row in _memory(memory, words, width)]
    if not state.memories:
        rows.append(_quiet(words.tr("none yet"), width))
    past = [one for one in state.past if one.id != chat.id]
    if past:
        rows += _heading(words.tr("Past chats") + f" {len(past)}", width)
        rows += [_past(one, words, width, now) for one in past[:10]]
    rows += _why(chat, state, words, width)
    return rows


def _customer(chat: Conversation, customer: Customer | None, words: Words, width: int) -> list[Row]:
    tr = words.tr
    rows = [Row((("strong", fit(chat.customer.name or tr("Visitor"), width)),))]
    if customer is not None:
        verified = any(identity.verified for identity in customer.identities)
        facts = [tr("verified") if verified else tr("not verified"), customer.language or ""]
        rows += _wrapped(words.dots(*facts), width)
        reach = (customer.email, customer.phone)
        rows += [Row((("dim", fit(text, width, words.glyphs.ellipsis)),)) for text in reach if text]
        seen = sorted({words.channel(identity.channel) for identity in customer.identities})
        rows += _wrapped(words.dots(*seen), width)
    rows += _wrapped(
        words.dots(
            words.priority(chat.priority) if chat.priority != "normal" else "",
            *(f"#{tag}" for tag in chat.tags),
        ),
        width,
        "accent",
    )
    return rows


def _memory(memory: Memory, words: Words, width: int) -> list[Row]:
    """The text, marked when it is pinned; its kind stands after it where there is room."""
    target = Target("memory", memory.id)
    kind = words.memory_type(memory.type)
    parts = wrap(memory.text, width - 2)
    rows = [
        Row((("accent", f"{words.glyphs.pin} " if memory.pinned and not number else "  "), ("text", part)), target)
        for number, part in enumerate(parts)
    ]
    if cell_len(parts[-1]) + cell_len(kind) + 4 <= width:
        line = rows[-1].line
        rows[-1] = Row((*line, ("dim", f" {words.glyphs.dot} {kind}")), target)
    else:
        rows.append(Row((("dim", f"  {kind}"),), target))
    return rows


def _past(chat: Conversation, words: Words, width: int, now: int) -> Row:
    role, glyph = words.mark(chat, "", writing=False)
    what = words.dots(words.intent(chat) or (chat.last_message.text if chat.last_message else ""))
    head = f"  {words.short_day(chat.created_at)} {pad(words.channel(chat.channel, short=True), 4)} "
    text = pad(what, width - cell_len(head) - 3, words.glyphs.ellipsis)
    return Row((("dim", head), ("text", text), (role, " " + glyph)), Target("chat", chat.id))


def _why(chat: Conversation, state: State, words: Words, width: int) -> list[Row]:
    """What was understood, done and why; the passages behind it, and those that nearly matched."""
    tr, g, why = words.tr, words.glyphs, state.why
    lines = why_lines(why, words, width) if why is not None else []
    intent = words.intent(chat)
    if not lines and intent:
        lines = [(("text", part),) for part in wrap(words.dots(intent, words.sure(chat.intent.confidence)), width)]
    if chat.handoff_reason and (why is None or chat.handoff_reason != why.reason):
        lines += [(("warn", part),) for part in wrap(f"{g.waiting.strip()} {words.reason(chat)}", width)]
    passages = why.evidence if why is not None else []
    if not lines and not passages:
        return []
    rows = _heading(tr("Why"), width) + [Row(line) for line in lines]
    for number, passage in enumerate([one for one in passages if one.cited], 1):
        rows.append(_passage(f"[{number}]", "cite", passage, words, width))
    near = [one for one in passages if not one.cited]
    if near:
        rows.append(_quiet(tr("nearly matched"), width))
    rows += [_passage("   ", "dim", one, words, width) for one in near[:3]]
    if why is not None and why.steps:
        rows.append(_quiet(tr("T shows the whole way"), width))
    return rows


def _passage(mark: str, role: str, passage: Evidence, words: Words, width: int) -> Row:
    sure = words.sure(passage.score)
    title = pad(passage.title, width - 4 - cell_len(sure) - 1, words.glyphs.ellipsis)
    return Row(((role, mark), ("text", " " + title), ("dim", " " + sure)))


def _heading(text: str, width: int) -> list[Row]:
    return [Row(()), Row((("accent.strong", fit(text, width)),))]


def _quiet(text: str, width: int) -> Row:
    return Row((("dim", "  " + fit(text, width - 2)),))


def _wrapped(text: str, width: int, role: str = "dim") -> list[Row]:
    return [Row(((role, part),)) for part in wrap(text, width)] if text else []
