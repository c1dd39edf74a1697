"""What `invent doctor` proposes from a model's speed, and what it says of a server with a model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from invent_server.models.profile import LONGEST, SIZES, propose
from tests.bench.live import serving
from tests.cli.conftest import environment, spawn
from tests.ollama_double import Double, Timing, running


@pytest.mark.parametrize(
    ("reads", "writes", "profile", "num_ctx"),
    [(2000, 40, "generous", 8192), (400, 20, "short", 4096), (50, 5, "quote", 4096), (0, 0, "quote", 4096)],
)
def test_a_slow_machine_gets_short_prompts(reads: float, writes: float, profile: str, num_ctx: int) -> None:
    found = propose(reads, writes, 8192, 8192, 512)
    assert (found.profile, found.num_ctx) == (profile, num_ctx)
    assert (found.seconds <= LONGEST) == (profile != "quote")
    assert str(num_ctx) in found.line


def test_settings_of_ones_own_that_are_fast_enough_stay() -> None:
    found = propose(3000, 60, 16384, 16384, 700)
    assert (found.num_ctx, found.num_predict, found.budget) == (16384, 700, 16384 - 700 - 128)
    small = propose(3000, 60, 2048, 8192, 512)
    assert small.profile == "short", "the model itself knows no longer context"
    assert small.budget < 2048 < SIZES[0][1]


def doctor(folder: Path, timing: Timing, chat: str) -> dict[str, Any]:
    """What `invent doctor` finds of a server behind a double, by name."""

    async def work() -> dict[str, Any]:
        async with running(Double(timing=timing)) as double:
            return await asyncio.to_thread(_served, folder, {"OLLAMA_HOST": double.url, "INVENT_CHAT_MODEL": chat})

    return asyncio.run(work())


def _served(folder: Path, given: dict[str, str]) -> dict[str, Any]:
    with serving(folder, settings=given):
        done = spawn(folder, "doctor", "--json", env=environment(folder, **given))
    return {one["name"]: one for one in json.loads(done.stdout)["items"]}


def test_a_model_is_measured_and_settings_are_proposed(tmp_path: Path) -> None:
    found = doctor(tmp_path, Timing(0, 0.05, 0.01), "chat:4b")
    assert found["ollama"]["state"] == "ok", found["ollama"]
    assert "tokens a second" in found["engine"]["text"]
    assert "profile" in found["engine"]["text"]


def test_a_chosen_model_that_is_not_there(tmp_path: Path) -> None:
    engine = doctor(tmp_path, Timing(0, 0, 0), "nothing:1b")["engine"]
    assert engine["state"] == "wrong"
    assert engine["remedy"] == "invent models pull nothing:1b"
