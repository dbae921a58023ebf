"""The lake as the tables of a cohort engine: as it lies there, or prepared for counting.

Outcomes are not read here: before a protocol is frozen nobody does, and observation periods end with the last contact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from rwd_platform.core.columns import ORGANISATION_ID, PATIENT_ID
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted

if TYPE_CHECKING:
    from rwd_platform.store.lake import Lake
    from studies.cohorts.definition import Cohort
    from studies.cohorts.engine import Engine
    from studies.cohorts.tables import Model

OUTCOME_TABLES = frozenset({"outcome_event"})
# To prepare fewer takes about as long as to count them once, so it is left to whoever counts first.
RESOURCES_AHEAD = 500_000
_PATIENT = "patient"
_ROW_GROUP = 100_000  # a count reads the groups that hold its codes

Columns = Mapping[str, tuple[str, ...]]
"""Table -> the columns wanted of it."""


@contextmanager
def lake_engine(platform: Platform, cohort: Cohort, organisation: str | None) -> Iterator[Engine]:
    """The lake as it is now, or one hospital's rows of it, for one definition."""
    from studies.cohorts.engine import Engine
    from studies.cohorts.lake_frames import needed

    model = _model()
    with _steady(platform) as lake, _open(platform, lake, needed(cohort, model)) as tables:
        yield Engine(model, {name: _of(rows, organisation) for name, rows in tables.items()})


@contextmanager
def counting_engine(platform: Platform, cohort: Cohort, organisation: str | None) -> Iterator[Engine]:
    """The same for counts alone: on DuckDB by prepared tables, which are made where this state has none yet."""
    from rwd_platform.store.engines import duckdb
    from rwd_platform.store.engines.choose import DUCKDB
    from studies.cohorts import counting
    from studies.cohorts.lake_frames import needed

    if platform.settings.engine != DUCKDB:
        with lake_engine(platform, cohort, organisation) as engine:
            yield engine
        return
    model = _model()
    wanted = {*needed(cohort, model), counting.NAMES}
    with _steady(platform) as lake:
        files = _prepared(platform, lake)
        with (
            platform.layout.scratch("counting") as spilled,
            duckdb.open_tables({name: [str(files[name])] for name in wanted}, temporary=spilled) as opened,
        ):
            tables = {name: _of(rows, organisation) for name, rows in opened.items()}
            yield counting.counting_engine(tables, model)


def prepare_counting(platform: Platform) -> None:
    """Prepare a large lake ahead of the first count of it; a small one is prepared by whoever counts first."""
    from rwd_platform.store.engines.choose import DUCKDB

    if platform.settings.engine != DUCKDB:
        return
    with _steady(platform) as lake:
        if _resources(lake) >= RESOURCES_AHEAD:
            _prepared(platform, lake)


def _resources(lake: Lake) -> int:
    """How many resources the lake holds, by what its files say of themselves."""
    import pyarrow.parquet as pq

    from rwd_platform.store.engines.table_files import lake_files
    from rwd_platform.store.lake import LEDGER

    files = lake_files(lake, {LEDGER} & set(lake.tables())).files.get(LEDGER, ())
    return sum(pq.read_metadata(file).num_rows for file in files)


def current_state(lake: Lake) -> str:
    """The name of the lake's present state as prepared for counting."""
    from rwd_platform.store.counting import state_of

    return state_of(lake.versions(), _form())


# -- prepared --------------------------------------------------------------------------------------


@cache
def _form() -> str:
    """Tables prepared by another model, or by other code, are not these."""
    import ingestion.derived
    import studies.cohorts
    from studies.cohorts.written import MODEL

    cohorts, derived = (
        Path(str(studies.cohorts.__file__)).parent,
        Path(str(ingestion.derived.__file__)).parent,
    )
    files = [cohorts / f"{MODEL}.toml", cohorts / "counting.py", cohorts / "expressions.py"]
    files += sorted(path for path in derived.iterdir() if path.suffix in (".py", ".sql", ".csv"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _prepared(platform: Platform, lake: Lake) -> dict[str, Path]:
    """The prepared files of the lake's present state."""
    from rwd_platform.store.counting import prepare_tables, prepared_tables

    state = current_state(lake)

    def write(folder: Path, temporary: Path) -> None:
        _write(platform, lake, folder, temporary)

    return prepared_tables(platform.layout, state) or prepare_tables(platform.layout, state, write)


def _write(platform: Platform, lake: Lake, folder: Path, temporary: Path) -> None:
    from rwd_platform.store.engines.duckdb import write_parquet
    from studies.cohorts import counting

    model = _model()
    with _open(platform, lake, counting.columns_to_count(model), temporary, keep=False) as tables:
        names = write_parquet(
            counting.numbered_patients(tables, model), folder / f"{counting.NAMES}.parquet", _ROW_GROUP
        )
        for name, rows in tables.items():
            ready = counting.prepared(name, rows, names, model)
            write_parquet(ready, folder / f"{name}.parquet", _ROW_GROUP)


# -- as it lies there ------------------------------------------------------------------------------


@contextmanager
def _steady(platform: Platform) -> Iterator[Lake]:
    from rwd_platform.store.admission_guard import steady_lake

    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        yield lake


def _model() -> Model:
    from studies.cohorts.tables import load_model
    from studies.cohorts.written import MODEL

    return load_model(MODEL)


@contextmanager
def _open(
    platform: Platform, lake: Lake, wanted: Columns, temporary: Path | None = None, *, keep: bool = True
) -> Iterator[dict[str, Any]]:
    """The wanted tables of the lake and those derived from them, each with the columns wanted of it."""
    import ibis

    from ingestion.derived import DERIVED
    from rwd_platform.store.engines.choose import open_tables
    from rwd_platform.store.engines.table_files import lake_files

    one = partial(_kept, platform) if keep else _derive
    derived = {name: one(lake, name) for name in DERIVED if name in wanted}
    stored = {name: columns for name, columns in wanted.items() if name not in derived}
    there = set(lake.tables())
    found = lake_files(lake, sorted(stored.keys() & there))
    files = {name: found.files.get(name, ()) for name in stored}
    schemas = {
        name: _schema(found.schemas[name] if name in there else lake.schema(name), columns)
        for name, columns in stored.items()
    }
    with open_tables(files, schemas, engine=platform.settings.engine, temporary=temporary) as opened:
        tables = {**opened, **{name: ibis.memtable(rows) for name, rows in derived.items()}}
        tables = {
            name: rows.select(*dict.fromkeys((*wanted[name], ORGANISATION_ID)))
            for name, rows in tables.items()
        }
        tables[_PATIENT] = _one_row_each(tables[_PATIENT])
        yield tables


def _schema(defined: Any, columns: tuple[str, ...]) -> Any:
    """A table's columns, and as text those that a cohort definition asks for and the table will never have."""
    import pyarrow as pa

    known = {field.name for field in defined}
    asked = dict.fromkeys((*columns, ORGANISATION_ID, PATIENT_ID))
    return pa.schema([*defined, *(pa.field(name, pa.string()) for name in asked if name not in known)])


def _one_row_each(patients: Any) -> Any:
    """Two systems of a hospital may have sent the same patient: of each column the smallest value stands."""
    others = [name for name in patients.columns if name != PATIENT_ID]
    return patients.group_by(PATIENT_ID).aggregate(**{name: patients[name].min() for name in others})


def _of(rows: Any, organisation: str | None) -> Any:
    return rows if organisation is None else rows.filter(rows[ORGANISATION_ID] == organisation)


# -- derived ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Derived:
    """A derived table of one state of the lake: to derive one reads every date there is."""

    versions: Mapping[str, int]
    rows: Any


_LAST: dict[tuple[str, str], _Derived] = {}
_GUARD = Lock()


def _kept(platform: Platform, lake: Lake, name: str) -> Any:
    """A derived table as the lake is now, kept in memory until the lake changes."""
    home, versions = str(platform.layout.home), lake.versions()
    with _GUARD:
        known = _LAST.get((home, name))
        if known is not None and known.versions == versions:
            return known.rows
        rows = _derive(lake, name)
        _LAST[home, name] = _Derived(versions, rows)
        return rows


def _derive(lake: Lake, name: str) -> Any:
    """A derived table (Arrow) as the lake is now, without a look at outcomes."""
    import pyarrow.dataset as ds

    from ingestion.derived import derive_table
    from rwd_platform.store.engines.table_files import lake_files

    found = lake_files(lake, sorted(set(lake.tables()) - OUTCOME_TABLES))
    tables = {
        table: ds.dataset(list(files), schema=found.schemas[table]) for table, files in found.files.items()
    }
    return derive_table(name, tables)
