"""What a lock may still be used for once somebody in it withdrew, is held, or was erased.

    frozen_subjects       who of a lock's subjects may not be used
    check_lock_usable     before a new analysis, package, report or list of texts
    check_lock_stands     before anything reads a lock's files: it may have been re-issued
    check_package_usable  before a package is released to somebody new
    check_traceable       before a number is followed to its source lines

What was done before stays: results are read, packages verify, and whoever received one keeps it.
"""

from __future__ import annotations

from sqlmodel import select

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows import withdraw_problems as problems
from rwd_platform.flows.first_names import current_name
from rwd_platform.flows.ledger_map import person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import frozen_patients
from rwd_platform.records.tables import AnalysisRun, EvidencePackage, LockNotice

PACKAGE_REISSUED = Problem(
    code="withdrawal.package_reissued",
    zh="证据包 {package} 所依据的数据锁定 {lock} 因数据删除已销毁，重新签发为 {new}（告知 {notice}），"
    "本包不再发布给新的接收方。",
    en="Package {package} rests on lock {lock}, which was destroyed at an erasure and re-issued as {new} (notice "
    "{notice}): it is released to nobody new.",
    next_zh="请在新的锁定上重新运行分析、编制证据包并申请发布；此前已发布的不受影响，收件方凭告知知悉。",
    next_en="Run the analyses on the new lock, assemble a package of them and ask for its release. Whoever has this "
    "one keeps it, and is told by the notice.",
    http=410,
    exit=Exit.REFUSED,
)
PACKAGE_FROZEN = Problem(
    code="withdrawal.package_frozen",
    zh="证据包 {package} 所依据的数据锁定 {lock} 中有 {count} 名受试者已撤回同意或被依法保全，"
    "本包不再发布给新的接收方。",
    en="Package {package} rests on lock {lock}, which holds {count} subjects who withdrew consent or are under legal "
    "hold: it is released to nobody new.",
    next_zh="请重新锁定数据（`rwd study lock`）、运行分析并编制新的证据包，再申请发布。",
    next_en="Lock the data again (`rwd study lock`), run the analyses, assemble a new package and ask for its release.",
    http=409,
    exit=Exit.REFUSED,
)
TRACE_ENDED = Problem(
    code="withdrawal.trace_ended",
    zh="证据包 {package} 所依据的数据锁定 {lock} 因数据删除已销毁，重新签发为 {new}（告知 {notice}），"
    "其数字不再能追溯到来源行。",
    en="Package {package} rests on lock {lock}, which was destroyed at an erasure and re-issued as {new} (notice "
    "{notice}): its numbers no longer lead to source lines.",
    next_zh="本包仍可核验（`rwd verify`）；如需追溯，请在新的锁定上重新运行分析并编制新的证据包。",
    next_en="The package still verifies (`rwd verify`). To follow numbers, run the analyses on the new lock and "
    "assemble a package of them.",
    http=410,
    exit=Exit.REFUSED,
)


def frozen_subjects(platform: Platform, lock_id: str) -> frozenset[str]:
    """The subjects of a lock whose data may not be used; none for a lock that was made without a map of persons.

    The sealed map is asked, and not the notices: a withdrawal may have come while the lock was being made.
    """
    frozen = frozen_patients(platform)
    persons = (person_map(platform, lock_id) or {}) if frozen else {}
    return frozenset(
        subject
        for subject, person in persons.items()
        if any((org, current_name(platform, org, patient)) in frozen for org, patient in person.places)
    )


def check_lock_stands(platform: Platform, lock_id: str) -> None:
    """Raises `withdrawal.lock_reissued`."""
    notice = _reissue(platform, lock_id)
    if notice is not None:
        raise problems.LOCK_REISSUED.error(lock=lock_id, new=notice.reissued_as)


def check_lock_usable(platform: Platform, lock_id: str) -> None:
    """For a new analysis or package. Raises `withdrawal.lock_frozen` or `withdrawal.lock_reissued`."""
    check_lock_stands(platform, lock_id)
    count = _frozen_in(platform, lock_id)
    if count:
        raise problems.LOCK_FROZEN.error(lock=lock_id, count=count)


def check_package_usable(platform: Platform, package: EvidencePackage) -> None:
    """For a release. Raises `withdrawal.package_frozen` or `withdrawal.package_reissued`, which names the notice."""
    lock_id = platform.records.get(AnalysisRun, package.run_id).lock_id
    notice = _reissue(platform, lock_id)
    if notice is not None:
        raise PACKAGE_REISSUED.error(
            package=package.id, lock=lock_id, new=notice.reissued_as, notice=notice.cause
        )
    count = _frozen_in(platform, lock_id)
    if count:
        raise PACKAGE_FROZEN.error(package=package.id, lock=lock_id, count=count)


def check_traceable(platform: Platform, package: EvidencePackage) -> None:
    """Raises `withdrawal.trace_ended`, which names the notice."""
    lock_id = platform.records.get(AnalysisRun, package.run_id).lock_id
    notice = _reissue(platform, lock_id)
    if notice is not None:
        raise TRACE_ENDED.error(package=package.id, lock=lock_id, new=notice.reissued_as, notice=notice.cause)


def _reissue(platform: Platform, lock_id: str) -> LockNotice | None:
    """The notice that a lock was destroyed and stands anew."""
    query = select(LockNotice).where(LockNotice.lock_id == lock_id, LockNotice.kind == "erased")
    return next(iter(platform.records.all(query)), None)


def _frozen_in(platform: Platform, lock_id: str) -> int:
    """How many subjects may not be used; of a lock without a map of persons, how many causes stand on record."""
    if not frozen_patients(platform):
        return 0
    if person_map(platform, lock_id) is not None:
        return len(frozen_subjects(platform, lock_id))
    notices = platform.records.all(select(LockNotice).where(LockNotice.lock_id == lock_id))
    return len({notice.cause for notice in notices if not notice.ended_at})
