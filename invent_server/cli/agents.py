"""`invent agents`: the team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from invent_server.cli.commands import Json, noun

if TYPE_CHECKING:
    from invent_server.cli.api import Api

Verb = Literal["add", "list", "remove"]
_LARGEST = 65_536
"""Bytes of a file that are looked at for a key."""
Name = Annotated[str, typer.Argument(metavar="NAME")]


def add_to(app: typer.Typer) -> None:
    noun(
        app,
        "agents",
        "The team: who may do what.",
        {"list": list_, "add": add, "role": role, "token": token, "key": key, "disable": disable, "enable": enable},
    )


async def list_(api: Api, as_json: Json = False) -> None:
    """The team by name."""
    from invent_server.cli import output

    found = await api.all("/api/v1/agents")
    if as_json:
        output.items(found)
        return
    rows = (
        (
            one["name"],
            one["role"],
            "disabled" if one["disabled"] else "here" if one["present"] else "",
            one["language"],
            one["timezone"],
            ", ".join(one["inboxes"]) or "all",
        )
        for one in found
    )
    output.table(("NAME", "ROLE", "STATE", "LANGUAGE", "TIME ZONE", "INBOXES"), rows)


async def add(
    api: Api,
    name: Name,
    role: Annotated[str, typer.Option(help="agent, manager or admin.")] = "agent",
    language: Annotated[str, typer.Option(help="Language of the inbox: en, es.")] = "en",
    timezone: Annotated[str, typer.Option(help="Such as Europe/Madrid.")] = "UTC",
    inbox: Annotated[list[str] | None, typer.Option(help="Only this inbox; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Add a colleague; prints the token, this once."""
    body = {"name": name, "role": role, "language": language, "timezone": timezone, "inboxes": inbox or []}
    _token(await api.post("/api/v1/agents", body), as_json)


async def role(
    api: Api, name: Name, role: Annotated[str, typer.Argument(metavar="ROLE", help="agent, manager or admin.")]
) -> None:
    """Give an agent another role; it holds from the next request on."""
    from invent_server.cli.api import path

    changed = await api.patch(path("agents", name), {"role": role})
    print(f"{changed['name']} is {changed['role']}")


async def token(api: Api, name: Name, as_json: Json = False) -> None:
    """Another token for an agent; prints it, this once. Earlier ones stay valid."""
    from invent_server.cli.api import path

    _token(await api.post(path("agents", name, "token")), as_json)


async def key(
    api: Api,
    name: Name,
    verb: Annotated[Verb, typer.Argument(metavar="add|list|remove", help="What to do with the agent's keys.")],
    what: Annotated[
        str | None, typer.Argument(metavar="[FILE|-|FINGERPRINT]", help="The .pub file; - reads it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The ssh keys that open an agent's inbox: add FILE (or -), list, remove FINGERPRINT."""
    if verb == "list":
        if what is not None:
            raise typer.BadParameter(f"list takes nothing after it, not {what!r}")
        await _keys(api, name, as_json)
    elif what is None:
        raise typer.BadParameter("add needs a FILE, or -" if verb == "add" else "remove needs a FINGERPRINT")
    elif verb == "add":
        await _add_key(api, name, what, as_json)
    else:
        await _remove_key(api, name, what)


async def _keys(api: Api, name: str, as_json: bool) -> None:
    from invent_server.cli import output
    from invent_server.cli.api import path

    found = await api.all(path("agents", name, "keys"))
    if as_json:
        output.items(found)
        return
    output.table(
        ("FINGERPRINT", "TYPE", "USED", "COMMENT"),
        ((one["fingerprint"], one["type"], output.ago(one["used_at"]), one["comment"]) for one in found),
    )
    if not found:
        output.note(f"{name} has no key; add one with: invent agents key {name} add FILE")


async def _add_key(api: Api, name: str, what: str, as_json: bool) -> None:
    from invent_server.cli import output
    from invent_server.cli.api import path

    added = await api.post(path("agents", name, "keys"), {"key": _key_text(what)})
    if as_json:
        output.as_json(added)
        return
    print(added["fingerprint"])
    me = await api.get("/api/v1/me")
    if port := me["ssh_port"]:
        output.note(f"{name} opens the inbox with: ssh -p {port} {name}@HOST")
    else:
        output.note(f"{name} may come in by ssh as soon as `invent serve` runs with an ssh port")


def _key_text(what: str) -> str:
    """The text of a key file. Raises Failed."""
    from pathlib import Path

    from invent_server.cli import output

    if what == "-":
        return output.text_from(what)
    file = Path(what).expanduser()
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise output.Failed(
            f"{what} cannot be read: {error.strerror}; give a file such as ~/.ssh/id_ed25519.pub"
        ) from None


async def _remove_key(api: Api, name: str, fingerprint: str) -> None:
    from invent_server.cli.api import path

    await api.delete(path("agents", name, "keys", fingerprint))
    print(f"the key is removed; what {name} had opened with it is closed")


async def disable(api: Api, name: Name) -> None:
    """Lock an agent out at once: every token is revoked, and no ssh key opens anything."""
    from invent_server.cli.api import path

    changed = await api.patch(path("agents", name), {"disabled": True})
    print(f"{changed['name']} is disabled; every token is revoked. Back: invent agents enable {changed['name']}")


async def enable(api: Api, name: Name) -> None:
    """Let an agent in again: ssh keys open the inbox as before; a token must be made anew."""
    from invent_server.cli.api import path

    changed = await api.patch(path("agents", name), {"disabled": False})
    print(f"{changed['name']} is enabled. A token: invent agents token {changed['name']}")


def _token(made: dict[str, Any], as_json: bool) -> None:
    """The token alone on stdout, so that a script can take it."""
    from invent_server.cli import output

    if as_json:
        output.as_json(made)
        return
    output.note(f"token of {made['agent']['name']} ({made['agent']['role']}); it is not shown again:")
    print(made["token"])
