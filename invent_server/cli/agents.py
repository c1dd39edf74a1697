"""`invent agents`: the team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli.commands import Json, noun

if TYPE_CHECKING:
    from invent_server.cli.api import Api

Name = Annotated[str, typer.Argument(metavar="NAME")]


def add_to(app: typer.Typer) -> None:
    noun(
        app,
        "agents",
        "The team: who may do what.",
        {"list": list_, "add": add, "role": role, "token": token, "disable": disable},
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
    """Give an agent another role."""
    from invent_server.cli.api import path

    changed = await api.patch(path("agents", name), {"role": role})
    print(f"{changed['name']} is {changed['role']}")


async def token(api: Api, name: Name, as_json: Json = False) -> None:
    """Another token for an agent; prints it, this once."""
    from invent_server.cli.api import path

    _token(await api.post(path("agents", name, "token")), as_json)


async def disable(api: Api, name: Name) -> None:
    """Lock an agent out: every token is revoked."""
    from invent_server.cli.api import path

    changed = await api.patch(path("agents", name), {"disabled": True})
    print(f"{changed['name']} is disabled; every token is revoked")


def _token(made: dict[str, Any], as_json: bool) -> None:
    """The token alone on stdout, so that a script can take it."""
    from invent_server.cli import output

    if as_json:
        output.as_json(made)
        return
    output.note(f"token of {made['agent']['name']} ({made['agent']['role']}); it is not shown again:")
    print(made["token"])
