"""What runs over the pipe between server and index process: a length of four bytes, then JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

MAX_FRAME = 32 * 1024 * 1024
HEADER = 4

Frame = dict[str, Any]


class FrameError(Exception):
    """The other end does not speak this protocol: end the conversation."""


def pack(frame: Frame) -> bytes:
    """A frame as bytes. Raises FrameError when it is too long."""
    body = orjson.dumps(frame)
    if len(body) > MAX_FRAME:
        raise FrameError(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME}")
    return len(body).to_bytes(HEADER) + body


def length(header: bytes) -> int:
    """The length that a header announces."""
    size = int.from_bytes(header)
    if size > MAX_FRAME:
        raise FrameError(f"a frame of {size} bytes is over the limit of {MAX_FRAME}")
    return size


def unpack(body: bytes) -> Frame:
    """The frame in a body."""
    try:
        frame = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise FrameError(f"a frame that is no JSON: {error}") from None
    if not isinstance(frame, dict):
        raise FrameError("a frame that is no object")
    return frame


def read_frame(read: Callable[[int], bytes]) -> Frame | None:
    """The next frame of a blocking stream; None at its end, also in the middle of a frame."""
    header = read(HEADER)
    if len(header) < HEADER:
        return None
    size = length(header)
    body = read(size)
    return unpack(body) if len(body) == size else None
