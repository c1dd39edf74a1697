"""The life of the index process: its end, its death, its folder."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from invent_server.knowledge.chunk import chunks
from invent_server.knowledge.index.client import Index
from invent_server.knowledge.index.frames import pack, read_frame
from invent_server.knowledge.types import IndexState, IndexUnavailable
from tests.knowledge.conftest import SETTINGS

CHILD = (sys.executable, "-P", "-m", "invent_server.knowledge.index.child")
PAGE = chunks("p1", "s", "Returns", "You have 30 days to return an article.", lang="en")


async def until_ready(index: Index, pid: int | None) -> None:
    """Wait for a process other than `pid`."""
    async with asyncio.timeout(20):
        while not index.state().ready or pid_of(index) == pid:  # noqa: ASYNC110 - there is no event for a new life
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Does a process run? One that has died and waits for its parent to notice does not."""
    if Path("/proc").is_dir():
        status = Path(f"/proc/{pid}/stat")
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(index: Index) -> int:
    assert index._process is not None
    return index._process.pid


async def test_kept_over_kill_and_restart(index: Index) -> None:
    await index.replace("p1", PAGE)
    assert (await index.commit(7)).revision == 7
    pid = pid_of(index)
    os.kill(pid, signal.SIGKILL)
    await until_ready(index, pid)
    assert index.state() == IndexState(True, 7, 1, ("en",))
    assert (await index.search("return an article")).hits[0].chunk == PAGE[0]


async def test_callers_are_told_when_the_process_dies(index: Index) -> None:
    await index.replace("p1", PAGE)
    waiting = asyncio.gather(*(index.search("return") for _ in range(20)), return_exceptions=True)
    await asyncio.sleep(0)
    os.kill(pid_of(index), signal.SIGKILL)
    results = await waiting
    assert all(isinstance(result, IndexUnavailable) or not isinstance(result, BaseException) for result in results)
    if not isinstance(results[-1], IndexUnavailable):
        await asyncio.sleep(0.1)
        assert index.state().problem


async def test_each_start_calls_the_owner(tmp_path: Path) -> None:
    states: list[IndexState] = []

    async def started(state: IndexState) -> None:
        states.append(state)

    index = Index(tmp_path / "index", SETTINGS, started)
    await index.start(wait=30)
    pid = pid_of(index)
    os.kill(pid, signal.SIGKILL)
    await until_ready(index, pid)
    await asyncio.sleep(0.05)
    await index.close()
    assert [state.revision for state in states] == [None, None]


async def test_close_ends_the_process(tmp_path: Path) -> None:
    index = Index(tmp_path / "index", SETTINGS)
    await index.start(wait=30)
    pid = pid_of(index)
    await index.close()
    assert not alive(pid)
    with pytest.raises(IndexUnavailable):
        await index.search("x")


def test_end_of_input_ends_the_child(tmp_path: Path) -> None:
    with subprocess.Popen([*CHILD, str(tmp_path), str(os.getpid())], stdin=-1, stdout=-1) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert read_frame(child.stdout.read) == {"revision": None, "chunks": 0, "languages": {}}
        child.stdin.close()
        assert child.wait(5) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys\n"
        "hold = os.dup(0)\n"  # the pipe stays open in the child's hands: the end of input is not what ends it
        f"child = subprocess.Popen([*{CHILD!r}, {str(tmp_path)!r}, str(os.getpid())], stdin=0, stdout=-1)\n"
        "child.stdout.read(4)\nprint(child.pid, flush=True)\nchild.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait(5)
        until = time.monotonic() + 5
        while alive(child) and time.monotonic() < until:
            time.sleep(0.02)
        assert not alive(child)
        assert parent.stdin is not None
        parent.stdin.close()


async def test_a_second_process_is_told_who_owns_the_folder(index: Index) -> None:
    other = Index(index._folder, SETTINGS)
    await other.start(wait=1)
    assert not other.state().ready
    async with asyncio.timeout(10):
        while "in use by another process" not in (other.state().problem or ""):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert f"pid {pid_of(index)}" in (other.state().problem or "")
    await other.close()


@pytest.mark.parametrize("harm", ["meta", "state", "schema", "segment"])
async def test_a_harmed_or_foreign_folder_is_wiped_and_reported_empty(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "index"
    index = Index(folder, SETTINGS)
    await index.start(wait=30)
    await index.replace("p1", PAGE)
    await index.commit(3)
    await index.close()
    if harm == "meta":
        (folder / "tantivy" / "meta.json").write_bytes(b"{ nonsense")
    elif harm == "state":
        (folder / "state.json").write_bytes(b"\x00\xff")
    elif harm == "schema":
        (folder / "state.json").write_bytes(b'{"schema": "0-older", "revision": 3}')
    else:
        for file in (folder / "tantivy").glob("*.term"):
            file.write_bytes(b"\x00" * 16)
    again = Index(folder, SETTINGS)
    await again.start(wait=30)
    assert again.state() == IndexState(True, None, 0, ())
    await again.replace("p1", PAGE)
    await again.commit(4)
    assert (await again.search("return")).hits
    await again.close()


def test_nonsense_on_the_pipe_ends_the_child(tmp_path: Path) -> None:
    with subprocess.Popen([*CHILD, str(tmp_path), str(os.getpid())], stdin=-1, stdout=-1, stderr=-1) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        read_frame(child.stdout.read)
        child.stdin.write((5).to_bytes(4) + b"{oops")
        child.stdin.flush()
        assert child.wait(5) == 1


def test_an_unknown_write_is_an_answer_not_a_death(tmp_path: Path) -> None:
    with subprocess.Popen([*CHILD, str(tmp_path), str(os.getpid())], stdin=-1, stdout=-1, stderr=-1) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        read_frame(child.stdout.read)
        child.stdin.write(pack({"id": 1, "op": "dance"}))
        child.stdin.flush()
        answer = read_frame(child.stdout.read) or {}
        assert answer["id"] == 1
        assert "dance" in answer["error"]
        child.stdin.close()
        assert child.wait(5) == 0


def test_the_child_imports_nothing_heavy() -> None:
    code = (
        "import sys, invent_server.knowledge.index.child.server\n"
        "bad = {'sqlmodel', 'sqlalchemy', 'aiohttp', 'pydantic', 'structlog', 'chromadb'} & set(sys.modules)\n"
        "sys.exit(', '.join(bad) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
