"""How a release ends otherwise: withdrawn before it leaves, recalled afterwards, its copies deleted and confirmed."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import check_may, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.errors import Problem
from rwd_platform.flows.paper_texts import day_or_blank, is_sha256
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import cancel_provisions, provisions_in
from rwd_platform.flows.release_votes import check_reason, release_act
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import PROVISION, RELEASE, ProvisionState, ReleaseState, check_transition
from rwd_platform.records.tables import OutputRelease, Provision, ReleaseLink

RECALL = "provision.recall"

CONFIRMATION_MALFORMED = Problem(
    code="provision.confirmation_malformed",
    zh="删除确认不可用：需要接收方确认函的 SHA-256（64 位十六进制）和不晚于今天的日期。",
    en="The confirmation cannot be used: it takes the SHA-256 of the recipient's letter (64 hex digits) and a day that"
    " is not ahead.",
    next_zh="请对收到的确认函计算 SHA-256，并填写其日期。",
    next_en="Compute the SHA-256 of the letter as received, and give its date.",
    http=422,
)

CONFIRMED_ON_UNFIT = Problem(
    code="provision.confirmed_on_unfit",
    zh="确认日期 {day} 不可用：收回要求于 {recalled_on} 发出，今天是 {today}。",
    en="The day {day} cannot be the confirmation's: the recall was on {recalled_on}, and today is {today}.",
    next_zh="请填写确认函上的日期，应在收回日至今天之间；收回之前的信函不是对这次收回的确认。",
    next_en="Give the day of the letter, from the recall to today; an earlier letter does not confirm this recall.",
    http=422,
)


def withdraw_release(platform: Platform, actor: Actor, release_id: str, reason: str) -> OutputRelease:
    """Whoever may ask for it takes it back before it leaves; what was reserved is free again."""
    with refusals_recorded(platform.records, actor, "release.request", "output_release", release_id):
        asked = get_visible(platform.records, actor, "release.request", OutputRelease, release_id)
        check_reason(reason)
        act = release_act(actor, "release.withdrawn", asked, reason=reason)
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            row = _moved(session, platform, release_id, ReleaseState.WITHDRAWN)
            cancel_provisions(session, platform, release_id, "release withdrawn")
    return row


def recall_release(platform: Platform, actor: Actor, release_id: str, reason: str) -> OutputRelease:
    """A privacy officer asks for it back: no door hands it out any more, its links end, its provisions are recalled.

    What the recipient has seen stays on the ledgers: it was provided, and later results are compared with it.
    """
    with refusals_recorded(platform.records, actor, RECALL, "output_release", release_id):
        check_may(actor, RECALL)
        asked = get_visible(platform.records, actor, "release.approve", OutputRelease, release_id)
        check_reason(reason)
        act = release_act(actor, "release.recalled", asked, reason=reason)
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            row = _moved(session, platform, release_id, ReleaseState.RECALLED)
            now = as_text(platform.clock())
            for provision in provisions_in(session, release_id):
                provision.state = _next(provision, ProvisionState.RECALLED)
                provision.ended_at, provision.ended_why = now, reason
            for link in session.exec(select(ReleaseLink).where(ReleaseLink.release_id == release_id)):
                link.ended_at = link.ended_at or now
    make_checkpoint(platform.records, platform.log_signer, "release")
    return row


def confirm_deletion(
    platform: Platform, actor: Actor, provision_id: str, letter_sha256: str, confirmed_on: str
) -> Provision:
    """The recipient says in writing that its copies are gone. `confirmed_on` is the letter's day, Asia/Shanghai."""
    with refusals_recorded(platform.records, actor, RECALL, "provision", provision_id):
        get_visible(platform.records, actor, RECALL, Provision, provision_id)
        day = day_or_blank(confirmed_on)
        if not is_sha256(letter_sha256) or not day:
            raise CONFIRMATION_MALFORMED.error()
        said = {"letter_sha256": letter_sha256, "confirmed_on": day}
        act = Act(actor, "provision.deletion_confirmed", Object("provision", provision_id), decision=said)
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            row = session.get_one(Provision, provision_id)
            row.state = _next(row, ProvisionState.DELETED)
            _check_confirmed(day, row, shanghai_date(platform.clock()).isoformat())
            row.papers = {**row.papers, "deletion": said}
    return row


def _check_confirmed(day: str, recalled: Provision, today: str) -> None:
    """Nobody confirms before being asked: the letter is of the day of the recall or later, and not ahead."""
    recalled_on = (
        shanghai_date(datetime.fromisoformat(recalled.ended_at)).isoformat() if recalled.ended_at else today
    )
    if not recalled_on <= day <= today:
        raise CONFIRMED_ON_UNFIT.error(day=day, recalled_on=recalled_on, today=today)


def _moved(session: Session, platform: Platform, release_id: str, wanted: ReleaseState) -> OutputRelease:
    row = session.get_one(OutputRelease, release_id)
    row.state = check_transition(RELEASE, "release", release_id, ReleaseState(row.state), wanted)
    row.decided_at = as_text(platform.clock())
    return row


def _next(row: Provision, wanted: ProvisionState) -> ProvisionState:
    return check_transition(PROVISION, "provision", row.id, ProvisionState(row.state), wanted)
