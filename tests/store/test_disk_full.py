"""The disk fills in the middle of a burst: refusals that say so, no false acknowledgement, and a recovery by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare, to mount a small disk")
    command = ["unshare", "-m", sys.executable, "-m", "tests.support.full_disk", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    if done.returncode and "mount" in done.stderr and "CalledProcessError" in done.stderr:
        pytest.skip("a small disk cannot be mounted here")
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["refused"] > 0, seen
    assert seen["lost"] == 0, seen
    assert seen["others"] == [], seen
    assert (seen["without_retry_after"], seen["reads_failed"], seen["integrity"]) == (0, 0, "ok"), seen
    assert seen["recovered_s"] <= 10, seen
    assert seen["unanswered"] == 0, seen
