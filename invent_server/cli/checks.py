"""What `invent doctor` looks at. Each check says what it found and, if something is wrong, the command that mends it.

Nothing is changed, made or started by looking.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from invent_server.cli.api import Api, connect, load_settings
from invent_server.cli.output import Failed, count
from invent_server.lock import ADDRESS, live_server
from invent_server.store.database import sqlite_path
from invent_server.store.errors import StoreError
from invent_server.store.migrate import HEAD
from invent_server.store.secrets import load_secrets
from shared.settings import Settings

OK: Literal["ok"] = "ok"
NOTE: Literal["note"] = "note"
WRONG: Literal["wrong"] = "wrong"
LITTLE = 500_000_000
"""Free bytes on the disk below which a note is due."""
CHECKED = 500_000_000
"""Largest SQLite file, in bytes, that is read through."""


class Finding(NamedTuple):
    name: str
    state: Literal["ok", "note", "wrong"]
    text: str
    remedy: str = ""


def check(server: str | None) -> list[Finding]:
    """Everything, from the settings up; of a `server` elsewhere only what it tells itself."""
    if server is not None:
        return asyncio.run(_server(server))
    try:
        settings = load_settings()
    except Failed as error:
        return [Finding("settings", WRONG, str(error), "mend that setting, or remove it")]
    found = [*_directory(settings.data_dir), *_database(settings), *_secret_key(settings)]
    url = live_server(settings.data_dir)
    if url is not None:
        return found + asyncio.run(_server(url))
    if (settings.data_dir / ADDRESS).exists():
        gone = "the last one ended without stopping: it was killed, or the machine was"
        return [*found, Finding("server", WRONG, gone, "invent serve")]
    return [*found, Finding("server", NOTE, "none runs on this directory", "invent up, or invent serve")]


def _directory(folder: Path) -> Iterator[Finding]:
    name = "data directory"
    if not folder.exists():
        yield Finding(name, NOTE, f"{folder} does not exist yet", "invent up (makes it), or set INVENT_DATA_DIR")
        return
    if not folder.is_dir():
        yield Finding(name, WRONG, f"{folder} is no folder", "set INVENT_DATA_DIR to another")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(name, WRONG, f"{folder} cannot be written", f"chown -R $(id -un) {folder}")
        return
    if folder.stat().st_mode & 0o077:
        yield Finding(name, NOTE, f"{folder} can be read by other users", f"chmod 700 {folder}")
    else:
        yield Finding(name, OK, str(folder))
    free = shutil.disk_usage(folder).free
    if free < LITTLE:
        yield Finding("disk", NOTE, f"{free // 1_000_000} MB are free", "make room, or move the data directory")


def _database(settings: Settings) -> Iterator[Finding]:
    url = settings.database.url
    if url.startswith(("postgresql", "postgres")):
        yield _postgres(url)
        return
    path = sqlite_path(settings)
    if not path.exists():
        yield Finding("database", NOTE, f"{path} does not exist yet", "invent up, or invent migrate")
        return
    size = path.stat().st_size
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            revision = database.execute("SELECT version_num FROM alembic_version").fetchone()
            broken = "ok" if size > CHECKED else database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        yield Finding("database", WRONG, f"{path}: {error}", "put a copy of it back, or move the file away")
        return
    if broken != "ok":
        yield Finding("database", WRONG, f"{path} is damaged: {broken}", "put a copy of it back")
    else:
        yield _revision(f"{path}, {size / 1e6:.1f} MB", revision[0] if revision else None)


def _postgres(url: str) -> Finding:
    import psycopg

    place = url.rsplit("@", 1)[-1]
    try:
        with psycopg.connect("postgresql://" + url.split("://", 1)[1], connect_timeout=5) as database:
            revision = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return Finding("database", NOTE, f"PostgreSQL at {place} is empty", "invent migrate")
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        return Finding("database", WRONG, f"PostgreSQL at {place}: {reason}", "start it, or mend INVENT_DATABASE_URL")
    return _revision(f"PostgreSQL at {place}", revision[0] if revision else None)


def _revision(where: str, revision: str | None) -> Finding:
    if revision == HEAD:
        return Finding("database", OK, where)
    if revision is None or revision < HEAD:
        return Finding("database", WRONG, f"{where} is of an older version ({revision})", "invent migrate")
    return Finding("database", WRONG, f"{where} was made by a newer Invent ({revision})", "update Invent")


def _secret_key(settings: Settings) -> Iterator[Finding]:
    """Is there a key, and does it open what is stored?"""
    name, path = "secret key", settings.data_dir / "secret.key"
    given = bool(os.environ.get("INVENT_SECRET_KEY"))
    if not given and not path.exists():
        yield Finding(name, NOTE, f"{path} does not exist yet", "invent up (makes it), or set INVENT_SECRET_KEY")
        return
    if not given and path.stat().st_mode & 0o077:
        yield Finding(name, WRONG, f"{path} can be read by other users", f"chmod 600 {path}")
    try:
        secrets = load_secrets(settings.data_dir)
        for stored in _stored_settings(settings):
            secrets.reveal(stored, list(stored))
    except StoreError as error:
        yield Finding(name, WRONG, str(error), "invent channels configure NAME --set KEY=-")
    except OSError as error:
        yield Finding(name, WRONG, f"{path} cannot be read: {error.strerror}", f"chown $(id -un) {path}")
    else:
        yield Finding(name, OK, "INVENT_SECRET_KEY" if given else str(path))


def _stored_settings(settings: Settings) -> list[dict[str, Any]]:
    """The settings of each channel, as stored; empty where there is no SQLite database to look into."""
    import json

    path = sqlite_path(settings)
    if settings.database.url.startswith("postgres") or not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            return [json.loads(row[0]) for row in database.execute("SELECT settings FROM inbox")]
    except (sqlite3.Error, ValueError):
        return []  # the check of the database says what is wrong


async def _server(url: str) -> list[Finding]:
    try:
        async with connect(url) as api:
            ready = await api.parts()
            found = [Finding("server", OK, api.base)]
            for part, well in sorted(ready.items()):
                if not well:
                    found.append(_part(part))
            if ready.get("index"):
                found.append(Finding("index", OK, "answers"))
                found.append(_vectors(await api.vectors()))
            me = await api.get("/api/v1/me")
            found.append(_engine(me["engine"], await _model(api)))
            return [*found, *await _ssh(api, me), *await _content(api)]
    except Failed as error:
        return [Finding("server", WRONG, str(error), "invent serve; or give your token with INVENT_TOKEN")]


async def _ssh(api: Api, me: dict[str, Any]) -> list[Finding]:
    """Is the inbox open over ssh, and for whom? Only admins may ask that."""
    port, host = me["ssh_port"], urlsplit(api.base).hostname
    if not port:
        return [Finding("ssh", NOTE, "off: no port is wanted, or it was in use", "invent serve --ssh-port 2222")]
    if me["agent"]["role"] != "admin":
        return [Finding("ssh", OK, f"port {port}")]
    names = [one["name"] for one in await api.all("/api/v1/agents") if not one["disabled"]]
    with_key = [name for name in names if await api.all(f"/api/v1/agents/{name}/keys")]
    if not with_key:
        text = f"port {port} is open, and nobody has a key"
        return [Finding("ssh", NOTE, text, f"invent agents key {names[0]} add ~/.ssh/id_ed25519.pub")]
    people = count(len(with_key), "agent has a key", "agents have a key")
    return [Finding("ssh", OK, f"ssh -p {port} {with_key[0]}@{host} ({people})")]


def _part(part: str) -> Finding:
    if part == "index":
        text = "the index process does not answer (yet): customers are handed to people meanwhile"
        return Finding("index", WRONG, text, "wait a minute; then see the server's log, and invent reindex --all")
    return Finding(part, WRONG, "is not ready", "see the server's log; stop it and run invent serve")


def _vectors(state: dict[str, Any]) -> Finding:
    if problem := state.get("problem"):
        text = f"{problem}; searches go by words alone"
        return Finding("vectors", WRONG, text, "mend that; see models.embed, index.onnx and index.chroma")
    if not state.get("model"):
        return Finding("vectors", NOTE, "none: searches go by words alone", "invent models pull minilm")
    if not state.get("ready"):
        text = f"{state['model']}: {state['done']} of {state['total']} passages; searches go by words meanwhile"
        return Finding("vectors", NOTE, text)
    return Finding("vectors", OK, f"{state['model']}, {count(state['done'], 'passage')}")


async def _model(api: Api) -> dict[str, Any]:
    """What the server knows of its model; empty for those who may not ask."""
    try:
        found: dict[str, Any] = await api.get("/api/v1/models")
    except Failed:
        return {}
    return found


def _engine(engine: str, model: dict[str, Any]) -> Finding:
    if engine != "extractive":
        return Finding("engine", OK, f"{engine}: answers are written from your knowledge and cite it")
    text = "extractive: answers quote your knowledge with their source"
    if model.get("chat"):
        return Finding(
            "engine", NOTE, f"{text}; {model['chat']} is not ready: {model['problem']}", "invent models list"
        )
    return Finding("engine", OK, f"{text}; no model is in use")


async def _content(api: Api) -> list[Finding]:
    found: list[Finding] = []
    pages = await api.all("/api/v1/knowledge/pages", limit=500)
    failed = sum(page["status"] == "failed" for page in pages)
    if not pages:
        found.append(
            Finding("knowledge", NOTE, "empty: every question goes to a person", "invent knowledge add FILE...")
        )
    elif failed:
        text = f"{count(failed, 'page')} of {len(pages)} could not be read"
        found.append(Finding("knowledge", WRONG, text, "invent knowledge stats (names them)"))
    else:
        found.append(Finding("knowledge", OK, count(len(pages), "page")))
    channels = await api.all("/api/v1/channels")
    if not any(one["enabled"] for one in channels):
        found.append(Finding("channels", NOTE, "none is open: nobody can write", "invent channels add web NAME"))
    else:
        names = ", ".join(f"{one['name']} ({one['kind']})" for one in channels if one["enabled"])
        found.append(Finding("channels", OK, names))
    notices = await api.all("/api/v1/notices")
    if notices:
        text = f"{count(len(notices), 'thing needs', 'things need')} a person"
        found.append(Finding("notices", NOTE, text, "invent notices"))
    return found
