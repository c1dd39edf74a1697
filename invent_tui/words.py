"""Words, times and marks of the inbox in the agent's language and time zone. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from invent_tui.glyphs import UNICODE, Glyphs
from invent_tui.labels import HAPPENED, INTENTS, MEMORY_TYPES, NAMED, PRIORITIES, REASONS
from invent_tui.need import AGENTS, ASSISTANT, CLOSED, MINE, SNOOZED, WAITING, group, micros
from shared.i18n import Texts, texts

if TYPE_CHECKING:
    from shared.models import Conversation, Message

SECOND = 1_000_000
_RATED = re.compile(r"The customer rated the chat: (\d) of 5(.*)", re.DOTALL)
SHORT = {
    "whatsapp": "wa",
    "instagram": "ig",
    "messenger": "fb",
    "slack": "sl",
    "telegram": "tg",
    "email": "mail",
    "web": "web",
    "api": "api",
}
NAMES = {
    "whatsapp": "WhatsApp",
    "instagram": "Instagram",
    "messenger": "Messenger",
    "slack": "Slack",
    "telegram": "Telegram",
    "email": "email",
    "web": "web",
    "api": "API",
}


def _(text: str) -> str:
    """Marks a text for translation where it is translated later."""
    return text


GROUP_WORDS = (
    _("waiting"),
    _("mine"),
    _("other agents"),
    _("assistant"),
    _("snoozed"),
    _("closed"),
)
DAYS = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))
MONTHS = (
    _("January"),
    _("February"),
    _("March"),
    _("April"),
    _("May"),
    _("June"),
    _("July"),
    _("August"),
    _("September"),
    _("October"),
    _("November"),
    _("December"),
)


class Words:
    """Everything that has a wording. `ascii_only` also turns typographic characters into plain ones."""

    def __init__(self, language: str | None = None, zone: str | None = None, glyphs: Glyphs = UNICODE) -> None:
        self.tr: Texts = texts("tui", language)
        self.glyphs = glyphs
        self.zone: tzinfo = _zone(zone)

    # ------------------------------------------------------------------ time

    def local(self, time: str | int) -> datetime:
        """A wire time (or microseconds) in the agent's zone."""
        value = micros(time) if isinstance(time, str) else time
        return datetime.fromtimestamp(value / SECOND, UTC).astimezone(self.zone)

    def clock(self, time: str | int) -> str:
        """Hours and minutes."""
        return self.local(time).strftime("%H:%M")

    def day(self, time: str | int, now: int) -> str:
        """A date in words; the year only when it is another one."""
        tr, moment, today = self.tr, self.local(time), self.local(now)
        if moment.date() == today.date():
            return tr("Today")
        if moment.date() == today.date() - timedelta(days=1):
            return tr("Yesterday")
        text = tr(
            "{weekday} {day} {month}", weekday=tr(DAYS[moment.weekday()]), day=moment.day, month=self.month(moment)
        )
        return text if moment.year == today.year else f"{text} {moment.year}"

    def month(self, moment: datetime) -> str:
        """The name of the month."""
        return self.tr(MONTHS[moment.month - 1])

    def short_day(self, time: str | int) -> str:
        """A day in a column: `21 Nov`."""
        moment = self.local(time)
        return f"{moment.day:>2} {self.month(moment)[:3].lower()}"

    def until(self, time: str, now: int) -> str:
        """When a snoozed chat comes back: the clock time today, else day and time."""
        moment = self.local(time)
        same = moment.date() == self.local(now).date()
        return self.clock(time) if same else f"{self.short_day(time).strip()} {self.clock(time)}"

    def ago(self, since: str, now: int) -> str:
        """A wait in a column of four: `now`, `40s`, `12m`, `3h`, `2d`."""
        seconds = max(0, (now - micros(since)) // SECOND)
        if seconds < 10:
            return self.tr("now")
        for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
            if seconds >= size:
                return f"{seconds // size}{unit}"
        return f"{seconds // 10 * 10}s"

    # ------------------------------------------------------------------ names

    def channel(self, kind: str, short: bool = False) -> str:
        """A channel's name, or its mark in a list."""
        return (SHORT if short else NAMES).get(kind, kind)

    def group(self, number: int) -> str:
        """The word of a group of the list."""
        return self.tr(GROUP_WORDS[number])

    def intent(self, chat: Conversation) -> str:
        """What the customer wants, in a word or two."""
        return self.intent_label(chat.intent.label or "")

    def intent_label(self, label: str) -> str:
        """An intent in words; a company's own as it is called."""
        return self.tr(INTENTS[label]) if label in INTENTS else label.replace("_", " ")

    def sure(self, confidence: float) -> str:
        """A score in words."""
        tr = self.tr
        return tr("sure") if confidence >= 0.8 else tr("likely") if confidence >= 0.5 else tr("unsure")

    def reason(self, chat: Conversation) -> str:
        """Why a chat waits for a person."""
        word = chat.handoff_reason or ""
        if word in REASONS:
            return self.tr(REASONS[word])
        return chat.handoff_detail or word.replace("_", " ")

    def why(self, reason: str) -> str:
        """A machine's word for a reason, in words; unknown ones as they are."""
        return self.tr(REASONS[reason]) if reason in REASONS else reason.replace("_", " ")

    def event(self, message: Message) -> str:
        """What happened in a thread, in the agent's language where the sentence is known."""
        reason, name, text = message.reason or "", message.author.name, message.text
        if reason in NAMED and name:
            told = self.tr(NAMED[reason], name=name, other=text.rpartition(" ")[2])
            said = text.partition(": ")[2] if reason == "resolved" else ""
            return f"{told}: {said}" if said else told
        if reason == "csat" and (rated := _RATED.match(text)):
            return self.tr("The customer rated the chat: {score} of 5", score=rated[1]) + rated[2]
        if reason in HAPPENED:
            return self.tr(HAPPENED[reason])
        if reason in REASONS and not name:
            return self.tr("Handed over: {reason}", reason=self.tr(REASONS[reason]))
        return text

    def priority(self, name: str) -> str:
        return self.tr(PRIORITIES.get(name, name))

    def memory_type(self, name: str) -> str:
        return self.tr(MEMORY_TYPES.get(name, name))

    def dots(self, *parts: str) -> str:
        """Parts that are not empty, joined by the dot."""
        return f" {self.glyphs.dot} ".join(part for part in parts if part)

    # ------------------------------------------------------------------ state

    def mark(self, chat: Conversation, me: str, writing: bool) -> tuple[str, str]:
        """Role and glyph of a conversation's state."""
        g = self.glyphs
        number = group(chat, me)
        if number == WAITING:
            return ("error.strong", g.urgent) if chat.priority == "urgent" else ("warn.strong", g.waiting)
        if number == ASSISTANT:
            return ("accent", g.writing if writing or chat.typing else g.assistant)
        return {
            MINE: ("good", g.mine),
            AGENTS: ("agent", g.agent),
            SNOOZED: ("dim", g.snoozed),
            CLOSED: ("dim", g.resolved),
        }[number]

    def speaker(self, chat: Conversation, me: str, writing: bool, now: int) -> str:
        """Who speaks to the customer right now."""
        tr, number = self.tr, group(chat, me)
        if number == WAITING:
            return tr("waits for a person")
        if number == MINE:
            return tr("you have this chat")
        if number == AGENTS:
            return tr("{name} has this chat", name=chat.assignee or tr("another agent"))
        if number == ASSISTANT:
            return tr("the assistant is answering") if writing or chat.typing else tr("the assistant has this chat")
        if number == SNOOZED:
            return tr("snoozed until {time}", time=self.until(chat.snoozed_until or chat.updated_at, now))
        return self.dots(tr("resolved"), self.stars(chat.csat))

    def stars(self, csat: int | None) -> str:
        """The customer's rating as stars; nothing when there is none."""
        return self.glyphs.star * max(0, min(5, csat or 0))


def _zone(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
