"""`invent notices` and `invent trace`: what needs a person, and the way of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from invent_server.cli.commands import Json, over_api

if TYPE_CHECKING:
    from invent_server.cli.api import Api


def add_to(app: typer.Typer) -> None:
    app.command("notices")(over_api(notices))
    app.command("trace")(over_api(trace))


async def notices(api: Api, as_json: Json = False) -> None:
    """What needs a person; a notice is gone when its cause is."""
    from invent_server.cli import output

    found = await api.all("/api/v1/notices")
    if as_json:
        output.items(found)
        return
    for one in found:
        output.say(f"{one['title']} ({output.ago(one['at'])} ago)")
        output.fields(
            (
                ("  reason", one["detail"]),
                ("  remedy", one["remedy"]),
                ("  conversation", one["conversation_id"]),
                ("  message", one["message_id"]),
            )
        )
    if not found:
        output.note("nothing needs a person")


async def trace(
    api: Api,
    id_: Annotated[str, typer.Argument(metavar="MESSAGE-ID|EXTERNAL-ID", help="Our id, or the channel's own.")],
    as_json: Json = False,
) -> None:
    """A message's way through the server, and the passages that its answer rests on."""
    from invent_server.cli import output
    from invent_server.cli.api import path

    found = await api.get(path("messages", id_, "trace"))
    if as_json:
        output.as_json(found)
        return
    print(f"message {found['message_id']}")
    for step in found["steps"]:
        took = f"{step['ms']:.0f} ms" if step["ms"] is not None else ""
        facts = " ".join(f"{key}={value}" for key, value in step["detail"].items() if value not in (None, "", [], {}))
        output.say(f"{output.local(step['at'])}  {step['name']:<9} {took:>8}  {facts}".rstrip())
    for number, piece in enumerate(found["evidence"], 1):
        if number == 1:
            print("evidence (* quoted)")
        link = f" · {piece['url']}" if piece["url"] else ""
        output.say(f"{'*' if piece['cited'] else ' '} {piece['score']:.2f}  {piece['title']}{link}")
