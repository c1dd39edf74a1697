"""What a model's speed on its machine allows: how long a prompt may be, so that customers do not wait. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from invent_server.models.budget import MARGIN

Profile = Literal["generous", "short", "quote"]
LONGEST = 20.0
"""Seconds after which an answer should be complete: half of a turn's deadline, so that a second chat can wait."""
USUAL = 150
"""Tokens of a usual answer."""
SIZES: tuple[tuple[Profile, int, int], ...] = (("generous", 8192, 512), ("short", 4096, 256))
"""Profile, context, longest answer; the better first. Both are the same in every request (docs/decisions/0010)."""


class Proposal(NamedTuple):
    profile: Profile
    num_ctx: int
    num_predict: int
    budget: int
    """Tokens that a prompt may have."""
    seconds: float
    """Until a usual answer to the longest prompt is complete."""

    @property
    def line(self) -> str:
        """The settings, to be copied into the server's environment."""
        return f"INVENT_MODELS__NUM_CTX={self.num_ctx} INVENT_MODELS__NUM_PREDICT={self.num_predict}"


def propose(reads: float, writes: float, context: int, num_ctx: int, num_predict: int) -> Proposal:
    """`reads`, `writes`: tokens a second; `context`: what the model offers; the rest: the settings now.

    Settings of one's own that are fast enough stay; `quote`: even the short ones are too slow.
    """
    sizes: list[tuple[Profile, int, int]] = [("generous", num_ctx, num_predict), *SIZES]
    for profile, wanted, longest in sizes:
        ctx = min(wanted, max(context, 2048))
        budget = max(256, ctx - longest - MARGIN)
        seconds = _seconds(budget, reads) + _seconds(min(USUAL, longest), writes)
        if seconds <= LONGEST:
            named: Profile = "short" if ctx < SIZES[0][1] else profile
            return Proposal(named, wanted, longest, budget, seconds)
    return Proposal("quote", wanted, longest, budget, seconds)


def _seconds(tokens: int, rate: float) -> float:
    return tokens / rate if rate > 0 else float("inf")
