"""Models of the double: what each can, which are loaded with which options, their slots, and who waits for a load."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

RUNNER_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "num_thread", "use_mmap", "main_gpu")
"""Another value of one of these loads the model again."""
FOREVER = float("inf")


@dataclass(frozen=True)
class Model:
    """An installed model. `template`: who renders the prompt, which decides what happens to one that is too long."""

    name: str
    capabilities: tuple[str, ...] = ("completion", "tools")
    template: Literal["rendered", "native"] = "rendered"
    ctx: int = 32_768
    dims: int = 64
    size: int = 3_400_000_000
    family: str = "double"
    one_slot: bool = False
    """As embedding models and several families: never more than one call at a time."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def details(self) -> dict[str, Any]:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": "4B",
            "quantization_level": "Q4_K_M",
        }


@dataclass
class Timing:
    """Seconds. `token`: between two pieces of text."""

    load: float = 0.0
    first: float = 0.0
    token: float = 0.0


@dataclass
class Loaded:
    options: dict[str, Any]
    slots: asyncio.Semaphore
    expires: float


class Busy(Exception):
    """More requests wait for a load than the queue takes."""


@dataclass
class Runners:
    """The loaded models."""

    clock: Callable[[], float]
    parallel: int
    queue: int
    timing: Timing
    loaded: dict[str, Loaded] = field(default_factory=dict)
    loads: dict[str, int] = field(default_factory=dict)
    """How often each model was loaded."""
    running: int = 0
    most_running: int = 0
    _waiting: int = 0
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def expire(self) -> None:
        for name in [name for name, one in self.loaded.items() if one.expires <= self.clock()]:
            del self.loaded[name]

    @asynccontextmanager
    async def slot(self, model: Model, options: dict[str, Any], keep_alive: Any) -> AsyncIterator[None]:
        """A place in which `model` works, loaded with `options`. Raises Busy. A cancelled load has not happened."""
        loaded = await self._load(model, {key: options[key] for key in RUNNER_OPTIONS if key in options})
        async with loaded.slots:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            try:
                yield
            finally:
                self.running -= 1
                self.keep(model.name, keep_alive)

    async def _load(self, model: Model, options: dict[str, Any]) -> Loaded:
        self.expire()
        found = self.loaded.get(model.name)
        if found is not None and found.options == options:
            return found
        if self._waiting >= self.queue:
            raise Busy
        self._waiting += 1
        try:
            async with self._locks.setdefault(model.name, asyncio.Lock()):
                found = self.loaded.get(model.name)
                if found is None or found.options != options:
                    self.loaded.pop(model.name, None)
                    await asyncio.sleep(self.timing.load)
                    slots = 1 if model.one_slot or "embedding" in model.capabilities else self.parallel
                    found = self.loaded[model.name] = Loaded(options, asyncio.Semaphore(slots), FOREVER)
                    self.loads[model.name] = self.loads.get(model.name, 0) + 1
                return found
        finally:
            self._waiting -= 1

    def keep(self, name: str, keep_alive: Any) -> None:
        """Set when the model is unloaded: seconds, `10m`, -1 for ever, 0 now."""
        loaded = self.loaded.get(name)
        if loaded is None:
            return
        seconds = _seconds(300 if keep_alive is None else keep_alive)
        if seconds == 0:
            del self.loaded[name]
        else:
            loaded.expires = FOREVER if seconds < 0 else self.clock() + seconds


def _seconds(value: Any) -> float:
    if isinstance(value, str):
        units = {"s": 1.0, "m": 60.0, "h": 3600.0}
        return float(value[:-1]) * units[value[-1]] if value[-1:] in units else float(value)
    return float(value)
