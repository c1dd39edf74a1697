"""What holds for every command: it starts fast, fails in one line, and needs no server that runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from invent_server.cli import main as cli
from invent_server.cli import output
from invent_server.cli.output import ago, count, local
from tests.cli.conftest import COMMAND, Invent, environment, spawn

HEAVY = ("textual", "sqlmodel", "sqlalchemy", "aiohttp", "chromadb", "tantivy", "rich")
NOUNS = ("conversations", "customers", "memory", "knowledge", "channels", "agents")
LOOK = f"""
import sys
from invent_server.cli import main
sys.argv = ['invent', *sys.argv[1:]]
try:
    main.main()
except SystemExit as end:
    assert not end.code, end.code
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize("words", [["--help"], ["knowledge", "--help"], ["channels", "add", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK, *words], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Usage: invent" in done.stdout


def test_help_answers_at_once(tmp_path: Path) -> None:
    spawn(tmp_path, "--help")
    times = []
    for _ in range(4):
        began = time.perf_counter()
        done = spawn(tmp_path, "--help")
        times.append(time.perf_counter() - began)
        assert all(noun in done.stdout for noun in NOUNS)
    assert min(times) < 0.6, f"{times}: 0.3 s are allowed on an idle machine"


@pytest.mark.parametrize("words", [["nonsense"], ["conversations", "show"], ["knowledge", "search", "-k", "0", "x"]])
def test_wrong_use_is_two(invent: Invent, words: list[str]) -> None:
    assert "Error" in invent(*words, code=2).err


def test_a_server_that_does_not_answer_is_one_line(invent: Invent, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["notices"], ["conversations", "show", "x", "--follow"], ["knowledge", "add", __file__]):
        result = invent(*command, "--server", "http://127.0.0.1:1", code=1)
        assert re.fullmatch(
            r"invent: the server at http://127.0.0.1:1 does not answer: Connection refused\n", result.err
        )
    monkeypatch.setenv("INVENT_SERVER", "ftp://x")
    assert "no address" in invent("notices", code=1).err


def test_another_program_at_the_address(invent: Invent, served: Path) -> None:
    url = json.loads((served / "server.json").read_text())["url"]
    assert "Invent server?" in invent("notices", "--server", url + "/chat", code=1).err


def test_a_fault_of_ours_is_one_line_too(invent: Invent, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(cli, "app", broken)
    assert "this should not have happened: ZeroDivisionError('a fault')" in invent("notices", code=1).err
    monkeypatch.setenv("INVENT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        invent("notices")


def test_a_closed_pipe_is_no_fault(served: Path) -> None:
    command = [*COMMAND, "conversations", "--help"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, env=environment(served), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_any_encoding_of_the_terminal(served: Path, invent: Invent) -> None:
    id_ = invent("knowledge", "add-text", "Ñandú — 走鳥", "El ñandú corre.").id
    done = spawn(served, "knowledge", "list", env=environment(served, PYTHONIOENCODING="ascii"))
    assert done.returncode == 0, done.stderr
    assert "?and?" in done.stdout
    done = spawn(served, "knowledge", "search", b"\xff\xfe")
    assert done.returncode == 0, done.stderr
    invent("knowledge", "remove", id_)


def test_without_a_server_a_command_starts_its_own(tmp_path: Path) -> None:
    """And leaves nothing behind; what it prints is the command's alone."""
    data = tmp_path / "data"
    added = spawn(data, "knowledge", "add-text", "Tides", "Tides come twice a day.", "--json")
    assert added.returncode == 0, added.stderr
    found = spawn(data, "knowledge", "search", "tides", "--json")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["items"][0]["source_id"] == json.loads(added.stdout)["id"]
    assert not (data / "server.json").exists()


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    output.table(("ID", "NAME", "TEXT"), [("x" * 30, "走鳥", "long " * 20), ("y", "\x1b[2Jb", None)])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "\x1b[1m" + "ID".ljust(32) + "NAME  TEXT\x1b[0m"
    assert first == "x" * 30 + "  走鳥  " + "long long long long…"
    assert second == "y".ljust(32) + "\ufffdb"


def test_times_and_counts() -> None:
    assert ago(None) == local(None) == ""
    assert ago("2020-01-01T00:00:00.000000Z").endswith("d")
    assert (count(1, "page"), count(2, "page"), count(2, "entry", "entries")) == ("1 page", "2 pages", "2 entries")
