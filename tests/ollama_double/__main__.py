"""`python -m tests.ollama_double [--port N] [--load S] [--first S] [--token S] [--parallel N]`: prints its address."""

from __future__ import annotations

import argparse
import asyncio

from tests.ollama_double import Double, Timing, running


async def _serve(given: argparse.Namespace) -> None:
    timing = Timing(given.load, given.first, given.token)
    async with running(Double(parallel=given.parallel, timing=timing), given.port) as double:
        print(double.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for Ollama.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--parallel", type=int, default=1)
    for name in ("load", "first", "token"):
        parser.add_argument(f"--{name}", type=float, default=0.0, help="seconds")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
