"""What a clinician waits for: a count of every step of a definition, over stores of three sizes.

    ./run bench cohorts                          1e4, 1e5 and 1e6 patients
    RWD_BENCH_PATIENTS=1e6 ./run bench cohorts

A store as the lake keeps it (dates as text, codes with their systems, one observation period a patient) is drawn
from a seed, and prepared for counting once, as the platform does after an upload. Beside the count of the editor
stand the same with who is lost at each step, the count from tables that are not prepared, the preparation, and as a
measure of the machine one reading of a stored table by DuckDB: the patients that have the entry's code, counted.
Times are the best of warm runs.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

SEED = 20261122
SIZES = (10_000, 100_000, 1_000_000)
WARM = 3
KEY = b"the key of this benchmark's noise"
ROW_GROUP = 100_000
ICD_10, ICD_9_CM = "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-9-cm"
EVENTS = {"condition": 2.0, "procedure": 1.0, "measurement": 4.0}  # rows a patient
STARTS = {"condition": "onset_date", "procedure": "performed_date", "measurement": "effective_date"}


def run() -> None:
    sizes = [int(float(text)) for text in os.environ.get("RWD_BENCH_PATIENTS", "").split(",") if text]
    found = []
    for patients in sizes or SIZES:
        with tempfile.TemporaryDirectory(prefix="rwd-cohorts-") as folder:
            found.append(_one_size(Path(folder), patients))
    for before, after in pairwise(found):
        times = after["patients"] / before["patients"]
        grown = after["count_s"] / before["count_s"]
        print(f"cohorts: {times:g} times the patients: the count takes {grown:.1f} times as long")
    print(json.dumps({"cohorts": found}))


def _one_size(folder: Path, patients: int) -> dict[str, Any]:
    from rwd_platform.store.engines.duckdb import open_tables
    from studies.cohorts import steps
    from studies.cohorts.counting import counting_engine
    from studies.cohorts.engine import Engine
    from studies.cohorts.feasibility import feasibility
    from studies.cohorts.tables import load_model

    files, cohort, model = generate(folder, patients), definition(), load_model("lecheng")
    ready, prepare_s = _prepared(files, folder)
    with open_tables({name: [str(path)] for name, path in ready.items()}) as tables:
        engine = counting_engine(tables, model)
        count, counted = _best(lambda: feasibility(engine, cohort, KEY))
        whole, _ = _best(lambda: feasibility(engine, cohort, KEY, characteristics=True))
        numbers = [step.remaining for step in steps.count(engine, cohort)]
    with open_tables({name: [str(path)] for name, path in files.items()}) as tables:
        as_stored, result = _best(lambda: steps.count(Engine(model, tables), cohort))
        one_scan, _ = _best(lambda: _with_the_code(tables["procedure"]))
    assert numbers == [step.remaining for step in result]
    assert counted.steps[0].remaining is not None
    print(
        f"cohorts: {patients:,} patients: {numbers[0]:,} in, {numbers[-1]:,} left; count {count:.2f} s,"
        f" with who is lost {whole:.2f} s; from tables that are not prepared {as_stored:.2f} s; to prepare"
        f" {prepare_s:.1f} s; one reading of one stored table {one_scan:.3f} s, ratio {count / one_scan:.1f}"
    )
    return {
        "patients": patients,
        "count_s": count,
        "whole_s": whole,
        "as_stored_s": as_stored,
        "prepare_s": prepare_s,
        "one_scan_s": one_scan,
        "steps": numbers,
    }


def _prepared(files: Mapping[str, Path], folder: Path) -> tuple[dict[str, Path], float]:
    """The files as `flows/cohort_tables.py` makes them, and how long that took."""
    from rwd_platform.store.engines.duckdb import open_tables, write_parquet
    from studies.cohorts import counting
    from studies.cohorts.tables import load_model

    model, began = load_model("lecheng"), time.perf_counter()
    ready = {name: folder / f"ready-{name}.parquet" for name in (*files, counting.NAMES)}
    with open_tables({name: [str(path)] for name, path in files.items()}, temporary=folder) as tables:
        people = counting.numbered_patients(tables, model)
        names = write_parquet(people, ready[counting.NAMES], ROW_GROUP)
        for name, rows in tables.items():
            write_parquet(counting.prepared(name, rows, names, model), ready[name], ROW_GROUP)
    return ready, time.perf_counter() - began


def _best(work: Callable[[], Any]) -> tuple[float, Any]:
    seconds, found = [], None
    for _ in range(WARM):
        began = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - began)
    return min(seconds), found


def _with_the_code(procedure: Any) -> int:
    rows = procedure.filter(procedure["code"].startswith("85.4"))
    return int(rows["patient_id"].nunique().to_pyarrow().as_py())


def definition() -> Any:
    """First mastectomy in adults with breast cancer, observed for a year, no metastasis, a marker measured."""
    from rwd_platform.core.text import Bilingual
    from studies.cohorts.definition import (
        Bound,
        Codes,
        CodeTest,
        Cohort,
        Count,
        Entry,
        Events,
        Group,
        Related,
        Rule,
        Test,
        Window,
    )

    def coded(table: str, system: str, *codes: str) -> Events:
        return Events(table, (CodeTest(Codes("", frozenset((system, code) for code in codes))),))

    def around(events: Events, first: int | None, last: int, count: Count) -> Group:
        return Group(related=(Related(events, (Window(Bound(first, -1), Bound(last, 1)),), count),))

    def rule(id: str, group: Group) -> Rule:
        return Rule(id, Bilingual(id, id), group)

    some, none = Count("at_least", 1), Count("at_most", 0)
    breast = [f"C50.{digit}" for digit in (0, 1, 2, 3, 4, 5, 6, 8, 9)]
    return Cohort(
        "benchmark",
        Entry((coded("procedure", ICD_9_CM, "85.41", "85.43", "85.45"),), days_before=180, limit="first"),
        rules=(
            rule("adult", Group(about_patient=((Test("age", "ge", (18,)),),))),
            rule("breast-cancer", around(coded("condition", ICD_10, *breast), -365, 30, some)),
            rule("no-metastasis", around(coded("condition", ICD_10, "C77.3", "C78.0"), None, -1, none)),
            rule(
                "marker",
                around(coded("measurement", "urn:marker", *(f"m-{n}" for n in range(8))), -365, 365, some),
            ),
        ),
    )


def generate(folder: Path, patients: int) -> dict[str, Path]:
    """The store's files: patient, observation_period and the events, in the order of the patients."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from studies.cohorts.tables import load_model

    random = np.random.default_rng(SEED)
    ids = np.char.add("p", np.char.zfill(np.arange(patients).astype(str), 9))
    days = np.datetime_as_string(np.datetime64("2015-01-01") + np.arange(-30_000, 4_000))
    hospitals = random.choice(["hospital-a", "hospital-b", "hospital-c"], patients)
    first = random.integers(0, 800, patients)
    tables = {
        "patient": {
            "patient_id": ids,
            "organisation_id": hospitals,
            "gender": random.choice(["female", "male"], patients),
            "birth_date": days[30_000 - random.integers(10 * 365, 80 * 365, patients)],
        },
        "observation_period": {
            "patient_id": ids,
            "organisation_id": hospitals,
            "first_date": days[30_000 + first],
            "last_date": days[30_000 + first + random.integers(200, 2800, patients)],
        },
    }
    tables |= _events(random, ids, days)
    model = load_model("lecheng")
    files = {}
    for name, columns in tables.items():
        read = model.events[name].always_read() if name in model.events else ()
        rows = len(columns["patient_id"])
        absent = {column: pa.nulls(rows, pa.string()) for column in read if column not in columns}
        files[name] = folder / f"{name}.parquet"
        pq.write_table(pa.table({**columns, **absent}), files[name])
    return files


def _events(random: Any, ids: Any, days: Any) -> dict[str, dict[str, Any]]:
    """The event tables: rows in the order of their patients, codes and days uniform."""
    import numpy as np

    codes = {
        "condition": (ICD_10, ["C50.9", "C50.4", "C77.3", *[f"I1{n}.0" for n in range(10)]]),
        "procedure": (ICD_9_CM, ["85.41", "85.43", *[f"3{n}.1" for n in range(10)]]),
        "measurement": ("urn:marker", [f"m-{n}" for n in range(10)]),
    }
    tables: dict[str, dict[str, Any]] = {}
    for name, rows_each in EVENTS.items():
        rows = int(len(ids) * rows_each)
        system, known = codes[name]
        tables[name] = {
            "resource_id": np.char.add(name[0], np.arange(rows).astype(str)),
            "row_index": np.zeros(rows, dtype=np.int64),
            "patient_id": ids[np.sort(random.integers(0, len(ids), rows))],
            STARTS[name]: days[30_000 + random.integers(0, 3600, rows)],
            "code_system": np.full(rows, system),
            "code": random.choice(known, rows),
        }
    return tables
