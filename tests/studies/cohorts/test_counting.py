"""Tables prepared for counting give the counts that the tables themselves give, for drawn definitions too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rwd_platform.store.engines.duckdb import open_tables, write_parquet
from studies.cohorts import counting, steps
from studies.cohorts.engine import Engine
from studies.cohorts.patient_keys import PatientWeights
from studies.cohorts.tables import Model, load_model
from tests.studies.cohorts.drawing import World, draw_cohort, draw_world, files_of

DRAWS = 12
WEIGHTS = PatientWeights(b"a key of this test's own")


@contextmanager
def both(world: World, folder: Path) -> Iterator[tuple[Engine, Engine]]:
    """An engine over the tables as stored, and one over what was prepared of them."""
    with open_tables(files_of(world, folder)) as tables:
        stored = {name: _one_row_each(rows, world.model, name) for name, rows in tables.items()}
        ready = prepare(stored, world.model, folder / "ready")
        yield Engine(world.model, stored), counting.counting_engine(ready, world.model)


def _one_row_each(rows: Any, model: Model, name: str) -> Any:
    lookup = model.lookups["patient"]
    return rows.distinct(on=lookup.key, keep="first") if name == lookup.source else rows


def prepare(tables: Mapping[str, Any], model: Model, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    names = write_parquet(counting.numbered_patients(tables, model), folder / "names.parquet", 100)
    ready = {
        name: write_parquet(counting.prepared(name, rows, names, model), folder / f"{name}.parquet", 100)
        for name, rows in tables.items()
    }
    return {**ready, counting.NAMES: names}


def numbers(engine: Engine, cohort: Any, excluding: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
    found = steps.count(engine, cohort, excluding, WEIGHTS)
    return [(one.id, one.left, one.remaining, one.key_sum) for one in found]


def test_prepared_tables_give_the_same_counts_and_the_same_keys_of_patients(tmp_path: Path):
    """The key of a set of patients decides its noise, so it must not depend on which tables were asked."""
    world = draw_world("lecheng", 0)
    differing, with_patients = [], 0
    with both(world, tmp_path) as (stored, ready):
        for seed in range(DRAWS):
            cohort = draw_cohort(world.model, seed)
            expected = numbers(stored, cohort)
            with_patients += any(remaining for _, _, remaining, _ in expected[2:])
            if numbers(ready, cohort) != expected:
                differing.append(seed)
    assert differing == []
    assert with_patients > DRAWS / 4, "most draws must not be empty on both sides alike"


def test_patients_who_withdrew_are_named_by_their_pseudonyms(tmp_path: Path):
    world = draw_world("lecheng", 1)
    patient = world.model.lookups["patient"]
    names = sorted(row[patient.key] for row in world.rows[patient.source])[:3]
    cohort = draw_cohort(world.model, 3)
    with both(world, tmp_path) as (stored, ready):
        found = numbers(ready, cohort, (*names, "nobody"))
        assert found == numbers(stored, cohort, (*names, "nobody"))
        assert found[1][:2] == ("withdrawn", 3)


def test_the_characteristics_of_those_lost_are_the_same(tmp_path: Path):
    world = draw_world("lecheng", 2)
    cohort = draw_cohort(world.model, 5)
    with both(world, tmp_path) as (stored, ready):
        one, other = (steps.run(engine, cohort, None, WEIGHTS) for engine in (stored, ready))
    assert [step.lost for step in one.steps] == [step.lost for step in other.steps]
    assert one.kept == other.kept


def test_no_definition_asks_a_day_in_a_way_that_needs_its_text():
    """A column of days becomes numbers; a test that a definition names by the same column would compare numbers."""
    model = load_model("lecheng")
    days = counting.days_of(model)
    for table in model.events.values():
        asked = {*table.columns.values(), *(column for code in table.codes.values() for column in code)}
        assert not asked & days[table.source], table.name


def test_what_is_prepared_is_what_a_definition_can_name_and_nothing_else():
    found = counting.columns_to_count(load_model("lecheng"))
    assert {"gender", "birth_date", "organisation_id", "patient_id"} == set(found["patient"])
    assert "line_digest" not in {column for columns in found.values() for column in columns}
    assert {"product_system", "product_code", "explant_date", "start_date"} <= set(found["device_use"])
