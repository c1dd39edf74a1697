"""Who holds a data directory: one server at a time, and where it listens. Light: every command asks this first."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

LOCK, ADDRESS = "server.lock", "server.json"


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


class DirectoryLock:
    """The data directory belongs to one server at a time (flock: it ends with the process, whatever happens)."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / LOCK
        self._file: int | None = None

    def __enter__(self) -> DirectoryLock:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            assert self._file is not None
            os.close(self._file)
            raise StartError(
                f"another Invent server uses {self._path.parent}; stop it, or name another with INVENT_DATA_DIR"
            ) from None
        except OSError as error:
            raise StartError(
                f"the data directory {self._path.parent} cannot be used: {error.strerror};"
                " name another with INVENT_DATA_DIR"
            ) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)


def live_server(data_dir: Path) -> str | None:
    """The address of the server that holds this directory now; None if there is none."""
    if not (data_dir / ADDRESS).exists():
        return None
    try:
        with DirectoryLock(data_dir):
            return None
    except StartError:
        pass
    import orjson

    try:
        address = orjson.loads((data_dir / ADDRESS).read_bytes())
        os.kill(int(address["pid"]), 0)
    except PermissionError:
        pass  # it lives, under another user
    except (OSError, ValueError, KeyError, TypeError):
        return None  # left behind by a killed server; a single command holds the directory right now
    url: str = address["url"]
    return url
