"""Compaction: fewer files, the same rows, and what was replaced is gone from the disk."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.store import compaction
from rwd_platform.store.admission_guard import all_tables_or_none, quiet_lake
from rwd_platform.store.compaction import compact, files_of_table
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import Layout
from tests.store.test_lake import COLUMNS, row, stored

MB = 1 << 20


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.prepare()
    return layout


@pytest.fixture
def lake(layout: Layout) -> Lake:
    """Ten uploads of one new resource each; the eleventh corrects one."""
    lake = Lake(layout)
    lake.define("measurement", COLUMNS)
    for number in range(10):
        lake.replace_upload("measurement", f"u{number}", [row(f"r{number}", value=number, code="old-value")])
    lake.replace_upload("measurement", "u10", [row("r3", "c2", value=33, code="new-value")])
    return lake


def files(layout: Layout) -> list[Path]:
    folder = layout.lake / "measurement/v1"
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.parent == folder)


def test_many_small_files_become_one_with_the_same_rows_in_the_same_order(layout: Layout, lake: Lake):
    """What a reader sees is what it saw before, and so is the version that a quality check names."""
    before, versions = lake.read("measurement"), lake.versions()
    there = files_of_table(lake, "measurement", MB)
    assert (there.rows, there.files, there.small_files, there.older_files) == (10, 10, 10, 1)
    done = compact(layout, lake, "measurement", MB)
    assert (done.rows, done.files_before, done.files_after, done.forgotten) == (10, 10, 1, 1)
    pd.testing.assert_frame_equal(lake.read("measurement"), before)
    assert lake.versions() == versions
    assert lake.delta_versions()["measurement"] > versions["measurement"]
    assert len(files(layout)) == 1


def test_a_value_that_was_replaced_is_in_no_file_after_it(layout: Layout, lake: Lake):
    """Older versions still hold what a hospital corrected or a patient had erased: compaction forgets them."""
    import pyarrow.parquet as pq

    lake.replace_upload("measurement", "u11", [row("r4", "c2", code="SECRET-1")])
    lake.replace_upload("measurement", "u12", [row("r4", "c3", code="mended")])

    def holding(secret: str) -> list[Path]:
        return [file for file in files(layout) if secret in pq.read_table(file)["code"].to_pylist()]

    assert holding("SECRET-1")
    compact(layout, lake, "measurement", MB)
    assert not holding("SECRET-1")
    assert len(holding("mended")) == 1
    assert not any(b"SECRET-1" in file.read_bytes() for file in layout.lake.rglob("*") if file.is_file())


def test_compacted_again_nothing_changes_and_an_upload_after_it_is_a_new_version(layout: Layout, lake: Lake):
    """The second run finds nothing to do and makes no commit."""
    compact(layout, lake, "measurement", MB)
    versions, delta = lake.versions(), lake.delta_versions()
    again = compact(layout, lake, "measurement", MB)
    assert not again.changed
    assert lake.delta_versions() == delta
    lake.replace_upload("measurement", "u11", [row("new")])
    assert lake.versions()["measurement"] > delta["measurement"] > versions["measurement"]
    assert len(stored(lake)) == 11


def test_files_of_the_size_that_is_asked_for_are_left_alone(layout: Layout, lake: Lake):
    """A target below every file's size: there is nothing to bring together."""
    done = compact(layout, lake, "measurement", 100)
    assert done.files_after == 10


def test_older_files_lose_no_column_that_the_table_gained(layout: Layout, lake: Lake):
    """Files of before and after the growth become one: null where there was no such column."""
    grown = Lake(layout)
    grown.define("measurement", (*COLUMNS, ("lot", "string")))
    grown.replace_upload("measurement", "u11", [row("r11", lot="L-1")])
    before = grown.read("measurement")
    assert compact(layout, grown, "measurement", MB).files_after == 1
    pd.testing.assert_frame_equal(grown.read("measurement"), before)
    assert grown.read("measurement", ["lot"])["lot"].notna().sum() == 1


def test_an_undone_upload_after_a_compaction_puts_back_the_rows_and_leaves_none_of_its_own(
    layout: Layout, lake: Lake
):
    """Compaction forgot the older versions; the one before the upload is still there to go back to."""
    compact(layout, lake, "measurement", MB)
    before, versions = lake.read("measurement"), lake.versions()
    with pytest.raises(RuntimeError), all_tables_or_none(layout, "u11", lambda _: False):
        lake.replace_upload(
            "measurement", "u11", [row("r3", "c9", code="UNDONE-1"), row("x", code="UNDONE-2")]
        )
        raise RuntimeError
    pd.testing.assert_frame_equal(lake.read("measurement"), before)
    assert lake.versions() == versions, "the same rows: a quality check of before still holds"
    assert not any(b"UNDONE" in file.read_bytes() for file in layout.lake.rglob("*") if file.is_file())
    lake.replace_upload("measurement", "u12", [row("x")])
    assert len(stored(lake)) == 11


def test_a_column_that_came_with_an_undone_upload_goes_with_it(layout: Layout, lake: Lake):
    """Growth is part of the upload's commit, so undoing the upload undoes the growth."""
    grown = Lake(layout)
    grown.define("measurement", (*COLUMNS, ("lot", "string")))
    with pytest.raises(RuntimeError), all_tables_or_none(layout, "u11", lambda _: False):
        grown.replace_upload("measurement", "u11", [row("x", lot="L-1")])
        raise RuntimeError
    assert "lot" not in Lake(layout).read("measurement").columns
    grown.replace_upload("measurement", "u12", [row("x", lot="L-2")])
    assert grown.read("measurement", ["lot"])["lot"].dropna().tolist() == ["L-2"]


@pytest.mark.parametrize("cut_off", ["restore", "forget_history"])
def test_putting_back_that_was_cut_off_is_finished_by_whoever_comes_next(
    layout: Layout, lake: Lake, monkeypatch: pytest.MonkeyPatch, cut_off: str
):
    """Killed while undoing: between the tables, before the old version came back, or before it was forgotten."""
    before = lake.read("measurement")

    class Killed(BaseException):
        """Nothing in between catches it, as nothing catches SIGKILL."""

    def killed(*_: object) -> None:
        raise Killed

    with (
        monkeypatch.context() as broken,
        pytest.raises(Killed),
        all_tables_or_none(layout, "u11", lambda _: False),
    ):
        lake.define("visit", ())
        lake.replace_upload("measurement", "u11", [row("r3", "c9", code="UNDONE")])
        lake.replace_upload("visit", "u11", [row("v1")])
        broken.setattr(Lake, cut_off, killed)
        raise RuntimeError
    with quiet_lake(layout, lambda _: False) as settled:
        assert settled.tables() == ("measurement",)
        pd.testing.assert_frame_equal(settled.read("measurement"), before)
    assert lake.sweep() == 0
    assert not any(b"UNDONE" in file.read_bytes() for file in layout.lake.rglob("*") if file.is_file())


def test_other_rows_after_it_are_noticed_and_the_table_is_put_back(
    layout: Layout, lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    """The sum of the rows is taken before and after; until they agree no file is removed."""
    before, there = lake.read("measurement"), files(layout)
    sums = iter([(10, 1), (10, 2)])
    monkeypatch.setattr(compaction, "_sum_of_rows", lambda *_: next(sums))
    with pytest.raises(PlatformError, match=r"lake\.rows_differ"):
        compact(layout, lake, "measurement", MB)
    pd.testing.assert_frame_equal(lake.read("measurement"), before)
    assert set(there) <= set(files(layout))


def test_a_table_that_is_not_there_is_said_so(layout: Layout, lake: Lake):
    """A misspelt name is no empty success."""
    with pytest.raises(PlatformError, match=r"lake\.table_unknown"):
        compact(layout, lake, "measurements", MB)


def test_readers_meanwhile_see_all_rows_and_no_error(layout: Layout, lake: Lake):
    """A reader that had listed the old files reads again when they are gone."""
    counts: set[int] = set()
    errors: list[BaseException] = []
    over = threading.Event()

    def watch() -> None:
        try:
            while not over.is_set():
                counts.add(len(Lake(layout).read("measurement", ["resource_id"])))
        except BaseException as error:
            errors.append(error)

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for one in watchers:
        one.start()
    for number in range(3):
        lake.replace_upload("measurement", f"late{number}", [row("r3", f"late{number}")])
        compact(layout, lake, "measurement", MB)
    over.set()
    for one in watchers:
        one.join()
    assert errors == []
    assert counts == {10}
