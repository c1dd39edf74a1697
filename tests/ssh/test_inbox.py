"""The inbox over ssh, with the real OpenSSH client behind a pseudo-terminal."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psutil
import pytest

from tests.ssh.conftest import PAINTED, House, environ_of, until_true
from tests.support.ssh_client import Screen, command

ALTERNATE, BACK = b"\x1b[?1049h", b"\x1b[?1049l"


def test_paints_within_two_seconds_and_leaves_the_terminal_as_it_was(house: House) -> None:
    times = []
    for _ in range(3):  # the best of three: other tests may have the processor
        screen = house.open()
        times.append(screen.until(PAINTED))
    assert min(times) <= 2.0
    assert ALTERNATE in screen.seen
    screen.drain()
    screen.press(b"q")
    screen.until(b"Leave the inbox?")
    screen.press(b"y")
    assert screen.ended() == 0
    assert BACK in screen.seen
    for mode in (b"\x1b[?1000l", b"\x1b[?2004l", b"\x1b[?25h"):
        assert screen.seen.rindex(mode) > screen.seen.rindex(ALTERNATE), mode


def test_keys_go_in_and_the_picture_comes_out(house: House) -> None:
    screen = house.open()
    screen.until(PAINTED)
    screen.drain()
    screen.press(b"?")
    screen.until(b"Take the chat over")


def test_a_changed_window_is_painted_anew(house: House) -> None:
    screen = house.open()
    screen.until(PAINTED)
    screen.drain()
    screen.resize(100, 30)
    screen.until(b"\x1b[30;")  # the footer stands in the new last row
    for number in range(200):
        screen.resize(80 + number % 50, 20 + number % 20)
    screen.resize(132, 43)
    screen.until(b"\x1b[43;")


def test_a_telephone_is_wide_enough(house: House) -> None:
    screen = house.open(columns=45, rows=20)
    screen.until(PAINTED)
    screen.drain()
    screen.press(b"\r")
    screen.until(b"boceto?")


def test_colour_is_what_the_client_says(house: House) -> None:
    line = command(house.port, "ana", house.key, options=("-o", "SetEnv=COLORTERM=truecolor"))
    rich = house.run(line)
    rich.until(PAINTED)
    assert re.search(rb"\x1b\[[0-9;]*38;2;", rich.seen)
    plain = house.open()
    plain.until(PAINTED)
    assert not re.search(rb"\x1b\[[0-9;]*38;2;", plain.seen)


def test_speaks_the_agents_language_from_the_first_picture(house: House) -> None:
    key = house.agent("lucia", language="es", timezone="Europe/Madrid")
    screen = house.open("lucia", key)
    screen.until(PAINTED)
    assert b"Esperan" in screen.seen
    assert b"Waiting" not in screen.seen


def test_keys_of_the_agents_own(house: House) -> None:
    folder = house.server.folder / "keymaps"
    folder.mkdir(exist_ok=True)
    own = folder / "ana.toml"
    own.write_text('[help]\nhelp = ["f6"]\n')
    try:
        screen = house.open()
        screen.until(PAINTED)
        screen.drain()
        screen.press(b"\x1b[17~")
        screen.until(b"Take the chat over")
    finally:
        own.unlink()


def test_nothing_but_the_looks_of_a_terminal_is_taken_from_the_client(house: House) -> None:
    sent = ("LD_PRELOAD=/tmp/x.so", "PYTHONPATH=/tmp", "INVENT_KEYMAP=/etc/passwd", "COLORTERM=$(id)", "LC_ALL=C.UTF-8")
    words = " ".join(sent)
    screen = house.run(command(house.port, "ana", house.key, options=("-o", f"SetEnv={words}")))
    screen.until(PAINTED)
    assert screen.code is None
    for pid in house.inboxes():
        given = environ_of(pid)
        assert not {name for name in given if name.startswith(("LD_", "INVENT_"))}, given
        assert "k" * 32 not in given.values()
        line = " ".join(psutil.Process(pid).cmdline())
        assert not re.search(r"[A-Za-z0-9_-]{40}", line), "a token in argv"


def test_twenty_at_once(house: House) -> None:
    began = time.monotonic()
    screens = [house.open() for _ in range(20)]
    for screen in screens:
        if PAINTED not in screen.seen:
            screen.until(PAINTED, 30)
    assert time.monotonic() - began < 30
    assert len(house.inboxes()) == 20
    agents = house.server.call("GET", "/api/v1/agents")["items"]
    assert next(one for one in agents if one["name"] == "ana")["present"]


def test_a_killed_client_leaves_no_process(house: House) -> None:
    screens = [house.open() for _ in range(3)]
    for screen in screens:
        screen.until(PAINTED, 30)
    assert house.inboxes()
    for screen in screens:
        screen.kill()
    house.nobody()


def test_what_was_sent_goes_out_although_the_line_breaks(house: House) -> None:
    """A reply is held for five seconds; the client is killed within them."""
    screen = house.open()
    screen.until(PAINTED)
    screen.drain()
    screen.press(b"n")
    screen.until(b"boceto?")
    screen.press(b"r")
    screen.until(b"goes to Grupo")
    screen.drain()
    screen.press(b"We look at it now 4711")
    screen.drain()
    screen.press(b"\n")
    screen.until(b"takes it back")
    screen.kill()
    house.nobody()
    found = house.server.call("GET", "/api/v1/conversations?filter=text:4711")["items"]
    assert [one["last_message"]["text"] for one in found] == ["We look at it now 4711"]


@pytest.mark.parametrize("how", ["disabled", "key removed"])
def test_who_may_not_be_here_any_more_is_cut_at_once(house: House, how: str) -> None:
    name = how.split()[0]
    key = house.agent(name)
    screen = house.open(name, key)
    screen.until(PAINTED)
    began = time.monotonic()
    if how == "disabled":
        house.server.call("PATCH", f"/api/v1/agents/{name}", {"disabled": True})
    else:
        listed = house.server.call("GET", f"/api/v1/agents/{name}/keys")["items"]
        fingerprint = listed[0]["fingerprint"].replace("/", "%2F")
        house.server.call("DELETE", f"/api/v1/agents/{name}/keys/{fingerprint}")
    assert screen.ended(5) == 1
    assert time.monotonic() - began < 2
    assert b"Your access has been withdrawn" in screen.seen
    assert screen.seen.rindex(BACK) > screen.seen.rindex(ALTERNATE)
    again = house.open(name, key)
    assert again.ended() == 255
    house.nobody()


def test_a_client_that_does_not_read_costs_no_memory(house: House) -> None:
    """Ten clients stop reading while their inboxes would paint without end: everything waits, nothing piles up."""
    screens = [house.open() for _ in range(4)]
    for screen in screens:
        screen.until(PAINTED, 30)
    server = psutil.Process(house.server.process.pid)
    before = server.memory_info().rss
    end = time.monotonic() + 6
    while time.monotonic() < end:
        for number, screen in enumerate(screens):  # each new size is a whole new picture; nobody takes them
            screen.resize(200 + number + int(time.monotonic() * 50) % 40, 60)
        time.sleep(0.01)
    assert server.memory_info().rss - before < 24 * 2**20
    other = house.open()
    assert other.until(PAINTED) < 6.0


def test_the_server_stops_and_says_so(tmp_path: Path, house: House) -> None:
    from tests.bench.live import serving
    from tests.bench.ssh import free_port

    port = free_port()
    with serving(demo=True, settings={"INVENT_SSH_PORT": str(port)}) as server:
        server.call("POST", "/api/v1/agents", {"name": "ana"})
        server.call("POST", "/api/v1/agents/ana/keys", {"key": house.key.public})
        screen = Screen(command(port, "ana", house.key))
        screen.until(PAINTED)
        server.process.terminate()
        screen.ended()
    assert b"The server stops" in screen.seen
    assert screen.seen.rindex(BACK) > screen.seen.rindex(ALTERNATE)


@pytest.mark.parametrize("fork", ["true", "false"])
def test_a_killed_server_leaves_no_process(house: House, fork: str) -> None:
    from tests.bench.live import serving
    from tests.bench.ssh import free_port

    port = free_port()
    with serving(demo=True, settings={"INVENT_SSH_PORT": str(port), "INVENT_SSH__FORK": fork}) as server:
        server.call("POST", "/api/v1/agents", {"name": "ana"})
        server.call("POST", "/api/v1/agents/ana/keys", {"key": house.key.public})
        screens = [Screen(command(port, "ana", house.key)) for _ in range(2)]
        for screen in screens:
            screen.until(PAINTED)
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert any("invent_tui.remote" in child.cmdline() for child in children)
        server.process.kill()
        until_true(lambda: not [one for one in children if one.is_running() and one.status() != "zombie"], 12)
        for screen in screens:
            screen.kill()
