"""A conversation on paper: its head, its lines, and how they go on."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import aiohttp

from invent_server.cli.api import path
from invent_server.cli.output import Unreachable, ago, fields, local, note, styled

if TYPE_CHECKING:
    from invent_server.cli.api import Api

BATCH = 100
AGAIN = 1.0
"""Seconds before a lost connection is opened again."""
TRIES = 30
COLOURS = {"customer": "1;36", "assistant": "1;35", "agent": "1;32"}
MARKS = {"note": "note", "whisper": "whisper", "event": "", "action": "action"}


def head(talk: dict[str, Any]) -> None:
    """Who it is about and how it stands."""
    intent = talk["intent"]
    fields(
        (
            ("conversation", talk["id"]),
            ("customer", f"{talk['customer']['name']} ({talk['customer']['id']})"),
            ("channel", f"{talk['channel']}, inbox {talk['inbox']}"),
            ("status", talk["status"] + (f" until {local(talk['snoozed_until'])}" if talk["snoozed_until"] else "")),
            ("handler", talk["assignee"] or talk["handler"]),
            ("waits", ago(talk["waiting_since"])),
            ("handed over", ": ".join(filter(None, (talk["handoff_reason"], talk["handoff_detail"])))),
            ("priority", talk["priority"]),
            ("tags", ", ".join(talk["tags"])),
            ("language", talk["language"]),
            ("intent", f"{intent['label']} ({intent['confidence']:.2f})" if intent["label"] else None),
            ("rating", f"{talk['csat']} of 5" if talk["csat"] else None),
            ("draft", talk["draft"]),
            ("summary", talk["summary"]),
        )
    )
    print()


def line(message: dict[str, Any]) -> None:
    """One message: time, who, text, sources, what became of it."""
    from shared.text import clean

    author = message["author"]
    who = author["name"] or author["kind"]
    mark = MARKS.get(message["kind"])
    name = f"{who}, {mark}" if mark else who
    first, *rest = clean(message["text"]).split("\n")
    colour = COLOURS.get(author["kind"], "2")
    print(f"{styled(local(message['created_at']), '2')}  {styled(name, colour)}: {first}")
    for more in rest:
        print(f"    {more}")
    for attachment in message["attachments"]:
        print(f"    [{attachment['name']}, {attachment['type']}, {attachment['size']} bytes]")
    for number, citation in enumerate(message["citations"], 1):
        print(f"    [{number}] {citation['title']}" + (f" · {citation['url']}" if citation["url"] else ""))
    delivery = message["delivery"]
    if delivery and delivery["state"] in ("failed", "uncertain"):
        print(f"    ! {delivery['state']}: {delivery['error'] or 'no reason given'}")


async def follow(api: Api, id_: str, as_json: bool) -> None:
    """Print the conversation and go on until Ctrl-C; a lost connection is opened again. Raises Failed."""
    talk = await api.get(path("conversations", id_))
    if not as_json:
        head(talk)
    printer = _Printer(api, talk["id"], as_json)
    lost = 0
    while True:
        try:
            async with api.socket("/api/v1/stream") as ws:
                lost = 0
                await _listen(ws, printer)
        except Unreachable:
            if lost == 0:
                note("the connection is lost; trying again")
            lost += 1
            if lost > TRIES:
                raise
        await asyncio.sleep(AGAIN)


async def _listen(ws: aiohttp.ClientWebSocketResponse, printer: _Printer) -> None:
    """The frames of one connection. `hello` comes first: from there on nothing is missed."""
    async for raw in ws:
        if raw.type is not aiohttp.WSMsgType.TEXT:
            continue
        frame = json.loads(raw.data)
        data = frame.get("data") or {}
        if frame["type"] in ("hello", "resync"):
            await printer.catch_up()
        elif frame["type"] == "message.created" and data.get("conversation_id") == printer.id_:
            printer.message(data)


class _Printer:
    """Prints each message of a conversation once, in order."""

    def __init__(self, api: Api, id_: str, as_json: bool) -> None:
        self.id_ = id_
        self._api = api
        self._json = as_json
        self._seq = 0

    async def catch_up(self) -> None:
        """Everything after the last printed message."""
        missed: list[dict[str, Any]] = []
        async for message in self._api.each(path("conversations", self.id_, "messages"), limit=BATCH, reverse=True):
            if message["seq"] <= self._seq:
                break
            missed.append(message)
        for message in reversed(missed):
            self.message(message)

    def message(self, message: dict[str, Any]) -> None:
        if message["seq"] <= self._seq:
            return
        self._seq = message["seq"]
        if self._json:
            print(json.dumps(message, ensure_ascii=False), flush=True)
        else:
            line(message)
            sys.stdout.flush()
