"""The double as an aiohttp application: every endpoint with Ollama's keys, statuses and omissions, and a log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.ollama_double import context
from tests.ollama_double.endpoints import Endpoints
from tests.ollama_double.log import ENTRY, Entry
from tests.ollama_double.model import Busy, Model, Runners, Timing
from tests.ollama_double.script import Rule, Script, Step, echo
from tests.ollama_double.speaking import Broken, Wire, raw, speak, stamp, whole

LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
CHAT = Model("chat:4b")
THINKER = Model("thinker:4b", ("completion", "tools", "thinking"))
NATIVE = Model("native:4b", template="native")
EMBED = Model("embed:latest", ("embedding",), size=600_000_000, one_slot=True)


class Double:
    """One stand-in. Everything may be changed while it runs."""

    def __init__(
        self,
        models: Sequence[Model] = (CHAT, THINKER, NATIVE, EMBED),
        *,
        parallel: int = 1,
        queue: int = 512,
        timing: Timing | None = None,
    ) -> None:
        self.models = {model.name: model for model in models}
        self.timing = timing or Timing()
        self.moved = 0.0
        """Seconds by which its clock was put forward."""
        self.runners = Runners(self.clock, parallel, queue, self.timing)
        self.script = Script()
        self.log: list[Entry] = []
        self.url = ""

    def clock(self) -> float:
        return time.monotonic() + self.moved

    def rule(self, *steps: Step, **when: Any) -> Rule:
        """Add a rule in front of the others."""
        made = Rule(steps, **when)
        self.script.rules.insert(0, made)
        return made

    def calls(self, path: str = "/api/chat") -> list[Entry]:
        """Requests to `path` that ask for words (not only for a load)."""
        return [one for one in self.log if one.path == path and one.body.get("messages", True)]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[self._watch])
        Endpoints(self).register(app)
        app.router.add_post("/__double__/script", self._scripted)
        app.router.add_get("/__double__/log", self._logged)
        return app

    # ------------------------------------------------------------------------------------------------- every call

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/__double__/"):
            answer: web.StreamResponse = await handler(request)
            return answer
        if request.url.host not in LOCAL:
            return web.Response(status=403)
        entry = Entry(request.path, {}, time.monotonic())
        self.log.append(entry)
        request[ENTRY] = entry
        try:
            answer = await handler(request)
        except Broken:
            answer = web.Response()
        except ConnectionError:  # it was writing when the client went away
            entry.disconnected = True
            answer = web.Response()
        except asyncio.CancelledError:
            entry.disconnected = True
            raise
        finally:
            entry.ended = time.monotonic()
        entry.status = answer.status
        return answer

    async def _scripted(self, request: web.Request) -> web.Response:
        """`{"rules": [{"steps": [...], ...}], "timing": {"load", "first", "token"}, "parallel": n}`."""
        given = await request.json()
        if "rules" in given:
            self.script.rules = [Rule(**one) for one in given["rules"]]
        for key, value in given.get("timing", {}).items():
            setattr(self.timing, key, value)
        self.runners.parallel = given.get("parallel", self.runners.parallel)
        return web.json_response({"rules": len(self.script.rules)})

    async def _logged(self, request: web.Request) -> web.Response:
        keys = ("path", "body", "came", "began", "ended", "disconnected", "status")
        return web.json_response([{key: getattr(one, key) for key in keys} for one in self.log])

    # -------------------------------------------------------------------------------------------- chat and generate

    async def say(self, request: web.Request, body: dict[str, Any], model: Model, key: str) -> web.StreamResponse:
        """Answer `/api/chat` (`key` = message) or `/api/generate` (`key` = response)."""
        entry: Entry = request[ENTRY]
        keep_alive = body.get("keep_alive")
        if not body.get("messages") and not body.get("prompt"):
            return await self._only_load(request, body, model, key, keep_alive)
        number = len(self.calls(request.path))
        steps = self.script.steps(request.path, body, number)
        steps = self._formatted(body, echo(body) if steps is None else steps)
        try:
            entry.kept, count = context.fit(model, body)
            async with self.runners.slot(model, body.get("options", {}), keep_alive):
                if refused := next((one["error_before"] for one in steps if "error_before" in one), None):
                    return error(refused["status"], refused.get("error", "as scripted"))
                return await self._said(request, body, model, key, steps, count)
        except context.TooLong:
            return error(400, "the input length exceeds the context length")
        except Busy:
            return error(503, "server busy, please try again.  maximum pending requests exceeded")

    async def _only_load(
        self, request: web.Request, body: dict[str, Any], model: Model, key: str, keep_alive: Any
    ) -> web.StreamResponse:
        reason = "unload" if keep_alive == 0 else "load"
        if reason == "unload":
            self.runners.keep(model.name, 0)
        else:
            try:
                async with self.runners.slot(model, body.get("options", {}), keep_alive):
                    pass
            except Busy:
                return error(503, "server busy, please try again.  maximum pending requests exceeded")
        empty: Any = {"role": "assistant", "content": ""} if key == "message" else ""
        made = {"model": model.name, "created_at": stamp(), key: empty, "done": True, "done_reason": reason}
        return web.json_response(made)

    async def _said(
        self, request: web.Request, body: dict[str, Any], model: Model, key: str, steps: list[Step], count: int
    ) -> web.StreamResponse:
        entry: Entry = request[ENTRY]

        def line(piece: str, more: dict[str, Any]) -> dict[str, Any]:
            said: Any = {"role": "assistant", "content": piece, **more} if key == "message" else piece
            return {"model": model.name, "created_at": stamp(), key: said, "done": False}

        words = sum(len(str(step.get("text", "")).split()) for step in steps)
        last = {
            "done_reason": "stop",
            "total_duration": 1_000_000 + words,
            "load_duration": 0,
            "prompt_eval_count": count,
            "prompt_eval_duration": round(self.timing.first * 1e9) or 1,
            "eval_count": words,
            "eval_duration": round(words * self.timing.token * 1e9) or 1,
        }
        if key == "response":
            last["context"] = [1, 2, 3]
        wire = Wire(request, lambda: setattr(entry, "began", time.monotonic()))
        if body.get("stream", True):
            await speak(wire, steps, line, self.timing, last)
            return await wire.end()
        await asyncio.sleep(self.timing.first)
        for step in steps:
            if "stall" in step:
                await asyncio.Event().wait()
            if "drop" in step:
                wire.drop()
            if "error_mid" in step:
                return error(500, step["error_mid"])
            await asyncio.sleep(step.get("delay", 0))
        text, thinking, calls, done = whole(steps, last)
        more = {**({"thinking": thinking} if thinking else {}), **({"tool_calls": calls} if calls else {})}
        end = {name: value for name, value in last.items() if value} if done else {}
        return web.Response(body=raw({**line(text, more), "done": done, **end}), content_type="application/json")

    def _formatted(self, body: dict[str, Any], steps: list[Step]) -> list[Step]:
        """With a `format`, text comes in that format, or wrong in the scripted way."""
        mode = next((one["format_mode"] for one in steps if "format_mode" in one), "valid")
        if not body.get("format"):
            return steps
        return [one for one in steps if "text" not in one] + [{"text": [context.formatted(body["format"], mode)]}]


def error(status: int, words: str) -> web.Response:
    return web.json_response({"error": words}, status=status)


@asynccontextmanager
async def running(double: Double, port: int = 0) -> AsyncIterator[Double]:
    """Serve `double` until the end of the block; `double.url` is its address."""
    runner = web.AppRunner(double.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        double.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield double
    finally:
        await runner.cleanup()
