"""What `invent doctor` looks at. Each check says what it found and, if something is wrong, the command that mends it.

Nothing is changed, made or started by looking.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from invent_server.cli.api import load_settings
from invent_server.cli.checks_live import look
from invent_server.cli.finding import NOTE, OK, WRONG, Finding
from invent_server.cli.output import Failed, count
from invent_server.lock import ADDRESS, live_server
from invent_server.store.database import sqlite_path
from invent_server.store.errors import StoreError
from invent_server.store.migrate import HEAD
from invent_server.store.secrets import load_secrets
from shared.settings import Settings

PRIVATE = ("secret.key", "admin-token", "ssh_host_*_key", "*.db", "config.toml", "service.env", "chat/*.token")
BACKED_UP = "last-backup"
FRESH = 7.0
"""Days after which a backup is old."""
BEHIND = 120.0
"""Seconds that data may be newer than the clock."""
LITTLE = 500_000_000
"""Free bytes on the disk below which a note is due."""
CHECKED = 500_000_000
"""Largest SQLite file, in bytes, that is read through."""


def check(server: str | None, measure: bool = True) -> list[Finding]:
    """Everything, from the settings up; of a `server` elsewhere only what it tells itself.

    `measure`: ask the model something, to see how fast it is.
    """
    if server is not None:
        return asyncio.run(look(server, None, measure))
    try:
        settings = load_settings()
    except Failed as error:
        return [Finding("settings", WRONG, str(error), "mend that setting, or remove it")]
    folder = settings.data_dir
    found = [*_directory(folder), *_modes(folder), *_database(settings), *_secret_key(settings)]
    found += [*_clock(folder), *_backup(settings)]
    url = live_server(folder)
    if url is not None:
        return found + asyncio.run(look(url, settings, measure))
    if (folder / ADDRESS).exists():
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
    else:
        yield Finding("disk", OK, f"{free / 1e9:.0f} GB are free")


def _modes(folder: Path) -> Iterator[Finding]:
    """Files with secrets or customers' words belong to their owner alone."""
    files = [path for pattern in PRIVATE for path in sorted(folder.glob(pattern)) if path.is_file()]
    open_ = [path for path in files if path.stat().st_mode & 0o077]
    for path in open_:
        yield Finding("file modes", WRONG, f"{path} can be read by other users", f"chmod 600 {path}")
    if files and not open_:
        yield Finding(
            "file modes", OK, f"{count(len(files), 'private file is', 'private files are')} the owner's alone"
        )


def _clock(folder: Path) -> Iterator[Finding]:
    """Is the clock right? Times order what customers wrote."""
    newest = max((path.stat().st_mtime for path in folder.glob("*.db*")), default=0.0)
    ahead = newest - time.time()
    if ahead > BEHIND:
        text = f"it stands {round(ahead)} s before the newest data: it was put back"
        yield Finding("clock", WRONG, text, "timedatectl set-ntp true")
    elif shutil.which("timedatectl") and _timedatectl() == "no":
        yield Finding("clock", NOTE, "nothing keeps it right", "timedatectl set-ntp true")
    elif newest:
        yield Finding("clock", OK, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"))


def _timedatectl() -> str:
    """`yes` or `no`: is the clock kept by NTP? Empty where the system does not say."""
    command = ["timedatectl", "show", "-p", "NTPSynchronized", "--value"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=3, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _backup(settings: Settings) -> Iterator[Finding]:
    """When was a copy last made? Whoever makes one touches the file that says so (docs/operators.md)."""
    folder = settings.data_dir
    if not sqlite_path(settings).exists() and not settings.database.url.startswith("postgres"):
        return
    mark = folder / BACKED_UP
    remedy = f"docs/operators.md, Backup; afterwards: touch {mark}"
    if not mark.exists():
        yield Finding("backup", NOTE, "none is recorded", remedy)
        return
    days = (time.time() - mark.stat().st_mtime) / 86400
    state = OK if days <= FRESH else NOTE
    yield Finding("backup", state, f"the last is {days:.0f} days old", "" if state == OK else remedy)


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
        return Finding("database", OK, f"{where}, version {revision}")
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
