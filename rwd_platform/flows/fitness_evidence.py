"""What an assessment of fitness rests on, gathered: the protocol's needs counted in the lake, uploads, questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import col, select

from rwd_platform.core import columns as core
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.lock_rows import OUTCOME_TABLES
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.withdraw import frozen_patients, without_frozen
from rwd_platform.records.lifecycles import QuestionState, StudyState, UploadState
from rwd_platform.records.tables import QualityQuestion, QualityRun, RiskRun, Study, Upload, UploadFile

if TYPE_CHECKING:
    import pandas as pd

    from quality.fitness import Coverage, Evidence, FollowUp, Need, Provenance
    from studies.protocol import Cohort, DefinedCohort, Protocol, Records

Tables = Mapping[str, "pd.DataFrame"]
LEDGER = "resource"
ROUND_TO = 10  # before the freeze: a count that helps to plan, and tells little of the few

_SEALED = Bilingual("方案尚未冻结，结局处于封存状态", "the protocol is not frozen, so outcomes are sealed")
_NOT_PLAIN = Bilingual(
    "起始事件不是单一的代码清单，须由队列引擎清点",
    "the entry event is no plain list of codes; the cohort engine has to count it",
)
_NO_TABLE = Bilingual("研究数据库中没有这张表", "the study store has no such table")


def evidence_of(platform: Platform, study: Study, run: QualityRun | None) -> Evidence:
    """Everything that quality.fitness looks at, as of now."""
    from quality.fitness import Evidence, Requirements
    from rwd_platform.store.admission_guard import steady_lake

    protocol = _protocol(platform, study)
    read, others = tuple(_read_by(protocol)), _other_tables(protocol.cohort)
    wanted = {one.table for one in read} | others | {"patient"}
    is_frozen = study.state != StudyState.REGISTERED
    sealed = frozenset() if is_frozen else OUTCOME_TABLES
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        # Every date counts for follow-up; the ledger of resources holds none.
        every = {name: lake.read(name) for name in lake.tables() if name != LEDGER and name not in sealed}
    every, _ = without_frozen(every, frozen_patients(platform))
    tables = {name: frame for name, frame in every.items() if name in wanted}
    needs = tuple(_need(one, tables, is_frozen) for one in read)
    frozen_at = study.frozen_at if is_frozen else ""
    requirements = Requirements(
        study.id, study.protocol_sha256, frozen_at, needs, other_tables=tuple(sorted(others))
    )
    return Evidence(
        requirements=requirements,
        report=run.report if run else None,
        follow_up=_follow_up(every, ROUND_TO),
        provenance=_provenance(platform, study, tables, ROUND_TO),
    )


def _protocol(platform: Platform, study: Study) -> Protocol:
    from rwd_platform.flows.study import frozen_protocol
    from studies.protocol import load_protocol

    if study.state == StudyState.REGISTERED:
        return load_protocol(study.protocol)
    return frozen_protocol(platform, study)


# -- what the protocol reads --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Read:
    """One thing that the protocol reads: the rows that `records` or `pairs` select, or a column of the patients'."""

    role: str
    title: Bilingual
    table: str
    records: Records | None = None
    column: str = ""
    pairs: frozenset[tuple[str, str]] | None = None  # (system, code), of a cohort in the cohort language


def _read_by(protocol: Protocol) -> Iterator[_Read]:
    def rows(role: str, title: Bilingual, records: Records) -> _Read:
        return _Read(role, title, records.table, records)

    yield from _population(protocol.cohort)
    exposure, outcome = protocol.exposure, protocol.outcome
    yield rows("exposure", exposure.exposed, exposure.records)
    if exposure.comparator is not None:
        yield rows("exposure", exposure.comparator_title, exposure.comparator)
    for source in outcome.sources:
        title = Bilingual(f"{outcome.title.zh}（{source.name}）", f"{outcome.title.en} ({source.name})")
        yield rows("outcome", title, source.records)
    for covariate in protocol.covariates:
        if covariate.records is not None:
            yield rows("covariate", covariate.title, covariate.records)
        else:
            # Age is computed from the birth date when data are locked.
            column = "birth_date" if covariate.column == "age_years" else covariate.column
            yield _Read("covariate", covariate.title, "patient", column=column)


def _population(cohort: Cohort | DefinedCohort) -> Iterator[_Read]:
    """What lets patients in. Exclusion criteria are no need: nothing has to be found for them."""
    from studies.protocol import Cohort
    from studies.tables import EVENT_TABLES

    if isinstance(cohort, Cohort):
        yield _Read("population", cohort.index_title, cohort.index.table, cohort.index)
        for one in cohort.criteria:
            if one.records is not None and one.present:
                yield _Read("population", Bilingual(one.id, one.id), one.records.table, one.records)
        return
    for events in cohort.definition.entry.events:
        spec = EVENT_TABLES.get(events.table)
        plain = spec is not None and [(one.column, one.excluded) for one in events.codes] == [("code", False)]
        pairs = events.codes[0].codes.pairs if plain else None
        yield _Read("population", cohort.index_title, events.table, pairs=pairs)


def _other_tables(cohort: Cohort | DefinedCohort) -> set[str]:
    from studies.protocol import Cohort

    if isinstance(cohort, Cohort):
        return {one.records.table for one in cohort.criteria if one.records is not None}
    return {events.table for events in cohort.definition.all_events()}


def _need(read: _Read, tables: Tables, is_frozen: bool) -> Need:
    import pandas as pd

    from quality.fitness import Need
    from studies.tables import EVENT_TABLES, selected

    sealed = read.table in OUTCOME_TABLES or read.role == "outcome"
    if sealed and not is_frozen:
        return Need(read.role, read.title, read.table, None, _SEALED)
    if read.table not in tables:
        return Need(read.role, read.title, read.table, None, _NO_TABLE)
    frame = tables[read.table]
    if read.records is not None:
        rows = selected(tables, read.records)
    elif read.pairs is not None:
        spec = EVENT_TABLES[read.table]
        found = pd.MultiIndex.from_frame(frame[[spec.system, spec.code]]).isin(list(read.pairs))
        rows = frame[found]
    elif read.column:
        rows = frame[frame[read.column].notna()] if read.column in frame else frame.head(0)
    else:
        return Need(read.role, read.title, read.table, None, _NOT_PLAIN)
    return Need(read.role, read.title, read.table, _coverage(rows, ROUND_TO))


def _coverage(rows: pd.DataFrame, rounded_to: int) -> Coverage:
    from quality.fitness import Coverage

    places = rows[[core.ORGANISATION_ID, core.PATIENT_ID]].drop_duplicates()
    return Coverage(
        rows=_up(len(rows), rounded_to),
        patients=_up(len(places), rounded_to),
        hospitals=int(places[core.ORGANISATION_ID].nunique()),
        rounded_to=rounded_to,
    )


def _up(count: int, to: int) -> int:
    """The next multiple: what is there never becomes nothing."""
    return -(-count // to) * to


def _follow_up(every: Tables, rounded_to: int) -> FollowUp | None:
    """Of the patients of the lake, how many have a last contact; None where there is no patient."""
    import pandas as pd

    from ingestion.derived import derive
    from quality.fitness import FollowUp

    if "patient" not in every or every["patient"].empty:
        return None
    periods = derive("observation_period", every)
    first, last = (pd.to_datetime(periods[name], errors="coerce") for name in ("first_date", "last_date"))
    days = (last - first).dt.days.dropna()
    return FollowUp(
        patients=_up(len(every["patient"]), rounded_to),
        with_last_contact=_up(int(periods["last_contact_date"].notna().sum()), rounded_to),
        median_days=float(days.median()) if len(days) else None,
    )


# -- where the data came from -------------------------------------------------------------------------


def _provenance(platform: Platform, study: Study, tables: Tables, rounded_to: int) -> Provenance:
    from quality.fitness import Provenance

    uploads = platform.records.all(select(Upload).where(Upload.state == UploadState.ADMITTED))
    ids = {one.id for one in uploads}
    files = [one for one in platform.records.all(select(UploadFile)) if one.upload_id in ids]
    patients = tables.get("patient")
    questions = platform.records.all(select(QualityQuestion))
    closed = [one.state == QuestionState.CLOSED for one in questions]
    places = [(one.rule, one.organisation_id) for one in questions]
    return Provenance(
        hospitals=len({one.organisation_id for one in uploads}),
        patients=None if patients is None else _up(len(patients), rounded_to),
        uploads=len(uploads),
        uploads_with_terms=sum(
            bool(one.agreement and one.consent_version and one.ethics_id) for one in uploads
        ),
        received=sum(one.received for one in files),
        accepted=sum(one.accepted for one in files),
        rejected=sum(one.rejected for one in files),
        quarantined=sum(one.quarantined for one in files),
        duplicate=sum(one.duplicate for one in files),
        unreadable_files=sum(one.problem is not None for one in files),
        rows=sum(map(len, tables.values())),
        traceable=sum(int(_traceable(frame)) for frame in tables.values()),
        open_questions=frozenset(place for place, done in zip(places, closed, strict=True) if not done),
        closed_questions=frozenset(place for place, done in zip(places, closed, strict=True) if done),
        privacy=_privacy(platform, study),
    )


def _traceable(frame: pd.DataFrame) -> int:
    return int(frame[list(core.PROVENANCE)].notna().all(axis=1).sum())


def _privacy(platform: Platform, study: Study) -> str:
    """The verdict of the newest report on a lock of this study, else on the lake."""
    locks = select(RiskRun).where(RiskRun.of_kind == "lock", RiskRun.project_id == study.project_id)
    lake = select(RiskRun).where(RiskRun.of_kind == "lake")
    for query in (locks, lake):
        found = platform.records.all(query.order_by(col(RiskRun.made_at).desc()).limit(1))
        if found:
            return found[0].verdict
    return ""
