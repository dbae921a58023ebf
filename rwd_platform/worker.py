"""The worker: a process that does jobs until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from types import FrameType

from sqlalchemy.exc import OperationalError

from rwd_platform.access.sessions import remove_expired
from rwd_platform.audit.checkpoints import checkpoint_if_due
from rwd_platform.flows.jobs import work_once
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sweep import sweep_leftovers

_IDLE_SECONDS = 1.0
_TIDY_SECONDS = 3600.0
_LOGGER = logging.getLogger(__name__)


def run_worker(platform: Platform, *, name: str = "") -> None:
    """Work until SIGTERM or SIGINT; the job in hand is finished first."""
    stop = threading.Event()

    def _stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, _stop)
    worker = name or f"worker-{os.getpid()}"
    sweep_leftovers(platform)
    tidied = -_TIDY_SECONDS
    with platform.layout.scratch_of_libraries():
        while not stop.is_set():
            if time.monotonic() - tidied >= _TIDY_SECONDS and _tidied(platform):
                tidied = time.monotonic()
            if not _worked(platform, worker):
                stop.wait(_IDLE_SECONDS)


def _tidied(platform: Platform) -> bool:
    """Logins that are over leave the database: what names a person is kept no longer than it serves."""
    try:
        remove_expired(platform.records)
    except OperationalError as error:
        _LOGGER.warning("the database did not answer (%s); asking again", type(error.orig).__name__)
        return False
    return True


def _worked(platform: Platform, worker: str) -> bool:
    """Whether there was a job to do. A database that is busy or away is asked again; a lease ends by itself."""
    try:
        if work_once(platform, worker) is not None:
            return True
        checkpoint_if_due(platform.records, platform.log_signer)
    except OperationalError as error:
        # Its text holds the statement's values.
        _LOGGER.warning("the database did not answer (%s); asking again", type(error.orig).__name__)
    return False
