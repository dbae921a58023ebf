"""Tables go through the mapping, and find it in whatever they are wrapped."""

from __future__ import annotations

import gzip

import pytest

from ingestion.intake import read_units
from ingestion.mapping import TableMapping, load_mapping
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.units import Place
from tests.ingestion.sending import line, opener, patient, read, zip_of

MAPPING = """\
format_version: 1
name: beds
version: 1.0.0
fhir_version: R4
title: {zh: 床位, en: Beds}
tables:
  - name: beds
    source: {match: ["病房*.csv"], encoding: auto}
    columns: [编号, 名称]
    key: [编号]
    emit:
      - name: location
        resource: {resourceType: Location, id: {$id: [beds, "{编号}"]}, name: "{名称}"}
"""
TABLE = "编号,名称\r\n1,一号\r\n2,二号\r\n".encode("gb18030")


@pytest.fixture(scope="module")
def mapping() -> TableMapping:
    return load_mapping(MAPPING)


WRAPPINGS = [
    ("plain", TABLE, "病房1.csv", "病房1.csv"),
    ("gzip", gzip.compress(TABLE), "病房1.csv.gz", "病房1.csv.gz"),
    ("zip", zip_of({"x/病房1.csv": TABLE}), "all.zip", "all.zip!member 1"),
]


@pytest.mark.parametrize(("what", "content", "name", "label"), WRAPPINGS, ids=[case[0] for case in WRAPPINGS])
def test_a_table_is_read_by_the_mapping_that_names_it(
    what: str, content: bytes, name: str, label: str, mapping: TableMapping
) -> None:
    """The place has the file's own name, in an archive its position; the row's bytes are as they were sent."""
    units = read(content, name, mapping=mapping)
    assert [unit.resource and unit.resource["name"] for unit in units] == ["一号", "二号"], what
    assert {unit.place.file for unit in units} == {label}
    assert [unit.raw for unit in units] == ["1,一号".encode("gb18030"), "2,二号".encode("gb18030")]


def test_json_goes_beside_tables_in_one_archive(mapping: TableMapping) -> None:
    units = read(zip_of({"病房1.csv": TABLE, "a.ndjson": line(patient(1))}), "all.zip", mapping=mapping)
    assert units[0].place == Place("all.zip!member 2", 1)
    assert len(units) == 3


def test_shifted_columns_are_refused_before_anything_of_the_archive_is_read(mapping: TableMapping) -> None:
    """The table is last by its name, and still the good file before it gives no unit."""
    shifted = "编号,楼层\n1,一\n".encode()
    for content, name in (
        (zip_of({"a.ndjson": line(patient(1)), "病房.csv": shifted}), "a.zip"),
        (shifted, "病房.csv"),
    ):
        with pytest.raises(PlatformError) as refused:
            read_units(name, opener(content), mapping=mapping)
        assert refused.value.code.startswith("mapping.")
        assert "名称" in refused.value.zh
