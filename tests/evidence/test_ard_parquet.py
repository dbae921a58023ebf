"""The result rows as Parquet: the rows of ard.json, typed, and nothing besides."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.ard_parquet import ARD_PARQUET, COLUMNS, ard_parquet, read_ard_parquet
from studies.evidence.documents import json_bytes
from studies.evidence.package import BuiltPackage, build
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import verify_package
from studies.results import ArdRow, ResultSet
from studies.sealing import open_part, planned_methods
from tests.evidence.fixtures import package_signer, resigned, small_inputs, with_changes

DOCUMENT = Path(__file__).parents[2] / "docs/reference/ard.md"
PLAIN = ArdRow("a.b.x", "a.b", "count", "", "", "x", 1)


def results(*rows: ArdRow) -> ResultSet:
    return ResultSet("demo", "0" * 64, "lock-1", rows)


def test_what_is_read_back_is_what_was_written():
    """The rows of a real run: every field, its type too; None, words, whole numbers and numbers stay what they are."""
    written = small_inputs().results
    read = read_ard_parquet(ard_parquet(written))
    assert read == written.rows and len(read) > 100
    assert [type(one.value) for one in read] == [type(one.value) for one in written.rows]
    assert {type(one.value) for one in read} >= {int, float, str}


@pytest.mark.parametrize(
    "value", [None, 0, 1, -7, 2**53, 0.0, 1.0, -0.1, 5e-324, 1.7976931348623157e308, "", "not shown", "达到，\n“x”"]
)  # fmt: skip
def test_every_kind_of_value_keeps_its_kind(value):
    (row,) = read_ard_parquet(ard_parquet(results(dataclasses.replace(PLAIN, value=value))))
    assert row.value == value and type(row.value) is type(value)


def test_lists_and_limits_that_are_not_there_stay_so():
    full = dataclasses.replace(
        PLAIN, ci_low=0.5, ci_high=2.0, ci_level=0.95, n=3, events=0, variables=("a", "b"), warnings=("警 / w",)
    )  # fmt: skip
    assert read_ard_parquet(ard_parquet(results(full, PLAIN))) == (full, PLAIN)


def test_no_rows_are_a_table_without_rows():
    assert read_ard_parquet(ard_parquet(results())) == ()


def test_columns_are_those_that_are_documented():
    """By name, type and order, with one value column filled at most."""
    read = pq.read_table(io.BytesIO(ard_parquet(small_inputs().results)))
    assert read.column_names == list(COLUMNS)
    listed = [
        line.split("|")[1:3] for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `")
    ]
    assert [(name.strip(" `"), kind.strip(" `")) for name, kind in listed] == list(COLUMNS.items())
    filled = [
        [one[name] is not None for name in ("value_number", "value_integer", "value_text")]
        for one in read.to_pylist()
    ]
    assert all(sum(one) <= 1 for one in filled)
    assert read.schema.metadata[b"lock_id"] == small_inputs().results.lock_id.encode()


def test_every_field_of_a_row_has_its_column():
    """A field that rows gain later is missed here first."""
    names = [one.name for one in dataclasses.fields(ArdRow)]
    assert [name for name in COLUMNS if not name.startswith("value_")] == [
        one for one in names if one != "value"
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"PAR1" * 9, b"\0" * 64, b'{"rows": []}'],
    ids=["empty", "magic", "magic again", "zeros", "json"],
)
def test_what_is_no_such_file_is_refused(content):
    with pytest.raises(PlatformError) as refused:
        read_ard_parquet(content)
    assert refused.value.code == "evidence.ard_parquet_unreadable"


def test_other_columns_or_types_are_refused():
    made = io.BytesIO()
    pq.write_table(pa.table({"id": ["a"], "value": [1.0]}), made)
    with pytest.raises(PlatformError):
        read_ard_parquet(made.getvalue())
    cut = ard_parquet(results(PLAIN))[:-9]
    with pytest.raises(PlatformError):
        read_ard_parquet(cut)


def test_of_a_sealed_run_the_open_rows_alone_are_in_the_table():
    """Ids, words and numbers of sealed rows are looked for in the table as it is read, column by column."""
    inputs = small_inputs()
    shown = open_part(inputs.results, planned_methods(inputs.protocol))
    table = pq.read_table(io.BytesIO(ard_parquet(shown)))
    held = {one for column in table.columns for one in column.to_pylist() if not isinstance(one, list)}
    open_ids = {row.id for row in shown.rows}
    sealed = [row for row in inputs.results.rows if row.id not in open_ids]
    elsewhere = {value for row in shown.rows for value in (row.value, row.ci_low, row.ci_high)}
    assert len(sealed) > 20 and open_ids <= held
    for row in sealed:
        assert row.id not in held
        for number in (row.value, row.ci_low, row.ci_high):
            assert not isinstance(number, float) or number in elsewhere or number not in held, row.id
    events = table.column("events").to_pylist()
    overseas = [one.startswith("overseas") for one in table.column("id").to_pylist()]
    assert all(one is None or quoted for one, quoted in zip(events, overseas, strict=True))


# -- in a package ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aggregate(tmp_path_factory: pytest.TempPathFactory) -> BuiltPackage:
    inputs = with_changes(small_inputs(), audience="aggregate", purpose="SPONSOR")
    return build(inputs, tmp_path_factory.mktemp("parquet"))


def test_a_package_holds_it_under_its_manifest_and_it_is_compared(package):
    """The hash is in the bag's manifest; the platform's check reads the rows, so that more than a hash is known."""
    manifest = (package.folder / standalone.MANIFEST).read_text("utf-8")
    assert f"  {ARD_PARQUET}\n" in manifest
    stored = json.loads((package.folder / standalone.ARD_JSON).read_text("utf-8"))
    read = read_ard_parquet((package.folder / ARD_PARQUET).read_bytes())
    assert [row.id for row in read] == [row["id"] for row in stored["rows"]]
    told = verify_package(package.path)
    assert told.failures == () and ARD_PARQUET not in told.hash_only
    described = json.loads((package.folder / standalone.PACKAGE_JSON).read_text("utf-8"))
    assert ARD_PARQUET in described["files"]["rendered"]


def test_an_aggregate_package_holds_in_it_what_its_json_holds(aggregate):
    stored = json.loads((aggregate.folder / standalone.ARD_JSON).read_text("utf-8"))
    read = read_ard_parquet((aggregate.folder / ARD_PARQUET).read_bytes())
    assert json.loads(json_bytes([dataclasses.asdict(row) for row in read])) == stored["rows"]
    everything = {row.id for row in small_inputs().results.rows}
    assert {row.id for row in read} < everything
    assert not any(one.startswith("all.balance.chemo.exposed.subjects") for one in {row.id for row in read})
    assert verify_package(aggregate.path).failures == ()


@pytest.mark.parametrize("change", ["another number", "a row less", "no table"])
def test_a_table_that_says_something_else_is_found_though_it_is_signed(folder, change):
    """Whoever holds the key could sign it; the page and the table would tell two readers two things."""
    rows = list(small_inputs().results.rows)
    place = next(at for at, row in enumerate(rows) if row.statistic == "hazard_ratio")
    if change == "another number":
        rows[place] = dataclasses.replace(rows[place], value=0.5)
    elif change == "a row less":
        del rows[place]
    made = ard_parquet(dataclasses.replace(small_inputs().results, rows=tuple(rows)))
    (folder / ARD_PARQUET).write_bytes(b"PAR1" if change == "no table" else made)
    resigned(folder)
    told = verify_package(folder, package_signer().public_key)
    assert ARD_PARQUET in {failure.place for failure in told.failures}
