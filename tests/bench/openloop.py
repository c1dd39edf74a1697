"""Requests at a given rate, whatever the server does: their latency counts from when each was due (open loop)."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way; answers have a Content-Length and are small."""

    def __init__(self, free: Callable[[_Connection], None]) -> None:
        self._free = free
        self._answer = bytearray()
        self.due = 0.0
        self.status = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def send(self, raw: bytes, due: float) -> None:
        self.due = due
        self._answer.clear()
        self._transport.write(raw)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = bytes(self._answer).partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self.status = int(head[9:12])
            self._free(self)


async def run(
    port: int, make: Callable[[int], bytes], rate: float, seconds: float, connections: int = 64, seed: int = 1
) -> tuple[list[float], int]:
    """Send `make(n)` at Poisson times, `rate` a second. Latencies in ms of all answers, and how many were no 2xx."""
    loop = asyncio.get_running_loop()
    random_ = random.Random(seed)
    latencies: list[float] = []
    bad = 0
    waiting: deque[tuple[bytes, float]] = deque()
    free: list[_Connection] = []

    def answered(connection: _Connection) -> None:
        nonlocal bad
        latencies.append((loop.time() - connection.due) * 1000)
        bad += connection.status // 100 != 2
        if waiting:
            connection.send(*waiting.popleft())
        else:
            free.append(connection)

    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: _Connection(answered), "127.0.0.1", port)
        free.append(connection)
    everyone = tuple(free)
    due, end, number = loop.time(), loop.time() + seconds, 0
    while due < end:
        if (pause := due - loop.time()) > 0:
            await asyncio.sleep(pause)
        number += 1
        raw = make(number)
        if free:
            free.pop().send(raw, due)
        else:
            waiting.append((raw, due))
        due += random_.expovariate(rate)
    for _ in range(3000):
        if len(latencies) < number:
            await asyncio.sleep(0.01)
    for connection in everyone:
        connection.close()
    return latencies, bad + number - len(latencies)
