"""Words, times and marks of the inbox in the agent's language and time zone. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from invent_tui.glyphs import UNICODE, Glyphs
from invent_tui.need import AGENTS, ASSISTANT, CLOSED, MINE, SNOOZED, WAITING, group, micros
from shared.i18n import Texts, texts

if TYPE_CHECKING:
    from shared.models import Conversation

SECOND = 1_000_000
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


def _n(text: str) -> str:
    """Marks a text for translation where it is translated later."""
    return text


GROUP_WORDS = (
    _n("waiting"),
    _n("mine"),
    _n("other agents"),
    _n("assistant"),
    _n("snoozed"),
    _n("closed"),
)
DAYS = (_n("Monday"), _n("Tuesday"), _n("Wednesday"), _n("Thursday"), _n("Friday"), _n("Saturday"), _n("Sunday"))
MONTHS = (
    _n("January"),
    _n("February"),
    _n("March"),
    _n("April"),
    _n("May"),
    _n("June"),
    _n("July"),
    _n("August"),
    _n("September"),
    _n("October"),
    _n("November"),
    _n("December"),
)
REASONS = {
    "asked_for_human": _n("asked for a person"),
    "requested": _n("asked for a person"),
    "no_evidence": _n("no evidence in the knowledge"),
    "frustrated": _n("the customer is upset"),
    "sensitive": _n("sensitive topic"),
    "policy": _n("a rule sends this to a person"),
    "deadline": _n("the assistant took too long"),
    "failed": _n("the assistant failed"),
    "handler_away": _n("the agent is away"),
}
PRIORITIES = {"low": _n("low"), "normal": _n("normal"), "high": _n("high"), "urgent": _n("urgent")}
MEMORY_TYPES = {
    "language": _n("language"),
    "product_use": _n("product use"),
    "issue": _n("issue"),
    "goal": _n("goal"),
    "preference": _n("preference"),
    "fact": _n("fact"),
}


class Words:
    """Everything that has a wording. `ascii_only` also turns typographic characters into plain ones."""

    def __init__(self, language: str | None = None, zone: str | None = None, glyphs: Glyphs = UNICODE) -> None:
        self.t: Texts = texts("tui", language)
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
        t, moment, today = self.t, self.local(time), self.local(now)
        if moment.date() == today.date():
            return t("Today")
        if moment.date() == today.date() - timedelta(days=1):
            return t("Yesterday")
        text = t("{weekday} {day} {month}", weekday=t(DAYS[moment.weekday()]), day=moment.day, month=self.month(moment))
        return text if moment.year == today.year else f"{text} {moment.year}"

    def month(self, moment: datetime) -> str:
        """The name of the month."""
        return self.t(MONTHS[moment.month - 1])

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
            return self.t("now")
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
        return self.t(GROUP_WORDS[number])

    def intent(self, chat: Conversation) -> str:
        """What the customer wants, in a word or two."""
        return (chat.intent.label or "").replace("_", " ")

    def sure(self, confidence: float) -> str:
        """A score in words."""
        t = self.t
        return t("sure") if confidence >= 0.8 else t("likely") if confidence >= 0.5 else t("unsure")

    def reason(self, chat: Conversation) -> str:
        """Why a chat waits for a person."""
        word = chat.handoff_reason or ""
        if word in REASONS:
            return self.t(REASONS[word])
        return chat.handoff_detail or word.replace("_", " ")

    def priority(self, name: str) -> str:
        return self.t(PRIORITIES.get(name, name))

    def memory_type(self, name: str) -> str:
        return self.t(MEMORY_TYPES.get(name, name))

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
        t, number = self.t, group(chat, me)
        if number == WAITING:
            return self.dots(t("waits for a person"), self.reason(chat))
        if number == MINE:
            return t("you have this chat")
        if number == AGENTS:
            return t("{name} has this chat", name=chat.assignee or t("another agent"))
        if number == ASSISTANT:
            return t("the assistant is answering") if writing or chat.typing else t("the assistant has this chat")
        if number == SNOOZED:
            return t("snoozed until {time}", time=self.until(chat.snoozed_until or chat.updated_at, now))
        return self.dots(t("resolved"), self.stars(chat.csat))

    def stars(self, csat: int | None) -> str:
        """The customer's rating as stars; nothing when there is none."""
        return self.glyphs.star * max(0, min(5, csat or 0))


def _zone(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
