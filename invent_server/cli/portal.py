"""The API for code that waits for a person: an event loop in a thread beside it; Ctrl-C ends a prompt at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from invent_server.cli.api import Api, connect

T = TypeVar("T")


class Portal:
    """A context: inside, `run` carries out what `api` offers. Entering raises Failed when there is no server."""

    api: Api

    def __init__(self, server: str | None) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="api", daemon=True)
        self._up = threading.Event()
        self._stop = asyncio.Event()
        self._error: BaseException | None = None

    def __enter__(self) -> Portal:
        self._thread.start()
        self._up.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, or what it raises. An interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def get(self, path: str, **query: Any) -> Any:
        return self.run(self.api.get(path, **query))

    def post(self, path: str, body: Any = None) -> Any:
        return self.run(self.api.post(path, body))

    def patch(self, path: str, body: Any) -> Any:
        return self.run(self.api.patch(path, body))

    def _serve(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C belongs to the prompt
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._hold())
            except BaseException as error:  # is raised again where the portal was entered
                self._error = error
                self._up.set()

    async def _hold(self) -> None:
        async with connect(self._server) as self.api:
            self._up.set()
            await self._stop.wait()
