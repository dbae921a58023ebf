"""Drawn definitions give the same rows on plain Python and on DuckDB: 48 of them, and 300 in the long form.

Half of them are over each of the two data models; a draw takes about 1 s of CPU.

All three engines are compared where there is a Spark cluster: tests/store/engines/test_on_a_cluster.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.store.engines.duckdb import open_tables
from studies.cohorts.definition import Cohort
from studies.cohorts.engine import Engine
from studies.cohorts.plain import PlainEngine
from tests.studies.cohorts.drawing import World, draw_cohort, draw_world, files_of

SHORT, LONG = 24, 150  # draws of each model
WORLDS = 3  # databases of each model


@pytest.fixture(scope="module", params=["omop", "lecheng"])
def worlds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[tuple[World, dict[str, list[str]]]]]:
    folder = tmp_path_factory.mktemp("drawn")
    yield [write_world(folder, draw_world(request.param, seed)) for seed in range(WORLDS)]


def write_world(folder: Path, world: World) -> tuple[World, dict[str, list[str]]]:
    return world, files_of(world, folder)


def plain_rows(world: World, cohort: Cohort) -> list[tuple[Any, ...]]:
    found = PlainEngine(world.model, world.rows).cohort(cohort)
    return sorted((one.patient, one.start, one.end) for one in found)


def engine_rows(world: World, tables: Mapping[str, Any], cohort: Cohort) -> list[tuple[Any, ...]]:
    return rows_of(Engine(world.model, tables), cohort)


def rows_of(engine: Engine, cohort: Cohort) -> list[tuple[Any, ...]]:
    rows = engine.cohort(cohort).to_pyarrow().to_pylist()
    return sorted((row["patient_id"], row["start_date"], row["end_date"]) for row in rows)


@pytest.mark.parametrize("draws", [SHORT, pytest.param(LONG, marks=pytest.mark.long)])
def test_a_drawn_definition_has_the_same_rows_on_both(
    worlds: list[tuple[World, dict[str, list[str]]]], draws: int
):
    """A definition that differs is named by its seed: `draw_cohort(model, seed)` makes it again."""
    differing, with_rows = [], 0
    for number, (world, files) in enumerate(worlds):
        with open_tables(files) as tables:
            for seed in range(number, draws, WORLDS):
                cohort = draw_cohort(world.model, seed)
                expected = plain_rows(world, cohort)
                with_rows += bool(expected)
                if engine_rows(world, tables, cohort) != expected:
                    differing.append(seed)
    assert differing == []
    assert with_rows > draws / 4, "most draws must not be empty on both sides alike"


def test_a_draw_is_the_same_each_time_and_unlike_the_next():
    model = draw_world("omop", 0).model
    assert draw_cohort(model, 5) == draw_cohort(model, 5)
    assert draw_cohort(model, 5) != draw_cohort(model, 6)
    assert draw_world("omop", 1).rows == draw_world("omop", 1).rows
    assert draw_world("omop", 1).rows != draw_world("omop", 2).rows
