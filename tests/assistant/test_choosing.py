"""The customer's choice after a question back."""

from __future__ import annotations

import pytest

from invent_server.assistant.choosing import ASKED, REMINDED, choice, pending
from invent_server.assistant.replies import catalog, which
from tests.assistant.worlds import asked, said

TITLES = ("Shipping costs", "Returns and exchanges", "Costs of a gift card")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("1", 0),
        ("2", 1),
        ("3.", 2),
        ("#2", 1),
        ("el 2", 1),
        ("la segunda", 1),
        ("the first one", 0),
        ("number three please", 2),
        ("opción 1", 0),
        ("the last one", 2),
        ("two", 1),
        ("returns", 1),
        ("the gift card one", 2),
        ("shipping", 0),
        ("4", None),
        ("costs", None),
        ("1 or 2", None),
        ("2,50 €", None),
        ("neither", -1),
        ("ninguna", -1),
        ("none of them", -1),
        ("", None),
        ("how long does it take to get my money back for the second order that i made?", None),
    ],
)
def test_choice(text: str, index: int | None) -> None:
    assert choice(text, TITLES) == index


@pytest.mark.parametrize("language", ["en", "es"])
def test_options_are_read_from_the_question_back(language: str) -> None:
    text = which(catalog(language, "en"), TITLES)
    history = (asked("hola"), asked("cuanto cuesta"), said(text, "ask", ASKED))
    found = pending(history)
    assert found is not None
    assert found.titles == TITLES
    assert found.question == ("hola", "cuanto cuesta")


def test_a_reminder_keeps_the_question_open() -> None:
    text = which(catalog("en", "en"), TITLES)
    history = (
        asked("costs"),
        said(text, "ask", ASKED),
        asked("ok"),
        said("Write the number.", "ask", REMINDED),
        asked("x"),
    )
    assert pending(history) is not None


def test_another_answer_closes_it() -> None:
    text = which(catalog("en", "en"), TITLES)
    assert pending((said(text, "ask", ASKED), asked("2"), said("Quoted."))) is None
    assert pending((asked("hi"),)) is None
    assert pending(()) is None
