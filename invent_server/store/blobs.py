"""Contents of files, under DATA_DIR/files by random names; what each one is stands in the table `file`.

A file's type is what its bytes say, never what its sender says. Nothing here is ever opened, only kept and given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from invent_server.store.session import Hints
from shared.ids import secret

HEAD = 4096
KEEP_FREE = 256 * 1024 * 1024
"""Bytes that stay free on the disk: a full one would stop the database."""
UNCLAIMED = 3600.0
"""Seconds after which contents without a row are left over from a crash."""

OTHER = "application/octet-stream"
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (8, b"WAVE", "audio/wav"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"\xd0\xcf\x11\xe0", "application/x-ole-storage"),
    (0, b"{\\rtf", "application/rtf"),
)
_PROGRAMS = (  # Windows, Linux, macOS (three), scripts, Windows links
    b"MZ",
    b"\x7fELF",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"#!",
    b"L\0\0\0\1\x14\2",
)
_OFFICE = {
    b"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}


class TooLarge(Exception):
    """More bytes than allowed."""


class NoRoom(Exception):
    """The disk is nearly full."""


class Program(Exception):
    """Something that a machine would run."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored contents: the random name, how many bytes, and what they are."""

    id: str
    size: int
    type: str


def sniff(head: bytes) -> str:
    """The type that the first bytes say; markup is text, unknown things are `application/octet-stream`."""
    if head.startswith(b"PK\x03\x04"):
        return next((type_ for mark, type_ in _OFFICE.items() if mark in head), "application/zip")
    for at, mark, type_ in _SIGNATURES:
        if head.startswith(mark, at):
            return type_
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not just a character cut in two at the end
            return OTHER
        text = head[: error.start].decode()
    return OTHER if any(c < " " and c not in "\t\n\r\f\x1b" for c in text) else "text/plain"


class Blobs:
    """The folder with the contents."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, blob_id: str) -> Path:
        return self._folder / blob_id[:2] / blob_id

    async def save(self, chunks: AsyncIterator[bytes], limit: int) -> Blob:
        """Keep what comes, at most `limit` bytes, safe on disk. Raises TooLarge, NoRoom, Program."""
        blob_id = secret(24).replace("-", "x").replace("_", "y")
        path = self.path(blob_id)
        size, head = 0, b""
        file = await asyncio.to_thread(self._create, path, limit)
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise TooLarge
                head += chunk[: HEAD - len(head)]
                await asyncio.to_thread(file.write, chunk)
            if head.startswith(_PROGRAMS):
                raise Program
            await asyncio.to_thread(_finish, file)
        except BaseException:
            file.close()
            path.unlink(missing_ok=True)
            raise
        return Blob(blob_id, size, sniff(head))

    def _create(self, path: Path, limit: int) -> FileIO:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < KEEP_FREE + limit:
            raise NoRoom
        return FileIO(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600))

    def committed(self, hints: Hints, events: bool) -> None:
        """Rows are gone, and so are their contents."""
        for blob_id in hints.blobs:
            self.path(blob_id).unlink(missing_ok=True)

    def tidy(self, known: Collection[str]) -> None:
        """Remove contents of which no row knows, left over from a crash."""
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(OSError):
                if path.name not in known and time.time() - path.stat().st_mtime > UNCLAIMED:
                    path.unlink()


def _finish(file: FileIO) -> None:
    os.fsync(file.fileno())
    file.close()
