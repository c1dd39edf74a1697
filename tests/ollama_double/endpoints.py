"""The endpoints of the double, and what each refuses before a model is asked."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.ollama_double import context
from tests.ollama_double.log import ENTRY
from tests.ollama_double.model import FOREVER, Busy, Model
from tests.ollama_double.script import echo
from tests.ollama_double.speaking import Wire, raw, stamp, whole

if TYPE_CHECKING:
    from tests.ollama_double.server import Double

VERSION = "0.32.15"
INTEGERS = ("num_ctx", "num_predict", "num_batch", "num_gpu", "num_thread", "top_k", "seed")


class Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.answer = web.json_response({"error": words}, status=status)


class Endpoints:
    """Handlers around one double."""

    def __init__(self, double: Double) -> None:
        self._double = double

    def register(self, app: web.Application) -> None:
        router = app.router
        router.add_get("/", self._alive)
        router.add_get("/api/version", self._version)
        router.add_get("/api/tags", self._tags)
        router.add_get("/api/ps", self._ps)
        posts = {
            "/api/show": self._show,
            "/api/chat": self._chat,
            "/api/generate": self._generate,
            "/api/embed": self._embed,
            "/api/pull": self._pull,
            "/v1/chat/completions": self._completions,
        }
        for path, handler in posts.items():
            router.add_post(path, _refusing(handler))

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="Ollama is running")

    async def _version(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"version": VERSION})

    async def _tags(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {
                "models": [
                    {
                        "name": one.name,
                        "model": one.name,
                        "modified_at": stamp(),
                        "size": one.size,
                        "digest": one.digest,
                        "details": one.details,
                        "capabilities": list(one.capabilities),
                    }
                    for one in self._double.models.values()
                ]
            }
        )

    async def _ps(self, request: web.Request) -> web.StreamResponse:
        runners = self._double.runners
        runners.expire()
        found = []
        for name, loaded in runners.loaded.items():
            model = self._double.models[name]
            found.append(
                {
                    "name": name,
                    "model": name,
                    "size": model.size,
                    "digest": model.digest,
                    "details": model.details,
                    "expires_at": stamp() if loaded.expires < FOREVER else "2318-01-01T00:00:00Z",
                    "size_vram": 0,
                    "context_length": loaded.options.get("num_ctx", context.DEFAULT_CTX),
                }
            )
        return web.json_response({"models": found})

    async def _show(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        model = self._model(body)
        info = {"general.architecture": model.family, f"{model.family}.context_length": model.ctx}
        found = {"details": model.details, "model_info": info, "capabilities": list(model.capabilities)}
        return web.json_response({**found, "modified_at": stamp()})

    async def _chat(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        model = self._model(body)
        if "completion" not in model.capabilities:
            raise Refused(400, f'"{model.name}" does not support chat')
        if body.get("tools") and "tools" not in model.capabilities:
            raise Refused(400, f"registry.ollama.ai/library/{model.name} does not support tools")
        if body.get("think") not in (None, False) and "thinking" not in model.capabilities:
            raise Refused(400, f'"{model.name}" does not support thinking')
        return await self._double.say(request, body, model, "message")

    async def _generate(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await self._double.say(request, body, self._model(body), "response")

    async def _embed(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        name = str(body.get("model", ""))
        model = self._double.models.get(name)
        if model is None:
            raise Refused(404, f'model "{name}" not found, try pulling it first')
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
            raise Refused(400, "invalid input type")
        steps = self._double.script.steps(request.path, body, len(self._double.calls("/api/embed"))) or []
        count = sum(context.tokens(text) for text in texts)
        if body.get("truncate") is False and any(context.tokens(text) > model.ctx for text in texts):
            raise Refused(400, "the input length exceeds the context length")
        try:
            async with self._double.runners.slot(model, body.get("options", {}), body.get("keep_alive")):
                await whole_time(self._double, steps)
        except Busy:
            raise Refused(503, "server busy, please try again.  maximum pending requests exceeded") from None
        dims = int(body.get("dimensions") or model.dims)
        found = [context.embedding(model, text, dims) for text in texts]
        for step in steps:
            if "error_before" in step:
                raise Refused(step["error_before"]["status"], step["error_before"].get("error", "as scripted"))
            if "nan" in step:
                raise Refused(400, "failed to encode response: json: unsupported value: NaN")
            if "wrong_dims" in step and found:
                found[-1] = found[-1][: int(step["wrong_dims"])]
            if "missing_row" in step:
                found = found[:-1]
        return web.json_response(
            {"model": name, "embeddings": found, "total_duration": 1000, "prompt_eval_count": count}
        )

    async def _pull(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """Fetches any name but those that begin with `unknown`: these fail in mid-stream, with status 200."""
        name = str(body.get("model") or body.get("name") or "")
        wire = Wire(request, lambda: None)
        await wire.write(raw({"status": "pulling manifest"}))
        if name.startswith("unknown"):
            await wire.write(raw({"error": "pull model manifest: file does not exist"}))
            return await wire.end()
        model = self._double.models.get(name) or Model(name)
        layer = f"pulling {model.digest[:12]}"
        for done in range(0, 101, 20):
            full = {"status": layer, "digest": f"sha256:{model.digest}", "total": model.size}
            await wire.write(raw({**full, **({"completed": model.size * done // 100} if done else {})}))
        for status in ("verifying sha256 digest", "writing manifest", "success"):
            await wire.write(raw({"status": status}))
        self._double.models[name] = model
        return await wire.end()

    async def _completions(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """The other dialect. Errors in mid-stream are lost in it: an empty piece, and no end."""
        model = self._model(body)
        found = self._double.script.steps(request.path, body, len(self._double.calls(request.path)))
        steps = echo(body) if found is None else found
        async with self._double.runners.slot(model, {}, None):
            text, _, calls, done = whole(steps, {})
        named = {"id": "chatcmpl-1", "created": 1, "model": model.name}
        tools = [
            {"id": f"call_{at}", "type": "function", "function": {**one, "arguments": json.dumps(one["arguments"])}}
            for at, one in enumerate(call["function"] for call in calls)
        ]
        more = {"tool_calls": tools} if tools else {}
        if not body.get("stream"):
            message = {"role": "assistant", "content": text, **more}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if tools else "stop"}
            return web.json_response({**named, "object": "chat.completion", "choices": [choice]})
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        failed = not done or any("error_mid" in step for step in steps)
        deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": text, **more}, None)]
        deltas.append(({"content": ""}, None if failed else "stop"))
        for delta, finish in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            event = {**named, "object": "chat.completion.chunk", "choices": [choice]}
            await answer.write(b"data: " + raw(event) + b"\n")
        if not failed:
            await answer.write(b"data: [DONE]\n\n")
        await answer.write_eof()
        return answer

    def _model(self, body: dict[str, Any]) -> Model:
        name = str(body.get("model", ""))
        model = self._double.models.get(name) or self._double.models.get(f"{name}:latest")
        if model is None:
            raise Refused(404, f"model '{name}' not found")
        return model


async def whole_time(double: Double, steps: list[dict[str, Any]]) -> None:
    """The time that an answer in one piece takes."""
    await asyncio.sleep(double.timing.first + sum(step.get("delay", 0) for step in steps))
    if any("stall" in step for step in steps):
        await asyncio.Event().wait()


def _refusing(handler: Any) -> Any:
    """Reads the body and answers what is wrong with it as Ollama does."""

    async def handle(request: web.Request) -> web.StreamResponse:
        text = await request.text()
        try:
            if not text:
                raise Refused(400, "missing request body")
            try:
                body = json.loads(text)
            except ValueError as error:
                raise Refused(400, str(error)) from None
            request[ENTRY].body = body
            _checked(body)
            answer: web.StreamResponse = await handler(request, body)
        except Refused as error:
            return error.answer
        return answer

    return handle


def _checked(body: dict[str, Any]) -> None:
    for key in INTEGERS:
        value = body.get("options", {}).get(key, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isclose(value, int(value)):
            raise Refused(500, f'option "{key}" must be of type integer')
    wanted = body.get("format")
    if wanted not in (None, "", "json") and not isinstance(wanted, dict):
        raise Refused(500, f'invalid format: "{wanted}"; expected "json" or a valid JSON Schema object')
    if not 0 <= int(body.get("top_logprobs") or 0) <= 20:
        raise Refused(400, "top_logprobs must be between 0 and 20")
