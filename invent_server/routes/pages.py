"""Pages for people: the hosted chat."""

from __future__ import annotations

from invent_server.routes.table import Route

ROUTES: list[Route] = []
