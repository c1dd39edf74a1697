"""What is true of Ollama: keys, types, errors and their order, never wording. Runs against the double, and against a
real server as well when OLLAMA_CONTRACT_URL names one (OLLAMA_CONTRACT_CHAT and OLLAMA_CONTRACT_EMBED name installed
models; without the second the embeddings are left out)."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.ollama_double import Double, running

REAL = os.environ.get("OLLAMA_CONTRACT_URL", "")
OPTIONS = {"num_ctx": 2048, "num_predict": 24, "temperature": 0}
SAY = [{"role": "user", "content": "Say: good morning"}]


@dataclass
class Server:
    url: str
    chat: str
    embed: str
    session: aiohttp.ClientSession

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        async with self.session.post(self.url + path, data=data) as answer:
            return answer.status, json.loads(await answer.read())

    async def lines(self, path: str, body: Any) -> tuple[str, list[dict[str, Any]]]:
        async with self.session.post(self.url + path, json=body) as answer:
            assert answer.status == 200
            raw = await answer.read()
            return answer.content_type, [json.loads(line) for line in raw.split(b"\n") if line]


@pytest_asyncio.fixture(params=["double", *(["real"] if REAL else [])])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with running(Double()) as double, aiohttp.ClientSession(trust_env=False) as session:
        if request.param == "double":
            yield Server(double.url, "chat:4b", "embed:latest", session)
        else:
            chat, embed = os.environ["OLLAMA_CONTRACT_CHAT"], os.environ.get("OLLAMA_CONTRACT_EMBED", "")
            yield Server(REAL.rstrip("/"), chat, embed, session)


async def test_stream_ends_with_counts(server: Server) -> None:
    kind, lines = await server.lines("/api/chat", {"model": server.chat, "messages": SAY, "options": OPTIONS})
    assert kind == "application/x-ndjson"
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    for line in lines:
        assert line["message"]["role"] == "assistant"
        assert isinstance(line["message"].get("content", ""), str)
        assert line["created_at"][10] == "T"
    assert lines[-1]["done_reason"] in ("stop", "length")
    for key in ("total_duration", "prompt_eval_count", "eval_count"):
        assert isinstance(lines[-1][key], int), key
        assert all(key not in line for line in lines[:-1])


async def test_answer_in_one_piece(server: Server) -> None:
    body = {"model": server.chat, "messages": SAY, "options": OPTIONS, "stream": False}
    status, answer = await server.post("/api/chat", body)
    assert status == 200
    assert answer["done"] is True
    assert answer["message"]["content"]


async def test_no_messages_only_load(server: Server) -> None:
    body = {"model": server.chat, "messages": [], "stream": False, "options": OPTIONS}
    status, answer = await server.post("/api/chat", body)
    assert (status, answer["done_reason"]) == (200, "load")
    async with server.session.get(server.url + "/api/ps") as loaded:
        models = (await loaded.json())["models"]
    assert server.chat in [one["name"] for one in models]


async def test_generate_answers_with_response(server: Server) -> None:
    _, lines = await server.lines("/api/generate", {"model": server.chat, "prompt": "Say: hi", "options": OPTIONS})
    assert all(isinstance(line["response"], str) for line in lines)
    assert lines[-1]["done"] is True


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/show", "/api/embed"])
async def test_unknown_model_is_404(server: Server, path: str) -> None:
    body = {"model": "no-such-model:9b", "messages": SAY, "prompt": "x", "input": "x"}
    status, answer = await server.post(path, body)
    assert status == 404
    assert "no-such-model:9b" in answer["error"]


async def test_bad_bodies_are_refused(server: Server) -> None:
    for raw in ("", "{no json"):
        status, answer = await server.post("/api/chat", raw)
        assert status == 400
        assert answer["error"]
    body = {"model": server.chat, "messages": SAY, "options": {"num_ctx": "many"}}
    status, answer = await server.post("/api/chat", body)
    assert status >= 400
    assert "num_ctx" in answer["error"]


async def test_format_gives_an_object(server: Server) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    body = {"model": server.chat, "messages": SAY, "options": OPTIONS, "format": schema, "stream": False}
    status, answer = await server.post("/api/chat", {**body, "think": False})
    assert status == 200
    assert isinstance(json.loads(answer["message"]["content"])["ok"], bool)


async def test_tags_show_and_version(server: Server) -> None:
    async with server.session.get(server.url + "/api/tags") as answer:
        models = (await answer.json())["models"]
    found = next(one for one in models if one["name"] == server.chat)
    assert {"name", "model", "size", "digest", "details"} <= set(found)
    _, shown = await server.post("/api/show", {"model": server.chat})
    assert "completion" in shown["capabilities"]
    assert any(key.endswith(".context_length") for key in shown["model_info"])
    async with server.session.get(server.url + "/api/version") as answer:
        assert isinstance((await answer.json())["version"], str)
    async with server.session.get(server.url + "/") as answer:
        assert answer.status == 200


async def test_embeddings_are_unit_rows_in_order(server: Server) -> None:
    if not server.embed:
        pytest.skip("OLLAMA_CONTRACT_EMBED names no model")
    status, answer = await server.post("/api/embed", {"model": server.embed, "input": ["one two", "three"]})
    assert status == 200
    rows = answer["embeddings"]
    assert len(rows) == 2
    assert all(abs(sum(value * value for value in row) - 1) < 1e-3 for row in rows)
    _, single = await server.post("/api/embed", {"model": server.embed, "input": "three"})
    assert single["embeddings"][0] == pytest.approx(rows[1], abs=1e-3)
    _, empty = await server.post("/api/embed", {"model": server.embed, "input": []})
    assert empty["embeddings"] == []
    status, _ = await server.post("/api/embed", {"model": server.embed, "input": 7})
    assert status == 400


async def test_failed_pull_is_an_error_inside_a_200(server: Server) -> None:
    _, lines = await server.lines("/api/pull", {"model": "unknown-model-of-nobody:1b"})
    assert "error" in lines[-1]
