"""`kill -9` under load, again and again: is anything acknowledged lost, anything doubled, any doubt hidden?

`python -m tests.bench.kill [--runs 100] [--seed 1] [--control blind|loss]` starts the real server on one data
directory, writes as visitors of the web and through the signed webhook of an `api` channel (each message is repeated
with the same id until it is acknowledged), lets an agent reply on both (each reply is repeated with its
Idempotency-Key), kills the server at a random moment, starts it again, and so on. A stand-in records what the channel
was sent. After each restart everything that was being sent must be `uncertain` and among the notices; at the end
acknowledgements, rows and deliveries are compared. One JSON line.

`--control blind` sends again what a dead server was sending: it must show doubles. `--control loss` acknowledges before
it has stored: it must show losses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.databases import forget_templates, fresh
from tests.support.receiver import SECRET, Delivery, Receiver, receiving, signed
from tests.support.server import Server

VISITORS = 8
CUSTOMERS = 8


@dataclass
class Run:
    """What the world outside knows."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """Our id of a message -> the id that the server gave it."""
    contradictions: int = 0
    """Acknowledged twice under different ids."""
    replies: dict[str, str] = field(default_factory=dict)
    """Text of an agent's reply that was acknowledged -> its id."""
    doubts: list[float] = field(default_factory=list)
    """For each restart that found sends without an end: seconds until the notices showed all of them."""
    restarts: list[float] = field(default_factory=list)
    url: str = ""


async def measure(runs: int, seed: int, control: str) -> dict[str, Any]:
    rng = random.Random(seed)
    run = Run()
    with fresh("sqlite") as database:
        async with receiving() as receiver:
            server = Server(database, "tests.support.careless" if control == "loss" else "invent_server.cli.main")
            run.url = await server.start()
            admin = (database.folder / "admin-token").read_text("utf-8").strip()
            connector = aiohttp.TCPConnector(limit=0)
            timeout = aiohttp.ClientTimeout(total=5)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
                await _channels(session, run, admin, receiver)
                receiver.answer = _slowly(random.Random(seed + 1))
                stop = asyncio.Event()
                workers = [
                    asyncio.get_running_loop().create_task(work)
                    for work in (
                        *(_visitor(session, run, number, stop) for number in range(VISITORS)),
                        *(_customer(session, run, number, stop) for number in range(CUSTOMERS)),
                        _agent(session, run, admin, stop, random.Random(seed + 2)),
                    )
                ]
                for _ in range(runs):
                    await asyncio.sleep(rng.uniform(0.3, 2.0))
                    server.kill()
                    doubtful = _being_sent(database.folder)
                    if control == "blind":
                        _blindly_again(database.folder)
                    began = time.monotonic()
                    run.url = await server.start()
                    run.restarts.append(time.monotonic() - began)
                    if doubtful and not control:
                        await _shown(session, run, admin, doubtful, began)
                await asyncio.sleep(2)
                stop.set()
                await asyncio.gather(*workers)
                notices = await _settled(session, run, admin, database.folder)
            server.kill()
            return _verdict(run, receiver, database.folder, notices, runs, seed, control)


async def _call(
    session: aiohttp.ClientSession, run: Run, method: str, path: str, token: str, body: Any, **more: str
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", **more}
    async with session.request(method, run.url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def _channels(session: aiohttp.ClientSession, run: Run, admin: str, receiver: Receiver) -> None:
    for body in (
        {"kind": "web", "name": "site"},
        {"kind": "api", "name": "outside", "settings": {"webhook_secret": SECRET, "callback_url": receiver.url}},
    ):
        status, made = await _call(session, run, "POST", "/api/v1/channels", admin, body)
        assert status == 201, made


def _being_sent(folder: Path) -> set[str]:
    """Messages whose sending had begun when the server died."""
    with sqlite3.connect(folder / "invent.db") as database:
        found = database.execute("SELECT message_id FROM outbox WHERE state = 'sending' AND token <> message_id")
        return {row[0] for row in found}


async def _shown(session: aiohttp.ClientSession, run: Run, admin: str, doubtful: set[str], began: float) -> None:
    """Wait until the notices show all of `doubtful`; gives up after 20 seconds."""
    while time.monotonic() - began < 20:
        try:
            _, page = await _call(session, run, "GET", "/api/v1/notices", admin, None)
        except (aiohttp.ClientError, TimeoutError, OSError):
            continue
        if doubtful <= {notice["message_id"] for notice in page["items"] if notice["kind"] == "uncertain"}:
            break
        await asyncio.sleep(0.05)
    run.doubts.append(time.monotonic() - began)


def _slowly(rng: random.Random) -> Any:
    async def answer(delivery: Delivery) -> int:
        await asyncio.sleep(rng.choice([0, 0, 0.01, 0.05, 0.2, 0.4]))
        return rng.choice([200, 200, 200, 200, 503])

    return answer


async def _until_taken(work: Any, stop: asyncio.Event) -> Any:
    """Repeat a request until it is answered, as a browser or a platform does; None when the bench ends."""
    while True:
        try:
            return await work()
        except (aiohttp.ClientError, TimeoutError, OSError):
            if stop.is_set():
                return None
            await asyncio.sleep(0.03)


def _note(run: Run, ours: str, theirs: str) -> None:
    if run.acknowledged.setdefault(ours, theirs) != theirs:
        run.contradictions += 1


async def _visitor(session: aiohttp.ClientSession, run: Run, number: int, stop: asyncio.Event) -> None:
    begun = await _until_taken(lambda: _call(session, run, "POST", "/web/site/session", "none", {}), stop)
    token, count = begun[1]["token"], 0
    while not stop.is_set():
        count += 1
        body = {"text": f"visitor {number} line {count}", "client_id": f"v{number}-{count}"}
        taken = await _until_taken(lambda b=body: _call(session, run, "POST", "/web/site/messages", token, b), stop)
        if taken is not None and taken[0] in (200, 201):
            _note(run, body["client_id"], taken[1]["id"])
            if count % 5 == 0:  # the acknowledgement is lost on its way: it is sent once more
                again = await _until_taken(
                    lambda b=body: _call(session, run, "POST", "/web/site/messages", token, b), stop
                )
                if again is not None:
                    _note(run, body["client_id"], again[1]["id"])
        await asyncio.sleep(0.01)


async def _customer(session: aiohttp.ClientSession, run: Run, number: int, stop: asyncio.Event) -> None:
    count = 0
    while not stop.is_set():
        count += 1
        key = f"a{number}-{count}"
        customer = {"id": f"customer-{number}", "name": f"Customer {number}"}
        body = {"type": "message", "id": key, "customer": customer, "text": f"customer {number} line {count}"}

        async def post(body: dict[str, Any] = body) -> int:
            raw, headers = signed(body)
            async with session.post(run.url + "/webhooks/api/outside", data=raw, headers=headers) as answer:
                return answer.status

        if await _until_taken(post, stop) == 200:
            run.acknowledged[key] = key
        await asyncio.sleep(0.1 + number * 0.06)  # slow enough for the assistant to answer in between


async def _agent(session: aiohttp.ClientSession, run: Run, admin: str, stop: asyncio.Event, rng: random.Random) -> None:
    """Takes over chats, replies (again with the same key, until it is acknowledged), hands some of them back."""
    count = 0
    while not stop.is_set():
        try:
            kind = rng.choice(["api", "api", "web"])
            where = f"/api/v1/conversations?filter=channel:{kind}&limit=50"
            _, page = await _call(session, run, "GET", where, admin, None)
            for talk in rng.sample(page["items"], min(3, len(page["items"]))):
                path = f"/api/v1/conversations/{talk['id']}"
                await _call(session, run, "POST", path + "/takeover", admin, {})
                count += 1
                text = f"reply {count}"

                async def reply(path: str = path, text: str = text) -> tuple[int, Any]:
                    keyed = {"Idempotency-Key": text}
                    return await _call(session, run, "POST", path + "/messages", admin, {"text": text}, **keyed)

                taken = await _until_taken(reply, stop)
                if (
                    taken is not None
                    and taken[0] == 201
                    and run.replies.setdefault(text, taken[1]["id"]) != taken[1]["id"]
                ):
                    run.contradictions += 1
                if rng.random() < 0.5:
                    await _call(session, run, "POST", path + "/handback", admin, {})
        except (aiohttp.ClientError, TimeoutError, OSError):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.02)


def _blindly_again(folder: Path) -> None:
    """The control: what a dead server was sending is simply queued again."""
    with sqlite3.connect(folder / "invent.db") as database:
        database.execute(
            "UPDATE outbox SET state = 'queued', token = NULL WHERE state = 'sending' AND token <> message_id"
        )


async def _settled(session: aiohttp.ClientSession, run: Run, admin: str, folder: Path) -> list[dict[str, Any]]:
    """Wait until nothing is on its way and nothing unanswered; the notices then."""
    async with asyncio.timeout(60):
        while True:
            with sqlite3.connect(f"file:{folder / 'invent.db'}?mode=ro", uri=True) as database:
                open_ = database.execute(
                    "SELECT (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')),"
                    " (SELECT count(*) FROM work)"
                ).fetchone()
            if open_ == (0, 0):
                break
            await asyncio.sleep(0.2)
    _, page = await _call(session, run, "GET", "/api/v1/notices", admin, None)
    return list(page["items"])


def _verdict(
    run: Run, receiver: Receiver, folder: Path, notices: list[dict[str, Any]], runs: int, seed: int, control: str
) -> dict[str, Any]:
    with sqlite3.connect(folder / "invent.db") as database:
        integrity = database.execute("PRAGMA integrity_check").fetchone()[0]
        stored = Counter(
            client_id or key.split(":", 1)[1]
            for client_id, key in database.execute(
                "SELECT m.client_id, r.key FROM message m JOIN receipt r ON r.message_id = m.id"
                " WHERE m.author_kind = 'customer'"
            )
        )
        customers = database.execute("SELECT count(*) FROM message WHERE author_kind = 'customer'").fetchone()[0]
        texts = database.execute("SELECT count(DISTINCT text) FROM message WHERE author_kind = 'customer'").fetchone()[
            0
        ]
        replies = database.execute(
            "SELECT id, text FROM message WHERE author_kind = 'agent' AND kind = 'text'"
        ).fetchall()
        states = dict(database.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall())
        uncertain = {row[0] for row in database.execute("SELECT message_id FROM outbox WHERE state = 'uncertain'")}
        sent = {
            row[0]
            for row in database.execute(
                "SELECT o.message_id FROM outbox o JOIN inbox i ON i.id = o.inbox_id"
                " WHERE i.kind = 'api' AND o.state = 'sent'"
            )
        }
        unanswered = database.execute(
            "SELECT count(*) FROM conversation WHERE handler = 'assistant' AND customer_seq > answered_seq"
        ).fetchone()[0]
    taken = Counter(one.id for one in receiver.deliveries)
    # A delivery that was refused with 503 is rightly tried again; count what was accepted.
    accepted = Counter(receiver.accepted)
    shown = {notice["message_id"] for notice in notices if notice["kind"] == "uncertain"}
    lost = len(set(run.acknowledged) - set(stored)) + len(set(run.replies.values()) - {id_ for id_, _ in replies})
    doubled = customers - texts + run.contradictions + sum(count - 1 for count in stored.values())
    doubled += len(replies) - len({text for _, text in replies})
    slowest = max(run.doubts, default=0.0)
    verdict = {
        "bench": "kill",
        "control": control or None,
        "runs": runs,
        "seed": seed,
        "acknowledged": len(run.acknowledged),
        "replies_acknowledged": len(run.replies),
        "delivered": len(receiver.accepted),
        "lost": lost,
        "doubled_in": doubled,
        "restarts_in_doubt": len(run.doubts),
        "doubt_shown_max_s": round(slowest, 2),
        "doubled_out": sum(count - 1 for count in accepted.values()),
        "sent_but_never_arrived": len(sent - set(taken)),
        "uncertain": len(uncertain),
        "uncertain_not_shown": len(uncertain - shown) if len(uncertain) <= 200 else max(0, 200 - len(shown)),
        "unanswered": unanswered,
        "outbox": states,
        "integrity": integrity,
        "restart_p95_s": round(sorted(run.restarts)[int(len(run.restarts) * 0.95)], 2),
    }
    zero = ("lost", "doubled_in", "doubled_out", "sent_but_never_arrived", "uncertain_not_shown", "unanswered")
    whole = all(not verdict[name] for name in zero) and integrity == "ok" and slowest <= 10
    broken = {"": whole, "blind": bool(verdict["doubled_out"]), "loss": bool(lost)}
    return {**verdict, "ok": broken[control]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", choices=("blind", "loss"), nargs="?", const="blind", default="")
    given = parser.parse_args()
    try:
        result = asyncio.run(measure(given.runs, given.seed, given.control))
    finally:
        forget_templates()
    print(json.dumps(result))
    sys.exit(not result["ok"])


if __name__ == "__main__":
    main()
