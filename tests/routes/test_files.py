"""Files: taken in with caps, named by what their bytes say, given only to whom they belong, never as a page."""

from __future__ import annotations

import io
import os
import time
from typing import Any

import aiohttp
import pytest

from invent_server import timers
from invent_server.conversations.attaching import file_name
from invent_server.store.blobs import Blobs, sniff
from tests.routes.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


async def upload(
    server: Server, token: str, raw: bytes, name: str = "a.png", path: str = "/web/site/files", field: str = "file"
) -> tuple[int, Any]:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field(field, io.BytesIO(raw), filename=name, content_type="text/html")
    return await server.call("POST", path, token, data=form)


async def test_a_file_goes_with_a_message_to_the_agent_and_back(server: Server) -> None:
    visitor = await server.visitor(name="Ana")
    token = visitor["token"]
    status, file = await upload(server, token, PNG, "../../etc/my photo.png")
    assert (status, file["name"], file["type"], file["size"]) == (200, "my photo.png", "image/png", len(PNG))
    await server.call("POST", f"/api/v1/conversations/{visitor['conversation_id']}/takeover", json={})
    body = {"text": "", "client_id": "f1", "attachments": [file["id"]]}
    status, message = await server.call("POST", "/web/site/messages", token, json=body)
    assert status == 201, message
    assert message["attachments"][0]["url"] == f"/web/site/files/{file['id']}"
    status, again = await server.call("POST", "/web/site/messages", token, json=body)
    assert (status, again["id"], again["attachments"]) == (200, message["id"], message["attachments"])
    talk = await server.until(visitor["conversation_id"])
    assert talk["last_message"]["text"] == "📎 my photo.png"
    [seen] = (await server.thread(visitor["conversation_id"]))[-1]["attachments"]
    assert (seen["name"], seen["type"], seen["url"]) == ("my photo.png", "image/png", f"/api/v1/files/{file['id']}")
    for path, who in ((seen["url"], server.admin), (message["attachments"][0]["url"], token)):
        status, raw = await server.call("GET", path, who)
        assert (status, raw) == (200, PNG)
        assert server.last_headers["Content-Disposition"].startswith("attachment;")
        assert server.last_headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in server.last_headers["Content-Security-Policy"]
        assert (await server.call("GET", path, ""))[0] == 401
    stranger = await server.visitor()
    assert (await server.call("GET", message["attachments"][0]["url"], stranger["token"]))[0] == 404
    stolen = {"text": "mine now", "client_id": "f2", "attachments": [file["id"]]}
    assert (await server.call("POST", "/web/site/messages", stranger["token"], json=stolen))[0] == 422


@pytest.mark.parametrize(("raw", "name"), [(HTML, "a.html"), (SVG, "a.svg"), (HTML, "a.png")])
async def test_markup_is_never_served_as_markup(server: Server, raw: bytes, name: str) -> None:
    visitor = await server.visitor()
    status, file = await upload(server, visitor["token"], raw, name)
    assert (status, file["type"]) == (200, "text/plain")
    status, got = await server.call("GET", f"/web/site/files/{file['id']}", visitor["token"])
    assert (status, got) == (200, raw)
    assert server.last_headers["Content-Type"] == "application/octet-stream"
    assert server.last_headers["Content-Disposition"].startswith("attachment;")


async def test_hostile_names_break_no_header(server: Server) -> None:
    visitor = await server.visitor()
    for name in ("\u202egnp.exe", "ñandú 🍋.pdf", "..", " ", "x" * 400 + ".pdf", "<b>.png", "c:/d/e'; a=b.png"):
        status, file = await upload(server, visitor["token"], PNG, name)
        assert status == 200, name
        assert 0 < len(file["name"]) <= 120
        assert not set(file["name"]) & set('"\r\n\u202e/\\<')
        status, _ = await server.call("GET", f"/web/site/files/{file['id']}", visitor["token"])
        assert status == 200
        assert "\n" not in server.last_headers["Content-Disposition"]
    assert file_name('a"\r\nX-Evil: 1/"b\x00.png') == "_b␀.png"


async def test_what_is_not_taken_is_explained(server: Server) -> None:
    visitor = await server.visitor()
    token = visitor["token"]
    limit = server.services.settings.web.max_file
    for raw, field, expected in (
        (b"MZ\x90\0program", "file", (422, "invalid")),
        (b"#!/bin/sh\n", "file", (422, "invalid")),
        (b"", "file", (422, "invalid")),
        (PNG, "other", (422, "invalid")),
        (b"x" * (limit + 1), "file", (413, "too_large")),
    ):
        status, answer = await upload(server, token, raw, field=field)
        assert (status, answer["error"]["code"]) == expected
    status, answer = await server.call("POST", "/web/site/files", token, data=b"no form")
    assert (status, answer["error"]["code"]) == (422, "invalid")
    status, _ = await upload(server, token, b"x" * limit)
    assert status == 200
    assert all(len(path.name) == 32 for path in server.services.blobs.path("xx").parent.parent.glob("??/*"))


async def test_an_agents_file_is_the_visitors_only_when_it_is_sent(server: Server) -> None:
    visitor = await server.visitor()
    token = visitor["token"]
    await server.say(visitor, "a person please")
    path = f"/api/v1/conversations/{visitor['conversation_id']}"
    assert (await server.call("POST", path + "/takeover", json={}))[0] == 200
    status, file = await upload(server, server.admin, b"%PDF-1.7 ...", "invoice.pdf", f"{path}/files")
    assert (status, file["type"]) == (201, "application/pdf")
    assert (await server.call("GET", f"/web/site/files/{file['id']}", token))[0] == 404
    status, note = await upload(server, server.admin, PNG, "secret.png", f"{path}/files")
    body = {"text": "for us", "attachments": [note["id"]]}
    assert (await server.call("POST", path + "/notes", json=body))[0] == 201
    assert (await server.call("GET", f"/web/site/files/{note['id']}", token))[0] == 404, "a note's file is ours"
    body = {"text": "your invoice", "attachments": [file["id"]]}
    status, message = await server.call("POST", path + "/messages", json=body)
    assert (status, message["attachments"][0]["name"]) == (201, "invoice.pdf")
    status, raw = await server.call("GET", f"/web/site/files/{file['id']}", token)
    assert (status, raw) == (200, b"%PDF-1.7 ...")
    _, page = await server.call("GET", "/web/site/messages", token)
    assert page["items"][-1]["attachments"][0]["url"] == f"/web/site/files/{file['id']}"


async def test_erasure_takes_the_contents_too(server: Server) -> None:
    visitor = await server.visitor()
    _, file = await upload(server, visitor["token"], PNG)
    contents = server.services.blobs.path(file["id"])
    assert contents.read_bytes() == PNG
    assert contents.stat().st_mode & 0o777 == 0o600
    status, erased = await server.call("POST", f"/api/v1/customers/{visitor['customer_id']}/erase", json={})
    assert (status, erased["rows"]["file"]) == (200, 1)
    assert not contents.exists()


async def test_what_nobody_sent_goes_after_a_day(server: Server) -> None:
    visitor = await server.visitor()
    _, unsent = await upload(server, visitor["token"], PNG)
    _, sent = await upload(server, visitor["token"], PNG)
    body = {"text": "x", "client_id": "day", "attachments": [sent["id"]]}
    await server.call("POST", "/web/site/messages", visitor["token"], json=body)

    def age(session: Any) -> None:
        session.connection().exec_driver_sql("UPDATE file SET created_at = created_at - 90000000000")

    await server.services.store.write(age)
    await server.services.store.write(lambda session: timers.sweep(session, server.services.settings))
    assert not server.services.blobs.path(unsent["id"]).exists()
    assert server.services.blobs.path(sent["id"]).exists()


async def test_too_many_files_wait(server: Server) -> None:
    from invent_server.limits import Limiter
    from shared.settings import Rate

    visitor = await server.visitor()
    before = server.services.visitor_files
    server.services.visitor_files = Limiter(Rate(1, 60.0))
    try:
        assert (await upload(server, visitor["token"], PNG))[0] == 200
        assert (await upload(server, visitor["token"], PNG))[0] == 429
    finally:
        server.services.visitor_files = before


async def test_strays_of_a_crash_are_removed(tmp_path: Any) -> None:
    blobs = Blobs(tmp_path)
    for name in ("aakept", "aastray", "aayoung"):
        blobs.path(name).parent.mkdir(exist_ok=True)
        blobs.path(name).write_bytes(b"x")
    old = time.time() - 7200
    os.utime(blobs.path("aakept"), (old, old))
    os.utime(blobs.path("aastray"), (old, old))
    blobs.tidy({"aakept"})
    assert sorted(path.name for path in tmp_path.glob("??/*")) == ["aakept", "aayoung"]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"PK\x03\x04....word/document.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"PK\x03\x04other", "application/zip"),
        ("año".encode(), "text/plain"),
        ("añ".encode()[:2], "text/plain"),
        (b"\x00\x01\x02", "application/octet-stream"),
        (b"\xfe\xfe\xfe\xfe\xfe\xfe\xfe", "application/octet-stream"),
    ],
)
async def test_types_are_what_the_bytes_say(head: bytes, expected: str) -> None:
    assert sniff(head) == expected
