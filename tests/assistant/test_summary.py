"""Summaries and suggestions for colleagues."""

from __future__ import annotations

import pytest

from invent_server.assistant.choosing import ASKED
from invent_server.assistant.suggestion import suggest
from invent_server.assistant.summary import summarize
from invent_server.assistant.types import Line
from invent_server.knowledge.types import IndexUnavailable
from tests.assistant.worlds import Search, asked, said, turn


def test_three_lines_say_what_happened_what_is_wanted_and_what_was_tried() -> None:
    history = (
        asked("hi, my cup came broken"),
        said("Send us a photo within 48 hours."),
        asked("and who pays for it?"),
        said("Which?", "ask", ASKED),
        asked("i want to talk to a person"),
    )
    assert summarize(history, "en").splitlines() == [
        "What happened: The customer first wrote: “my cup came broken” “and who pays for it?”",
        "Wants now: “my cup came broken and who pays for it?” The customer asked for a person.",
        "Tried: The assistant answered: “Send us a photo within 48 hours.” The assistant asked back.",
    ]


def test_in_the_language_asked_for() -> None:
    history = (asked("la taza llegó rota"), Line("agent", "Te enviamos otra."))
    assert summarize(history, "es").splitlines() == [
        "Qué ha pasado: El cliente ha escrito: “la taza llegó rota”",
        "Qué quiere ahora: “la taza llegó rota”",
        "Qué se ha intentado: Un compañero contestó: “Te enviamos otra.”",
    ]


@pytest.mark.parametrize("lines", [("agent",), ("hi", "can i talk to a person")])
def test_a_wish_alone(lines: tuple[str, ...]) -> None:
    text = summarize([asked(line) for line in lines], "en")
    assert "Wants now: To talk to a person." in text
    assert "Tried: Nothing yet." in text


def test_nothing_happened() -> None:
    assert summarize([], "en") == ""


def test_each_part_is_one_clean_line() -> None:
    text = summarize([asked("a\nb\n\x1b[31mc " + "long " * 200)], "en")
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text
    assert all(len(line) < 400 for line in text.splitlines())


async def test_a_suggestion_quotes_the_best_passage() -> None:
    found = await suggest(Search(evidence=0.0), turn("hola, ¿cuánto cuesta el envío?"))
    assert "4,90" in found.text
    assert [citation.title for citation in found.citations] == ["Gastos de envío"]


async def test_a_suggestion_answers_the_last_question_when_nothing_is_open() -> None:
    history = (asked("how long do i have to return it"), said("A moment."), asked("ok"))
    assert "30 days" in (await suggest(Search(), turn("ok", history=history))).text


async def test_the_unanswered_lines_may_stand_in_the_history_too() -> None:
    search = Search()
    history = (asked("how much is shipping"), said("4.90 euros."), asked("and to Portugal?"))
    await suggest(search, turn("and to Portugal?", history=history))
    assert search.asked == ["how much is shipping and to Portugal?"]


async def test_no_question_no_suggestion() -> None:
    assert (await suggest(Search(), turn("hola"))).text == ""
    assert (await suggest(Search(pages=()), turn("how much is it"))).text == ""


async def test_an_absent_index_is_told() -> None:
    with pytest.raises(IndexUnavailable):
        await suggest(Search(away=True), turn("how much is shipping"))
