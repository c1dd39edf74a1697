"""`invent doctor`, `migrate`, `trace`, `notices`: what is wrong, and the command that mends it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from invent_server.cli import checks
from tests.cli.conftest import Invent, Talk, runner


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invent:
    """Commands on a migrated directory without a server."""
    run = runner(tmp_path / "data", monkeypatch, capsys)
    assert "it was empty" in run("migrate").out
    return run


def states(invent: Invent, code: int = 0) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in invent("doctor", "--json", code=code).json["items"]}


def test_a_running_server_is_well(invent: Invent) -> None:
    invent("channels", "add", "web", "doctors")
    invent("knowledge", "add-text", "Numbers", "One and two.")
    found = states(invent)
    assert {one["state"] for one in found.values()} <= {"ok", "note"}
    assert "extractive" in found["engine"]["text"]
    assert {"data directory", "database", "secret key", "server", "index", "knowledge", "channels"} <= found.keys()
    assert {"disk", "file modes", "clock", "backup", "web address", "ollama", "vectors"} <= found.keys()
    lines = invent("doctor").out.splitlines()
    assert len(lines) == len(found), "one line each"
    assert all(line[0] in "✓!" for line in lines)


def test_of_a_server_elsewhere_it_tells_what_it_says(invent: Invent, served: Path) -> None:
    url = json.loads((served / "server.json").read_text())["url"]
    assert "database" not in invent("doctor", "--server", url).out
    assert "does not answer" in invent("doctor", "--server", "http://127.0.0.1:1", code=1).out
    assert "no address" in invent("doctor", "--server", "nonsense", code=1).out


def test_an_empty_place_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(tmp_path / "nothing", monkeypatch, capsys)
    assert {one["state"] for one in states(run).values()} == {"note"}
    assert not (tmp_path / "nothing").exists(), "looking changes nothing"


def test_what_is_broken_is_named_with_its_remedy(alone: Invent, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert states(alone)["database"]["state"] == "ok"
    (data / "secret.key").write_text("x" * 40)
    (data / "secret.key").chmod(0o644)
    assert states(alone, 1)["file modes"]["remedy"] == f"chmod 600 {data / 'secret.key'}"
    assert "✗ file modes" in alone("doctor", code=1).out
    (data / "secret.key").chmod(0o600)
    (data / "server.json").write_text('{"pid": 1, "url": "http://127.0.0.1:1", "version": "0"}')
    assert states(alone, 1)["server"] == {
        "name": "server",
        "state": "wrong",
        "text": "the last one ended without stopping: it was killed, or the machine was",
        "remedy": "invent serve",
    }
    (data / "server.json").unlink()
    with sqlite3.connect(data / "invent.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert states(alone, 1)["database"]["remedy"] == "update Invent"
    assert "newer Invent" in alone("migrate", code=1).err
    (data / "invent.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    assert states(alone, 1)["database"]["state"] == "wrong"
    (data / "invent.db").write_bytes(b"hello")
    assert "no SQLite database" in alone("migrate", code=1).err
    shutil.rmtree(data)
    data.write_text("a file")
    assert states(alone, 1)["data directory"]["state"] == "wrong"
    alone("migrate", code=1)


def test_a_key_that_does_not_fit_the_channels(alone: Invent, tmp_path: Path) -> None:
    data = tmp_path / "data"
    alone("channels", "add", "web", "site", "--set", "identity_secret=s3cret")
    assert states(alone)["secret key"]["state"] == "ok"
    (data / "secret.key").write_text("another-key-of-enough-length")
    assert "encrypted with another key" in states(alone, 1)["secret key"]["text"]


def test_a_wrong_setting_is_named(alone: Invent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVENT_HTTP__COLOUR", "red")
    assert "http.colour" in states(alone, 1)["settings"]["text"]
    assert "http.colour" in alone("notices", code=1).err


def test_little_room_on_the_disk(alone: Invent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LITTLE", 1 << 62)
    assert states(alone)["disk"]["state"] == "note"


def test_a_clock_that_was_put_back(alone: Invent, tmp_path: Path) -> None:
    ahead = time.time() + 3600
    os.utime(tmp_path / "data" / "invent.db", (ahead, ahead))
    assert "put back" in states(alone, 1)["clock"]["text"]


def test_backups_are_recorded_by_a_file(alone: Invent, tmp_path: Path) -> None:
    mark = tmp_path / "data" / "last-backup"
    assert states(alone)["backup"]["remedy"].endswith(f"touch {mark}")
    mark.touch()
    assert states(alone)["backup"]["state"] == "ok"
    os.utime(mark, (0, time.time() - 30 * 86400))
    assert "30 days" in states(alone)["backup"]["text"]


def test_a_public_address_that_leads_elsewhere(invent: Invent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVENT_PUBLIC_URL", "http://127.0.0.1:9")
    assert "does not answer" in states(invent, 1)["web address"]["text"]


def test_migrate_needs_the_directory_alone(invent: Invent, alone: Invent) -> None:
    assert "already" in alone("migrate").out
    assert alone("migrate", "--json").json["before"] == alone("migrate", "--json").json["now"]


def test_migrate_beside_a_server(invent: Invent) -> None:
    assert "another Invent server" in invent("migrate", code=1).err


def test_trace_tells_the_way(invent: Invent, talk: Talk) -> None:
    messages = invent("conversations", "show", talk.id, "--json").json["messages"]
    question = next(one for one in messages if one["author"]["kind"] == "customer")
    shown = invent("trace", question["id"]).out
    assert "received" in shown
    assert "outcome=handoff" in shown
    found = invent("trace", question["id"], "--json").json
    key = next(step["detail"]["key"] for step in found["steps"] if step["name"] == "received")
    assert invent("trace", key, "--json").json["message_id"] == question["id"], "also by the key of the channel"
    for unknown in ("nope", "a/b?c#d", "%2F"):
        invent("trace", unknown, code=1)


def test_notices(invent: Invent) -> None:
    assert "nothing needs a person" in invent("notices").err
    assert invent("notices", "--json").json == {"items": [], "next_cursor": None}
