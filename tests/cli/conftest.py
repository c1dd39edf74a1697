"""`invent` as people call it: one server for all tests, commands run in this process, or in one of their own."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from invent_server.cli.main import main

COMMAND = [sys.executable, "-m", "invent_server.cli.main"]
NAMES = ("INVENT_SERVER", "INVENT_TOKEN", "INVENT_CONFIG", "INVENT_DATABASE_URL")
QUIET = {
    "INVENT_LOG__LEVEL": "error",
    "INVENT_SSH_PORT": "0",
    "INVENT_LIMITS__VISITOR_MESSAGES": "0",
    "INVENT_LIMITS__SESSIONS_PER_IP": "0",
}
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a command on this data directory."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INVENT_")}
    return {**kept, **QUIET, "INVENT_DATA_DIR": str(folder), **more}


def spawn(folder: Path, *words: str | bytes, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run `invent` in a process of its own."""
    given = {"env": environment(folder), "capture_output": True, "text": True, "timeout": 60, **how}
    return subprocess.run([*COMMAND, *words], check=False, **given)


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def id(self) -> str:
        """The first id in the output."""
        found = ID.search(self.out)
        assert found, self
        return found[0]


class Typed(io.StringIO):
    """Standard input with somebody at the terminal."""

    def isatty(self) -> bool:
        return True


Invent = Callable[..., Result]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of a running server."""
    folder = tmp_path_factory.mktemp("cli")
    process = subprocess.Popen([*COMMAND, "serve", "--port", "0"], env=environment(folder), stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 30
        while not (folder / "server.json").exists():
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield folder
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def invent(served: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invent:
    """Run a command against the server, in this process. `code`: the exit code that is expected."""
    return runner(served, monkeypatch, capsys)


def runner(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invent:
    """Commands on this data directory. `typed`: somebody at a terminal; `piped`: standard input is a pipe."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**QUIET, "INVENT_DATA_DIR": str(folder)}.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, code: int = 0, typed: str | None = None, piped: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["invent", *words])
        pipe = io.TextIOWrapper(io.BytesIO(piped.encode()))
        monkeypatch.setattr(sys, "stdin", pipe if typed is None else Typed(typed))
        capsys.readouterr()
        try:
            main()
            got = 0
        except SystemExit as end:
            got = int(end.code or 0)
        printed = capsys.readouterr()
        result = Result(got, printed.out, printed.err)
        assert result.code == code, result
        assert "Traceback" not in result.err
        if code == 1:
            assert "invent: " in result.err.splitlines()[-1], result
        return result

    return run


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation that a customer has begun."""

    id: str
    customer: str
    name: str


@pytest.fixture(scope="session")
def names() -> Iterator[str]:
    return (f"Customer {number}" for number in range(1000))


@pytest.fixture
def talk(invent: Invent, names: Iterator[str]) -> Talk:
    """A fresh conversation, waiting for a person (nothing is known to the assistant)."""
    if not any(one["name"] == "site" for one in invent("channels", "list", "--json").json["items"]):
        invent("channels", "add", "web", "site")
    name = next(names)
    made = invent("chat", "--inbox", "site", "--customer", name, "-m", "What is a quokka?", "--json").json
    shown = invent("conversations", "show", made["conversation_id"], "--json").json["conversation"]
    assert shown["handler"] == "queue", shown
    return Talk(shown["id"], shown["customer"]["id"], name)
