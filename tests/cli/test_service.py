"""`invent service`: units that systemd takes, a plist that can be read, and one line where there is no systemd."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from invent_server.cli import units
from invent_server.cli.output import Failed
from tests.cli.conftest import environment, spawn


@pytest.fixture(params=["data", 'with space & 100% "quotes"'])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [one for one in os.environ if one.startswith("INVENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INVENT_PUBLIC_URL", "https://chat.example.com")
    monkeypatch.setenv("INVENT_TOKEN", "a-secret-of-this-shell")
    made = tmp_path / str(request.param)
    made.mkdir()
    return made


@pytest.mark.parametrize("system", [False, True])
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_takes_the_unit(folder: Path, tmp_path: Path, system: bool) -> None:
    unit = units.unit(folder, system=system, user=None, platform="linux")
    file = tmp_path / "invent.service"
    file.write_text(unit.files[0][1])
    command = ["systemd-analyze", *([] if system else ["--user"]), "verify", "--man=no", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    )
    complaints = [line for line in done.stderr.splitlines() if "invent.service" in line]
    assert complaints == []
    assert (done.returncode, done.stderr) == (0, "") or "invent" not in done.stderr


def test_the_unit_names_this_installation_and_no_secret(folder: Path) -> None:
    unit = units.unit(folder, system=True, user=None, platform="linux")
    text, settings = unit.files[0][1], unit.files[1][1]
    assert f"ExecStart={sys.executable} -P -m invent_server.cli.main serve\n" in text
    assert "NoNewPrivileges=yes" in text
    assert "ProtectSystem=strict" in text
    assert "User=" in text
    assert "INVENT_PUBLIC_URL=https://chat.example.com" in settings
    assert "a-secret" not in text + settings
    assert "User=" not in units.unit(folder, system=False, user=None, platform="linux").files[0][1]


def test_a_plist_for_macos(folder: Path) -> None:
    unit = units.unit(folder, system=False, user=None, platform="darwin")
    plist = plistlib.loads(unit.files[0][1].encode())
    assert plist["ProgramArguments"][-1] == "serve"
    assert plist["EnvironmentVariables"]["INVENT_DATA_DIR"] == str(folder)
    assert plist["EnvironmentVariables"]["INVENT_PUBLIC_URL"] == "https://chat.example.com"
    assert "a-secret" not in unit.files[0][1]


def test_an_unknown_user_is_named(folder: Path) -> None:
    with pytest.raises(Failed, match="there is no user 'nobody-here'"):
        units.unit(folder, system=True, user="nobody-here", platform="linux")


def test_settings_that_somebody_changed_stay(tmp_path: Path) -> None:
    file = tmp_path / "service.env"
    units.write(file, "A=1\n", keep=True)
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("A=2\n")
    units.write(file, "A=3\n", keep=True)
    assert file.read_text() == "A=2\n"


def test_shown_without_being_written(tmp_path: Path) -> None:
    done = spawn(tmp_path / "data", "service", "install", "--print")
    assert done.returncode == 0, done.stderr
    assert "[Service]" in done.stdout or "<plist" in done.stdout
    assert not (tmp_path / "data").exists()


def test_without_systemd_one_line_says_so(tmp_path: Path) -> None:
    bare = environment(tmp_path / "data", PATH=str(tmp_path), HOME=str(tmp_path))
    done = spawn(tmp_path / "data", "service", "install", env=bare)
    if sys.platform != "darwin":
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "systemd is not here" in done.stderr
        assert "--print" in done.stderr
    done = spawn(tmp_path / "data", "service", "status", env=bare)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "invent service install" in done.stderr
    assert spawn(tmp_path / "data", "service", "uninstall", env=bare).returncode == 1
