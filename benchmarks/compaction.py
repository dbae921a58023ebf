"""Compaction: reading a table of many small files, before and after, as a ratio within one run.

    ./run bench compaction

One table is filled by many small uploads, as weekly deliveries do, with corrections among them. Seconds are of
this process's CPU and its threads', the best of three passes. The read is the lake's own: whole, in merge-key order.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rwd_platform.store.lake import Lake

UPLOADS = 40
ROWS_EACH = 250
CORRECTED = 25  # rows of every tenth upload that replace rows of the one before
FILE_BYTES = 128 << 20
PASSES = 3


def run() -> None:
    from rwd_platform.store.compaction import compact
    from rwd_platform.store.lake import Lake
    from rwd_platform.store.layout import Layout

    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        layout.prepare()
        lake = Lake(layout)
        lake.define("measurement", (("code", "code"), ("value", "decimal")))
        _fill(lake)
        before = _seconds(lake)
        began = time.process_time()
        done = compact(layout, lake, "measurement", FILE_BYTES)
        spent = time.process_time() - began
        after = _seconds(lake)
    print(
        f"compaction: {done.rows:,} rows of {UPLOADS} uploads: files {done.files_before} -> {done.files_after},"
        f" {done.forgotten} of older versions removed, bytes ratio {done.bytes_after / done.bytes_before:.2f};"
        f" read time before/after {before / after:.1f} ({before:.2f} s -> {after:.2f} s CPU);"
        f" compaction itself {spent:.2f} s CPU"
    )


def _fill(lake: Lake) -> None:
    for upload in range(UPLOADS):
        first = upload * ROWS_EACH - (CORRECTED if upload % 10 == 9 else 0)
        lake.replace_upload(
            "measurement",
            f"u{upload:04}",
            (
                {
                    "organisation_id": "hospital-a",
                    "source_system": "his",
                    "resource_type": "Observation",
                    "resource_id": f"r{number:07}",
                    "patient_id": f"p{number % 997:04}",
                    "row_index": 0,
                    "source_file_sha256": f"{upload:064x}",
                    "source_line": number,
                    "line_digest": f"{number:064x}",
                    "content_sha256": f"{upload:08x}{number:056x}",
                    "code": f"code-{number % 40}",
                    "value": number / 8,
                }
                for number in range(first, first + ROWS_EACH)
            ),
        )


def _seconds(lake: Lake) -> float:
    best = float("inf")
    for _ in range(PASSES):
        began = time.process_time()
        lake.read("measurement")
        best = min(best, time.process_time() - began)
    return best
