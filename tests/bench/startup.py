"""How soon a server on an existing demo directory is ready, and `invent --help`; medians, and what is imported.

`python -m tests.bench.startup [--rounds 7]`
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.live import COMMAND, report, serving

READY_FLOOR, HELP_FLOOR = 2.5, 0.3


def help_seconds() -> float:
    """Wall time of one `invent --help`."""
    began = time.monotonic()
    subprocess.run([*COMMAND, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def imported(module: str) -> dict[str, float]:
    """Milliseconds of its own of each top package that importing `module` brings in (those over 10 ms)."""
    command = [sys.executable, "-P", "-X", "importtime", "-c", f"import {module}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    spent: dict[str, float] = {}
    for line in lines:
        if found := re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s*([\w.]+)", line):
            top = found[2].partition(".")[0]
            spent[top] = spent.get(top, 0.0) + int(found[1]) / 1000
    return {name: round(ms) for name, ms in sorted(spent.items(), key=lambda item: -item[1]) if ms >= 10}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="invent-bench-") as name:
        folder = Path(name)
        with serving(folder, demo=True) as server:
            first = server.started
            time.sleep(3)
        starts, helps, bare = [], [], []
        for _ in range(rounds):
            with serving(folder) as server:
                starts.append(server.started)
            helps.append(help_seconds())
            began = time.monotonic()
            subprocess.run([sys.executable, "-P", "-c", "pass"], check=True)
            bare.append(time.monotonic() - began)
    ready, usage = statistics.median(starts), statistics.median(helps)
    report(
        bench="startup",
        ready_s=round(ready, 2),
        ready_floor=READY_FLOOR,
        help_s=round(usage, 2),
        help_floor=HELP_FLOOR,
        ok=ready <= READY_FLOOR and usage <= HELP_FLOOR,
        best_ready_s=round(min(starts), 2),
        best_help_s=round(min(helps), 2),
        first_start_with_demo_s=round(first, 2),
        bare_python_s=round(statistics.median(bare), 3),
        imports_ms=imported("invent_server.runtime"),
    )


if __name__ == "__main__":
    main()
