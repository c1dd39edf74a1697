"""One thread for reading what customers write: a letter takes many milliseconds and must not hold up all sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# One: two would only take the interpreter from each other, and from the event loop.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="understand")


async def aside(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `fn`, run beside the event loop. Raises what it raises."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, partial(fn, *args, **kwargs))
