"""Starting the long steps of a study as jobs, from a page or from the API.

A job's key says what it would produce, so that a double click queues it once.
"""

from __future__ import annotations

from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.jobs import enqueue
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import DataLockRecord, Job, Study
from rwd_platform.server import queries
from rwd_platform.server.deps import Visitor

NO_RUN_YET = Problem(
    code="study.no_run",
    zh="研究 {study} 还没有分析结果，不能生成证据包。",
    en="Study {study} has no results yet, so there is nothing to package.",
    next_zh="请先锁定数据并运行分析。",
    next_en="Lock its data and run the analyses first.",
    http=409,
    exit=Exit.REFUSED,
)


def start_quality(platform: Platform, visitor: Visitor) -> Job:
    newest = queries.quality_runs(platform.records, limit=1)
    after = newest[0].id if newest else "first"
    return enqueue(platform, visitor.actor, "quality", {}, key=f"quality/{after}")


def start_lock(platform: Platform, visitor: Visitor, study: Study) -> Job:
    made = len(queries.locks(platform.records, study.id))
    return _start(platform, visitor, study, "lock", {}, f"{made}")


def start_run(platform: Platform, visitor: Visitor, study: Study) -> Job:
    made = len(queries.runs(platform.records, study.id))
    return _start(platform, visitor, study, "run", {}, f"{made}")


def start_assemble(platform: Platform, visitor: Visitor, study: Study, purpose: str, audience: str) -> Job:
    runs = queries.runs(platform.records, study.id)
    if not runs:
        raise NO_RUN_YET.error(study=study.id)
    wanted = {"purpose": purpose, "audience": audience}
    return _start(platform, visitor, study, "assemble", wanted, f"{runs[0].id}/{purpose}/{audience}")


def start_texts(platform: Platform, visitor: Visitor, study: Study, lock: DataLockRecord, made: int) -> Job:
    """`made`: how often texts of this lock were prepared already."""
    return _start(platform, visitor, study, "texts", {}, f"{lock.id}/{made}")


def _start(
    platform: Platform, visitor: Visitor, study: Study, kind: str, payload: dict[str, Any], makes: str
) -> Job:
    key = f"study/{study.id}/{kind}/{makes}"
    return enqueue(platform, visitor.actor, kind, {"study_id": study.id, **payload}, key=key)
