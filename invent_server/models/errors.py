"""What can be wrong with a model, in words for people. Nothing else leaves this room: no httpx error, no JSON error."""

from __future__ import annotations

from typing import ClassVar


class ModelError(Exception):
    """The model gave no whole answer. Its text is one sentence for people, `reason` one word for machines.

    `down`: the next call would most likely fail too, so that the breaker counts it.
    """

    reason: ClassVar[str] = "model_broken"
    down: ClassVar[bool] = True


class ModelAway(ModelError):
    """Nothing answers at Ollama's address, or it is known to be down."""

    reason = "model_away"


class ModelMissing(ModelError):
    """The server does not have this model."""

    reason = "model_missing"


class ModelSlow(ModelError):
    """No word, or not the last one, in the time that was given."""

    reason = "model_slow"


class ModelBroken(ModelError):
    """It failed, or what came is no whole answer: an error in mid-stream, no end, nonsense."""


class ModelCrashed(ModelBroken):
    """The process that holds the model has ended. Ollama starts another one: worth one more try."""


class ModelBusy(ModelError):
    """Too many wait: in our queue, or in Ollama's."""

    reason = "model_busy"
    down = False


class ModelRefused(ModelError):
    """The request does not suit the model (no chat, too long, no such option)."""

    reason = "model_refused"
    down = False


class ModelCut(ModelError):
    """The answer was longer than `models.num_predict` and was cut off."""

    reason = "model_cut"
    down = False
