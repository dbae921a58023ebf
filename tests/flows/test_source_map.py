"""The sealed map from a lock's source rows to hospitals' lines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.source_map import seal_source_map, with_source_lines

SOURCES = {"t1": ("f" * 64, 7, "d" * 64), "t2": ("e" * 64, 900_000, "c" * 64)}


def lineage(*names: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"subject_id": [f"s-{name}" for name in names], "variable": "age", "source_row": list(names)}
    )


def sealed_file(platform: Platform, lock: str) -> Path:
    return platform.layout.home / "ledger" / f"{lock}.sources"


def test_a_source_row_leads_to_its_file_line_and_digest(platform: Platform):
    """One line may stand behind many values; a value that no line gave has no row here."""
    seal_source_map(platform, "L-1", SOURCES)
    found = with_source_lines(platform, "L-1", lineage("t2", "t1", "t2"))
    assert list(found.columns) == [
        "subject_id",
        "variable",
        "source_file_sha256",
        "source_line",
        "line_digest",
    ]
    assert found["source_line"].tolist() == [900_000, 7, 900_000]
    assert with_source_lines(platform, "L-1", lineage()).empty


def test_the_map_on_disk_names_no_file_and_no_digest(platform: Platform):
    """It lies outside the lock, sealed: with the lock alone two projects cannot be joined line by line."""
    seal_source_map(platform, "L-1", SOURCES)
    content = sealed_file(platform, "L-1").read_bytes()
    assert b"t1" not in content and b"f" * 16 not in content


def test_a_row_that_the_map_does_not_know_is_an_error_and_not_an_empty_cell(platform: Platform):
    """A trace with holes would look like a whole one."""
    seal_source_map(platform, "L-1", SOURCES)
    with pytest.raises(PlatformError) as error:
        with_source_lines(platform, "L-1", lineage("t1", "t3"))
    assert error.value.code == "ledger.source_unknown"


def test_a_lock_of_before_names_its_lines_itself(platform: Platform):
    """Locks are opened forever: one without a map says file, line and digest in its source rows."""
    found = with_source_lines(platform, "L-old", lineage(f"{'a' * 64}:12:{'b' * 64}"))
    assert found.loc[0, ["source_file_sha256", "source_line", "line_digest"]].tolist() == [
        "a" * 64,
        12,
        "b" * 64,
    ]


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""])
def test_a_damaged_map_is_named(platform: Platform, spoil):
    """Cut, changed or emptied: an error with the lock's name, never a guess."""
    seal_source_map(platform, "L-1", SOURCES)
    path = sealed_file(platform, "L-1")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(PlatformError) as error:
        with_source_lines(platform, "L-1", lineage("t1"))
    assert error.value.code == "ledger.map_damaged" and "L-1" in str(error.value)


def test_the_map_of_one_lock_does_not_open_as_that_of_another(platform: Platform):
    """Each is sealed under the key of its own lock."""
    seal_source_map(platform, "L-1", SOURCES)
    sealed_file(platform, "L-2").write_bytes(sealed_file(platform, "L-1").read_bytes())
    with pytest.raises(PlatformError) as error:
        with_source_lines(platform, "L-2", lineage("t1"))
    assert error.value.code == "ledger.map_damaged"
