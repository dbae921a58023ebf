"""One selective cohort on three engines over the same files, at three sizes: ratios within one run, and growth.

    ./run bench cohort_engines            all sizes
    RWD_BENCH_EVENTS=1e6 ./run bench cohort_engines

The definition is ours and runs through our cohort engine on DuckDB and on Spark local[2]; on polars the same
cohort is written by hand, as somebody would who knows polars well. All must give the same rows. The events
(diagnoses, drugs, laboratory values, visits, as OMOP tables) are uniform, from a seed, and sorted by patient.
Each engine runs in a process of its own, in turns; a time is the query's alone, the best of the warm runs. CPU seconds
stand beside it, all threads counted: what else runs on the machine weighs less on them. The memory is the process's
with what it started. polars is no part of the platform: it gets an environment of its own in var/. Without it, or
without Java and pyspark, its part is skipped, and says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

SEED = 0.20261122
SIZES = {1_000_000: 10_000, 10_000_000: 100_000, 50_000_000: 1_000_000}  # events: patients
POLARS = "polars==2.1.0"
ENVIRONMENT = Path(__file__).parents[1] / "var" / "benchmarks" / POLARS.replace("==", "-")
ROUNDS = 3
WARM = 3
DAYS = 3652  # from 2015-01-01 to 2024-12-31
# table: (share of the events, how many codes, prefix of its OMOP columns)
TABLES = {
    "condition_occurrence": (0.2, 100, "condition"),
    "drug_exposure": (0.3, 50, "drug"),
    "measurement": (0.4, 5, "measurement"),
    "visit_occurrence": (0.1, 3, "visit"),
}
STARTS = {
    "condition_occurrence": "condition_start_date",
    "drug_exposure": "drug_exposure_start_date",
    "measurement": "measurement_date",
    "visit_occurrence": "visit_start_date",
}


def run() -> None:
    wanted = [int(float(text)) for text in os.environ.get("RWD_BENCH_EVENTS", "").split(",") if text]
    found = []
    for events in wanted or SIZES:
        with tempfile.TemporaryDirectory(prefix="rwd-cohort-") as folder:
            found.append(_one_size(Path(folder), events))
    for before, after in pairwise(found):
        times = after["events"] / before["events"]
        grown = {name: after["best_s"][name] / seconds for name, seconds in before["best_s"].items()}
        print(
            f"cohort: {times:g} times the events: "
            + ", ".join(f"{n} {g:.1f} times" for n, g in grown.items())
        )
    print(json.dumps({"cohort_engines": found}))


def _one_size(folder: Path, events: int) -> dict[str, Any]:
    began = time.perf_counter()
    generate(folder, events, SIZES.get(events, max(1, events // 100)))
    print(f"cohort: {events:,} events written in {time.perf_counter() - began:.1f} s")
    pythons = {"duckdb": Path(sys.executable), "polars": _polars(), "spark": _spark()}
    seconds: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    answers = {}
    for round in range(ROUNDS):
        for engine, python in pythons.items():
            # Spark takes long to start, and minutes at the largest size: it has one turn, with one warm run.
            if isinstance(python, str) or (engine == "spark" and round):
                continue
            said, peak = _child(python, engine, folder)
            seconds.setdefault(engine, []).extend(said["seconds"])
            cpu.setdefault(engine, []).extend(said["cpu"])
            peaks[engine] = max(peak, peaks.get(engine, 0))
            answers[engine] = said["answer"]
    skipped = {engine: python for engine, python in pythons.items() if isinstance(python, str)}
    return _printed(events, seconds, cpu, peaks, answers, skipped)


def _printed(
    events: int,
    seconds: dict[str, list[float]],
    cpu: dict[str, list[float]],
    peaks: dict[str, float],
    answers: dict[str, list[int]],
    skipped: dict[str, str],
) -> dict[str, Any]:
    best = {engine: min(times) for engine, times in seconds.items()}
    least = {engine: min(times) for engine, times in cpu.items()}
    same = len({tuple(answer) for answer in answers.values()}) == 1
    patients = answers["duckdb"][0]
    for engine, times in seconds.items():
        ordered = sorted(times)
        print(
            f"cohort: {events:,} events: {engine}: best {best[engine]:.2f} s, median"
            f" {ordered[len(ordered) // 2]:.2f}, worst {ordered[-1]:.2f} of {len(times)}; CPU {least[engine]:.2f} s;"
            f" peak {peaks[engine]:,.0f} MiB; DuckDB's time is {best['duckdb'] / best[engine]:.2f} times this,"
            f" its CPU {least['duckdb'] / least[engine]:.2f} times"
        )
    print(f"cohort: {events:,} events: {patients:,} patients, rows {'equal' if same else 'DIFFER'}")
    for engine, why in skipped.items():
        print(f"cohort: {engine}: skipped, {why}")
    return {
        "events": events,
        "patients": patients,
        "equal": same,
        "best_s": best,
        "least_cpu_s": least,
        "seconds": seconds,
        "peak_mib": peaks,
        "load": round(os.getloadavg()[0], 1),
    }


# -- events ------------------------------------------------------------------------------------------


def generate(folder: Path, events: int, patients: int) -> None:
    """Files as OMOP's tables, a file a table. The n-th row of a table is of patient n * patients / rows."""
    import duckdb

    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as connection:
        connection.execute(f"SELECT setseed({SEED})")
        connection.execute("SET threads = 1")  # the seed is one thread's

        def write(name: str, query: str) -> None:
            connection.execute(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet)")

        write(
            "person",
            "SELECT range + 1 AS person_id, 1930 + (random() * 80)::INT AS year_of_birth,"
            " 1 + (random() * 11)::INT AS month_of_birth, 1 AS day_of_birth,"
            f" 8507 + 25 * (random() < 0.5)::INT AS gender_concept_id FROM range({patients})",
        )
        write(
            "observation_period",
            "SELECT range + 1 AS person_id, range + 1 AS observation_period_id,"
            " DATE '2015-01-01' + (random() * 365)::INT AS observation_period_start_date,"
            f" DATE '2024-12-31' - (random() * 365)::INT AS observation_period_end_date FROM range({patients})",
        )
        for table, (share, codes, prefix) in TABLES.items():
            write(table, _events(table, prefix, int(events * share), patients, codes))


def _events(table: str, prefix: str, rows: int, patients: int, codes: int) -> str:
    key = f"{table}_id"
    own = {
        "condition_occurrence": ", CAST(NULL AS DATE) AS condition_end_date",
        "drug_exposure": ", CAST(NULL AS DATE) AS drug_exposure_end_date, 30 AS days_supply",
        "measurement": ", round(random() * 100, 1) AS value_as_number",
        "visit_occurrence": ", CAST(NULL AS DATE) AS visit_end_date",
    }[table]
    visit = "" if table == "visit_occurrence" else ", range // 10 AS visit_occurrence_id"
    return (
        f"SELECT range + 1 AS {key}, range * {patients} // {rows} + 1 AS person_id,"
        f" 1 + floor(random() * {codes})::BIGINT AS {prefix}_concept_id,"
        f" DATE '2015-01-01' + floor(random() * {DAYS})::INT AS {STARTS[table]}{visit}{own} FROM range({rows})"
    )


# -- the cohort, ours ----------------------------------------------------------------------------------


def definition() -> Any:
    """First diagnosis 1 or 2, half a year observed; then five rules; a year of follow-up at most."""
    from rwd_platform.core.text import Bilingual
    from studies.cohorts import definition as d

    def of(table: str, *codes: int, **parts: Any) -> Any:
        pairs = frozenset(("", str(code)) for code in codes)
        return d.Events(table, (d.CodeTest(d.Codes(table, pairs)),) if codes else (), **parts)

    def near(first: int | None, last: int) -> tuple[Any, ...]:
        return (d.Window(d.Bound(first, -1), d.Bound(last, -1)),)

    def rule(id: str, *related: Any, about: tuple[Any, ...] = ()) -> Any:
        return d.Rule(id, Bilingual(id, id), d.Group("all", 0, related, about))

    some, none = d.Count("at_least", 1), d.Count("exactly", 0)
    enough = (d.Test("value", "ge", (40,)),)
    return d.Cohort(
        name="benchmark",
        entry=d.Entry((of("condition_occurrence", 1, 2),), days_before=180, limit="first"),
        rules=(
            rule("adult", about=((d.Test("age", "ge", (18,)),),)),
            rule("drug", d.Related(of("drug_exposure", *range(1, 11)), near(-365, 0), some)),
            rule("lab", d.Related(of("measurement", 1), near(-365, 0), some, of="last", then=enough)),
            rule("visit", d.Related(of("visit_occurrence"), near(-365, -1), some)),
            rule("never", d.Related(of("condition_occurrence", 10), near(None, -1), none)),
        ),
        exit=d.FixedExit("start", 365),
    )


def _ours(tables: dict[str, Any]) -> Callable[[], list[int]]:
    from studies.cohorts.engine import Engine
    from studies.cohorts.tables import load_model

    rows = Engine(load_model("omop"), tables).cohort(definition())

    def ask() -> list[int]:
        found = rows.to_pyarrow()
        epoch = date(1970, 1, 1)
        starts, ends = (
            sum((day - epoch).days for day in found.column(name).to_pylist())
            for name in ("start_date", "end_date")
        )
        return [len(found), sum(found.column("patient_id").to_pylist()), starts, ends]

    return ask


# -- the same, in polars ---------------------------------------------------------------------------------


def _in_polars(folder: Path) -> Callable[[], list[int]]:
    import polars as pl

    def scan(table: str) -> Any:
        return pl.scan_parquet(folder / f"{table}.parquet")

    def events(table: str, codes: list[int], *columns: str) -> Any:
        rows = scan(table)
        rows = rows.filter(pl.col(f"{TABLES[table][2]}_concept_id").is_in(codes)) if codes else rows
        return rows.select("person_id", pl.col(STARTS[table]).alias("day"), *columns)

    def days(number: int) -> Any:
        return pl.duration(days=number)

    def near(rows: Any, index: Any, first: int | None, last: int) -> Any:
        pairs = rows.join(index, on="person_id")
        pairs = pairs.filter(pl.col("day") <= pl.col("start") + days(last), pl.col("day") >= pl.col("first"))
        return pairs if first is None else pairs.filter(pl.col("day") >= pl.col("start") + days(first))

    first, last = "observation_period_start_date", "observation_period_end_date"
    watched = scan("observation_period").select("person_id", first=first, last=last)
    born = scan("person").select("person_id", "year_of_birth", "month_of_birth", "day_of_birth")
    entry = events("condition_occurrence", [1, 2]).join(watched, on="person_id")
    entry = entry.filter(pl.col("day") >= pl.col("first") + days(180), pl.col("day") <= pl.col("last"))
    index = entry.group_by("person_id").agg(
        start=pl.col("day").min(), first=pl.col("first").min(), last=pl.col("last").min()
    )
    started = pl.col("start").dt
    years = started.year() - pl.col("year_of_birth")
    day_of_year = started.month().cast(pl.Int32) * 100 + started.day()  # a month is 8 bits wide
    before_birthday = day_of_year < pl.col("month_of_birth") * 100 + pl.col("day_of_birth")
    index = index.join(born, on="person_id").filter(years - before_birthday.cast(pl.Int32) >= 18)
    drugs = near(events("drug_exposure", list(range(1, 11))), index, -365, 0)
    labs = near(events("measurement", [1], "measurement_id", "value_as_number"), index, -365, 0)
    labs = labs.sort(["day", "measurement_id"], descending=[True, False]).group_by("person_id").first()
    visits = near(events("visit_occurrence", []), index, -365, -1)
    earlier = near(events("condition_occurrence", [10]), index, None, -1)
    kept = index
    for rows in (drugs, labs.filter(pl.col("value_as_number") >= 40), visits):
        kept = kept.join(rows.select("person_id"), on="person_id", how="semi")
    kept = kept.join(earlier.select("person_id"), on="person_id", how="anti")
    kept = kept.select("person_id", "start", end=pl.min_horizontal(pl.col("start") + days(365), "last"))

    def ask() -> list[int]:
        found = kept.collect(engine=os.environ.get("RWD_BENCH_POLARS", "streaming"))
        starts, ends = (found[name].to_physical().cast(pl.Int64).sum() for name in ("start", "end"))
        return [len(found), int(found["person_id"].sum()), int(starts), int(ends)]

    return ask


# -- one engine in a process of its own --------------------------------------------------------------------


def _child(python: Path, engine: str, folder: Path) -> tuple[dict[str, Any], float]:
    """What a process says, and the most memory (MiB) that it and what it started had at one time."""
    child = subprocess.Popen(
        [str(python), "-c", f"import benchmarks.cohort_engines as b; b.answer({engine!r}, {str(folder)!r})"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, _memory_of(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = child.communicate()
    done.set()
    watcher.join()
    if child.returncode:
        raise RuntimeError(f"{engine} ended with {child.returncode}")
    return json.loads(said.splitlines()[-1]), peak


def _descendants(pid: int) -> Iterator[int]:
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
            waiting += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            continue
        yield one


def _memory_of(pid: int) -> float:
    """Resident MiB of a process and its descendants; pages that several share count in each."""
    total = 0.0
    for one in _descendants(pid):
        try:
            status = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
    return total


def _cpu_of(pid: int) -> float:
    """CPU seconds that a process and its living descendants have had, all threads, to a hundredth."""
    ticks = 0
    for one in _descendants(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def answer(engine: str, folder: str) -> None:
    """Print the seconds of the warm runs and what the cohort is: rows, sums of patients, starts and ends."""
    tables = [*TABLES, "person", "observation_period"]
    files = {table: [f"{folder}/{table}.parquet"] for table in tables}
    if engine == "polars":
        print(json.dumps(_timed(_in_polars(Path(folder)))))
    elif engine == "duckdb":
        from rwd_platform.store.engines import duckdb

        with duckdb.open_tables(files, temporary=Path(folder) / "spill") as opened:
            print(json.dumps(_timed(_ours(opened))))
    else:
        from rwd_platform.store.engines import spark

        with spark.open_tables(files, master="local[2]") as opened:
            print(json.dumps(_timed(_ours(opened), warm=1)))


def _timed(ask: Callable[[], list[int]], warm: int = WARM) -> dict[str, Any]:
    found = ask()  # the first run opens files and compiles
    seconds, cpu = [], []
    for _ in range(warm):
        began, spent = time.perf_counter(), _cpu_of(os.getpid())
        again = ask()
        seconds.append(time.perf_counter() - began)
        cpu.append(_cpu_of(os.getpid()) - spent)
        if again != found:
            raise RuntimeError("two runs gave two answers")
    return {"seconds": seconds, "cpu": cpu, "answer": found}


def _polars() -> Path | str:
    """The Python that has polars, or why there is none."""
    python = ENVIRONMENT / "bin" / "python"
    if (ENVIRONMENT / "ready").exists():
        return python
    try:
        venv = [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)]
        subprocess.run(venv, check=True, capture_output=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", POLARS]
        subprocess.run(pip, check=True, capture_output=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        return f"{POLARS} could not be installed ({type(error).__name__}; is a package index within reach?)"
    (ENVIRONMENT / "ready").touch()
    return python


def _spark() -> Path | str:
    from rwd_platform.core.errors import PlatformError
    from rwd_platform.store.engines.spark import check_installed

    try:
        check_installed()
    except PlatformError as missing:
        return missing.en
    return Path(sys.executable)
