"""A stored table gains columns, in one commit, and is the same table for whoever reads it meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import Layout
from tests.store.test_lake import COLUMNS, log, row, stored

GROWN = (*COLUMNS, ("lot", "string"), ("dose_mg", "decimal"), ("ordinal", "integer"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.prepare()
    return layout


def lake_of(layout: Layout, columns: tuple[tuple[str, str], ...]) -> Lake:
    lake = Lake(layout)
    lake.define("measurement", columns)
    return lake


def test_new_columns_come_with_the_next_upload_in_one_commit_and_are_null_before(
    layout: Layout, tmp_path: Path
):
    """The ViewDefinition gained three columns at its end: older rows stay as they are and have nothing there."""
    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row("a", value=1, code="x"), row("b")])
    grown = lake_of(layout, GROWN)
    grown.replace_upload("measurement", "u2", [row("c", lot="L-1", dose_mg=Decimal("2.5"), ordinal=2)])
    assert len(log(tmp_path)) == 2
    frame = grown.read("measurement")
    assert list(frame.columns[-3:]) == ["lot", "dose_mg", "ordinal"]
    assert frame["lot"].tolist() == [None, None, "L-1"]
    assert frame["dose_mg"].fillna(-1).tolist() == [-1, -1, 2.5]
    assert frame["ordinal"].fillna(-1).tolist() == [-1, -1, 2]
    assert str(frame["ordinal"].dtype) == "Int64"
    assert frame["code"].tolist() == ["x", None, None]
    other = Lake(layout).read("measurement", ["lot"])
    assert other["lot"].tolist() == [None, None, "L-1"], "a reader that defined nothing sees them too"


def test_new_columns_come_also_where_older_rows_are_replaced(layout: Layout, tmp_path: Path):
    """A correction of one resource is a merge: the same commit grows the table and replaces the row."""
    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row("a"), row("b")])
    grown = lake_of(layout, GROWN)
    grown.replace_upload("measurement", "u2", [row("b", "c2", lot="L-1")])
    assert stored(grown) == [("a", 0, "c1", "u1"), ("b", 0, "c2", "u2")]
    assert grown.read("measurement", ["lot"])["lot"].tolist() == [None, "L-1"]
    assert len(log(tmp_path)) == 2


def test_a_table_that_has_not_grown_yet_reads_as_if_it_had(layout: Layout):
    """Between the new definition and the next upload, a query for a new column finds nulls and no error."""
    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row("a")])
    frame = lake_of(layout, GROWN).read("measurement", ["resource_id", "lot", "ordinal"])
    assert frame["resource_id"].tolist() == ["a"]
    assert frame[["lot", "ordinal"]].isna().all(axis=None)
    assert "lot" not in Lake(layout).read("measurement").columns


def test_the_same_upload_again_under_the_grown_definition(layout: Layout, tmp_path: Path):
    """Without a value in a new column nothing changes; with one, its rows are replaced."""
    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row("a")])
    grown = lake_of(layout, GROWN)
    assert grown.replace_upload("measurement", "u1", [row("a")]) == 0
    assert len(log(tmp_path)) == 1
    assert grown.replace_upload("measurement", "u1", [row("a", ordinal=1)]) == 1
    assert grown.read("measurement", ["ordinal"])["ordinal"].tolist() == [1]


def test_spark_could_read_a_grown_table_by_the_schema_of_its_log(layout: Layout, tmp_path: Path):
    """Older files lack the new columns; whoever reads them as plain Parquet takes the columns from the table."""
    import pyarrow as pa
    import pyarrow.dataset
    from deltalake import DeltaTable

    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row("a")])
    lake_of(layout, GROWN).replace_upload("measurement", "u2", [row("b", lot="L-1")])
    delta = DeltaTable(tmp_path / "lake/measurement/v1")
    schema = pa.schema(delta.schema().to_arrow())
    files = [uri.removeprefix("file://") for uri in delta.file_uris()]
    rows = pyarrow.dataset.dataset(files, schema=schema, format="parquet").to_table(["resource_id", "lot"])
    assert sorted(rows.to_pylist(), key=lambda one: one["resource_id"]) == [
        {"resource_id": "a", "lot": None},
        {"resource_id": "b", "lot": "L-1"},
    ]


def test_an_engine_reads_old_and_new_files_as_one_table_before_and_after_it_grew(layout: Layout):
    """Whoever opens the lake's files sees every defined column, typed, and null where a file lacks it."""
    from rwd_platform.store.engines.choose import open_tables
    from rwd_platform.store.engines.table_files import lake_files

    def seen(lake: Lake) -> list[tuple[object, ...]]:
        found = lake_files(lake)
        with open_tables(found.files, found.schemas) as tables:
            rows = tables["measurement"]
            assert rows["ordinal"].type().is_integer() and rows["dose_mg"].type().is_floating()
            shown = rows.order_by("resource_id").select("resource_id", "lot", "ordinal").to_pyarrow()
        return [tuple(one.values()) for one in shown.to_pylist()]

    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row("a")])
    grown = lake_of(layout, GROWN)
    assert seen(grown) == [("a", None, None)]
    grown.replace_upload("measurement", "u2", [row("b", lot="L-1", ordinal=2)])
    assert len(lake_files(grown).files["measurement"]) == 2
    assert seen(grown) == seen(Lake(layout)) == [("a", None, None), ("b", "L-1", 2)]


def test_what_the_layout_says_of_its_tables_every_lake_over_it_knows(layout: Layout, tmp_path: Path):
    """A reader need not define anything: neither for a table that has not grown nor for one that is not there."""
    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row("a")])
    lake = Lake(Layout(tmp_path, lambda: {"measurement": GROWN, "visit": (("class_code", "code"),)}))
    assert lake.read("measurement", ["lot"])["lot"].tolist() == [None]
    assert lake.schema("measurement").names[-3:] == ["lot", "dose_mg", "ordinal"]
    assert lake.read("visit", ["class_code"]).empty and "class_code" in lake.schema("visit").names
    assert lake.tables() == ("measurement",)
    with pytest.raises(PlatformError, match=r"lake\.table_unknown"):
        lake.schema("nothing")


def test_readers_of_a_table_that_grows_see_the_old_rows_or_the_new(layout: Layout):
    """A reader never waits and never fails, and sees a whole commit."""
    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row(f"r{n}") for n in range(50)])
    seen: set[tuple[int, int]] = set()
    errors: list[BaseException] = []
    over = threading.Event()

    def watch() -> None:
        reader = lake_of(layout, GROWN)
        try:
            while not over.is_set():
                frame = reader.read("measurement", ["lot"])
                seen.add((len(frame), int(frame["lot"].notna().sum())))
        except BaseException as error:
            errors.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    grown = lake_of(layout, GROWN)
    grown.replace_upload("measurement", "u2", [row(f"r{n}", "c2", lot="L") for n in range(40, 90)])
    over.set()
    watcher.join()
    assert errors == []
    assert seen <= {(50, 0), (90, 50)}


GROWER = """
import json
import sys
from pathlib import Path
from rwd_platform.core.errors import PlatformError
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import Layout
fixed, columns, count = json.loads(sys.argv[2])
lake = Lake(Layout(Path(sys.argv[1])))
lake.define("measurement", columns)
rows = [{**fixed, "resource_id": f"r{n}", "content_sha256": "c2", "lot": "L"} for n in range(count)]
import deltalake, duckdb, pyarrow.dataset
print("writing", flush=True)
lake.replace_upload("measurement", "u2", rows)
"""


@pytest.mark.parametrize(
    "after_seconds", [0.1, *(pytest.param(n / 20, marks=pytest.mark.long) for n in range(16))]
)
def test_a_writer_killed_while_the_table_grows_leaves_the_old_columns_or_the_new(
    layout: Layout, tmp_path: Path, after_seconds: float
):
    """Columns and rows are one commit: killed at any moment, the table has both or neither."""
    lake_of(layout, COLUMNS).replace_upload("measurement", "u1", [row(f"r{n}") for n in range(10)])
    told = json.dumps([row("any"), GROWN, 8_000])
    writer = subprocess.Popen(
        [sys.executable, "-c", GROWER, str(tmp_path), told],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    try:
        writer.wait(after_seconds)
    except subprocess.TimeoutExpired:
        writer.send_signal(signal.SIGKILL)
    writer.communicate()
    Lake(layout).sweep()
    frame = Lake(layout).read("measurement")
    state = (len(frame), "lot" in frame.columns, set(frame["content_sha256"]))
    assert state in ((10, False, {"c1"}), (8_000, True, {"c2"}))
