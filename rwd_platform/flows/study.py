"""A study's way: registered, frozen, locked, analysed. Outcomes stay sealed until the freeze, and estimates until
two people unseal them (flows/unseal_results.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.permissions import check_can, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import canonical_json, sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.core.columns import SOURCE_ROW
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.freeze_lists import CODE_LISTS, check_lists, check_lists_of_lock
from rwd_platform.flows.genetics_at_freeze import genetics_at_freeze
from rwd_platform.flows.ledger_map import seal_person_map
from rwd_platform.flows.lock_facts import code_lists_of
from rwd_platform.flows.lock_rows import check_generalisation, rows_to_lock
from rwd_platform.flows.people_problems import REASON_IDENTIFIES
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed_results import check_unsealed, seal_results
from rwd_platform.flows.source_map import seal_source_map, with_source_lines
from rwd_platform.flows.timestamps import stamp_protocol
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import STUDY, UNSEALING, StudyState, UnsealingState, check_transition
from rwd_platform.records.tables import AnalysisRun, AuditEntry, DataLockRecord, Study, UnsealingRequest
from rwd_platform.store.recording import until_recorded

if TYPE_CHECKING:
    import pandas as pd

    from rwd_platform.store.lock import OpenedLock
    from studies.dataset import StudyDataset
    from studies.protocol import Protocol
    from studies.results import ResultSet

ALREADY_REGISTERED = Problem(
    code="study.already_registered",
    zh="项目 {project} 已登记为研究 {study}。",
    en="Project {project} is already registered as study {study}.",
    next_zh="要修改方案，请用新的项目编号登记新版本，并写明缘由。",
    next_en="To change the protocol, register a new version under a new project id and say why.",
    http=409,
)
OUTCOMES_SEALED = Problem(
    code="study.outcomes_sealed",
    zh="研究 {study} 的方案尚未冻结，结局数据处于封存状态。",
    en="The protocol of study {study} is not frozen, so outcomes are sealed.",
    next_zh="请先冻结方案（`rwd study freeze {study} --reason 缘由`），再锁定数据。",
    next_en="Freeze the protocol first (`rwd study freeze {study} --reason TEXT`), then lock the data.",
    http=409,
    exit=Exit.REFUSED,
)
DIAGNOSTICS_UNPLANNED = Problem(
    code="study.diagnostics_unplanned",
    zh="研究 {study} 的方案没有计划揭盲之前必须核对的诊断：{missing_zh}。未冻结。",
    en="The protocol of study {study} does not plan the diagnostics that come before unsealing: {missing}. "
    "It was not frozen.",
    next_zh="请在方案的 analyses 中补上这些诊断（同一人群、协变量与权重），以新的项目编号重新登记。",
    next_en="Add them to the protocol's analyses (same population, covariates, weights), and register it under a "
    "new project id.",
    http=409,
    exit=Exit.REFUSED,
)
PROTOCOL_CHANGED = Problem(
    code="study.protocol_changed",
    zh="研究 {study} 的方案与冻结时的哈希不一致，已停止。",
    en="The protocol of study {study} is not the one that was frozen; nothing was done.",
    next_zh="请运行 `rwd audit verify`，保全数据库，并由审计人员调查是谁改动了记录。",
    next_en="Run `rwd audit verify`, keep the database as it is, and let an auditor find who changed the record.",
    http=409,
    exit=Exit.REFUSED,
)
NOT_LOCKED = Problem(
    code="study.not_locked",
    zh="研究 {study} 尚未锁定数据，无法运行计划中的分析。",
    en="Study {study} has no data lock, so its planned analyses cannot run.",
    next_zh="请先执行“锁定数据”（`rwd study lock {study}`）。",
    next_en="Lock the data first (`rwd study lock {study}`).",
    http=409,
    exit=Exit.REFUSED,
)
NOT_ANALYSED = Problem(
    code="study.not_analysed",
    zh="研究 {study} 还没有分析结果。",
    en="Study {study} has no results yet.",
    next_zh="请先运行分析（`rwd study run {study}`）。",
    next_en="Run the analyses first (`rwd study run {study}`).",
    http=409,
    exit=Exit.REFUSED,
)


def register_study(platform: Platform, actor: Actor, protocol_text: str) -> Study:
    """Put a protocol on record. It is only read here; freezing makes it binding."""
    from studies.protocol import load_protocol

    check_can(actor, "study.register", actor.organisation)
    protocol = load_protocol(protocol_text)
    check_generalisation(protocol)
    now = platform.clock()
    study = Study(
        id=new_id("study", now),
        organisation_id=actor.organisation,
        project_id=protocol.id,
        title_zh=protocol.title.zh,
        title_en=protocol.title.en,
        protocol=protocol_text,
        protocol_sha256=protocol.sha256,
        state=StudyState.REGISTERED,
        registered_at=as_text(now),
    )
    act = Act(actor, "study.registered", Object("study", study.id, study.protocol_sha256))
    with platform.records.transaction(audit=act) as session:
        # One study a project: its pseudonym key is derived from the project's id.
        for existing in session.exec(select(Study).where(Study.project_id == protocol.id)):
            raise ALREADY_REGISTERED.error(project=protocol.id, study=existing.id)
        session.add(study)
    return study


def freeze_protocol(platform: Platform, actor: Actor, study_id: str, reason: str) -> Study:
    """Hash and fix the protocol, with the code lists that it names. From now on outcomes may be read for this study,
    and neither the text nor a list may change. Raises `study.diagnostics_unplanned` for a plan whose results could
    never be unsealed.
    """
    from studies.before_unsealing import unplanned_diagnostics
    from studies.protocol import load_protocol

    study = _study(platform, actor, "study.freeze", study_id)
    protocol = load_protocol(study.protocol)
    with refusals_recorded(platform.records, actor, "study.freeze", "study", study_id):
        if identifies(reason):
            raise REASON_IDENTIFIES.error()
        lacking = unplanned_diagnostics(protocol)
        if lacking:
            raise DIAGNOSTICS_UNPLANNED.error(
                study=study_id,
                missing="; ".join(one.text.en for one in lacking),
                missing_zh="；".join(one.text.zh for one in lacking),
            )
        genetics = genetics_at_freeze(platform, study, protocol)
    said = {CODE_LISTS: code_lists_of(protocol), "genetic_resources": genetics}
    frozen = Object("study", study_id, study.protocol_sha256)
    act = Act(actor, "study.frozen", frozen, reason=reason, decision=said)
    with platform.records.transaction(audit=act) as session:
        study = session.get_one(Study, study_id)
        study.state = _next_state(study, StudyState.FROZEN)
        study.frozen_at, study.frozen_by = as_text(platform.clock()), actor.id
    _checkpoint(platform, "freeze")
    stamp_protocol(platform, actor, study)
    return study


def lock_data(platform: Platform, actor: Actor, study_id: str) -> DataLockRecord:
    """Copy the study's rows out of the lake: project pseudonyms, the protocol's dates, checked and immutable."""
    from rwd_platform.store.lock import write_lock

    study = _study(platform, actor, "study.lock", study_id)
    if study.state == StudyState.REGISTERED:
        refused = Act(actor, "study.lock_refused", Object("study", study_id), outcome="refused")
        platform.records.record(refused)
        raise OUTCOMES_SEALED.error(study=study_id)
    _next_state(study, StudyState.LOCKED)
    with refusals_recorded(platform.records, actor, "study.lock", "study", study_id):
        protocol = frozen_protocol(platform, study)
    # Patients' rows are read from here on: on record first, whatever comes of it.
    platform.records.record(Act(actor, "study.lock_started", Object("study", study_id), purpose=protocol.id))
    try:
        rows = rows_to_lock(platform, study, protocol)
    except PlatformError as error:
        refused = Act(
            actor, "study.lock_refused", Object("study", study_id), outcome="refused", reason=error.code
        )
        platform.records.record(refused)
        raise
    with until_recorded(platform.layout):
        lock = write_lock(platform.layout, rows.tables, rows.facts)
        seal_person_map(platform, lock.id, rows.persons)
        seal_source_map(platform, lock.id, rows.sources)
        record = DataLockRecord(
            id=lock.id,
            organisation_id=study.organisation_id,
            project_id=study.project_id,
            study_id=study_id,
            quality_run_id=rows.quality.id,
            made_at=as_text(platform.clock()),
            manifest=dict(lock.manifest),
        )
        act = Act(actor, "study.locked", Object("lock", lock.id), purpose=study.project_id)
        with platform.records.transaction(audit=act) as session:
            current = session.get_one(Study, study_id)
            current.state = _next_state(current, StudyState.LOCKED)
            session.merge(record)
    _checkpoint(platform, "lock")
    return record


def run_study(platform: Platform, actor: Actor, study_id: str) -> AnalysisRun:
    """Run every planned analysis on the newest lock. A result exists for each, or the reason why not.

    Diagnostics, the cohort and safety are in the clear; estimates are sealed, in this run as in every one before it.
    """
    from studies.run import run_analyses

    study = _study(platform, actor, "study.run", study_id)
    lock = newest_lock(platform, study)
    _next_state(study, StudyState.ANALYSED)
    with refusals_recorded(platform.records, actor, "study.run", "lock", lock.id):
        check_lock_usable(platform, lock.id)
        protocol = frozen_protocol(platform, study)
        check_lists_of_lock(study, lock)
    platform.records.record(Act(actor, "study.run_started", Object("lock", lock.id), purpose=protocol.id))
    dataset = dataset_of(platform, study, lock)
    results = run_analyses(dataset, protocol, lock.id)
    run, said = _run_of(platform, study, lock, results, protocol)
    with until_recorded(platform.layout):
        _keep_row_sets(platform, run, results, dataset, lock)
        computed = Object("run", run.id, run.results_sha256)
        act = Act(actor, "study.analysed", computed, purpose=study.project_id, decision=said)
        with platform.records.transaction(audit=act) as session:
            current = session.get_one(Study, study_id)
            current.state = _next_state(current, StudyState.ANALYSED)
            _outdate_requests(session, study_id, run.made_at)
            session.add(run)
    return run


def _run_of(
    platform: Platform, study: Study, lock: DataLockRecord, results: ResultSet, protocol: Protocol
) -> tuple[AnalysisRun, dict[str, Any] | None]:
    """The record of a run with what is sealed of it, and what the log says of the seal."""
    from studies.sealing import open_part, planned_methods, sealed_analyses

    planned, id = planned_methods(protocol), new_id("run", platform.clock())
    kept = seal_results(platform, id, results.as_dict(), open_part(results, planned).as_dict())
    run = AnalysisRun(
        id=id,
        organisation_id=study.organisation_id,
        project_id=study.project_id,
        study_id=study.id,
        lock_id=lock.id,
        made_at=as_text(platform.clock()),
        results_sha256=kept.results_sha256,
        results=kept.results,
        sealed_part=kept.sealed_part,
        sealed_analyses=list(sealed_analyses(planned)) if kept.sealed_part is not None else [],
    )
    return run, kept.in_log()


def _outdate_requests(session: Session, study_id: str, at: str) -> None:
    """Nobody agrees any more to see a run that is not the newest."""
    waiting = select(UnsealingRequest).where(
        UnsealingRequest.study_id == study_id, UnsealingRequest.state == UnsealingState.REQUESTED
    )
    for asked in session.exec(waiting):
        now = UnsealingState(asked.state)
        asked.state = check_transition(UNSEALING, "unsealing", asked.id, now, UnsealingState.OUTDATED)
        asked.decided_at = at


def frozen_protocol(platform: Platform, study: Study) -> Protocol:
    """The protocol, if it still is the one that was frozen: its text, its record and the log must agree, and the code
    lists must say what they said. Raises `study.protocol_changed`, `study.code_list_changed`.
    """
    from studies.protocol import load_protocol

    frozen = platform.records.all(
        select(AuditEntry).where(AuditEntry.action == "study.frozen", AuditEntry.object_id == study.id)
    )
    in_log = {json.loads(entry.body)["object"]["version"] for entry in frozen}
    text_sha256 = sha256_hex(study.protocol.encode("utf-8"))
    if in_log != {study.protocol_sha256} or text_sha256 != study.protocol_sha256:
        raise PROTOCOL_CHANGED.error(study=study.id)
    check_lists(platform, study, frozen)
    return load_protocol(study.protocol)


def _next_state(study: Study, wanted: StudyState) -> StudyState:
    return check_transition(STUDY, "study", study.id, StudyState(study.state), wanted)


# -- what the later steps read ---------------------------------------------------------------------


def dataset_of(platform: Platform, study: Study, lock: DataLockRecord) -> StudyDataset:
    """The analysis rows, rebuilt from the lock; every file of the lock is checked first."""
    from rwd_platform.store.lock import open_lock
    from studies.protocol import load_protocol

    return dataset_in(open_lock(platform.layout.lock(lock.id)), load_protocol(study.protocol))


def dataset_in(opened: OpenedLock, protocol: Protocol) -> StudyDataset:
    """The analysis rows of an opened lock, with the attrition from the lake on."""
    from rwd_platform.core.text import Bilingual
    from studies.attrition import AttritionStep
    from studies.dataset import build

    before = [
        AttritionStep(Bilingual(step["zh"], step["en"]), step["left"], step["remaining"])
        for step in opened.facts["attrition"]
    ]
    return build(opened.tables, protocol, before)


def results_of(platform: Platform, run: AnalysisRun) -> ResultSet:
    """Everything that a run found. Raises `study.results_sealed`."""
    from studies.results import ResultSet

    check_unsealed(run)
    row_sets = json.loads((_enclave(platform, run) / "row_sets.json").read_bytes())
    return ResultSet.from_dict(run.results, row_sets)


def lineage_of(platform: Platform, run: AnalysisRun) -> pd.DataFrame:
    """subject_id, variable, organisation_id, source_file_sha256, source_line, line_digest.

    What lies in the results zone names lines as the lock does; an older run names them in clear.
    """
    import pandas as pd

    lineage = pd.read_parquet(_enclave(platform, run) / "lineage.parquet")
    if SOURCE_ROW not in lineage.columns:
        return lineage
    return with_source_lines(platform, run.lock_id, lineage)


def newest_lock(platform: Platform, study: Study) -> DataLockRecord:
    locks = platform.records.all(
        select(DataLockRecord)
        .where(DataLockRecord.study_id == study.id)
        .order_by(col(DataLockRecord.made_at).desc())
    )
    if not locks:
        raise NOT_LOCKED.error(study=study.id)
    return locks[0]


def newest_run(platform: Platform, study: Study) -> AnalysisRun:
    runs = platform.records.all(
        select(AnalysisRun).where(AnalysisRun.study_id == study.id).order_by(col(AnalysisRun.made_at).desc())
    )
    if not runs:
        raise NOT_ANALYSED.error(study=study.id)
    return runs[0]


def _enclave(platform: Platform, run: AnalysisRun) -> Path:
    return platform.layout.results / run.id


def _keep_row_sets(
    platform: Platform, run: AnalysisRun, results: ResultSet, dataset: StudyDataset, lock: DataLockRecord
) -> None:
    """Which subjects stand behind a number stays in the results zone; the record holds counts and hashes."""
    place = _enclave(platform, run)
    place.mkdir(parents=True)
    (place / "row_sets.json").write_bytes(
        canonical_json({name: sorted(ids) for name, ids in results.row_sets.items()})
    )
    sites: dict[str, str] = lock.manifest["content"]["facts"]["sites"]
    organisation = dict(zip(dataset.frame["subject_id"], dataset.frame["site_id"].map(sites), strict=True))
    lineage = dataset.lineage.assign(organisation_id=dataset.lineage["subject_id"].map(organisation))
    lineage.to_parquet(place / "lineage.parquet", index=False)


def _study(platform: Platform, actor: Actor, action: str, study_id: str) -> Study:
    return get_visible(platform.records, actor, action, Study, study_id)


def _checkpoint(platform: Platform, why: str) -> None:
    from rwd_platform.audit.checkpoints import make_checkpoint

    make_checkpoint(platform.records, platform.log_signer, why)
