"""The engines read the same files; what an engine cannot do it says before it is waited for."""

from __future__ import annotations

import builtins
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.store.engines import spark
from rwd_platform.store.engines.choose import open_tables
from rwd_platform.store.engines.table_files import lake_files
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import Layout

WIDE = pa.schema([("n", pa.int64()), ("day", pa.string()), ("later", pa.float64())])


def written(folder: Path, name: str, **columns: Sequence[Any]) -> str:
    path = folder / name
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_the_files_of_a_table_are_one_table(tmp_path: Path):
    """Also under names with blanks, quotes and Chinese."""
    files = [written(tmp_path, "甲 院's.parquet", n=[1, 2]), written(tmp_path, "b.parquet", n=[3])]
    with open_tables({"condition": files}) as tables:
        assert sorted(tables["condition"].execute()["n"]) == [1, 2, 3]


def test_a_column_that_an_older_file_does_not_have_is_null_there(tmp_path: Path):
    files = [
        written(tmp_path, "old.parquet", n=[1], day=["2020"]),
        written(tmp_path, "new.parquet", day=["2021"], n=[2], later=[0.5]),
    ]
    with open_tables({"t": files}, {"t": WIDE}) as tables:
        rows = tables["t"].order_by("n").to_pyarrow().to_pylist()
    assert rows == [{"n": 1, "day": "2020", "later": None}, {"n": 2, "day": "2021", "later": 0.5}]


def test_a_table_without_files_is_empty_if_its_columns_are_known_and_refused_if_not(tmp_path: Path):
    with open_tables({"t": []}, {"t": WIDE}) as tables:
        assert tables["t"].count().execute() == 0
        assert tables["t"].columns == ("n", "day", "later")
    with pytest.raises(PlatformError, match=r"engine\.no_files"), open_tables({"t": []}):
        pass


def test_a_file_that_is_gone_is_named_without_its_folder(tmp_path: Path):
    with (
        pytest.raises(PlatformError, match=r"engine\.file_missing") as refused,
        open_tables({"t": [str(tmp_path / "gone.parquet")]}),
    ):
        pass
    assert "gone.parquet" in refused.value.zh
    assert str(tmp_path) not in refused.value.en


def test_what_does_not_fit_into_memory_spills_into_the_folder_given(tmp_path: Path):
    from rwd_platform.store.engines import duckdb

    file = written(tmp_path, "t.parquet", n=list(range(1_000_000)))
    with duckdb.open_tables({"t": [file]}, memory="40MB", temporary=tmp_path / "spill", threads=1) as tables:
        rows = tables["t"]
        widest = (
            rows.mutate(text=rows["n"].cast("string") + "x" * 40).order_by("text").limit(1, offset=999_999)
        )
        assert widest.execute()["n"][0] == 9  # "9x": a letter comes after every digit


def test_the_embedded_engine_fetches_nothing(tmp_path: Path):
    with open_tables({"t": [written(tmp_path, "t.parquet", n=[1])]}) as tables:
        connection = tables["t"].get_backend().con
        settings = ["autoinstall_known_extensions", "autoload_known_extensions"]
        values = [connection.execute(f"SELECT current_setting('{name}')").fetchone()[0] for name in settings]
    assert [str(value).lower() for value in values] == ["false", "false"]


def test_the_files_of_the_lake_are_those_of_its_present_state(tmp_path: Path):
    lake = Lake(Layout(tmp_path))
    lake.define("visit", [("id", "id"), ("start_date", "dateTime")])
    about = {"organisation_id": "o", "source_system": "s", "resource_type": "Encounter", "patient_id": "p"}
    about |= {"row_index": 0, "source_file_sha256": "f", "source_line": 1, "line_digest": "d"}
    for upload, name, content in (("u1", "a", "1"), ("u2", "b", "1"), ("u3", "a", "2")):
        row = {**about, "resource_id": name, "content_sha256": content, "start_date": f"2020-01-0{upload[1]}"}
        lake.replace_upload("visit", upload, [row])
    found = lake_files(lake)
    with open_tables(found.files, found.schemas) as tables:
        rows = tables["visit"].order_by("resource_id").to_pyarrow().to_pylist()
    assert [(row["resource_id"], row["start_date"]) for row in rows] == [
        ("a", "2020-01-03"),
        ("b", "2020-01-02"),
    ]
    with pytest.raises(PlatformError, match=r"engine\.no_files"):
        lake_files(lake, ["never"])


@pytest.mark.parametrize(
    "engine", ["", "postgres", "spark://", "spark://host", "spark://host:99999", "spark://a b:7"]
)
def test_an_engine_that_there_is_not_is_refused(engine: str):
    with pytest.raises(PlatformError, match=r"engine\.unknown"):
        open_tables({}, engine=engine)


# -- what Spark lacks ----------------------------------------------------------------------------------


def test_without_pyspark_spark_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    imported = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "pyspark":
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(spark, "_opened", [])  # another module's tests may hold a session in this process
    monkeypatch.setattr(builtins, "__import__", without)
    with (
        pytest.raises(PlatformError, match=r"engine\.pyspark_missing"),
        open_tables({}, engine="spark-local"),
    ):
        pass


@pytest.mark.parametrize(
    ("said", "version"), [('openjdk version "17.0.15" 2025', 17), ('java version "1.8.0_1"', 8)]
)
def test_the_version_of_java_is_read_from_what_it_says(
    said: str, version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "bin").mkdir()
    java = tmp_path / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert spark.java_version() == version


def test_a_java_that_is_absent_or_broken_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert spark.java_version() is None
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert spark.java_version() is None


def test_an_old_java_is_refused(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("pyspark", reason="pyspark is not installed (requirements/spark.lock)")
    monkeypatch.setattr(spark, "java_version", lambda: 11)
    with pytest.raises(PlatformError, match=r"engine\.java_missing"):
        spark.check_installed()


def test_a_master_that_nobody_is_at_is_told_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"spark://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(PlatformError, match=r"engine\.master_unreachable"):
            spark.check_reachable(address, 0.5)


class Stopped:
    """In the place of a Spark session: counts how often it was stopped."""

    times = 0

    def stop(self) -> None:
        self.times += 1


def test_a_session_stops_when_the_last_of_those_who_use_it_is_done(monkeypatch: pytest.MonkeyPatch):
    """Two counts at one time in two threads of the web server: neither ends the other's."""
    monkeypatch.setattr(spark, "_opened", [])
    monkeypatch.setattr(spark, "_start", lambda master, settings: Stopped())
    with ExitStack() as first, ExitStack() as second:
        one = first.enter_context(spark.session("local[1]"))
        assert second.enter_context(spark.session("local[1]")) is one
        with pytest.raises(PlatformError, match=r"engine\.other_master"), spark.session("local[2]"):
            pass
        first.close()
        assert one.times == 0
    assert one.times == 1
    with spark.session("local[2]") as another:
        assert another is not one


def test_how_ibis_words_queries_is_as_before_once_the_tables_are_closed(tmp_path: Path):
    import ibis

    before = ibis.options.sql.fuse_selects
    with open_tables({"t": [written(tmp_path, "t.parquet", n=[1])]}):
        assert ibis.options.sql.fuse_selects is False
    assert ibis.options.sql.fuse_selects is before
