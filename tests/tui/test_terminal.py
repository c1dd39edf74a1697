"""At a real terminal: nothing but the inbox's own sequences is ever written, whatever customers are called or write."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from shared import models as m
from tests.tui.data import MINUTE, TOKEN, at
from tests.tui.double import Double
from tests.tui.terminal import Terminal

SETS = Path(__file__).parents[1] / "bench" / "sets"
EVERYDAY = re.compile(rb"\x1b\[[0-9;:]*m|\x1b\[\d+;\d+H")
"""Colours and cursor moves: any number of them, with any numbers."""
SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|\xc2[\x80-\x9f]")
PER_CHAT = 8


def hostile() -> list[str]:
    """Texts that attack terminals; lone surrogates cannot be in JSON that the server writes."""
    known = json.loads((SETS / "hostile.json").read_text("utf-8"))
    return [one["text"].encode("utf-8", "replace").decode() for one in known]


def double_with(texts: list[str]) -> Double:
    """Every text as name, message, title, memory, tag and reason somewhere. The words are replaced on the wire."""
    double = Double()
    double.poison = {f"WORD{number:04}X": text for number, text in enumerate(texts)}
    words = list(double.poison)
    for start in range(0, len(words), PER_CHAT):
        mine = words[start : start + PER_CHAT]
        since = at(double.now - start * MINUTE)
        chat = double.add(mine[0], *mine, handler="queue", waiting_since=since, minutes=start + 1,
                          tags=mine[:3], summary="\n".join(mine[:2]), handoff_reason="odd", handoff_detail=mine[-1],
                          intent={"label": mine[1 % len(mine)], "confidence": 0.9})  # fmt: skip
        listed = double.messages[chat.id]
        listed[0] = listed[0].model_copy(
            update={
                "attachments": [m.Attachment(id="f", name=mine[0], type="x", size=1)],
                "citations": [m.Citation(title=mine[-1], chunk_id="k")],
                "delivery": m.Delivery(state="failed", error=mine[-1]),
            }
        )
        double.remember(chat.customer.id, mine[-1])
        double.traces[listed[-1].id] = m.Trace(
            message_id=listed[-1].id, steps=[], evidence=[m.Evidence(title=mine[0], chunk_id="k", score=0.9)]
        )
    return double


async def written(double: Double, chats: int, before: str = "") -> bytes:
    """What the inbox writes while an agent reads everything, types, fails and leaves."""
    screen = Terminal(await double.start(), TOKEN, before=before)
    found: list[bytes] = []

    async def see(quiet: float, until: bytes = b"", limit: float = 8.0) -> None:
        data, _ = await asyncio.to_thread(screen.read, quiet, limit, until)
        found.append(data)

    try:
        await see(0.2, b"oldest", 20)
        await see(0.3)
        for key in (b"\x1b[6~", b"\x1b[6~", b"g", b"\r"):
            screen.press(key)
            await see(0.12)
        for _ in range(chats):
            screen.press(b"J")
            await see(0.05, limit=0.6)
        token = {"conversation_id": "co-000001", "message_id": "live", "offset": 0, "text": "WORD0003X"}
        double.push(json.loads(double.poisoned(json.dumps({"type": "token", "data": token}))))
        for key in (b"c", b"c", b"\x1b", b"g", b"\r", b"r", b"\x1b[200~a\x1b]52;c;aGk=\x07b\x1b[201~", b"?", b"\n"):
            screen.press(key)
            await see(0.12)
        double.secret = "gone"
        await double.drop_lines()
        await see(0.5, b"not valid any more")
    finally:
        screen.end()
        await double.stop()
    return b"".join(found)


def kinds(data: bytes) -> set[bytes]:
    """The sequences that are not everyday, with their numbers taken out where they are mere places."""
    return {match[0] for match in SEQUENCE.finditer(EVERYDAY.sub(b"", data))}


def controls(data: bytes) -> set[bytes]:
    rest = SEQUENCE.sub(b"", EVERYDAY.sub(b"", data))
    return {bytes([byte]) for byte in rest if byte < 0x20 or byte == 0x7F}


@pytest.mark.slow
async def test_hostile_texts_write_what_benign_ones_write() -> None:
    texts = hostile()
    chats = -(-len(texts) // PER_CHAT)
    benign = await written(double_with(["plain words"] * PER_CHAT * 3), 3)
    attacked = await written(double_with(texts), chats)
    assert b"plain words" in benign
    assert b"red alert" in attacked
    assert b"not valid any more" in attacked
    assert kinds(attacked) <= kinds(benign)
    assert controls(attacked) <= controls(benign)
    for mark in (b"\x1b]52", b"\x1b]0;", b"\x1b]2;", b"\xe2\x80\xae", b"\xe2\x81\xa6", b"\xe2\x80\x8b"):
        assert mark not in attacked


async def test_the_check_sees_what_is_not_cleaned() -> None:
    texts = ["fine", *(f"a\x1b]52;c;aGk=\x07b{number}" for number in range(PER_CHAT - 1))]
    unclean = "import re, shared.text; shared.text._SUSPECT = re.compile('(?!x)x'); "
    attacked = await written(double_with(texts), 1, unclean)
    assert any(kind.startswith(b"\x1b]52") for kind in kinds(attacked))


async def test_an_expired_token_is_one_line_and_exit_code_one() -> None:
    double = Double()
    screen = Terminal(await double.start(), "wrong")
    data, _ = await asyncio.to_thread(screen.read, 0.3, 10, b"not known")
    _, status = await asyncio.to_thread(os.waitpid, screen.pid, 0)
    await double.stop()
    assert os.waitstatus_to_exitcode(status) == 1
    last = data.decode(errors="replace").replace("\r", "").rstrip("\n").rpartition("\x1b")[2]
    assert "invent: this token is not known" in last
    assert "Traceback" not in data.decode(errors="replace")
