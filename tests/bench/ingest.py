"""Durable ingest: POST /web/{inbox}/messages to a real server, against a bare aiohttp handler in the same run.

Each message commits a receipt, the message, its conversation, two events and (but in mode `off`) work; all rows are
counted afterwards. Three states of the assistant are measured:
  queued     work is committed and nobody takes it: the assistant's one place is held by a turn that waits (the figure)
  off        the inbox's mode is `off`: people answer, no work is written
  answering  the assistant answers as fast as it can meanwhile
Needs wrk. `python -m tests.bench.ingest [--rounds 5] [--seconds 3] [--states queued,off,answering]`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import openloop
from tests.bench.live import Server, percentile, report, serving

FLOOR, P99_FLOOR = 0.15, 60.0
VISITORS = 500
CONNECTIONS = (32, 64)
TEXT = (
    "Hello, I ordered two lamps on Monday and the parcel has not arrived. The tracking page says that it left the"
    " depot, but nothing has changed since Wednesday. Can you tell me when it comes, or send it again? Thank you!"
)
SCRIPT = Path(__file__).with_name("ingest.lua")


def wrk(port: int, tokens: Path, prefix: str, connections: int, seconds: float) -> dict[str, float]:
    """One run of the client; requests, seconds, failed, p99 (ms)."""
    url = f"http://127.0.0.1:{port}/web/bench/messages"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", "-s", str(SCRIPT), url, "--"]
    done = subprocess.run([*command, str(tokens), prefix, TEXT], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextlib.contextmanager
def bare() -> Iterator[int]:
    """The yardstick's port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.bare", str(port)])
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def block_assistant(server: Server) -> None:
    """Let one turn hold the assistant's only place: its search asks an index process that stands still."""
    index = next(pid for pid in server.processes() if pid != server.process.pid)
    os.kill(index, signal.SIGSTOP)
    token, _ = server.session()
    server.call("POST", "/web/bench/messages", {"text": "How do I return a lamp?", "client_id": "first"}, token)
    time.sleep(0.5)


def state(name: str, rounds: int, seconds: float, yardstick: int) -> dict[str, Any]:
    """All figures of one state of the assistant."""
    settings = {
        "INVENT_ASSISTANT__CONCURRENCY": "1",
        "INVENT_INDEX__TIMEOUT": "10m",
        "INVENT_ASSISTANT__DEADLINE": "10m",
    }
    with serving(settings=settings if name == "queued" else None) as server:
        server.inbox("off" if name == "off" else "automatic")
        if name == "queued":
            block_assistant(server)
        tokens = server.folder / "tokens"
        tokens.write_text("\n".join(server.session()[0] for _ in range(VISITORS)))
        before = _rows(server.folder)
        sent = 0
        figures: dict[str, Any] = {}
        for connections in CONNECTIONS:
            rates: list[float] = []
            ratios: list[float] = []
            tails: list[float] = []
            for number in range(rounds):
                floor = wrk(yardstick, tokens, "b", connections, seconds)
                result = wrk(server.port, tokens, f"{connections}-{number}", connections, seconds)
                if result["failed"]:
                    raise RuntimeError(f"{result['failed']:.0f} requests failed")
                sent += round(result["requests"])
                rates.append(result["requests"] / result["seconds"])
                ratios.append(rates[-1] / (floor["requests"] / floor["seconds"]))
                tails.append(result["p99"])
            figures[f"c{connections}"] = {
                "per_s": round(statistics.median(rates)),
                "bare_per_s": round(statistics.median(rates) / statistics.median(ratios)),
                "ratio": round(statistics.median(ratios), 4),
                "p99_ms_closed": round(statistics.median(tails), 1),
            }
        half = statistics.median([figures[f"c{c}"]["per_s"] for c in CONNECTIONS]) / 2
        given = [token.encode() for token in tokens.read_text().splitlines()]

        def request(number: int) -> bytes:
            body = json.dumps({"client_id": f"open-{number}", "text": TEXT}).encode()
            return (
                b"POST /web/bench/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
            ) % (given[number % len(given)], len(body), body)

        latencies, bad = asyncio.run(openloop.run(server.port, request, half, max(5.0, seconds)))
        if bad:
            raise RuntimeError(f"{bad} requests failed at half the load")
        sent += len(latencies)
        figures["half_load"] = {
            "per_s": round(half),
            "p50_ms": round(percentile(latencies, 0.5), 1),
            "p99_ms": round(percentile(latencies, 0.99), 1),
        }
        after = _rows(server.folder)
        figures["rows"] = {table: after[table] - before[table] for table in after}
        # What was under way when a run of the client ended was stored, too, but not counted by the client.
        spare = rounds * sum(CONNECTIONS)
        stored = figures["rows"]
        if not sent <= stored["message_customer"] <= sent + spare or stored["receipt"] != stored["message_customer"]:
            raise RuntimeError(f"{sent} answers, but stored: {stored}")
        figures["sent"] = sent
        if name == "queued":
            for pid in server.processes():
                os.kill(pid, signal.SIGCONT)
        return figures


def _rows(folder: Path) -> dict[str, int]:
    counts = {
        "receipt": "SELECT count(*) FROM receipt",
        "message_customer": "SELECT count(*) FROM message WHERE author_kind = 'customer'",
        "event": "SELECT count(*) FROM event",
        "work": "SELECT count(*) FROM work",
    }
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'invent.db'}?mode=ro", uri=True)) as connection:
        return {name: int(connection.execute(sql).fetchone()[0]) for name, sql in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--states", default="queued,off,answering")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("this bench needs wrk (apt-get install wrk)")
    with bare() as yardstick:
        states = {name: state(name, given.rounds, given.seconds, yardstick) for name in given.states.split(",")}
    first = next(iter(states.values()))
    ratio, p99 = first["c32"]["ratio"], first["half_load"]["p99_ms"]
    report(
        bench="ingest",
        ratio_to_bare=ratio,
        floor=FLOOR,
        p99_ms_half_load=p99,
        p99_floor=P99_FLOOR,
        ok=ratio >= FLOOR and p99 <= P99_FLOOR,
        states=states,
    )


if __name__ == "__main__":
    main()
