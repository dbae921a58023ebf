"""The worker: a process that does jobs until it is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from rwd_platform.audit.checkpoints import checkpoint_if_due
from rwd_platform.flows.jobs import work_once
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sweep import sweep_leftovers

_IDLE_SECONDS = 1.0


def run_worker(platform: Platform, *, name: str = "") -> None:
    """Work until SIGTERM or SIGINT; the job in hand is finished first."""
    stop = threading.Event()

    def _stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, _stop)
    worker = name or f"worker-{os.getpid()}"
    sweep_leftovers(platform)
    while not stop.is_set():
        if work_once(platform, worker) is None:
            checkpoint_if_due(platform.records, platform.log_signer)
            stop.wait(_IDLE_SECONDS)
