"""Data locks: the same rows have the same id, and nothing in a lock can change unseen."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rwd_platform.core.canonical import canonical_json, rows_sha256, sha256_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.store.layout import Layout, open_part
from rwd_platform.store.lock import DataLock, open_lock, sweep, write_lock

FACTS = {"study": "R-017", "protocol_sha256": "p" * 64, "lake_versions": {"patient": 3}}


def tables() -> dict[str, pd.DataFrame]:
    return {
        "subject": pd.DataFrame(
            {
                "subject_id": ["s2", "s1"],
                "age_years": pd.array([61, None], dtype="Int64"),
                "gender": ["female", None],
            }
        ),
        "measurement": pd.DataFrame(
            {
                "subject_id": ["s1", "s1", "s2"],
                "value": [0.4, np.nan, 1.0],
                "on": pd.array([True, False, None], dtype="boolean"),
            }
        ),
    }


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.prepare()
    return layout


@pytest.fixture
def lock(layout: Layout) -> DataLock:
    return write_lock(layout, tables(), FACTS)


def unlocked(lock: DataLock, tmp_path: Path) -> Path:
    """A copy that can be written to."""
    copy = tmp_path / "copy" / lock.id
    shutil.copytree(lock.path, copy)
    for file in copy.iterdir():
        file.chmod(0o644)
    return copy


def test_a_lock_opens_as_what_was_locked(lock: DataLock):
    """Rows in order of the subject, integers as integers, missing as missing, and the facts beside them."""
    opened = open_lock(lock.path)
    assert opened.id == lock.id
    assert opened.facts == FACTS
    subject = opened.tables["subject"]
    assert subject["subject_id"].tolist() == ["s1", "s2"]
    assert subject["age_years"].isna().tolist() == [True, False]
    assert subject["age_years"][1] == 61
    assert subject["gender"].tolist() == [None, "female"]
    assert opened.tables["measurement"]["value"].fillna(-1).tolist() == [0.4, -1.0, 1.0]


def test_the_id_is_the_hash_of_the_content_and_anyone_can_compute_it(lock: DataLock):
    """Not of file bytes and not of time: the canonical JSON of facts, columns, counts and row hashes."""
    manifest = json.loads((lock.path / "manifest.json").read_bytes())
    content = manifest["content"]
    assert lock.id == "L-" + hashlib.sha256(canonical_json(content)).hexdigest()
    by_hand = [{"subject_id": "s1", "age_years": None, "gender": None}]
    by_hand += [{"subject_id": "s2", "age_years": 61, "gender": "female"}]
    assert content["tables"]["subject"] == {
        "rows": 2,
        "columns": [
            {"name": "subject_id", "type": "string"},
            {"name": "age_years", "type": "integer"},
            {"name": "gender", "type": "string"},
        ],
        "rows_sha256": rows_sha256(by_hand),
    }


def test_the_order_of_rows_and_the_machine_do_not_matter(layout: Layout, lock: DataLock, tmp_path: Path):
    """The same rows in another order, in another home: the same id and the same bytes in every file."""
    shuffled = {
        name: frame.sample(frac=1, random_state=5).set_index(np.arange(len(frame)) + 7)
        for name, frame in reversed(tables().items())
    }
    elsewhere = Layout(tmp_path / "elsewhere")
    elsewhere.prepare()
    again = write_lock(elsewhere, shuffled, dict(reversed(FACTS.items())))
    assert again.id == lock.id
    assert again.path != lock.path
    for file in lock.path.iterdir():
        assert (again.path / file.name).read_bytes() == file.read_bytes()


def test_writing_the_same_content_again_returns_the_same_lock(layout: Layout, lock: DataLock):
    """Nothing is written a second time, also when many ask at once."""
    before = {file.name: file.stat().st_mtime_ns for file in lock.path.iterdir()}
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: write_lock(layout, tables(), FACTS), range(8)))
    assert {one.id for one in again} == {lock.id}
    assert {file.name: file.stat().st_mtime_ns for file in lock.path.iterdir()} == before
    assert list(layout.tmp.iterdir()) == []


def test_many_first_writers_make_one_lock(layout: Layout):
    """Two workers that build the same lock at the same moment do not disturb each other."""
    with ThreadPoolExecutor(6) as pool:
        locks = list(pool.map(lambda _: write_lock(layout, tables(), FACTS), range(6)))
    assert len({one.path for one in locks}) == 1
    assert len(list(layout.locks.iterdir())) == 1
    assert list(layout.tmp.iterdir()) == []
    open_lock(locks[0].path)


@pytest.mark.parametrize(
    "change",
    [
        lambda t, f: t["subject"].__setitem__("age_years", pd.array([61, 62], dtype="Int64")),
        lambda t, f: t["subject"].__setitem__("gender", ["female", "male"]),
        lambda t, f: t["measurement"].__setitem__("value", [0.4, np.nan, 1.0000000001]),
        lambda t, f: t["measurement"].drop(index=0, inplace=True),
        lambda t, f: t["measurement"].rename(columns={"value": "amount"}, inplace=True),
        lambda t, f: t.__setitem__("empty", pd.DataFrame({"subject_id": []})),
        lambda t, f: t["subject"].__setitem__("age_years", [61.0, np.nan]),
        lambda t, f: f.__setitem__("study", "R-018"),
    ],
)
def test_other_content_is_another_lock(layout: Layout, lock: DataLock, change: Any):
    """A value, a row, a name, a type, a table without rows, a fact: whatever differs, the id does."""
    changed, facts = tables(), dict(FACTS)
    change(changed, facts)
    assert write_lock(layout, changed, facts).id != lock.id
    open_lock(lock.path)


def test_the_files_are_read_only(lock: DataLock):
    """Mode 0444: whoever would change a lock has to mean it."""
    assert {file.stat().st_mode & 0o777 for file in lock.path.iterdir()} == {0o444}


def test_a_change_of_any_byte_names_the_file(lock: DataLock, tmp_path: Path):
    """Every byte of the manifest, and a byte in every stretch of every table."""
    copy = unlocked(lock, tmp_path)
    for file in sorted(copy.iterdir()):
        whole = file.read_bytes()
        for position in range(0, len(whole), 1 if file.suffix == ".json" else 7):
            changed = bytearray(whole)
            changed[position] ^= 0x01
            file.write_bytes(changed)
            with pytest.raises(PlatformError, match=rf"lock\.damaged.*file {file.name}") as caught:
                open_lock(copy)
            assert lock.id in caught.value.zh
        file.write_bytes(whole)
    open_lock(copy)


def test_a_table_exchanged_together_with_its_file_hash_is_still_noticed(lock: DataLock, tmp_path: Path):
    """Who changes rows and corrects the list of files would have to change the lock's name as well."""
    copy = unlocked(lock, tmp_path)
    frame = pd.read_parquet(copy / "subject.parquet")
    frame.assign(gender="male").to_parquet(copy / "subject.parquet")
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["files"]["subject.parquet"] = hashlib.sha256((copy / "subject.parquet").read_bytes()).hexdigest()
    del manifest["seal"]
    manifest["seal"] = sha256_of(manifest)
    (copy / "manifest.json").write_bytes(canonical_json(manifest))
    with pytest.raises(PlatformError, match=r"file subject\.parquet holds other rows"):
        open_lock(copy)


@pytest.mark.parametrize("name", ["subject.parquet", "manifest.json"])
def test_a_missing_file_is_named(lock: DataLock, tmp_path: Path, name: str):
    """A lock with a file less is not a smaller lock."""
    copy = unlocked(lock, tmp_path)
    (copy / name).unlink()
    with pytest.raises(PlatformError, match=rf"lock\.damaged.*file {name} is missing"):
        open_lock(copy)


def test_a_file_that_the_manifest_does_not_list_is_named(lock: DataLock, tmp_path: Path):
    """What was not locked does not travel under the lock's name."""
    copy = unlocked(lock, tmp_path)
    (copy / "notes.txt").write_text("x")
    with pytest.raises(PlatformError, match=r"lock\.damaged.*file notes\.txt is not listed"):
        open_lock(copy)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"content":{"tables":{"../../x":{}}},"files":{"../../x.parquet":""},"id":""}',
    ],
)
def test_a_folder_with_a_strange_manifest_is_no_lock(tmp_path: Path, manifest: bytes):
    """A manifest from outside cannot make the reader open files elsewhere."""
    (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(PlatformError, match=r"lock\.damaged.*manifest\.json"):
        open_lock(tmp_path)


def test_a_manifest_that_names_a_table_elsewhere_is_refused_with_the_right_id_too(tmp_path: Path):
    """Also one whose hashes all agree."""
    content = {"format_version": 1, "facts": {}, "tables": {"../x": {}}}
    lock_id = "L-" + hashlib.sha256(canonical_json(content)).hexdigest()
    manifest: dict[str, Any] = {"id": lock_id, "content": content, "files": {"../x.parquet": ""}}
    manifest["seal"] = sha256_of(manifest)
    (tmp_path / "manifest.json").write_bytes(canonical_json(manifest))
    with pytest.raises(PlatformError, match=r"lock\.damaged.*manifest\.json"):
        open_lock(tmp_path)


@pytest.mark.parametrize(
    "column",
    [
        pd.to_datetime(["2020-01-01"]),
        [float("inf")],
        [float("-inf")],
        [2**60],
        [{"a": 1}],
        [["a"]],
        [b"bytes"],
        ["\ud800"],
        pd.Categorical(["a"]),
    ],
)
def test_a_column_that_canonical_json_cannot_hold_is_refused_by_name(layout: Layout, column: Any):
    """Its hash would depend on how it is written down. The error names the column and no value."""
    with pytest.raises(PlatformError, match=r"lock\.column_refused.*\bstrange\b.*\bsubject\b"):
        write_lock(layout, {"subject": pd.DataFrame({"strange": column})}, {})
    assert list(layout.locks.iterdir()) == []


def test_a_table_of_mixed_values_is_refused(layout: Layout):
    """Text in one row and a number in another is a mistake of whoever made the table."""
    with pytest.raises(PlatformError, match=r"lock\.column_refused"):
        write_lock(layout, {"subject": pd.DataFrame({"strange": ["a", 1]})}, {})


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"subject_id": [], "age_years": []})])
def test_a_table_without_rows_is_locked_as_one(layout: Layout, frame: pd.DataFrame):
    """That nobody was exposed is a fact, and the lock says it."""
    lock = write_lock(layout, {"drug_exposure": frame}, {})
    opened = open_lock(lock.path).tables["drug_exposure"]
    assert len(opened) == 0
    assert list(opened.columns) == list(frame.columns)


def test_a_lock_half_written_by_a_killed_worker_is_swept(layout: Layout, lock: DataLock):
    """It never had the name of a lock. One that a living worker is writing is left alone."""
    for name in ("dead", "living"):
        (layout.tmp / f"lock-{name}").mkdir()
        (layout.tmp / f"lock-{name}" / "subject.parquet").write_bytes(b"half")
    (layout.tmp / "lock-dead.part").touch()
    with open_part(layout.tmp / "lock-living.part"):
        assert sweep(layout) == 1
        assert sorted(path.name for path in layout.tmp.iterdir()) == ["lock-living", "lock-living.part"]
    assert sweep(layout) == 1
    assert list(layout.tmp.iterdir()) == []
    open_lock(lock.path)


def test_a_failure_while_writing_leaves_neither_lock_nor_part(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
):
    """A full disk in the middle: no lock of that name, and nothing in tmp."""
    import pyarrow.parquet as pq

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        write_lock(layout, tables(), FACTS)
    assert list(layout.locks.iterdir()) == []
    assert list(layout.tmp.iterdir()) == []


def test_thirty_thousand_rows_lock_and_open(layout: Layout):
    """A study of the demo's size."""
    frame = pd.DataFrame({"subject_id": [f"s{n:05}" for n in range(30_000)], "value": np.arange(30_000) / 8})
    lock = write_lock(layout, {"measurement": frame}, {})
    pd.testing.assert_frame_equal(open_lock(lock.path).tables["measurement"], frame)


# A lock written when format version 1 was fixed, as a zip: it must open forever.
VERSION_1 = (
    "UEsDBBQAAAAIAAAAIQDaAR+A6gEAAMEDAAANAAAAbWFuaWZlc3QuanNvbqVSy47bMAz8F52zhSTqmW/oqdeiCCiJTN06dmo7"
    "WwRB/r10uk2C7nF9EUGNhzNDXVQdh4WGRW0virEu81r0+JN2rzTN3TjcGkdcuhsIrht1nMZlrGO/m7+j9UFt1fGDn9qoeTm1"
    "s1B9edEmKpnC43TA5Z8KtTUbtWDp6abnQDifJjq8CRcxp8Oq9OtFDXgg4ZlP5QfVZdc1IV/Ox1tvmbphL+R31Cv2J3oAGtXu"
    "gP0zQkbfr8s49oSDun7bqGn8LfPgb/FIAnTgHJstgOSLJpu0zi77HKwvphDn4j3rGJ1FGwkLIlkbbLUREzq7On+T/iFjuKfd"
    "mXCaH6BO9ryn6Rm1p6FJ5x3P3Z/93182gRo38JRNttDIBiBTjdHWuAQEzWUW1wCVPZBnp02OpGtkLlUXdb2uu+3e7/HTEadf"
    "J1rWEDm3aDWAS1pSbEKOPuhMjqpp6CIlbakGn2wlCBFag/U0GhIXo9U9wydSubAuNOcqZ1NZ1LagI6TskneOCaBFIckQGubU"
    "PBlObHXGBLGgh3UzkvlWfX7BFBuTTCMokQpZCMzgSwWPxssi5REUSD6zBuc1NVm2L7k6k6pDX1d9JM9sq4THBPHGpbFrNuQS"
    "bfMhFo7sXdFsUy7g/VoXJxFixSoZx2way4/q+gdQSwMEFAAAAAgAAAAhAOJU/dtuAQAAfgIAABMAAABtZWFzdXJlbWVudC5w"
    "YXJxdWV0lZLNSsNAFIXvTNIxliBt4Q4ZyCILG6K01QRaEALFpVCkiHuJNWJF25q0dS34Erpy4cKlG9/CF/At+gIWJz9Fa904"
    "zB8z93yHOUx3/8hFFQ3c7sgFKgDO286npQcAFABiN509BKzgZg0ZluRgZgscGnsGjd1yGXLN+kGmYYQoqoRZ6C0xS3cAjw9J"
    "+2hD2mbt31xDW9wY2qKWU+eP01VfpUAUKoEbaCVAyICEGAQkIl2/RWt7uUghqIpOEwwW9y7C6wAZoF6lRjGenF6GvfFJ/6wK"
    "HVOWYlEeF6bB1SQEBLmnwwFwJkzh22CiLprASuKnEHXO+D3hL8Q+tLXl0EQtyQapRMm3U/C5LpiwgUmnBFfMcZlhSnonfEbs"
    "ObFfyf+CWvHakk5UzZ1AVBmI5DWpyzE/t58UfyU4IStTyLeaPyuc2RqfK+BYoyC6mYTjem80qgdRNLy1pmEU94cDy2s1dhuu"
    "8GWIWYeYAHTlz/sCUEsDBBQAAAAIAAAAIQC7YEfLcwEAAMYCAAAPAAAAc3ViamVjdC5wYXJxdWV0lZJPTsJAFMbfTCeTQroA"
    "4kw6CQtiZFKNqJDAChcsTRqDXoBUGBGjgC1o3HsADuABXLrQHYcwnsATeAMTp38IYnFh0/RN5n3z++Z9abt1WmWE2WzH1QUK"
    "AM7r/lfJ8gAwAATV6FtjwApsa1dLcowyWmyAg4OajYNqPg/JmcxRfIYgZOBIuekyvGSaLYBDiJ/fPNtcdJYrjp01u2k/AyMM"
    "mrTB5Ipf9gSA6v65uvauVGoC7NC4Yyf1T7Jw62DToHuhZYwCs8rYzgbTs0vVnXQGvTK4xXAkorczXl917pXnB7GM9tWwp/xE"
    "wokoiqaEIrNEHWhO/MQwixP+gPgTksfSXE1YhPcGhsPccro0uSmokEA0NMSRBLe0j2hzxD+Q/ETyGf0v4ZTftnbDOHFbXD4Z"
    "LrKaIf6C5LshZ8b6aNMjWGIB5W8GJ9LkcwJOaez5N1M1qXTH44rn+6O70q3yg8FoWKo19g72qqKpo4xfeEQAbf0HfwNQSwEC"
    "FAMUAAAACAAAACEA2gEfgOoBAADBAwAADQAAAAAAAAAAAAAAgAEAAAAAbWFuaWZlc3QuanNvblBLAQIUAxQAAAAIAAAAIQDi"
    "VP3bbgEAAH4CAAATAAAAAAAAAAAAAACAARUCAABtZWFzdXJlbWVudC5wYXJxdWV0UEsBAhQDFAAAAAgAAAAhALtgR8tzAQAA"
    "xgIAAA8AAAAAAAAAAAAAAIABtAMAAHN1YmplY3QucGFycXVldFBLBQYAAAAAAwADALkAAABUBQAAAAA="
)


def test_a_lock_written_by_the_first_version_still_opens(tmp_path: Path):
    """Old locks open forever, with the id they had, whatever the libraries have become."""
    with zipfile.ZipFile(io.BytesIO(b64decode(VERSION_1))) as archive:
        archive.extractall(tmp_path)
    opened = open_lock(tmp_path)
    assert opened.id == "L-a87dfe103e3b7ebe236ff35bc35a157a806fb3859f03450ed42a5b9c418c4a5c"
    assert opened.tables["subject"]["subject_id"].tolist() == ["s1", "s2"]
    assert opened.tables["measurement"]["value"].fillna(-1).tolist() == [0.4, -1.0, 1.0]
