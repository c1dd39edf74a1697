"""The adapter against every fault of the double: a whole answer, or one of our errors; never a part."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest

from invent_server.models.errors import (
    ModelAway,
    ModelBroken,
    ModelBusy,
    ModelCrashed,
    ModelCut,
    ModelError,
    ModelMissing,
    ModelRefused,
    ModelSlow,
)
from invent_server.models.ollama import Finished, Ollama, Times
from invent_server.models.wire import base_url
from tests.models.conftest import ASK, QUICK, settings, until
from tests.ollama_double import Double


async def say(ollama: Ollama, model: str = "chat:4b", times: Times = QUICK) -> tuple[Finished, list[str]]:
    heard: list[str] = []

    async def hear(piece: str) -> None:
        heard.append(piece)

    return await ollama.chat(model, ASK, times, hear), heard


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("gpu", "http://gpu:11434"),
        ("gpu:99", "http://gpu:99"),
        (":99", "http://127.0.0.1:99"),
        ("http://gpu", "http://gpu:80"),
        ("https://gpu/ollama/", "https://gpu:443/ollama"),
        ("[::1]:99", "http://[::1]:99"),
        ("::1", "http://[::1]:11434"),
        ("gpu:99999", "http://gpu:11434"),
        (' "gpu" ', "http://gpu:11434"),
    ],
)
def test_address_is_read_as_ollama_reads_it(given: str, url: str) -> None:
    assert base_url(given) == url


async def test_whole_answer_comes_in_pieces(double: Double, ollama: Ollama) -> None:
    double.rule({"text": ["Thirty", " days", " — sí"]}, {"usage": {"prompt_eval_count": 12}})
    finished, heard = await say(ollama)
    assert (finished.text, heard) == ("Thirty days — sí", ["Thirty", " days", " — sí"])
    assert finished.prompt_tokens == 12
    body = double.calls()[0].body
    assert body["think"] is False
    assert body["options"]["num_ctx"] == 8192
    assert body["keep_alive"] == 1800


@pytest.mark.parametrize(
    "steps",
    [
        [{"u0085": True}, {"text": "end"}],
        [{"split_utf8": True}, {"text": ["ñandú", " 🦤", " end"]}],
        [{"many_objects_in_one_write": True}, {"text": "all at once"}],
        [{"thinking": "hm"}, {"text": "fine"}],
        [{"text": "fine"}, {"done_reason": ""}],
    ],
)
async def test_odd_but_whole_streams_are_answers(double: Double, ollama: Ollama, steps: list[dict[str, Any]]) -> None:
    double.rule(*steps)
    finished, heard = await say(ollama)
    assert finished.text == "".join(heard) != ""
    if "u0085" in steps[0]:
        assert finished.text == "one\u0085two\u2028three end"


FAULTS: list[tuple[list[dict[str, Any]], type[ModelError]]] = [
    ([{"text": "part of"}, {"end_without_done": True}], ModelBroken),
    ([{"text": "part of"}, {"error_mid": "CUDA error"}], ModelBroken),
    ([{"text": "part of"}, {"garbage_line": True}], ModelBroken),
    ([{"text": "part of"}, {"half_line": True}], ModelBroken),
    ([{"text": "part of"}, {"drop": True}], ModelAway),
    ([{"text": "part of"}, {"stall": True}], ModelSlow),
    ([{"stall": True}], ModelSlow),
    ([{"text": "part of"}, {"huge_line": 10_000_000}], ModelBroken),
    ([{"text": "part of"}, {"done_reason": "length"}], ModelCut),
    ([{"drop": True}], ModelAway),
    ([{"error_before": {"status": 400, "error": "no"}}], ModelRefused),
    ([{"error_before": {"status": 404, "error": "model 'x' not found"}}], ModelMissing),
    ([{"error_before": {"status": 500, "error": "llama-server process has terminated: killed"}}], ModelBroken),
    ([{"error_before": {"status": 500, "error": "model runner has unexpectedly stopped"}}], ModelCrashed),
    ([{"error_before": {"status": 503, "error": "server busy"}}], ModelBusy),
]


@pytest.mark.parametrize(("steps", "kind"), FAULTS, ids=lambda one: str(one)[:60])
async def test_every_fault_is_an_error_with_words(
    double: Double, ollama: Ollama, steps: list[dict[str, Any]], kind: type[ModelError]
) -> None:
    double.rule(*steps)
    with pytest.raises(kind) as error:
        await say(ollama)
    assert type(error.value) is kind
    assert len(str(error.value)) > 15


async def test_slow_trickle_ends_at_the_total(double: Double, ollama: Ollama) -> None:
    double.rule({"text": ["word "] * 100})
    double.timing.token = 0.1
    began = asyncio.get_running_loop().time()
    with pytest.raises(ModelSlow):
        await say(ollama)
    assert asyncio.get_running_loop().time() - began < 1.5


async def test_huge_line_is_not_held(double: Double, ollama: Ollama) -> None:
    double.rule({"huge_line": 10_000_000})
    tracemalloc.start()
    with pytest.raises(ModelBroken):
        await say(ollama, times=Times(5, 5, 5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("status", "words", "calls"),
    [(503, "server busy", 3), (500, "model runner has unexpectedly stopped", 2), (400, "no", 1), (404, "no", 1)],
)
async def test_tries_again_only_what_may_help(
    double: Double, ollama: Ollama, status: int, words: str, calls: int
) -> None:
    double.rule({"error_before": {"status": status, "error": words}})
    with pytest.raises(ModelError):
        await say(ollama, times=Times(2, 2, 4))
    assert len(double.calls()) == calls


async def test_busy_once_is_not_noticed(double: Double, ollama: Ollama) -> None:
    double.rule({"error_before": {"status": 503, "error": "busy"}}, times=1)
    assert (await say(ollama, times=Times(2, 2, 4)))[0].text == "You said: How long?"


async def test_nobody_there() -> None:
    ollama = Ollama(settings("127.0.0.1:9"))
    with pytest.raises(ModelAway, match="ollama serve"):
        await ollama.version(2.0)
    await ollama.close()


async def test_cancelling_closes_the_connection_and_frees_the_slot(double: Double, ollama: Ollama) -> None:
    double.rule({"text": ["one "]}, {"stall": True}, times=1)
    task = asyncio.get_running_loop().create_task(say(ollama, times=Times(5, 5, 9)))
    await until(lambda: bool(double.calls()) and double.calls()[0].began is not None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: double.calls()[0].disconnected, seconds=1)
    assert (await say(ollama))[0].text


async def test_load_takes_its_time_and_the_context_stays(double: Double, ollama: Ollama) -> None:
    double.timing.load = 0.5
    await ollama.load("chat:4b", 3.0)
    await say(ollama)
    assert double.runners.loads == {"chat:4b": 1}


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_vectors_are_checked(double: Double, ollama: Ollama) -> None:
    near, same, far = await ollama.embed("embed:latest", ["refund time", "time for refunds", "enamel mug"], 2.0)
    assert likeness(near, same) > likeness(near, far)
    assert await ollama.embed("embed:latest", [], 2.0) == []
    for step in ({"wrong_dims": 3}, {"missing_row": True}, {"nan": True}):
        double.rule(step, times=1, path="/api/embed")
        with pytest.raises(ModelError):
            await ollama.embed("embed:latest", ["one", "two"], 2.0)


async def test_pull_tells_how_far_it_is(double: Double, ollama: Ollama) -> None:
    heard: list[tuple[str, int, int]] = []

    async def hear(status: str, done: int, total: int) -> None:
        heard.append((status, done, total))

    await ollama.pull("new:1b", hear, 2.0)
    assert heard[-1][0] == "success"
    assert max(done for _, done, _ in heard) == max(total for _, _, total in heard) > 0
    assert "new:1b" in [one["name"] for one in await ollama.installed(1.0)]
    with pytest.raises(ModelError, match="manifest"):
        await ollama.pull("unknown:1b", hear, 2.0)
