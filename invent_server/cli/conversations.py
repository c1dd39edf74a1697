"""`invent conversations`: the inbox without a screen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli.commands import Json, Limit, noun

if TYPE_CHECKING:
    from invent_server.cli.api import Api

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the conversation, as `list` shows it.")]
Filter = Annotated[str, typer.Argument(metavar="[FILTER]", help="As in the inbox: is:waiting channel:web older:2h ...")]
Said = Annotated[str, typer.Option("-m", "--message", help="The text; `-` reads standard input.")]


def add_to(app: typer.Typer) -> None:
    noun(
        app,
        "conversations",
        "The inbox without a screen.",
        {
            "list": list_,
            "show": show,
            "reply": reply,
            "note": note,
            "take": take,
            "handback": handback,
            "resolve": resolve,
            "snooze": snooze,
            "assign": assign,
            "reopen": reopen,
            "export": export,
        },
    )


async def list_(
    api: Api,
    filter_: Filter = "",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Ids alone.")] = False,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """Conversations by need: who waits longest stands first."""
    from invent_server.cli import output

    found, more = await api.some(limit, "/api/v1/conversations", filter=filter_)
    if as_json:
        output.items(found)
    elif quiet:
        for talk in found:
            print(talk["id"])
    else:
        output.table(("ID", "HANDLER", "WAITS", "CHANNEL", "CUSTOMER", "LAST MESSAGE"), map(_row, found))
    if more:
        output.note(f"there are more than {limit}; narrow the filter or give --limit")


def _row(talk: dict[str, Any]) -> tuple[str, ...]:
    from invent_server.cli.output import ago

    handler = talk["assignee"] or talk["handler"]
    last = talk["last_message"]
    return (
        talk["id"],
        handler if talk["status"] == "open" else f"{handler} ({talk['status']})",
        ago(talk["waiting_since"]),
        talk["channel"],
        talk["customer"]["name"],
        last["text"] if last else "",
    )


async def show(
    api: Api,
    id_: Id,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what is written, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; with --follow one message a line.")] = False,
) -> None:
    """One conversation with its messages."""
    from invent_server.cli import output, thread
    from invent_server.cli.api import path

    if follow:
        await thread.follow(api, id_, as_json)
        return
    talk = await api.get(path("conversations", id_))
    messages = await api.all(path("conversations", id_, "messages"), limit=500)
    if as_json:
        output.as_json({"conversation": talk, "messages": messages})
        return
    thread.head(talk)
    for message in messages:
        thread.line(message)


async def reply(api: Api, id_: Id, message: Said, as_json: Json = False) -> None:
    """Write to the customer; the conversation must be yours (`take`)."""
    await _write(api, id_, "messages", message, as_json)


async def note(api: Api, id_: Id, message: Said, as_json: Json = False) -> None:
    """Leave a note that only colleagues see."""
    await _write(api, id_, "notes", message, as_json)


async def _write(api: Api, id_: str, where: str, text: str, as_json: bool) -> None:
    from invent_server.cli import output
    from invent_server.cli.api import path

    made = await api.post(path("conversations", id_, where), {"text": output.text_from(text)})
    if as_json:
        output.as_json(made)
    else:
        print(made["id"])


async def take(
    api: Api,
    id_: Id,
    force: Annotated[bool, typer.Option("--force", help="Also from a colleague.")] = False,
    as_json: Json = False,
) -> None:
    """Speak instead of the assistant: it is silent from then on."""
    talk = await _command(api, id_, "takeover", {"force": force}, as_json, "is yours")
    if talk["draft"] and not as_json:
        from invent_server.cli.output import say

        say(f"The assistant was about to say:\n{talk['draft']}")


async def handback(api: Api, id_: Id, as_json: Json = False) -> None:
    """Let the assistant go on."""
    await _command(api, id_, "handback", {}, as_json, "is the assistant's again")


async def resolve(
    api: Api,
    id_: Id,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    as_json: Json = False,
) -> None:
    """Close the conversation."""
    await _command(api, id_, "resolve", {"reason": reason}, as_json, "is closed")


async def reopen(api: Api, id_: Id, as_json: Json = False) -> None:
    """Open a closed conversation again."""
    await _command(api, id_, "reopen", {}, as_json, "is open")


async def snooze(
    api: Api,
    id_: Id,
    until: Annotated[str, typer.Argument(metavar="UNTIL", help="A duration (30m, 2h, 7d), or a time with its zone.")],
    as_json: Json = False,
) -> None:
    """Put the conversation aside until a time, or until the customer writes."""
    from invent_server.cli.output import local

    moment = _moment(until)
    await _command(api, id_, "snooze", {"until": moment}, as_json, f"is put aside until {local(moment)}")


def _moment(until: str) -> str:
    """A duration from now, or a time, as RFC 3339."""
    from shared.clock import SECOND, SystemClock, from_rfc3339, seconds, to_rfc3339

    try:
        return to_rfc3339(SystemClock().now() + round(seconds(until) * SECOND))
    except (ValueError, OverflowError):
        pass
    try:
        return to_rfc3339(from_rfc3339(until))
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{until!r} is neither a duration such as 30m, 2h or 7d nor a time such as 2026-11-24T09:00:00Z",
            param_hint="UNTIL",
        ) from None


async def assign(
    api: Api,
    id_: Id,
    name: Annotated[str, typer.Argument(metavar="NAME", help="An agent; `me`; or `none`, for nobody.")],
    as_json: Json = False,
) -> None:
    """Give the conversation to an agent."""
    agent = None if name == "none" else name
    if name == "me":
        agent = (await api.get("/api/v1/me"))["agent"]["name"]
    said = f"is {agent}'s" if agent else "is nobody's: it waits in the queue"
    await _command(api, id_, "assign", {"agent": agent}, as_json, said)


async def _command(api: Api, id_: str, verb: str, body: dict[str, Any], as_json: bool, said: str) -> dict[str, Any]:
    from invent_server.cli import output
    from invent_server.cli.api import path

    talk: dict[str, Any] = await api.post(path("conversations", id_, verb), body)
    if as_json:
        output.as_json(talk)
    else:
        output.say(f"{talk['id']} {said}")
    return talk


async def export(
    api: Api,
    filter_: Filter = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file.")] = None,
) -> None:
    """Conversations with all their messages, as JSON lines."""
    from invent_server.cli import output
    from invent_server.cli.api import path

    lines: list[str] = []
    async for talk in api.each("/api/v1/conversations", filter=filter_, limit=200):
        messages = await api.all(path("conversations", talk["id"], "messages"), limit=500)
        line = json.dumps({"conversation": talk, "messages": messages}, ensure_ascii=False)
        if out is None:
            print(line)
        else:
            lines.append(line)
    if out is not None:
        output.save(out, "\n".join(lines))
        output.note(f"{output.count(len(lines), 'conversation')} in {out}")
