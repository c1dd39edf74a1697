"""Memory of a server with the demo, after some use: proportional set size of the server alone and of all processes.

`python -m tests.bench.memory`; with INVENT_ONNX_DIR the embedding model is among them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from pathlib import Path

from tests.bench.indexing import vectors_made
from tests.bench.latency import measure
from tests.bench.live import Server, report, serving

SERVER_FLOOR = 150.0
ALL_FLOOR = 550.0 if os.environ.get("INVENT_ONNX_DIR") else 320.0


def pss(pid: int) -> float:
    """MiB of a process: its own pages and its share of those that others use, too."""
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) / 1024
    return 0.0


def sizes(server: Server) -> tuple[float, float]:
    """The server's MiB, and those of it and all its children."""
    found = [pss(pid) for pid in server.processes()]
    return found[0], sum(found)


def main() -> None:
    with serving(demo=True) as server:
        vectors_made(server)
        time.sleep(3)
        idle = sizes(server)
        for path in ("/api/v1/conversations", "/api/openapi.json", "/api/v1/knowledge/search?q=returns"):
            server.call("GET", path)
        asyncio.run(measure(server, 10, 10, 20))
        used = sizes(server)
    report(
        bench="memory",
        server_mib=round(used[0], 1),
        server_floor=SERVER_FLOOR,
        all_mib=round(used[1], 1),
        all_floor=ALL_FLOOR,
        ok=used[0] <= SERVER_FLOOR and used[1] <= ALL_FLOOR,
        idle_server_mib=round(idle[0], 1),
        idle_all_mib=round(idle[1], 1),
    )


if __name__ == "__main__":
    main()
