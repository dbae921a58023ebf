"""Results leave by a release: asked for, checked for that recipient, approved by two officers, let go.

    request_release   the disclosure check for this kind of recipient; what fails is refused on the spot
    vote              two privacy officers; whoever asked for, assembled or computed it may not vote
    release           checked again against everything that the circle holds by now, then on the ledger

and then through the one gate, flows/release_gate.py, which every door that hands a package out asks first.

Reading results on the platform, as a study's own team or as an inspector, is not leaving: nothing of this
is asked there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session

from deidentify.disclosure.check import check, check_papers
from deidentify.disclosure.findings import Verdict
from deidentify.disclosure.recipients import (
    APPROVERS,
    CONDITION_TEXTS,
    Recipient,
    missing_conditions,
    recipient_of,
)
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.accounts_of_people import with_accounts
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import (
    cancel_provisions,
    decide_provisions,
    leaving,
    logged,
    national_pack,
    post_provisions,
    provision_held,
)
from rwd_platform.flows.provision_facts import JUDICIAL_REQUEST
from rwd_platform.flows.release_circles import AUTHORITY, circle_of, holders_with
from rwd_platform.flows.release_gate import (
    CONTENT_CHANGED,
    below_threshold,
    check_audience,
    check_content,
    of_papers_alone,
)
from rwd_platform.flows.release_ledger import (
    People,
    circles_on_ledger,
    figures_row,
    people_behind,
    product_of,
    quoted_in,
    released_to,
    results_behind,
    results_in,
)
from rwd_platform.flows.release_votes import VOTES_NEEDED, release_act, standing, vote, votes_in
from rwd_platform.flows.withdraw_uses import check_package_usable
from rwd_platform.log.entry import Act, Actor
from rwd_platform.records.lifecycles import RELEASE, ProvisionState, ReleaseState, check_transition
from rwd_platform.records.tables import (
    EvidencePackage,
    OutputRelease,
    Provision,
    Study,
)

CONDITION_MISSING = Problem(
    code="release.condition_missing",
    zh="向“{recipient_zh}”发布还缺少条件 {name}：{what_zh}。",
    en="A release to {recipient} lacks the condition {name}: {what}.",
    next_zh="补齐该条件后重新申请；任何一项条件缺失都不会放行。",
    next_en="Meet the condition and ask again; with any one missing nothing is released.",
    http=422,
    exit=Exit.REFUSED,
)
JUDICIAL_ANSWER_MALFORMED = Problem(
    code="release.judicial_answer_malformed",
    zh="“是否应外国司法或者执法机构的请求提供”只能回答 yes（是）或 no（否）。",
    en="Whether it answers a foreign judicial or law-enforcement body is told by yes or no.",
    next_zh="请填 yes 或 no；向境内提供可以留空。",
    next_en="Say yes or no; a release inside China may leave it empty.",
    http=422,
    exit=Exit.REFUSED,
)
APPROVAL_LAPSED = Problem(
    code="release.approval_lapsed",
    zh="发布 {release} 的批准人账号已停用或变更，有效同意票不足 {needed} 张。",
    en="An approver of release {release} has no longer the account that they voted under: fewer than {needed}"
    " approvals stand.",
    next_zh="请重新申请发布，由在任的隐私专员审批。",
    next_en="Ask for the release again, and let officers in office vote.",
    http=409,
    exit=Exit.REFUSED,
)
NOT_APPROVED = Problem(
    code="release.not_approved",
    zh="发布 {release} 尚未批准：需要 {needed} 位隐私专员同意，目前 {have} 位。",
    en="Release {release} is not approved: {needed} privacy officers have to agree, and {have} have so far.",
    next_zh="请由未参与该结果的隐私专员审批（`rwd release vote {release} --approve`），满 {needed} 票后再执行。",
    next_en="Let officers who had no part in the results vote (`rwd release vote {release} --approve`); carry it out"
    " when {needed} have agreed.",
    http=409,
    exit=Exit.REFUSED,
)
FINDINGS_UNSEEN = Problem(
    code="release.findings_unseen",
    zh="发布 {release} 批准之后，输出检查又有审批人没有看到的发现。规则 {rule}：{why_zh}",
    en="Since release {release} was approved the check has found what its approvers did not see. Rule {rule}: {why}",
    next_zh="本次申请已拒绝；请重新申请，让审批人看到新的发现。",
    next_en="It is refused; ask again, so that the officers see what was found.",
    http=403,
    exit=Exit.REFUSED,
)


# -- asking ------------------------------------------------------------------------------------------------------


def request_release(
    platform: Platform,
    actor: Actor,
    package_id: str,
    recipient_kind: str,
    circle: str,
    conditions: Mapping[str, Any],
) -> OutputRelease:
    """Ask for a package to be released. What fails the check is put on record as refused, with its findings.

    `conditions`: purpose, authorisation, encryption, as the kind of recipient asks for them; and
    `foreign_judicial_request`, yes or no, without which nothing goes abroad. Approvers come by votes; what is
    written there about them is not believed. A refusal without a release stands in the log.
    Raises AUDIENCE_NOT_ALLOWED, CIRCLE_MISSING, CIRCLE_UNKNOWN, NOT_AN_AUTHORITY, CONDITION_MISSING,
    JUDICIAL_ANSWER_MALFORMED,
    CONTENT_CHANGED, NO_ACCOUNT, and of a package that rests on what is frozen PACKAGE_FROZEN, PACKAGE_REISSUED.
    """
    kind = EvidencePackage.__tablename__
    with refusals_recorded(platform.records, actor, "release.request", kind, package_id):
        package = get_visible(platform.records, actor, "release.request", EvidencePackage, package_id)
        policy = recipient_of(recipient_kind)
        check_audience(package, policy.kind)
        whose = circle_of(platform, policy.kind, circle)
        stated = {
            name: conditions[name] for name in CONDITION_TEXTS if name in conditions and name != APPROVERS
        }
        stated |= _judicial_answer(conditions)
        _check_conditions(policy, {**stated, "requester": actor.id})
        check_content(platform, package)
        check_package_usable(platform, package)
        return _put_forward(platform, actor, package, policy.kind, whose, stated)


def _judicial_answer(conditions: Mapping[str, Any]) -> dict[str, str]:
    """Kept as it was answered; not answered is kept as nothing, and holds what would go abroad."""
    said = conditions.get(JUDICIAL_REQUEST, "")
    if said not in ("", "yes", "no"):
        raise JUDICIAL_ANSWER_MALFORMED.error()
    return {JUDICIAL_REQUEST: said} if said else {}


def _put_forward(
    platform: Platform,
    actor: Actor,
    package: EvidencePackage,
    kind: str,
    circle: str,
    stated: Mapping[str, Any],
) -> OutputRelease:
    """The check of what may be asked for, and its answer on record.

    The check may take seconds, and nobody else can write while a transaction is open: it is made before. What is
    released is checked once more, then with nobody beside it.
    """
    now = platform.clock()
    asked = _request(platform, actor, package, kind, circle, stated, now)
    with platform.records.reading() as session:
        verdict = _verdict(platform, session, asked, package, pending=frozenset({APPROVERS}))
    asked.verdict = verdict.as_dict()
    if verdict.outcome == "fail":
        asked.state, asked.decided_at = ReleaseState.REFUSED, as_text(now)
    with platform.records.transaction(audit=_act(actor, asked, "release.requested")) as session:
        check_account(session, actor, platform.clock)
        session.add(asked)
    if asked.state == ReleaseState.REQUESTED:
        decide_provisions(leaving(platform, actor, asked))
    return asked


def _request(
    platform: Platform,
    actor: Actor,
    package: EvidencePackage,
    kind: str,
    circle: str,
    stated: Mapping[str, Any],
    now: datetime,
) -> OutputRelease:
    """The row of a request, before anything was checked."""
    return OutputRelease(
        id=new_id("release", now),
        organisation_id=package.organisation_id,
        project_id=package.project_id,
        package_id=package.id,
        product=product_of(platform.records.get(Study, package.study_id)),
        recipient_kind=kind,
        circle=circle,
        content_sha256=package.sha256,
        conditions=dict(stated),
        verdict={},
        state=ReleaseState.REQUESTED,
        requested_by=actor.id,
        requested_at=as_text(now),
    )


def _act(actor: Actor, asked: OutputRelease, done: str, said: Sequence[Mapping[str, Any]] = ()) -> Act:
    """What the log says: the act that was meant, or that it was refused."""
    refused = asked.state == ReleaseState.REFUSED
    stopped = refused or done == "release.held"
    return release_act(actor, "release.refused" if refused else done, asked, refused=stopped, provisions=said)


def _check_conditions(policy: Recipient, stated: Mapping[str, Any]) -> None:
    """The first that is missing, by name; approvers come later, by votes."""
    for name in missing_conditions(policy, stated):
        if name != APPROVERS:
            text, title = CONDITION_TEXTS[name], policy.title
            raise CONDITION_MISSING.error(
                recipient=title.en, recipient_zh=title.zh, name=name, what=text.en, what_zh=text.zh
            )


def _verdict(
    platform: Platform,
    session: Session,
    asked: OutputRelease,
    package: EvidencePackage,
    *,
    pending: frozenset[str] = frozenset(),
    approvers: Sequence[str] = (),
) -> Verdict:
    """The check of what the package holds, against what the circle holds at this moment."""
    results = results_in(platform, package)
    stated = {**asked.conditions, APPROVERS: list(approvers), "requester": asked.requested_by}
    if package.id in of_papers_alone(platform, [package]) and not results["rows"] and not results["series"]:
        return with_accounts(platform, package, check_papers(asked.recipient_kind, stated, pending=pending))

    def people_under(product: str) -> People:
        return people_behind(platform, package, product, results)

    people = people_under(asked.product)
    holders = holders_with(session, asked.circle, circles_on_ledger(session))
    found = check(
        results,
        asked.recipient_kind,
        stated,
        released_to(session, platform, asked.product, holders, people_under),
        support=results_behind(platform, package),
        sets=people.sets,
        tokens=people.tokens,
        pending=pending,
        quoted=quoted_in(platform.records.get(Study, package.study_id)),
    )
    return with_accounts(platform, package, found)


# -- letting go --------------------------------------------------------------------------------------------------


def release(platform: Platform, actor: Actor, release_id: str) -> OutputRelease:
    """Let approved results go. Between asking and now the circle may have received something: checked again.

    Disclosure check, standing approvals, the decision about each exporter's provision, the ledgers' rows and the
    log's entry are one transaction: two releases cannot pass a threshold side by side, nor two tables one circle.
    What the check finds and the officers did not see refuses it, as an approval that no longer stands stops it; a
    provision that the rules do not allow today holds it (`release.held`), approved as it is, until the papers are
    there.
    """
    with refusals_recorded(platform.records, actor, "release.request", "output_release", release_id):
        done, unseen, provisions = _release(platform, actor, release_id)
    if done.state == ReleaseState.RELEASED:
        make_checkpoint(platform.records, platform.log_signer, "release")
        return done
    if done.state != ReleaseState.REFUSED:  # `release.held` is in the log
        raise provision_held(release_id, provisions, national_pack(platform))
    if done.verdict["outcome"] == "fail":  # `release.refused` is in the log
        raise below_threshold(done)
    found = unseen[0]
    raise FINDINGS_UNSEEN.error(release=release_id, rule=found["rule"], why=found["en"], why_zh=found["zh"])


def _release(
    platform: Platform, actor: Actor, release_id: str
) -> tuple[OutputRelease, Sequence[Mapping[str, Any]], Sequence[Provision]]:
    """The release as it was decided, what the check found that was not there when it was asked for, and the
    provisions as they were decided.
    """
    asked = get_visible(platform.records, actor, "release.request", OutputRelease, release_id)
    package = platform.records.get(EvidencePackage, asked.package_id)
    check_audience(package, asked.recipient_kind)
    if package.sha256 != asked.content_sha256:
        raise CONTENT_CHANGED.error(package=package.id)
    check_content(platform, package)
    check_package_usable(platform, package)
    now, part = as_text(platform.clock()), leaving(platform, actor, asked)
    current, unseen, provisions = asked, list[Mapping[str, Any]](), list[Provision]()

    def act() -> Act:
        left = current.state == ReleaseState.RELEASED
        return _act(
            actor, current, "release.released" if left else "release.held", logged(session, provisions)
        )

    with platform.records.transaction(audit=act) as session:
        check_account(session, actor, platform.clock)
        current = session.get_one(OutputRelease, release_id)
        approvers = _approved_by(session, current)
        verdict = _verdict(platform, session, current, package, approvers=approvers)
        before, current.verdict = current.verdict, verdict.as_dict()
        seen = {_told(one) for one in before["findings"]}
        unseen = [one for one in current.verdict["findings"] if _told(one) not in seen]
        if verdict.outcome == "fail" or unseen:
            current.state, current.decided_at = ReleaseState.REFUSED, now
            provisions = cancel_provisions(session, platform, release_id, "release refused")
        else:
            provisions = post_provisions(session, part)
            if all(one.state == ProvisionState.POSTED for one in provisions):
                current.state = ReleaseState.RELEASED
                results = results_in(platform, package)
                people = people_behind(platform, package, current.product, results)
                session.add(figures_row(platform, current, results, people, now))
    return platform.records.get(OutputRelease, release_id), unseen, provisions


def _approved_by(session: Session, asked: OutputRelease) -> Sequence[str]:
    """Those whose approvals stand. Raises where it is not approved, is decided already, or an approval lapsed."""
    state = ReleaseState(asked.state)
    approvers = standing(session, asked, votes_in(session, asked.id))
    if state == ReleaseState.REQUESTED:
        raise NOT_APPROVED.error(release=asked.id, needed=VOTES_NEEDED, have=len(approvers))
    check_transition(RELEASE, "release", asked.id, state, ReleaseState.RELEASED)
    if len(approvers) < VOTES_NEEDED:
        raise APPROVAL_LAPSED.error(release=asked.id, needed=VOTES_NEEDED)
    return approvers


def _told(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    """What an officer reads of a finding."""
    return finding["rule"], finding["where"], finding["en"]


def release_to_authority(
    platform: Platform,
    package_id: str,
    *,
    requester: Actor,
    officers: tuple[Actor, Actor],
    authority: str,
    conditions: Mapping[str, str],
    reasons: tuple[str, str],
) -> OutputRelease:
    """A package to a competent authority, all the way: asked for, approved by two officers, released.

    `authority` is the organisation's id; `conditions` are purpose, authorisation and encryption.
    """
    asked = request_release(platform, requester, package_id, AUTHORITY, authority, conditions)
    for officer, reason in zip(officers, reasons, strict=True):
        vote(platform, officer, asked.id, word="approve", reason=reason)
    return release(platform, requester, asked.id)
