"""Between a file and its record: whoever writes a file first and puts it on record then says so meanwhile.

A file without a record is what a dead writer left - or what a living one is about to record. The second is told
from the first by a lock that all such writers share, and that the kernel drops when they die.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.store.layout import Layout, durable_folder

_GUARD = "recording.guard"


@contextlib.contextmanager
def until_recorded(layout: Layout) -> Iterator[None]:
    """From before the first byte until the record is committed. Waits while a sweep removes what nobody recorded."""
    durable_folder(layout.tmp)
    with (layout.tmp / _GUARD).open("ab") as guard:
        fcntl.flock(guard, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def one_at_a_time(layout: Layout, *series: str) -> Iterator[None]:
    """Hold a series whose next file takes the next number: of two writers the second waits, and counts the first's."""
    durable_folder(layout.tmp)
    name = sha256_hex("\n".join(series).encode())
    with (layout.tmp / f"series-{name}.guard").open("ab") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # the kernel lets go when the holder dies
        yield


@contextlib.contextmanager
def nobody_records(layout: Layout) -> Iterator[bool]:
    """Whether no writer is between file and record now. While the answer is yes, none begins."""
    durable_folder(layout.tmp)
    with (layout.tmp / _GUARD).open("ab") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
