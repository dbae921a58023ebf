"""Data locks: which files and rows a study rests on, by which rules they came to be, and what two locks differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel import col, select
from starlette.responses import Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import linkage_words
from rwd_platform.flows.lock_difference import lock_difference
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import readable_locks
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import DataLockRecord, LockNotice, Study
from rwd_platform.server import cohort_charts, queries, results
from rwd_platform.server.api.studies import ReadsStudies
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

PAGE = 50
NOTICES: Mapping[str, tuple[Bilingual, str]] = {
    "withdrawn": (Bilingual("含已撤回同意者，停止使用", "holds somebody who withdrew: no new use"), "held"),
    "held": (Bilingual("依法保全，停止使用", "under legal hold: no new use"), "held"),
    "erased": (Bilingual("已重新签发", "re-issued without an erased patient"), "bad"),
}
FACTS: Mapping[str, Bilingual] = {
    "project": Bilingual("项目", "Project"),
    "protocol_sha256": Bilingual("研究方案", "Protocol"),
    "dates": Bilingual("日期写法", "Dates"),
    "pseudonyms": Bilingual("假名", "Pseudonyms"),
    "generalised": Bilingual("泛化", "Generalisation"),
    "key_versions": Bilingual("密钥版本", "Key versions"),
    "suite": Bilingual("密码套件", "Cipher suite"),
    "policy": Bilingual("去标识策略", "De-identification policy"),
    "mappings": Bilingual("映射", "Mappings"),
    "code_lists": Bilingual("代码表", "Code lists"),
    "quality": Bilingual("各表的质量结论", "Quality of each table"),
    "quality_verdict": Bilingual("质量门结论", "Verdict of the quality gate"),
    "rows_held_back_by_quality": Bilingual("因质量未放行的行", "Rows held back by quality"),
    "tables_left_out": Bilingual("因质量未放行而整表未带入", "Whole tables left out by quality"),
    "left_behind": Bilingual("未带入的内容", "What was left behind"),
    "labels": Bilingual("列的分类分级", "Class and level of columns"),
    "sites": Bilingual("研究中心", "Sites"),
    "linkage": Bilingual("关联", "Linkage"),
    "fitness": Bilingual("适用性", "Fitness"),
    "calendar": Bilingual("日期规则", "Rules of the calendar"),
    "withdrawn": Bilingual("撤回同意者", "Patients who withdrew"),
    "withdrawn_patients": Bilingual("撤回同意者", "Patients who withdrew"),
}


@router.get("/locks")
def get_locks(
    visitor: ReadsStudies,
    request: Request,
    platform: PlatformDep,
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    studies = {one.id: one for one in queries.studies(platform.records, visitor)}
    rows = platform.records.all(
        select(DataLockRecord)
        .where(col(DataLockRecord.study_id).in_(studies))
        .order_by(col(DataLockRecord.made_at).desc(), col(DataLockRecord.id))
        .offset((page - 1) * PAGE)
        .limit(PAGE + 1)
    )
    shown = rows[:PAGE]
    return render(
        request,
        "locks.html",
        locks=shown,
        studies=studies,
        notices=_notices(platform, [one.id for one in shown]),
        words=NOTICES,
        page=page,
        more=len(rows) > PAGE,
    )


@router.get("/locks/{lock_id}")
def get_lock(visitor: ReadsStudies, request: Request, platform: PlatformDep, lock_id: str) -> Response:
    """What stands in the manifest, for those who may see counts of people; to others that there is a lock."""
    from quality.fitness import STATUSES
    from quality.fitness_items import DIMENSIONS

    lock, study = _lock(platform, visitor, lock_id)
    whole = lock.id in readable_locks(platform, visitor.actor, [lock])
    content = lock.manifest["content"] if whole else {}
    others = [one for one in queries.locks(platform.records, study.id) if one.id != lock.id]
    return render(
        request,
        "lock.html",
        lock=lock,
        study=study,
        whole=whole,
        facts=content.get("facts", {}),
        tables=content.get("tables", {}),
        files=lock.manifest.get("files", {}) if whole else {},
        seal=lock.manifest.get("seal", "") if whole else "",
        format_version=content.get("format_version", ""),
        attrition=results.attrition(lock.manifest) if whole else (),
        others=others[:PAGE],
        notices=_notices(platform, [lock.id]).get(lock.id, []),
        words=NOTICES,
        names=FACTS,
        drawings=cohort_charts,
        words_of_linkage=linkage_words,
        fitness_dimensions=DIMENSIONS,
        fitness_statuses=STATUSES,
    )


@router.get("/locks/{lock_id}/difference")
def get_difference(
    visitor: ReadsStudies,
    request: Request,
    platform: PlatformDep,
    lock_id: str,
    before: Annotated[str, Query(max_length=200)] = "",
    part: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """Both locks are read and checked file by file: the page comes at once, what it found (`part`) when it is done."""
    lock, study = _lock(platform, visitor, lock_id)
    older, _ = _lock(platform, visitor, before)
    if not part:
        return render(request, "lock_difference.html", lock=lock, older=older, study=study)
    try:
        found = lock_difference(platform, visitor.actor, study.id, older.id, lock.id)
    except PlatformError as error:
        return render(request, "fragments/error.html", status=error.http, error=error)
    return render(request, "fragments/lock_difference.html", found=found, names=FACTS, lines=fact_lines)


def _lock(platform: Platform, visitor: Visitor, lock_id: str) -> tuple[DataLockRecord, Study]:
    """A lock whose study the visitor may see; another looks like one that is not there."""
    lock = platform.records.find(DataLockRecord, lock_id)
    if lock is None:
        raise NOT_FOUND.error(
            kind="data_lock", id=lock_id if len(lock_id) <= 80 and lock_id.isalnum() else "?"
        )
    return lock, queries.owned(platform.records, visitor, "study.read", Study, lock.study_id)


def _notices(platform: Platform, ids: Sequence[str]) -> dict[str, list[LockNotice]]:
    found: dict[str, list[LockNotice]] = {}
    query = select(LockNotice).where(col(LockNotice.lock_id).in_(ids)).order_by(col(LockNotice.noted_at))
    for notice in platform.records.all(query):
        found.setdefault(notice.lock_id, []).append(notice)
    return found


def fact_lines(value: Any) -> list[tuple[str, str]]:
    """A fact as (name, text) lines: of a mapping one a key, of what lies deeper the names joined by dots."""
    if isinstance(value, Mapping):
        return [
            (".".join(part for part in (str(key), name) if part), text)
            for key, below in value.items()
            for name, text in fact_lines(below)
        ]
    if isinstance(value, list | tuple):
        return [("", ", ".join(str(one) for one in value))]
    return [("", "–" if value is None else f"{value:,}" if type(value) is int else str(value))]
