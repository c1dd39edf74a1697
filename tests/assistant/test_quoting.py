"""The part of a passage that is quoted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invent_server.assistant.quoting import LIMIT, pieces, quote

LONG = (
    "Atendemos con cita para que nadie espere de más.\n\n"
    "- En la web, en **Mi mascota > Nueva cita**, a cualquier hora.\n"
    "- Por teléfono, en horario de apertura.\n"
    "- Por WhatsApp, en el 555 014 221. Contestamos en menos de dos horas.\n\n"
    "La primera consulta dura 30 minutos y cuesta 38 €. Una revisión dentro de los 15 días siguientes, 18 €. "
    "Es gratis anularla hasta 24 horas antes. Si anulas más tarde o no te presentas, en la próxima visita "
    "cobramos 15 €. "
    "La primera vez, ven 10 minutos antes para abrir la ficha."
)


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("cuanto cobrais la primera consulta", "38 €"),
        ("puedo pedir cita por whatsapp", "555 014 221"),
        ("me cobráis si no me presento", "15 €"),
    ],
)
def test_quotes_the_sentences_that_answer(question: str, holds: str) -> None:
    text = quote(question, LONG)
    assert holds in text
    assert len(text) <= LIMIT < len(LONG) + 100
    assert text != LONG


def test_a_short_passage_is_quoted_whole_with_its_heading() -> None:
    text = quote("canarias", "- 14,90 € por bulto\n- de 7 a 12 días", "Envíos > Canarias")
    assert text == "Canarias:\n- 14,90 € por bulto\n- de 7 a 12 días"


def test_a_lead_in_stays_with_its_list() -> None:
    filler = " ".join(f"Frase número {n} sobre otra cosa." for n in range(30))
    text = quote("cuánto cuesta a baleares", f"{filler}\n\nFuera de la península:\n\n- Baleares: 7,50 €\n- Ceuta: 19 €")
    assert text.startswith("Fuera de la península:\n- Baleares: 7,50 €")


def test_table_rows_carry_their_headings() -> None:
    table = "| Plan | Price | Users |\n|---|---|---|\n| Solo | free | 1 |\n| Team | 7 € | 20 |"
    assert (
        quote("price of team", table, "Plans")
        == "Plans:\n- **Solo**: Price free, Users 1\n- **Team**: Price 7 €, Users 20"
    )


def test_links_images_and_tags_become_simple() -> None:
    text = quote("track", "See [the page](https://x.example/t) or [help](/help). ![map](a.png) <b>Now</b>.")
    assert text == "See the page (https://x.example/t) or help. map Now ."


def test_hostile_text_is_cleaned() -> None:
    assert "\x1b" not in quote("hi", "Hello \x1b]52;c;AAAA\x07 world\u202e")


def test_what_shares_no_word_is_quoted_from_its_beginning() -> None:
    assert quote("how much is it", LONG).startswith("Atendemos con cita")


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60), st.text(alphabet=st.sampled_from("ab .\n-|#*1>[]()!€"), max_size=900), st.text(max_size=30)
)
def test_any_passage_can_be_quoted(question: str, text: str, heading: str) -> None:
    quoted = quote(question, text, heading)
    assert len(quoted) <= LIMIT
    assert "".join(pieces(quoted)) == quoted
