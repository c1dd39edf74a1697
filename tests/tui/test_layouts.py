"""Every screen at every size in both languages: nothing is cut or spills, no colour is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from invent_tui import glyphs, palette
from invent_tui.cells import cell_len
from invent_tui.labels import HAPPENED, INTENTS, NAMED, OUTCOMES, REASONS, STEPS
from invent_tui.words import Words
from shared.i18n import texts
from tests import catalogs
from tests.tui.company import company
from tests.tui.driving import ENVIRON, Driven, inbox

SIZES = [(45, 20), (80, 24), (120, 40), (200, 60)]
WORDS = {"en": ("wait", "filter", "reply", "help"), "es": ("esperan", "filtrar", "responder", "ayuda")}


def panes(one: Driven) -> int:
    return sum(line.count("╮") for line in one.lines()[1:2])


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("size", SIZES)
async def test_list_thread_and_composer_at_every_size(size: tuple[int, int], language: str) -> None:
    async with inbox(company(language), size) as one:
        await one.sees("Tom Becker", *WORDS[language], "16:14")
        assert all(cell_len(line) <= size[0] for line in one.lines())
        await one.press("enter")
        await one.sees("I want to talk to a person")
        assert panes(one) == (3 if size[0] >= 120 else 1)
        await one.press("r")
        await one.type("¡Sí!")
        await one.sees("¡Sí!", "ctrl+j", "F1")
        await one.press("escape", "question_mark")
        await one.sees("esc")
        await one.press("escape")
        tail = one.lines()[-1]
        assert {"en": "help", "es": "ayuda"}[language] in tail


async def test_two_panes_and_a_panel_that_slides_over() -> None:
    async with inbox(size=(100, 30)) as one:
        await one.press("enter")
        await one.sees("I want to talk")
        assert panes(one) == 2
        assert "Memories" not in one.text()
        await one.press("c")
        await one.sees("Memories 0/30")
        await one.press("escape")
        await one.misses("Memories")


async def test_a_terminal_that_is_resized_keeps_its_place() -> None:
    async with inbox(size=(137, 40)) as one:
        one.screen.chats.put("co-000010")
        await one.press("enter")
        await one.sees("Visitor 3 · web")
        for size in ((60, 20), (100, 30), (200, 50), (45, 20), (137, 40)):
            await one.pilot.resize_terminal(*size)
            await one.sees("Visitor 3")
            assert all(cell_len(line) <= size[0] for line in one.lines())
        assert one.screen.state.rows.held == "co-000010"


async def test_plain_terminals_get_plain_marks() -> None:
    async with inbox(environ={**ENVIRON, "TERM": "linux", "COLORTERM": ""}) as one:
        await one.press("enter")
        await one.sees("Tom Becker", "* live", "!! waits for a person")
        foreign = {mark for mark in one.text() if ord(mark) > 0x7F and not mark.isalpha()}
        assert not foreign & set("●○◐◍✦✎⚙▣★╭╮│─▌"), foreign


async def test_without_colour_every_state_still_has_a_word() -> None:
    async with inbox(environ={**ENVIRON, "NO_COLOR": "1"}) as one:
        await one.sees("waiting", "mine", "other agents", "assistant", "snoozed", "live")
        await one.press("enter")
        await one.sees("waits for a person")


@pytest.mark.parametrize("theme", ["invent", "invent-light", "invent-terminal", "textual-dark", "ansi-dark"])
async def test_themes(theme: str) -> None:
    async with inbox(size=(100, 24)) as one:
        one.app.theme = theme
        await one.pilot.pause()
        await one.sees("Tom Becker")


def test_the_marks_fit_the_terminal() -> None:
    assert glyphs.choose({"LANG": "en_US.UTF-8", "TERM": "xterm"}) is glyphs.UNICODE
    assert glyphs.choose({"LANG": "C", "TERM": "xterm"}) is glyphs.ASCII
    assert glyphs.choose({"LANG": "en_US.UTF-8", "TERM": "linux"}) is glyphs.ASCII
    assert glyphs.choose({"LANG": "C", "TERM": "linux", "INVENT_GLYPHS": "unicode"}) is glyphs.UNICODE
    for name in glyphs.ASCII.__slots__:
        assert str(getattr(glyphs.ASCII, name)).isascii()
        if name not in ("name", "file", "ticks"):
            assert cell_len(getattr(glyphs.ASCII, name)) == cell_len(getattr(glyphs.UNICODE, name)), name


def test_the_theme_fits_the_terminal() -> None:
    assert palette.theme_for({"TERM": "xterm-256color"}) == "invent"
    assert palette.theme_for({"TERM": "screen"}) == "invent-terminal"
    assert palette.theme_for({"TERM": "dumb"}) == "invent-terminal"
    assert palette.theme_for({"TERM": "xterm", "COLORTERM": "truecolor", "NO_COLOR": "1"}) == "invent-terminal"
    assert palette.theme_for({"INVENT_THEME": "invent-light"}) == "invent-light"


def test_every_text_has_a_translation_and_none_is_left_over() -> None:
    source, translated = catalogs.source("tui"), catalogs.translated("tui")
    ids = {str(entry.id) for entry in source if entry.id}
    assert {str(entry.id) for entry in translated if entry.id} == ids, "run python -m tests.catalogs tui"
    assert not catalogs.missing(translated)
    compiled = catalogs.po_file("tui").with_suffix(".mo")
    assert compiled.read_bytes() == catalogs.compiled(translated), "run python -m tests.catalogs tui"


def test_no_text_hides_in_an_f_string() -> None:
    """The extractor does not look into them."""
    for file in (Path(__file__).parents[2] / "invent_tui").rglob("*.py"):
        for line in file.read_text("utf-8").splitlines():
            assert "{tr('" not in line, f"{file.name}: {line.strip()}"
            assert ".tr('" not in line, f"{file.name}: {line.strip()}"


def test_times_are_told_in_the_agents_zone_and_language() -> None:
    spanish = Words("es", "Europe/Madrid")
    noon = "2026-11-22T12:00:00.000000Z"
    assert spanish.clock(noon) == "13:00"
    now = 1_795_600_000_000_000  # three days later
    assert spanish.day(noon, now) == "domingo 22 de noviembre"
    assert Words("en", "America/New_York").clock(noon) == "07:00"
    assert Words("en", "No/Such_Place").clock(noon) == "12:00"
    assert [spanish.ago(noon, round(1_795_348_800e6) + s * 1_000_000) for s in (0, 45, 720, 10800, 200_000)] == [
        "ya", "40s", "12m", "3h", "2d",
    ]  # fmt: skip
    same = {"no", "factura"}
    for table in (REASONS, INTENTS, OUTCOMES, NAMED, HAPPENED, STEPS):
        assert all(texts("tui", "es")(text) != text for text in table.values() if text not in same)
