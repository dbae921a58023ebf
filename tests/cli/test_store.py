"""`rwd store`: files, compact, sweep: one JSON document each, the exit codes of the contract, both languages."""

from __future__ import annotations

from pathlib import Path

from rwd_platform.core.errors import Exit
from tests.cli.calling import Rwd, is_chinese


def test_an_empty_store_has_no_files_and_nothing_to_compact_or_sweep(home: Path, rwd: Rwd) -> None:
    """A figure of zero is an answer."""
    files = rwd("store", "files", "--json")
    assert (files.code, files.document) == (Exit.YES, {"file_mb": 128, "tables": []})
    done = rwd("store", "compact", "--json")
    assert (done.code, done.document["tables"]) == (Exit.YES, [])
    assert done.document["job"].startswith("job-")
    assert is_chinese(done.stderr)
    swept = rwd("store", "sweep", "--json")
    assert swept.code == Exit.YES
    assert set(swept.document.values()) == {0} and "lake" in swept.document


def test_a_table_that_is_not_there_is_malformed_input(home: Path, rwd: Rwd) -> None:
    refused = rwd("store", "compact", "--table", "measurements", "--json")
    assert refused.code == Exit.MALFORMED
    assert refused.document["error"]["code"] == "lake.table_unknown"


def test_two_locks_that_are_not_there_cannot_be_compared(home: Path, rwd: Rwd) -> None:
    refused = rwd("study", "lock-difference", "study-1", "L-1", "L-2", "--json")
    assert refused.code == Exit.MALFORMED
    assert refused.document["error"]["code"] == "records.not_found"
