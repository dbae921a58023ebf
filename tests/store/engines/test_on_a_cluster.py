"""What runs on a Spark cluster gives what it gives without: a real master and worker, on loopback.

16 drawn definitions have the same rows on plain Python, on DuckDB and on the cluster, 150 in the long form: half of
them over each of the two data models. Everything is in this one file, so that one process starts one cluster.

Skipped, saying why, where Java 17 or pyspark (requirements/spark.lock) is absent.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quality.engine import check_ibis_tables
from quality.rules import Suite
from quality.suite import load_suites
from rwd_platform.core.canonical import sha256_file
from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.exporter import DEFAULT_SEED
from rwd_platform.demo.hospitals import hospital_a
from rwd_platform.demo.patients import demo_patients
from rwd_platform.flows.admission import FileFindings, Judged, lake_rows, settle
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.cohorts import count_cohort, explain_patient
from rwd_platform.flows.spark_ingestion import SentFile, Slice, Source, SourceJudge, ingest, judged_slice
from rwd_platform.store.engines import spark
from rwd_platform.store.engines.choose import open_tables
from studies.cohorts import steps
from studies.cohorts.definition import Cohort
from studies.cohorts.engine import Engine
from studies.cohorts.keeping import keeping
from studies.cohorts.plain import PlainEngine
from tests.flows.erasing import opened
from tests.flows.sending import CLERK, RESEARCHER, ndjson, patient, received
from tests.flows.test_cohorts import DEFINITION, diagnosis, pseudonyms
from tests.ingestion.sending import suite
from tests.quality.planted import Hospital, frames_of, plant, plantable
from tests.studies.cohorts.drawing import World, draw_cohort, draw_world, files_of
from tests.studies.cohorts.test_drawn_cohorts import LONG, SHORT, plain_rows, rows_of

DRAWS, LONG_DRAWS = 8, 75  # of each model, none of them empty
SOURCE = Source("org-a", "his", "R4", b"a key that only tests ever use..", 1, "intl")


@pytest.mark.parametrize("draws", [DRAWS, pytest.param(LONG_DRAWS, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["omop", "lecheng"])
def test_a_drawn_definition_has_the_same_rows_on_all_three_engines(
    name: str, draws: int, cluster: str, session: Any, tmp_path: Path
):
    """Asked as the flows ask. A definition that differs is named by its seed and the engine."""
    world = draw_world(name, 0)
    files, schemas = files_of(world, tmp_path), {one: rows.schema for one, rows in world.arrow.items()}
    drawn, differing = list(drawn_with_rows(world, draws)), []
    for engine in ("duckdb", cluster):
        with open_tables(files, schemas, engine=engine) as tables:
            for seed, cohort, expected in drawn:
                with keeping(Engine(world.model, tables)) as held:
                    if rows_of(held, cohort) != expected:
                        differing.append((engine, seed))
    assert differing == []


@pytest.mark.parametrize("name", ["omop", "lecheng"])
def test_every_step_of_a_drawn_definition_counts_the_same(
    name: str, cluster: str, session: Any, tmp_path: Path
):
    world = draw_world(name, 0)
    schemas = {one: rows.schema for one, rows in world.arrow.items()}
    with open_tables(files_of(world, tmp_path), schemas, engine=cluster) as tables:
        [(_, cohort, _)] = drawn_with_rows(world, 1)
        expected = steps.run(PlainEngine(world.model, world.rows), cohort)
        found = steps.run(Engine(world.model, tables), cohort)
    assert (found.steps, found.kept) == (expected.steps, expected.kept)
    assert found.rows.to_dict("records") == expected.rows.to_dict("records")


def test_the_reference_says_how_many_definitions_are_drawn():
    of_two = [2 * draws for draws in (SHORT, LONG, DRAWS, LONG_DRAWS)]
    text = (Path(__file__).parents[3] / "docs/reference/cohort.md").read_text(encoding="utf-8")
    english, chinese = (
        next(line for line in text.splitlines() if line.startswith(start))
        for start in ("Drawn definitions have the same rows", "随机生成的队列定义")
    )
    assert [int(number) for number in re.findall(r"\b\d+\b", english)] == of_two
    assert [int(number) for number in re.findall(r"\d+", chinese)] == of_two


def drawn_with_rows(world: World, draws: int) -> Iterator[tuple[int, Cohort, list[tuple[Any, ...]]]]:
    """The first definitions drawn that are not empty: seed, definition, and its rows on plain Python."""
    drawn = ((seed, draw_cohort(world.model, seed)) for seed in range(1000))
    judged = ((seed, one, plain_rows(world, one)) for seed, one in drawn)
    return islice((one for one in judged if one[2]), draws)


def test_spark_is_given_merged_selections_and_enough_rounds_to_plan_a_large_definition(
    cluster: str, session: Any, tmp_path: Path
):
    """By itself its analyser gives up after 100 rounds."""
    import ibis

    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": [1]}), file)
    with open_tables({"t": [str(file)]}, engine=cluster) as tables:
        assert ibis.options.sql.fuse_selects is True
        moved = tables["t"].mutate(m=tables["t"]["n"] + 1)
        assert ibis.to_sql(moved.select("m")).count("SELECT") == 1
    rounds = [session.conf.get(f"spark.sql.{part}.maxIterations") for part in ("analyzer", "optimizer")]
    assert rounds == ["1000", "1000"]


def test_counts_of_the_lake_and_one_patients_path_are_those_of_the_embedded_engine(
    cluster: str, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The flows of the pages, with RWD_ENGINE alone changed: two of the patients are children, two have withdrawn.

    The noise of a count follows from who is counted: one patient more or less would show in every number.
    """
    platform = opened(tmp_path / "home")
    people = [patient(f"p{n}", birthDate="2015-01-01" if n < 2 else "1950-02-03") for n in range(24)]
    ill = [diagnosis(n, f"p{n}") for n in range(22)]
    admit_upload(platform, CLERK, received(platform, {"all.ndjson": ndjson(*people, *ill)}))
    names = pseudonyms(platform)
    withdrawn = frozenset((CLERK.organisation, one) for one in names[:2])
    monkeypatch.setattr("rwd_platform.flows.cohorts.frozen_patients", lambda platform: withdrawn)
    answers = []
    for engine in ("duckdb", cluster):
        asked = replace(platform, settings=platform.settings.model_copy(update={"engine": engine}))
        counted = count_cohort(asked, RESEARCHER, DEFINITION, characteristics=True)
        answers.append((counted, explain_patient(asked, CLERK, DEFINITION, names[-1])))
    platform.records.engine.dispose()
    assert answers[0] == answers[1]
    assert answers[0][0].patients and answers[0][1].in_store


def demo_lines(folder: Path) -> list[SentFile]:
    """What the demo's first hospital sends of forty patients, defects and repeats included; one file stays gzip."""
    patients = [one for one in demo_patients(DEFAULT_SEED) if one.hospital == "a"][:40]
    files = []
    for number, (name, content) in enumerate(hospital_a(patients).files.items()):
        path = folder / (name if number == 0 else name.removesuffix(".gz"))
        path.write_bytes(content if number == 0 else gzip.decompress(content))
        files.append(SentFile(path, bytes([number]) * 32))
    return files


def in_this_process(files: Sequence[SentFile]) -> tuple[list[FileFindings], dict[str, list[dict[str, Any]]]]:
    """The same without a cluster: each file whole, one unit after another."""
    judge, findings = SourceJudge(SOURCE), []
    for number, file in enumerate(files):
        whole = Slice(number, 0, file.path.stat().st_size, 1)
        judged = [one for _, one in judged_slice(judge, SOURCE, file, whole, file.path.name)]
        findings.append(FileFindings(f"{number}", sha256_file(file.path), judged))
    settle(findings, {})
    rows = lake_rows(findings, organisation_id=SOURCE.organisation_id, source_system=SOURCE.source_system)
    return findings, rows


def check_equal(session: Any, files: Sequence[SentFile], slice_bytes: int) -> dict[str, int]:
    """Every unit's outcome and every table's rows are the same; how many rows each table has."""

    def facts(one: Judged) -> tuple[Any, ...]:
        rules = [issue.rule for issue in one.issues]
        return (
            one.place.line,
            one.place.entry,
            one.resource_type,
            one.outcome,
            rules,
            one.digest,
            one.dropped,
        )

    findings, expected = in_this_process(files)
    with ingest(session, SOURCE, files, {}, slice_bytes=slice_bytes) as ingested:
        for here, there in zip(findings, ingested.findings, strict=True):
            assert list(map(facts, there.judged)) == list(map(facts, here.judged))
            assert (there.sha256, there.accounting) == (here.sha256, here.accounting)
        rows = {table: list(ingested.rows(table)) for table in ingested.tables}
    for table in expected.keys() | rows.keys():
        assert by_place(rows.get(table, [])) == by_place(expected.get(table, [])), table
    return {table: len(found) for table, found in rows.items() if found}


def by_place(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In one order, and numbers as the lake stores them: a decimal is a double there."""
    ordered = sorted(rows, key=lambda row: (row["resource_type"], row["resource_id"], row["row_index"]))
    return [{name: float(v) if isinstance(v, Decimal) else v for name, v in row.items()} for row in ordered]


def test_ingestion_gives_the_rows_and_the_account_that_it_gives_without(session: Any, tmp_path: Path):
    """Whether a file was cut into many slices or stayed whole, and whatever was wrong with its lines."""
    counted = check_equal(session, demo_lines(tmp_path), slice_bytes=20_000)
    assert counted["resource"] > 300 and len(counted) > 4


@pytest.mark.long
def test_a_hundred_synthetic_patients_give_the_same_rows(session: Any):
    folder = suite("fhir", "synthea-r4-100p")
    files = [SentFile(path, b"k" * 32) for path in sorted(folder.glob("*.ndjson*"))]
    counted = check_equal(session, files, slice_bytes=1 << 20)
    print(counted)
    assert counted["patient"] >= 100


def test_a_second_master_is_refused_while_a_session_is_open(session: Any):
    with pytest.raises(PlatformError, match=r"engine\.other_master"), spark.session("local[1]"):
        pass


def test_quality_counts_the_same_rows(cluster: str, session: Any, tmp_path: Path):
    """Of each rule of three tables, in a hospital for every defect: how many rows it speaks of, and how many fail."""
    suites, there = load_suites(), ("patient", "visit", "measurement")
    hospitals = [Hospital("clean")]
    for rule in (rule for rule in plantable(suites) if rule.table in there):
        hospitals.append(Hospital(rule.id))
        plant(rule, hospitals[-1])
    frames = frames_of(hospitals, suites)
    files = {name: [str(tmp_path / f"{name}.parquet")] for name in there}
    for name in there:
        schema = arrow_schema(suites[name], frames[name])
        pq.write_table(pa.Table.from_pandas(frames[name], schema, preserve_index=False), files[name][0])
    counted = {}
    for engine in ("duckdb", cluster):
        with open_tables(files, engine=engine) as tables:
            counted[engine] = set(check_ibis_tables(tables, suites).results)
    assert counted[cluster] == counted["duckdb"]
    failing = {one.rule for one in counted["duckdb"] if one.organisation_id and one.failing}
    assert len(failing) > 10


def arrow_schema(suite: Suite, frame: pd.DataFrame) -> pa.Schema:
    kinds = {"integer": pa.int64(), "decimal": pa.float64(), "boolean": pa.bool_()}
    known = {"row_index": "integer", **suite.columns}
    return pa.schema([(name, kinds.get(known.get(name, "string"), pa.string())) for name in frame.columns])
