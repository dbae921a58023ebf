"""Risk reports: of a study's lock when somebody asks, of the lake after every upload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.access.permissions import get_visible, scope_of
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.columns import PATIENT_ID, SUBJECT_ID
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.withdraw import frozen_patients, without_frozen
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import DataLockRecord, RiskRun, Upload

if TYPE_CHECKING:
    import pandas as pd

    from deidentify.risk.report import RiskReport, Subject

COMPUTED = "risk.computed"
_SEED = 20260101  # fixed and printed: whoever computes again draws the same


def report_on_lock(platform: Platform, actor: Actor, lock_id: str) -> RiskRun:
    """The risk report of a lock; every file of the lock is checked first.

    Raises `withdrawal.lock_frozen` or `withdrawal.lock_reissued`: nothing new is made of such a lock.
    """
    from deidentify.risk.persons import events, lock_persons
    from deidentify.risk.report import Subject
    from deidentify.risk.verdict import load_levels
    from rwd_platform.store.lock import open_lock

    record = get_visible(platform.records, actor, "risk.run", DataLockRecord, lock_id)
    with refusals_recorded(platform.records, actor, "risk.run", "lock", lock_id):
        check_lock_usable(platform, lock_id)
    opened = open_lock(platform.layout.lock(record.id))
    declared = load_levels().lock
    persons = lock_persons(opened.tables, declared["quasi"])
    report = _report(
        Subject("lock", record.id, Bilingual(f"数据锁定 {record.id}", f"data lock {record.id}")),
        persons,
        {**opened.tables},
        events(opened.tables, declared["items"], SUBJECT_ID),
        sensitive=str(persons.columns[-1]),
    )
    return _write(platform, actor, report, record.organisation_id, record.project_id, {})


def refresh_lake_risk(platform: Platform, actor: Actor, upload_id: str) -> RiskRun | None:
    """The risk report of the lake as an upload has left it. None while the lake holds no patient.

    Runs after every upload, in the name of whoever sent it: they may start it and not read it. The same
    state of the lake is reported once, so that a job that is done again leaves one report.
    """
    from deidentify.risk.persons import events, lake_persons
    from deidentify.risk.report import Subject
    from deidentify.risk.verdict import load_levels
    from rwd_platform.store.admission_guard import steady_lake

    if scope_of(actor, "risk.run") is None:
        get_visible(platform.records, actor, "upload.read", Upload, upload_id)
    wanted = ("patient", "drug_exposure", "procedure", "condition")
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        versions = lake.versions()
        there = lake.tables()
        known = _already(platform, upload_id, versions)
        if known is not None:
            return known
        if "patient" not in there:
            return None
        tables = {name: lake.read(name) for name in wanted if name in there}
    tables, _ = without_frozen(tables, frozen_patients(platform))
    persons = lake_persons(tables)
    if not len(persons):
        return None
    report = _report(
        Subject("lake", upload_id, Bilingual("研究数据库", "the study store")),
        persons,
        tables,
        events(tables, load_levels().lake["items"], PATIENT_ID),
        sensitive=load_levels().lake["sensitive"],
    )
    return _write(platform, actor, report, platform.settings.operator, "", {"lake_versions": versions})


def _report(
    subject: Subject,
    persons: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    happened: pd.DataFrame,
    *,
    sensitive: str,
) -> RiskReport:
    """One row a person is measured; every table of the release is scanned."""
    from dataclasses import replace

    from deidentify.risk.fingerprint import fingerprint
    from deidentify.risk.measures import measure
    from deidentify.risk.report import findings_of, risk_report
    from deidentify.risk.residual import scan_frames
    from deidentify.risk.table import frame_table

    known = persons.drop(columns="person")
    quasi = [str(name) for name in known.columns if name != sensitive]
    with frame_table(known, subject.kind) as table:
        findings = findings_of(
            table,
            measure(table, quasi, sensitive),
            fingerprint=fingerprint(happened, persons=len(persons), seed=_SEED),
            seed=_SEED,
        )
    return risk_report(subject, replace(findings, residual=scan_frames(tables)))


def _already(platform: Platform, upload_id: str, versions: Mapping[str, int]) -> RiskRun | None:
    earlier = platform.records.all(
        select(RiskRun)
        .where(RiskRun.of_kind == "lake", RiskRun.of_id == upload_id)
        .order_by(col(RiskRun.made_at).desc())
    )
    return next((run for run in earlier if run.report.get("lake_versions") == dict(versions)), None)


def _write(
    platform: Platform,
    actor: Actor,
    report: RiskReport,
    organisation_id: str,
    project_id: str,
    beside: Mapping[str, Any],
) -> RiskRun:
    now = platform.clock()
    run = RiskRun(
        id=new_id("risk", now),
        organisation_id=organisation_id,
        project_id=project_id,
        of_kind=report.subject.kind,
        of_id=report.subject.id,
        level=report.level,
        verdict=report.verdict,
        made_at=as_text(now),
        report={**report.as_dict(), **beside},
    )
    act = Act(
        actor,
        COMPUTED,
        Object("risk", run.id),
        purpose=project_id,
        decision={"of": run.of_kind, "of_id": run.of_id, "level": run.level, "verdict": run.verdict},
    )
    platform.records.write(run, audit=act)
    return run
