"""The twin as files of a package, and back: the same tables and types, and whatever was touched is named."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.documents import json_bytes
from studies.evidence.templates import rerun
from studies.evidence.twin import LOCK_ID, SEED, make_twin, read_twin, twin_files
from studies.evidence.twin.files import EXPECTED, FOLDER, README
from studies.results import ResultSet
from tests.evidence.fixtures import small_inputs
from tests.evidence.twin.protocols import NAMES, assert_same, protocol_of, results_of, twin_of
from tests.studies.rotterdam_lock import rotterdam_protocol

LISTING = f"{FOLDER}/tables.json"


def files_of(name: str) -> dict[str, bytes]:
    return twin_files(protocol_of(name), twin_of(name), results_of(name))


def unpacked(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder / FOLDER


def read_code(folder: Path) -> str:
    """The refusal's place: which file it names."""
    with pytest.raises(PlatformError) as error:
        read_twin(folder)
    assert error.value.code == "twin.unreadable" and error.value.next_zh
    place = error.value.details["file"]
    assert place in error.value.zh and place in error.value.en
    return str(place)


def listing(folder: Path) -> dict:
    return dict(json.loads((folder / "tables.json").read_text("utf-8")))


@pytest.mark.parametrize("name", NAMES)
def test_the_tables_come_back_as_they_were_made(name, tmp_path):
    assert_same(read_twin(unpacked(files_of(name), tmp_path)), twin_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_a_table_each_a_listing_the_results_and_a_page(name):
    expected = {f"{FOLDER}/{one}.csv" for one in twin_of(name)} | {LISTING, EXPECTED, README}
    assert set(files_of(name)) == expected and list(files_of(name)) == sorted(expected)
    assert (FOLDER, EXPECTED) == ("data/07_code/synthetic", "data/07_code/expected/ard.json")


def test_the_same_twin_gives_the_same_bytes():
    assert files_of("stent") == files_of("stent")
    again = twin_files(protocol_of("stent"), make_twin(protocol_of("stent")), results_of("stent"))
    assert again == files_of("stent")


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_plain_csv_that_another_reader_reads(name):
    """UTF-8, LF, names first; pandas, told nothing of ours, finds the same number of rows and the same numbers."""
    for table, frame in twin_of(name).items():
        content = files_of(name)[f"{FOLDER}/{table}.csv"]
        assert b"\r" not in content and content.endswith(b"\n")
        rows = list(csv.reader(io.StringIO(content.decode("utf-8"))))
        assert rows[0] == list(frame.columns) and len(rows) == len(frame) + 1
        read = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        if "value" in frame:
            numbers = [float(one) if one else math.nan for one in read["value"]]
            pd.testing.assert_series_equal(pd.Series(numbers, name="value"), frame["value"], check_exact=True)


def test_the_listing_says_of_what_protocol_and_seed_the_tables_are_and_their_hashes():
    files = twin_files(protocol_of("stent"), twin_of("stent"), results_of("stent"), 7)
    listed = json.loads(files[LISTING])
    assert (listed["study"], listed["protocol_sha256"]) == ("stent-study", protocol_of("stent").sha256)
    assert listed["seed"] == 7 and json.loads(files_of("stent")[LISTING])["seed"] == SEED
    for name, one in listed["tables"].items():
        assert one["sha256"] == hashlib.sha256(files[f"{FOLDER}/{name}.csv"]).hexdigest()
        assert one["rows"] == len(twin_of("stent")[name])


def test_what_is_expected_are_the_results_and_their_lock_is_called_synthetic():
    expected = json.loads(files_of("stent")[EXPECTED])
    assert expected == json.loads(json_bytes(results_of("stent").as_dict()))
    assert expected["lock_id"] == LOCK_ID == "synthetic-twin"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_in_both_languages_that_nobody_is_meant_and_how_to_rerun(name):
    text, protocol = files_of(name)[README].decode(), protocol_of(name)
    assert protocol.title.zh in text and protocol.title.en in text and protocol.sha256 in text
    for said in (
        "300 名受试者全部是虚构的",
        "The 300 subjects",
        "are invented",
        "rerun.py --synthetic",
        str(SEED),
    ):
        assert said in text
    assert "1e-9" in text and "1e-12" in text and not set("{}") & set(text)


def test_the_tolerance_on_the_page_is_the_one_that_the_program_has():
    assert (rerun.RELATIVE, rerun.ABSOLUTE) == (1e-9, 1e-12)
    recipe = (Path(rerun.__file__).parent / "RERUN.md").read_text("utf-8")
    assert "1e-9" in recipe and "1e-12" in recipe


@pytest.mark.parametrize("field", ["lock_id", "protocol_sha256"])
def test_results_of_a_real_lock_or_another_protocol_are_refused_as_expected_ones(field):
    """A person's results would otherwise travel where invented ones are meant."""
    with pytest.raises(PlatformError) as error:
        twin_files(
            protocol_of("stent"), twin_of("stent"), replace(results_of("stent"), **{field: "lock-3f9a0c5d"})
        )
    assert error.value.code == "twin.other_results"


def test_the_studys_own_results_are_refused_as_expected_ones():
    with pytest.raises(PlatformError) as error:
        twin_files(rotterdam_protocol(), twin_of("rotterdam"), small_inputs().results)
    assert error.value.code == "twin.other_results"


# ------------------------------------------------------------------------------------------- values that are odd


def round_trip(frame: pd.DataFrame, tmp_path: Path) -> pd.DataFrame:
    twin = {"subject": frame}
    results = ResultSet("stent-study", protocol_of("stent").sha256, LOCK_ID, ())
    found = read_twin(unpacked(twin_files(protocol_of("stent"), twin, results), tmp_path))
    assert_same(found, twin)
    return found["subject"]


def refused(frame: pd.DataFrame, tmp_path: Path, column: str = "a") -> None:
    with pytest.raises(PlatformError) as error:
        round_trip(frame, tmp_path)
    assert error.value.code == "twin.cannot_hold"
    assert (error.value.details["table"], error.value.details["column"]) == ("subject", column)


@pytest.mark.parametrize(
    "text",
    [
        '"',
        ",",
        "a\nb",
        "a\r\nb",
        "a\rb",
        "\r",
        " ",
        "\t",
        "'",
        "=1+1",
        "NA",
        "nan",
        "None",
        "\ufeff",
        "甲",
        "𠮷",
        "0012",
    ],
)
def test_text_of_any_kind_comes_back(text, tmp_path):
    frame = pd.DataFrame(
        {"a": pd.Series([text, None, "x"], dtype="object"), "b": pd.Series(["1"] * 3, dtype="object")}
    )
    round_trip(frame, tmp_path)
    round_trip(frame[["a"]], tmp_path / "alone")


def test_numbers_come_back_to_the_last_bit(tmp_path):
    numbers = [0.1 + 0.2, 1e-320, -0.0, 1.7976931348623157e308, 2**53 + 0.0, math.nan, 3.0]
    found = round_trip(pd.DataFrame({"a": pd.Series(numbers, dtype="float64")}), tmp_path)
    assert math.copysign(1.0, found["a"][2]) == -1.0


def test_whole_numbers_flags_and_what_is_missing_come_back(tmp_path):
    whole = pd.Series([2**63 - 1, None, -(2**63), 0], dtype="Int64")
    flags = pd.Series([True, False, None, True], dtype="boolean")
    order = pd.Series([0, 1, 2, 3], dtype="int64")
    round_trip(pd.DataFrame({"a": whole, "b": flags, "c": order}), tmp_path)


def test_a_table_without_rows_comes_back_with_its_types(tmp_path):
    empty = twin_of("stent")["measurement"].iloc[:0].reset_index(drop=True)
    round_trip(empty, tmp_path)


@pytest.mark.parametrize("value", ["", 1, 1.5, b"x", ["a", "b"], ["a"], {"a": 1}, ("a",), "\ud800"])
def test_what_a_csv_file_cannot_keep_is_refused_and_its_column_named(value, tmp_path):
    """An empty text would come back as missing; a number among texts as a text; half a surrogate as nothing."""
    refused(pd.DataFrame({"a": pd.Series(["x", value], dtype="object")}), tmp_path)


@pytest.mark.parametrize("kind", ["datetime64[ns]", "float32", "int32", "bool", "category", "Float64"])
def test_a_type_that_would_come_back_as_another_is_refused(kind, tmp_path):
    refused(pd.DataFrame({"a": pd.Series([], dtype=kind)}), tmp_path)


# --------------------------------------------------------------------------------------- files that were touched


@pytest.mark.parametrize("table", ["subject", "measurement", "outcome_event"])
def test_a_missing_table_is_named(table, tmp_path):
    folder = unpacked(files_of("stent"), tmp_path)
    (folder / f"{table}.csv").unlink()
    assert read_code(folder) == f"07_code/synthetic/{table}.csv"


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content + b"\n",
        lambda content: content[:-1],
        lambda content: content.replace(b"TWIN-SITE-1", b"TWIN-SITE-2", 1),
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: b"",
        lambda content: b"\xff\xfe\x00",
    ],
)
def test_an_edited_table_is_named(edit, tmp_path):
    folder = unpacked(files_of("stent"), tmp_path)
    path = folder / "subject.csv"
    path.write_bytes(edit(path.read_bytes()))
    assert read_code(folder) == "07_code/synthetic/subject.csv"


def test_a_table_that_nobody_listed_is_named(tmp_path):
    folder = unpacked(files_of("stent"), tmp_path)
    (folder / "extra.csv").write_text("a\n1\n")
    assert read_code(folder) == "07_code/synthetic/extra.csv"


def relisted(folder: Path, change) -> str:
    listed = listing(folder)
    change(listed)
    (folder / "tables.json").write_bytes(json_bytes(listed))
    return read_code(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b'{"tables": []}', b'{"tables": null}', b"[" * 100_000]
)
def test_a_listing_that_is_none_is_named(content, tmp_path):
    folder = unpacked(files_of("stent"), tmp_path)
    (folder / "tables.json").write_bytes(content)
    assert read_code(folder) == "07_code/synthetic/tables.json"
    (folder / "tables.json").unlink()
    assert read_code(folder) == "07_code/synthetic/tables.json"


@pytest.mark.parametrize(
    "change",
    [
        lambda of: of.update(sha256="0" * 64),
        lambda of: of.pop("sha256"),
        lambda of: of.pop("columns"),
        lambda of: of.update(columns=list(of["columns"])),
        lambda of: of.update(columns=None),
        lambda of: of.update(columns=dict(reversed(of["columns"].items()))),
        lambda of: of["columns"].update(site_id="unheard"),
        lambda of: of["columns"].update(site_id="whole"),
        lambda of: of["columns"].update(site_id=["text"]),
        lambda of: of["columns"].update(site_id="flag"),
        lambda of: of["columns"].pop("site_id"),
    ],
)  # fmt: skip
def test_a_listing_that_does_not_fit_its_table_names_the_table(change, tmp_path):
    folder = unpacked(files_of("stent"), tmp_path)
    place = relisted(folder, lambda listed: change(listed["tables"]["subject"]))
    assert place == "07_code/synthetic/subject.csv"


@pytest.mark.parametrize("value", [None, "", [], 5])
def test_a_table_listed_as_something_else_is_named(value, tmp_path):
    folder = unpacked(files_of("stent"), tmp_path)
    assert (
        relisted(folder, lambda listed: listed["tables"].update(subject=value))
        == "07_code/synthetic/subject.csv"
    )


def test_tables_of_another_protocol_are_named():
    """The package's program asks for the tables of the package's own protocol."""
    with pytest.raises(rerun.Unreadable):
        rerun.read_twin(Path("/nonexistent"), "0" * 64)


def test_the_protocol_that_the_tables_are_of_is_checked(tmp_path):
    folder = unpacked(files_of("stent"), tmp_path)
    assert_same(rerun.read_twin(folder, protocol_of("stent").sha256), twin_of("stent"))
    with pytest.raises(rerun.Unreadable, match=r"tables\.json"):
        rerun.read_twin(folder, "0" * 64)
