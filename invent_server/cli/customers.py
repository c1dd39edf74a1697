"""`invent customers` and `invent memory`: people, and what is remembered about them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli.commands import Json, Limit, noun

if TYPE_CHECKING:
    from invent_server.cli.api import Api

Who = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Id, or the exact name, email or phone.")]
MemoryId = Annotated[str, typer.Argument(metavar="MEMORY", help="Id of the memory, as `list` shows it.")]
Kind = Annotated[
    str | None, typer.Option("--type", help="language, product_use, issue, goal, preference or fact (the default).")
]


def add_to(app: typer.Typer) -> None:
    noun(
        app,
        "customers",
        "People: who wrote, and all that is stored about them.",
        {"list": list_, "show": show, "export": export, "erase": erase},
    )
    noun(
        app,
        "memory",
        "What is remembered about a customer.",
        {"list": memories, "add": remember, "edit": edit, "pin": pin, "forget": forget},
    )


async def find(api: Api, who: str) -> dict[str, Any]:
    """The customer with this id, or the only one with exactly this name, email or phone. Raises Failed."""
    from invent_server.cli.output import Failed

    wanted = who.strip().casefold()
    if not wanted:
        raise Failed("the customer's name is empty")
    same: list[dict[str, Any]] = [
        one
        async for one in api.each("/api/v1/customers", q=who.strip()[:200], limit=200)
        if wanted in {str(one[field]).casefold() for field in ("id", "name", "email", "phone") if one[field]}
    ]
    if len(same) == 1:
        return same[0]
    if same:
        raise Failed(f"{len(same)} customers are called {who}; give an id: " + ", ".join(one["id"] for one in same[:5]))
    raise Failed(f"there is no customer {who!r}; see `invent customers list`")


async def list_(
    api: Api,
    query: Annotated[str, typer.Argument(metavar="[QUERY]", help="A part of the name, email or phone.")] = "",
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """Customers by name."""
    from invent_server.cli import output

    found, more = await api.some(limit, "/api/v1/customers", q=query)
    if as_json:
        output.items(found)
    else:
        output.table(
            ("ID", "NAME", "EMAIL", "PHONE", "LANGUAGE", "CONVERSATIONS"),
            ([one[key] for key in ("id", "name", "email", "phone", "language", "conversations")] for one in found),
        )
    if more:
        output.note(f"there are more than {limit}; narrow the query or give --limit")


async def show(api: Api, who: Who, as_json: Json = False) -> None:
    """One customer with memories and conversations."""
    from invent_server.cli import output
    from invent_server.cli.api import path

    customer = await find(api, who)
    kept = await api.all(path("customers", customer["id"], "memories"))
    talks = await api.all("/api/v1/conversations", filter=f"customer:{customer['id']}", limit=200)
    if as_json:
        output.as_json({"customer": customer, "memories": kept, "conversations": talks})
        return
    output.fields(
        (
            ("customer", customer["id"]),
            ("name", customer["name"]),
            ("email", customer["email"]),
            ("phone", customer["phone"]),
            ("language", customer["language"]),
            ("since", output.local(customer["created_at"])),
        )
    )
    for one in customer["identities"]:
        known = "verified" if one["verified"] else "not verified"
        output.say(f"  {one['channel']}, inbox {one['inbox']}: {one['external_id']} ({known})")
    for memory in kept:
        output.say(f"  {'*' if memory['pinned'] else '-'} {memory['type']}: {memory['text']}")
    if talks:
        print()
        rows = (
            (t["id"], t["status"], output.ago(t["updated_at"]), (t["last_message"] or {}).get("text")) for t in talks
        )
        output.table(("CONVERSATION", "STATUS", "AGE", "LAST MESSAGE"), rows)


async def export(
    api: Api,
    who: Who,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file.")] = None,
) -> None:
    """Everything that is stored about a customer, as JSON."""
    from invent_server.cli import output
    from invent_server.cli.api import path

    customer = await find(api, who)
    made = await api.post(path("customers", customer["id"], "export"))
    if out is None:
        output.as_json(made)
        return
    output.save(out, json.dumps(made, ensure_ascii=False, indent=2))
    output.note(f"{output.count(sum(map(len, made['tables'].values())), 'row')} in {out}")


async def erase(
    api: Api,
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a customer for good: messages, memories, identities, files."""
    from invent_server.cli import output
    from invent_server.cli.api import path
    from shared.text import clean_line

    customer = await find(api, who)
    if not yes:
        if not sys.stdin.isatty():
            raise output.Failed("erasing cannot be undone: confirm at a terminal, or give --yes")
        name = clean_line(customer["name"]) or customer["id"]
        talks = output.count(customer["conversations"], "conversation")
        output.note(f"{name} ({customer['id']}) with {talks} will be erased for good.")
        if typer.prompt("Type the name to confirm", err=True).strip() != name:
            raise output.Failed("that is not the name; nothing was erased")
    made = await api.post(path("customers", customer["id"], "erase"))
    if as_json:
        output.as_json(made)
    else:
        print(f"{customer['id']} erased: {output.count(sum(made['rows'].values()), 'row')}")


async def memories(api: Api, who: Who, as_json: Json = False) -> None:
    """What is remembered; pinned ones first."""
    from invent_server.cli import output
    from invent_server.cli.api import path

    kept = await api.all(path("customers", (await find(api, who))["id"], "memories"))
    if as_json:
        output.items(kept)
        return
    rows = (
        (
            one["id"],
            "*" if one["pinned"] else "",
            one["type"],
            output.ago(one["updated_at"]),
            one["author"],
            one["text"],
        )
        for one in kept
    )
    output.table(("ID", "PINNED", "TYPE", "AGE", "BY", "TEXT"), rows)


async def remember(
    api: Api,
    who: Who,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="One sentence, 200 characters at most.")],
    kind: Kind = None,
    pinned: Annotated[bool, typer.Option("--pin", help="Keep it on top.")] = False,
    as_json: Json = False,
) -> None:
    """Remember something about a customer."""
    from invent_server.cli.api import path

    body = {"text": text, "type": kind or "fact", "pinned": pinned}
    _show(await api.post(path("customers", (await find(api, who))["id"], "memories"), body), as_json)


async def edit(
    api: Api,
    who: Who,
    memory: MemoryId,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="The new text.")] = None,
    kind: Kind = None,
    as_json: Json = False,
) -> None:
    """Correct a memory's text or type."""
    if text is None and kind is None:
        raise typer.BadParameter("give a new TEXT, or --type", param_hint="TEXT")
    body = {key: value for key, value in (("text", text), ("type", kind)) if value is not None}
    await _patch(api, who, memory, body, as_json)


async def pin(
    api: Api,
    who: Who,
    memory: MemoryId,
    off: Annotated[bool, typer.Option("--off", help="Pin it no longer.")] = False,
    as_json: Json = False,
) -> None:
    """Keep a memory on top."""
    await _patch(api, who, memory, {"pinned": not off}, as_json)


async def _patch(api: Api, who: str, memory: str, body: dict[str, Any], as_json: bool) -> None:
    from invent_server.cli.api import path

    customer = await find(api, who)
    _show(await api.patch(path("customers", customer["id"], "memories", memory), body), as_json)


async def forget(api: Api, who: Who, memory: MemoryId) -> None:
    """Forget a memory for good."""
    from invent_server.cli.api import path

    await api.delete(path("customers", (await find(api, who))["id"], "memories", memory))
    print(f"{memory} forgotten")


def _show(memory: dict[str, Any], as_json: bool) -> None:
    from invent_server.cli import output

    if as_json:
        output.as_json(memory)
    else:
        output.say(f"{memory['id']} {memory['type']}: {memory['text']}" + (" (pinned)" if memory["pinned"] else ""))
