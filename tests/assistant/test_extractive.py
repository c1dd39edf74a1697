"""The assistant without a model, situation by situation: what the customer wrote before, writes now, and gets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invent_server.assistant.choosing import ASKED, REMINDED
from invent_server.assistant.extractive import Extractive
from invent_server.assistant.fallback import broken
from invent_server.assistant.replies import catalog, which
from invent_server.assistant.types import Line, TurnResult
from invent_server.conversations.hours import schedule
from shared.clock import from_rfc3339
from tests.assistant.worlds import PAGES, Ear, Search, after, asked, chunk, said, turn

TITLES = ("Shipping costs", "Returns")
ASK = (asked("i have a question about costs"), said(which(catalog("en", "en"), TITLES), "ask", ASKED))
PREGUNTA = (asked("cuánto cuesta"), said(which(catalog("es", "en"), ("Gastos de envío", "Devoluciones")), "ask", ASKED))
ANSWERED = (asked("how much is shipping"), said("Shipping costs 4.90 euros."))
CONTESTADA = (asked("cuánto cuesta el envío"), said("El envío cuesta 4,90 €."))


@dataclass(frozen=True)
class Case:
    lines: tuple[str, ...]
    outcome: str
    reason: str
    holds: str = ""
    history: tuple[Line, ...] = ()
    language: str | None = None
    search: dict[str, object] = field(default_factory=dict)
    lacks: str = "\0"


def c(lines: str | tuple[str, ...], outcome: str, reason: str, holds: str = "", **more: object) -> Case:
    return Case((lines,) if isinstance(lines, str) else lines, outcome, reason, holds, **more)  # type: ignore[arg-type]


HIGH: dict[str, object] = {"evidence": 0.99}
LOW: dict[str, object] = {"evidence": 0.01}
MIDDLE: dict[str, object] = {"evidence": 0.68, "scores": {"Shipping costs": 0.9, "Returns": 0.85, "Enamel care": 0.1}}
MEDIO: dict[str, object] = {
    "evidence": 0.68,
    "scores": {"Gastos de envío": 0.9, "Devoluciones": 0.85, "Garantía": 0.1},
    "language": "es",
}

CASES = [
    # small talk
    c("hola", "answer", "greeting", "Casa Lumbre"),
    c("Holaaa!!", "answer", "greeting", "asistente automático"),
    c("hi there", "answer", "greeting", "How can I help you?"),
    c("hello", "answer", "greeting", "How can I help you?", history=ANSWERED, lacks="Casa Lumbre"),
    c("buenas, tengo una duda", "answer", "greeting", "¿En qué te puedo ayudar?"),
    c("bonjour", "answer", "greeting", "How can I help you?"),
    c("bon dia", "answer", "greeting", "¿En qué te puedo ayudar?"),
    c("?", "answer", "negate", "Tell me"),
    c("gracias", "answer", "thanks", "De nada", history=CONTESTADA),
    c("thanks a lot!", "answer", "thanks", "welcome", history=ANSWERED),
    c("thanks", "silence", "thanks", history=(*ANSWERED, asked("thanks"), said("You are welcome.", reason="thanks"))),
    c("adiós", "silence", "goodbye", history=(*CONTESTADA, asked("gracias"), said("De nada.", reason="thanks"))),
    c("hasta luego", "answer", "goodbye", "Hasta luego", history=CONTESTADA),
    c("bye", "answer", "goodbye", "Goodbye"),
    c("ok", "silence", "ack", history=ANSWERED),
    c("vale, perfecto", "silence", "ack", history=CONTESTADA),
    c("👍", "silence", "emoji", history=ANSWERED),
    c("👍", "silence", "emoji"),
    c("...", "silence", "emoji"),
    c("are you a bot?", "answer", "are_you_bot", "not a person"),
    c("¿eres una persona?", "answer", "are_you_bot", "no una persona"),
    c("sí", "silence", "affirm", history=CONTESTADA),
    c("yes", "answer", "affirm", "Tell me", history=(asked("hi"), said("Hello!", reason="greeting"))),
    c("yes", "answer", "affirm", "Tell me"),
    c("no, gracias", "answer", "declined", "Aquí estoy", history=CONTESTADA),
    c("no thanks", "silence", "negate", history=(asked("no"), said("All right.", reason="declined"))),
    c("no", "answer", "negate", "Tell me"),
    c("no es eso", "ask", "rephrase", "otras palabras", history=CONTESTADA),
    c("that doesn't help", "ask", "rephrase", "other words", history=ANSWERED),
    c("no", "handoff", "unclear", "colleague", history=(*ANSWERED, asked("no"), said("Sorry", "ask", "rephrase"))),
    c("ok", "answer", "affirm", "Tell me", history=(*ANSWERED, asked("no"), said("Sorry", "ask", "rephrase"))),
    c("no", "answer", "declined", "here if you need", history=(asked("hi"), said("Hello!", reason="greeting"))),
    # a person
    c("0", "handoff", "asked_human", "colleague"),
    c("agent", "handoff", "asked_human", "colleague"),
    c("persona", "handoff", "asked_human", "compañero"),
    c("quiero hablar con alguien de verdad", "handoff", "asked_human", "compañero"),
    c("can i talk to a real person", "handoff", "asked_human", "colleague", history=ANSWERED),
    c(("no me sirve", "kiero ablar con una prsona"), "handoff", "asked_human", "compañero", history=CONTESTADA),
    c("agent", "handoff", "asked_human", "colleague", history=ASK),
    c("mein Paket ist kaputt, ich will mit einem Menschen sprechen", "handoff", "asked_human", "colleague"),
    # answers
    c("how much is shipping?", "answer", "found", "Shipping costs 4.90 euros", search=HIGH),
    c("hola, ¿cuánto cuesta el envío a Canarias?", "answer", "found", "14,90", search=HIGH),
    c(("hola", "una pregunta", "cuanto tiempo tengo para devolver", "gracias"), "answer", "found", "30", search=HIGH),
    c("¿la garantía cubre la batería?", "answer", "found", "La garantía dura tres años", search=HIGH),
    c("are you a bot? how much is shipping", "answer", "found", "4.90", search=HIGH),
    c("puedo meter tazas de enamel en el microwave", "answer", "found", "Solo tengo esto en inglés:", search=HIGH),
    c("do you have a garantía for the batería?", "answer", "found", "This is in Spanish:", search=HIGH),
    c("Was kostet der Versand, shipping?", "answer", "found", "I only have this in English:", search=HIGH),
    # a question back
    c("costs of what", "ask", ASKED, "1. Shipping costs\n2. Returns", search=MIDDLE),
    c("¿cuánto cuesta eso?", "ask", ASKED, "1. Gastos de envío\n2. Devoluciones", search=MEDIO),
    c("1", "answer", "found", "Shipping costs 4.90", history=ASK),
    c("the second one", "answer", "found", "30 days", history=ASK),
    c("la primera", "answer", "found", "4,90", history=PREGUNTA, language="es"),
    c("devoluciones", "answer", "found", "30 días", history=PREGUNTA, language="es"),
    c("el segundo, gracias", "answer", "found", "30 días", history=PREGUNTA, language="es"),
    c("ninguna", "handoff", "unclear", "compañero", history=PREGUNTA, language="es"),
    c("none of these", "handoff", "unclear", "colleague", history=ASK),
    c("no", "handoff", "unclear", "colleague", history=ASK),
    c("ok", "ask", REMINDED, "number", history=ASK),
    c("👍", "silence", "emoji", history=(*ASK, asked("ok"), said("Write the number", "ask", REMINDED))),
    c("2", "answer", "found", "30 days", history=(*ASK, asked("ok"), said("Write the number", "ask", REMINDED))),
    c("yes", "ask", REMINDED, "number", history=ASK),
    c("thanks", "answer", "thanks", history=ASK),
    c("what about the enamel mugs in the microwave then", "answer", "found", "microwave", history=ASK, search=HIGH),
    c("what do you think about the whole matter", "handoff", "unclear", "colleague", history=ASK, search=MIDDLE),
    c("some other thing about the costs of all that", "handoff", "unclear", history=ASK, search=MIDDLE),
    # no answer
    c("do you sell submarines", "handoff", "no_evidence", "no certain answer", search=LOW),
    c("¿vendéis submarinos?", "handoff", "no_evidence", "No tengo una respuesta segura", search=LOW),
    c("xyzzy plugh", "handoff", "no_evidence"),
    c("cuéntame un chiste sobre devoluciones", "handoff", "no_evidence", search={"evidence": 0.8}),
    c("costs", "handoff", "no_evidence", search={"evidence": 0.68, "scores": {"Shipping costs": 0.9, "Returns": 0.1}}),
    c("how much is shipping", "handoff", "index_unavailable", "cannot look this up", search={"away": True}),
    c("hola", "answer", "greeting", search={"away": True}),
    c("2", "handoff", "index_unavailable", history=ASK, search={"away": True}),
    c("", "handoff", "no_text", "files or pictures"),
    c(("", "  "), "handoff", "no_text", "archivos", language="es"),
]


async def respond(case: Case) -> tuple[TurnResult, Ear, Search]:
    search, ear = Search(**case.search), Ear()  # type: ignore[arg-type]
    responder = Extractive(search)
    result = await responder(turn(*case.lines, history=case.history, language=case.language, locale="en"), ear)
    return result, ear, search


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.lines[-1][:30]}-{case.reason}")
async def test_situation(case: Case) -> None:
    result, ear, _ = await respond(case)
    assert (result.outcome, result.reason) == (case.outcome, case.reason), result
    assert case.holds in result.text
    assert case.lacks not in result.text
    assert "".join(ear.pieces) == result.text
    assert bool(ear.pieces) == (result.outcome != "silence")
    assert result.detail
    assert result.language
    assert result.intent or result.confidence >= 0
    assert bool(result.citations) == (result.reason == "found")
    assert bool(result.summary) == (result.outcome == "handoff")


async def test_an_answer_names_its_source_and_what_was_looked_at() -> None:
    result, _, _ = await respond(c("how much is shipping?", "answer", "found", search=HIGH))
    assert [citation.title for citation in result.citations] == ["Shipping costs"]
    assert result.citations[0].url == "https://shop.example/shipping-costs"
    assert result.evidence[0].cited
    assert [one.cited for one in result.evidence[1:]] == [False] * (len(result.evidence) - 1)
    assert result.intent == "shipping"
    assert {"understand", "search", "quote", "speak"} <= set(result.timings)


async def test_intents_of_small_talk_and_people() -> None:
    assert (await respond(c("hola", "answer", "greeting")))[0].intent == "smalltalk"
    assert (await respond(c("0", "handoff", "asked_human")))[0].intent == "human"


async def test_a_short_line_is_asked_together_with_the_question_before_it() -> None:
    history = (asked("how much is shipping"), said("Shipping costs 4.90 euros."))
    result, _, search = await respond(c("and for Portugal?", "answer", "found", history=history, search=HIGH))
    assert search.asked == ["and for Portugal?", "how much is shipping and for Portugal?"]
    assert "9.90" in result.text


async def test_a_short_line_of_its_own_is_asked_alone() -> None:
    history = (asked("how much is shipping"), said("Shipping costs 4.90 euros."))
    result, _, _ = await respond(c("enamel microwave hand", "answer", "found", "microwave", history=history))
    assert result.citations[0].title == "Enamel care"


async def test_the_search_is_told_the_language() -> None:
    _, _, search = await respond(c("¿cuánto cuesta el envío?", "answer", "found", search=HIGH))
    assert search.hints == ["es"]
    _, _, search = await respond(c("Portugal?", "answer", "found", search=HIGH, language="es"))
    assert search.hints == ["es"]


async def test_the_index_decides_the_language_that_the_line_does_not_tell() -> None:
    case = c("Baleares Canarias", "answer", "found", search={"evidence": 0.9, "language": "es"})
    result, _, _ = await respond(case)
    assert result.language == "es"
    assert "only have" not in result.text


async def test_a_translation_is_no_second_candidate() -> None:
    pages = (*PAGES[:1], *PAGES[3:4])
    scores = {"Gastos de envío": 0.9, "Shipping costs": 0.88}
    search: dict[str, object] = {"pages": pages, "evidence": 0.68, "scores": scores}
    result, _, _ = await respond(c("costs envío", "handoff", "no_evidence", search=search))
    assert result.outcome == "handoff"


async def test_untrusted_text_is_cleaned() -> None:
    page = chunk("Evil\x1b[31m title\u202e", "Shipping is \x1b]0;x\x07free.", "en")
    case = c("is shipping free? \x1b[2J", "answer", "found", search={"pages": (page,), "evidence": 0.9})
    result, _, _ = await respond(case)
    shown = result.text + result.detail + result.citations[0].title + result.evidence[0].text
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    handed, _, _ = await respond(c("\x1b[31mdo you sell boats\u202e", "handoff", "no_evidence", search=LOW))
    assert "\x1b" not in handed.summary + handed.text


async def test_who_may_not_speak_any_more_stops() -> None:
    class Silenced(Exception):
        pass

    async def emit(piece: str) -> None:
        raise Silenced

    with pytest.raises(Silenced):
        await Extractive(Search())(turn("hi"), emit)


def _conversation(lines: list[list[str]], evidence: float | None, away: bool) -> None:
    async def talk() -> None:
        history: tuple[Line, ...] = ()
        responder = Extractive(Search(evidence=evidence, away=away))
        for burst in lines:
            ear = Ear()
            result = await responder(turn(*burst, history=history), ear)
            assert result.outcome in ("answer", "ask", "handoff", "silence")
            assert result.reason
            assert result.detail
            assert "".join(ear.pieces) == result.text
            assert bool(result.text) == (result.outcome != "silence")
            history = after(history, "\n".join(burst), result)

    asyncio.run(talk())


WORDS = [
    "hola",
    "no",
    "sí",
    "2",
    "costs",
    "envío",
    "portugal?",
    "gracias",
    "agent",
    "👍",
    "?",
    "y",
    "return",
    "\x1b[2J",
]
BURST = st.lists(st.text(max_size=40) | st.sampled_from(WORDS), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.lists(BURST, min_size=1, max_size=5), st.none() | st.sampled_from([0.0, 0.5, 0.68, 1.0]), st.booleans())
def test_every_turn_ends_in_an_outcome(lines: list[list[str]], evidence: float | None, away: bool) -> None:
    _conversation(lines, evidence, away)


@pytest.mark.parametrize(
    ("moment", "line", "end"),
    [
        ("20:00", "quiero hablar con una persona", "una persona volverá mañana a las 9:00 (hora de Madrid)."),
        ("20:00", "i want to talk to a person", "a person will be back tomorrow at 9:00 (Madrid time)."),
        ("19:59", "i want to talk to a person", "who will answer you here."),
    ],
)
async def test_who_asks_for_a_person_out_of_hours_is_told_when(moment: str, line: str, end: str) -> None:
    office = schedule({"hours": "mo-fr 9-20", "timezone": "Europe/Madrid"})
    given = replace(turn(line), hours=office, at=from_rfc3339(f"2026-11-23T{moment}:00+01:00"))
    result = await Extractive(Search())(given, Ear())
    assert result.outcome == "handoff"
    assert result.text.endswith(end)
    assert ("9:00" in broken(given, "deadline").text) == ("9:00" in end)
