"""Every line of small_talk.tsv gets its kind; a question beside a greeting keeps all its words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invent_server.assistant.smalltalk import recognise

LINES = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "small_talk.tsv").read_text("utf-8").splitlines()
    if line.strip()
]


@pytest.mark.parametrize(("kind", "text"), LINES)
def test_kind(kind: str, text: str) -> None:
    assert recognise(text).kind == kind


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("hola, mi factura está mal", "mi factura está mal"),
        ("Hola Marta, ¿enviáis a Canarias?", "¿enviáis a Canarias?"),
        ("buenas, cuanto tarda el envio? gracias", "cuanto tarda el envio?"),
        ("hey how do i reset my password", "how do i reset my password"),
        ("Good morning!! My cup is broken. Thanks in advance", "My cup is broken"),
        ("ok, and how much is it?", "and how much is it?"),
        ("ok entonces donde pongo el codigo", "ok entonces donde pongo el codigo"),
        ("vale de descuento", "vale de descuento"),
        ("no, quiero devolverlo", "no, quiero devolverlo"),
        ("hola soy Lucía, no me llega el pedido", "no me llega el pedido"),
        ("Hola,\n\nno me llega el pedido.\n\nUn saludo,\nLucía", "no me llega el pedido"),
    ],
)
def test_question_is_what_is_left(text: str, rest: str) -> None:
    found = recognise(text)
    assert (found.kind, found.rest) == ("not_small_talk", rest)


def test_names_of_the_company_may_be_called() -> None:
    assert recognise("hola casa lumbre", ("Casa Lumbre",)).kind == "greeting"
    assert recognise("hola casa lumbre").kind == "not_small_talk"


def test_a_friendly_no_is_told_from_a_disappointed_one() -> None:
    assert recognise("no, gracias").declined
    assert recognise("nothing else, thanks").declined
    assert not recognise("no es eso").declined


@pytest.mark.parametrize(
    ("text", "language"), [("gracias", "es"), ("thanks", "en"), ("ok", None), ("danke", "de"), ("merci", "fr")]
)
def test_language_of_a_phrase(text: str, language: str | None) -> None:
    assert recognise(text).language == language


def test_a_letter_is_no_small_talk_and_is_read_quickly() -> None:
    body = "me llegó la cafetera con la jarra rota y la caja abierta, y nadie contesta al teléfono. " * 200
    letter = recognise(f"Hola, {body}")
    assert letter.rest.startswith("me llegó la cafetera")
    assert letter.rest.endswith("teléfono.")
    assert recognise(f"Hola, {body} Quiero hablar con una persona.").kind == "ask_human"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_understood(text: str) -> None:
    found = recognise(text)
    assert bool(found.rest) == (found.kind == "not_small_talk")
    assert found.rest in text.strip() or found.rest == text.strip()
