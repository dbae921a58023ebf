"""Open ends where tables are prepared for counting: an end that is recorded, and not to the day, is not forgotten."""

from __future__ import annotations

from typing import Any

from studies.cohorts.counting import NAMES, columns_to_count, counting_engine, numbered_patients, prepared
from studies.cohorts.engine import Engine
from studies.cohorts.patient_keys import PatientWeights
from studies.cohorts.steps import count
from tests.studies.cohorts.language_cases import MODEL, definition, lake, read
from tests.studies.cohorts.test_language import DEVICES, SEEN, M

RULES = [
    f"events: {{{M}}}, days: [-365, 0], dates: {{event: end}}",
    f"no_events: {{{M}}}, days: [-365, 0], dates: {{event: end}}",
    f"events: {{{M}, where: {{days: {{at_least: 30}}}}}}, days: [-365, 0]",
    f"events: {{{M}, where: {{days: {{less_than: 30}}}}}}, days: [-365, 0]",
]


def texts(rows: list[dict[str, Any]], column: str) -> Any:
    import pyarrow as pa

    cells = (row.get(column) for row in rows)
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def test_prepared_tables_tell_an_end_that_is_open_from_one_that_is_not_known_to_the_day():
    """A is still in, B came out in April, C came out on an unknown day of it: each rule leaves the same people."""
    import ibis
    import pyarrow as pa

    store = lake(device_use=DEVICES, condition=SEEN)
    weights = PatientWeights(b"k" * 32)
    written = {
        name: ibis.memtable(pa.table({column: texts(store[name], column) for column in columns}))
        for name, columns in columns_to_count(MODEL).items()
        if name in store
    }
    names = numbered_patients(written, MODEL)
    ready = {name: prepared(name, rows, names, MODEL) for name, rows in written.items()} | {NAMES: names}
    kept = {name: ibis.memtable(rows.to_pyarrow()) for name, rows in ready.items()}
    left = []
    for condition in RULES:
        cohort = read(definition(f"require:\n  - {{id: r, reason: {{zh: 甲, en: A}}, {condition}}}\n"))
        found = count(Engine(MODEL, written), cohort, None, weights)
        assert count(counting_engine(kept, MODEL), cohort, None, weights) == found
        left.append(found[-1].remaining)
    assert left == [1, 3, 2, 0]
