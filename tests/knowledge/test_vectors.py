"""Vectors in the index process: made after the words, kept over restarts, survived when they fail."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from invent_server.knowledge.chunk import chunks
from invent_server.knowledge.index.client import Index
from invent_server.knowledge.types import Chunk, DenseState
from tests.knowledge.conftest import SETTINGS
from tests.models.conftest import until

MODEL = os.environ.get("INVENT_ONNX_DIR", "")
needs_model = pytest.mark.skipif(
    not (Path(MODEL) / "model.onnx").is_file() or not MODEL,
    reason="INVENT_ONNX_DIR names no folder with all-MiniLM-L6-v2 as ONNX (model.onnx, tokenizer.json)",
)
PAGES = {
    "refunds": ("Refunds", "We send your money back within five working days to the card that you paid with."),
    "mugs": ("Enamel mugs", "The mug holds 300 ml. Do not put it into a microwave oven: the rim is steel."),
    "hours": ("When we are there", "Our shop in Gijón opens at ten and closes at eight, not on Sundays."),
}


def pages(names: dict[str, tuple[str, str]] = PAGES) -> list[tuple[str, list[Chunk]]]:
    return [(name, chunks(name, "s", title, text, None, "en")) for name, (title, text) in names.items()]


class Words:
    """A model outside the process: the letters of a text as numbers, and whatever else a test wants it to send."""

    def __init__(self, size: int = 8) -> None:
        self.size = size
        self.asked: list[str] = []
        self.answer: Callable[[list[str]], list[list[float]]] = self.letters

    def letters(self, texts: list[str]) -> list[list[float]]:
        return [[1.0 + text.lower().count("etaoinsr"[at % 8]) for at in range(self.size)] for text in texts]

    async def __call__(self, texts: list[str]) -> list[list[float]]:
        self.asked += texts
        return self.answer(texts)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Index]]]:
    made: list[Index] = []

    async def one() -> Index:
        index = Index(tmp_path / "index", SETTINGS)
        made.append(index)
        await index.start(wait=20)
        return index

    yield one
    for index in made:
        await index.close()


async def filled(index: Index) -> None:
    await index.replace_many(pages())
    await index.commit(1)


def outside(digest: str = "d1", **more: str) -> dict[str, str]:
    return {"scope": "test", "chroma": "", "model": "letters", "digest": digest, **more}


async def state(index: Index, right: Callable[[DenseState], bool]) -> DenseState:
    await until(lambda: right(index.state().dense), 30)
    return index.state().dense


async def reached(index: Index, count: int) -> None:
    await state(index, lambda one: one.done >= count)


async def killed(index: Index) -> None:
    """The process dies; its next life is ready."""
    before = index._process
    assert before is not None
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: index.state().ready and index._process is not before, 20)


@needs_model
def test_cosines_of_known_texts_are_those_of_the_published_model() -> None:
    from invent_server.knowledge.index.child.onnx import MiniLM

    model = MiniLM(Path(MODEL))
    texts = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    rows = model.embed(texts)
    assert rows.shape == (4, 384)
    found = [float(rows[0] @ row) for row in rows]
    # The figures of the model's card for all-MiniLM-L6-v2 in sentence-transformers.
    assert found == pytest.approx([1.0, 0.695, 0.943, 0.257], abs=0.005)
    alone = [model.embed([text])[0] for text in texts]
    assert all(float(one @ row) > 0.99999 for one, row in zip(alone, rows, strict=True)), "padding must change nothing"


@needs_model
async def test_meaning_is_found_where_no_word_is_shared(start: Callable[[], Awaitable[Index]]) -> None:
    index = await start()
    await filled(index)
    asked = "can I nuke my cup of coffee in it"
    before = await index.search(asked)
    assert before.hits == () or before.hits[0].dense is None
    await index.dense({"scope": "test", "chroma": "", "onnx": MODEL})
    await state(index, lambda one: one.ready and one.done == 3)
    found = await index.search(asked)
    assert found.hits[0].chunk.page_id == "mugs"
    assert found.hits[0].dense is not None
    assert found.hits[0].dense > 0.25


async def test_a_missing_folder_is_named_and_words_go_on(start: Callable[[], Awaitable[Index]], tmp_path: Path) -> None:
    index = await start()
    await filled(index)
    await index.dense({"scope": "test", "chroma": "", "onnx": str(tmp_path / "none")})
    told = await state(index, lambda one: bool(one.problem))
    assert str(tmp_path / "none") in told.problem
    assert "model.onnx" in told.problem
    assert (await index.search("microwave")).hits[0].chunk.page_id == "mugs"


async def test_vectors_are_kept_over_a_restart_and_follow_changes(start: Callable[[], Awaitable[Index]]) -> None:
    words = Words()
    index = await start()
    index.on_need = words
    await filled(index)
    await index.dense(outside())
    await state(index, lambda one: one.ready and one.done == 3)
    await index.close()
    made = len(words.asked)

    index = await start()
    index.on_need = words
    await index.dense(outside())
    await state(index, lambda one: one.ready and one.done == 3)
    assert len(words.asked) - made <= 2, "only what tries the model out is asked again"
    await index.replace("mugs", chunks("mugs", "s", "Enamel mugs", "Not for the dishwasher either.", None, "en"))
    await index.remove(["hours"])
    await index.commit(2)
    await state(index, lambda one: one.ready and one.done == one.total == 2)
    assert "Enamel mugs. Not for the dishwasher either." in words.asked
    vector = words.letters(["dishwasher"])[0]
    found = await index.search("dishwasher", vector=vector)
    assert {hit.chunk.page_id for hit in found.hits} <= {"mugs", "refunds"}


async def test_another_digest_embeds_all_again_and_words_answer_meanwhile(
    start: Callable[[], Awaitable[Index]],
) -> None:
    words = Words()
    index = await start()
    index.on_need = words
    await filled(index)
    await index.dense(outside())
    await state(index, lambda one: one.ready)
    words.asked.clear()
    gate = asyncio.Event()

    async def slow(texts: list[str]) -> list[list[float]]:
        await gate.wait()
        return await words(texts)

    index.on_need = slow
    await index.dense(outside("d2"))
    await state(index, lambda one: not one.ready)
    found = await index.search("microwave", vector=words.letters(["microwave"])[0])
    assert found.hits[0].chunk.page_id == "mugs"
    assert found.hits[0].dense is None
    gate.set()
    await state(index, lambda one: one.ready and one.done == 3)
    assert sum(text.startswith(("Refunds.", "Enamel", "When")) and "." in text for text in words.asked) >= 3


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1.0, 2.0]] * 9, "numbers instead of"),
        ([[math.nan] * 8] * 9, "no numbers"),
        ([[0.0] * 8] * 9, "only zeros"),
        ([[1.0], [1.0, 2.0]] * 5, "no vector of one size"),
    ],
)
async def test_vectors_that_are_none_are_named_and_words_go_on(
    start: Callable[[], Awaitable[Index]], rows: list[list[float]], said: str
) -> None:
    words = Words()
    index = await start()
    index.on_need = words
    await filled(index)

    def spoilt(texts: list[str]) -> list[list[float]]:
        return words.letters(texts) if texts == ["size"] else rows[: len(texts)]

    words.answer = spoilt
    await index.dense(outside())
    told = await state(index, lambda one: bool(one.problem))
    assert said in told.problem
    assert (await index.search("microwave")).hits[0].chunk.page_id == "mugs"


async def test_a_question_of_the_wrong_size_costs_no_answer(start: Callable[[], Awaitable[Index]]) -> None:
    words = Words()
    index = await start()
    index.on_need = words
    await filled(index)
    await index.dense(outside())
    await state(index, lambda one: one.ready)
    found = await index.search("microwave", vector=[1.0, 2.0, 3.0])
    assert found.hits[0].chunk.page_id == "mugs"
    assert "numbers instead of 8" in (await state(index, lambda one: bool(one.problem))).problem


async def test_an_unreachable_chroma_is_named_and_words_go_on(start: Callable[[], Awaitable[Index]]) -> None:
    words = Words()
    index = await start()
    index.on_need = words
    await filled(index)
    await index.dense(outside(chroma="http://127.0.0.1:9"))
    told = await state(index, lambda one: bool(one.problem))
    assert "http://127.0.0.1:9" in told.problem
    assert (await index.search("microwave")).hits[0].chunk.page_id == "mugs"


async def test_a_process_killed_while_it_writes_vectors_has_them_all_in_its_next_life(
    start: Callable[[], Awaitable[Index]],
) -> None:
    words = Words()
    index = await start()
    many = {f"p{at}": (f"Article {at}", f"Passage number {at} tells about thing {at * 7}.") for at in range(120)}
    index.on_need = words
    await index.replace_many(pages(many))
    await index.commit(1)
    for after in (8, 40):
        await index.dense(outside())
        await reached(index, after)
        await killed(index)
    await index.dense(outside())
    await state(index, lambda one: one.ready and one.done == one.total == 120)


async def test_an_unreadable_store_is_made_anew(start: Callable[[], Awaitable[Index]], tmp_path: Path) -> None:
    words = Words()
    index = await start()
    index.on_need = words
    await filled(index)
    await index.dense(outside())
    await state(index, lambda one: one.ready)
    await index.close()
    for file in (tmp_path / "index" / "chroma").rglob("*"):
        if file.is_file():
            file.write_bytes(b"rubbish")
    index = await start()
    index.on_need = words
    await index.dense(outside())
    await state(index, lambda one: one.ready and one.done == 3)
    shutil.rmtree(tmp_path / "index" / "chroma", ignore_errors=True)
