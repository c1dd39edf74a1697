"""Folding, tokens, stems and patterns: what all reading of short lines stands on."""

from __future__ import annotations

import pytest

from invent_server.assistant.patterns import NAME, Pattern
from invent_server.assistant.words import distance_one, fold, squeeze, stem, tokens


def test_fold_and_squeeze() -> None:
    assert fold("¿Qué’s") == "¿ques"
    assert fold("Straße") == "strasse"
    assert squeeze("holaaaa") == "hola"
    assert squeeze("4000") == "4000"


def test_tokens_know_their_place_and_marks() -> None:
    text = "Hola, ¿qué's?"
    found = tokens(text)
    assert [(t.text, text[t.start : t.end], t.apart) for t in found] == [
        ("hola", "Hola", False),
        ("ques", "qué's", True),
    ]


@pytest.mark.parametrize(
    "family",
    [
        ("devolver", "devolucion"),
        ("envio", "envios", "enviar"),
        ("return", "returns", "returned"),
        ("factura", "facturas", "facturacion"),
    ],
)
def test_stems_of_a_family_are_one(family: tuple[str, ...]) -> None:
    trunk = min((stem(word) for word in family), key=len)
    assert all(stem(word).startswith(trunk) for word in family)


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("grcias", "gracias", True),
        ("graicas", "gracias", True),
        ("gracias", "gracias", False),
        ("gente", "agente", True),
        ("agnt", "agente", False),
        ("hola", "halo", False),
    ],
)
def test_distance_of_one_letter(one: str, other: str, near: bool) -> None:
    assert distance_one(one, other) is near


def _match(source: str, line: str, names: frozenset[str] = frozenset()) -> int:
    pattern = Pattern(source, {"human": ["persona", "atencion al cliente"]})
    words = [frozenset([word, NAME]) if word in names else frozenset([word]) for word in line.split()]
    return pattern.longest(words, 0)


@pytest.mark.parametrize(
    ("source", "line", "end"),
    [
        ("muchas? gracias", "gracias", 1),
        ("muchas? gracias", "muchas gracias a todos", 2),
        ("con (una|la)? {human}", "con una persona", 3),
        ("con (una|la)? {human}", "con atencion al cliente", 4),
        ("a (b c|b)* d", "a b b c b d", 6),
        ("a b", "a c", -1),
        ("soy {name} {name}?", "soy ana lopez", 2),
    ],
)
def test_patterns_match_the_longest(source: str, line: str, end: int) -> None:
    assert _match(source, line, frozenset(["ana"])) == end


@pytest.mark.parametrize("source", ["(a|b", "a)", "?a", "", "a?", "a, b"])
def test_a_broken_pattern_says_so(source: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|brackets|before"):
        Pattern(source, {})
