"""Opening hours: read as people write them, held on the local clock, told in words."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invent_server.conversations.hours import (
    DAY,
    WEEK,
    Hours,
    HoursError,
    Schedule,
    away,
    back,
    by_day,
    parse,
    schedule,
    show,
    zone,
)
from shared.clock import HOUR, MINUTE
from shared.i18n import texts

MADRID = ZoneInfo("Europe/Madrid")
OFFICE = "mo-fr 9-18, sa 10-14"


def at(text: str, zone_: ZoneInfo = MADRID, fold: int = 0) -> int:
    """A local time as microseconds UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone_, fold=fold).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("written", "shown", "spanish"),
    [
        ("mo-fr 9-18, sa 10-14", "mo-fr 9-18, sa 10-14", "lu-vi 9-18, sá 10-14"),
        ("lu-vi 9-18", "mo-fr 9-18", "lu-vi 9-18"),
        ("L-V 9:00-14:00 y 16:00-19:30", "mo-fr 9-14 16-19:30", "lu-vi 9-14 16-19:30"),
        ("de lunes a viernes de 9 a 18:30 y sábados de 10 a 14", "mo-fr 9-18:30, sa 10-14", "lu-vi 9-18:30, sá 10-14"),
        ("Monday to Friday 9am to 5.30pm", "mo-fr 9-17:30", "lu-vi 9-17:30"),
        ("mo, we & fr 8 - 12", "mo 8-12, we 8-12, fr 8-12", "lu 8-12, mi 8-12, vi 8-12"),
        ("fr-mo 22-2", "mo 22-2, fr-su 22-2", "lu 22-2, vi-do 22-2"),
        ("todos los días 10h-21h30", "mo-su 10-21:30", "lu-do 10-21:30"),
        ("mié 9-10; ju 9-24; domingo cerrado", "we 9-10, th 9-24", "mi 9-10, ju 9-24"),
        ("mo 9-12, 11-13", "mo 9-13", "lu 9-13"),
        ("24/7", "24/7", "24/7"),
        ("lu-do 24h", "24/7", "24/7"),
    ],
)
def test_lines_that_people_write(written: str, shown: str, spanish: str) -> None:
    hours = parse(written)
    assert show(hours) == shown
    assert show(hours, "es") == spanish
    assert parse(spanish) == parse(shown) == hours


@pytest.mark.parametrize(
    ("written", "piece"),
    [
        ("", ""),
        ("closed", "closed"),
        ("mo-fr", "mo-fr"),
        ("9-18", "9-18"),
        ("mo 9-25", "25"),
        ("mo 9", "9"),
        ("mo 9-9", "9-9"),
        ("xyz 9-18", "xyz"),
        ("mo 9-13pm", "13pm"),
        ("mo-fr 9-18, sa", "mo-fr 9-18, sa"),
        ("mo 24:30-2", "24:30"),
    ],
)
def test_what_cannot_be_read_is_named(written: str, piece: str) -> None:
    with pytest.raises(HoursError) as failed:
        parse(written)
    assert failed.value.piece == piece


_SPANS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 95), st.integers(1, 95)), min_size=1, max_size=8)


@given(_SPANS)
def test_any_hours_can_be_written_and_read_again(given_: list[tuple[int, int, int]]) -> None:
    names = ("mo", "tu", "we", "th", "fr", "sa", "su")
    line = ", ".join(f"{names[day]} {_quarter(start)}-{_quarter((start + long) % 96)}" for day, start, long in given_)
    hours = parse(line)
    assert parse(show(hours)) == parse(show(hours, "es")) == hours
    assert all(0 <= start < end <= WEEK for start, end in hours.spans)
    assert sum(end - start for day in by_day(hours) for start, end in day) == sum(b - a for a, b in hours.spans)
    for day, start, long in given_:
        assert hours.open_at((day * DAY + start * 15) % WEEK)
        assert hours.open_at((day * DAY + (start + long) * 15 - 1) % WEEK)


def _quarter(quarters: int) -> str:
    return f"{quarters // 4}:{quarters % 4 * 15:02}"


def test_open_from_the_first_minute_until_before_the_last() -> None:
    office = Schedule(parse(OFFICE), MADRID)
    assert not office.is_open(at("2026-11-23 08:59"))
    assert office.is_open(at("2026-11-23 09:00"))
    assert office.is_open(at("2026-11-23 17:59"))
    assert not office.is_open(at("2026-11-23 18:00"))
    assert office.is_open(at("2026-11-28 10:00"))
    assert not office.is_open(at("2026-11-29 12:00"))


def test_a_night_over_midnight_and_over_the_end_of_the_week() -> None:
    bar = Schedule(parse("fr-su 22-2"), MADRID)
    assert bar.is_open(at("2026-11-28 01:59"))  # Saturday, of Friday's night
    assert bar.is_open(at("2026-11-30 01:59"))  # Monday, of Sunday's night
    assert not bar.is_open(at("2026-11-30 02:00"))
    assert bar.opens(at("2026-11-30 02:00")) == at("2026-12-04 22:00")


@pytest.mark.parametrize("days", [("2026-03-27", "2026-03-30"), ("2026-10-23", "2026-10-26")])
def test_the_local_clock_rules_when_clocks_change(days: tuple[str, str]) -> None:
    """Friday evening to Monday morning, over both changes of the year: 9:00 stays 9:00."""
    office = Schedule(parse("mo-fr 9-18"), MADRID)
    assert office.opens(at(f"{days[0]} 18:00")) == at(f"{days[1]} 09:00")


def test_an_opening_that_the_clock_leaps_over() -> None:
    """In Madrid the clock goes from 2:00 to 3:00 on 29 March 2026."""
    night = Schedule(parse("su 2:30-5"), MADRID)
    before = at("2026-03-29 01:59")
    assert night.opens(before) == at("2026-03-29 03:00") == before + MINUTE
    assert Schedule(parse("su 2:15-2:45"), MADRID).opens(before) == at("2026-04-05 02:15")


def test_an_opening_that_comes_twice() -> None:
    """And from 3:00 back to 2:00 on 25 October."""
    night = Schedule(parse("su 2:30-2:45"), MADRID)
    assert night.opens(at("2026-10-25 02:00")) == at("2026-10-25 02:30")
    assert night.opens(at("2026-10-25 02:50")) == at("2026-10-25 02:30", fold=1)
    assert night.opens(at("2026-10-25 02:50", fold=1)) == at("2026-11-01 02:30")


@given(
    _SPANS,
    st.integers(at("2026-01-01 00:00") // MINUTE, at("2027-01-01 00:00") // MINUTE),
    st.sampled_from(["Europe/Madrid", "America/Santiago", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
)
@example([(6, 10, 2)], at("2026-03-29 01:59") // MINUTE, "Europe/Madrid")
def test_the_next_opening_is_the_next(spans: list[tuple[int, int, int]], minute: int, name: str) -> None:
    names = ("mo", "tu", "we", "th", "fr", "sa", "su")
    line = ", ".join(f"{names[day]} {_quarter(start)}-{_quarter((start + long) % 96)}" for day, start, long in spans)
    office = Schedule(parse(line), ZoneInfo(name))
    start = minute * MINUTE
    found = office.opens(start)
    assert found is not None
    assert found >= start
    assert office.is_open(found)
    if len({office.local(start + hour * HOUR).utcoffset() for hour in range(-24, 200, 6)}) == 1:
        # No change of clocks is near: nothing is open before.
        assert not any(office.is_open(step) for step in range(start, found, 15 * MINUTE))


@pytest.mark.parametrize(
    ("moment", "english", "spanish"),
    [
        ("2026-11-23 08:00", "today at 9:00 (Madrid time)", "hoy a las 9:00 (hora de Madrid)"),
        ("2026-11-23 18:00", "tomorrow at 9:00 (Madrid time)", "mañana a las 9:00 (hora de Madrid)"),
        ("2026-11-28 14:00", "on Monday at 9:00 (Madrid time)", "el lunes a las 9:00 (hora de Madrid)"),
        ("2026-11-24 12:00", "", ""),
    ],
)
def test_the_next_opening_in_words(moment: str, english: str, spanish: str) -> None:
    office = Schedule(parse(OFFICE), MADRID)
    assert back(texts("server", "en"), office, at(moment)) == english
    assert back(texts("server", "es"), office, at(moment)) == spanish


def test_one_o_clock_and_next_week() -> None:
    es = texts("server", "es")
    night = Schedule(parse("mo 1-5"), zone("America/Argentina/Buenos_Aires"))
    now = at("2026-11-23 06:00", night.zone)
    assert back(es, night, now) == "el próximo lunes a la 1:00 (hora de Buenos Aires)"
    assert back(es, night, now - 6 * HOUR) == "hoy a la 1:00 (hora de Buenos Aires)"


def test_cities_have_their_spanish_names() -> None:
    office = Schedule(parse(OFFICE), zone("America/Mexico_City"))
    now = at("2026-11-23 20:00", office.zone)
    assert back(texts("server", "es"), office, now) == "mañana a las 9:00 (hora de Ciudad de México)"
    assert back(texts("server", "en"), office, now) == "tomorrow at 9:00 (Mexico City time)"


def test_what_customers_are_told() -> None:
    tr = texts("server", "es")
    office = schedule({"hours": OFFICE, "timezone": "Europe/Madrid"})
    assert away(tr, office, at("2026-11-23 12:00")) == ""
    assert away(tr, office, at("2026-11-23 20:00")) == (
        "Ahora estamos fuera de horario; una persona volverá mañana a las 9:00 (hora de Madrid)."
    )
    assert away(tr, None, 0) == away(tr, schedule({"hours": "24/7"}), 0) == ""
    assert schedule({}) is None
    assert schedule({"hours": "what?"}) is None
    assert schedule({"hours": "mo 9-10", "timezone": "Mars/Olympus"}) is None


def test_never_open_has_no_next_opening() -> None:
    assert Schedule(Hours(()), MADRID).opens(0) is None
