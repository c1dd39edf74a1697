"""HTTP and WebSocket: one table of routes; validation, roles, OpenAPI and the role test come from it."""

from __future__ import annotations

from aiohttp.web import StreamResponse, json_response

from invent_server.routes import (
    company,
    conversations,
    files,
    health,
    instructions,
    knowledge,
    models,
    pages,
    people,
    streams,
    team,
    visits,
    webhooks,
)
from invent_server.routes import web as web_chat
from invent_server.routes.openapi import document
from invent_server.routes.table import Call, Route
from invent_server.routes.team import VERSION
from shared.settings import Settings


def all_routes(settings: Settings) -> list[Route]:
    """Every route of the server."""
    routes = [
        *health.ROUTES,
        *conversations.ROUTES,
        *people.ROUTES,
        *team.ROUTES,
        *company.ROUTES,
        *knowledge.ROUTES,
        *instructions.ROUTES,
        *models.ROUTES,
        *streams.ROUTES,
        *web_chat.ROUTES,
        *visits.ROUTES,
        *files.ROUTES,
        *webhooks.ROUTES,
        *pages.ROUTES,
    ]
    made = document(routes, VERSION)

    async def openapi(call: Call) -> StreamResponse:
        return json_response(made)

    return [*routes, Route("GET", "/api/openapi.json", "public", openapi, "This document", raw=True)]
