"""Dataset-JSON 1.1: read by odmlib, held against the specification's own schema, equal to the dataset cell by cell."""

from __future__ import annotations

import json
import os
import posixpath
from pathlib import Path

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.adam import AdamDataset, AdamVariable, Sheet
from studies.evidence.submission.dataset_json import dataset_json
from studies.evidence.submission.facts import DEFINE, Oids, json_path
from tests.evidence.submission.made import FACTS, rotterdam, valve
from tests.studies.rotterdam_lock import rotterdam_protocol

OIDS = Oids.of(rotterdam_protocol())
EVERY = [*rotterdam(), *valve()]
IDS = [f"{one.name}-{len(one.frame)}" for one in EVERY]
# The order in which the specification lists the attributes, and recommends to write them.
ORDER = [
    "datasetJSONCreationDateTime", "datasetJSONVersion", "fileOID", "dbLastModifiedDateTime", "originator",
    "sourceSystem", "studyOID", "metaDataVersionOID", "metaDataRef", "itemGroupOID", "records", "name", "label",
    "columns", "rows",
]  # fmt: skip
COLUMN_ORDER = [
    "itemOID",
    "name",
    "label",
    "dataType",
    "targetDataType",
    "length",
    "displayFormat",
    "keySequence",
]


def written(dataset: AdamDataset) -> bytes:
    return dataset_json(dataset, OIDS, FACTS)


def read(dataset: AdamDataset) -> dict:
    return json.loads(written(dataset))


def column(type_, values) -> AdamDataset:
    sheet = Sheet(len(values))
    sheet.add(AdamVariable("V", Bilingual("变量", "Variable"), type_, "Derived"), values)
    return sheet.dataset("ADX", Bilingual("集", "Set"), Bilingual("一", "One"), ("X", ""), ())


def emptied(dataset: AdamDataset) -> AdamDataset:
    return AdamDataset(**{**vars(dataset), "frame": dataset.frame.iloc[:0]})


@pytest.mark.parametrize("dataset", EVERY, ids=IDS)
def test_odmlib_takes_every_attribute_and_every_row(dataset, tmp_path):
    """odmlib is a second implementation of the standard; it raises for what it does not know."""
    from odmlib.dataset_json_1_1.model import Column, DatasetJSON

    document = read(dataset)
    columns = [Column(**one) for one in document.pop("columns")]
    rows = document.pop("rows")
    made = DatasetJSON(**{**document, "records": 0}, columns=columns)
    for row in rows:
        made.add_row(row)
    assert made.records == len(dataset.frame) == document["records"]
    assert made.column_names == [one.name for one in dataset.variables]
    assert made.to_dict() == read(dataset)


@pytest.mark.parametrize("dataset", [*EVERY, emptied(EVERY[0])], ids=[*IDS, "empty"])
def test_the_published_schema_accepts_the_file(dataset):
    """The schema of the release; RWD_DATASET_JSON_SCHEMA names the file."""
    named = os.environ.get("RWD_DATASET_JSON_SCHEMA")
    if not named:
        pytest.skip("RWD_DATASET_JSON_SCHEMA does not name CDISC's dataset.schema.json of version 1.1")
    import jsonschema

    schema = json.loads(Path(named).read_text("utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(read(dataset))


@pytest.mark.parametrize("dataset", EVERY, ids=IDS)
def test_every_cell_is_that_of_the_dataset(dataset):
    rows = read(dataset)["rows"]
    assert len(rows) == len(dataset.frame)
    for place, one in enumerate(dataset.variables):
        held = dataset.frame[one.name].astype(object).where(dataset.frame[one.name].notna(), None)
        wanted = [None if value == "" else value for value in held]
        assert [row[place] for row in rows] == wanted, one.name


@pytest.mark.parametrize("dataset", EVERY, ids=IDS)
def test_each_value_has_the_json_type_of_its_column(dataset):
    """Specification, supported combinations: string as string, integer as integer, float as number; missing as null."""
    document = read(dataset)
    types = {"string": str, "integer": int, "float": float}
    for place, one in enumerate(document["columns"]):
        found = {type(row[place]) for row in document["rows"]} - {type(None)}
        assert found <= {types[one["dataType"]]}


@pytest.mark.parametrize("dataset", EVERY, ids=IDS)
def test_attributes_stand_in_the_recommended_order(dataset):
    document = json.loads(written(dataset), object_pairs_hook=list)
    found = [name for name, _ in document]
    assert found == [name for name in ORDER if name in found]
    for pairs in dict(document)["columns"]:
        names = [name for name, _ in pairs]
        assert names == [name for name in COLUMN_ORDER if name in names]


def test_the_required_attributes_are_there_with_the_packages_day():
    document = read(rotterdam()[0])
    assert document["datasetJSONCreationDateTime"] == "2026-01-05T00:00:00"
    assert document["datasetJSONVersion"] == "1.1.0"
    assert document["itemGroupOID"] == "IG.ADSL" and document["studyOID"] == "STDY.rotterdam-hormon"
    assert (document["name"], document["label"]) == ("ADSL", "受试者水平分析数据集")
    assert set(document) <= set(ORDER)
    beside = posixpath.join(posixpath.dirname(json_path("ADSL")), document["metaDataRef"])
    assert posixpath.normpath(beside) == DEFINE


def test_keys_and_lengths_are_said_of_the_columns_that_have_them():
    columns = {one["name"]: one for one in read(rotterdam()[1])["columns"]}
    assert [columns[name].get("keySequence") for name in ("STUDYID", "USUBJID", "PARAMCD", "AVAL")] == [
        1,
        2,
        3,
        None,
    ]
    assert "length" not in columns["AVAL"] and columns["AVAL"]["displayFormat"] == "8."
    longest = max(map(len, rotterdam()[1].frame["CNSDTDSC"]))
    assert columns["CNSDTDSC"]["length"] == longest > 20  # characters, not bytes


def test_chinese_is_kept_and_readable():
    made = written(rotterdam()[0])
    assert "使用演示药 A".encode() in made and b"\\u4f7f" not in made
    assert not made.startswith(b"\xef\xbb\xbf")  # RFC 8259: no byte-order mark


def test_the_label_of_a_column_is_chinese():
    assert {one["name"]: one["label"] for one in read(rotterdam()[0])["columns"]}[
        "AGE"
    ] == "手术时年龄 (years)"


@pytest.mark.parametrize(
    "number", [0.1, 1 / 3, 1e-300, 1.7976931348623157e308, 5e-324, -0.0, 2.0**53, 123456789.123456789]
)
def test_a_double_is_read_back_bit_by_bit(number):
    (row,) = read(column("float", [number]))["rows"]
    assert row[0].hex() == number.hex()


def test_an_integer_keeps_every_digit():
    assert read(column("integer", [2**53 + 1, -1, None]))["rows"] == [[2**53 + 1], [-1], [None]]


def test_missing_is_null_and_never_nan():
    assert read(column("float", [float("nan"), float("inf"), 1.0]))["rows"] == [[None], [None], [1.0]]
    assert read(column("text", ["", None, "x"]))["rows"] == [[None], [None], ["x"]]
    assert b"NaN" not in written(column("float", [float("nan")]))


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x1f\x7f",
        '"\\',
        "line\nend\r\n",
        "</script><script>",
        "\u2028\u2029",
        "=1+1",
        "😀",
        "中" * 5000,
        " ",
    ],
)
def test_hostile_text_is_kept_as_it_is(text):
    assert read(column("text", [text]))["rows"] == [[text]]


def test_a_row_is_a_line_so_that_a_large_file_can_be_read_as_it_streams():
    lines = written(rotterdam()[0]).decode().split("\n")
    first = next(place for place, line in enumerate(lines) if line.startswith('"rows"'))
    rows = [json.loads(line.rstrip(",")) for line in lines[first + 1 : first + 1 + len(rotterdam()[0].frame)]]
    assert rows == read(rotterdam()[0])["rows"]


def test_a_dataset_without_rows_says_so():
    document = read(emptied(rotterdam()[0]))
    assert document["records"] == 0 and document["rows"] == []
    assert len(document["columns"]) == len(rotterdam()[0].variables)


def test_a_large_dataset_has_every_row():
    document = read(column("text", [f"S{place}海" for place in range(200_000)]))
    assert document["records"] == len(document["rows"]) == 200_000
    assert document["rows"][199_999] == ["S199999海"] and document["columns"][0]["length"] == 8


def test_two_builds_have_the_same_bytes():
    assert written(rotterdam()[1]) == written(rotterdam()[1])
