"""The API and its stream, as the inbox uses them. Loaded after the first paint: aiohttp and the wire models are heavy.

Every request has a deadline; every command an idempotency key, under which it is repeated when the line fails. The
stream reconnects for ever with full jitter and goes on from the last event; what cannot be replayed is fetched again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError
from yarl import URL

from invent_tui.errors import Answer, ApiError, Link, Unauthorized, Unreachable
from shared import instructions as i
from shared import models as m
from shared.events import Frame, Resync, SeqData, parse
from shared.ids import new_id
from shared.text import clean_line

Model = TypeVar("Model", bound=BaseModel)

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
HEARTBEAT = 20.0
FRAME_LIMIT = 4 * 2**20
LONGEST_WORK = 600.0
"""Seconds that an answer line by line may be silent: an evaluation waits behind all customers."""
GATHER = 0.016
"""Frames that come within this time (seconds) are handed over together, so that a burst is painted once."""


_REPLAY: TypeAdapter[i.ReplayFrame] = TypeAdapter(i.ReplayFrame)
_EVALUATION: TypeAdapter[i.EvaluationFrame] = TypeAdapter(i.EvaluationFrame)


class Client:
    """One agent's connection. `server`: http://, https:// or unix:///path. Use after `start`, end with `close`."""

    def __init__(self, server: str, token: str, *, timeout: float = 15.0) -> None:
        self.server = server
        self._token = token
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._viewing: str | None = None
        path = server.removeprefix("unix://")
        self._path = path if path != server else None
        self._base = URL("http://invent" if self._path else server.rstrip("/"))

    async def start(self) -> None:
        """Open the session. Raises ValueError when the address cannot be one."""
        if self._base.scheme not in ("http", "https") or not self._base.host:
            raise ValueError(f"{self.server!r} is no server address; write http://HOST:PORT, https:// or unix:///PATH")
        connector = aiohttp.UnixConnector(self._path) if self._path else aiohttp.TCPConnector(limit=8)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=5),
        )

    async def close(self) -> None:
        """End stream and session."""
        if self._session is not None:
            await self._session.close()

    # ------------------------------------------------------------------ requests

    async def get(self, kind: type[Model], path: str, **params: str | int | None) -> Answer[Model]:
        """Read `path` under /api/v1. Raises ApiError, Unauthorized, Unreachable."""
        query = {key: str(value) for key, value in params.items() if value is not None}
        body, seq = await self._request("GET", path, params=query)
        return Answer(_validated(kind, body), seq)

    async def command(
        self, kind: type[Model], path: str, body: dict[str, object], *, key: str = "", method: str = "POST"
    ) -> Answer[Model]:
        """Do something once: `key` (a new one by default) makes repetition harmless. Raises as `get`."""
        headers = {"Idempotency-Key": key or new_id()}
        for attempt in range(4):
            try:
                raw, seq = await self._request(method, path, json=body, headers=headers)
                return Answer(_validated(kind, raw), seq)
            except ApiError as error:
                if error.code not in ("unavailable", "slow_down") or attempt == 3:
                    raise
            except Unreachable:
                if attempt == 3:
                    raise
            await asyncio.sleep(_delay(attempt))
        raise AssertionError("unreachable")

    async def me(self) -> Answer[m.Me]:
        return await self.get(m.Me, "me")

    async def conversations(
        self, filter: str = "", *, limit: int = 200, cursor: str | None = None, reverse: bool = False
    ) -> Answer[m.Page[m.Conversation]]:
        """One page of the list in the order of need."""
        back = "true" if reverse else None
        return await self.get(
            m.Page[m.Conversation], "conversations", filter=filter or None, limit=limit, cursor=cursor, reverse=back
        )

    async def counts(self, filter: str = "") -> Answer[m.Counts]:
        return await self.get(m.Counts, "conversations/counts", filter=filter or None)

    async def conversation(self, chat_id: str) -> Answer[m.Conversation]:
        return await self.get(m.Conversation, f"conversations/{chat_id}")

    async def customer(self, customer_id: str) -> Answer[m.Customer]:
        return await self.get(m.Customer, f"customers/{customer_id}")

    async def memories(self, customer_id: str) -> Answer[m.Page[m.Memory]]:
        return await self.get(m.Page[m.Memory], f"customers/{customer_id}/memories")

    async def agents(self) -> Answer[m.Page[m.Agent]]:
        return await self.get(m.Page[m.Agent], "agents")

    async def trace(self, message_id: str) -> Answer[m.Trace]:
        return await self.get(m.Trace, f"messages/{message_id}/trace")

    async def messages(self, chat_id: str, *, limit: int = 60, cursor: str | None = None) -> Answer[m.Page[m.Message]]:
        """One page of messages, newest first."""
        path = f"conversations/{chat_id}/messages"
        return await self.get(m.Page[m.Message], path, limit=limit, cursor=cursor, reverse="true")

    async def act(self, chat_id: str, verb: str, body: dict[str, object] | None = None) -> Answer[m.Conversation]:
        """A command on a conversation that answers with it: takeover, handback, resolve, read ..."""
        return await self.command(m.Conversation, f"conversations/{chat_id}/{verb}", body or {})

    async def post_message(self, chat_id: str, text: str, *, note: bool, key: str) -> Answer[m.Message]:
        """A reply to the customer, or a note for colleagues."""
        path = f"conversations/{chat_id}/{'notes' if note else 'messages'}"
        return await self.command(m.Message, path, {"text": text}, key=key)

    async def patch(self, chat_id: str, body: dict[str, object]) -> Answer[m.Conversation]:
        """Change tags or priority."""
        return await self.command(m.Conversation, f"conversations/{chat_id}", body, method="PATCH")

    async def suggest(self, chat_id: str) -> Answer[m.Suggestion]:
        return await self.command(m.Suggestion, f"conversations/{chat_id}/suggest", {})

    async def summary(self, chat_id: str) -> Answer[m.Summary]:
        return await self.command(m.Summary, f"conversations/{chat_id}/summary", {})

    async def remember(self, customer_id: str, body: dict[str, object]) -> Answer[m.Memory]:
        """A new memory."""
        return await self.command(m.Memory, f"customers/{customer_id}/memories", body)

    async def change_memory(self, customer_id: str, memory_id: str, body: dict[str, object]) -> Answer[m.Memory]:
        """Edit or pin a memory."""
        return await self.command(m.Memory, f"customers/{customer_id}/memories/{memory_id}", body, method="PATCH")

    async def forget(self, customer_id: str, memory_id: str) -> None:
        """Remove a memory."""
        await self._request("DELETE", f"customers/{customer_id}/memories/{memory_id}")

    # ------------------------------------------------------------------ instructions

    async def instructions(self, assistant: str) -> Answer[i.Instructions]:
        return await self.get(i.Instructions, "instructions", assistant=assistant)

    async def edit_instructions(
        self, section: str, text: str, revision: int, assistant: str
    ) -> Answer[i.InstructionSection]:
        """Save a section of the draft, begun with `revision`."""
        body: dict[str, object] = {"text": text, "revision": revision, "assistant": assistant}
        return await self.command(i.InstructionSection, f"instructions/{section}", body, method="PATCH")

    async def publish_instructions(self, note: str, revision: int, assistant: str) -> Answer[i.InstructionVersion]:
        body: dict[str, object] = {"note": note, "revision": revision, "assistant": assistant}
        return await self.command(i.InstructionVersion, "instructions/publish", body)

    async def roll_back_instructions(self, version: int, note: str, assistant: str) -> Answer[i.InstructionVersion]:
        body: dict[str, object] = {"version": version, "note": note, "assistant": assistant}
        return await self.command(i.InstructionVersion, "instructions/rollback", body)

    async def instruction_versions(self, assistant: str) -> Answer[m.Page[i.InstructionVersion]]:
        return await self.get(m.Page[i.InstructionVersion], "instructions/versions", assistant=assistant, limit=100)

    async def instruction_diff(self, old: str, new: str, assistant: str) -> Answer[i.InstructionDiff]:
        return await self.get(i.InstructionDiff, "instructions/diff", old=old, new=new, assistant=assistant)

    async def replay(self, message_id: str, sections: dict[str, str]) -> AsyncIterator[i.ReplayFrame]:
        """A customer's message answered anew by the draft, with `sections` in it: frames as they come."""
        body: dict[str, object] = {"message_id": message_id, "sections": sections}
        async for line in self._lines("instructions/replay", body):
            yield _REPLAY.validate_json(line)

    async def evaluate(self, sections: dict[str, str], assistant: str) -> AsyncIterator[i.EvaluationFrame]:
        """The last messages answered by draft and published version: frames as they come."""
        async for line in self._lines("instructions/evaluate", {"sections": sections, "assistant": assistant}):
            yield _EVALUATION.validate_json(line)

    async def _lines(self, path: str, body: dict[str, object]) -> AsyncIterator[bytes]:
        """Lines of an answer that takes its time. Leaving ends the work on the server."""
        headers = {"Accept": "application/x-ndjson"}
        patience = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=LONGEST_WORK)
        try:
            url = self._base / "api/v1" / path
            async with self._ready().post(url, json=body, headers=headers, timeout=patience) as answer:
                if answer.status >= 400:
                    raise _refusal(answer.status, await answer.read())
                held = b""
                async for piece in answer.content.iter_any():
                    *whole, held = (held + piece).split(b"\n")
                    if len(held) > FRAME_LIMIT:
                        raise Unreachable("the server's answer has no end")
                    for line in whole:
                        yield line
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(clean_line(str(error)) or type(error).__name__) from error
        except ValidationError:
            raise ApiError(502, "invalid", "the server's answer cannot be read") from None

    # ------------------------------------------------------------------ stream

    async def stream(
        self, after: Callable[[], int], on_frames: Callable[[list[Frame]], None], on_link: Callable[[Link], None]
    ) -> None:
        """Hand over frames until cancelled. `after` gives the seq to go on from. Raises Unauthorized."""
        attempt = 0
        while True:
            on_link("connecting")
            try:
                if await self._listen(after(), on_frames, on_link):
                    attempt = 0
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            on_link("lost")
            await asyncio.sleep(_delay(attempt))
            attempt += 1

    async def viewing(self, chat_id: str | None) -> None:
        """Tell colleagues which conversation this agent looks at."""
        self._viewing = chat_id
        await self._tell({"type": "viewing", "data": {"conversation_id": chat_id}})

    async def typing(self, chat_id: str) -> None:
        """Tell that this agent writes."""
        await self._tell({"type": "typing", "data": {"conversation_id": chat_id}})

    # ------------------------------------------------------------------ inside

    async def _listen(
        self, after: int, on_frames: Callable[[list[Frame]], None], on_link: Callable[[Link], None]
    ) -> bool:
        url = (self._base / "api/v1/stream").with_query({"after": str(after)} if after >= 0 else {})
        gathered: list[Frame] = []
        loop = asyncio.get_running_loop()
        handle: asyncio.TimerHandle | None = None

        def flush() -> None:
            nonlocal handle
            handle = None
            batch, gathered[:] = gathered[:], []
            if batch:
                on_frames(batch)

        heard = False
        try:
            async with self._ready().ws_connect(
                url,
                heartbeat=HEARTBEAT,
                max_msg_size=FRAME_LIMIT,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=2),
            ) as socket:
                self._socket = socket
                if self._viewing:
                    await self.viewing(self._viewing)
                async for incoming in socket:
                    if incoming.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    frame = _frame(incoming.data)
                    if frame is None:
                        continue
                    if not heard:
                        heard = True
                        on_link("live")
                    gathered.append(frame)
                    handle = handle or loop.call_later(GATHER, flush)
                if socket.close_code == 4401:
                    raise Unauthorized(401, "unauthorized", "the token is not valid any more")
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                raise Unauthorized(401, "unauthorized", "the token is not valid any more") from None
            raise
        finally:
            self._socket = None
            if handle is not None:
                handle.cancel()
            flush()
        return heard

    async def _tell(self, frame: dict[str, object]) -> None:
        socket = self._socket
        if socket is not None and not socket.closed:
            with contextlib.suppress(aiohttp.ClientError, OSError, RuntimeError):
                await socket.send_str(json.dumps(frame))

    async def _request(self, method: str, path: str, **options: Any) -> tuple[bytes, int]:
        try:
            async with self._ready().request(method, self._base / "api/v1" / path, **options) as answer:
                body = await answer.read()
                if answer.status >= 400:
                    raise _refusal(answer.status, body)
                seq = answer.headers.get("X-Invent-Seq", "")
                return body, int(seq) if seq.isdigit() else -1
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(clean_line(str(error)) or type(error).__name__) from error

    def _ready(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Client.start was not awaited")
        return self._session


def _delay(attempt: int) -> float:
    """Full jitter: anywhere between the first delay and a bound that doubles."""
    return random.uniform(FIRST_DELAY, min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempt + 1)))  # noqa: S311


def _validated(kind: type[Model], body: bytes) -> Model:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ApiError(502, "invalid", f"the server's answer cannot be read ({where}: {problem['msg']})") from None


def _frame(raw: str) -> Frame | None:
    """A frame; one that cannot be read may have carried anything, so the state is fetched again."""
    try:
        return parse(raw)
    except ValueError:
        return Resync(type="resync", data=SeqData(seq=-1))


def _refusal(status: int, body: bytes) -> ApiError:
    try:
        error = m.Error.model_validate_json(body).error
        code, message, details = error.code, clean_line(error.message), error.details
    except ValidationError:
        code, message, details = "unavailable" if status >= 500 else "bad_request", f"HTTP {status}", None
    kind = Unauthorized if status == 401 else ApiError
    return kind(status, code, message, details)
