"""One answer on the wire, step by step, with every way in which it can break."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.ollama_double.model import Timing
from tests.ollama_double.script import Step, words

Line = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Makes an object of the answer from a piece of text and further keys."""


class Broken(Exception):
    """The connection is gone, by the script's will."""


def stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def raw(value: Any) -> bytes:
    """JSON as Go writes it: UTF-8 unescaped, U+0085 too."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Wire:
    """The response. Nothing is sent before the first bytes, not even headers; pieces never end where lines do."""

    def __init__(self, request: web.Request, begun: Callable[[], None]) -> None:
        self._request = request
        self._begun = begun
        self._answer: web.StreamResponse | None = None
        self._held: list[bytes] | None = None
        self._written = 0

    async def write(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        if self._answer is None:
            self._begun()
            self._answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
            await self._answer.prepare(self._request)
        self._written += 1
        cut = (self._written * 7) % len(data) if len(data) < 65_536 else 0
        for part in (data[:cut], data[cut:]):
            if part:
                await self._answer.write(part)

    def hold(self) -> None:
        self._held = []

    async def end(self) -> web.StreamResponse:
        if self._held is not None:
            held, self._held = b"".join(self._held), None
            await self.write(held)
        if self._answer is None:
            self._answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
            await self._answer.prepare(self._request)
        await self._answer.write_eof()
        return self._answer

    def drop(self) -> None:
        """Reset the connection: no end of stream, no goodbye."""
        transport = self._request.transport
        if transport is not None:
            sock = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        raise Broken


async def speak(wire: Wire, steps: Iterable[Step], line: Line, timing: Timing, last: dict[str, Any]) -> None:
    """Write the answer. `last`: keys of its last object; steps may change them."""
    await asyncio.sleep(timing.first)
    said = 0
    calls: list[dict[str, Any]] = []
    split = False
    for step in steps:
        ((kind, value),) = step.items()
        match kind:
            case "text":
                for piece in words(value):
                    if said and timing.token:
                        await asyncio.sleep(timing.token)
                    said += 1
                    data = raw(line(piece, {}))
                    if split and (at := _inside(data)):
                        await wire.write(data[:at])
                        await asyncio.sleep(0.01)
                        data = data[at:]
                    await wire.write(data)
            case "u0085":
                said += 1
                await wire.write(raw(line("one\u0085two\u2028three ", {})))
            case "thinking":
                await wire.write(raw(line("", {"thinking": value})))
            case "early_tool_calls":
                await wire.write(raw(line("", {"tool_calls": value})))
            case "tool_calls":
                calls = value
            case "delay":
                await asyncio.sleep(value)
            case "stall":
                await asyncio.Event().wait()
            case "usage":
                last.update(value)
            case "done_reason":
                last["done_reason"] = value
            case "split_utf8":
                split = True
            case "many_objects_in_one_write":
                wire.hold()
            case "huge_line":
                await _huge(wire, int(value))
            case "garbage_line":
                await wire.write(b"<html>502 Bad Gateway</html>\n")
            case "half_line":
                await wire.write(raw(line("half of a line that never ends", {}))[:40])
                return
            case "error_mid":
                await wire.write(raw({"error": value}))
                return
            case "end_without_done":
                return
            case "drop":
                wire.drop()
    final = line("", {"tool_calls": calls} if calls else {})
    await wire.write(raw({**final, "done": True, **{key: value for key, value in last.items() if value}}))


async def _huge(wire: Wire, size: int) -> None:
    """One line of `size` bytes, in pieces."""
    await wire.write(b'{"message":{"role":"assistant","content":"')
    for _ in range(size // 65_536):
        await wire.write(b"x" * 65_536)
    await wire.write(b'"},"done":false}\n')


def _inside(data: bytes) -> int:
    """A place inside a character of several bytes; 0: there is none."""
    return next((at for at, byte in enumerate(data) if byte & 0xC0 == 0x80), 0)


def whole(steps: Iterable[Step], last: dict[str, Any]) -> tuple[str, str, list[dict[str, Any]], bool]:
    """The same answer in one piece: text, thinking, tool calls, whether it has its end."""
    text, thinking, calls = "", "", []
    for step in steps:
        ((kind, value),) = step.items()
        match kind:
            case "text":
                text += "".join(words(value))
            case "u0085":
                text += "one\u0085two\u2028three "
            case "thinking":
                thinking += value
            case "tool_calls" | "early_tool_calls":
                calls += value
            case "usage":
                last.update(value)
            case "done_reason":
                last["done_reason"] = value
            case "end_without_done":
                return text, thinking, calls, False
    return text, thinking, calls, True
