"""Settings: who wins, and that what is wrong is named with its place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.clock import from_rfc3339, seconds, to_rfc3339
from shared.settings import SettingsError, load


def test_flag_over_environment_over_files(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[http]\nport = 1\nhost = '0.0.0.0'\n[handoff]\naway = '3m'\n")
    named = tmp_path / "named.toml"
    named.write_text("[http]\nport = 2\n")
    env = {"INVENT_DATA_DIR": str(tmp_path)}
    assert load(environ=env).http.port == 1
    env["INVENT_CONFIG"] = str(named)
    assert load(environ=env).http.port == 2
    env["INVENT_PORT"] = "3"
    assert load(environ=env).http.port == 3
    settings = load({"http": {"port": 4}}, env)
    assert (settings.http.port, settings.http.host, settings.handoff.away) == (4, "0.0.0.0", 180.0)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"INVENT_HTTP__PORTT": "1"}, ("INVENT_HTTP__PORTT", "http.portt")),
        ({"INVENT_NOPE__X": "1"}, ("INVENT_NOPE__X",)),
        ({"INVENT_PORT": "99999"}, ("http.port", "environment")),
        ({"INVENT_PORT": "eighty"}, ("http.port",)),
        ({"INVENT_HANDOFF__AWAY": "soon"}, ("handoff.away", "soon")),
        ({"INVENT_LIMITS__LOGIN": "many"}, ("limits.login", "many")),
        ({"INVENT_CONFIG": "/nonexistent.toml"}, ("INVENT_CONFIG",)),
    ],
)
def test_mistakes_are_named(tmp_path: Path, env: dict[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as error:
        load(environ={"INVENT_DATA_DIR": str(tmp_path), **env})
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("text", ["port = 1", "[nope]\nx = 1", "[http]\nnope = 1", "[http\n", "[http]\nport = 'x'"])
def test_bad_files_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"config\.toml"):
        load(environ={"INVENT_DATA_DIR": str(tmp_path)})


def test_durations_and_times() -> None:
    assert [seconds(text) for text in ("500ms", "10s", "1.5s", "2h30m", "7d")] == [0.5, 10, 1.5, 9000, 604800]
    for bad in ("", "10", "s", "10 parsecs", "-5s"):
        with pytest.raises(ValueError, match="duration"):
            seconds(bad)
    assert from_rfc3339(to_rfc3339(1_795_395_708_414_011)) == 1_795_395_708_414_011
    with pytest.raises(ValueError, match="zone"):
        from_rfc3339("2026-11-22T14:00:00")
