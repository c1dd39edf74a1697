"""Files: uploaded by visitors and agents, downloaded by both; never shown as a page of this server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

from aiohttp import BodyPartReader, web
from sqlmodel import Session

from invent_server.conversations import attaching, changes, listing
from invent_server.conversations.control import visible_inboxes
from invent_server.conversations.errors import Refused, not_found
from invent_server.routes import auth
from invent_server.routes.origins import cors, inbox_of, preflight
from invent_server.routes.table import Call, Route, json_response
from invent_server.store import tables as t
from invent_server.store.blobs import Blob, NoRoom, Program, TooLarge
from shared import models as m

CHUNK = 256 * 1024
UPLOAD_SECONDS = 180.0
SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "application/pdf")
"""Types that a download may name; whatever else there is goes as plain bytes."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


async def visitor_upload(call: Call) -> web.StreamResponse:
    await inbox_of(call)
    assert call.visitor is not None
    visitor = call.visitor
    for limiter, key in (
        (call.services.visitor_files, visitor.customer_id),
        (call.services.files_by_ip, auth.client_ip(call.services, call.request)),
    ):
        if wait := limiter.hit(key):
            raise Refused("slow_down", "too many files; wait a moment", retry_after=wait)

    def load(session: Session) -> t.Conversation:
        return changes.load(session, visitor.conversation_id)

    return cors(call, json_response(await _upload(call, "customer", load)))


async def agent_upload(call: Call) -> web.StreamResponse:
    def load(session: Session) -> t.Conversation:
        return changes.load(session, call.params["id"], visible_inboxes(call.agent))

    await call.services.store.read(lambda s: listing.visible_conversation(s, call.agent, call.params["id"]))
    return json_response(await _upload(call, "agent", load), 201)


async def _upload(call: Call, author_kind: str, load: Callable[[Session], t.Conversation]) -> m.File:
    services = call.services
    limit = services.settings.web.max_file
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            name, blob = await _receive(call, limit)
    except TimeoutError:
        raise Refused("bad_request", f"the file did not arrive within {UPLOAD_SECONDS:.0f} seconds") from None
    except TooLarge:
        raise Refused("too_large", f"file: is larger than {limit} bytes") from None
    except NoRoom:
        raise Refused("unavailable", "this server has no room for files now", retry_after=600) from None
    except Program:
        raise Refused("invalid", "file: programs are not taken", [{"field": "file", "problem": "program"}]) from None
    try:
        kept = await services.store.write(lambda s: attaching.add(s, blob, load(s), author_kind, name))
    except BaseException:
        services.blobs.path(blob.id).unlink(missing_ok=True)
        raise
    return m.File(id=kept.id, name=kept.name, type=kept.type, size=kept.size)


async def _receive(call: Call, limit: int) -> tuple[str, Blob]:
    """The part `file` of a multipart body, stored. Raises Refused, TooLarge, NoRoom, Program."""
    missing = Refused("invalid", "file: send multipart/form-data with a part named file", [{"field": "file"}])
    if (call.request.content_length or 0) > limit + 65_536:
        raise TooLarge
    try:
        parts = await call.request.multipart()
        part = await parts.next()
        while part is not None and not (isinstance(part, BodyPartReader) and part.name == "file"):
            part = await parts.next()
        if not isinstance(part, BodyPartReader):
            raise missing
        blob = await call.services.blobs.save(_chunks(part), limit)
    except (AssertionError, ValueError, KeyError):
        raise missing from None
    if not blob.size:
        call.services.blobs.path(blob.id).unlink(missing_ok=True)
        raise Refused("invalid", "file: is empty", [{"field": "file", "problem": "is empty"}])
    return part.filename or "", blob


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        yield chunk


async def visitor_download(call: Call) -> web.StreamResponse:
    inbox = await inbox_of(call)
    assert call.visitor is not None
    who = call.visitor.customer_id
    row = await call.services.store.read(lambda s: attaching.of_visitor(s, call.params["id"], who, inbox.id))
    return cors(call, _download(call, row))


async def agent_download(call: Call) -> web.StreamResponse:
    def find(session: Session) -> t.File:
        row = session.get(t.File, call.params["id"])
        if row is None:
            raise not_found("file")
        listing.visible_conversation(session, call.agent, row.conversation_id)
        return row

    return _download(call, await call.services.store.read(find))


def _download(call: Call, row: t.File) -> web.StreamResponse:
    """The contents, always as a download. Raises Refused when they are gone."""
    path = call.services.blobs.path(row.id)
    if not path.is_file():
        raise not_found("file: its contents are gone")
    shown = row.type if row.type in SHOWN else "application/octet-stream"
    ascii_name = row.name.encode("ascii", "replace").decode().replace('"', "_").replace("\\", "_").replace("?", "_")
    disposition = f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(row.name, safe='')}"
    return web.FileResponse(path, headers={**HEADERS, "Content-Type": shown, "Content-Disposition": disposition})


_E = ("not_found", "origin_refused", "invalid", "too_large", "slow_down", "unavailable")
WEB = "/web/{inbox}/files"

ROUTES = [
    Route("OPTIONS", WEB, "public", preflight, "CORS", status=204, raw=True),
    Route("OPTIONS", WEB + "/{id}", "public", preflight, "CORS", status=204, raw=True),
    Route("POST", WEB, "visitor", visitor_upload, "The visitor uploads a file", answer=m.File, errors=_E, raw=True),
    Route("GET", WEB + "/{id}", "visitor", visitor_download, "The visitor downloads a file", errors=_E, raw=True),
    Route(
        "POST",
        "/api/v1/conversations/{id}/files",
        "agent",
        agent_upload,
        "Upload a file for a reply or note",
        answer=m.File,
        status=201,
        errors=_E,
        raw=True,
    ),
    Route("GET", "/api/v1/files/{id}", "agent", agent_download, "Download a file", errors=("not_found",), raw=True),
]
