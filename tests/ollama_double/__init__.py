"""A stand-in for Ollama: the same HTTP behaviour, no model. What it says is scripted, faults included.

`async with running(Double(...)) as double:` serves it on a port of its own; `python -m tests.ollama_double --port N`
does the same for other processes, scripted over `POST /__double__/script`.
"""

from tests.ollama_double.log import Entry
from tests.ollama_double.model import Model, Timing
from tests.ollama_double.script import Rule
from tests.ollama_double.server import Double, running

__all__ = ["Double", "Entry", "Model", "Rule", "Timing", "running"]
