"""The database side of a session: who may enter with which key, the token that lasts as long as the session."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from invent_server.store import tables as t
from invent_server.store.secrets import token_hash
from invent_server.store.session import now
from shared.clock import SECOND
from shared.ids import new_id, secret

LABEL = "ssh:"
"""Label of a session's token, before the node's id."""
VALID = 120.0
"""Seconds that a session's token holds without being renewed: what a killed server leaves behind is soon void."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An agent at the door, with the key that opens it."""

    agent_id: str
    name: str
    language: str
    key_id: str
    fingerprint: str


def entry(session: Session, name: str, fingerprint: str) -> Entry | None:
    """The agent `name` if the key is his and he is not disabled. One query, whatever is wrong."""
    row = session.exec(
        select(t.Agent, t.AgentKey)
        .join(t.AgentKey)
        .where(
            t.Agent.name == name,
            t.AgentKey.fingerprint == fingerprint,
            col(t.Agent.disabled).is_(False),
        )
    ).one_or_none()
    if row is None:
        return None
    agent, key = row
    return Entry(agent.id, agent.name, agent.language, key.id, key.fingerprint)


def begin(session: Session, entry: Entry, address: str, node: str) -> tuple[str, str] | None:
    """A session begins: its token and the token's id. None: the key or the agent went meanwhile."""
    key = session.get(t.AgentKey, entry.key_id)
    agent = session.get(t.Agent, entry.agent_id)
    if key is None or agent is None or agent.disabled:
        return None
    moment, token = now(session), secret()
    key.used_at, key.used_from = moment, address
    row = t.AgentToken(
        id=new_id(),
        agent_id=agent.id,
        hash=token_hash(token),
        label=LABEL + node,
        created_at=moment,
        expires_at=moment + round(VALID * SECOND),
    )
    session.add_all([key, row])
    return token, row.id


def renew(session: Session, tokens: Collection[str]) -> None:
    """Live sessions keep their tokens (those that were revoked stay so)."""
    until = now(session) + round(VALID * SECOND)
    session.connection().execute(update(t.AgentToken).where(col(t.AgentToken.id).in_(tokens)).values(expires_at=until))


def end(session: Session, token_id: str) -> None:
    """A session is over: its token is void."""
    session.connection().execute(delete(t.AgentToken).where(col(t.AgentToken.id) == token_id))


def clear(session: Session, node: str) -> None:
    """At start: the tokens of sessions that this node's former run had."""
    session.connection().execute(delete(t.AgentToken).where(col(t.AgentToken.label) == LABEL + node))


def anybody(session: Session) -> bool:
    """There is a key at all."""
    return session.exec(select(t.AgentKey.id).limit(1)).first() is not None


def welcome(session: Session, key_ids: Collection[str]) -> set[str]:
    """Of these keys, those that still open the door."""
    found = select(t.AgentKey.id).join(t.Agent).where(col(t.AgentKey.id).in_(key_ids), col(t.Agent.disabled).is_(False))
    return set(session.exec(found))
