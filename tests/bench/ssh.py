"""The inbox over ssh with the real OpenSSH client: time to paint, echo, memory per session, leaks; one JSON line.

Both ways of making sessions: forked from a prepared process (the default), and a fresh process for each.
`python -m tests.bench.ssh [--sessions 20] [--leak 60]`
"""

from __future__ import annotations

import argparse
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench.live import Server, percentile, report, serving
from tests.bench.memory import pss
from tests.support.ssh_client import Key, Screen, command, make_key

PAINT_FLOOR = 2000.0
PAINTED = b"Grupo Ortiz"
"""A customer of the demo who waits: in the list of every inbox."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Bench:
    """One server with one agent who has a key."""

    def __init__(self, server: Server, port: int, key: Key) -> None:
        self.server, self.port, self.key = server, port, key
        self.prepared = 0
        self.idle = pss(server.process.pid)
        server.call("POST", "/api/v1/agents", {"name": "ana"})
        server.call("POST", "/api/v1/agents/ana/keys", {"key": key.public})

    def open(self) -> Screen:
        return Screen(command(self.port, "ana", self.key))

    def close(self, screens: list[Screen]) -> None:
        for screen in screens:
            screen.kill()
        until = time.monotonic() + 15
        while len(self.processes()) > self.prepared and time.monotonic() < until:
            time.sleep(0.05)

    def processes(self) -> list[int]:
        """Processes of sessions, and the one that they are forked from."""
        children = psutil.Process(self.server.process.pid).children(recursive=True)
        return [child.pid for child in children if b"invent_tui.remote" in _argv(child.pid)]

    def paints(self, count: int) -> list[float]:
        """One after the other: milliseconds to the painted list, in a server where one session is open already."""
        found = []
        for _ in range(count):
            screen = self.open()
            found.append(screen.until(PAINTED) * 1000)
            screen.drain()
            screen.kill()
        return found

    def echoes(self, screen: Screen, count: int) -> list[float]:
        """Milliseconds from a key to its first painted byte."""
        found = []
        for number in range(count):
            began = time.perf_counter()
            screen.press(b"j" if number % 20 < 10 else b"k")
            screen.read(1)
            found.append((time.perf_counter() - began) * 1000)
            screen.drain(0.05)
        return found

    def memory(self) -> float:
        """MiB of everything that sessions cost: their processes, and what the server has grown by."""
        return sum(map(pss, self.processes())) + pss(self.server.process.pid) - self.idle

    def run(self, sessions: int, leak: int) -> dict[str, Any]:
        self.prepared = len(self.processes())
        sizes = {0: self.memory()}
        held = [self.open()]
        first = held[0].until(PAINTED) * 1000
        held[0].drain(0.5)
        sizes[1] = self.memory()
        paints = self.paints(8)
        echoes = self.echoes(held[0], 60)
        for wanted in (10, sessions):
            held += [self.open() for _ in range(wanted - len(held))]
            times = [one.until(PAINTED) * 1000 if PAINTED not in one.seen else 0 for one in held]
            for one in held:
                one.drain(0.2)
            sizes[wanted] = self.memory()
        with_all = self.echoes(held[0], 30)
        self.close(held)
        left = self.processes()
        warm, many = 0.0, 0
        for _ in range(leak // 10):
            group = [self.open() for _ in range(10)]
            for one in group:
                one.until(PAINTED)
            self.close(group)
            many += 10
            warm = warm or pss(self.server.process.pid)
        return {
            "first_paint_ms": round(first),
            "paint_ms_p50": round(statistics.median(paints)),
            "paint_ms_max": round(max(paints)),
            f"paint_ms_slowest_of_{sessions}_at_once": round(max(times)),
            "echo_ms_p50": round(statistics.median(echoes), 1),
            "echo_ms_p95": round(percentile(echoes, 0.95), 1),
            f"echo_ms_p50_with_{sessions}_open": round(statistics.median(with_all), 1),
            "mib_for_sessions": {str(number): round(size, 1) for number, size in sizes.items()},
            "mib_per_further_session": round((sizes[sessions] - sizes[1]) / (sessions - 1), 1),
            "server_mib": {"idle": round(self.idle, 1), "after": round(pss(self.server.process.pid), 1)},
            "server_grew_mib": {f"sessions {10}-{many}": round(pss(self.server.process.pid) - warm, 1)},
            "processes_left": len(left) - self.prepared,
        }


def _argv(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--leak", type=int, default=60)
    given = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="invent-bench-") as folder:
        key = make_key(Path(folder), "ana")
        for name, fork in (("forked", "true"), ("fresh", "false")):
            port = free_port()
            settings = {"INVENT_SSH_PORT": str(port), "INVENT_SSH__FORK": fork}
            with serving(demo=True, settings=settings) as server:
                time.sleep(1)
                bench = Bench(server, port, key)
                time.sleep(3)  # the process that sessions are forked from is made soon after the start
                found[name] = bench.run(given.sessions, given.leak)
    ok = all(
        one["paint_ms_max"] <= PAINT_FLOOR and one["first_paint_ms"] <= PAINT_FLOOR and not one["processes_left"]
        for one in found.values()
    )
    report(bench="ssh", ok=ok, paint_floor_ms=PAINT_FLOOR, **found)


if __name__ == "__main__":
    main()
