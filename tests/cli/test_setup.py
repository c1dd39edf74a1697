"""`invent setup`: in two languages, by keys and by flags, again, stopped in between, and never over the demo."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from invent_server.cli.setup.headings import Proposed, proposed
from invent_server.cli.setup.machine import FETCHED, GB, offer
from invent_server.cli.setup.week import plotted
from invent_server.conversations.hours import parse
from shared.i18n import texts
from tests.bench.setup import ARTICLES, walk
from tests.cli.conftest import COMMAND, environment, spawn
from tests.support.person import Person

NO_MODEL = {"OLLAMA_HOST": "http://127.0.0.1:9", "LANG": "es_ES.UTF-8", "LC_ALL": ""}


def by_flags(data: Path, *words: str, code: int = 0) -> Any:
    """`invent setup --yes --json ...`: its summary, or what it says on stderr."""
    done = spawn(data, "setup", "--yes", "--json", *words, env=environment(data, **NO_MODEL))
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def person(data: Path, *words: str, **more: str) -> Person:
    return Person([*COMMAND, *words], environment(data, **{**NO_MODEL, **more}))


def test_a_spanish_hour_by_keys(tmp_path: Path) -> None:
    typed, _, _, right = walk(Path(sys.executable), tmp_path / "data")
    assert right
    assert typed <= 12
    summary = by_flags(tmp_path / "data")
    assert summary["company"] == "Pedal Norte"
    assert (summary["timezone"], summary["hours"]) == ("Europe/Madrid", "mo-fr 9-14 16-19:30, sa 10-14")
    assert (summary["language"], summary["mode"]) == ("es", "suggest")
    agents = json.loads(spawn(tmp_path / "data", "agents", "list", "--json").stdout)["items"]
    assert {(one["name"], one["language"], one["timezone"]) for one in agents} == {
        ("admin", "es", "Europe/Madrid"),
        ("marta", "es", "Europe/Madrid"),
    }


def test_by_flags_and_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    flags = ["--company", "Pedal Norte", "--hours", "L-V 9 a 18", "--timezone", "America/Bogota", "--mode", "automatic"]
    flags += ["--files", str(ARTICLES), "--question", "¿Cuánto cuesta la fianza?", "--colleague", "marta"]
    first = by_flags(data, *flags, "--website", "www.example.com", "--inbox", "tienda")
    assert first["files"] == {"added": 20, "failed": 0}
    assert first["answers"][0]["citations"][0]["title"] == "Fianza de las bicicletas"
    assert first["link"].endswith("/chat/tienda")
    assert first["colleague"]["token"]
    assert (first["inbox"], first["mode"], first["hours"]) == ("tienda", "automatic", "mo-fr 9-18")
    again = by_flags(data)
    assert {step for step, state in again["steps"].items() if state == "kept"} == set(again["steps"]) - {"model"}
    assert "files" not in again
    changed = by_flags(data, "--step", "hours", "--hours", "24/7")
    assert changed["steps"] == {"hours": "done"}
    assert changed["hours"] == "24/7"
    assert "marta is in the team already" in by_flags(data, "--language", "en", "--colleague", "marta", code=1)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--hours", "mo-fr 9-25"], "'25'"),
        (["--timezone", "Mars/Olympus"], "Mars/Olympus"),
        (["--files", "/no/such/folder"], "/no/such/folder"),
        (["--inbox", "Not A Slug", "--hours", "24/7"], "name"),
    ],
)
def test_a_flag_that_cannot_be_used_is_named_in_one_line(tmp_path: Path, flags: list[str], said: str) -> None:
    error = by_flags(tmp_path / "data", *flags, code=1)
    lines = [line for line in error.splitlines() if line.startswith("invent: ")]
    assert len(lines) == 1, error
    assert said in lines[0]
    assert "Traceback" not in error


def test_no_terminal_is_one_line(tmp_path: Path) -> None:
    done = spawn(tmp_path / "data", "setup")
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_stopped_in_between_keeps_what_was_answered(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with person(data, "setup") as one:
        one.sees("[es] ›")
        one.enters("en")
        one.sees("What is your company called")
        one.enters("North Pedal")
        one.sees("In which time zone")
        one.enters("Mars")
        one.sees("Mars is no time zone")
        one.presses("\x03")
        one.sees("go on with:")
        assert one.ends() == 130
    with person(data, "setup") as one:
        one.sees("✓ Company: North Pedal")
        one.sees("In which time zone")
        one.enters("-")
        one.sees("When is somebody there")
        one.presses("\x04")
        one.sees("Stopped")
        assert one.ends() == 130
    summary = by_flags(data)
    assert (summary["language"], summary["company"]) == ("en", "North Pedal")


def test_setup_stops_at_the_demo_and_the_demo_at_real_data(tmp_path: Path) -> None:
    shop, own = tmp_path / "shop", tmp_path / "own"
    with person(shop, "up", "--port", "0") as one:  # the first start opens the inbox on the demo
        until = time.monotonic() + 30
        while not (shop / "server.json").exists():
            assert time.monotonic() < until, one.shown
            time.sleep(0.1)
        error = by_flags(shop, code=1)
        assert "empresa de demostración" in error
        assert "invent setup" in error
        assert len(error.splitlines()) == 1
        one.sees("Lumbre")
        one.presses("q")
        one.presses("\x11")
    by_flags(own, "--company", "Pedal Norte")
    done = spawn(own, "serve", "--demo", "--port", "0")
    assert done.returncode == 1
    assert "holds other data" in done.stderr
    with sqlite3.connect(own / "invent.db") as database:
        assert database.execute("SELECT company FROM assistant").fetchall() == [("Pedal Norte",)]
        assert database.execute("SELECT count(*) FROM customer").fetchall() == [(0,)]


def test_up_without_the_demo_begins_with_the_setup(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with person(data, "up", "--no-demo", "--port", "0") as one:
        one.sees("Invent: preparamos tu empresa")
        one.sees("[es] ›")
        one.presses("\x03")
        one.sees("sigue con:")
        assert one.ends() == 130
    assert not (data / "server.json").exists()


def test_questions_come_from_headings() -> None:
    tr = texts("cli", "es")
    pages = [
        ("Envíos", "# Envíos\n\nTexto.\n\n## ¿Cuánto **cuesta** el envío?\n\n4 €."),
        ("Garantía", "# Garantía\n\nTres años.\n\n## Plazo\n\nX"),
        ("NIF y facturas", "Solo texto."),
        ("¿Abrís los domingos?", "No."),
    ]
    assert proposed(pages, 5, tr) == [
        Proposed("¿Cuánto cuesta el envío?", "Envíos"),
        Proposed("¿Qué me podéis decir sobre garantía?", "Garantía"),
        Proposed("¿Qué me podéis decir sobre NIF y facturas?", "NIF y facturas"),
        Proposed("¿Abrís los domingos?", "¿Abrís los domingos?"),
    ]
    assert [one.title for one in proposed(pages, 2, tr)] == ["Envíos", "¿Abrís los domingos?"]
    assert proposed([], 5, tr) == []


def test_a_model_that_fits_the_machine() -> None:
    def has(name: str, size: float, **more: bool) -> dict[str, Any]:
        return {"name": name, "size": round(size * GB), "chat": True, "remote": False, **more}

    large, small = FETCHED
    assert offer([], 4 * GB, fast=False) is None
    assert offer([], 0, fast=True) is None
    assert offer([], 16 * GB, fast=False) == small
    assert offer([], 16 * GB, fast=True) == large
    installed = [has("a", 2), has("b", 4.7), has("c", 40), has("v", 3, chat=False), has("cloud", 5, remote=True)]
    found = offer(installed, 16 * GB, fast=False)
    assert found is not None
    assert (found.name, found.installed) == ("b", True)


def test_a_week_is_plotted_to_the_half_hour() -> None:
    lines = plotted(parse("mo 0-1, 23:30-2, tu 12:15-12:30"), texts("cli", "en"))
    assert len(lines) == 8
    assert lines[0].split()[1].startswith("██·")
    assert lines[0].split()[1].endswith("·█")
    assert lines[1].split()[1].startswith("████·")
    assert lines[1].split()[1][24] == "▌"
    assert lines[6].endswith("closed")
