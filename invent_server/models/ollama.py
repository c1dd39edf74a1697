"""Ollama's API as the rest of the server uses it: whole answers or one of our errors, never a part of an answer.

Bytes by aiohttp (a piece of an answer costs a third of what it costs with httpx), lines by wire.py: the official
client cuts lines at U+0085, ends silently when a stream has no `done`, and takes an error in mid-stream for a status.
Closing the connection (cancelling the call) stops the generation.
Every request for a model carries the same `num_ctx`: another one would make Ollama load the model again.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import aiohttp
import orjson

from invent_server.models.errors import (
    ModelAway,
    ModelBroken,
    ModelBusy,
    ModelCrashed,
    ModelCut,
    ModelSlow,
)
from invent_server.models.wire import base_url, failure, objects, told
from shared.settings import Models

T = TypeVar("T")
BODY_LIMIT = 33_554_432
"""Bytes of an answer that comes in one piece: 64 embeddings of 4,096 numbers fit."""
TRIES = 3
_PAUSE = 0.15  # seconds before the second try, doubled for the third, with jitter


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: to the first piece, between two pieces, for everything."""

    first: float
    silence: float
    total: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A whole answer. Counts are 0 where the server tells none."""

    text: str
    prompt_tokens: int
    answer_tokens: int
    prompt_seconds: float
    answer_seconds: float
    waited: float = 0.0
    """Seconds until it had a place at the model."""


Heard = Callable[[str], Awaitable[None]]
"""Takes the next piece of an answer."""


class Ollama:
    """One Ollama server. Every method raises ModelError and nothing else of the network."""

    def __init__(self, settings: Models) -> None:
        self.base = base_url(settings.host)
        self._settings = settings
        self._client: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    # ------------------------------------------------------------------------------------------------------ models

    async def chat(self, model: str, messages: Sequence[Message], times: Times, heard: Heard) -> Finished:
        """A whole reply; its pieces go to `heard` as they come. After an error what was heard is no answer."""
        body = {
            **self._asked(model),
            "messages": [{"role": one.role, "content": one.content} for one in messages],
            "stream": True,
            "think": False,  # thinking would eat num_predict, and the customer's time
        }
        pieces: list[str] = []

        async def once() -> Finished:
            async with _patience(times.first) as patience, self._stream("/api/chat", body) as answer:
                async for line in objects(await self._begun(answer)):
                    if piece := _content(line):
                        patience.renew(times.silence)
                        pieces.append(piece)
                        await heard(piece)
                        patience.renew(times.silence)  # the time that a listener took is not the model's
                    if line.get("done") is True:
                        return _finished("".join(pieces), line)
            raise ModelBroken("the model's answer ended without its end")

        try:
            async with asyncio.timeout(times.total) as whole:
                return await self._tried(once, lambda: not pieces)
        except TimeoutError:
            if not whole.expired():
                raise
            raise ModelSlow(f"the model did not finish in {times.total:.3g} s") from None

    async def load(self, model: str, seconds: float) -> None:
        """Load a model, or keep it for another `keep_alive`. Loading takes up to minutes; hanging up would undo it."""
        await self._whole("POST", "/api/chat", {**self._asked(model), "messages": [], "stream": False}, seconds)

    async def embed(self, model: str, texts: Sequence[str], seconds: float) -> list[list[float]]:
        """One vector per text, all of one length."""
        if not texts:
            return []
        body = {"model": model, "input": list(texts), "truncate": True, "keep_alive": self._keep_alive()}
        found = (await self._whole("POST", "/api/embed", body, seconds)).get("embeddings")
        if not isinstance(found, list) or len(found) != len(texts):
            raise ModelBroken(f"{model} gave no vector for each of {len(texts)} texts")
        size = len(found[0]) if isinstance(found[0], list) else 0
        for vector in found:
            if not isinstance(vector, list) or len(vector) != size or not size:
                raise ModelBroken(f"{model} gave vectors of different sizes")
            if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in vector):
                raise ModelBroken(f"{model} gave a vector that holds no numbers")
        return found

    def _asked(self, model: str) -> dict[str, Any]:
        """What stands in every chat request, always the same: another `num_ctx` means loading the model again."""
        options = {
            "num_ctx": self._settings.num_ctx,
            "num_predict": self._settings.num_predict,
            "temperature": 0,
        }
        return {"model": model, "keep_alive": self._keep_alive(), "options": options}

    def _keep_alive(self) -> int:
        return round(self._settings.keep_alive)

    # ------------------------------------------------------------------------------------------------- the server

    async def version(self, seconds: float) -> str:
        return str((await self._whole("GET", "/api/version", None, seconds)).get("version", ""))

    async def installed(self, seconds: float) -> list[dict[str, Any]]:
        """The models on the server, as `/api/tags` tells."""
        found = (await self._whole("GET", "/api/tags", None, seconds)).get("models")
        return [one for one in found or [] if isinstance(one, dict) and one.get("name")]

    async def show(self, model: str, seconds: float) -> dict[str, Any]:
        """What a model is: `capabilities`, `model_info`."""
        return await self._whole("POST", "/api/show", {"model": model}, seconds)

    async def pull(self, model: str, told_of: Callable[[str, int, int], Awaitable[None]], silence: float) -> None:
        """Fetch a model. `told_of(status, bytes done, bytes in all)` hears how far it is."""
        last = ""
        body = {"model": model, "stream": True}
        async with _patience(silence) as patience, self._stream("/api/pull", body) as answer:
            async for line in objects(await self._begun(answer)):
                patience.renew(silence)
                last = str(line.get("status", ""))
                await told_of(last, _number(line, "completed"), _number(line, "total"))
        if last != "success":
            raise ModelBroken(f"{model} was not fetched whole: the server stopped at {last!r}")

    # ---------------------------------------------------------------------------------------------------- the wire

    def _http(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                # Silence is timed per piece by the callers; connections are bounded by the scheduler.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect),
                connector=aiohttp.TCPConnector(limit=0),
                headers={"Accept-Encoding": "identity"},  # what is counted is what is held
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._client

    def _stream(
        self, path: str, body: dict[str, Any] | None, method: str = "POST"
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return _Exchange(self._http(), method, self.base, path, body)

    async def _begun(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The bytes of an answer of status 200. Raises its error otherwise."""
        chunks = _bytes(answer)
        if answer.status == 200:
            return chunks
        kept = bytearray()
        async for chunk in chunks:
            kept += chunk
            if len(kept) > 65_536:
                break
        raise failure(answer.status, told(bytes(kept)))

    async def _whole(self, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
        """An answer in one piece."""

        async def once() -> dict[str, Any]:
            async with self._stream(path, body, method) as answer:
                kept = bytearray()
                async for chunk in await self._begun(answer):
                    kept += chunk
                    if len(kept) > BODY_LIMIT:
                        raise ModelBroken(f"the answer to {path} is larger than {BODY_LIMIT >> 20} MiB")
            try:
                found = orjson.loads(bytes(kept))
            except orjson.JSONDecodeError:
                raise ModelBroken(f"the answer to {path} is no JSON; is it Ollama at {self.base}?") from None
            if not isinstance(found, dict):
                raise ModelBroken(f"the answer to {path} is no object; is it Ollama at {self.base}?")
            if "error" in found:
                raise failure(500, found["error"])
            return found

        try:
            async with asyncio.timeout(seconds) as whole:
                return await self._tried(once, lambda: True)
        except TimeoutError:
            if not whole.expired():
                raise
            raise ModelSlow(f"the model server did not answer {path} in {seconds:.3g} s") from None

    async def _tried(self, once: Callable[[], Awaitable[T]], again: Callable[[], bool]) -> T:
        """Busy or unreachable: up to three times; a crash: once more; anything else, or after a first piece: never."""
        crashed = False
        for number in range(1, TRIES + 1):
            try:
                return await once()
            except (ModelBusy, ModelAway, ModelCrashed) as error:
                if number == TRIES or not again() or crashed:
                    raise
                crashed = isinstance(error, ModelCrashed)
            await asyncio.sleep(_PAUSE * 2 ** (number - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        raise AssertionError("unreachable")


class _Patience:
    """A limit of silence that each sign of life renews."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit

    def renew(self, seconds: float) -> None:
        self._limit.reschedule(asyncio.get_running_loop().time() + seconds)


@contextlib.asynccontextmanager
async def _patience(seconds: float) -> AsyncIterator[_Patience]:
    try:
        async with asyncio.timeout(seconds) as limit:
            yield _Patience(limit)
    except TimeoutError:
        if not limit.expired():
            raise
        raise ModelSlow("the model server fell silent") from None


class _Exchange(AbstractAsyncContextManager[aiohttp.ClientResponse]):
    """One request, its connection closed at the end of the block, errors of the network as ours."""

    def __init__(
        self, client: aiohttp.ClientSession, method: str, base: str, path: str, body: dict[str, Any] | None
    ) -> None:
        content = orjson.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self._base = base
        self._request = client.request(method, base + path, data=content, headers=headers, allow_redirects=False)

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            return await self._request.__aenter__()
        except aiohttp.InvalidURL as error:
            raise ModelAway(f"{self._base!r} is no address of a model server ({error}); see OLLAMA_HOST") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise _away(self._base, error) from None

    async def __aexit__(self, *raised: Any) -> None:
        await self._request.__aexit__(*raised)  # closes the connection unless the answer was read to its end


def _away(base: str, error: Exception) -> ModelAway:
    return ModelAway(f"no model server answers at {base} ({type(error).__name__}); is `ollama serve` running?")


async def _bytes(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, ConnectionError) as error:
        raise ModelAway(f"the connection to the model server broke ({type(error).__name__})") from None


def _content(line: dict[str, Any]) -> str:
    message = line.get("message")
    text = message.get("content") if isinstance(message, dict) else None
    if "message" in line and not isinstance(message, dict):
        raise ModelBroken("the model server sent a message that is no object")
    return text if isinstance(text, str) else ""


def _finished(text: str, line: dict[str, Any]) -> Finished:
    if line.get("done_reason") == "length":
        raise ModelCut("the model's answer was longer than models.num_predict allows")
    return Finished(
        text,
        _number(line, "prompt_eval_count"),
        _number(line, "eval_count"),
        _number(line, "prompt_eval_duration") / 1e9,
        _number(line, "eval_duration") / 1e9,
    )


def _number(line: dict[str, Any], key: str) -> int:
    found = line.get(key, 0)
    return found if isinstance(found, int) else 0
