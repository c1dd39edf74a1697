"""Steps about the company: language, name, time zone, hours, and how far the assistant goes."""

from __future__ import annotations

import os

from invent_server.cli.setup.asking import Wrong
from invent_server.cli.setup.stage import Stage
from invent_server.cli.setup.week import plotted
from invent_server.conversations import hours
from shared.i18n import LANGUAGES, Texts, supported, texts
from shared.text import clean_line

OFFICE = hours.parse("mo-fr 9-18")
MODES = ("suggest", "automatic", "humans_first", "off")


def language(stage: Stage) -> bool:
    """Asked in both languages; everything after is in the chosen one."""

    def read(answer: str) -> str:
        named = {"english": "en", "inglés": "en", "ingles": "en", "spanish": "es", "español": "es", "espanol": "es"}
        chosen = named.get(answer.lower(), answer.lower())
        if chosen not in LANGUAGES:
            raise Wrong("en = English, es = Español")
        return chosen

    if stage.given.language:
        chosen: str | None = read(stage.given.language)
    else:
        chosen = stage.asker.ask(
            "Which language do you speak? · ¿En qué idioma hablamos?", from_system(), read, "en = English, es = Español"
        )
    if chosen is None:
        return False
    stage.asker.tr = texts("cli", chosen)
    stage.set_assistant(language=chosen)
    stage.portal.patch(f"/api/v1/agents/{stage.me['agent']['name']}", {"language": chosen})
    stage.asker.done(stage.tr("Everything is in English from here on."))
    return True


def from_system() -> str:
    """The language of this terminal."""
    return supported(os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG"))


def company(stage: Stage) -> bool:
    tr = stage.tr

    def read(answer: str) -> str:
        name = clean_line(answer, 200).strip()
        if not name or len(name) > 120:
            raise Wrong(tr("A name has 1 to 120 characters."))
        return name

    name = (
        read(stage.given.company)
        if stage.given.company
        else stage.asker.ask(tr("What is your company called, as customers know it?"), _old(stage, "company"), read)
    )
    if name is None:
        return False
    stage.set_assistant(company=name)
    stage.asker.done(tr("The assistant speaks for {company}.", company=name))
    return True


def _old(stage: Stage, field: str) -> str | None:
    return str(stage.assistant[field]) or None


def timezone(stage: Stage) -> bool:
    """Guessed from this machine."""
    from tzlocal import get_localzone_name

    tr = stage.tr

    def read(answer: str) -> str:
        try:
            return hours.zone(_of_city(answer)).key
        except hours.HoursError:
            raise Wrong(
                tr("{name} is no time zone; write it like Europe/Madrid.", name=clean_line(answer, 60))
            ) from None

    if stage.given.timezone:
        zone: str | None = read(stage.given.timezone)
    else:
        guess = stage.setting("timezone") or get_localzone_name()
        zone = stage.asker.ask(tr("In which time zone do you work?"), guess, read, tr("Such as Europe/Madrid."))
    if zone is None:
        return False
    stage.set_inbox(timezone=zone)
    stage.portal.patch(f"/api/v1/agents/{stage.me['agent']['name']}", {"timezone": zone})
    stage.asker.done(tr("Times are those of {zone}.", zone=zone))
    return True


def _of_city(answer: str) -> str:
    """The zone that a city's name means, where it is the only one of that name; else the answer as it is."""
    from zoneinfo import available_timezones

    wanted = answer.strip().replace(" ", "_").lower()
    known = available_timezones()
    same = [name for name in known if wanted in (name.lower(), name.lower().rpartition("/")[2])]
    return same[0] if len(same) == 1 else answer.strip()


def opening(stage: Stage) -> bool:
    """Without --hours and without anybody to ask, none are made up."""
    tr = stage.tr
    spoken = tr.language

    def read(answer: str) -> hours.Hours:
        try:
            return hours.parse(answer)
        except hours.HoursError as error:
            example = hours.show(hours.parse("mo-fr 9-18, sa 10-14"), spoken)
            raise Wrong(
                tr("I do not understand {piece}; write it like {example}.", piece=repr(error.piece), example=example)
            ) from None

    if stage.given.hours:
        week: hours.Hours | None = read(stage.given.hours)
    elif stage.asker.quiet:
        week = None
    else:
        old = stage.setting("hours")
        proposal = hours.show(hours.parse(old) if old else OFFICE, spoken)
        week = stage.asker.ask(
            tr("When is somebody there to answer?"),
            proposal,
            read,
            tr("One line. Customers who need a person at other times are told when you are back."),
        )
    if week is None:
        return False
    stage.set_inbox(hours=hours.show(week))
    stage.asker.done(hours.show(week, spoken))
    for line in plotted(week, tr):
        stage.asker.say(line)
    return True


def mode(stage: Stage) -> bool:
    tr = stage.tr
    meant = {
        "suggest": tr("it drafts, a person reads and sends (good to begin with)"),
        "automatic": tr("it answers by itself and calls a person when it is not sure"),
        "humans_first": tr("people answer; it drafts when they ask for it"),
        "off": tr("it stays out"),
    }
    words = mode_words(tr)

    def read(answer: str) -> str:
        known = {**{word: name for name, word in words.items()}, **{name: name for name in MODES}}
        known |= {str(number): name for number, name in enumerate(MODES, 1)}
        if (chosen := known.get(answer.lower())) is None:
            raise Wrong(tr("Write a number from 1 to {last}.", last=len(MODES)))
        return chosen

    if stage.given.mode:
        chosen: str | None = read(stage.given.mode)
    else:
        choices = "\n".join(f"{at}  {words[name]}: {meant[name]}" for at, name in enumerate(MODES, 1))
        chosen = stage.asker.ask(tr("What may the assistant do with customers' messages?"), "1", read, choices)
    if chosen is None:
        return False
    stage.set_inbox(mode=chosen)
    stage.asker.done(f"{words[chosen]}: {meant[chosen]}")
    return True


def mode_words(tr: Texts) -> dict[str, str]:
    """The modes by name, in words."""
    return {
        "suggest": tr("suggest"),
        "automatic": tr("automatic"),
        "humans_first": tr("people first"),
        "off": tr("off"),
    }


def spoken_hours(stage: Stage) -> str:
    """The hours of the inbox in the person's language."""
    line = stage.setting("hours")
    return hours.show(hours.parse(line), stage.tr.language) if line else ""
