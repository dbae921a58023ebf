"""The catalogue: which tables the store has, how many rows by hospital and month, and how complete each column is.

One pass over each table, by a job; what it counted stands in the records with the state of the store that it is of.
Patients whose data may not be used are not counted. Whoever may see the rows of a hospital sees its exact numbers;
to everybody else small numbers are withheld and the others rounded, by the rule of feasibility counts.

Outcomes are sealed: how many patients died is what a study is to find out, so that of the tables and columns that the
cohort model calls outcomes only what they mean is shown, and no number, rounded or not. Whose duty it is to know them
anyway, the hospital that sent them and the privacy officer, sees them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.access.permissions import Action, can, check_may
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.access.roles import Role
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.core.columns import ORGANISATION_ID, PATIENT_ID
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.withdraw import frozen_patients
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import CatalogueRun

if TYPE_CHECKING:
    from rwd_platform.store.lake import Lake
    from studies.cohorts.tables import Model

Progress = Callable[[str, int, int], None]
PERMISSION = Action.QUALITY_READ  # counts of the store, as the scorecard's are
NO_MONTH = ""
_FILLED = "filled_"
_MONTH = "month_"
# Who sees exact numbers of whatever the permission shows: it sent the rows, or keeps the store running.
_EXACT = frozenset({Role.HOSPITAL, Role.OPERATOR})
# Who sees how many outcomes there are: it sent them, or answers for what could single a patient out.
_UNSEALED = frozenset({Role.HOSPITAL, Role.PRIVACY})


@dataclass(frozen=True)
class Completeness:
    """A column and how many rows say something there; None where withheld. `percent` is of the shown numbers.

    sealed -- it tells of an outcome: this reader is told no number
    """

    name: str
    type: str
    title: Bilingual
    filled: int | None
    percent: int | None
    sealed: bool = False


@dataclass(frozen=True)
class HospitalCounts:
    """One hospital in one table. Months (YYYY-MM) and years in order, rows without one under NO_MONTH.

    None: withheld.
    """

    organisation_id: str
    rows: int | None
    patients: int | None
    months: Mapping[str, int | None]
    years: Mapping[str, int | None]
    columns: tuple[Completeness, ...]


@dataclass(frozen=True)
class TableSeen:
    """
    counted -- False: the store has no such table yet
    outcomes -- not counted by month
    sealed  -- outcomes of which this reader is told no number: neither how many, nor whose
    """

    name: str
    title: Bilingual
    counted: bool
    outcomes: bool
    sealed: bool
    rows: int | None
    patients: int | None
    columns: tuple[Completeness, ...]
    hospitals: tuple[HospitalCounts, ...]


@dataclass(frozen=True)
class CatalogueSeen:
    """
    made_at -- "" when nothing was counted yet
    stale   -- the store, or whose data may be used, has changed since
    minimum -- numbers from 1 to below it are withheld, the others rounded to `base`; 0: numbers are exact
    """

    made_at: str
    stale: bool
    minimum: int
    base: int
    tables: tuple[TableSeen, ...]


@cache
def _policy() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class _Outcomes:
    """Tables of the lake, and (table, column), that nobody reads before a protocol is frozen."""

    tables: frozenset[str]
    columns: frozenset[tuple[str, str]]


@cache
def _outcomes() -> _Outcomes:
    """What the cohort model calls outcomes, under the lake's names."""
    from studies.cohorts.tables import load_model
    from studies.cohorts.written import MODEL

    return _outcomes_of(load_model(MODEL))


def _outcomes_of(model: Model) -> _Outcomes:
    tables = {model.table(name).source for name in model.outcomes if name in model.events}
    columns = set()
    for name in model.outcomes - set(model.events):
        lookup, _, column = name.partition(".")
        columns.add((model.lookups[lookup].source, model.lookups[lookup].columns[column]))
    return _Outcomes(frozenset(tables), frozenset(columns))


# -- counting --------------------------------------------------------------------------------------


def count_tables(platform: Platform, actor: Actor, progress: Progress) -> CatalogueRun:
    """Count every table of the lake as it is now. Counts of this very state are not made again."""
    from rwd_platform.store.admission_guard import steady_lake

    with refusals_recorded(platform.records, actor, PERMISSION, "catalogue", ""):
        check_may(actor, PERMISSION)
    frozen = frozenset(patient for _, patient in frozen_patients(platform))
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        versions = lake.versions()
        basis = sha256_of([versions, sorted(frozen)])
        newest = newest_count(platform)
        if newest is not None and newest.basis == basis:
            return newest
        names = [name for name in _defined() if name in versions]
        tables = {}
        for done, name in enumerate(names):
            progress("count", done, len(names))
            tables[name] = _counted(lake, name, frozen)
    run = CatalogueRun(
        id=new_id("catalogue", platform.clock()),
        organisation_id=platform.settings.operator,
        made_at=as_text(platform.clock()),
        basis=basis,
        content={"lake_versions": versions, "tables": tables},
    )
    platform.records.write(run, audit=Act(actor, "catalogue.counted", Object("catalogue", run.id, basis)))
    return run


def newest_count(platform: Platform) -> CatalogueRun | None:
    order = (col(CatalogueRun.made_at).desc(), col(CatalogueRun.id).desc())
    found = platform.records.all(select(CatalogueRun).order_by(*order).limit(1))
    return found[0] if found else None


def _defined() -> Mapping[str, Any]:
    from ingestion.views import load_views, tables_of

    return tables_of(load_views())


def _counted(lake: Lake, name: str, frozen: Collection[str]) -> dict[str, Any]:
    """Organisation -> rows, patients, rows by month, filled rows by column: one aggregate over the table's files."""
    from rwd_platform.store.engines.choose import open_tables
    from rwd_platform.store.engines.table_files import lake_files

    found = lake_files(lake, [name])
    with open_tables(found.files, found.schemas) as opened:
        rows = opened[name]
        if frozen and PATIENT_ID in rows.columns:
            rows = rows.filter(rows[PATIENT_ID].isnull() | ~rows[PATIENT_ID].isin(sorted(frozen)))
        rows = rows.mutate(**{_MONTH: _month_of(rows, name)})
        # A column that the stored table has not gained yet says nothing.
        there = [one.name for one in _defined()[name].columns if one.name in rows.columns]
        filled = {_FILLED + one: _filled(rows, one) for one in there}
        grouped = rows.group_by([ORGANISATION_ID, _MONTH]).aggregate(rows=rows.count(), **filled).to_pyarrow()
        people = {}
        if PATIENT_ID in rows.columns:
            each = rows.group_by(ORGANISATION_ID).aggregate(patients=rows[PATIENT_ID].nunique())
            people = {one[ORGANISATION_ID]: one["patients"] for one in each.to_pyarrow().to_pylist()}
    return _by_organisation(grouped.to_pylist(), people)


def _month_of(rows: Any, name: str) -> Any:
    """YYYY-MM of the first date that the row has, NO_MONTH where no month is known."""
    import ibis

    outcomes = name in _outcomes().tables
    dates = [one for one in _policy()["months"].get(name, ()) if one in rows.columns and not outcomes]
    if not dates:
        return ibis.literal(NO_MONTH)
    first = ibis.coalesce(*(rows[one].nullif("") for one in dates))
    month = first.substr(0, 7)
    return ibis.cases((first.length() >= 7, month), else_=NO_MONTH)


def _filled(rows: Any, column: str) -> Any:
    """How many rows say something."""
    there = rows[column].notnull()
    if rows[column].type().is_string():
        there = there & (rows[column] != "")
    return there.ifelse(1, 0).sum()


def _by_organisation(grouped: list[dict[str, Any]], people: Mapping[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in sorted(grouped, key=lambda one: (one[ORGANISATION_ID], one[_MONTH] or NO_MONTH)):
        organisation = row[ORGANISATION_ID]
        start: dict[str, Any] = {"rows": 0, "patients": people.get(organisation), "months": {}, "filled": {}}
        one = found.setdefault(organisation, start)
        one["rows"] += row["rows"]
        one["months"][row[_MONTH] or NO_MONTH] = row["rows"]
        for name, count in row.items():
            if name.startswith(_FILLED):
                column = name.removeprefix(_FILLED)
                one["filled"][column] = one["filled"].get(column, 0) + int(count or 0)
    return found


# -- showing ---------------------------------------------------------------------------------------


def catalogue_seen(platform: Platform, actor: Actor) -> CatalogueSeen:
    """The catalogue as this reader may see it."""
    from studies.cohorts.feasibility import protection

    check_may(actor, PERMISSION)
    run = newest_count(platform)
    exact = actor.role in _EXACT
    rule = protection()
    shown = _exact if exact else _protected(rule.minimum, rule.base)
    counted = run.content["tables"] if run else {}
    tables = tuple(
        _table(actor, name, view, counted.get(name), shown) for name, view in sorted(_defined().items())
    )
    return CatalogueSeen(
        made_at=run.made_at if run else "",
        stale=run is not None and run.basis != _basis_now(platform),
        minimum=0 if exact else rule.minimum,
        base=0 if exact else rule.base,
        tables=tables,
    )


def _basis_now(platform: Platform) -> str:
    from rwd_platform.store.lake import Lake

    frozen = sorted(frozenset(patient for _, patient in frozen_patients(platform)))
    return sha256_of([Lake(platform.layout).versions(), frozen])


Shown = Callable[[int], int | None]


def _exact(count: int) -> int | None:
    return count


def _protected(minimum: int, base: int) -> Shown:
    def shown(count: int) -> int | None:
        return None if 0 < count < minimum else (count + base // 2) // base * base

    return shown


def is_sealed(role: str, table: str) -> bool:
    """Whether a table's numbers are kept from a role: they tell outcomes before any protocol is frozen."""
    return table in _outcomes().tables and role not in _UNSEALED


def _table(actor: Actor, name: str, view: Any, counted: Mapping[str, Any] | None, shown: Shown) -> TableSeen:
    sealed = is_sealed(actor.role, name)
    columns = _sealed_columns(actor, name)
    # Which hospitals sent outcomes is a number of outcomes too.
    seen = {one: n for one, n in (counted or {}).items() if can(actor, PERMISSION, one) and not sealed}
    rows = sum(one["rows"] for one in seen.values())
    people = [one["patients"] for one in seen.values() if one["patients"] is not None]
    filled = {
        one.name: sum(counts["filled"].get(one.name, 0) for counts in seen.values()) for one in view.columns
    }
    return TableSeen(
        name=name,
        title=_title(name),
        counted=counted is not None and not sealed,
        outcomes=name in _outcomes().tables,
        sealed=sealed,
        rows=None if sealed else shown(rows),
        patients=shown(sum(people)) if people else None,
        columns=_columns(view, rows, filled, shown, columns),
        hospitals=tuple(_hospital(view, one, counts, shown, columns) for one, counts in sorted(seen.items())),
    )


def _sealed_columns(actor: Actor, table: str) -> Collection[str]:
    """The columns of a table of which this reader is told no number."""
    if actor.role in _UNSEALED:
        return ()
    if table in _outcomes().tables:
        return frozenset(one.name for one in _defined()[table].columns)
    return frozenset(column for of, column in _outcomes().columns if of == table)


def _hospital(
    view: Any, organisation: str, counts: Mapping[str, Any], shown: Shown, sealed: Collection[str]
) -> HospitalCounts:
    months = counts["months"] if set(counts["months"]) != {NO_MONTH} else {}
    years: dict[str, int] = {}
    for month, n in months.items():
        years[month[:4]] = years.get(month[:4], 0) + n
    return HospitalCounts(
        organisation_id=organisation,
        rows=shown(counts["rows"]),
        patients=None if counts["patients"] is None else shown(counts["patients"]),
        months={month: shown(n) for month, n in months.items()},
        years={year: shown(n) for year, n in years.items()},
        columns=_columns(view, counts["rows"], counts["filled"], shown, sealed),
    )


def _columns(
    view: Any, rows: int, filled: Mapping[str, int], shown: Shown, sealed: Collection[str]
) -> tuple[Completeness, ...]:
    def one_of(column: Any) -> Completeness:
        name, title = column.name, Bilingual(column.zh, column.en)
        if name in sealed:
            return Completeness(name, column.type, title, None, None, sealed=True)
        n = shown(filled.get(name, 0))
        return Completeness(name, column.type, title, n, _percent(n, shown(rows)))

    return tuple(map(one_of, view.columns))


def _percent(filled: int | None, rows: int | None) -> int | None:
    """Of the shown numbers, rounded down: 100 is said only of a column that is complete."""
    return 100 * filled // rows if rows and filled is not None else None


def _title(name: str) -> Bilingual:
    from deidentify.classification import load_catalogue

    return load_catalogue().zones["lake"].tables[name]
