"""What the routes work with: one object per server, made by app.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from invent_server.assistant.replay import Rehearsals
from invent_server.assistant.runner import Runner
from invent_server.channels.base import Channel
from invent_server.conversations.control import Control
from invent_server.directory import Directory
from invent_server.knowledge.library import Library
from invent_server.limits import Limiter
from invent_server.models.room import ModelRoom
from invent_server.store.blobs import Blobs
from invent_server.store.database import Store
from invent_server.store.secrets import Secrets
from invent_server.stream.hub import Hub
from invent_server.stream.tailer import Tailer
from shared.clock import Clock
from shared.settings import Settings


@dataclass(slots=True)
class Services:
    settings: Settings
    clock: Clock
    node: str
    store: Store
    blobs: Blobs
    secrets: Secrets
    hub: Hub
    tailer: Tailer
    control: Control
    runner: Runner
    rehearsals: Rehearsals
    library: Library
    models: ModelRoom
    directory: Directory
    channels: Mapping[str, Channel]
    visitor_messages: Limiter
    visitor_files: Limiter
    files_by_ip: Limiter
    sessions: Limiter
    logins: Limiter
    private: bool = False
    """True for the server that one command starts for itself: no webhooks, nothing goes to outside channels."""
    ssh_port: int = 0
    """Where agents come in by ssh; 0 = they cannot."""
    ready: dict[str, bool] = field(default_factory=dict)
    sockets_by_ip: dict[str, int] = field(default_factory=dict)


SERVICES: web.AppKey[Services] = web.AppKey("services")
