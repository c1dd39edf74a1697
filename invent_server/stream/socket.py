"""One open WebSocket with a bounded queue in front of it: a slow reader is closed, never waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSMsgType, web

BAD_AUTH, ORIGIN, TOO_SLOW, CLOSED = 4401, 4403, 4408, 4409
SEND_TIMEOUT = 20.0


def frame(type_: str, data: Any, **more: Any) -> bytes:
    """A frame's JSON."""
    return orjson.dumps({"type": type_, **more, "data": data})


class Socket:
    """Frames are pushed at any time; `run` sends them in order until the socket ends."""

    __slots__ = ("_bytes", "_frames", "_idle", "_max_bytes", "_max_frames", "_patience", "_wake", "_ws", "closing")

    def __init__(self, ws: web.WebSocketResponse, max_frames: int, max_bytes: int) -> None:
        self._ws = ws
        self._frames: deque[tuple[bytes, str | None]] = deque()
        self._bytes = 0
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._patience: asyncio.Timeout | None = None
        self.closing: int | None = None

    def push(self, raw: bytes, token_of: str | None = None) -> None:
        """Queue a frame. `token_of`: the message whose live text it is, so that it can be taken back."""
        if self.closing is not None:
            return
        self._frames.append((raw, token_of))
        self._bytes += len(raw)
        if len(self._frames) > self._max_frames or self._bytes > self._max_bytes:
            self.end(TOO_SLOW)
            return
        self._idle.clear()
        self._wake.set()

    def withdraw(self, message_id: str) -> None:
        """Take back queued live text of a message."""
        kept = deque(item for item in self._frames if item[1] != message_id)
        if len(kept) != len(self._frames):
            self._frames = kept
            self._bytes = sum(len(raw) for raw, _ in kept)

    def end(self, code: int) -> None:
        """Close the socket with `code`; what is queued is dropped."""
        if self.closing is None:
            self.closing = code
            self._frames.clear()
            self._bytes = 0
            self._wake.set()
            if self._patience is not None and not self._patience.expired():
                # A frame is being written to a peer that may never take it.
                self._patience.reschedule(asyncio.get_running_loop().time())

    async def send_now(self, raw: bytes) -> None:
        """Send, waiting for the reader. Past the queue only before `run`: for hello and replay. Raises TimeoutError."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT) as self._patience:
                await self._ws.send_frame(raw, WSMsgType.TEXT)
        finally:
            self._patience = None

    async def flushed(self, seconds: float) -> bool:
        """Wait until everything queued so far has been written. False after `seconds`."""
        if self._idle.is_set() or self.closing is not None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Send what is pushed; returns when the socket is closed."""
        try:
            while self.closing is None:
                while self._frames and self.closing is None:
                    raw, _ = self._frames.popleft()
                    self._bytes -= len(raw)
                    await self.send_now(raw)
                self._idle.set()
                self._wake.clear()
                if self._frames or self.closing is not None:
                    continue
                await self._wake.wait()
        except (ConnectionError, TimeoutError, RuntimeError):
            self.closing = self.closing or TOO_SLOW
        finally:
            self._idle.set()
        await close(self._ws, self.closing)


async def close(ws: web.WebSocketResponse, code: int) -> None:
    """Close without ever hanging on a peer that does not answer."""
    try:
        async with asyncio.timeout(2):
            await ws.close(code=code)
    except (TimeoutError, ConnectionError, RuntimeError):
        return


async def receive(ws: web.WebSocketResponse, handle: Callable[[dict[str, Any]], None]) -> None:
    """Read JSON frames of the peer until it is gone; what is no object with a `type` is ignored."""
    async for message in ws:
        if message.type is not WSMsgType.TEXT:
            continue
        try:
            data = orjson.loads(message.data)
        except orjson.JSONDecodeError:
            continue
        if isinstance(data, dict) and isinstance(data.get("type"), str):
            handle(data)
