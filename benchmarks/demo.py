"""The main job as a newcomer runs it: wall time and peak memory of the whole process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "rwd_platform.cli.main", "demo", "--out", str(Path(folder) / "demo")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
    print(
        f"demo: {seconds:.1f} s wall, {usage.ru_utime + usage.ru_stime:.1f} s CPU,"
        f" {usage.ru_maxrss / 1024:.0f} MiB peak, exit {os.waitstatus_to_exitcode(status)}"
    )
