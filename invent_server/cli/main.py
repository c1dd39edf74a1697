"""`invent`: collects the commands. Nothing heavy is imported here: `invent --help` answers at once."""

from __future__ import annotations

import sys

import typer

from invent_server.cli import agents, channels, chat, conversations, customers, knowledge, serving

app = typer.Typer(
    name="invent",
    help="Self-hosted customer support in the terminal: an assistant and your team in one conversation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (serving, chat, knowledge, agents, channels, conversations, customers):
    part.add_to(app)


def main() -> None:
    """Entry point. Every expected failure is one line on stderr and exit code 1; wrong use is 2."""
    from invent_server.cli.output import Failed

    try:
        app()
    except Failed as error:
        print(f"invent: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
