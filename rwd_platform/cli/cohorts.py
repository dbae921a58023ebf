"""Cohort definitions: those of OHDSI's Circe, which need no database, key or configuration, and the house's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rwd_platform.cli import cohort_lake, cohort_lists
from rwd_platform.cli.files import existing, existing_folder, text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, many, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from studies.cohorts.circe.omop_rows import Tables
    from studies.cohorts.definition import Cohort

_VOCABULARY = ("concept", "concept_ancestor", "concept_relationship")


def register(app: typer.Typer) -> None:
    cohort = typer.Typer(help="队列定义 · cohort definitions", no_args_is_help=True)
    cohort.command("run", help="在 OMOP 表上运行 Circe 定义 · run a Circe definition on OMOP tables")(run)
    cohort.command("survey", help="哪些定义能读入 · which definitions can be read")(survey)
    cohort_lake.add_verbs(cohort)
    cohort_lists.add_verbs(cohort)
    app.add_typer(cohort, name="cohort")


def run(
    definition: Annotated[Path, typer.Argument(help="Circe 的 JSON · Circe's JSON")],
    omop: Annotated[Path, typer.Option("--omop", help="OMOP 表：文件夹或一个 JSON · a folder or one JSON")],
    engine: Annotated[
        Literal["duckdb", "plain"], typer.Option("--engine", help="计算引擎 · what computes")
    ] = "duckdb",
    absent_is_empty: Annotated[
        bool, typer.Option("--absent-is-empty", help="未给出的表和列视为空 · what is not given is empty")
    ] = False,
    as_json: Json = False,
) -> int:
    """Print the cohort's rows: subject_id, start and end date. What cannot be read exactly is refused."""
    from studies.cohorts.circe import OmopVocabulary, read_circe
    from studies.cohorts.circe.omop_rows import needed, read_omop, with_empty
    from studies.cohorts.tables import load_model

    existing([omop])
    tables = read_omop(omop)
    vocabulary = OmopVocabulary(tables) if any(name in tables for name in _VOCABULARY) else None
    cohort = read_circe(text_of(definition), vocabulary, definition.stem)
    model = load_model("omop")
    found = needed(cohort, with_empty(tables) if absent_is_empty else tables, model)
    rows = _rows(cohort, found, engine)
    if as_json:
        answer({"cohort": cohort.name, "engine": engine, "rows": rows})
    else:
        for row in rows:
            say("  ".join(map(str, row.values())))
    patients = len({row["subject_id"] for row in rows})
    sum_up(f"{patients} 人，{len(rows)} 段 · {many(patients, 'subject')}, {many(len(rows), 'interval')}")
    return Exit.YES


def _rows(cohort: Cohort, tables: Tables, engine: str) -> list[dict[str, Any]]:
    from studies.cohorts.tables import load_model

    model = load_model("omop")
    if engine == "plain":
        from studies.cohorts.plain import PlainEngine

        found = [(one.patient, one.start, one.end) for one in PlainEngine(model, tables).cohort(cohort)]
    else:
        from studies.cohorts.circe.omop_rows import ibis_tables
        from studies.cohorts.engine import Engine
        from studies.cohorts.keeping import keeping

        with keeping(Engine(model, ibis_tables(tables))) as held:
            rows = held.cohort(cohort)
            frame = rows.order_by("patient_id", "start_date").to_pyarrow().to_pylist()
        found = [(row["patient_id"], row["start_date"], row["end_date"]) for row in frame]
    return [
        {"subject_id": subject, "cohort_start_date": str(start)[:10], "cohort_end_date": str(end)[:10]}
        for subject, start, end in found
    ]


def survey(
    folder: Annotated[Path, typer.Argument(help="定义所在文件夹 · the folder of the definitions")],
    as_json: Json = False,
) -> int:
    """How many definitions of a folder can be read, and by reason how many are refused. Exit 1 if any is.

    Every concept set counts as one that a vocabulary can expand.
    """
    from studies.cohorts.circe import survey as surveyed

    existing_folder(folder)
    found = surveyed(folder)
    if as_json:
        answer(found.as_dict())
    else:
        say(found.table("zh"))
        say(found.table("en"))
    return Exit.NO if found.refused else Exit.YES
