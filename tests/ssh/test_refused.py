"""What the ssh port does not do, asked by the real OpenSSH client."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.bench.live import serving
from tests.bench.ssh import free_port
from tests.ssh.conftest import PAINTED, House
from tests.support.ssh_client import command, make_key, needed


def ssh(argv: list[str], stdin: bytes = b"", seconds: float = 20) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, input=stdin, capture_output=True, timeout=seconds, check=False)


@pytest.mark.parametrize("words", [("id",), ("sh", "-c", "echo pwned"), ("invent", "agents", "list")])
@pytest.mark.parametrize("terminal", [(), ("-tt",)])
def test_no_command_is_run(house: House, words: tuple[str, ...], terminal: tuple[str, ...]) -> None:
    done = ssh(command(house.port, "ana", house.key, *words, options=terminal))
    assert done.returncode != 0
    assert b"uid=" not in done.stdout
    assert b"pwned" not in done.stdout
    assert not house.inboxes()


def test_no_files(house: House, tmp_path: Path) -> None:
    assert ssh(command(house.port, "ana", house.key, "sftp", options=("-s",))).returncode != 0
    needed("sftp")
    line = command(house.port, "ana", house.key)
    options = line[1 : line.index("-p")]
    done = ssh(["sftp", *options, "-P", str(house.port), "-b", "-", "ana@127.0.0.1"], b"ls /\n")
    assert done.returncode != 0
    assert b"etc" not in done.stdout


def test_no_shell_without_a_terminal_but_one_line_that_says_so(house: House) -> None:
    done = ssh(command(house.port, "ana", house.key, options=("-T",)), b"id\n")
    assert done.returncode == 1
    assert b"uid=" not in done.stdout
    assert done.stderr.count(b"\n") == 1
    assert b"needs a terminal" in done.stderr


def test_no_forwarding(house: House) -> None:
    """-L to the server's own API, -R, -D: each is refused, and the API is not reached through it."""
    local, remote = free_port(), free_port()
    api = house.server.port
    screen = house.run(command(house.port, "ana", house.key, options=("-L", f"{local}:127.0.0.1:{api}")))
    screen.until(PAINTED)
    with socket.create_connection(("127.0.0.1", local), 5) as through:
        through.settimeout(5)
        through.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert through.recv(100) == b""
    options = ("-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{remote}:127.0.0.1:{api}")
    done = ssh(command(house.port, "ana", house.key, options=options))
    assert done.returncode == 255
    assert b"forwarding failed" in done.stderr


def test_no_agent_and_no_display(house: House) -> None:
    options = ("-A", "-X", "-o", "ForwardX11Trusted=yes")
    screen = house.run(command(house.port, "ana", house.key, options=options), DISPLAY=":77")
    screen.until(PAINTED)
    for pid in house.inboxes():
        given = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"SSH_AUTH_SOCK" not in given
        assert b"DISPLAY" not in given


def test_a_wrong_key_and_an_unknown_name_look_the_same(house: House, tmp_path: Path) -> None:
    other = make_key(tmp_path, "other")
    answers = []
    for name in ("ana", "nobody-at-all", "admin"):
        began = time.monotonic()
        done = ssh(command(house.port, name, other))
        assert done.returncode == 255
        answers.append((done.stderr.replace(name.encode(), b"NAME"), time.monotonic() - began))
    assert len({text for text, _ in answers}) == 1
    assert b"Permission denied (publickey)" in answers[0][0]
    times = [seconds for _, seconds in answers]
    assert max(times) - min(times) < 0.6, times
    assert not house.inboxes()


def test_the_key_of_one_does_not_open_the_inbox_of_another(house: House) -> None:
    house.agent("carlos")
    assert ssh(command(house.port, "carlos", house.key)).returncode == 255


def test_no_password_is_asked_for(house: House, tmp_path: Path) -> None:
    options = ("-o", "BatchMode=no", "-o", "PreferredAuthentications=none,password,keyboard-interactive")
    done = ssh(command(house.port, "ana", make_key(tmp_path, "other"), options=options))
    assert done.returncode == 255
    assert b"(publickey)" in done.stderr
    assert b"password" not in done.stderr.split(b"Permission denied")[-1]


def test_nobody_stays_outside_for_long_nor_in_numbers(tmp_path: Path) -> None:
    """Connections that say nothing are ended; those beyond the limit are not taken; failed logins count."""
    needed("ssh", "ssh-keygen")
    port = free_port()
    settings = {
        "INVENT_SSH_PORT": str(port),
        "INVENT_SSH__LOGIN": "2s",
        "INVENT_SSH__CONNECTIONS": "6",
        "INVENT_LIMITS__LOGIN": "3/15m",
    }
    with serving(settings=settings) as server:
        key = make_key(tmp_path, "ana")
        server.call("POST", "/api/v1/agents", {"name": "ana"})
        silent = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(8)]
        began = time.monotonic()
        banners = [_first(one) for one in silent]
        assert sum(banner.startswith(b"SSH-2.0-Invent") for banner in banners) == 4  # two thirds of six
        for one in silent:
            one.settimeout(6)
            while _first(one):
                pass
            one.close()
        assert time.monotonic() - began < 5
        codes = [ssh(command(port, "ana", key)).stderr for _ in range(5)]
        assert [b"Permission denied" in text for text in codes] == [True, True, True, False, False]
        server.call("POST", "/api/v1/agents/ana/keys", {"key": key.public})
        assert ssh(command(port, "ana", key, options=("-T",))).returncode == 255  # not even with the right key now


def _first(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1000)
    except OSError:
        return b""


def test_the_host_key_is_made_once_and_private(house: House) -> None:
    path = house.server.folder / "ssh_host_ed25519_key"
    ssh(command(house.port, "ana", house.key, "id"))
    before = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    ssh(command(house.port, "ana", house.key, "id"))
    assert path.read_bytes() == before
