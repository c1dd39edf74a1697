"""The index's folder: one owner, a state file that is never half written, nothing foreign in it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import orjson

from invent_server.knowledge.index.child.engine import SCHEMA_VERSION, Engine

_STATE = "state.json"
_LOCK = "lock"
_ENGINE = "tantivy"
_TABLES = ("assistant/synonyms.toml", "assistant/words.toml")


class FolderTaken(Exception):
    """Another process owns the folder."""


def schema() -> str:
    """What an index must have been written with to be read: code, tables of words, engine."""
    digest = hashlib.blake2b(digest_size=6)
    for name in _TABLES:
        digest.update(resources.files("config").joinpath(name).read_bytes())
    return f"{SCHEMA_VERSION}-{digest.hexdigest()}-{version('tantivy')}"


@dataclass(slots=True)
class Opened:
    """An engine over the folder; `revision` of its contents, None when it is empty and wants to be filled."""

    engine: Engine
    revision: int | None


class Folder:
    """Holds the lock until `release` or the end of the process. Raises FolderTaken, OSError."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            raise FolderTaken(f"the index in {path} is in use by another process (pid {owner})") from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)

    def open(self) -> tuple[Opened, str | None]:
        """The engine, and why what lay there was thrown away (None: it was kept, or there was nothing)."""
        reason = self._unusable()
        if reason is None:
            try:
                return Opened(Engine(self._engine_path()), self._revision()), None
            except (ValueError, OSError, SystemError) as error:
                reason = f"the index cannot be read ({str(error).splitlines()[0][:200] if str(error) else error!r})"
        fresh = not (self.path / _STATE).exists() and not (self.path / _ENGINE).exists()
        self.wipe()
        self._write_state(None)
        return Opened(Engine(self._engine_path()), None), None if fresh else reason

    def save(self, revision: int | None) -> None:
        """Remember what the last commit holds. Call after the engine's commit: on a crash between, work is redone."""
        self._write_state(revision)

    def wipe(self) -> None:
        """Remove the index, and nothing else."""
        (self.path / _STATE).unlink(missing_ok=True)
        shutil.rmtree(self.path / _ENGINE, ignore_errors=True)

    def _engine_path(self) -> Path:
        path = self.path / _ENGINE
        path.mkdir(exist_ok=True, mode=0o700)
        return path

    def _state(self) -> dict[str, object]:
        try:
            state = orjson.loads((self.path / _STATE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return state if isinstance(state, dict) else {}

    def _unusable(self) -> str | None:
        written = self._state().get("schema")
        if written == schema():
            return None
        return f"the index was written as {written or 'something else'}, this version reads {schema()}"

    def _revision(self) -> int | None:
        revision = self._state().get("revision")
        return revision if isinstance(revision, int) else None

    def _write_state(self, revision: int | None) -> None:
        target = self.path / _STATE
        draft = target.with_suffix(".new")
        with draft.open("wb") as file:
            file.write(orjson.dumps({"schema": schema(), "revision": revision}))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
