"""Opening hours of an inbox: a weekly table of spans on the local clock, and the next opening in words. Pure.

Written in one line, in English or Spanish: `mo-fr 9-18, sa 10-14`, `lu-vi 9-14 16-19:30`, `daily 22-2`, `24/7`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from unicodedata import combining, normalize
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.clock import MINUTE
from shared.i18n import Texts, supported

DAY = 24 * 60
WEEK = 7 * DAY
NAMES = {
    "en": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "es": ("lunes", "martes", "miercoles", "jueves", "viernes", "sabado", "domingo"),
}
SHORT = {"en": ("mo", "tu", "we", "th", "fr", "sa", "su"), "es": ("lu", "ma", "mi", "ju", "vi", "sá", "do")}
_LETTERS = {letter: day for day, letter in enumerate("lmxjvsd")}  # as Spanish shops write the days
_DAILY = ("daily", "diario", "everyday", "todos los dias", "every day", "cada dia")
_NOISE = re.compile(r"\b(?:de|del|from|los|las|la|el|on)\b")
_TO = re.compile(r"\s*(?:-|–|—|\b(?:a|to|hasta|until|till)\b)\s*")
_AND = re.compile(r"\b(?:y|and)\b|[&+/]")
_HALF = re.compile(r"(?<=\d)\s+(am|pm|h)\b")
_TIME = re.compile(r"(\d{1,2})(?:[:.h](\d{2}))?h?(am|pm)?")

_CITIES = {
    "es": {
        "Asuncion": "Asunción",
        "Athens": "Atenas",
        "Berlin": "Berlín",
        "Bogota": "Bogotá",
        "Brussels": "Bruselas",
        "Canary": "Canarias",
        "Dublin": "Dublín",
        "Havana": "La Habana",
        "Lisbon": "Lisboa",
        "London": "Londres",
        "Mexico City": "Ciudad de México",
        "Moscow": "Moscú",
        "New York": "Nueva York",
        "Panama": "Panamá",
        "Paris": "París",
        "Rome": "Roma",
        "Tokyo": "Tokio",
        "Zurich": "Zúrich",
    }
}
"""Cities of time zones that have another name in a language."""

Span = tuple[int, int]
"""Minutes of the local week, Monday 0:00 = 0: open from the first until before the second."""


class HoursError(ValueError):
    """A line of hours, or a zone, that cannot be read; `piece` is what was not understood."""

    def __init__(self, piece: str, problem: str) -> None:
        super().__init__(f"{piece!r} {problem}; write for example mo-fr 9-18, sa 10-14")
        self.piece = piece


@dataclass(frozen=True, slots=True)
class Hours:
    """Spans in order, apart from each other; one over midnight is one span, one over Sunday's midnight two."""

    spans: tuple[Span, ...]

    def open_at(self, minute: int) -> bool:
        """Is this minute of the week inside?"""
        return any(start <= minute < end for start, end in self.spans)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours on the clock of a zone. Moments are microseconds UTC, as everywhere."""

    hours: Hours
    zone: ZoneInfo

    def is_open(self, at: int) -> bool:
        """Is a person there at this moment?"""
        local = self.local(at)
        return self.hours.open_at(local.weekday() * DAY + local.hour * 60 + local.minute)

    def opens(self, at: int) -> int | None:
        """The first open moment from `at` on; None when it never opens. A clock that is put forward opens at once."""
        if self.is_open(at):
            return at
        local = self.local(at)
        monday = datetime(local.year, local.month, local.day) - timedelta(days=local.weekday())  # noqa: DTZ001
        found = (
            moment
            for week in (0, 1)
            for start, _ in self.hours.spans
            for moment in self._moments(monday + timedelta(weeks=week, minutes=start))
            if moment > at and self.is_open(moment)
        )
        return min(found, default=None)

    def _moments(self, wall: datetime) -> list[int]:
        """When the local clock shows `wall`: once, twice (put back), or where it leaps over it."""
        first, second = (_micros(wall.replace(tzinfo=self.zone, fold=fold)) for fold in (0, 1))
        if self.local(first).replace(tzinfo=None) == wall:
            return [first, second]
        while first - second > MINUTE:  # the leap lies between the two readings of a time that does not exist
            middle = (first + second) // 2 // MINUTE * MINUTE
            if self.local(middle).replace(tzinfo=None) < wall:
                second = middle
            else:
                first = middle
        return [first]

    def local(self, at: int) -> datetime:
        """The moment on the zone's clock."""
        return datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(self.zone)


def _micros(moment: datetime) -> int:
    return round(moment.timestamp()) * 1_000_000


def schedule(settings: Mapping[str, object]) -> Schedule | None:
    """The schedule that an inbox's settings `hours` and `timezone` hold; None where nobody has said any hours."""
    text = settings.get("hours")
    return _schedule(str(text), str(settings.get("timezone") or "UTC")) if text else None


@lru_cache(64)
def _schedule(text: str, name: str) -> Schedule | None:
    try:
        return Schedule(parse(text), zone(name))
    except HoursError:
        return None


def away(tr: Texts, hours: Schedule | None, at: int) -> str:
    """What a customer is told out of hours: when a person will be back. Empty while open, or without hours."""
    if hours is None:
        return ""
    when = back(tr, hours, at)
    return tr("We are closed now; a person will be back {when}.", when=when) if when else ""


def back(tr: Texts, hours: Schedule, at: int) -> str:
    """The next opening in words, such as `tomorrow at 9:00 (Madrid time)`; empty while open, or if it never opens."""
    moment = hours.opens(at)
    if moment is None or moment == at:
        return ""
    local = hours.local(moment)
    days = (local.date() - hours.local(at).date()).days
    clock = f"{local.hour}:{local.minute:02}"
    time = tr.plural("at {time}", "at {time}", local.hour, time=clock)  # a la 1:00, a las 9:00
    if days == 0:
        day = tr("today")
    elif days == 1:
        day = tr("tomorrow")
    else:
        name = day_names(tr)[local.weekday()]
        day = tr("next {day}", day=name) if days >= 7 else tr("on {day}", day=name)
    return tr("{day} {time} ({zone})", day=day, time=time, zone=_zone_words(tr, hours.zone))


def day_names(tr: Texts) -> tuple[str, ...]:
    """Monday to Sunday, as they stand inside a sentence."""
    return (tr("Monday"), tr("Tuesday"), tr("Wednesday"), tr("Thursday"), tr("Friday"), tr("Saturday"), tr("Sunday"))


def _zone_words(tr: Texts, zone_: ZoneInfo) -> str:
    name = zone_.key.rsplit("/", 1)[-1].replace("_", " ")
    name = _CITIES.get(tr.language, {}).get(name, name)
    return name if "/" not in zone_.key else tr("{city} time", city=name)


def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises HoursError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise HoursError(name, "is no time zone such as Europe/Madrid") from None


# ---------------------------------------------------------------------------------------------------- the line


def parse(text: str) -> Hours:
    """Read a line of hours. Raises HoursError."""
    line = _plain(text)
    if re.fullmatch(r"24\s*(?:/|x|h)\s*7?|24 ?h(?:oras|ours)?", line):
        return Hours(((0, WEEK),))
    for word in _DAILY:
        line = line.replace(word, "mo-su")
    line = _HALF.sub(r"\1", line)
    line = _AND.sub(",", _TO.sub("-", _NOISE.sub(" ", line)))
    spans: list[Span] = []
    days: list[int] = []
    timed = True
    for piece in re.split(r"[,;\s]+", line):
        if not piece:
            continue
        if piece[0].isdigit():
            if not days:
                raise HoursError(piece, "has no day before it")
            start, end = _times(piece)
            spans += [(day * DAY + start, day * DAY + end) for day in days]
            timed = True
        elif piece in ("closed", "cerrado"):
            timed = True
        else:
            days = _days(piece) if timed else [*days, *_days(piece)]
            timed = False
    if not timed:
        raise HoursError(text.strip(), "ends with a day that has no hours")
    if not spans:
        raise HoursError(text.strip(), "holds no hours")
    return Hours(_joined(spans))


def _plain(text: str) -> str:
    """Small letters without accents, one space between words."""
    letters = (c for c in normalize("NFKD", text.lower()) if not combining(c))
    return re.sub(r"\s+", " ", "".join(letters).replace("a.m.", "am").replace("p.m.", "pm")).strip(" .")


def _days(piece: str) -> list[int]:
    first, dash, last = piece.partition("-")
    start = _day(first)
    end = _day(last) if dash else start
    return [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]


def _day(word: str) -> int:
    for names in NAMES.values():
        for day, name in enumerate(names):
            if len(word) >= 2 and (name.startswith(word) or word == name + "s"):
                return day
    if word in _LETTERS:
        return _LETTERS[word]
    raise HoursError(word, "is no day")


def _times(piece: str) -> Span:
    first, dash, last = piece.partition("-")
    if piece in ("24", "24h"):
        return 0, DAY
    if not dash:
        raise HoursError(piece, "needs an end, such as 9-18")
    start, end = _time(first), _time(last)
    if start in (end, DAY):
        raise HoursError(piece, "is no span of time")
    return start, end if end > start else end + DAY


def _time(text: str) -> int:
    """Minutes after midnight."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise HoursError(text, "is no time")
    hour, minute, half = int(found[1]), int(found[2] or 0), found[3]
    if half:
        if not 1 <= hour <= 12:
            raise HoursError(text, "is no time")
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 24 or minute > 59 or hour * 60 + minute > DAY:
        raise HoursError(text, "is no time")
    return hour * 60 + minute


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """In order, inside one week, without overlaps."""
    inside = [
        part for start, end in spans for part in ([(start, WEEK), (0, end - WEEK)] if end > WEEK else [(start, end)])
    ]
    found: list[Span] = []
    for start, end in sorted(inside):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


# --------------------------------------------------------------------------------------------------- and back


def by_day(hours: Hours) -> list[list[Span]]:
    """The spans of each day from Monday on, in minutes of that day; what goes on after midnight ends above 24 h."""
    spans = list(hours.spans)
    if spans == [(0, WEEK)]:
        return [[(0, DAY)] for _ in range(7)]
    if len(spans) > 1 and spans[0][0] == 0 and spans[-1][1] == WEEK:  # open over Sunday's midnight
        spans = [*spans[1:-1], (spans[-1][0], WEEK + spans[0][1])]
    days: list[list[Span]] = [[] for _ in range(7)]
    for start, end in spans:
        day = start // DAY
        while end - day * DAY > DAY and end - (day + 1) * DAY >= start - day * DAY:  # open for more than a day
            days[day % 7].append((start - day * DAY, DAY))
            day, start = day + 1, (day + 1) * DAY
        days[day % 7].append((start - day * DAY, end - day * DAY))
    return days


def show(hours: Hours, language: str = "en") -> str:
    """The line, as short as it can be written; `parse` reads it again, in either language."""
    short = SHORT[supported(language)]
    parts: list[str] = []
    days = by_day(hours)
    if hours.spans == ((0, WEEK),):
        return "24/7"
    day = 0
    while day < 7:
        last = day
        while last < 6 and days[last + 1] == days[day]:
            last += 1
        if days[day]:
            name = short[day] if last == day else f"{short[day]}-{short[last]}"
            parts.append(" ".join([name, *(f"{_clock(start)}-{_clock(end)}" for start, end in sorted(days[day]))]))
        day = last + 1
    return ", ".join(parts)


def _clock(minute: int) -> str:
    hour = minute // 60 - (24 if minute > DAY else 0)
    return f"{hour}:{minute % 60:02}" if minute % 60 else str(hour)
