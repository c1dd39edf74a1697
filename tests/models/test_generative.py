"""Turns with a model: written from the passages, or, whatever goes wrong, what the turn would be without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from invent_server.assistant.extractive import Extractive
from invent_server.assistant.generative import Generative
from invent_server.assistant.types import Remembered, TurnInput, TurnResult
from invent_server.models.room import ModelRoom
from invent_server.models.scheduler import Priority
from shared.settings import load
from tests.assistant.worlds import Ear, Search, turn
from tests.models.conftest import Kept, settings, until
from tests.models.test_ollama import FAULTS
from tests.ollama_double import Double, Model, running

QUESTION = "How many days do I have to return an item?"


@asynccontextmanager
async def room(double: Double, folder: Path, choice: Kept | None = None, **more: object) -> AsyncIterator[ModelRoom]:
    """A model room whose model is ready."""
    made = ModelRoom(settings(double.url, **more), folder, choice or Kept())
    looking = asyncio.get_running_loop().create_task(made.chat.run())
    try:
        await until(lambda: made.chat.ready)
        yield made
    finally:
        looking.cancel()
        await made.close()


def assistant(models: ModelRoom, search: Search | None = None, **more: float) -> Generative:
    given = load(environ={"HOME": "/nonexistent"}).assistant
    return Generative(search or Search(evidence=0.95), models.chat, given.model_copy(update={"max_wait": 0.3, **more}))


async def quoted(given: TurnInput) -> TurnResult:
    return await Extractive(Search(evidence=0.95))(given, Ear())


async def test_answer_is_written_cited_and_streamed(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        double.rule({"text": "You have 30 days [1]. Returns in store are free [9] [1]."})
        double.timing.token = 0.05
        ear = Ear()
        result = await assistant(models)(turn(QUESTION), ear)
    assert result.text == "You have 30 days [1]. Returns in store are free [1]."
    assert "".join(ear.pieces).strip() == result.text
    assert len(ear.pieces) > 3
    assert (result.outcome, result.reason, result.engine) == ("answer", "found", "ollama:chat:4b")
    assert [one.title for one in result.citations] == ["Returns"]
    assert next(one.cited for one in result.evidence) is True
    assert result.timings["first_token"] > 0
    assert len(double.calls()) == 1


@pytest.mark.parametrize(
    "line", ["hello", "thanks!", "I want to talk to a person", "are you a bot?", "👍", ""], ids=lambda line: line[:8]
)
async def test_small_talk_and_people_need_no_model(double: Double, tmp_path: Path, line: str) -> None:
    async with room(double, tmp_path) as models:
        ear = Ear()
        result = await assistant(models)(turn(line), ear)
    assert result == replace(await quoted(turn(line)), timings=result.timings, starts=result.starts)
    assert result.engine == "extractive"
    assert "".join(ear.pieces) == result.text
    assert double.calls() == []


async def test_weak_evidence_needs_no_model(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        result = await assistant(models, Search(evidence=0.2))(turn("Do you sell submarines?"), Ear())
    assert (result.outcome, result.reason) == ("handoff", "no_evidence")
    assert double.calls() == []


@pytest.mark.parametrize(("steps", "kind"), FAULTS, ids=lambda one: str(one)[:60])
async def test_every_fault_ends_in_the_quote(
    double: Double, tmp_path: Path, steps: list[dict[str, Any]], kind: type
) -> None:
    async with room(double, tmp_path) as models:
        double.rule(*steps)
        began = asyncio.get_running_loop().time()
        result = await assistant(models, deadline=8.0)(turn(QUESTION), Ear())
        took = asyncio.get_running_loop().time() - began
    expected = await quoted(turn(QUESTION))
    assert (result.text, result.outcome, result.engine) == (expected.text, "answer", "extractive")
    assert "without the model" in result.detail
    assert took < 3


async def test_slow_trickle_ends_before_the_deadline(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        double.rule({"text": ["days "] * 200})
        double.timing.token = 0.15
        began = asyncio.get_running_loop().time()
        result = await assistant(models, deadline=6.0)(turn(QUESTION), Ear())
    assert asyncio.get_running_loop().time() - began < 2
    assert result.engine == "extractive"


@pytest.mark.parametrize("said", ["I am sorry, we sell submarines and rockets!", "", "   \n"])
async def test_what_does_not_follow_is_not_shown(double: Double, tmp_path: Path, said: str) -> None:
    async with room(double, tmp_path) as models:
        double.rule({"text": [said]})
        ear = Ear()
        result = await assistant(models)(turn(QUESTION), ear)
    assert result.text == (await quoted(turn(QUESTION))).text == "".join(ear.pieces)
    assert result.engine == "extractive"


async def test_answer_without_marks_gets_its_source(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        double.rule({"text": "You have 30 days to return an item."})
        result = await assistant(models)(turn(QUESTION), Ear())
    assert (result.engine, [one.title for one in result.citations]) == ("ollama:chat:4b", ["Returns"])


async def test_no_answer_calls_a_person(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        double.rule({"text": ["NO_", "ANSWER"]})
        ear = Ear()
        result = await assistant(models)(turn(QUESTION), ear)
    assert (result.outcome, result.reason) == ("handoff", "no_evidence")
    assert "".join(ear.pieces) == result.text
    assert result.summary


async def test_busy_beyond_the_wait_is_quoted(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path, parallel=1) as models:
        double.rule(
            {"text": ["You"]}, {"delay": 0.15}, {"text": [" have"]}, {"delay": 0.15}, {"text": [" 30 days [1]"]}
        )
        engine = assistant(models, max_wait=0.1)
        one, other = await asyncio.gather(engine(turn(QUESTION), Ear()), engine(turn(QUESTION), Ear()))
    assert (one.engine, other.engine) == ("ollama:chat:4b", "extractive")
    assert "no time" in other.detail


async def test_breaker_spares_customers_the_wait_and_closes_again(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        engine = assistant(models)
        double.rule({"stall": True}, times=2)
        for _ in range(2):
            await engine(turn(QUESTION), Ear())
        assert engine.name == "extractive"
        began = asyncio.get_running_loop().time()
        result = await engine(turn(QUESTION), Ear())
        assert asyncio.get_running_loop().time() - began < 0.1
        assert "without the model" in result.detail
        await until(lambda: models.chat.ready)
        assert (await engine(turn(QUESTION), Ear())).engine == "ollama:chat:4b"
        assert engine.name == "ollama:chat:4b"


async def test_memories_reach_the_prompt_and_the_context_is_constant(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        engine = assistant(models)
        given = replace(turn(QUESTION), memories=(Remembered("fact", "lives in Porto"),))
        await engine(given, Ear())
        await engine(turn("How much is shipping to Portugal?"), Ear())
        await models.check()
    assert "lives in Porto" in double.calls()[0].body["messages"][1]["content"]
    systems = {one.body["messages"][0]["content"] for one in double.calls()[:2]}
    assert len(systems) == 1
    assert {one.body["options"]["num_ctx"] for one in double.log if one.path == "/api/chat"} == {8192}
    assert double.runners.loads == {"chat:4b": 1}
    assert double.runners.most_running == 1


async def test_model_that_counts_more_gets_shorter_prompts(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        double.rule({"text": "30 days [1]"}, {"usage": {"prompt_eval_count": 5000}})
        engine = assistant(models)
        await engine(turn(QUESTION), Ear())
        result = await engine(turn(QUESTION), Ear())
    assert result.timings["prompt_tokens"] >= 4900


async def test_chore_gives_way_to_the_customer(double: Double, tmp_path: Path) -> None:
    async with room(double, tmp_path) as models:
        double.rule({"stall": True}, text="chore")
        loop = asyncio.get_running_loop()

        async def stuck() -> None:
            await models.ollama.embed("embed:latest", ["chore"], 9.0)

        chore = loop.create_task(models.scheduler.run(Priority.MEMORY, "chat:4b", stuck))
        await until(lambda: bool(double.calls("/api/embed")))
        result = await assistant(models)(turn(QUESTION), Ear())
        assert result.engine == "ollama:chat:4b"
        await until(lambda: len(double.calls("/api/embed")) == 2)
        chore.cancel()


async def test_the_only_model_is_taken_others_are_asked_for(tmp_path: Path) -> None:
    chat, embed = Model("only:4b"), Model("embed:latest", ("embedding",))
    async with running(Double([chat, embed])) as double:
        async with room(double, tmp_path, chat="") as models:
            assert models.chat.name == "only:4b"
        double.models["second:4b"] = Model("second:4b", ctx=4096)
        choice = Kept()
        made = ModelRoom(settings(double.url, chat=""), tmp_path, choice)
        looking = asyncio.get_running_loop().create_task(made.chat.run())
        await until(lambda: "several" in made.chat.problem)
        await made.chat.use("second:4b")
        await until(lambda: made.chat.ready)
        assert (made.chat.name, made.chat.context) == ("second:4b", 4096)
        looking.cancel()
        await made.close()
        async with room(double, tmp_path, choice, chat="") as again:
            assert again.chat.name == "second:4b", "remembered"
            await again.chat.use("none")
            assert not again.chat.ready
            await until(lambda: again.chat.name == "")
        assert choice.name == "none"


async def test_slow_load_is_waited_for_in_the_background(double: Double, tmp_path: Path) -> None:
    double.timing.load = 0.6
    made = ModelRoom(settings(double.url), tmp_path, Kept())
    looking = asyncio.get_running_loop().create_task(made.chat.run())
    await until(lambda: bool(double.log))
    began = asyncio.get_running_loop().time()
    assert (await assistant(made)(turn(QUESTION), Ear())).engine == "extractive"
    assert asyncio.get_running_loop().time() - began < 0.2
    await until(lambda: made.chat.ready)
    looking.cancel()
    await made.close()
