"""The real program in a process of its own: started, looked at, killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.databases import Database

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """The real program, started and killed."""

    def __init__(self, database: Database, module: str = "invent_server.cli.main") -> None:
        self._module = module
        self._environment = {
            **os.environ,
            **database.environment(
                INVENT_DELIVERY__RETRY="100ms,200ms,400ms,1s,2s,2s,2s,2s", INVENT_ASSISTANT__DEADLINE="5s"
            ),
        }
        self._folder = database.folder
        self._process: subprocess.Popen[bytes] | None = None
        self.log = (database.folder / "log").open("ab")

    async def start(self) -> str:
        """Ready to take messages; its address."""
        address = self._folder / "server.json"
        self._process = subprocess.Popen(  # noqa: ASYNC220 - a moment, in a bench
            [sys.executable, "-P", "-m", self._module, "serve", "--port", "0"],
            cwd=ROOT,
            env={**self._environment, "PYTHONPATH": str(ROOT)},
            stdout=self.log,
            stderr=self.log,
        )
        async with asyncio.timeout(60):
            while True:
                try:
                    found = json.loads(address.read_text("utf-8"))
                    if found["pid"] == self._process.pid:
                        return str(found["url"])
                except (OSError, ValueError):
                    pass
                if self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text("utf-8")[-2000:])
                await asyncio.sleep(0.02)

    def processes(self) -> list[int]:
        """It and its descendants."""
        assert self._process is not None
        found = [self._process.pid]
        for pid in found:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    found += [int(child) for child in (thread / "children").read_text().split()]
        return found

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
