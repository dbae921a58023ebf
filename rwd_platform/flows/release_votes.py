"""The officers' words on a release: whose vote counts, and what two approvals or one refusal do to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from deidentify.disclosure.reasons import LETTERS, is_reason, one_person
from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import can, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import cancel_provisions
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import RELEASE, ReleaseState, check_transition
from rwd_platform.records.tables import AuditEntry, EvidencePackage, OutputRelease, ReleaseVote, User

VOTES_NEEDED = 2
LONGEST_REASON = 2000

NOT_A_VOTER = Problem(
    code="release.not_a_voter",
    zh="申请、组装或分析过该结果的人不能审批发布 {release}。",
    en="Whoever asked for, assembled or computed the results may not vote on release {release}.",
    next_zh="请由另一位隐私专员审批。",
    next_en="Let another privacy officer vote.",
    http=403,
    exit=Exit.REFUSED,
)
VOTED_ALREADY = Problem(
    code="release.voted_already",
    zh="您已对发布 {release} 表决。",
    en="You have voted on release {release} already.",
    next_zh="每人只表决一次；请由第二位隐私专员表决。",
    next_en="A person votes once; a second privacy officer is needed.",
    http=409,
    exit=Exit.REFUSED,
)

SAME_PERSON = Problem(
    code="release.same_person",
    zh="与您账号同名的人已参与发布 {release}（申请、组装或表决）：同一人的两个账号只算一人。",
    en="Somebody of the same name as your account has asked for, assembled or voted on release {release} already:"
    " two accounts of one person are one.",
    next_zh="请由另一位隐私专员审批；确为两人同名时，请管理员在账号姓名中加以区分（如加注部门）。",
    next_en="Let another privacy officer vote; if they are two people of one name, have the accounts' names tell them"
    " apart, by department for instance.",
    http=403,
    exit=Exit.REFUSED,
)
REASON_MISSING = Problem(
    code="release.reason_missing",
    zh="没有写明理由：至少 {letters} 个字（标点、数字和不可见字符不算），至多 {longest} 个字符。",
    en="There is no reason in it: {letters} letters at least, without signs, digits and what is not seen, and at most"
    " {longest} characters.",
    next_zh="请用一句话写明核对了什么、为何同意或不同意。",
    next_en="Say in a sentence what was looked at and why it may or may not leave.",
    http=422,
)
REASON_IDENTIFIES = Problem(
    code="release.reason_identifies",
    zh="理由中含有可识别个人的号码，未予保存。",
    en="The reason holds a number that identifies a person; it was not kept.",
    next_zh="请删去号码，以发布编号或证据包编号指明所审批的内容。",
    next_en="Take the number out; name the matter by the id of the release or of the package.",
    http=422,
)


def vote(platform: Platform, actor: Actor, release_id: str, approved: bool, reason: str) -> OutputRelease:
    """One officer's word, under an account of their own. The second approval approves; one refusal refuses."""
    with refusals_recorded(platform.records, actor, "release.approve", "output_release", release_id):
        return _vote(platform, actor, release_id, approved, reason.strip())


def _vote(platform: Platform, actor: Actor, release_id: str, approved: bool, reason: str) -> OutputRelease:
    asked = get_visible(platform.records, actor, "release.approve", OutputRelease, release_id)
    if actor.id in involved_in(platform, asked):
        raise NOT_A_VOTER.error(release=release_id)
    _check_reason(reason)
    now = as_text(platform.clock())
    act = release_act(actor, "release.approved" if approved else "release.voted_down", asked, reason=reason)
    with platform.records.transaction(audit=act) as session:
        check_account(session, actor)
        current = session.get_one(OutputRelease, release_id)
        votes = votes_in(session, release_id)
        if any(one.approver_id == actor.id for one in votes):
            raise VOTED_ALREADY.error(release=release_id)
        others = involved_in(platform, asked) | {one.approver_id for one in votes}
        if _person(session, actor.id) in {_person(session, one) for one in others}:
            raise SAME_PERSON.error(release=release_id)
        approvals = len(standing(session, current, votes)) + approved
        state = ReleaseState(current.state)
        if not approved or approvals >= VOTES_NEEDED:
            wanted = ReleaseState.APPROVED if approved else ReleaseState.REFUSED
            current.state = check_transition(RELEASE, "release", release_id, state, wanted)
            current.decided_at = now
            if not approved:
                cancel_provisions(session, platform, release_id, "release voted down")
        elif state != ReleaseState.REQUESTED:
            check_transition(RELEASE, "release", release_id, state, ReleaseState.APPROVED)
        session.add(
            ReleaseVote(
                release_id=release_id,
                approver_id=actor.id,
                organisation_id=actor.organisation,
                approved=approved,
                reason=reason,
                voted_at=now,
            )
        )
    return platform.records.get(OutputRelease, release_id)


def _check_reason(reason: str) -> None:
    if len(reason) > LONGEST_REASON or not is_reason(reason):
        raise REASON_MISSING.error(letters=LETTERS, longest=LONGEST_REASON)
    if identifies(reason):
        raise REASON_IDENTIFIES.error()


def _person(session: Session, user_id: str) -> str:
    """Whoever the account is of, as names are compared; the account itself where nobody stands in it."""
    user = session.get(User, user_id)
    return (one_person(user.name) if user is not None else "") or f"account {user_id}"


def involved_in(platform: Platform, asked: OutputRelease) -> frozenset[str]:
    """Who asked for it, assembled the package or ran its analyses: they may not vote on it."""
    package = platform.records.get(EvidencePackage, asked.package_id)
    entries = platform.records.all(
        select(AuditEntry)
        .where(col(AuditEntry.object_id).in_([package.id, package.run_id]))
        .where(col(AuditEntry.action).in_(["package.assembled", "study.analysed"]))
    )
    return frozenset({asked.requested_by, *(entry.actor_id for entry in entries)})


def votes_of(platform: Platform, release_id: str) -> Sequence[ReleaseVote]:
    with platform.records.reading() as session:
        return votes_in(session, release_id)


def votes_in(session: Session, release_id: str) -> Sequence[ReleaseVote]:
    return session.exec(
        select(ReleaseVote)
        .where(ReleaseVote.release_id == release_id)
        .order_by(col(ReleaseVote.voted_at), col(ReleaseVote.approver_id))
    ).all()


def standing(session: Session, asked: OutputRelease, votes: Sequence[ReleaseVote]) -> list[str]:
    """Whose approvals count now: the account is in use, where it was, and may still approve. A person counts once."""
    counted: dict[str, str] = {}
    for cast in votes:
        user = session.get(User, cast.approver_id)
        if not cast.approved or user is None or user.disabled_at is not None:
            continue
        officer = Actor(user.id, user.role, user.organisation_id)
        same = user.organisation_id == cast.organisation_id
        if same and can(officer, "release.approve", asked.organisation_id):
            counted.setdefault(_person(session, user.id), user.id)
    return list(counted.values())


def release_act(
    actor: Actor,
    action: str,
    asked: OutputRelease,
    *,
    refused: bool = False,
    reason: str = "",
    provisions: Sequence[Mapping[str, Any]] = (),
) -> Act:
    """The log's entry: whom it is for and what the check said, by rule; never a number of the results."""
    findings = asked.verdict.get("findings", [])
    return Act(
        actor,
        action,
        Object("release", asked.id, asked.content_sha256),
        reason=reason,
        purpose=f"{asked.recipient_kind}, {asked.circle}",
        outcome="refused" if refused else "done",
        decision={
            "package": asked.package_id,
            "outcome": asked.verdict.get("outcome", ""),
            "rules": sorted({one["rule"] for one in findings}),
            "findings": len(findings),
            **({"provisions": list(provisions)} if provisions else {}),
        },
    )
