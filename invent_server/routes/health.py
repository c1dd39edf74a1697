"""/healthz, /readyz, /metrics and the OpenAPI document."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from invent_server.metrics import SOCKETS
from invent_server.routes import auth
from invent_server.routes.table import Call, Route


async def healthz(call: Call) -> web.StreamResponse:
    return web.json_response({"status": "alive"})


async def readyz(call: Call) -> web.StreamResponse:
    parts = call.services.ready
    ready = bool(parts) and all(parts.values())
    # Vectors are told, not counted: without them searches go by words.
    vectors = asdict(call.services.library.vectors())
    return web.json_response({"ready": ready, "parts": parts, "vectors": vectors}, status=200 if ready else 503)


async def metrics(call: Call) -> web.StreamResponse:
    peer = call.request.remote or ""
    try:
        local = not peer or ipaddress.ip_address(peer).is_loopback
    except ValueError:
        local = not peer
    if not local:
        await auth.agent(call.services, call.request)
    hub = call.services.hub
    SOCKETS.labels("agent").set(len(hub.agents))
    SOCKETS.labels("visitor").set(sum(map(len, hub.visitors.values())))
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


ROUTES = [
    Route("GET", "/healthz", "public", healthz, "The process lives", raw=True),
    Route("GET", "/readyz", "public", readyz, "It can do its work; names each part", raw=True),
    Route("GET", "/metrics", "public", metrics, "Prometheus; from loopback or with a token", raw=True),
]
