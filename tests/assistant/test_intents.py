"""Intents by examples."""

from __future__ import annotations

import json
import statistics
import time

import pytest

from invent_server.assistant.intents import NONE, Intents, intents
from tests.bench.companies import SETS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("¿por dónde va mi paquete?", "order_status"),
        ("where's my parcel", "order_status"),
        ("quiero devolver unas zapatillas", "returns"),
        ("i'd like my money back", "refund"),
        ("la taza ha llegado rota", "damaged_item"),
        ("do you ship to spain", "shipping"),
        ("no me deja pagar con visa", "payment"),
        ("necesito factura", "invoice"),
        ("i forgot my pasword", "account"),
        ("el codigo de descuento no va", "discount"),
        ("is it dishwasher safe", "product_question"),
        ("quiero anular mi pedido", "cancel_order"),
        ("this is a disgrace, i will report you", "complaint"),
        ("¿os queda la talla L?", "availability"),
        ("does the warranty cover it", "warranty"),
        ("cuéntame un chiste", None),
        ("asdf qwer", None),
        ("", None),
    ],
)
def test_label(text: str, name: str | None) -> None:
    assert intents().label(text).name == name


def test_an_added_example_takes_effect_at_once() -> None:
    known = Intents([("returns", "i want to return this"), (NONE, "tell me a joke")])
    assert known.label("do you engrave names?").name is None
    known.add("engraving", "can you engrave a name on it")
    assert known.label("do you engrave names?").name == "engraving"


def test_without_examples_there_is_no_label() -> None:
    assert Intents().label("anything").name is None


def test_confidence_lies_between_0_and_1() -> None:
    for text in ("where is my order?", "where is my order", "x", "order order order"):
        assert 0 <= intents().label(text).confidence <= 1


def test_tuning_lines_are_labelled_fast_and_right() -> None:
    rows = [json.loads(line) for line in (SETS / "tuning" / "intents.jsonl").read_text("utf-8").splitlines()]
    intents().label("warm")
    times = []
    right = 0
    for row in rows:
        began = time.perf_counter()
        right += intents().label(row["text"]).name == row["intent"]
        times.append(time.perf_counter() - began)
    assert right / len(rows) >= 0.93
    assert statistics.median(times) < 0.01
