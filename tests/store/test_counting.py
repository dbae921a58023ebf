"""Tables prepared for counting appear whole and go whole: nobody counts with what is left of a state."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.store.counting import forget_prepared, prepare_tables, prepared_tables
from rwd_platform.store.layout import Layout

STATE = "a" * 32


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "home")
    made.prepare()
    return made


def write(folder: Path, _temporary: Path) -> None:
    for name in ("measurement", "patient"):
        (folder / f"{name}.parquet").write_bytes(b"rows of patients")


def test_what_was_prepared_is_found_until_it_is_forgotten(layout: Layout):
    assert prepared_tables(layout, STATE) is None
    assert set(prepare_tables(layout, STATE, write)) == {"measurement", "patient"}
    assert forget_prepared(layout, keep=STATE) == 0
    assert forget_prepared(layout) == 1
    assert prepared_tables(layout, STATE) is None
    assert not [path for path in layout.home.rglob("*") if path.is_file()]


def test_a_removal_that_is_cut_off_leaves_no_state_with_some_of_its_tables(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
):
    """A killed compaction or erasure left such a folder, and counts would have been made with it."""
    prepare_tables(layout, STATE, write)

    def dies(folder: Path, *_: Any, **__: Any) -> None:
        monkeypatch.undo()
        next(folder.glob("*.parquet")).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", dies)
    with pytest.raises(KeyboardInterrupt):
        forget_prepared(layout)
    assert prepared_tables(layout, STATE) is None
    assert set(prepare_tables(layout, STATE, write)) == {"measurement", "patient"}
