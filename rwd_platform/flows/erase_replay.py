"""After a restore: whoever was erased since the backup is erased again, by the ledger kept outside of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlmodel import col, select

from rwd_platform.core.errors import Problem
from rwd_platform.flows.erase_certificate import read_ledger
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.erase_request import JOB, KIND
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import record_withdrawal
from rwd_platform.jobs import queue
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import ErasureState
from rwd_platform.records.tables import ErasureRequest, PatientKey

LEDGER_MISSING = Problem(
    code="erasure.ledger_missing",
    zh="找不到删除台账文件 {name}。",
    en="There is no ledger of erasures at {name}.",
    next_zh="台账与备份分开保存（原位置为 home/erasures/ledger.jsonl），请给出它的路径；"
    "没有台账就不能确认恢复的数据中已无被删除的患者。",
    next_en="It is kept apart from the backups (it was home/erasures/ledger.jsonl); name its path. Without it "
    "nobody can tell whether the restored data hold somebody who was erased.",
)


def replay_erasures(platform: Platform, actor: Actor, ledger: Path) -> list[str]:
    """Erase again everybody in the ledger whose data the restored deployment holds; the requests' ids.

    The whole ledger is checked before the first one. Done again it finds nothing to do.
    """
    if not ledger.is_file():
        raise LEDGER_MISSING.error(name=ledger.name)
    done = []
    for line in read_ledger(platform, ledger):
        name = _present_name(platform, line)
        row = platform.records.find(ErasureRequest, line["request"])
        if name is None or (row is not None and row.state == ErasureState.ERASED and row.certificate_sha256):
            continue
        _put_back(platform, actor, line, name, row)
        erase(platform, actor, line["request"])
        done.append(line["request"])
    return done


def _present_name(platform: Platform, line: dict[str, Any]) -> str | None:
    """What the patient is called in the restored records; None where they do not know the patient."""
    for name in line["names"]:
        if platform.records.find(PatientKey, (line["organisation"], name)) is not None:
            return str(name)
    return None


def _put_back(
    platform: Platform, actor: Actor, line: dict[str, Any], name: str, row: ErasureRequest | None
) -> None:
    """The request as the ledger knows it, decided: the approvals were given before the restore."""
    place = line["organisation"], name
    record_withdrawal(platform, actor, place, line["reason"], line["requested_at"][:10], "", replayed=True)
    if row is not None and row.state == ErasureState.ERASING:
        return
    restored = ErasureRequest(
        id=line["request"],
        organisation_id=line["organisation"],
        patient_id=name,
        reason=line["reason"],
        state=ErasureState.ERASING,
        requested_by=line["requested_by"],
        requester_organisation_id=line["requester_organisation"],
        requested_at=line["requested_at"],
        duties={**line["duties"], "approved_by": line["approved_by"]},
        counts={},
        decided_at=line["decided_at"],
    )
    platform.records.write(restored, audit=Act(actor, "erasure.replayed", Object(KIND, restored.id)))


def resume_erasures(platform: Platform, actor: Actor) -> list[str]:
    """Queue every erasure that is approved or begun and not done: what a stopped worker left. Their ids."""
    open_states = (ErasureState.APPROVED, ErasureState.ERASING)
    rows = platform.records.all(
        select(ErasureRequest).where(
            col(ErasureRequest.state).in_(open_states)
            | (
                (col(ErasureRequest.state) == ErasureState.ERASED)
                & (col(ErasureRequest.certificate_sha256) == "")
            )
        )
    )
    for row in rows:
        queue.enqueue(platform.records, actor, JOB, {"request_id": row.id}, f"{JOB}/{row.id}")
    return [row.id for row in rows]
