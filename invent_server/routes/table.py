"""A route is data. `register` turns the table into handlers that authenticate, validate, answer and explain errors."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlmodel import Session

from invent_server.conversations.control import Actor
from invent_server.conversations.errors import Refused
from invent_server.routes import auth
from invent_server.routes.auth import Visitor
from invent_server.routes.idempotency import Once, carried_out
from invent_server.services import SERVICES, Services
from invent_server.store.errors import StoreUnavailable
from invent_server.stream.frames import last_seq
from shared.commands import ERRORS
from shared.models import Role
from shared.settings import Settings

log = structlog.get_logger(__name__)
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Who = Literal["public", "visitor"] | Role
RANK: dict[str, int] = {"agent": 1, "manager": 2, "admin": 3}


class Query(BaseModel):
    """Base of query strings: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


@dataclass(slots=True)
class Call:
    """One request, authenticated and validated."""

    request: web.Request
    services: Services
    params: dict[str, str]
    body: Any = None
    query: Any = None
    actor: Actor | None = None
    visitor: Visitor | None = None
    token_id: str | None = None
    seq: int | None = None
    once: Once | None = None
    arrived_at: int = 0
    """When the request came, in microseconds."""

    @property
    def agent(self) -> Actor:
        """The agent who calls; only routes with a role have one."""
        assert self.actor is not None
        return self.actor

    async def read(self, fn: Callable[[Session], T]) -> T:
        """Read for a GET: notes which events the state includes (X-Invent-Seq)."""

        def both(session: Session) -> tuple[int, T]:
            return last_seq(session), fn(session)

        self.seq, result = await self.services.store.read(both)
        return result

    async def write(self, fn: Callable[[Session], M]) -> M:
        """Write what makes something new; `fn` gives the answer. See idempotency.Once."""

        def both(session: Session) -> M:
            result = fn(session)
            if self.once is not None:
                self.once.keep(session, result.model_dump_json())
            return result

        return await self.services.store.write(both)


Answer = BaseModel | tuple[int, BaseModel] | web.StreamResponse | None
Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of the table. `who`: the least role, or `public`, or `visitor` (a web session's token)."""

    method: str
    path: str
    who: Who
    handler: Handler
    summary: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: Any = None
    status: int = 200
    errors: tuple[str, ...] = field(default=())
    raw: bool = False
    """The handler reads the body itself (webhooks, sockets, pages)."""
    limit: Callable[[Settings], int] | None = None
    """Largest body in bytes, where it is another than `http.max_body`."""


def register(app: web.Application, routes: Sequence[Route]) -> None:
    """Add every route to the application."""
    for route in routes:
        app.router.add_route(route.method, route.path, _handler(route))


def _handler(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        try:
            call = Call(request, services, _storable(dict(request.match_info)), arrived_at=services.clock.now())
            await _authenticate(route, call)
            raw = b"" if route.raw or route.body is None else await _read(route, request, services.settings)
            if route.query is not None:
                call.query = _validate(route.query, _storable(dict(request.query)))
            if route.body is not None and not route.raw:
                call.body = _validate(route.body, _json(raw) if raw else {})
            key = request.headers.get("Idempotency-Key")
            if key and call.token_id and request.method == "POST":
                digest = hashlib.sha256(f"{request.path}\n".encode() + raw).hexdigest()
                call.once = Once(call.token_id, key, digest, route.status)
                return await carried_out(services, call.once, lambda: _answer(route, call))
            return await _answer(route, call)
        except Refused as error:
            response = refusal(error)
            if route.path.startswith("/web/") and error.code != "origin_refused" and "Origin" in request.headers:
                response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                response.headers["Vary"] = "Origin"
            return response
        except web.HTTPRequestEntityTooLarge as error:
            return refusal(Refused("too_large", error.text or "the body is too large"))
        except StoreUnavailable as error:
            return refusal(Refused("unavailable", f"nothing was stored: {error}; try again", retry_after=2))

    return handle


async def _read(route: Route, request: web.Request, settings: Settings) -> bytes:
    """The body, within the route's limit; one that announces more is refused unread."""
    if route.limit is None:
        return await request.read()
    limit = route.limit(settings)
    if (request.content_length or 0) > limit:
        raise Refused("too_large", f"the body has {request.content_length} bytes; {limit} are allowed here")
    return await request.clone(client_max_size=limit).read()


async def _authenticate(route: Route, call: Call) -> None:
    if route.who == "visitor":
        call.visitor = auth.visitor(call.services, call.request)
    elif route.who != "public":
        call.actor, call.token_id = await auth.agent(call.services, call.request)
        if RANK[call.actor.role] < RANK[route.who]:
            raise Refused("forbidden", f"this needs the role {route.who}; you are {call.actor.role}")


async def _answer(route: Route, call: Call) -> web.StreamResponse:
    result = await route.handler(call)
    if isinstance(result, web.StreamResponse):
        return result
    status = route.status
    if isinstance(result, tuple):
        status, result = result
    response = json_response(result, status)
    if call.seq is not None:
        response.headers["X-Invent-Seq"] = str(call.seq)
    return response


def json_response(result: BaseModel | None, status: int = 200) -> web.Response:
    """A model as JSON (None: an empty body)."""
    if result is None:
        return web.Response(status=status)
    return web.Response(body=result.model_dump_json().encode(), status=status, content_type="application/json")


def refusal(error: Refused) -> web.Response:
    """An error in the API's form."""
    body = {"error": {"code": error.code, "message": error.message, "details": error.details}}
    response = web.Response(body=orjson.dumps(body), status=ERRORS[error.code], content_type="application/json")
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after + 0.5)))
    return response


def _json(raw: bytes) -> Any:
    """JSON, leniently about lone surrogates (browsers send them), strictly about the rest.

    NUL and surrogates can only come in as escapes: a body without escapes is storable as it is.
    """
    try:
        value = orjson.loads(raw)
        return _storable(value) if b"\\u" in raw else value
    except orjson.JSONDecodeError as error:
        if b"\\u" in raw or b"\\U" in raw:
            import json

            try:
                return _storable(json.loads(raw))
            except ValueError:
                pass
        raise Refused("bad_request", f"the body is no JSON: {error}") from None


def _validate(model: type[BaseModel], value: Any) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = [
            {"field": ".".join(str(part) for part in one["loc"]), "problem": one["msg"].removeprefix("Value error, ")}
            for one in error.errors()
        ]
        first = details[0]
        raise Refused("invalid", f"{first['field'] or 'body'}: {first['problem']}", details) from None


def _storable(value: Any) -> Any:
    """Texts as a database can hold them, at any depth (pydantic refuses lone surrogates)."""
    from shared.text import storable

    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_storable(key): _storable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_storable(one) for one in value]
    return value
