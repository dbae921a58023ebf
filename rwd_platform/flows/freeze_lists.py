"""The code lists of a frozen protocol: what they said at the freeze is what they have to say ever after.

A protocol names a list and its version, and the list is a file beside the code. So the freeze puts the hash of each
list into the log, and whoever takes up the protocol again compares. A freeze of before that has its first lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from sqlmodel import col, select

from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditEntry, DataLockRecord, Study

CODE_LISTS = "code_lists"  # in the decision of study.frozen, and in a lock's facts

LIST_CHANGED = Problem(
    code="study.code_list_changed",
    zh="研究 {study} 冻结方案所用的代码表 {lists} 已与冻结时不同（内容变动而版本号未变，或文件缺失），未执行任何操作。",
    en="Code lists of the frozen protocol of study {study} no longer say what they said at the freeze, under the same "
    "version: {lists}. Nothing was done.",
    next_zh="请把该版本的代码表文件恢复原样（如从发布版本中取回）。需要更正时，应另立新版本的代码表，"
    "并以新的项目编号登记采用新版本的方案修订。",
    next_en="Put the file of that version back as it was, from the release for one. What has to be corrected goes into "
    "a new version of the list, and into an amendment of the protocol that names it, under a new project id.",
    http=409,
    exit=Exit.REFUSED,
)


def check_lists(platform: Platform, study: Study, frozen: Iterable[AuditEntry]) -> None:
    """Raises `study.code_list_changed` where a list is not as it was at the freeze.

    frozen -- the study's entries `study.frozen`
    """
    said: dict[str, str] = {}
    for entry in frozen:
        decision = json.loads(entry.body).get("decision") or {}
        said.update(decision.get(CODE_LISTS) or {})
    _check(study, said or _of_first_lock(platform, study))


def check_lists_of_lock(study: Study, lock: DataLockRecord) -> None:
    """Raises `study.code_list_changed` where a list is not as it was when these rows were chosen by it."""
    _check(study, _in_facts(lock))


def _check(study: Study, said: Mapping[str, str]) -> None:
    changed = sorted(name for name, sha256 in said.items() if _now(name) != sha256)
    if changed:
        raise LIST_CHANGED.error(study=study.id, lists=", ".join(changed))


def _now(reference: str) -> str:
    """The hash of a list as it is now; "" where there is none that can be read."""
    from studies import code_lists

    try:
        return code_lists.load(reference).sha256
    except PlatformError:
        return ""


def _of_first_lock(platform: Platform, study: Study) -> Mapping[str, str]:
    order = (
        select(DataLockRecord)
        .where(DataLockRecord.study_id == study.id)
        .order_by(col(DataLockRecord.made_at))
    )
    return next((_in_facts(lock) for lock in platform.records.all(order.limit(1))), {})


def _in_facts(lock: DataLockRecord) -> Mapping[str, str]:
    found: Mapping[str, str] = lock.manifest["content"]["facts"].get(CODE_LISTS, {})
    return found
