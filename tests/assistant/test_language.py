"""The language of short lines, and which one is spoken."""

from __future__ import annotations

import pytest

from invent_server.assistant.language import detect, of_lines, spoken


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("¿cuánto cuesta el envío?", "es"),
        ("donde esta mi pedido", "es"),
        ("no me deja pagar", "es"),
        ("how long does delivery take", "en"),
        ("where is my order", "en"),
        ("it arrived broken", "en"),
        ("où est ma commande s'il vous plaît", "fr"),
        ("wo ist meine Bestellung", "de"),
        ("quando chega a minha encomenda", "pt"),
        ("dove si trova il mio ordine", "it"),
        ("on és la meva comanda", "ca"),
        ("где мой заказ", "ru"),
        ("注文はどこですか", "ja"),
        ("我的订单在哪里", "zh"),
        ("أين طلبي", "ar"),
    ],
)
def test_line_tells_its_language(text: str, language: str) -> None:
    assert detect(text).language == language


def test_what_tells_nothing_keeps_the_conversation() -> None:
    assert detect("41873").language is None
    assert not detect("").sure
    assert of_lines("41873", "es", "en-GB", "en") == "es"
    assert of_lines("Portugal?", None, "es-MX", "en") == "es"
    assert of_lines("Portugal?", None, None, "es") == "es"


def test_a_sure_line_changes_the_language() -> None:
    assert of_lines("where is my order please", "es", "es", "es") == "en"


def test_answers_are_spoken_in_a_language_with_texts() -> None:
    catalogs = ("en", "es")
    assert [spoken(language, catalogs, "es") for language in ("es", "en", "ca", "de")] == ["es", "en", "es", "en"]
