"""Every route of the table x every role: who may not gets 401 or 403, who may gets anything else."""

from __future__ import annotations

import re

import pytest

from invent_server.routes import all_routes
from invent_server.routes.table import RANK, Route
from shared import settings
from tests.routes.conftest import Server

ROUTES = [route for route in all_routes(settings.load(environ={"HOME": "/nonexistent"})) if route.method != "OPTIONS"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


NAMES = {"name": "luis", "inbox": "site", "channel": "api", "section": "tone", "number": "1"}


def address(route: Route) -> str:
    """The route's path with something in each of its places."""
    return re.sub(r"\{(\w+)[^}]*\}", lambda place: NAMES.get(place[1], "none"), route.path)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_route_refuses_who_may_not(server: Server, route: Route) -> None:
    if route.who == "public":
        pytest.skip("public by design")
    status, body = await server.call(route.method, address(route), "", json={} if route.body else None)
    assert (status, body["error"]["code"]) == (401, "unauthorized")
    status, body = await server.call(route.method, address(route), "wrong", json={} if route.body else None)
    assert (status, body["error"]["code"]) == (401, "unauthorized")
    if route.who == "visitor":
        status, body = await server.call(route.method, address(route), server.admin, json={} if route.body else None)
        assert status == 401, "an agent's token is no visitor's"
        return
    for role, token in (("agent", server.tokens["luis"]), ("manager", server.tokens["tom"]), ("admin", server.admin)):
        status, body = await server.call(route.method, address(route), token, json={} if route.body else None)
        allowed = RANK[role] >= RANK[route.who]
        assert (status == 403) != allowed, (role, status, body)
        assert status < 500


async def test_public_routes_are_these_only() -> None:
    """A new public route is a decision, not an accident."""
    assert sorted(route.path for route in ROUTES if route.who == "public") == [
        "/api/openapi.json",
        "/api/v1/stream",
        "/assets/{name}",
        "/chat/{inbox}",
        "/embed/{inbox}",
        "/healthz",
        "/metrics",
        "/readyz",
        "/web/{inbox}/session",
        "/web/{inbox}/stream",
        "/web/{inbox}/widget",
        "/webhooks/{channel}/{inbox}",
        "/widget.js",
    ]
