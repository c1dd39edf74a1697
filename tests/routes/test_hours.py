"""Hours of an inbox over the API: kept in their shortest form, held by the next turn, refused by name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tzlocal import get_localzone_name

from invent_server.assistant.types import TurnInput
from tests.routes.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
SITE = "/api/v1/channels/site"


async def test_hours_are_kept_short_and_the_next_turn_has_them(server: Server) -> None:
    given = {"settings": {"hours": "L-V 9:00 a 18:00", "timezone": "Europe/Madrid"}}
    status, inbox = await server.call("PATCH", SITE, json=given)
    assert status == 200, inbox
    assert inbox["settings"]["hours"] == "mo-fr 9-18"
    visitor = await server.visitor()
    turn = await _turn(server, visitor, "hello")
    hours = turn.hours
    assert hours is not None
    assert (hours.zone.key, hours.hours.spans[0]) == ("Europe/Madrid", (540, 1080))
    assert turn.at > 0

    _, inbox = await server.call("PATCH", SITE, json={"settings": {"hours": "", "timezone": ""}})
    assert not {"hours", "timezone"} & set(inbox["settings"])
    assert (await _turn(server, visitor, "hello again")).hours is None


async def _turn(server: Server, visitor: dict[str, Any], line: str) -> TurnInput:
    """What the responder is given for this line."""
    before = len(server.responder.turns)
    await server.say(visitor, line)
    async with asyncio.timeout(10):
        while len(server.responder.turns) == before:  # noqa: ASYNC110 - the responder tells nobody
            await asyncio.sleep(0.02)
    return server.responder.turns[-1]


async def test_hours_without_a_zone_are_this_machines(server: Server) -> None:
    _, inbox = await server.call("PATCH", SITE, json={"settings": {"hours": "mo 9-10"}})
    assert inbox["settings"]["timezone"] == get_localzone_name()
    await server.call("PATCH", SITE, json={"settings": {"timezone": "America/Bogota"}})
    _, inbox = await server.call("PATCH", SITE, json={"settings": {"hours": "tu 9-10"}})
    assert inbox["settings"]["timezone"] == "America/Bogota"
    await server.call("PATCH", SITE, json={"settings": {"hours": "", "timezone": ""}})


@pytest.mark.parametrize(
    ("given", "field", "word"),
    [
        ({"hours": "mo-fr 9-25"}, "hours", "'25'"),
        ({"hours": "whenever"}, "hours", "'whenever'"),
        ({"timezone": "Mars/Olympus"}, "timezone", "'Mars/Olympus'"),
        ({"hours": "mo 9-10", "timezone": "x" * 500}, "timezone", "is no time zone"),
        ({"timezone": "../../etc/passwd"}, "timezone", "is no time zone"),
    ],
)
async def test_what_is_wrong_is_named(server: Server, given: dict[str, str], field: str, word: str) -> None:
    status, error = await server.call("PATCH", SITE, json={"settings": given})
    assert status == 422
    assert error["error"]["details"][0]["field"] == field
    assert word in error["error"]["message"]
