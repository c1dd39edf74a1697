"""Assistants, inboxes and agents: first start, and what admins change later. Each function runs in a transaction."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session, col, select
from tzlocal import get_localzone_name

from invent_server.channels.base import Channel
from invent_server.channels.web import origins
from invent_server.conversations import hours
from invent_server.conversations.errors import Refused, not_found
from invent_server.store import tables as t
from invent_server.store import wire
from invent_server.store.secrets import Secrets, token_hash
from invent_server.store.session import now
from shared import commands as c
from shared import models as m
from shared.clock import to_rfc3339
from shared.ids import new_id, secret

ADMIN = "admin"
EVERY_KIND = ("mode", "hours", "timezone")
"""Settings that a channel of any kind takes, beside its own."""


def first_start(session: Session) -> str | None:
    """Make what every server needs. Returns the new admin's token on the very first start, else None."""
    if session.get(t.Meta, "instance") is not None:
        return None
    session.add(t.Meta(name="instance", value=new_id()))
    session.add(t.Assistant(id=new_id(), slug="default", name="Assistant", created_at=now(session)))
    session.flush()
    return add_agent(session, c.AddAgent(name=ADMIN, role="admin")).token


def add_agent(session: Session, body: c.AddAgent) -> m.AgentToken:
    """A new colleague and the token, shown once."""
    if session.exec(select(t.Agent).where(t.Agent.name == body.name)).first():
        raise Refused("exists", f"there is an agent {body.name!r} already")
    _known_zone(body.timezone)
    row = t.Agent(
        id=new_id(),
        name=body.name,
        role=body.role,
        language=body.language,
        timezone=body.timezone,
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    _set_inboxes(session, row, body.inboxes)
    return new_token(session, row.name)


def new_token(session: Session, name: str) -> m.AgentToken:
    """Another token for an agent; earlier ones stay valid until they are revoked (`agents disable`)."""
    row = agent_row(session, name)
    if row.disabled:
        raise Refused("invalid", f"{row.name} is disabled: a token would open nothing; invent agents enable {row.name}")
    token = secret()
    session.add(t.AgentToken(id=new_id(), agent_id=row.id, hash=token_hash(token), created_at=now(session)))
    session.flush()
    return m.AgentToken(agent=wire.agent(session, row), token=token)


def patch_agent(session: Session, name: str, body: c.PatchAgent) -> m.Agent:
    """Change role, language, zone, inboxes; disabling revokes every token."""
    row = agent_row(session, name)
    if body.timezone is not None:
        _known_zone(body.timezone)
    for field, value in body.model_dump(exclude_none=True, exclude={"inboxes"}).items():
        setattr(row, field, value)
    if body.inboxes is not None:
        _set_inboxes(session, row, body.inboxes)
    if body.disabled:
        for token in session.exec(select(t.AgentToken).where(t.AgentToken.agent_id == row.id)):
            token.revoked_at = token.revoked_at or now(session)
            session.add(token)
    admins = session.exec(select(t.Agent.id).where(t.Agent.role == "admin", col(t.Agent.disabled).is_(False))).all()
    if not admins:
        raise Refused("invalid", "somebody must stay admin")
    session.add(row)
    session.flush()
    return wire.agent(session, row)


def _known_zone(name: str) -> None:
    try:
        hours.zone(name)
    except hours.HoursError:
        problem = f"{name!r} is no time zone such as Europe/Madrid"
        raise Refused("invalid", f"timezone: {problem}", [{"field": "timezone", "problem": problem}]) from None


def agent_row(session: Session, name: str) -> t.Agent:
    row = session.exec(select(t.Agent).where(t.Agent.name == name)).one_or_none()
    if row is None:
        raise not_found(f"agent {name!r}")
    return row


def _set_inboxes(session: Session, agent: t.Agent, names: list[str]) -> None:
    for old in session.exec(select(t.AgentInbox).where(t.AgentInbox.agent_id == agent.id)):
        session.delete(old)
    session.flush()
    for name in names:
        session.add(t.AgentInbox(agent_id=agent.id, inbox_id=inbox_row(session, name).id))


def inbox_row(session: Session, name: str) -> t.Inbox:
    row = session.exec(select(t.Inbox).where(t.Inbox.name == name)).one_or_none()
    if row is None:
        raise not_found(f"channel {name!r}")
    return row


def add_channel(session: Session, body: c.AddChannel, channels: Mapping[str, Channel], secrets: Secrets) -> m.Inbox:
    """Connect a channel."""
    channel = channels.get(body.kind)
    if channel is None:
        raise Refused("invalid", f"kind: takes {', '.join(channels)}; not {body.kind!r}", [{"field": "kind"}])
    if session.exec(select(t.Inbox).where(t.Inbox.name == body.name)).first():
        raise Refused("exists", f"there is a channel {body.name!r} already")
    assistant = session.exec(select(t.Assistant).where(t.Assistant.slug == body.assistant)).one_or_none()
    if assistant is None:
        raise not_found(f"assistant {body.assistant!r}")
    given = dict(body.settings)
    mode = _mode(given.pop("mode", "automatic"))
    _check(channel, given, require=True)
    given |= _week(given, {})
    row = t.Inbox(
        id=new_id(),
        name=body.name,
        kind=body.kind,
        assistant_id=assistant.id,
        mode=mode,
        settings=secrets.hide(given, channel.secrets),
        created_at=now(session),
    )
    session.add(row)
    session.flush()
    return inbox(session, row, channels)


def patch_channel(
    session: Session, name: str, body: c.PatchChannel, channels: Mapping[str, Channel], secrets: Secrets
) -> m.Inbox:
    """Switch a channel on or off, change its settings; a setting given as empty text is removed."""
    row = inbox_row(session, name)
    channel = channels[row.kind]
    if body.enabled is not None:
        row.enabled = body.enabled
    if body.mode is not None:
        row.mode = body.mode
    if body.settings is not None:
        given = dict(body.settings)
        if "mode" in given:
            row.mode = _mode(given.pop("mode"))
        _check(channel, given, require=False)
        given |= _week(given, row.settings)
        merged = {**row.settings, **secrets.hide(given, channel.secrets)}
        row.settings = {key: value for key, value in merged.items() if value != ""}
    session.add(row)
    session.flush()
    return inbox(session, row, channels)


def _mode(value: str) -> m.Mode:
    modes: tuple[m.Mode, ...] = ("automatic", "suggest", "humans_first", "off")
    for mode in modes:
        if mode == value:
            return mode
    raise Refused("invalid", f"mode: takes {', '.join(modes)}; not {value!r}", [{"field": "mode"}])


def _week(given: Mapping[str, str], stored: Mapping[str, object]) -> dict[str, str]:
    """Hours in their shortest form, on a clock that is named: this machine's where nobody has said which."""
    found: dict[str, str] = {}
    try:
        if line := given.get("hours"):
            found["hours"] = hours.show(hours.parse(line))
        name = given.get("timezone") or ("" if "timezone" in given else stored.get("timezone"))
        if line and not name:
            found["timezone"] = get_localzone_name()
    except hours.HoursError as error:
        raise Refused("invalid", f"hours: {error}", [{"field": "hours", "problem": str(error)}]) from None
    if given.get("timezone"):
        _known_zone(given["timezone"])
    return found


def _check(channel: Channel, given: Mapping[str, str], *, require: bool) -> None:
    for key in given:
        if key not in channel.keys and key not in EVERY_KIND:
            known = ", ".join((*channel.keys, *EVERY_KIND))
            raise Refused("invalid", f"{key}: no setting of {channel.kind}; it takes {known}", [{"field": key}])
    for key in channel.required if require else ():
        if not given.get(key):
            raise Refused("invalid", f"{key}: a channel of kind {channel.kind} needs it", [{"field": key}])
    if channel.kind == "web":
        try:
            origins(given.get("allowed_origins"))
        except ValueError as error:
            problem = f"allowed_origins: {error}"
            raise Refused("invalid", problem, [{"field": "allowed_origins", "problem": str(error)}]) from None
    if given.get("webhook_secret"):
        from standardwebhooks import Webhook

        try:
            Webhook(given["webhook_secret"])
        except Exception:
            problem = "is no Standard Webhooks secret: whsec_ and base64"
            raise Refused("invalid", f"webhook_secret {problem}", [{"field": "webhook_secret"}]) from None


def inbox(session: Session, row: t.Inbox, channels: Mapping[str, Channel]) -> m.Inbox:
    """A channel without its secrets: of those only whether they are set."""
    hidden = channels[row.kind].secrets if row.kind in channels else ()
    settings = {key: (bool(value) if key in hidden else value) for key, value in row.settings.items()}
    return m.Inbox(
        id=row.id,
        name=row.name,
        kind=row.kind,
        assistant=session.get_one(t.Assistant, row.assistant_id).slug,
        enabled=row.enabled,
        mode=_mode(row.mode),
        settings=settings,
        created_at=to_rfc3339(row.created_at),
    )
