"""The lake: an upload is one commit a table, and admitting it again changes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rwd_platform.core.columns import MERGE_KEY
from rwd_platform.core.errors import PlatformError
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import Layout
from rwd_platform.store.replacing import RESOURCE_KEY, ResourceKey

COLUMNS = (
    ("patient_id", "id"),
    ("code", "code"),
    ("value", "decimal"),
    ("count", "integer"),
    ("on", "boolean"),
)
KEY = ("hospital-a", "his", "Observation")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    layout = Layout(tmp_path)
    layout.prepare()
    lake = Lake(layout)
    lake.define("measurement", COLUMNS)
    return lake


def row(resource: str, content: str = "c1", index: int = 0, **values: Any) -> dict[str, Any]:
    return {
        "organisation_id": "hospital-a",
        "source_system": "his",
        "resource_type": "Observation",
        "resource_id": resource,
        "patient_id": f"patient of {resource}",
        "row_index": index,
        "source_file_sha256": "f" * 64,
        "source_line": 1,
        "line_digest": "d" * 64,
        "content_sha256": content,
        **values,
    }


def stored(lake: Lake) -> list[tuple[str, int, str, str]]:
    frame = lake.read("measurement", ["resource_id", "row_index", "content_sha256", "upload_id"])
    return list(frame.itertuples(index=False, name=None))


def log(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "lake/measurement/v1/_delta_log").glob("*.json"))


def test_what_was_put_in_is_read_in_the_order_of_the_merge_key(lake: Lake):
    """Text, numbers and truth values come back as they were; what was not given is missing, not zero."""
    rows = [
        row("b", value=Decimal("0.40"), count=3, on=True, code="x"),
        row("a", index=1),
        row("a", value=2),
    ]
    assert lake.replace_upload("measurement", "u1", rows) == 0
    frame = lake.read("measurement")
    assert list(frame["resource_id"]) == ["a", "a", "b"]
    assert list(frame["row_index"]) == [0, 1, 0]
    assert frame["value"].fillna(-1).tolist() == [2.0, -1.0, 0.4]
    assert frame["count"].fillna(-1).tolist() == [-1, -1, 3]
    assert frame["on"].fillna(False).tolist() == [False, False, True]
    assert frame["code"].tolist() == [None, None, "x"]
    assert set(frame["upload_id"]) == {"u1"}
    assert set(frame["format_version"]) == {1}
    assert {str(frame[name].dtype) for name in ("count", "row_index", "source_line")} == {"Int64"}


def test_an_upload_admitted_again_changes_nothing_not_even_the_version(lake: Lake, tmp_path: Path):
    """A job runs at least once. Run twice, it leaves the same rows, and no second version of the table."""
    rows = [row("a", value=1.5), row("b")]
    first = lake.replace_upload("measurement", "u1", rows)
    before = lake.read("measurement")
    assert lake.replace_upload("measurement", "u1", reversed(rows)) == first
    pd.testing.assert_frame_equal(lake.read("measurement"), before)
    assert len(log(tmp_path)) == 1


def test_an_upload_admitted_again_with_other_rows_has_only_the_new_ones(lake: Lake):
    """A mapping was corrected and the upload admitted again: nothing of the first attempt is left."""
    lake.replace_upload("measurement", "u0", [row("z")])
    lake.replace_upload("measurement", "u1", [row("a"), row("b")])
    lake.replace_upload("measurement", "u1", [row("b", "c2"), row("c")])
    assert stored(lake) == [("b", 0, "c2", "u1"), ("c", 0, "c1", "u1"), ("z", 0, "c1", "u0")]


def test_newer_content_of_a_resource_replaces_all_its_older_rows(lake: Lake):
    """A corrected resource with fewer rows leaves none of the old ones; the other resources stay."""
    lake.replace_upload("measurement", "u1", [row("a"), row("a", index=1), row("a", index=2), row("b")])
    lake.replace_upload("measurement", "u2", [row("a", "c2"), row("a", "c2", index=1)])
    assert stored(lake) == [("a", 0, "c2", "u2"), ("a", 1, "c2", "u2"), ("b", 0, "c1", "u1")]


def test_a_resource_that_gives_no_row_any_more_loses_its_older_rows(lake: Lake):
    """An Observation whose code was corrected moves to another table: the accepted resources say so."""
    lake.replace_upload("measurement", "u1", [row("a"), row("b")])
    lake.replace_upload("measurement", "u2", [], accepted={(*KEY, "a"): "c2"})
    assert stored(lake) == [("b", 0, "c1", "u1")]


def test_of_a_resource_sent_twice_in_one_upload_the_last_content_stands(lake: Lake):
    """With all the rows of its last content and none of the earlier; of equals, the first stands."""
    rows = [row("a"), row("a", index=1), row("a", "c2", value=1), row("a", "c2", value=2)]
    lake.replace_upload("measurement", "u1", rows)
    assert stored(lake) == [("a", 0, "c2", "u1")]
    assert lake.read("measurement")["value"].tolist() == [1.0]


def test_rows_of_content_that_was_not_accepted_are_left_out(lake: Lake):
    """The upload's account decides, also where an earlier version of the resource gave rows in this table."""
    lake.replace_upload(
        "measurement", "u1", [row("a"), row("b")], accepted={(*KEY, "a"): "c2", (*KEY, "b"): "c1"}
    )
    assert stored(lake) == [("b", 0, "c1", "u1")]


def test_the_same_id_from_another_hospital_or_system_is_another_resource(lake: Lake):
    """Hospitals number their records alike; the merge key begins with whose they are."""
    lake.replace_upload("measurement", "u1", [row("a")])
    lake.replace_upload("measurement", "u2", [{**row("a", "c2"), "organisation_id": "hospital-b"}])
    lake.replace_upload("measurement", "u3", [{**row("a", "c3"), "source_system": "lis"}])
    assert [upload for *_, upload in stored(lake)] == ["u1", "u3", "u2"]


def test_an_upload_without_rows_leaves_no_table_and_no_commit(lake: Lake, tmp_path: Path):
    """Nothing came for this table: nothing is made. Reading it gives its columns and no row."""
    assert lake.replace_upload("measurement", "u1", []) is None
    assert lake.tables() == ()
    frame = lake.read("measurement")
    assert frame.empty
    assert set(frame.columns) >= {*MERGE_KEY, "value"}
    lake.replace_upload("measurement", "u1", [row("a")])
    assert lake.replace_upload("measurement", "u2", []) == 0


def test_the_home_may_have_a_chinese_name_with_blanks(tmp_path: Path):
    """Delta escapes such names in places; the lake reads, replaces and sweeps there as anywhere."""
    layout = Layout(tmp_path / "乐城 数据")
    layout.prepare()
    lake = Lake(layout)
    lake.define("measurement", COLUMNS)
    lake.replace_upload("measurement", "u1", [row("a"), row("b")])
    lake.replace_upload("measurement", "u2", [row("b", "c2")])
    assert lake.sweep() == 0
    assert stored(lake) == [("a", 0, "c1", "u1"), ("b", 0, "c2", "u2")]


def test_files_that_only_a_checkpoint_names_are_no_orphans(lake: Lake, tmp_path: Path):
    """Delta drops old log entries once a checkpoint holds the state. What is in use is never swept."""
    from deltalake import DeltaTable

    lake.replace_upload("measurement", "u1", [row("a")])
    lake.replace_upload("measurement", "u2", [row("b")])
    DeltaTable(tmp_path / "lake/measurement/v1").create_checkpoint()
    log(tmp_path)[0].unlink()
    assert lake.sweep() == 0
    assert lake.tables() == ("measurement",)
    lake.replace_upload("measurement", "u3", [row("b", "c2")])
    assert lake.sweep() == 0
    assert stored(lake) == [("a", 0, "c1", "u1"), ("b", 0, "c2", "u3")]


def test_tables_and_versions_name_one_state_of_the_lake(lake: Lake):
    """A lock notes the versions it was made from."""
    lake.replace_upload("measurement", "u1", [row("a")])
    lake.replace_upload("measurement", "u2", [row("b")])
    lake.replace_upload("resource", "u1", [row("a")])
    assert lake.tables() == ("measurement", "resource")
    assert lake.versions() == {"measurement": 1, "resource": 0}


def test_the_ledger_tells_what_is_known_of_one_source(lake: Lake):
    """Admission asks it which resources are duplicates. An upload admitted again leaves itself out."""
    assert lake.known_resources("hospital-a", "his") == {}
    lake.replace_upload("resource", "u1", [row("a"), row("b")])
    lake.replace_upload("resource", "u2", [row("b", "c2"), row("c")])
    lake.replace_upload("resource", "u3", [{**row("a", "other"), "organisation_id": "hospital-b"}])
    known = {("Observation", "a"): "c1", ("Observation", "b"): "c2", ("Observation", "c"): "c1"}
    assert lake.known_resources("hospital-a", "his") == known
    assert lake.known_resources("hospital-a", "his", except_upload="u2") == {("Observation", "a"): "c1"}
    assert lake.known_resources("hospital-a", "lis") == {}


def test_another_process_reads_what_this_one_wrote(lake: Lake, tmp_path: Path):
    """The table carries its own schema: a reader that defined nothing reads it."""
    lake.replace_upload("measurement", "u1", [row("a")])
    other = Lake(Layout(tmp_path))
    assert list(other.read("measurement", ["code", "value"]).columns) == ["code", "value"]
    with pytest.raises(PlatformError, match=r"lake\.table_unknown"):
        other.replace_upload("measurement", "u2", [row("b")])


@pytest.mark.parametrize("table", ["absent", "Measurement"])
def test_a_table_that_nobody_defined_is_unknown(lake: Lake, table: str):
    """A misspelt name is an error, not an empty table."""
    with pytest.raises(PlatformError, match=r"lake\.table_unknown"):
        lake.read(table)


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ({"strange": "secret-1"}, "strange"),
        ({"value": "secret-1"}, "value"),
        ({"count": "secret-1"}, "count"),
        ({"count": 2**70}, "count"),
        ({"code": 7}, "code"),
        ({"code": "\ud800secret-1"}, "code"),
        ({"on": "secret-1"}, "on"),
        ({"resource_id": None}, "resource_id"),
        ({"row_index": None}, "row_index"),
        ({"content_sha256": None}, "content_sha256"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_without_its_value(lake: Lake, wrong: dict[str, Any], column: str):
    """The whole upload is refused, the error names the column, and what stood there is not repeated."""
    with pytest.raises(PlatformError, match=r"lake\.row_malformed") as caught:
        lake.replace_upload("measurement", "u1", [row("a"), {**row("b"), **wrong}])
    assert caught.value.details["columns"] == column
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert lake.tables() == ()


def test_a_type_that_fhir_does_not_have_is_refused_when_the_table_is_defined(lake: Lake):
    """A ViewDefinition with a wrong type is found before its first row."""
    with pytest.raises(PlatformError, match=r"lake\.row_malformed.*odd \(float\)"):
        lake.define("odd_table", [("odd", "float")])


@pytest.mark.parametrize("changed", [COLUMNS[:-1], [*COLUMNS[:-1], ("on", "string"), ("note", "string")]])
def test_a_table_never_loses_or_re_types_a_column(lake: Lake, tmp_path: Path, changed: list[tuple[str, str]]):
    """A ViewDefinition that lacks a stored column makes a new version of the table, not another kind of row."""
    lake.replace_upload("measurement", "u1", [row("a")])
    other = Lake(Layout(tmp_path))
    other.define("measurement", changed)
    with pytest.raises(PlatformError, match=r"lake\.schema_differs.*: on\."):
        other.replace_upload("measurement", "u2", [row("b")])
    assert stored(lake) == [("a", 0, "c1", "u1")]


def test_spark_could_read_the_files_as_plain_parquet(lake: Lake, tmp_path: Path):
    """No deletion vectors, no partition columns: the files that the log names, read alone, are the table."""
    import pyarrow.parquet as pq
    from deltalake import DeltaTable

    lake.replace_upload("measurement", "u1", [row("a"), row("b")])
    lake.replace_upload("measurement", "u2", [row("b", "c2"), row("c")])
    delta = DeltaTable(tmp_path / "lake/measurement/v1")
    parts = [pq.read_table(uri.removeprefix("file://")).to_pandas() for uri in delta.file_uris()]
    plain = pd.concat(parts).sort_values("resource_id")
    assert list(zip(plain["resource_id"], plain["content_sha256"], strict=True)) == [
        *(("a", "c1"), ("b", "c2"), ("c", "c1")),
    ]
    assert delta.metadata().partition_columns == []
    assert "deletionVectors" not in (delta.protocol().writer_features or [])


def test_the_commit_names_its_upload(lake: Lake, tmp_path: Path):
    """The table's own history says which upload made which version."""
    lake.replace_upload("measurement", "u1", [row("a")])
    lake.replace_upload("measurement", "u2", [row("a", "c2")])
    commits = [json.loads(line) for file in log(tmp_path) for line in file.read_text().splitlines()]
    assert [commit["commitInfo"]["upload_id"] for commit in commits if "commitInfo" in commit] == ["u1", "u2"]


def test_the_sweep_removes_what_no_log_entry_names(lake: Lake, tmp_path: Path):
    """Patients' rows that a killed writer left, also under names that Delta's own vacuum passes over."""
    lake.replace_upload("measurement", "u1", [row("a")])
    lake.replace_upload("measurement", "u1", [row("b")])
    folder = tmp_path / "lake/measurement/v1"
    before = sorted(folder.rglob("*"))
    for name in ("part-00000-x.snappy.parquet", "part-00000-x.parquet#1", "_delta_log/_commit_x.json.tmp"):
        (folder / name).write_bytes(b"a patient's row")
    assert lake.sweep() == 3
    assert lake.sweep() == 0
    assert sorted(folder.rglob("*")) == before, "also the file of the older version, which the log names"
    assert stored(lake) == [("b", 0, "c1", "u1")]


def test_a_first_write_that_was_killed_before_its_commit_is_swept_whole(lake: Lake, tmp_path: Path):
    """Rows on the disk and no log at all: the table is not there, and its rows go."""
    folder = tmp_path / "lake/measurement/v1"
    folder.mkdir(parents=True)
    (folder / "part-00000-x.snappy.parquet").write_bytes(b"a patient's row")
    assert lake.sweep() == 1
    assert lake.tables() == ()
    assert lake.replace_upload("measurement", "u1", [row("a")]) == 0


WRITER = """
import json
import sys
from pathlib import Path
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import Layout
fixed, columns, count = json.loads(sys.argv[2])
lake = Lake(Layout(Path(sys.argv[1])))
lake.define("measurement", columns)
lake.replace_upload("measurement", "warm", [{**fixed, "resource_id": "warm"}])
rows = [{**fixed, "resource_id": f"r{n}", "content_sha256": "c2", "value": n} for n in range(count)]
print("writing", flush=True)
lake.replace_upload("measurement", "u2", rows)
print("written", flush=True)
"""


@pytest.mark.parametrize(
    "after_seconds", [0.15, *(pytest.param(n / 20, marks=pytest.mark.long) for n in range(16))]
)
def test_a_killed_writer_leaves_the_old_rows_or_the_new_never_a_mixture(
    lake: Lake, tmp_path: Path, after_seconds: float
):
    """Killed at any moment; then a sweep; then the same upload again, as the job's next attempt does it."""
    old = [row(f"r{number}") for number in range(10)]
    lake.replace_upload("measurement", "u1", old)
    told = json.dumps([row("any"), COLUMNS, 8_000])
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), told],
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
    lake.sweep()
    seen = lake.read("measurement")["content_sha256"].value_counts().to_dict()
    assert seen in ({"c1": 11}, {"c1": 1, "c2": 8_000})
    new = [row(f"r{number}", "c2", value=number) for number in range(8_000)]
    lake.replace_upload("measurement", "u2", new)
    frame = lake.read("measurement")
    assert frame["content_sha256"].value_counts().to_dict() == {"c2": 8_000, "c1": 1}
    assert not frame.duplicated(list(MERGE_KEY)).any()


def test_writers_of_one_table_wait_for_each_other(lake: Lake, tmp_path: Path):
    """Six uploads at once, with one resource in common: each resource once, no upload lost, no conflict."""

    def admit(number: int) -> None:
        own = Lake(Layout(tmp_path))
        own.define("measurement", COLUMNS)
        own.replace_upload("measurement", f"u{number}", [row("shared", f"c{number}"), row(f"own{number}")])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(admit, range(6)))
    resources = [resource for resource, *_ in stored(lake)]
    assert resources == [*(f"own{number}" for number in range(6)), "shared"]


Upload = tuple[str, dict[tuple[str, int], str]]


def expected_after(uploads: Iterable[Upload]) -> dict[tuple[str, int], tuple[str, str]]:
    """The rule in plain Python: what stands after uploads, as (resource, index) -> (content, upload)."""
    state: dict[tuple[str, int], tuple[str, str]] = {}
    for upload, rows in uploads:
        touched = {resource for resource, _ in rows}
        state = {key: value for key, value in state.items() if value[1] != upload and key[0] not in touched}
        state |= {key: (content, upload) for key, content in rows.items()}
    return state


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["u1", "u2", "u3"]),
            st.dictionaries(st.sampled_from("abcd"), st.tuples(st.sampled_from("xyz"), st.integers(1, 3))),
        ),
        max_size=6,
    )
)
def test_any_sequence_of_uploads_leaves_what_the_rule_says(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[tuple[str, dict[str, tuple[str, int]]]]
):
    """Uploads, repeats and corrections in any order, against the rule written down a second time."""
    layout = Layout(tmp_path_factory.mktemp("home"))
    layout.prepare()
    lake = Lake(layout)
    lake.define("measurement", COLUMNS)
    uploads: list[Upload] = [
        (upload, {(name, n): content for name, (content, rows) in resources.items() for n in range(rows)})
        for upload, resources in sequence
    ]
    for upload, rows in uploads:
        lake.replace_upload("measurement", upload, [row(name, c, n) for (name, n), c in rows.items()])
    found = {(name, index): (content, upload) for name, index, content, upload in stored(lake)}
    assert found == expected_after(uploads)


def test_fifty_thousand_rows_are_one_commit(lake: Lake, tmp_path: Path):
    """Rows come from a generator and are packed as they come; the second upload replaces a few of them."""
    lake.replace_upload("measurement", "u1", (row(f"r{number:06}", value=1) for number in range(50_000)))
    lake.replace_upload("measurement", "u2", [row(f"r{number:06}", "c2", value=3) for number in range(10)])
    assert lake.read("measurement", ["value"])["value"].sum() == 50_020
    assert len(log(tmp_path)) == 2


def test_the_key_of_a_resource_is_the_merge_key_without_the_row(lake: Lake):
    """Core fixes the merge key; the lake's notion of a resource follows it."""
    key: ResourceKey = ("hospital-a", "his", "Observation", "a")
    assert len(key) == len(RESOURCE_KEY)
    assert (*RESOURCE_KEY, "row_index") == MERGE_KEY
