"""`invent notices` and `invent trace`: what needs a person, and the way of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli.commands import Json, over_api

if TYPE_CHECKING:
    from invent_server.cli.api import Api


_BAR = 28
"""Cells of a step's bar."""


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
    prompt: Annotated[bool, typer.Option("--prompt", help="Also what the model was asked.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Also the webhook as it came.")] = False,
    as_json: Json = False,
) -> None:
    """A message's way through the server, step by step, and the passages that its answer rests on."""
    from invent_server.cli import output
    from invent_server.cli.api import path

    found = await api.get(path("messages", id_, "trace"))
    if as_json:
        output.as_json(found)
        return
    print(f"message {found['message_id']}")
    output.fields(
        (
            ("question", found["question"] if found["question"] != found["message_id"] else ""),
            ("answer", found["answer"] if found["answer"] != found["message_id"] else ""),
            ("intent", _intent(found["intent"])),
            ("outcome", " · ".join(part for part in (found["outcome"], found["reason"], found["detail"]) if part)),
            ("engine", found["engine"]),
            ("began", output.local(found["steps"][0]["at"])),
            ("took", f"{found['total_ms']:.0f} ms"),
        )
    )
    _waterfall(found)
    _evidence(found["evidence"])
    if prompt:
        for part in found["prompt"]:
            output.say(f"--- {part['role']}\n{part['text']}")
        if not found["prompt"]:
            output.note("no prompt: no model was asked, or it is kept no longer (retention.prompts)")
    if raw:
        output.say(found["raw"] or "")
        if not found["raw"]:
            output.note("no webhook: the message came another way, or it is kept no longer (retention.raw)")


def _intent(intent: dict[str, Any]) -> str:
    return f"{intent['label']} {intent['confidence']:.2f}" if intent["label"] else ""


def _waterfall(found: dict[str, Any]) -> None:
    """One line per step: its bar on the way's whole time, when it began, how long it took, what it was about."""
    from invent_server.cli import output
    from shared.waterfall import bar

    print(f"{'step':<12} {'at ms':>9} {'ms':>9}  {'':{_BAR}}")
    for step in found["steps"]:
        took = f"{step['ms']:.1f}" if step["ms"] is not None else ""
        drawn = bar(step["offset_ms"], step["ms"] or 0.0, found["total_ms"], _BAR)
        facts = " ".join(f"{key}={value}" for key, value in step["detail"].items() if value not in (None, "", [], {}))
        output.say(f"{step['name']:<12} {step['offset_ms']:>9.1f} {took:>9}  {drawn}  {facts}".rstrip())


def _evidence(pieces: list[dict[str, Any]]) -> None:
    from invent_server.cli import output

    for number, piece in enumerate(pieces, 1):
        if number == 1:
            print("evidence (* quoted)")
        link = f" · {piece['url']}" if piece["url"] else ""
        ways = " ".join(f"{name}={value:.2f}" for name, value in piece["scores"].items())
        output.say(f"{'*' if piece['cited'] else ' '} {piece['score']:.2f}  {piece['title']}{link}  {ways}".rstrip())
