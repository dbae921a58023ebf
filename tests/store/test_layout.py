"""Where things lie."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.store.layout import Layout, durable_folder, open_part, remove_if_left


def test_every_folder_of_a_home_is_readable_by_its_owner_alone(tmp_path: Path):
    """The home holds patients' records. Its folders have mode 0700, narrowed where they were wider."""
    home = tmp_path / "home"
    (home / "lake").mkdir(parents=True)
    (home / "lake").chmod(0o755)
    layout = Layout(home)
    layout.prepare()
    layout.prepare()
    folders = [home, *home.iterdir()]
    assert {folder.name for folder in folders[1:]} == {
        *("landing", "receipts", "lake", "locks", "results", "packages", "tmp"),
    }
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}


@pytest.mark.parametrize("name", ["a[1]", "a%20b", "a|b", "a^b", "a\\b"])
def test_a_home_that_the_lake_could_not_use_is_refused_at_once(tmp_path: Path, name: str):
    """Better than a failure in native code at the first upload. Blanks and Chinese names are fine."""
    with pytest.raises(PlatformError, match=r"store\.home_refused"):
        Layout(tmp_path / name).prepare()
    assert list(tmp_path.iterdir()) == []
    Layout(tmp_path / "乐城 数据").prepare()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\0b", "a\n", "医院", "-rf", "x" * 129]
)
def test_a_name_from_outside_cannot_leave_its_folder(tmp_path: Path, name: str):
    """Ids of uploads and locks become names of files, so they are checked where they do."""
    with pytest.raises(PlatformError, match=r"store\.name_refused"):
        Layout(tmp_path).receipt(name)
    with pytest.raises(PlatformError, match=r"store\.name_refused"):
        Layout(tmp_path).lock(name)


def test_an_upload_id_names_its_receipt(tmp_path: Path):
    """The receipt of an upload is found by the upload's id alone."""
    assert Layout(tmp_path).receipt("upload-01").relative_to(tmp_path) == Path("receipts/upload-01.jsonl.gz")


def test_a_part_that_is_being_written_is_not_a_leftover(tmp_path: Path):
    """A sweep may run beside uploads: what a living writer holds stays, what nobody holds goes."""
    part = tmp_path / "a.part"
    with open_part(part):
        assert not remove_if_left(part)
        assert part.exists()
    assert remove_if_left(part)
    assert not remove_if_left(part)


def test_folders_are_made_down_to_the_last(tmp_path: Path):
    """Making a folder that is there, or under one that is not, is no error."""
    durable_folder(tmp_path / "a" / "b" / "c")
    durable_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_what_libraries_put_aside_lies_in_the_home_and_goes_with_its_owner(tmp_path: Path):
    """DuckDB spills rows to where Python keeps temporary files; outside the home nobody would sweep them."""
    layout = Layout(tmp_path / "home")
    before = tempfile.gettempdir()
    with layout.scratch_of_libraries():
        place = Path(tempfile.mkdtemp())
        assert place.is_relative_to(layout.tmp)
    assert not place.exists() and tempfile.gettempdir() == before
