"""A study's newest lock as OMOP CDM 5.4, written into the enclave: results/omop/<lock id>/.

Only a lock is exported, never the lake, which holds true dates and is left by nobody. The export is rows of patients
as the lock is: it stays with the study's team in the enclave, and what leaves is an evidence package, through the
release gate. So there is no choice of folder; the erasure of a patient finds every export by its lock.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import canonical_json, sha256_file
from rwd_platform.core.columns import ORGANISATION_ID, PATIENT_ID, SUBJECT_ID
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import frozen_protocol, newest_lock
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Study
from rwd_platform.store.layout import Layout, durable_folder, safe_name, sync_folder

if TYPE_CHECKING:
    import pandas as pd

    from rwd_platform.records.tables import DataLockRecord
    from studies.omop import About, OmopExport, Report

EXPORT = "omop.export"
REPORT = "report.json"
_FOLDER, _PERIOD = "omop", "observation_period"
_DEATH = ("code_system", "code", "value_code", "status", "adjudication_code")

LAKE_STAYS = Problem(
    code="omop.lake_stays",
    zh="研究数据库保存真实日期，不能以任何形式整体导出。",
    en="The study store holds true dates and is not exported in any form.",
    next_zh="请登记研究并锁定数据（方案的 lock 部分写明 dates: shift），再导出该数据锁定。",
    next_en="Register a study, lock its data with `dates: shift` in the protocol's lock section, and export the lock.",
    http=403,
    exit=Exit.REFUSED,
)
NOT_ACCOUNTED = Problem(
    code="omop.not_accounted",
    zh="数据锁定 {lock} 的导出行数合计不符，未写出任何文件。",
    en="The rows of the export of lock {lock} do not add up; nothing was written.",
    next_zh="请保留该数据锁定与平台版本号，并联系平台维护人员。",
    next_en="Keep the lock and the platform's version as they are, and tell who maintains the platform.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class WrittenExport:
    """Where an export lies, and the account of what is in it."""

    lock_id: str
    path: Path
    report: Report


def export_omop(
    platform: Platform, actor: Actor, study_id: str, vocabulary: Path | None = None
) -> WrittenExport:
    """Write the newest lock of a study as OMOP tables (Parquet) with report.json, report.zh.txt and report.en.txt.

    The same lock, rules and vocabulary give the same tables; an earlier export of the lock is replaced whole.
    `vocabulary` is a folder of Athena files. Raises `study.not_locked`, `study.protocol_changed`, what makes a lock
    unusable (withdrawal.*), and what `studies.omop.export` refuses.
    """
    study = get_visible(platform.records, actor, "study.run", Study, study_id)
    lock = newest_lock(platform, study)
    # Patients' rows are read from here on: on record first, whatever comes of it.
    started = Act(actor, "study.omop_started", Object("lock", lock.id), purpose=study.project_id)
    platform.records.record(started)
    with refusals_recorded(platform.records, actor, EXPORT, "lock", lock.id):
        frozen_protocol(platform, study)
        check_lock_usable(platform, lock.id)
        made = _made(platform, study, lock, vocabulary)
        if not made.report.adds_up:
            raise NOT_ACCOUNTED.error(lock=lock.id)
    path = _write(platform.layout, lock.id, made)
    decision = {
        "rows": dict(made.report.tables),
        "rules_sha256": made.report.rules_sha256,
        "vocabulary": made.report.vocabulary,
        "report_sha256": sha256_file(path / REPORT),
    }
    done = Act(
        actor, "study.omop_exported", Object("lock", lock.id), purpose=study.project_id, decision=decision
    )
    platform.records.record(done)
    return WrittenExport(lock.id, path, made.report)


def export_lake(platform: Platform, actor: Actor) -> None:
    """Refuses, on record."""
    with refusals_recorded(platform.records, actor, EXPORT, "store", "lake"):
        raise LAKE_STAYS.error()


def forget_exports(layout: Layout, lock_ids: Iterable[str]) -> None:
    """Remove what was exported of these locks, which hold somebody who is erased. Safe to do again."""
    for lock_id in lock_ids:
        folder = _place(layout, lock_id)
        if folder.is_dir():
            shutil.rmtree(folder)
            sync_folder(folder.parent)


# -- what is exported ------------------------------------------------------------------------------


def _made(platform: Platform, study: Study, lock: DataLockRecord, vocabulary: Path | None) -> OmopExport:
    from rwd_platform.store.lock import open_lock
    from studies.omop import NoVocabulary, export, load_vocabulary

    known = load_vocabulary(vocabulary) if vocabulary is not None else NoVocabulary()
    opened = open_lock(platform.layout.lock(lock.id))
    tables = {**opened.tables, _PERIOD: _observed(opened.tables)}
    return export(tables, _about(study, lock, opened.facts), known, opened.facts)


def _observed(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Observation periods on the lock's own dates: of a person seen at two hospitals, one that covers both."""
    from ingestion.derived import derive
    from ingestion.derived.compute import contacts

    # Nothing else: a number that the lock holds as a band would not fit the lake's column.
    asked = {SUBJECT_ID, *_DEATH, *(one.column for one in contacts())}
    asked |= {column for one in contacts() for column, _ in one.left_out}
    named = {
        name: table[[column for column in table.columns if column in asked]]
        .rename(columns={SUBJECT_ID: PATIENT_ID})
        .assign(**{ORGANISATION_ID: ""})
        for name, table in tables.items()
        if name != "subject" and SUBJECT_ID in table.columns
    }
    return derive(_PERIOD, named).rename(columns={PATIENT_ID: SUBJECT_ID})


def _about(study: Study, lock: DataLockRecord, facts: Mapping[str, Any]) -> About:
    from studies.omop import About

    return About(
        name=f"{study.title_en} ({study.project_id})",
        abbreviation=study.project_id,
        holder=study.organisation_id,
        description=f"Data lock {lock.id}. Dates: {facts.get('dates', '')}.",
        made_on=lock.made_at[:10],
    )


# -- where it lies ---------------------------------------------------------------------------------


def _place(layout: Layout, lock_id: str) -> Path:
    return layout.results / _FOLDER / safe_name(lock_id, "lock id")


def _write(layout: Layout, lock_id: str, made: OmopExport) -> Path:
    """Whole or not at all: written into tmp, then renamed."""
    target = _place(layout, lock_id)
    durable_folder(target.parent)
    with layout.scratch("omop") as scratch:
        folder = scratch / lock_id
        folder.mkdir(mode=0o700)
        for name, table in made.tables.items():
            _write_parquet(table, folder / f"{name}.parquet")
        (folder / REPORT).write_bytes(canonical_json(made.report.as_dict()))
        (folder / "report.zh.txt").write_text(made.report.text("zh"), encoding="utf-8")
        (folder / "report.en.txt").write_text(made.report.text("en"), encoding="utf-8")
        if target.is_dir():
            target.rename(scratch / "before")
        folder.rename(target)
        sync_folder(target.parent)
    return target


def _write_parquet(table: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path, version="2.6", compression="zstd", store_schema=False)
