"""A real `invent serve` on a directory of its own, for benches: started, called, measured, ended."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-P", "-m", "invent_server.cli.main"]
QUIET = {
    "INVENT_LIMITS__VISITOR_MESSAGES": "0",
    "INVENT_LIMITS__SESSIONS_PER_IP": "0",
    "INVENT_LOG__LEVEL": "error",
    "INVENT_SSH_PORT": "0",
}
"""No limits on what one address may send: a bench is one address."""


@dataclass(slots=True)
class Server:
    """One running server. `started`: seconds from the start of the process to the first 200 of /readyz."""

    process: subprocess.Popen[bytes]
    folder: Path
    url: str
    token: str
    started: float

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """One request; the answer's JSON. Raises urllib.error.HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            raw = answer.read()
        return json.loads(raw) if raw else None

    def inbox(self, mode: str, name: str = "bench") -> None:
        """Add a web inbox."""
        self.call("POST", "/api/v1/channels", {"kind": "web", "name": name, "settings": {"mode": mode}})

    def session(self, inbox: str = "bench") -> tuple[str, str]:
        """A new visitor: the token and the conversation."""
        made = self.call("POST", f"/web/{inbox}/session", {})
        return made["token"], made["conversation_id"]

    def settled(self, job: str, seconds: float = 300) -> None:
        """Wait until a job has ended."""
        until = time.monotonic() + seconds
        while self.call("GET", f"/api/v1/jobs/{job}")["state"] in ("queued", "running"):
            if time.monotonic() > until:
                raise TimeoutError(f"job {job} does not end")
            time.sleep(0.05)

    def processes(self) -> list[int]:
        """The server and all its descendants."""
        found = [self.process.pid]
        for pid in found:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    found += [int(child) for child in (thread / "children").read_text().split()]
        return found


@contextlib.contextmanager
def serving(
    folder: Path | None = None, *, demo: bool = False, settings: dict[str, str] | None = None
) -> Iterator[Server]:
    """A server on `folder` (None: an empty one that is removed afterwards), ready; it is stopped at the end."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="invent-bench-")))
        environ = {k: v for k, v in os.environ.items() if not k.startswith("INVENT_")}
        environ |= {name: os.environ[name] for name in ("INVENT_ONNX_DIR",) if name in os.environ}
        environ |= {**QUIET, **(settings or {}), "INVENT_DATA_DIR": str(folder)}
        began = time.monotonic()
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *(["--demo"] if demo else [])],
            env=environ,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = _ready(process, folder)
            started = time.monotonic() - began
            yield Server(process, folder, url, (folder / "admin-token").read_text("utf-8").strip(), started)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ready(process: subprocess.Popen[bytes], folder: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            address = json.loads((folder / "server.json").read_text("utf-8"))
            if address["pid"] == process.pid:
                with urllib.request.urlopen(address["url"] + "/readyz", timeout=5):
                    return str(address["url"])
        time.sleep(0.01)
    raise RuntimeError("the server does not get ready")


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` (0-1) of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> dict[str, object]:
    """What the figures were taken on: the load is part of the truth."""
    return {
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def report(**fields: object) -> None:
    """The one line that a bench prints."""
    print(json.dumps({**fields, **machine()}))
