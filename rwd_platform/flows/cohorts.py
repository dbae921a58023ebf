"""Definitions asked of the lake: how many patients, step by step, and why one patient is in or out.

Before a freeze nobody sees more of the lake than protected counts, without outcomes (`studies.cohorts.feasibility`).
One patient's path is the hospital's own to see: it sent the rows, and it alone can look into the chart. Every answer
is in the log with the definition it was given to, and every refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from rwd_platform.access.permissions import Action, Scope, check_may
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.columns import ORGANISATION_ID, PATIENT_ID
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.withdraw import frozen_patients
from rwd_platform.log.entry import Act, Actor, Object

if TYPE_CHECKING:
    from rwd_platform.store.lake import Lake
    from studies.cohorts.definition import Cohort
    from studies.cohorts.engine import Engine
    from studies.cohorts.explain import Explanation
    from studies.cohorts.feasibility import FeasibilityCount
    from studies.cohorts.written import Written

COHORT = "cohort"
NAME = "cohort"  # of a definition that comes as a text alone
OBSERVATION = "observation_period"
OUTCOME_TABLES = frozenset({"outcome_event"})
_KEY = "feasibility"


def check_cohort(platform: Platform, actor: Actor, definition: str) -> Written:
    """A definition read, judged and said in sentences. Nothing of the lake is read."""
    with refusals_recorded(platform.records, actor, Action.COHORT_COUNT, COHORT, ""):
        check_may(actor, Action.COHORT_COUNT)
    return _read(definition)


def count_cohort(
    platform: Platform, actor: Actor, definition: str, *, characteristics: bool = False
) -> FeasibilityCount:
    """The protected counts of every step; with `characteristics` also who is lost and who remains.

    Raises `feasibility.outcomes`, `cohort.not_sound` and what reading the definition raises.
    """
    from studies.cohorts.feasibility import check_no_outcomes, feasibility

    with refusals_recorded(platform.records, actor, Action.COHORT_COUNT, COHORT, ""):
        scope = check_may(actor, Action.COHORT_COUNT)
        written = _read(definition)
        check_no_outcomes(written.cohort, written.model)
        written.check_sound()
        organisation = None if scope is Scope.ANY else actor.organisation
        with _lake_engine(platform, written.cohort, organisation) as engine:
            found = feasibility(
                engine,
                written.cohort,
                platform.keys.derive(_KEY),
                _frozen(platform, organisation),
                characteristics=characteristics,
            )
    shown: Mapping[str, Any] = {
        "definition_sha256": written.sha256,
        "remaining": [step.remaining for step in found.steps],
        "characteristics": characteristics,
    }
    _log(platform, actor, "cohort.counted", written, definition, shown)
    return found


def explain_patient(platform: Platform, actor: Actor, definition: str, patient_id: str) -> Explanation:
    """Why one patient of one's own hospital is in or out, by the lake's pseudonym.

    A patient of another hospital looks exactly like one who is not there. Outcomes are not read here either.
    """
    from studies.cohorts.explain import explain
    from studies.cohorts.feasibility import check_no_outcomes

    with refusals_recorded(platform.records, actor, Action.COHORT_EXPLAIN, COHORT, ""):
        check_may(actor, Action.COHORT_EXPLAIN)
        written = _read(definition)
        check_no_outcomes(written.cohort, written.model)
        written.check_sound()
        with _lake_engine(platform, written.cohort, actor.organisation) as engine:
            found = explain(engine, written.cohort, patient_id, _frozen(platform, actor.organisation))
    said = {"definition_sha256": written.sha256, "in_store": found.in_store}
    _log(platform, actor, "cohort.explained", written, definition, said, patient_id)
    return found


def _read(definition: str) -> Written:
    from studies.cohorts.written import read_written

    return read_written(definition, NAME)


def _log(
    platform: Platform,
    actor: Actor,
    action: str,
    written: Written,
    definition: str,
    said: Mapping[str, Any],
    patient_id: str = "",
) -> None:
    """The definition, and whose path was seen, are sealed beside the entry: a definition may name a patient, too."""
    detail = {"definition": definition, **({"patient_id": patient_id[:200]} if patient_id else {})}
    acted_on = Object(COHORT, written.sha256[:16], written.sha256)
    platform.records.record(Act(actor, action, acted_on, decision=dict(said), detail=detail))


def _frozen(platform: Platform, organisation: str | None) -> frozenset[str]:
    """The pseudonyms of those whose data may not be used: of everybody, or of one hospital's patients."""
    places = frozen_patients(platform)
    return frozenset(patient for one, patient in places if organisation in (None, one))


# -- the lake as an engine's tables ----------------------------------------------------------------


@contextmanager
def _lake_engine(platform: Platform, cohort: Cohort, organisation: str | None) -> Iterator[Engine]:
    """The lake as it is now, or one hospital's rows of it, for one definition."""
    import ibis

    from rwd_platform.store.admission_guard import steady_lake
    from rwd_platform.store.engines.choose import open_tables
    from rwd_platform.store.engines.table_files import lake_files
    from studies.cohorts.engine import Engine
    from studies.cohorts.lake_frames import needed
    from studies.cohorts.tables import load_model
    from studies.cohorts.written import MODEL

    model = load_model(MODEL)
    wanted = needed(cohort, model)
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        periods = _observed(platform, lake)
        there = set(lake.tables())
        found = lake_files(lake, sorted((wanted.keys() - {OBSERVATION}) & there))
        files = {name: found.files.get(name, ()) for name in wanted if name != OBSERVATION}
        schemas = {
            name: _schema(found.schemas[name] if name in there else lake.schema(name), wanted[name])
            for name in files
        }
        with open_tables(files, schemas, engine=platform.settings.engine) as opened:
            tables = {**opened, OBSERVATION: ibis.memtable(periods)}
            tables["patient"] = _one_row_each(opened["patient"])
            yield Engine(model, {name: _of(rows, organisation) for name, rows in tables.items()})


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


@dataclass
class _Periods:
    """The observation periods of one state of the lake: to derive them reads every date there is."""

    home: str
    versions: Mapping[str, int]
    rows: Any


_LAST: dict[str, _Periods] = {}
_GUARD = Lock()


def _observed(platform: Platform, lake: Lake) -> Any:
    """The observation periods as the lake is now, without a look at outcomes; kept in memory until it changes."""
    import pyarrow as pa

    from ingestion.derived import derive

    home, versions = str(platform.layout.home), lake.versions()
    with _GUARD:
        known = _LAST.get(home)
        if known is not None and known.versions == versions:
            return known.rows
        tables = {name: lake.read(name) for name in lake.tables() if name not in OUTCOME_TABLES}
        frame = derive(OBSERVATION, tables)
        columns = (PATIENT_ID, ORGANISATION_ID, "first_date", "last_date")
        rows = pa.table({name: pa.array(frame[name], pa.string(), from_pandas=True) for name in columns})
        _LAST[home] = _Periods(home, versions, rows)
        return rows
