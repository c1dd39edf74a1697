"""A server whose disk fills up and is freed again; run in a mount namespace of its own, prints what it saw as JSON.

unshare -m python -m tests.support.full_disk FOLDER
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.app import App, serving
from tests.support.clients import Visitor
from tests.support.databases import Database
from tests.support.parts import until
from tests.support.responders import Scripted

SIZE = "16m"
TEXT = "x" * 4000


async def post(app: App, visitor: Visitor, key: str) -> tuple[int, str | None]:
    """Status and Retry-After of one message."""
    body = {"text": TEXT, "client_id": key}
    headers = {"Authorization": f"Bearer {visitor.token}"}
    async with app.session.post(f"{app.url}/web/site/messages", json=body, headers=headers) as answer:
        await answer.read()
        return answer.status, answer.headers.get("Retry-After")


async def run(folder: Path) -> dict[str, Any]:
    seen: dict[str, Any] = {"acked": 0, "refused": 0, "others": [], "without_retry_after": 0, "reads_failed": 0}
    acked: set[str] = set()
    database = Database("sqlite", folder)
    async with serving(database, Scripted()) as app:
        await app.inbox()
        visitors = [await Visitor.come(app, name=f"v{i}") for i in range(8)]

        async def burst(name: str, count: int) -> None:
            keys = [f"{name}-{number}" for number in range(count)]
            results = await asyncio.gather(*(post(app, visitors[i % 8], key) for i, key in enumerate(keys)))
            for key, (status, retry_after) in zip(keys, results, strict=True):
                if status == 201:
                    acked.add(key)
                elif status == 503:
                    seen["refused"] += 1
                    seen["without_retry_after"] += retry_after is None
                else:
                    seen["others"].append(status)

        await burst("before", 40)
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
        for number in range(12):
            await burst(f"full{number}", 40)
            status, _ = await app.call("GET", "/api/v1/conversations")
            seen["reads_failed"] += status != 200
            if seen["refused"] > 100:
                break
        seen["acked_while_full"] = sum(key.startswith("full") for key in acked)
        ballast.unlink()
        freed = time.monotonic()

        async def taken() -> bool:
            return (await post(app, visitors[0], "after"))[0] in (200, 201)

        await until(taken, 60)
        seen["recovered_s"] = round(time.monotonic() - freed, 2)
        await burst("later", 40)

        async def unanswered() -> int:
            _, page = await app.call("GET", "/api/v1/conversations")
            return sum(talk["last_message"]["author"]["kind"] == "customer" for talk in page["items"])

        async def all_answered() -> bool:
            return await unanswered() == 0

        with contextlib.suppress(TimeoutError):
            await until(all_answered, 10)
        seen["unanswered"] = await unanswered()
    with contextlib.closing(sqlite3.connect(folder / "invent.db")) as connection:
        stored = {row[0] for row in connection.execute("SELECT client_id FROM message WHERE author_kind = 'customer'")}
        seen["integrity"] = connection.execute("PRAGMA integrity_check").fetchone()[0]
    seen["acked"] = len(acked)
    seen["lost"] = len(acked - stored)
    seen["stored_unacked"] = len(stored - acked - {"after"})
    return seen


if __name__ == "__main__":
    place = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], check=True)
    print(json.dumps(asyncio.run(run(place))))
