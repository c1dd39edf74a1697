"""The client: resume, resync, refusals, repetition, sockets of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from invent_tui import client as module
from invent_tui.client import Client
from invent_tui.errors import ApiError, Unauthorized, Unreachable
from shared.events import Frame
from tests.tui.company import company
from tests.tui.data import TOKEN
from tests.tui.double import Double


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    served = company()
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
async def client(double: Double) -> AsyncIterator[Client]:
    one = Client(double.url, TOKEN, timeout=2)
    await one.start()
    yield one
    await one.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.05)


class Listener:
    """Follows the stream and keeps what came."""

    def __init__(self, client: Client, after: int) -> None:
        self.frames: list[Frame] = []
        self.links: list[str] = []
        self.seq = after
        self.client = client
        self.task = asyncio.get_running_loop().create_task(
            client.stream(lambda: self.seq, self.take, self.links.append)
        )

    def take(self, batch: list[Frame]) -> None:
        self.frames += batch
        self.seq = max([self.seq, *(getattr(frame, "seq", None) or 0 for frame in batch)])

    def types(self) -> list[str]:
        return [frame.type for frame in self.frames]

    async def until(self, true: Callable[[], object]) -> None:
        for _ in range(400):
            if true():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"did not come to pass; heard {self.types()}, {self.links}")

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_lost_line_is_taken_up_where_it_broke(double: Double, client: Client) -> None:
    listener = Listener(client, double.seq)
    await listener.until(lambda: double.sockets)
    double.say("co-000005", "first")
    await listener.until(lambda: "message.created" in listener.types())
    await double.drop_lines()
    double.say("co-000005", "while nobody listened")
    await listener.until(lambda: listener.types().count("message.created") == 2)
    await listener.end()
    seqs = [frame.seq for frame in listener.frames if frame.type == "message.created"]
    assert seqs == sorted(set(seqs))
    assert listener.links[:3] == ["connecting", "live", "lost"]


async def test_a_server_that_restarts_is_found_again(double: Double, client: Client) -> None:
    listener = Listener(client, double.seq)
    await listener.until(lambda: "hello" in listener.types())
    port = int(double.url.rsplit(":", 1)[1])
    await double.stop()
    with pytest.raises(Unreachable):
        await client.me()
    await double.start(port=port)
    await listener.until(lambda: listener.types().count("hello") == 2)
    await listener.end()


async def test_too_old_means_resync(double: Double, client: Client) -> None:
    double.oldest = double.seq
    listener = Listener(client, 5)
    await listener.until(lambda: "resync" in listener.types())
    await listener.end()


async def test_unknown_and_broken_frames_do_no_harm(double: Double, client: Client) -> None:
    listener = Listener(client, double.seq)
    await listener.until(lambda: double.sockets)
    double.push({"type": "weather", "data": {"rain": True}})
    double.push({"type": "token", "data": {"conversation_id": 7}})
    double.say("co-000005", "still here")
    await listener.until(lambda: "message.created" in listener.types())
    await listener.end()
    assert "resync" in listener.types()  # what could not be read may have been anything


async def test_a_token_that_is_not_known(double: Double) -> None:
    stranger = Client(double.url, "wrong")
    await stranger.start()
    with pytest.raises(Unauthorized):
        await stranger.me()
    with pytest.raises(Unauthorized):
        await stranger.stream(lambda: 0, lambda _: None, lambda _: None)
    await stranger.close()


async def test_a_command_is_repeated_under_one_key(double: Double, client: Client) -> None:
    double.change("co-000003", handler="agent", assignee="marta")
    answers = [await client.post_message("co-000003", "once", note=False, key="k1") for _ in range(3)]
    assert len({answer.value.id for answer in answers}) == 1
    assert [one.text for one in double.messages["co-000003"]].count("once") == 1


async def test_refusals_keep_their_code(double: Double, client: Client) -> None:
    with pytest.raises(ApiError, match="take the conversation over") as found:
        await client.post_message("co-000005", "hi", note=False, key="k")
    assert found.value.code == "not_handler"
    with pytest.raises(ApiError) as wrong:
        await client.conversations("nonsense:1")
    assert (wrong.value.status, wrong.value.code) == (422, "invalid")


async def test_a_slow_answer_is_an_answer_that_does_not_come(double: Double) -> None:
    hasty = Client(double.url, TOKEN, timeout=0.1)
    await hasty.start()
    double.slow["/me"] = 1.0
    with pytest.raises(Unreachable):
        await hasty.me()
    await hasty.close()


async def test_a_unix_socket(tmp_path: Path) -> None:
    double = company()
    url = await double.start(path=str(tmp_path / "s"))
    local = Client(url, TOKEN)
    await local.start()
    assert (await local.me()).value.agent.name == "marta"
    listener = Listener(local, double.seq)
    await listener.until(lambda: "hello" in listener.types())
    await listener.end()
    await local.close()
    await double.stop()


@pytest.mark.parametrize("address", ["", "example.com:80", "ftp://example.com"])
async def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ValueError, match="no server address"):
        await Client(address, TOKEN).start()
