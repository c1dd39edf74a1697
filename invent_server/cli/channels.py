"""`invent channels`: where customers write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli.commands import Json, noun

if TYPE_CHECKING:
    from invent_server.cli.api import Api

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the inbox, as in its web address.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="KEY=@FILE and KEY=- read the value; may be repeated."),
]


def add_to(app: typer.Typer) -> None:
    noun(
        app,
        "channels",
        "Where customers write: web, api, ...",
        {"list": list_, "show": show, "add": add, "configure": configure, "enable": enable, "disable": disable},
    )


async def list_(api: Api, as_json: Json = False) -> None:
    """Connected channels by name."""
    from invent_server.cli import output

    found = await api.all("/api/v1/channels")
    if as_json:
        output.items(found)
        return
    rows = ((one["name"], one["kind"], one["mode"], "on" if one["enabled"] else "off", _way(one)) for one in found)
    output.table(("NAME", "KIND", "MODE", "STATE", "ADDRESS"), rows)


def _way(inbox: dict[str, Any]) -> str:
    """Where it is reached, below the server's address."""
    return f"/chat/{inbox['name']}" if inbox["kind"] == "web" else f"/webhooks/{inbox['kind']}/{inbox['name']}"


async def show(api: Api, name: Name, as_json: Json = False) -> None:
    """One channel with its settings; of secrets only whether they are set."""
    from invent_server.cli.output import Failed

    inbox = next((one for one in await api.all("/api/v1/channels") if one["name"] == name), None)
    if inbox is None:
        raise Failed(f"there is no channel {name!r}; see `invent channels list`")
    _print(inbox, as_json)


async def add(
    api: Api,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="web, api, ...")],
    name: Name,
    set_: Setting = None,
    as_json: Json = False,
) -> None:
    """Connect a channel."""
    _print(await api.post("/api/v1/channels", {"kind": kind, "name": name, "settings": settings_of(set_)}), as_json)


async def configure(api: Api, name: Name, set_: Setting = None, as_json: Json = False) -> None:
    """Change settings of a channel; an empty value (KEY=) removes one."""
    from invent_server.cli.api import path

    if not set_:
        raise typer.BadParameter("name at least one setting", param_hint="--set")
    _print(await api.patch(path("channels", name), {"settings": settings_of(set_)}), as_json)


async def enable(api: Api, name: Name) -> None:
    """Take messages again."""
    await _switch(api, name, True)


async def disable(api: Api, name: Name) -> None:
    """Take no messages: what comes is kept and shown to nobody."""
    await _switch(api, name, False)


async def _switch(api: Api, name: str, on: bool) -> None:
    from invent_server.cli.api import path

    inbox = await api.patch(path("channels", name), {"enabled": on})
    print(f"{inbox['name']} is {'on' if inbox['enabled'] else 'off'}")


def settings_of(given: list[str] | None) -> dict[str, str]:
    """`KEY=VALUE` pairs; `@FILE` and `-` read the value (a last line break is left out). Raises Failed."""
    from invent_server.cli.output import Failed, text_from

    found: dict[str, str] = {}
    for pair in given or ():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--set")
        if value == "-":
            value = text_from(value).rstrip("\r\n")
        elif value.startswith("@"):
            try:
                value = Path(value[1:]).read_text("utf-8").rstrip("\r\n")
            except (OSError, ValueError) as error:
                raise Failed(
                    f"{key}: {value[1:]} cannot be read: {getattr(error, 'strerror', None) or error}"
                ) from None
        found[key] = value
    return found


def _print(inbox: dict[str, Any], as_json: bool) -> None:
    from invent_server.cli import output

    if as_json:
        output.as_json(inbox)
        return
    shown = (
        ("channel", inbox["name"]),
        ("kind", inbox["kind"]),
        ("assistant", inbox["assistant"]),
        ("mode", inbox["mode"]),
        ("state", "on" if inbox["enabled"] else "off"),
        ("address", _way(inbox)),
    )
    settings = ((key, "(set)" if value is True else value) for key, value in sorted(inbox["settings"].items()))
    output.fields((*shown, *settings))
