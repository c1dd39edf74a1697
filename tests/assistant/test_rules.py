"""Lines of the instructions that work without a model: which they are, and what they do in a turn."""

from __future__ import annotations

import time
import tomllib
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invent_server.assistant.extractive import Extractive
from invent_server.assistant.rules import Instructions
from invent_server.instructions.templates import template
from shared.instructions import SECTIONS, amounts, rules, tidy
from tests.assistant.worlds import Ear, Search, turn

CALLS = """\
- Hand over when the customer writes "lawyer" or “abogado”.
2. Pasa a una persona: «demanda judicial», "denunci*"
Pasa a una persona si pide un "reembolso" o "refund" de más de 100 €.
Do not hand over for "thanks".
When somebody is angry, hand over."""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Mi ABOGADA os escribirá", "abogado"),
        ("my lawyers will call you", "lawyer"),
        ("pondré una demanda judicial", "demanda judicial"),
        ("una demanda muy judicial", None),
        ("os voy a denunciar", "denunci*"),
        ("quiero un reembolso de 120,50 €", "reembolso"),
        ("I want a refund of $1,200", "refund"),
        ("quiero un reembolso de 99 euros", None),
        ("quiero un reembolso", None),
        ("reembolso del pedido 4182", None),
        ("thanks!", None),
        ("I am angry", None),
        ("abogar por la paz", None),
        ("", None),
    ],
)
def test_escalation_reads_what_the_customer_writes(line: str, words: str | None) -> None:
    assert Instructions(1, {"escalation": CALLS}).hand_over([line]) == words


def test_only_lines_that_are_rules_are_marked() -> None:
    assert [(one.line, one.over) for one in rules("escalation", CALLS)] == [(0, None), (1, None), (2, 100.0)]
    assert rules("restrictions", 'Say "we".\nNever say "I".\nNo digas «nunca jamás».')[0].line == 1
    assert [one.line for one in rules("restrictions", "Never promise.\nAvoid “cheap”.")] == [1]
    for section in ("tone", "goals", "flow", "guidelines"):
        assert rules(section, CALLS) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.200,50 €", [1200.5]), ("€1,200.50", [1200.5]), ("1.200 euros", [1200.0]), ("4,90€ y 3 €", [4.9, 3.0]),
        ("12.5 usd", [12.5]), ("100", []), ("€", []), ("1.2.3,4,5 €", [1234.5]),
    ],
)  # fmt: skip
def test_sums_as_people_write_them(text: str, found: list[float]) -> None:
    assert amounts(text) == found


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("mi abogado os llamará, cuánto cuesta el envío?", "escalation"), ("cuánto cuesta el envío?", "found")],
)
async def test_a_person_is_called_without_a_model(line: str, wanted: str) -> None:
    taken = replace(turn(line), instructions=Instructions(1, {"escalation": CALLS}))
    result = await Extractive(Search(evidence=0.95))(taken, Ear())
    assert result.reason == wanted
    assert (result.outcome == "handoff") == (wanted == "escalation")
    assert result.outcome != "handoff" or ("abogado" in result.detail and result.text and result.summary)


@pytest.mark.parametrize(
    ("rule", "wanted"), [('No digas nunca "península"', "restricted"), ('Di "península"', "found")]
)
async def test_what_is_never_said_is_not_said(rule: str, wanted: str) -> None:
    ear = Ear()
    taken = replace(turn("cuánto cuesta el envío?"), instructions=Instructions(1, {"restrictions": rule}))
    result = await Extractive(Search(evidence=0.95))(taken, ear)
    assert result.reason == wanted
    assert ("península" in "".join(ear.pieces)) == (wanted == "found")


async def test_the_company_greets_in_its_own_words() -> None:
    own = Instructions(1, {"voice": 'Saludo: "¡Buenas! Soy Lía, asistente automático."\nGreeting: Hi, I am Lía.'})
    for line, wanted in (("hola", "¡Buenas! Soy Lía, asistente automático."), ("hello", "Hi, I am Lía.")):
        result = await Extractive(Search())(replace(turn(line), instructions=own), Ear())
        assert result.text == wanted
    result = await Extractive(Search())(replace(turn("adiós"), instructions=own), Ear())
    assert result.text != "¡Buenas! Soy Lía, asistente automático."


@pytest.mark.parametrize(
    "sly", ['"' + " " * 4000, '"a' * 2000, "1" * 20000, "1,.1 " * 4000, "over " * 4000, "€ 1" * 6000]
)
def test_no_text_takes_long_to_read(sly: str) -> None:
    began = time.perf_counter()
    for section in SECTIONS:
        rules(section, sly)
    amounts(sly)
    Instructions(1, {"escalation": CALLS, "restrictions": 'Never say "a b c".'}).hand_over([sly])
    assert time.perf_counter() - began < 1


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_can_be_a_section_and_a_line(section: str, line: str) -> None:
    made = Instructions(1, dict.fromkeys(SECTIONS, section))
    made.hand_over([line])
    made.forbidden(line)
    made.wording("greeting", "en")


def test_templates_are_whole_in_both_languages_and_their_rules_hold() -> None:
    for language in ("en", "es"):
        made = template(language, "Casa Lumbre")
        assert set(made) == set(SECTIONS)
        assert all(made.values())
        assert "{company}" not in str(made)
        assert Instructions(0, made).hand_over(["tengo un abogado"])
        assert not Instructions(0, made).guarded, "a template must not forbid words that a company's pages may hold"
    demo = tomllib.loads(resources.files("config").joinpath("demo", "instructions.toml").read_text("utf-8"))
    assert set(demo) == {*SECTIONS, "note"}
    assert Instructions(1, tidy(demo)).forbidden("it is guaranteed")
    assert Instructions(1, tidy(demo)).hand_over(["quiero un reembolso de 350 €"])
