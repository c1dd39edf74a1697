"""What the commands of every noun share: options that mean the same everywhere, and the way to the API."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from invent_server.cli.api import Api

Server = Annotated[
    str | None,
    typer.Option(
        "--server", envvar="INVENT_SERVER", show_envvar=False, help="Address of a server; default: the live one."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="As JSON, in the API's form.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Print so many at most.")]
Work = Callable[..., Awaitable[None]]


def noun(app: typer.Typer, name: str, help_: str, commands: Mapping[str, Work]) -> None:
    """Add `invent NAME ...` with these commands."""
    group = typer.Typer(name=name, help=help_, no_args_is_help=True, rich_markup_mode=None)
    for verb, work in commands.items():
        group.command(verb)(over_api(work))
    app.add_typer(group)


def over_api(work: Work) -> Callable[..., None]:
    """A command from `async work(api, ...)`: everything after `api` is its arguments and options, plus `--server`."""
    hints = typing.get_type_hints(work, localns={"Api": Any}, include_extras=True)
    _, *parameters = (
        parameter.replace(annotation=hints[parameter.name]) for parameter in inspect.signature(work).parameters.values()
    )
    server = inspect.Parameter("server", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Server)

    @functools.wraps(work)
    def command(server: str | None = None, **given: Any) -> None:
        from invent_server.cli.api import run

        async def bound(api: Api) -> None:
            await work(api, **given)

        run(bound, server)

    del command.__wrapped__  # or the signature below would be looked up on `work`
    command.__signature__ = inspect.Signature([*parameters, server])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*parameters, server)}
    return command
