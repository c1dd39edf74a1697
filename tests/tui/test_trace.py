"""The way of a message in the inbox: `T` shows it at every width and in both languages; the panel says why."""

from __future__ import annotations

import pytest

from invent_tui.cells import columns
from invent_tui.glyphs import ASCII, UNICODE
from invent_tui.trace_lines import trace_lines
from invent_tui.words import Words
from shared import models as m
from tests.tui.company import company
from tests.tui.data import at
from tests.tui.double import Double
from tests.tui.driving import inbox

LUCIA = "co-000005"
STEPS: list[tuple[str, float, float | None, dict[str, object]]] = [
    ("received", 0.0, None, {"channel": "whatsapp", "key": "wamid.HBg"}),
    ("verified", 0.0, 0.4, {"by": "the channel's signature"}),
    ("stored", 0.4, 3.1, {"seq": 1}),
    ("waited", 3.5, 2.0, {}),
    ("understood", 5.5, 4.0, {"label": "refund", "confidence": 0.91}),
    ("searched", 9.5, 18.0, {"evidence": 0.83, "best": "Damaged items"}),
    ("model", 28.0, 2400.0, {"name": "qwen3:4b", "waited_ms": 12.0, "tokens_per_second": 11.4}),
    ("outcome", 2430.0, 6.0, {"outcome": "answer", "reason": "found", "detail": "written from “Damaged items”"}),
    ("not sent", 2440.0, 90.0, {"error": "HTTP 503"}),
    ("sent", 4500.0, 120.0, {"try": 2}),
]


def way(message_id: str, text: str = "Damaged items") -> m.Trace:
    return m.Trace(
        message_id=message_id,
        engine="ollama:qwen3:4b",
        outcome="answer",
        reason="found",
        intent=m.Intent(label="refund", confidence=0.91),
        total_ms=4620.0,
        steps=[m.TraceStep(name=name, at=at(1), offset_ms=off, ms=ms, detail=facts) for name, off, ms, facts in STEPS],
        evidence=[
            m.Evidence(title=text, chunk_id="k1", score=0.87, cited=True, scores={"lexical": 0.8, "dense": 0.9}),
            m.Evidence(title="Returns within 30 days", chunk_id="k2", score=0.55),
        ],
        prompt=[m.PromptPart(role="user", text="<question>\nMy cup is broken\n</question>")],
    )


def told(language: str = "en") -> Double:
    """Lucía's last answer, and what she asked, have a way."""
    double = company(language)
    for message in double.messages[LUCIA]:
        double.traces[message.id] = way(message.id)
    return double


@pytest.mark.parametrize(("language", "wanted"), [("en", "written by qwen3:4b"), ("es", "escrito por qwen3:4b")])
@pytest.mark.parametrize("size", [(137, 40), (100, 30), (45, 20)])
async def test_the_way_at_every_width(size: tuple[int, int], language: str, wanted: str) -> None:
    double = told(language)
    async with inbox(double, size) as one:
        one.screen.chats.put(LUCIA)
        await one.press("enter")
        await one.sees("Siento lo ocurrido")
        await one.press("T")
        await one.sees(wanted, Words(language).tr("received"))
        if size[1] < 30:
            await one.press("pagedown")
        await one.sees("█")
        await one.press("p", "pagedown", "pagedown", "pagedown", "pagedown")
        await one.sees("My cup is broken")
        await one.press("escape")
        await one.misses("My cup is broken")


async def test_neighbours_and_messages_without_a_way() -> None:
    double = told()
    first, last = double.messages[LUCIA][0], double.messages[LUCIA][-1]
    del double.traces[first.id]
    async with inbox(double) as one:
        one.screen.chats.put(LUCIA)
        await one.press("enter")
        await one.sees("Siento lo ocurrido")
        await one.press("T")
        await one.sees(" ".join(last.text.split())[:30], "Passages used", "Nearly matched")
        await one.press(*["K"] * len(double.messages[LUCIA]))
        await one.sees("no trace")
        await one.press("J")
        await one.sees("Passages used")


async def test_the_panel_says_why() -> None:
    double = told()
    async with inbox(double) as one:
        one.screen.chats.put(LUCIA)
        await one.press("enter")
        await one.sees(
            "refund · sure", "answers", "written by", "[1] Damaged items", "nearly matched", "Returns within"
        )


@pytest.mark.parametrize("width", [20, 38, 64, 80, 128])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_no_line_is_wider_than_the_screen(width: int, glyphs: object) -> None:
    words = Words("es", None, glyphs)  # type: ignore[arg-type]
    lines = trace_lines(way("x", "Título " * 30), None, words, width, prompt=True)
    assert max(columns(line) for line in lines) <= max(width, 40)
    if glyphs is ASCII:
        drawn = "".join(text for line in lines for role, text in line if role in ("accent", "warn"))
        assert drawn.isascii()


def test_events_in_the_agents_language() -> None:
    def event(text: str, reason: str, name: str = "") -> m.Message:
        author = m.Author(kind="system", name=name)
        return m.Message(
            id="e", conversation_id="c", seq=1, author=author, kind="event", text=text, reason=reason, created_at=at(1)
        )

    say = Words("es").event
    assert say(event("marta assigned it to tom", "assigned", "marta")) == "marta lo asignó a tom"
    assert say(event("The customer rated the chat: 4 of 5: fine", "csat")) == "El cliente valoró el chat: 4 de 5: fine"
    assert say(event("The assistant suggests a reply", "suggested")) == "El asistente sugiere una respuesta"
    assert say(event("Handed to the team: x", "high_value")) == "Traspasado: un cliente o pedido de valor"
    assert say(event("tom resolved it: paid", "resolved", "tom")).endswith(": paid")
    assert say(event("Something of its own", "own_reason")) == "Something of its own"
