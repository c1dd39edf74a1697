"""/api/v1/me, /agents, /channels, /notices and the trace of a message."""

from __future__ import annotations

from importlib.metadata import version

import structlog
from sqlmodel import Session, select

from invent_server import team
from invent_server.conversations import listing
from invent_server.conversations.errors import not_found
from invent_server.routes.table import Call, Route
from invent_server.ssh import keys as ssh_keys
from invent_server.store import notices as store_notices
from invent_server.store import tables as t
from invent_server.store import tracing, wire
from shared import commands as c
from shared import models as m

log = structlog.get_logger(__name__)
AGENTS = "/api/v1/agents"
KEYS = AGENTS + "/{name}/keys"
CHANNELS = "/api/v1/channels"
VERSION = version("invent")


async def me(call: Call) -> m.Me:
    services = call.services

    def read(session: Session) -> tuple[m.Agent, str]:
        row = session.get_one(t.Agent, call.agent.id)
        company = session.exec(select(t.Assistant.company).where(t.Assistant.slug == "default")).first()
        return wire.agent(session, row, _present(call)), company or ""

    agent, company = await call.read(read)
    engine = services.runner.responder.name
    return m.Me(
        agent=agent,
        version=VERSION,
        seq=call.seq or 0,
        engine=engine,
        company=company,
        ssh_port=services.ssh_port,
    )


def _present(call: Call) -> list[str]:
    return [str(one["name"]) for one in call.services.hub.present()]


async def agents(call: Call) -> m.Page[m.Agent]:
    return await call.read(
        lambda s: m.Page(
            items=[wire.agent(s, row, _present(call)) for row in s.exec(select(t.Agent).order_by(t.Agent.name))]
        )
    )


async def add_agent(call: Call) -> m.AgentToken:
    return await call.services.store.write(lambda s: team.add_agent(s, call.body))


async def patch_agent(call: Call) -> m.Agent:
    agent = await call.services.store.write(lambda s: team.patch_agent(s, call.params["name"], call.body))
    call.services.hub.refresh_agent(agent.id)
    return agent


async def token(call: Call) -> m.AgentToken:
    return await call.services.store.write(lambda s: team.new_token(s, call.params["name"]))


async def keys(call: Call) -> m.Page[m.AgentKey]:
    return await call.read(lambda s: m.Page(items=ssh_keys.keys_of(s, call.params["name"])))


async def add_key(call: Call) -> m.AgentKey:
    return await call.services.store.write(lambda s: ssh_keys.add_key(s, call.params["name"], call.body.key))


async def remove_key(call: Call) -> None:
    name, fingerprint = call.params["name"], call.params["fingerprint"]
    agent_id = await call.services.store.write(lambda s: ssh_keys.remove_key(s, name, fingerprint))
    call.services.hub.refresh_agent(agent_id)


async def channels(call: Call) -> m.Page[m.Inbox]:
    def read(session: Session) -> m.Page[m.Inbox]:
        rows = session.exec(select(t.Inbox).order_by(t.Inbox.name)).all()
        seen = [row for row in rows if call.agent.inboxes is None or row.id in call.agent.inboxes]
        return m.Page(items=[team.inbox(session, row, call.services.channels) for row in seen])

    return await call.read(read)


async def add_channel(call: Call) -> m.Inbox:
    services = call.services
    added = await services.store.write(lambda s: team.add_channel(s, call.body, services.channels, services.secrets))
    services.directory.forget()
    return added


async def patch_channel(call: Call) -> m.Inbox:
    services = call.services
    changed = await services.store.write(
        lambda s: team.patch_channel(s, call.params["name"], call.body, services.channels, services.secrets)
    )
    services.directory.forget()
    # Who changed which fields, never to what: values may be secrets.
    fields = sorted({*(call.body.settings or {}), *call.body.model_dump(exclude_none=True, exclude={"settings"})})
    log.info("channel changed", channel=changed.name, fields=fields, by=call.agent.name)
    return changed


async def notices(call: Call) -> m.Page[m.Notice]:
    return await call.read(lambda s: m.Page(items=store_notices.notices(s, call.agent.inboxes)))


async def trace(call: Call) -> m.Trace:
    def read(session: Session) -> m.Trace:
        message = tracing.find(session, call.params["id"])
        if message is None:
            raise not_found("message")
        listing.visible_conversation(session, call.agent, message.conversation_id)
        return tracing.trace(session, message)

    return await call.read(read)


ROUTES = [
    Route("GET", "/api/v1/me", "agent", me, "Who I am", answer=m.Me),
    Route("GET", AGENTS, "agent", agents, "The team", answer=m.Page[m.Agent]),
    Route("POST", AGENTS, "admin", add_agent, "Add an agent", c.AddAgent, answer=m.AgentToken, status=201),
    Route("PATCH", AGENTS + "/{name}", "admin", patch_agent, "Change an agent", c.PatchAgent, answer=m.Agent),
    Route("POST", AGENTS + "/{name}/token", "admin", token, "A new token", c.Nothing, answer=m.AgentToken, status=201),
    Route("GET", KEYS, "admin", keys, "An agent's ssh keys", answer=m.Page[m.AgentKey]),
    Route("POST", KEYS, "admin", add_key, "Let an agent in by ssh", c.AddKey, answer=m.AgentKey, status=201),
    Route("DELETE", KEYS + "/{fingerprint}", "admin", remove_key, "Take a key away", status=204),
    Route("GET", CHANNELS, "agent", channels, "Channels", answer=m.Page[m.Inbox]),
    Route("POST", CHANNELS, "admin", add_channel, "Connect a channel", c.AddChannel, answer=m.Inbox, status=201),
    Route("PATCH", CHANNELS + "/{name}", "admin", patch_channel, "Change a channel", c.PatchChannel, answer=m.Inbox),
    Route("GET", "/api/v1/notices", "agent", notices, "What needs a person", answer=m.Page[m.Notice]),
    Route("GET", "/api/v1/messages/{id}/trace", "agent", trace, "A message's way", answer=m.Trace),
]
