"""A small busy inbox: every state, every kind of message, several channels."""

from __future__ import annotations

from shared import models as m
from tests.tui.double import MINUTE, Double, at


def company(language: str = "en") -> Double:
    """The double with a marta who sits at the inbox, in her language."""
    double = Double(
        m.Agent(id="a-marta", name="marta", role="agent", language=language, timezone="Europe/Madrid", created_at=at(0))
    )
    waits = at(double.now - 12 * MINUTE)
    tom = double.add(
        "Tom Becker",
        "Where is the invoice of order 41877?",
        "I can send it to you. Which address is on it?",
        "I want to talk to a person, please",
        channel="email",
        handler="queue",
        waiting_since=waits,
        minutes=12,
        handoff_reason="asked_human",
        handoff_detail="The customer asked for a person.",
        priority="urgent",
        unread=2,
        intent={"label": "invoice", "confidence": 0.91},
        tags=["b2b"],
        summary="Tom needs the invoice of order 41877 with his VAT number.\nHe wants a person now.\n"
        "The assistant offered to send it and asked for the address.",
    )
    double.add(
        "Anaïs Morel",
        "Vous livrez le samedi ?",
        channel="instagram",
        handler="queue",
        minutes=3,
        waiting_since=at(double.now - 3 * MINUTE),
        handoff_reason="no_evidence",
        intent={"label": "shipping", "confidence": 0.6},
        unread=1,
        language="fr",
    )
    double.add(
        "Priya Nair",
        "The machine leaks",
        "I am sorry. Since when?",
        "Since yesterday",
        channel="web",
        handler="agent",
        assignee="marta",
        waiting_since=at(double.now - 40_000_000),
        minutes=8,
        intent={"label": "warranty", "confidence": 0.8},
    )
    double.add(
        "Jonas Weiß",
        "VIES is down",
        "Thank you for telling us.",
        channel="telegram",
        handler="agent",
        assignee="tom",
        minutes=30,
        intent={"label": "vat", "confidence": 0.7},
    )
    lucia = double.add(
        "Lucía Fernández",
        "Hola, el pedido 4182 llegó roto, quiero que me devuelvan el dinero",
        "Siento lo ocurrido, Lucía. Veo el pedido 4182: taza esmaltada, entregada ayer. [1]",
        "Pues quiero el reembolso, no otra taza",
        channel="whatsapp",
        minutes=2,
        language="es",
        intent={"label": "refund", "confidence": 0.93},
        customer_id="cu-lucia",
    )
    cited = double.messages[lucia.id][1]
    double.messages[lucia.id][1] = cited.model_copy(
        update={"citations": [m.Citation(title="Damaged items", url=None, chunk_id="k1")]}
    )
    double.messages[lucia.id].insert(
        2,
        m.Message(
            id="note-1",
            conversation_id=lucia.id,
            seq=3,
            author=m.Author(kind="agent", name="tom"),
            kind="note",
            text="Es clienta de años, sé generosa",
            created_at=at(double.now - 90_000_000),
        ),
    )
    last = double.messages[lucia.id][3]
    double.messages[lucia.id][3] = last.model_copy(
        update={"seq": 4, "attachments": [m.Attachment(id="f1", name="photo.jpg", type="image/jpeg", size=240_000)]}
    )
    double.traces[cited.id] = m.Trace(
        message_id=cited.id,
        steps=[],
        evidence=[
            m.Evidence(title="Damaged items", chunk_id="k1", score=0.87, cited=True),
            m.Evidence(title="Returns within 30 days", chunk_id="k2", score=0.55),
        ],
    )
    double.remember("cu-lucia", "Prefers Spanish, informal (tú).", "language")
    double.remember("cu-lucia", "Is opening a small café in Zaragoza next spring.", "goal", pinned=True)
    double.remember("cu-lucia", "Has received a broken item twice (orders 41620 and 41873).", "issue")
    double.add(
        "Lucía Fernández",
        "¿Cuánto tarda un envío?",
        "De 2 a 4 días.",
        channel="web",
        status="closed",
        csat=5,
        minutes=60 * 24 * 19,
        customer_id="cu-lucia",
        intent={"label": "shipping", "confidence": 0.9},
    )
    for number in range(9):
        double.add(
            f"Visitor {number}",
            "What are your opening hours?",
            "Monday to Friday, 9 to 18. [1]",
            minutes=20 + number,
            intent={"label": "opening_hours", "confidence": 0.85},
        )
    double.add(
        "Grupo Ortiz",
        "¿34 tazas con logo?",
        channel="whatsapp",
        status="snoozed",
        handler="agent",
        assignee="marta",
        snoozed_until=at(double.now + 20 * 60 * MINUTE),
        minutes=300,
    )
    double.add("Marco Bianchi", "La garanzia?", "Due anni.", channel="telegram", status="closed", csat=5, minutes=200)
    double.messages[tom.id].append(
        m.Message(
            id="ev-1",
            conversation_id=tom.id,
            seq=4,
            author=m.Author(kind="system"),
            kind="event",
            text="The assistant handed over: asked for a person",
            created_at=at(double.now - 11 * MINUTE),
        ),
    )
    return double
