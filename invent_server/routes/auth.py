"""Who calls: an agent by bearer token, a visitor by the token of a web session; origins of browsers."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from sqlmodel import Session, select

from invent_server.channels.web import ANY, origins
from invent_server.conversations.control import Actor
from invent_server.conversations.errors import Refused
from invent_server.directory import InboxInfo
from invent_server.services import Services
from invent_server.store import tables as t
from invent_server.store.secrets import Secrets, token_hash
from shared.models import Agent as WireAgent

UNAUTHORIZED = "the token is missing, unknown, revoked or expired"


@dataclass(frozen=True, slots=True)
class Visitor:
    """What a visitor's token says. It is signed, not stored."""

    inbox: str
    inbox_id: str
    customer_id: str
    name: str
    identity: str
    conversation_id: str
    expires_at: int


def bearer(request: web.Request) -> str | None:
    """The token in the Authorization header."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


async def agent(services: Services, request: web.Request) -> tuple[Actor, str]:
    """The agent and the id of the token. Raises Refused 401, or 429 after too many wrong tokens."""
    return await agent_of(services, bearer(request), client_ip(services, request))


async def agent_of(services: Services, token: str | None, ip: str) -> tuple[Actor, str]:
    """As `agent`, for a token that came another way (a socket's first frame)."""
    if token is None:
        raise Refused("unauthorized", UNAUTHORIZED)
    digest = token_hash(token)
    now = services.clock.now()

    def find(session: Session) -> tuple[Actor, str] | None:
        found = session.exec(
            select(t.AgentToken, t.Agent).join(t.Agent).where(t.AgentToken.hash == digest)
        ).one_or_none()
        if found is None:
            return None
        row, person = found
        if person.disabled or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
            return None
        inboxes = session.exec(select(t.AgentInbox.inbox_id).where(t.AgentInbox.agent_id == person.id)).all()
        role = WireAgent.model_validate(
            {**person.model_dump(include={"id", "name", "role", "language", "timezone"}), "created_at": ""}
        ).role
        return Actor(person.id, person.name, role, frozenset(inboxes) or None), row.id

    result = await services.store.read(find)
    if result is None:
        if wait := services.logins.hit(ip):
            raise Refused("slow_down", "too many wrong tokens from this address", retry_after=wait)
        raise Refused("unauthorized", UNAUTHORIZED)
    return result


def make_visitor_token(secrets: Secrets, visitor: Visitor) -> str:
    """A signed token that holds until `expires_at`."""
    payload = orjson.dumps(
        [
            visitor.inbox,
            visitor.inbox_id,
            visitor.customer_id,
            visitor.name,
            visitor.identity,
            visitor.conversation_id,
            visitor.expires_at,
        ]
    )
    body = base64.urlsafe_b64encode(payload).rstrip(b"=")
    return f"{body.decode()}.{secrets.sign(body)}"


def visitor_of(services: Services, token: str | None, inbox: str) -> Visitor | None:
    """The visitor behind a token of that inbox; None when it is not ours, of another inbox, or expired."""
    found = _opened(services.secrets, token) if token else None
    if found is None or found.inbox != inbox or found.expires_at <= services.clock.now():
        return None
    return found


@lru_cache(maxsize=4096)
def _opened(secrets: Secrets, token: str) -> Visitor | None:
    """What a token with a valid signature says. Kept, because a visitor sends the same one with each request."""
    body, _, signature = token.rpartition(".")
    raw = body.encode("utf-8", "replace")
    if not body or not secrets.signed(raw, signature):
        return None
    try:
        return Visitor(*orjson.loads(base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))))
    except (ValueError, TypeError, binascii.Error):
        return None


def visitor(services: Services, request: web.Request) -> Visitor:
    """The visitor of a request under /web/{inbox}. Raises Refused."""
    found = visitor_of(services, bearer(request), request.match_info["inbox"])
    if found is None:
        raise Refused("unauthorized", "the session's token is missing, of another inbox, or expired; begin a session")
    return found


def client_ip(services: Services, request: web.Request) -> str:
    """The caller's address; `X-Forwarded-For` counts only behind a trusted proxy (its last foreign entry)."""
    peer = request.remote or "local"
    trusted = services.settings.http.trusted_proxies
    if not trusted or not _in(peer, trusted):
        return peer
    for part in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        address = part.strip()
        if address and not _in(address, trusted):
            return address[:64]
    return peer


def _in(address: str, networks: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
        return any(parsed in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False


def own_origins(services: Services, request: web.Request) -> set[str]:
    """The origins that this server itself has."""
    origins = {f"{request.scheme}://{request.host}".lower()}
    if services.settings.http.public_url:
        parts = urlsplit(services.settings.http.public_url)
        origins.add(f"{parts.scheme}://{parts.netloc}".lower())
    return origins


def origin_allowed(services: Services, request: web.Request, inbox: InboxInfo | None) -> bool:
    """No Origin: allowed (not a browser). With an inbox: its list (`*` = any; empty = the server's own only)."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    if origin.lower() in own_origins(services, request):
        return True
    if inbox is None:
        return False
    allowed = allowed_origins(inbox)
    return ANY in allowed or origin.lower() in allowed


def allowed_origins(inbox: InboxInfo) -> list[str]:
    """The sites that may use a web inbox beside this server's own; none when the list cannot be read."""
    try:
        return origins(inbox.settings.get("allowed_origins"))
    except ValueError:
        return []
