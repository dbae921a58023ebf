"""From the lake to the rows of a study's lock: whose they are, checked, under the project's names and dates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.check_quality import thresholds_in_force
from rwd_platform.flows.derived_rows import derived_to_lock
from rwd_platform.flows.first_names import first_names
from rwd_platform.flows.fitness_facts import fitness_facts
from rwd_platform.flows.key_versions import DATE, PROJECT, current_version
from rwd_platform.flows.ledger_map import Person
from rwd_platform.flows.linkage_facts import linkage_facts
from rwd_platform.flows.lock_facts import facts_of_rules
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.protocol_tables import tables_read
from rwd_platform.flows.safety_tables import events_to_lock
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.withdraw import frozen_patients, without_frozen
from rwd_platform.records.tables import PersonLink, QualityRun, Study

if TYPE_CHECKING:
    import pandas as pd

    from deidentify.account import DropCounter
    from deidentify.project import Projected, SourceLine
    from deidentify.pseudonym import Pseudonymiser
    from quality.gate import Gate
    from quality.report import QualityReport
    from rwd_platform.store.lake import Lake
    from studies.cohort import IndexDates
    from studies.protocol import Protocol

Tables = dict[str, "pd.DataFrame"]

OUTCOME_TABLES = frozenset({"outcome_event"})
_DATES: Mapping[str, str] = {
    "days": "days since index, quarter of index",
    "shift": "shifted backward, each subject by an offset of its own; intervals are kept",
    "month": "months",
}

QUALITY_MISSING = Problem(
    code="study.quality_missing",
    zh="研究数据库在最近一次入库后尚未做质量检查。",
    en="The study store has not been checked since data last came in.",
    next_zh="请先运行质量检查（`rwd quality check`），再锁定数据。",
    next_en="Run the quality check (`rwd quality check`), then lock the data.",
    http=409,
    exit=Exit.REFUSED,
)
QUALITY_GATE = Problem(
    code="study.quality_gate",
    zh="质量门未放行：{tables}。",
    en="The quality gate holds back: {tables}.",
    next_zh="请查看质量评分卡，由医院改正后重传，再检查一次。",
    next_en="See the quality scorecard; let the hospital mend and send again, then check once more.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class LockRows:
    """What goes into a lock, and the facts that go with it.

    persons -- subject_id -> who that is to the release ledger (flows.ledger_map)
    sources -- source_row -> file, line and digest of what it stands for (flows.source_map)

    The last two never go into the lock.
    """

    quality: QualityRun
    tables: Tables
    facts: dict[str, Any]
    persons: dict[str, Person]
    sources: dict[str, SourceLine]


def rows_to_lock(platform: Platform, study: Study, protocol: Protocol) -> LockRows:
    """The study's rows as of one moment that quality has seen.

    One person's rows are brought together, then the calendar is checked on true dates, then the cohort is
    defined, and only what is left gets the project's names and its choice of dates.
    """
    from deidentify.account import DropCounter
    from deidentify.classification import labels_of
    from deidentify.linkage import link_persons
    from deidentify.project import SUBJECT_KIND
    from rwd_platform.store.admission_guard import steady_lake
    from studies.cohort import index_dates

    left_behind, linked = DropCounter(), DropCounter()
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        quality, report = _fresh_quality(platform, lake)
        gate = _study_gate(report, protocol)
        tables, held_back = _admitted_tables(platform, lake)
        tables, left_out = _without_unfit(tables, report)
        tables = _as_written_for(tables, protocol) | events_to_lock(protocol, tables, lake)
        # Whoever withdrew or is held is gone before the cohort is counted: no step says how many they were.
        frozen = frozen_patients(platform)
        tables, _ = without_frozen(tables, frozen)
        links = link_tokens(platform)
        linkage_run = linkage_facts(platform, lake.versions(), links, frozen)
    sites = _sites(tables)
    charts, tables = tables, link_persons(tables, links, linked)
    persons = _persons(charts, tables, links, {one: first_names(platform, one) for one in sites})
    tables, calendar = _by_the_calendar(tables, protocol)
    cohort = index_dates(_offered(tables, protocol), protocol)
    names = _project_names(platform, study)
    tables = {**tables, **derived_to_lock(protocol, tables)}
    projected = _under_project_names(platform, study, protocol, tables, cohort, sites, names, left_behind)
    locked = projected.tables
    facts = {
        "project": study.project_id,
        "protocol_sha256": study.protocol_sha256,
        "pseudonyms": "project",
        "suite": platform.keys.suite,
        "key_versions": _key_versions(platform, study),
        "dates": _DATES[protocol.lock.dates],
        "generalised": dict(protocol.lock.generalise),
        "calendar": calendar,
        "linkage": {**linked.as_dict(), **linkage_run},
        "fitness": fitness_facts(platform, study, quality),
        "labels": labels_of(locked),
        "sites": {site: organisation for organisation, site in sites.items()},
        "quality_verdict": gate.verdict,
        **facts_of_rules(platform, protocol, charts, quality),
        "rows_held_back_by_quality": held_back,
        "tables_left_out": left_out,
        "left_behind": left_behind.as_dict(),
        "attrition": _attrition(cohort),
    }
    subjects = {names.token(SUBJECT_KIND, patient): patient for patient in cohort.frame["patient_id"]}
    whose = {one: persons[patient] for one, patient in subjects.items()}
    return LockRows(quality, locked, facts, whose, projected.sources)


def _key_versions(platform: Platform, study: Study) -> dict[str, int]:
    return {
        purpose: current_version(platform.records, purpose, study.project_id) for purpose in (PROJECT, DATE)
    }


def _attrition(cohort: IndexDates) -> list[dict[str, Any]]:
    return [
        {**step.reason._asdict(), "left": step.left, "remaining": step.remaining} for step in cohort.attrition
    ]


def _as_written_for(tables: Tables, protocol: Protocol) -> Tables:
    """A protocol of the older form takes the tables it was written for: those of version 1.0.0."""
    from ingestion.views import load_views, of_version
    from studies.protocol import DefinedCohort

    return tables if isinstance(protocol.cohort, DefinedCohort) else of_version(tables, load_views())


def _offered(tables: Tables, protocol: Protocol) -> Tables:
    """What a cohort may be defined by: no outcomes; in language 2 also what is derived from the other tables.

    An outcome does not make a period of observation longer or shorter here: it would choose the patients.
    """
    from ingestion.derived import DERIVED, derive
    from studies.protocol import DefinedCohort

    offered = {name: frame for name, frame in tables.items() if name not in OUTCOME_TABLES}
    if isinstance(protocol.cohort, DefinedCohort):
        offered |= {name: derive(name, offered) for name in DERIVED}
    return offered


def link_tokens(platform: Platform) -> dict[tuple[str, str], str]:
    """Linkage tokens of the lake's patients: (organisation, patient_id) -> token."""
    with platform.records.reading() as session:
        query = select(PersonLink.organisation_id, PersonLink.patient_id, PersonLink.link_token)
        return {(organisation, patient): token for organisation, patient, token in session.exec(query)}


def _by_the_calendar(tables: Tables, protocol: Protocol) -> tuple[Tables, list[dict[str, Any]]]:
    """The tables without the rows that a rule leaves out, and what every rule found.

    Raises `lock.calendar_broken` when a rule that refuses is broken. Rows of all patients are looked at, not
    of the cohort alone: a row with an impossible date may be what would bring somebody into it.
    """
    from deidentify.calendar import check_order, find_order
    from studies.tables import selected

    found = [
        (rule, find_order(selected(tables, rule.records), rule.id, rule.date, rule.order))
        for rule in protocol.lock.calendar
    ]
    check_order([finding for rule, finding in found if rule.when_broken == "refuse"])
    kept = dict(tables)
    for rule, finding in found:
        if rule.when_broken == "leave_out":
            # Two rules may find the same row.
            kept[rule.records.table] = kept[rule.records.table].drop(
                index=list(finding.rows), errors="ignore"
            )
    return kept, [{**finding.as_dict(), "when_broken": rule.when_broken} for rule, finding in found]


def _under_project_names(
    platform: Platform,
    study: Study,
    protocol: Protocol,
    tables: Tables,
    cohort: IndexDates,
    sites: Mapping[str, str],
    names: Pseudonymiser,
    left_behind: DropCounter,
) -> Projected:
    """Project pseudonyms, the protocol's choice of dates, then its generalisation of what is still too fine."""
    from deidentify.dates import shift_days
    from deidentify.generalise import generalise_frame
    from deidentify.project import Projected, to_project

    project, suite = study.project_id, platform.keys.suite
    date_key = platform.keys.derive(DATE, project, version=current_version(platform.records, DATE, project))
    projected = to_project(
        tables,
        cohort.frame,
        names,
        sites,
        left_behind,
        dates=protocol.lock.dates,
        offset_of=lambda person: shift_days(date_key, project, person, suite=suite),
    )
    plan = dict(protocol.lock.generalise)
    locked = projected.tables.items()
    coarser = {name: generalise_frame(frame, plan, left_behind, name) for name, frame in locked}
    return Projected(coarser, projected.sources)


def _project_names(platform: Platform, study: Study) -> Pseudonymiser:
    from deidentify.pseudonym import Pseudonymiser

    version = current_version(platform.records, PROJECT, study.project_id)
    key = platform.keys.derive(PROJECT, study.project_id, version=version)
    return Pseudonymiser(key, study.project_id, version, platform.keys.suite)


def _persons(
    before: Tables,
    linked: Tables,
    links: Mapping[tuple[str, str], str],
    firsts: Mapping[str, Mapping[str, str]],
) -> dict[str, Person]:
    """Who is behind each patient_id of the linked tables: the charts brought together, and a name for the ledger.

    A linkage token names a person only where all its charts were brought together. Charts that share one and
    were kept apart, because they contradict each other, are two people here too.
    """
    charts = set(before["patient"]["patient_id"])
    stays = set(linked["patient"]["patient_id"])
    of_token: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for place in sorted(links):
        of_token[links[place]].append(place)
    persons: dict[str, Person] = {}
    for token, places in of_token.items():
        names = {patient for _, patient in places}
        if names <= charts and names & stays == {min(names)}:
            persons[min(names)] = Person(token, tuple(places))
    rows = zip(linked["patient"]["organisation_id"], linked["patient"]["patient_id"], strict=True)
    for organisation, patient in rows:
        first = firsts.get(organisation, {}).get(patient, patient)
        persons.setdefault(patient, Person(f"{organisation}|{first}", ((organisation, patient),)))
    return persons


def check_generalisation(protocol: Protocol) -> None:
    """Refuses a plan whose action or table nobody knows, before the protocol is on record.

    A misspelt table would otherwise leave the column as fine as it is.
    """
    from deidentify.generalise import PLAN_UNFIT, column_action
    from deidentify.project import PATIENT, SUBJECT
    from ingestion.views import load_views

    known = {view.name for view in load_views()} - {PATIENT} | {SUBJECT}
    for column, action in protocol.lock.generalise:
        table = column.partition(".")[0]
        if table not in known:
            raise PLAN_UNFIT.error(column=column, why="a lock has no such table", why_zh="数据锁定中没有该表")
        column_action(column, action)


def _fresh_quality(platform: Platform, lake: Lake) -> tuple[QualityRun, QualityReport]:
    """The newest quality run, when it saw the lake as it is now, and what it reported."""
    from quality.report import read_report

    runs = platform.records.all(select(QualityRun).order_by(col(QualityRun.made_at).desc()).limit(1))
    if not runs or runs[0].report["lake_versions"] != lake.versions():
        raise QUALITY_MISSING.error()
    return runs[0], read_report(runs[0].report)


def _study_gate(report: QualityReport, protocol: Protocol) -> Gate:
    """The gate on the tables that the study reads: what is wrong with another one stops nobody."""
    from quality.gate import decide_for_study

    gate = decide_for_study(report, tables_read(protocol))
    held = [one.table for one in gate.tables if one.verdict == "quarantine"]
    if held:
        raise QUALITY_GATE.error(tables=", ".join(held))
    return gate


def _without_unfit(tables: Tables, report: QualityReport) -> tuple[Tables, list[str]]:
    """Without the tables that the store's own gate holds back, and which those are.

    The study's gate has let pass all that the study reads.
    """
    from quality.gate import decide

    unfit = {one.table for one in decide(report).tables if one.verdict == "quarantine"}
    fit = {name: rows for name, rows in tables.items() if name not in unfit}
    return fit, sorted(tables.keys() - fit.keys())


def _admitted_tables(platform: Platform, lake: Lake) -> tuple[Tables, dict[str, int]]:
    """The lake's tables without the rows that quality quarantined, and how many were held back."""
    from quality.gate import quarantined_rows, without
    from quality.suite import load_suites
    from quality.thresholds import adjusted

    tables = {name: lake.read(name) for name in lake.tables() if name != "resource"}
    held = quarantined_rows(tables, adjusted(load_suites(), thresholds_in_force(platform)))
    return without(tables, held), {name: len(rows) for name, rows in sorted(held.items()) if len(rows)}


def _sites(tables: Tables) -> dict[str, str]:
    """Organisations as sites S1, S2, ... in the order of their ids."""
    organisations = sorted(tables["patient"]["organisation_id"].unique()) if "patient" in tables else []
    return {organisation: f"S{number}" for number, organisation in enumerate(organisations, start=1)}
