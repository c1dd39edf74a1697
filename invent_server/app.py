"""The composition root: what a server is made of, in the order in which it starts and (backwards) stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import structlog
from aiohttp import web

from invent_server import team, timers
from invent_server.assistant.generative import Generative
from invent_server.assistant.replay import Rehearsals
from invent_server.assistant.runner import Runner
from invent_server.assistant.types import Responder
from invent_server.channels.api import Api
from invent_server.channels.base import Channel
from invent_server.channels.web import Web
from invent_server.conversations.control import Control
from invent_server.delivery.egress import Egress
from invent_server.delivery.worker import Worker
from invent_server.directory import Directory
from invent_server.knowledge.library import Library
from invent_server.limits import Limiter
from invent_server.models.room import ModelRoom
from invent_server.routes import all_routes
from invent_server.routes.table import register
from invent_server.services import SERVICES, Services
from invent_server.setting_up import ChosenModel
from invent_server.store.blobs import Blobs
from invent_server.store.database import open_store
from invent_server.store.secrets import load_secrets, write_private
from invent_server.stream.hub import Hub
from invent_server.stream.socket import CLOSED
from invent_server.stream.tailer import Tailer
from shared.clock import Clock, SystemClock
from shared.settings import Settings
from shared.tasks import Tasks

log = structlog.get_logger(__name__)


def make_app(
    settings: Settings,
    node: str,
    *,
    private: bool = False,
    clock: Clock | None = None,
    responder: Responder | None = None,
) -> web.Application:
    """The whole server. The database exists and is migrated (store/migrate.py).

    `private`: for one command only; takes no webhooks and sends nothing to outside channels. `responder`: another
    engine than the one that writes with a model and quotes without.
    """
    clock = clock or SystemClock()
    store = open_store(settings, clock)
    blobs = Blobs(settings.data_dir / "files")
    store.on_commit.append(blobs.committed)
    secrets = load_secrets(settings.data_dir)
    hub = Hub()
    tailer = Tailer(store, hub, settings.stream)
    egress = Egress(settings.delivery.timeout)

    async def push(conversation_id: str) -> None:
        await tailer.catch_up()
        await hub.visitors_flushed(conversation_id)

    channels: Mapping[str, Channel] = {"web": Web(push), "api": Api(egress.post)}
    running = {"web": channels["web"]} if private else channels
    models = ModelRoom(settings.models, settings.data_dir, ChosenModel(store))
    library = Library(store, settings, models.embedding)
    responder = responder or Generative(library.search, models.chat, settings.assistant)
    runner = Runner(store, hub, responder, settings, node)
    delivery = Worker(store, running, secrets, settings.delivery, node)
    services = Services(
        settings=settings,
        clock=clock,
        node=node,
        store=store,
        blobs=blobs,
        secrets=secrets,
        hub=hub,
        tailer=tailer,
        control=Control(store, settings.handoff),
        runner=runner,
        rehearsals=Rehearsals(runner, settings.assistant.deadline),
        library=library,
        models=models,
        directory=Directory(store),
        channels=channels,
        visitor_messages=Limiter(settings.limits.visitor_messages),
        visitor_files=Limiter(settings.limits.visitor_files),
        files_by_ip=Limiter(settings.limits.files_per_ip),
        sessions=Limiter(settings.limits.sessions_per_ip),
        logins=Limiter(settings.limits.login),
        private=private,
    )

    async def life(app: web.Application) -> AsyncIterator[None]:
        tasks = Tasks(lambda error: log.error("a part of the server broke", error=repr(error)))
        await store.start()
        token = await store.write(team.first_start)
        if token is not None:
            write_private(settings.data_dir / "admin-token", token)
        services.ready["store"] = True
        await tailer.start()
        tasks.start(tailer.run(), name="tailer")
        await delivery.recover()
        await runner.recover()
        await library.start()
        services.ready["index"] = library.ready
        library.on_ready = lambda ready: services.ready.__setitem__("index", ready)
        for work in (runner.run(), delivery.run(), timers.run(services), models.chat.run()):
            tasks.start(work)
        services.ready["workers"] = True
        yield
        services.ready["workers"] = False
        await runner.close(settings.http.drain)
        await delivery.close()
        hub.close(CLOSED)
        await tasks.close()
        await models.close()
        await library.close()
        await egress.close()
        await store.close()

    app = web.Application(client_max_size=settings.http.max_body)
    app[SERVICES] = services
    app.cleanup_ctx.append(life)
    register(app, all_routes(settings))
    return app
