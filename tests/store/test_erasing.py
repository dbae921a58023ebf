"""One patient out of a file that is kept by patient: an empty line stands in the place of each line."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from rwd_platform.signing.keys import KeyRing
from rwd_platform.store.erasing import blank_patient, destroy_lock, files_with, patients_of, replace_whole
from rwd_platform.store.segments import DataKey, Segments, SegmentWriter

ORGANISATION = "hospital-a"


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing(b"a root key that only tests use..")


class Keys:
    """A key for everybody; None for whose key was destroyed."""

    def __init__(self, *names: str) -> None:
        self._keys: dict[str, DataKey | None] = {name: DataKey("intl", os.urandom(32)) for name in names}

    def destroy(self, name: str) -> None:
        self._keys[name] = None

    def __call__(self, _organisation: str, patients: Collection[str]) -> Mapping[str, DataKey | None]:
        return {patient: self._keys[patient] for patient in patients}


def written(folder: Path, keys: KeyRing, find: Keys, pieces: list[tuple[str, bytes]], window: int) -> Path:
    path = folder / "ab" / "file.seg"
    path.parent.mkdir(parents=True)
    with path.open("wb") as sink:
        writer = SegmentWriter(sink, keys, ORGANISATION, find, window_bytes=window)
        for owner, piece in pieces:
            writer.write(owner, piece)
        writer.close()
    return path


def read(path: Path, keys: KeyRing, find: Keys) -> bytes:
    with path.open("rb") as source:
        return b"".join(
            piece
            for piece in Segments(source, keys, ORGANISATION, path.name, find).pieces()
            if isinstance(piece, bytes)
        )


@pytest.mark.parametrize("window", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize(
    "pieces",
    [
        [("", b"header\n"), ("a", b"one\n"), ("b", b"two\n"), ("a", b"three\n"), ("b", b"four")],
        [("b", b"x" * 50), ("b", b"y\n"), ("a", b"one\r\n"), ("b", b"\n\n"), ("a", b"z\n")],
        [("b", b"alone\n")],
        [("a", b"nothing of b\n")],
    ],
)
def test_every_line_of_others_keeps_its_number_and_its_bytes(
    tmp_path: Path, keys: KeyRing, window: int, pieces: list[tuple[str, bytes]]
) -> None:
    """Also where a line is cut over several windows, and where the file has no line end at its end."""
    find = Keys("", "a", "b")
    path = written(tmp_path, keys, find, pieces, window)
    expected = b"".join(piece if owner != "b" else b"\n" * piece.count(b"\n") for owner, piece in pieces)
    has_b = any(owner == "b" for owner, _ in pieces)
    assert blank_patient(path, keys, ORGANISATION, ["b"], find) is has_b
    find.destroy("b")
    assert read(path, keys, find) == expected
    assert "b" not in patients_of(path, keys, ORGANISATION, find)
    assert blank_patient(path, keys, ORGANISATION, ["b"], find) is False, "done again it finds nothing"
    assert sorted(one.name for one in path.parent.parent.rglob("*")) == ["ab", "file.seg"]


@pytest.mark.parametrize("window", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("gone", [[1], [3], [4, 5], [7], [9]])
def test_lines_of_nobody_go_too_where_they_are_named(
    tmp_path: Path, keys: KeyRing, window: int, gone: list[int]
) -> None:
    """Also one that is cut over several windows, one over two rows, and the last without its end."""
    find = Keys("", "a", "b")
    pieces = [
        ("", b"header\n"), ("a", b"one\n"), ("", b"th"), ("", b"ing\n"), ("", b'"two\n rows"\n'), ("b", b"two\n"),
        ("", b"end"),
    ]  # fmt: skip
    path = written(tmp_path, keys, find, pieces, window)
    whole = b"".join(b"\n" if owner == "b" else piece for owner, piece in pieces)
    lines = [b"" if number in gone else line for number, line in enumerate(whole.split(b"\n"), start=1)]
    for _ in range(2):
        assert blank_patient(path, keys, ORGANISATION, ["b"], find, gone), "done again it is the same"
        assert read(path, keys, find) == b"\n".join(lines)


def test_lines_are_not_counted_past_what_cannot_be_read(tmp_path: Path, keys: KeyRing) -> None:
    """A wrong line would be somebody else's: the file stays as it is."""
    find = Keys("", "a", "b")
    path = written(tmp_path, keys, find, [("a", b"one\n"), ("", b"thing\n"), ("b", b"two\n")], 1 << 20)
    find.destroy("a")
    before = path.read_bytes()
    with pytest.raises(Exception, match=r"raw\.damaged"):
        blank_patient(path, keys, ORGANISATION, ["b"], find, [2])
    assert path.read_bytes() == before


def test_two_patients_go_one_after_the_other(tmp_path: Path, keys: KeyRing) -> None:
    find = Keys("", "a", "b", "c")
    pieces = [("a", b"1\n"), ("b", b"2\n"), ("c", b"3\n"), ("b", b"4\n")]
    path = written(tmp_path, keys, find, pieces, 3)
    for name in ("b", "a"):
        assert blank_patient(path, keys, ORGANISATION, [name], find)
        find.destroy(name)
    assert read(path, keys, find) == b"\n\n3\n\n"


def test_a_changed_byte_is_still_found(tmp_path: Path, keys: KeyRing) -> None:
    """The new index says what the content is now; nobody else can make one."""
    find = Keys("", "a", "b")
    path = written(tmp_path, keys, find, [("a", b"one\n"), ("b", b"two\n")], 1 << 20)
    blank_patient(path, keys, ORGANISATION, ["b"], find)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match=r"raw\.damaged"):
        read(path, keys, find)


def test_a_destroyed_lock_leaves_nothing_behind_its_other_names(tmp_path: Path) -> None:
    """A file that another lock shares, and that holds nothing of the patient, is let go and not emptied."""
    folder = tmp_path / "L-1"
    folder.mkdir()
    for name in ("subject.parquet", "label.parquet"):
        (folder / name).write_bytes(name.encode())
        (folder / name).chmod(0o444)
        os.link(folder / name, tmp_path / f"other-{name}")
    assert destroy_lock(folder, ["subject.parquet"]) == 2
    assert not folder.exists() and destroy_lock(folder, []) == 0
    assert (tmp_path / "other-subject.parquet").read_bytes() == b""
    assert (tmp_path / "other-label.parquet").read_bytes() == b"label.parquet"


def test_the_search_looks_into_what_is_compressed(tmp_path: Path) -> None:
    """A value in a dictionary of a Parquet file, in a gzip, and in a zip within is found; a part left is none."""
    import gzip
    import zipfile

    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"day": ["1987-11-23"] * 1000}), tmp_path / "a.parquet", compression="zstd")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"1987-11-23"))
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.parquet", "inner.parquet")
    (tmp_path / "c.zip").write_bytes(held.getvalue())
    (tmp_path / "d.txt").write_bytes(b"1987-11-22")
    found = {path.name for path, _ in files_with(tmp_path, [b"1987-11-23"])}
    assert found == {"a.parquet", "b.gz", "c.zip"}


def test_a_file_is_replaced_whole_and_leftovers_of_a_dead_writer_go(tmp_path: Path) -> None:
    (tmp_path / "x.json.dead.part").write_bytes(b"half")
    replace_whole(tmp_path / "x.json", b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["x.json"]
