"""Locks that hold an erased patient are re-issued without, and what lay beside the old ones goes with them.

All new locks stand before the first old file goes, because locks may share files (hard links). The record of an
old lock stays: it holds counts and hashes, and packages name it.
"""

from __future__ import annotations

import gzip
import io
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlmodel import select

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.core.columns import SOURCE_ROW, SUBJECT_ID
from rwd_platform.flows.erase_plan import Plan
from rwd_platform.flows.ledger_map import PERSONS, person_map, seal_person_map
from rwd_platform.flows.omop import forget_exports
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import LEDGER, seal, unseal
from rwd_platform.flows.source_map import SOURCES
from rwd_platform.flows.verification_rounds import withdraw_sheets
from rwd_platform.flows.withdraw_notices import note_packages
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import DataLockRecord, LockNotice, TextReview
from rwd_platform.store.erasing import destroy_lock, empty, replace_whole
from rwd_platform.store.layout import sync_folder

if TYPE_CHECKING:
    import pandas as pd

    from rwd_platform.store.lock import DataLock

_ONE = timedelta(microseconds=1)


def reissue_locks(platform: Platform, actor: Actor, plan: Plan) -> None:
    """New locks on record in place of those that hold the patient, with notices on both sides. Safe to do again."""
    for lock_id, subjects in sorted(plan.locks.items()):
        notice = platform.records.find(LockNotice, (lock_id, plan.request_id))
        if notice is None:
            _reissue(platform, actor, plan, platform.records.get(DataLockRecord, lock_id), subjects)


def _reissue(platform: Platform, actor: Actor, plan: Plan, old: DataLockRecord, subjects: list[str]) -> None:
    from rwd_platform.store.lock import open_lock, write_lock

    opened = open_lock(platform.layout.lock(old.id))
    tables = {name: without_subjects(table, subjects) for name, table in opened.tables.items()}
    new = write_lock(platform.layout, tables, _facts(opened.facts, old.id, plan.request_id, len(subjects)))
    _reseal(platform, old.id, new.id, subjects, tables)
    _put_on_record(platform, actor, plan, old, new)


def without_subjects(table: pd.DataFrame, subjects: list[str]) -> pd.DataFrame:
    return table[~table[SUBJECT_ID].isin(subjects)] if SUBJECT_ID in table.columns else table


def _facts(facts: Any, old: str, request_id: str, subjects: int) -> dict[str, Any]:
    """The old lock's facts, that it was re-issued and why, and one more step of the attrition."""
    steps = list(facts.get("attrition", []))
    if steps:
        left = {"left": subjects, "remaining": steps[-1]["remaining"] - subjects}
        why = {
            "zh": "经批准删除数据的受试者，锁定重新签发",
            "en": "erased on an approved request; the lock was re-issued",
        }
        steps.append({**why, **left})
    reissued = {"of": old, "because": "erasure", "request": request_id, "subjects_removed": subjects}
    return {**facts, "attrition": steps, "reissued": reissued}


def _reseal(
    platform: Platform, old: str, new: str, subjects: list[str], tables: dict[str, pd.DataFrame]
) -> None:
    """The maps of persons and of source lines beside the new lock, without those who left."""
    persons = person_map(platform, old)
    if persons is not None:
        stay = {one: person for one, person in persons.items() if one not in subjects}
        seal_person_map(platform, new, stay)
    plain = unseal(platform, old, SOURCES)
    if plain is not None:
        found = json.loads(gzip.decompress(plain))
        named = {row for table in tables.values() if SOURCE_ROW in table.columns for row in table[SOURCE_ROW]}
        rows = [row for row in found["rows"] if row[0] in named]
        kept = canonical_json({"files": found["files"], "rows": rows})
        seal(platform, new, SOURCES, gzip.compress(kept, mtime=0))


def _put_on_record(platform: Platform, actor: Actor, plan: Plan, old: DataLockRecord, new: DataLock) -> None:
    """The new lock takes the old one's place in time: what came in since is not in it either."""
    at = datetime.fromisoformat(old.made_at) + _ONE
    noted_at = as_text(platform.clock())
    record = DataLockRecord(
        **{**old.model_dump(), "id": new.id, "made_at": as_text(at), "manifest": dict(new.manifest)}
    )
    notice = LockNotice(
        lock_id=old.id,
        cause=plan.request_id,
        organisation_id=old.organisation_id,
        project_id=old.project_id,
        kind="erased",
        reissued_as=new.id,
        noted_at=noted_at,
    )
    act = Act(
        actor,
        "study.locked",
        Object("lock", new.id),
        reason="re-issued after an erasure",
        purpose=old.project_id,
        decision={"reissue_of": old.id, "request": plan.request_id},
    )
    with platform.records.transaction(audit=act) as session:
        session.merge(record)
        session.merge(notice)
        note_packages(session, [old.id], plan.request_id, "erased", noted_at)
        for text in session.exec(select(TextReview).where(TextReview.lock_id == old.id)).all():
            session.delete(text)
        withdraw_sheets(platform, session, old.id)


def destroy_old_locks(platform: Platform, plan: Plan) -> None:
    """Files of the old locks, their OMOP exports, and what is sealed beside them: maps, and sheets that came back.

    Safe to do again.
    """
    forget_exports(platform.layout, sorted(plan.locks))
    for lock_id, subjects in sorted(plan.locks.items()):
        folder = platform.layout.lock(lock_id)
        destroy_lock(folder, _tainted(platform, lock_id, subjects))
        for path in sorted((platform.layout.home / LEDGER).glob(f"{lock_id}.*")):
            if path.suffix in (f".{PERSONS}", f".{SOURCES}") or path.is_file():
                empty(path)
                path.unlink()
                sync_folder(path.parent)


def _tainted(platform: Platform, lock_id: str, subjects: list[str]) -> list[str]:
    """Files of a lock that name one of the subjects; a file that cannot be read counts as one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for file in sorted(platform.layout.lock(lock_id).glob("*.parquet")):
        try:
            table = pq.read_table(file, memory_map=False)
        except (pa.ArrowException, OSError):
            found.append(file.name)
            continue
        if SUBJECT_ID not in table.column_names or set(subjects) & set(table.column(SUBJECT_ID).to_pylist()):
            found.append(file.name)
    return found


def clean_results(platform: Platform, plan: Plan) -> None:
    """Row sets and lineage of the runs on those locks without the subjects. Results are counts, and stay."""
    import pandas as pd

    subjects = {one for ids in plan.locks.values() for one in ids}
    for run_id in plan.runs:
        folder = platform.layout.results / run_id
        row_sets = folder / "row_sets.json"
        if row_sets.is_file():
            found = json.loads(row_sets.read_bytes())
            kept = {name: [one for one in ids if one not in subjects] for name, ids in found.items()}
            if kept != found:
                replace_whole(row_sets, canonical_json(kept))
        lineage = folder / "lineage.parquet"
        if lineage.is_file():
            frame = pd.read_parquet(lineage)
            stays = frame[~frame[SUBJECT_ID].isin(subjects)]
            if len(stays) < len(frame):
                content = io.BytesIO()
                stays.to_parquet(content, index=False)
                replace_whole(lineage, content.getvalue())
