"""`invent`: collects the commands. Nothing heavy is imported here: `invent --help` answers at once."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

import typer

from invent_server.cli import (
    agents,
    channels,
    chat,
    conversations,
    customers,
    evaluating,
    knowledge,
    models,
    prompt,
    service,
    serving,
    tracing,
    upkeep,
)
from invent_server.cli.setup import command as setup

app = typer.Typer(
    name="invent",
    help="Self-hosted customer support in the terminal: an assistant and your team in one conversation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
PARTS = (
    serving,
    setup,
    chat,
    conversations,
    customers,
    knowledge,
    prompt,
    models,
    channels,
    agents,
    tracing,
    service,
    evaluating,
    upkeep,
)
for part in PARTS:
    part.add_to(app)


def main() -> None:
    """Entry point. Every failure is one line on stderr and exit code 1; wrong use is 2; Ctrl-C is 130."""
    from invent_server.cli.output import Failed

    # A name of a file or a customer may hold what the terminal's encoding cannot say: never a reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except Failed as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader has had enough (`| head`); what is still buffered goes nowhere, silently.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("INVENT_DEBUG"):
            raise
        _fail(f"this should not have happened: {error!r}; INVENT_DEBUG=1 shows where")


def _fail(reason: str) -> NoReturn:
    from shared.text import clean_line

    print(f"invent: {clean_line(reason, 2000)}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
