"""What is found, in which language, with how much evidence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invent_server.knowledge.chunk import chunks
from invent_server.knowledge.index.child.engine import Engine
from invent_server.knowledge.index.child.language import LANGUAGES, identify
from invent_server.knowledge.index.child.search import search
from invent_server.knowledge.index.child.vocabulary import distance, nearest
from invent_server.knowledge.index.client import Index
from tests.bench.companies import COMPANIES, pages

CLINIC = next(company for company in COMPANIES["tuning"] if company.name == "clinic")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    made = Engine(tmp_path_factory.mktemp("engine"))
    for _, parts in pages(CLINIC):
        for part in parts:
            made.add(made.prepare(part))
    made.commit()
    made.show()
    return made


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("cuánto cuesta castrar a un gato", "es/spay-neuter"),
        ("how much is it to neuter a cat", "en/spay-neuter"),
        ("horario de la clinica", "es/opening-hours"),
        ("vacine for my cat", "en/vaccinations-cats"),
        ("devoluciones", "es/returns-and-refunds"),
        ("instalments", "en/payment-methods"),
    ],
)
def test_the_right_page_in_the_language_of_the_question(engine: Engine, text: str, page: str) -> None:
    found = search(engine, text, 3)
    assert found.hits[0].chunk.page_id == page
    assert found.language == page[:2]
    assert all(0 <= hit.score <= 1 for hit in found.hits)
    assert len({hit.chunk.page_id for hit in found.hits}) == len(found.hits)


def test_evidence_tells_an_answer_from_what_the_knowledge_does_not_hold(engine: Engine) -> None:
    known = search(engine, "how much is a dental cleaning for a cat", 1).evidence
    near = search(engine, "how much is a dental cleaning for a rhinoceros", 1).evidence
    far = search(engine, "who won the world cup in brazil", 1).evidence
    assert known > 0.8
    assert near < known - 0.2
    assert far < 0.2


def test_a_foreign_article_is_found_when_there_is_no_other(tmp_path: Path) -> None:
    english = Engine(tmp_path)
    for _, parts in pages(CLINIC, ("en",)):
        for part in parts:
            english.add(english.prepare(part))
    english.commit()
    english.show()
    found = search(english, "cuánto cuesta vacunar a mi perro contra la rabia", 1)
    assert found.language == "es"
    assert found.hits[0].chunk.page_id in {"en/vaccinations-dogs", "en/microchip-and-passport"}


@pytest.mark.parametrize(
    "text", ["", "   ", "🐶", "¿?", "the of and", "\x00", "\ud800", "a" * 100_000, "de la " * 5000]
)
def test_text_without_words_finds_nothing_or_little_but_never_fails(engine: Engine, text: str) -> None:
    found = search(engine, text, 5)
    assert found.language in LANGUAGES
    assert found.evidence < 0.3


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=300) | st.text(alphabet='abc"+-:()[]{}^~*?\\/ ANDORNOT', max_size=80),
    hint=st.sampled_from([None, "es", "en", "xx"]),
)
def test_any_text_is_answered(engine: Engine, text: str, hint: str | None) -> None:
    found = search(engine, text, 4, hint)
    assert 0 <= found.evidence <= 1
    assert found.language in (*LANGUAGES, hint)


@pytest.mark.parametrize(
    ("text", "hint", "language"),
    [
        ("hola", None, "es"),
        ("hello", "es", "en"),
        ("devolucion", None, "es"),
        ("refund", None, "en"),
        ("wifi", "es", "es"),
        ("wifi", "en", "en"),
        ("1234", "es", "es"),
        ("où est ma commande", None, "fr"),
        ("wo ist mein paket", None, "de"),
        ("quant costa l'enviament", None, "ca"),
        ("quanto custa o envio", None, "pt"),
        ("quanto costa la spedizione", None, "it"),
    ],
)
def test_languages_of_short_lines(text: str, hint: str | None, language: str) -> None:
    assert identify(text, hint, ("es", "en")) == language


def test_misspelt_words() -> None:
    known = {"ta": [("tarjeta", 3), ("tarde", 9)], "va": [("vaccine", 2)], "st": [("status", 4)]}

    def terms(prefix: str) -> list[tuple[str, int]]:
        return known.get(prefix, [])

    assert distance("recieve", "receive", 2) == 1
    assert distance("abc", "xyzabc", 2) == 3
    assert (nearest("targeta", terms) or ("",))[0] == "tarjeta"
    assert (nearest("vacine", terms) or ("",))[0] == "vaccine"
    assert nearest("states", terms) is None


@pytest.fixture
async def filled(index: Index) -> Index:
    await index.replace_many(pages(CLINIC))
    await index.commit(1)
    return index


async def test_a_page_is_never_missing_or_doubled_while_it_is_replaced(filled: Index) -> None:
    versions = [
        chunks("p", "s", f"Zebra care {n}", f"Version {n} about zebras.\n\n## More\n\n" + "zebra stripes. " * 40)
        for n in range(2)
    ]
    await filled.replace("p", versions[0])
    await filled.commit(2)
    stop = asyncio.Event()
    seen: list[int] = []

    async def look() -> None:
        while not stop.is_set():
            found = await filled.search("zebra", k=10)
            seen.append(sum(hit.chunk.page_id == "p" for hit in found.hits))

    watching = asyncio.gather(look(), look())
    for number in range(12):
        await filled.replace("p", versions[number % 2])
        await filled.commit(3 + number)
    stop.set()
    await watching
    assert len(seen) > 20
    assert set(seen) == {1}
    found = await filled.search("zebra")
    assert found.hits[0].chunk.title == "Zebra care 1"


async def test_remove_reset_and_what_is_not_committed(filled: Index) -> None:
    before = filled.state().chunks
    await filled.remove(["es/grooming", "en/grooming", "nothing"])
    assert (await filled.search("peluquería para perros")).hits[0].chunk.page_id == "es/grooming"
    state = await filled.commit(2)
    assert state.chunks < before
    assert state.revision == 2
    assert (await filled.search("peluquería para perros")).hits[0].chunk.page_id != "es/grooming"
    await filled.reset()
    assert (await filled.commit(3)).chunks == 0
    assert (await filled.search("peluquería")).hits == ()


async def test_searches_stay_fast_while_many_pages_come_in(filled: Index) -> None:
    texts = [part.text for _, parts in pages(CLINIC) for part in parts]
    many = [(f"n{n}", chunks(f"n{n}", "s", f"Copy {n}", texts[n % len(texts)], lang="en")) for n in range(600)]
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def ask() -> None:
        while not done.is_set():
            began = loop.time()
            await filled.search("how much is a dental cleaning")
            times.append(loop.time() - began)
            await asyncio.sleep(0.005)

    done = asyncio.Event()
    asking = asyncio.ensure_future(ask())  # noqa: TID251
    await filled.replace_many(many)
    await filled.commit(9)
    done.set()
    await asking
    assert len(times) > 10
    assert sorted(times)[len(times) // 2] < 0.1
