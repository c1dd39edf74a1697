"""The inbox over ssh inside tmux, as agents have it: colours, resize, and the shell as it was afterwards."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.ssh.conftest import House
from tests.support.ssh_client import command, needed

SOCKET = "invent-test-ssh"


def tmux(*words: str) -> str:
    done = subprocess.run(
        ["tmux", "-L", SOCKET, "-f", "/dev/null", *words], capture_output=True, check=True, timeout=10
    )
    return done.stdout.decode("utf-8", "replace")


@pytest.fixture
def shell() -> Iterator[Callable[[], str]]:
    """A shell in tmux; gives what stands on its screen."""
    needed("ssh", "ssh-keygen", "tmux")
    tmux("new-session", "-d", "-x", "120", "-y", "36", "env PS1='ready> ' bash --norc --noprofile")
    try:
        yield lambda: tmux("capture-pane", "-p")
    finally:
        tmux("kill-server")


def sees(screen: Callable[[], str], text: str, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while text not in screen():
        assert time.monotonic() < end, screen()
        time.sleep(0.05)


def test_open_resize_leave(house: House, shell: Callable[[], str]) -> None:
    sees(shell, "ready>")
    tmux("send-keys", shlex.join(command(house.port, "ana", house.key)), "Enter")
    sees(shell, "Grupo Ortiz")
    sees(shell, "under the cursor")
    tmux("resize-window", "-x", "60", "-y", "24")
    sees(shell, "Grupo Ortiz")
    end = time.monotonic() + 10
    while "under the cursor" in shell() or not shell().rstrip("\n").splitlines()[-1].strip().endswith("help"):
        assert time.monotonic() < end, shell()
        time.sleep(0.05)
    tmux("send-keys", "q")
    sees(shell, "Leave the inbox?")
    tmux("send-keys", "y")
    sees(shell, "ready>")
    assert "Grupo Ortiz" not in shell()
    tmux("send-keys", "echo $((6*7)) $?", "Enter")
    sees(shell, "42 0")
