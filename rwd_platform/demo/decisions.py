"""What the demo's people decide: results are unsealed, a package goes to the authority, and one break-glass request
waits for a vote.

Reasons and papers are the demo's own statements and say so.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import col, select

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.demo import people
from rwd_platform.flows.break_glass import request
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import release_to_authority
from rwd_platform.flows.study import newest_run
from rwd_platform.flows.unseal_results import Knowledge, decide_unsealing, request_unsealing
from rwd_platform.log.entry import Actor
from rwd_platform.records.lifecycles import ReleaseState
from rwd_platform.records.tables import (
    AnalysisRun,
    BreakGlassRequest,
    EvidencePackage,
    OutputRelease,
    Study,
    User,
    VaultEntry,
)

HOSPITAL = "org-hospital-a"
CONDITIONS: Mapping[str, str] = {
    "purpose": "演示：药品注册审评 · demo: review for registration",
    "authorisation": "DEMO-AUTHORISATION-1",
    "encryption": "tls-1.3",
}
REASONS = (
    "演示复核：用途、授权与加密方式齐备 · demo review: purpose, authorisation and encryption are there",
    "演示复核：同意提供给主管部门 · demo review: agreed for the competent authority",
)
WHY_UNSEAL = (
    "演示申请：平衡与重叠诊断已算出并查看 · demo request: balance and overlap are there and were looked at",
    "演示复核：已核对诊断与既有了解，同意揭盲 · demo review: diagnostics and prior knowledge checked, agreed",
)
WHY_BREAK_GLASS = (
    "演示：随访中出现严重不良事件，须联系患者本人核实用药情况 · "
    "demo: a serious adverse event at follow-up, the patient must be reached about the treatment"
)
MINUTES = 30

NOT_RELEASED = Problem(
    code="demo.not_released",
    zh="演示证据包没有发布给主管部门：状态为 {state}。",
    en="The demo's package was not released to the authority: it is {state}.",
    next_zh="请在发布审批页查看输出检查的结论。",
    next_en="See the verdict of output checking on the page of releases.",
    exit=Exit.NO,
)
VAULT_EMPTY = Problem(
    code="demo.vault_empty",
    zh="演示医院甲在保管库中没有任何患者。",
    en="Demo hospital A has no patient in the vault.",
    next_zh="请查看该医院批次的回执。",
    next_en="See the receipt of that hospital's upload.",
    exit=Exit.BROKEN_ENVIRONMENT,
)


def unseal_results(
    platform: Platform, requester: Actor, study_id: str, staff: Mapping[str, User]
) -> AnalysisRun:
    """The researcher asks and a second one agrees: the run, whole. Its protocol says what was known of the outcomes."""
    asked = request_unsealing(platform, requester, study_id, WHY_UNSEAL[0], Knowledge("registered"))
    decide_unsealing(platform, people.actor_of(staff["researcher-2"]), asked.id, True, WHY_UNSEAL[1])
    return newest_run(platform, platform.records.get(Study, study_id))


def release_package(
    platform: Platform, requester: Actor, package: EvidencePackage, staff: Mapping[str, User]
) -> OutputRelease:
    """The full package to the demo's authority: asked for, two officers' votes, released."""
    done = release_to_authority(
        platform,
        package.id,
        requester=requester,
        officers=(people.actor_of(staff["privacy"]), people.actor_of(staff["privacy-2"])),
        authority=people.AUTHORITY,
        conditions=CONDITIONS,
        reasons=REASONS,
    )
    if done.state != ReleaseState.RELEASED:
        raise NOT_RELEASED.error(state=done.state)
    return done


def ask_who_one_patient_is(platform: Platform, staff: Mapping[str, User]) -> BreakGlassRequest:
    """A hospital's clerk asks for one patient of their own; nobody has voted yet."""
    entries = platform.records.all(
        select(VaultEntry)
        .where(VaultEntry.organisation_id == HOSPITAL)
        .order_by(col(VaultEntry.patient_id))
        .limit(1)
    )
    if not entries:
        raise VAULT_EMPTY.error()
    clerk = people.actor_of(staff["hospital-a"])
    return request(platform, clerk, entries[0].patient_id, WHY_BREAK_GLASS, MINUTES)
