"""How the inbox feels, measured at a real pseudo-terminal: one JSON line.

    python -m tests.bench.inbox [--conversations 100000] [--messages 5000] [--keys 120]

A double of the API serves the conversations from another process; the inbox runs in its own, as a person starts it.
`first_list_ms`: process start to the first row painted. `key_ms`: a cursor key to its last painted byte.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from multiprocessing import Process, Queue

from tests.tui.terminal import Terminal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--conversations", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument("--keys", type=int, default=120)
    options = parser.parse_args()
    found: Queue[str] = Queue()
    server = Process(target=serve, args=(options.conversations, options.messages, found), daemon=True)
    server.start()
    address = found.get(timeout=300)
    try:
        print(json.dumps(measure(address, options.keys) | {"conversations": options.conversations}))
    finally:
        server.terminate()


def serve(conversations: int, messages: int, found: Queue[str]) -> None:
    """The double, in its own process; its first waiting conversation has the long thread."""
    from shared import models as m
    from tests.tui.double import MINUTE, Double, at

    async def run() -> None:
        double = Double()
        long = double.add(
            "Zoe Longthread", "x", handler="queue", waiting_since=at(double.now - 9000 * MINUTE), priority="urgent"
        )
        double.messages[long.id] = [
            m.Message(id=f"l{n:05}", conversation_id=long.id, seq=n, created_at=at(double.now - (6000 - n) * MINUTE),
                      author=m.Author(kind="customer" if n % 2 else "assistant", name="Zoe"),
                      text=f"Message {n}: where is my order, and when does it arrive at the pickup point in Zaragoza?")
            for n in range(1, messages + 1)
        ]  # fmt: skip
        for number in range(conversations - 1):
            state = {"handler": "queue", "waiting_since": at(double.now - number * 1000)} if number % 50 == 0 else {}
            double.add(f"Customer {number}", "Where is my order?", "It arrives tomorrow.", minutes=number % 100_000 + 1,
                       intent={"label": "order_status", "confidence": 0.9}, **state)  # fmt: skip
        double.ordered()
        found.put(await double.start())
        await asyncio.Event().wait()

    asyncio.run(run())


def measure(address: str, keys: int) -> dict[str, float]:
    """One run of the inbox."""
    screen = Terminal(address, "agent-token")
    _, skeleton = screen.read(0.05, 5, b"Invent")
    data, first = screen.read(0.05, 20, b"Longthread")
    screen.read(0.6, 5)
    times: list[float] = []
    sizes: list[int] = []
    for number in range(keys):
        pressed = screen.press(b"j" if number % 40 < 30 else b"k")
        data, last = screen.read(0.04, 1)
        times.append((last - pressed) * 1000)
        sizes.append(len(data))
    screen.press(b"g")
    screen.read(0.5, 3)
    idle, _ = screen.read(2.5, 2.5)
    pressed = screen.press(b"\r")
    _, last = screen.read(0.02, 5, b"Message 4999" if keys else b"Message")
    opened = (last - pressed) * 1000
    screen.read(0.5, 3)
    held = screen.press(b"\x1b")
    screen.read(0.5, 3)
    held = screen.press(b"j" * 400)
    _, last = screen.read(0.3, 10)
    result = {
        "skeleton_ms": round((skeleton - screen.started) * 1000),
        "first_list_ms": round((first - screen.started) * 1000),
        "key_ms_p50": round(statistics.median(times), 1),
        "key_ms_p95": round(statistics.quantiles(times, n=20)[18], 1),
        "key_bytes_mean": round(statistics.mean(sizes)),
        "key_bytes_p50": statistics.median(sizes),
        "key_bytes_p95": statistics.quantiles(sizes, n=20)[18],
        "key_bytes_max": max(sizes),
        "idle_bytes": len(idle),
        "thread_open_ms": round(opened),
        "keys_400_ms": round((last - held) * 1000),
        "pss_mb": round(screen.pss(), 1),
    }
    screen.end()
    return result


if __name__ == "__main__":
    main()
