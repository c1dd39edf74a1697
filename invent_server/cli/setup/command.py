"""`invent setup`: the flags, and the way through the steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invent_server.cli.commands import Json, Server

if TYPE_CHECKING:
    from invent_server.cli.setup.stage import Given

STEPS = ("language", "company", "timezone", "hours", "model", "mode", "files", "questions", "website", "colleague")


def add_to(app: typer.Typer) -> None:
    app.command("setup")(setup)


def setup(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take the flags, and what is proposed.")
    ] = False,
    language: Annotated[str | None, typer.Option(help="en or es.")] = None,
    company: Annotated[str | None, typer.Option(help="Its name, as customers know it.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Such as Europe/Madrid; default: this machine's.")] = None,
    hours: Annotated[str | None, typer.Option(help="When somebody is there: mo-fr 9-18, sa 10-14.")] = None,
    model: Annotated[str | None, typer.Option(help="Model that writes answers, or none.")] = None,
    mode: Annotated[str | None, typer.Option(help="suggest, automatic, humans_first or off.")] = None,
    files: Annotated[list[Path] | None, typer.Option(help="First articles: a file or folder; may be repeated.")] = None,
    question: Annotated[list[str] | None, typer.Option(help="A question to try; may be repeated.")] = None,
    website: Annotated[str | None, typer.Option(help="Where the widget stands: https://www.example.com.")] = None,
    colleague: Annotated[str | None, typer.Option(help="Short name of the first colleague.")] = None,
    role: Annotated[str, typer.Option(help="The colleague's role: agent, manager or admin.")] = "agent",
    key: Annotated[str | None, typer.Option(help="The colleague's public ssh key, or its file.")] = None,
    inbox: Annotated[str | None, typer.Option(help="Name of the inbox; default: the web inbox that is there.")] = None,
    step: Annotated[list[str] | None, typer.Option(help="Only this step, again; may be repeated.")] = None,
    as_json: Json = False,
    server: Server = None,
) -> None:
    """The first hour of a real company, one question after the other. It can be run again at any time."""
    from invent_server.cli.setup.stage import Given

    for one in step or ():
        if one not in STEPS:
            raise typer.BadParameter(f"{one!r} is no step; there are {', '.join(STEPS)}", param_hint="--step")
    given = Given(
        language=language,
        company=company,
        timezone=timezone,
        hours=hours,
        model=model,
        mode=mode,
        files=tuple(files or ()),
        questions=tuple(question or ()),
        website=website,
        colleague=colleague,
        role=role,
        key=key,
        inbox=inbox,
    )
    run(given, yes=yes, only=tuple(step or ()), as_json=as_json, server=server)


def run(
    given: Given,
    *,
    yes: bool = False,
    only: tuple[str, ...] = (),
    as_json: bool = False,
    server: str | None = None,
    inbox: bool = False,
) -> None:
    """Go through the steps; `inbox`: it is opened afterwards. Raises Failed, or typer.Exit when the person stops."""
    from invent_server.cli.output import Failed
    from invent_server.cli.setup.asking import at_terminal

    if not yes and not at_terminal():
        raise Failed("setup asks questions, and here is no terminal: run it in one, or with --yes and a flag per step")
    from invent_server.cli.setup.way import walk

    walk(given, yes=yes, only=only, as_json=as_json, server=server, inbox=inbox)
