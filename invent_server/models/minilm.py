"""all-MiniLM-L6-v2 for the index process: fetched when somebody asks for it, checked, then put in its place whole."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath

import httpx

from invent_server.models.errors import ModelAway, ModelBroken, ModelSlow
from shared.settings import Models

NAME = "minilm"
ARCHIVE = "onnx.tar.gz"
LARGEST = 512 * 1024 * 1024
"""Bytes of the archive, and of what it holds."""
_NEEDED = ("model.onnx", "tokenizer.json")
_WANTED = (*_NEEDED, "config.json", "special_tokens_map.json", "tokenizer_config.json", "vocab.txt")

Told = Callable[[str, int, int], Awaitable[None]]


def folder(data_dir: Path) -> Path:
    """Where the model lies in a data directory."""
    return data_dir / "models" / NAME


async def fetch(settings: Models, target: Path, told: Told) -> None:
    """Fetch the archive below `models.minilm_url` and put its files into `target`. Raises ModelError.

    `told(status, bytes done, bytes in all)` hears how far it is. What lies in `target` stays until all is there.
    """
    url = f"{settings.minilm_url.rstrip('/')}/{ARCHIVE}"
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as scratch:
        archive = Path(scratch) / ARCHIVE
        found = await _download(url, archive, settings, told)
        if settings.minilm_digest and found != settings.minilm_digest:
            raise ModelBroken(
                f"what {url} sends has the digest {found[:12]}…, not {settings.minilm_digest[:12]}…; nothing was kept"
            )
        await told("unpacking", 0, 0)
        await asyncio.to_thread(_unpack, archive, Path(scratch) / NAME)
        await asyncio.to_thread(_put, Path(scratch) / NAME, target, Path(scratch) / "old")


async def _download(url: str, archive: Path, settings: Models, told: Told) -> str:
    """The digest of what was fetched."""
    digest = hashlib.sha256()
    done = 0
    try:
        async with httpx.AsyncClient(
            timeout=httpx.Timeout(settings.first, connect=settings.connect), follow_redirects=True, max_redirects=3
        ) as client, client.stream("GET", url) as answer:  # fmt: skip
            if answer.status_code != 200:
                raise ModelAway(f"{url} answers {answer.status_code}; another place can be set as models.minilm_url")
            length = answer.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else 0
            with archive.open("wb") as file:
                async for part in answer.aiter_bytes():
                    done += len(part)
                    if done > LARGEST:
                        raise ModelBroken(f"what {url} sends is larger than {LARGEST >> 20} MiB")
                    digest.update(part)
                    await asyncio.to_thread(file.write, part)
                    await told("fetching", done, max(total, done))
    except httpx.TimeoutException:
        raise ModelSlow(f"{url} fell silent") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ModelAway(f"{url} cannot be fetched ({type(error).__name__})") from None
    except OSError as error:
        raise ModelBroken(f"{archive.parent} cannot be written: {error.strerror}") from None
    return digest.hexdigest()


def _unpack(archive: Path, into: Path) -> None:
    """The files that are wanted, whatever folder of the archive they stand in; nothing else of it is written."""
    into.mkdir()
    try:
        with tarfile.open(archive) as packed:
            left = LARGEST
            for member in packed:
                name = PurePosixPath(member.name).name
                left -= max(member.size, 0)
                if left < 0:
                    raise ModelBroken(f"the archive holds more than {LARGEST >> 20} MiB")
                source = packed.extractfile(member) if member.isfile() and name in _WANTED else None
                if source is not None:
                    with source, (into / name).open("wb") as file:
                        shutil.copyfileobj(source, file)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ModelBroken(f"the archive cannot be unpacked ({error})") from None
    if missing := [name for name in _NEEDED if not (into / name).is_file()]:
        raise ModelBroken(f"the archive lacks {', '.join(missing)}")


def _put(new: Path, target: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    new.rename(target)
