"""`python -P -m invent_server.knowledge.index.child FOLDER PARENT_PID`: frames on stdin and stdout, logs on stderr.

Ends with its parent: at the end of stdin, and on Linux by a signal when the parent dies without closing it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from invent_server.knowledge.index.child.folder import Folder, FolderTaken
from invent_server.knowledge.index.child.server import Server
from invent_server.knowledge.index.frames import pack

_PR_SET_PDEATHSIG = 1
_SWITCH = 0.001
"""Seconds after which the writing thread gives the interpreter to a search that waits for it."""


def main(path: Path, parent: int) -> int:
    """Serve until stdin ends. Returns the exit code: 0 done, 1 failed, 3 the folder is taken."""
    if not _end_with(parent):
        return 0
    output = _own_stdout()
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    sys.setswitchinterval(_SWITCH)
    try:
        folder = Folder(path)
        opened, reason = folder.open()
    except FolderTaken as error:
        output.write(pack({"fatal": str(error)}))
        return 3
    except OSError as error:
        output.write(pack({"fatal": f"the index folder {path} cannot be used: {error.strerror}"}))
        return 1
    if reason is not None:
        logging.warning("%s; starting with an empty one", reason)
    return Server(folder, opened, output).run(sys.stdin.buffer)


def _end_with(parent: int) -> bool:
    """Die with the parent (Linux) and leave the terminal's signals to it. False: it is gone already."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def _own_stdout() -> BinaryIO:
    """The pipe for frames; whatever a library prints goes to stderr instead."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return pipe


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stderr.flush()
    # Not sys.exit: merges of the engine may run for seconds, and nothing that they do is worth waiting for.
    os._exit(code)
