"""The officers' words on a release: whose vote counts, and what two approvals or one refusal do to it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from enum import StrEnum
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
from rwd_platform.flows.provision_facts import JUDICIAL_REQUEST
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import RELEASE, ReleaseState, check_transition
from rwd_platform.records.tables import AuditEntry, EvidencePackage, OutputRelease, ReleaseVote, User

MANIFEST = "manifest-sha256.txt"
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
WORD_UNKNOWN = Problem(
    code="release.word_unknown",
    zh="审批结论只能是：{words}。",
    en="A reviewer's word is one of: {words}.",
    next_zh="同意、退回修改或拒绝，三者择一。",
    next_en="Approve it, return it to be mended, or refuse it.",
    http=422,
)
OBJECTIONS_STAND = Problem(
    code="release.objections_stand",
    zh="对发布 {release} 中的文件提出了意见，就不能同时同意。",
    en="Release {release} cannot be approved while a file of it is objected to.",
    next_zh="请退回修改或拒绝；同意时，每个文件都应无意见。",
    next_en="Return or refuse it; whoever approves has found every file in order.",
    http=422,
    exit=Exit.REFUSED,
)
OBJECTION_MALFORMED = Problem(
    code="release.objection_malformed",
    zh="逐个文件的意见不可用：文件须在包内，意见不能为空，至多 {longest} 个字符。",
    en="An objection cannot be used: it names a file of the package and says something, {longest} characters at most.",
    next_zh="请从文件清单中选择，并写明问题。",
    next_en="Choose the file from the list and say what is wrong with it.",
    http=422,
)


class Word(StrEnum):
    """What a reviewer says of a release: it may go, it must be mended and asked for anew, or it must not go."""

    APPROVE = "approve"
    RETURN = "return"
    REFUSE = "refuse"


_DECIDES: Mapping[Word, ReleaseState] = {
    Word.APPROVE: ReleaseState.APPROVED,
    Word.RETURN: ReleaseState.RETURNED,
    Word.REFUSE: ReleaseState.REFUSED,
}


def vote(
    platform: Platform,
    actor: Actor,
    release_id: str,
    word: str,
    reason: str,
    objections: Mapping[str, str] | None = None,
) -> OutputRelease:
    """One officer's word, under an account of their own; nobody is shown it before two are in.

    objections -- by file of the package, what is wrong with it. Whoever approves has found every file in order.

    Two words decide: a refusal refuses, a return returns, two approvals approve. Until then the log says that a word
    was given and holds the word itself sealed; the entry that decides says who gave which.
    """
    with refusals_recorded(platform.records, actor, "release.approve", "output_release", release_id):
        return _vote(platform, actor, release_id, _word(word), reason.strip(), dict(objections or {}))


def _word(word: str) -> Word:
    try:
        return Word(word)
    except ValueError:
        raise WORD_UNKNOWN.error(words=" | ".join(Word)) from None


def _vote(
    platform: Platform, actor: Actor, release_id: str, word: Word, reason: str, objections: dict[str, str]
) -> OutputRelease:
    asked = get_visible(platform.records, actor, "release.approve", OutputRelease, release_id)
    if actor.id in involved_in(platform, asked):
        raise NOT_A_VOTER.error(release=release_id)
    check_reason(reason)
    _check_objections(platform, asked, word, objections)
    cast = ReleaseVote(
        release_id=release_id, approver_id=actor.id, organisation_id=actor.organisation,
        approved=word == Word.APPROVE, word=word, objections=objections, reason=reason,
        voted_at=as_text(platform.clock()),
    )  # fmt: skip
    said: list[Act] = []
    with platform.records.transaction(audit=lambda: said[0]) as session:
        check_account(session, actor, platform.clock)
        current = session.get_one(OutputRelease, release_id)
        votes = votes_in(session, release_id)
        _check_new_voter(platform, session, asked, actor, votes)
        session.add(cast)
        said.append(_decide(platform, session, actor, current, cast, votes))
    return platform.records.get(OutputRelease, release_id)


def _check_new_voter(
    platform: Platform, session: Session, asked: OutputRelease, actor: Actor, votes: Sequence[ReleaseVote]
) -> None:
    if any(one.approver_id == actor.id for one in votes):
        raise VOTED_ALREADY.error(release=asked.id)
    others = involved_in(platform, asked) | {one.approver_id for one in votes}
    if _person(session, actor.id) in {_person(session, one) for one in others}:
        raise SAME_PERSON.error(release=asked.id)


def _decide(
    platform: Platform,
    session: Session,
    actor: Actor,
    current: OutputRelease,
    cast: ReleaseVote,
    votes: Sequence[ReleaseVote],
) -> Act:
    """Keep the word, or let two of them decide. The act to put on record."""
    state = ReleaseState(current.state)
    if state != ReleaseState.REQUESTED:
        check_transition(RELEASE, "release", current.id, state, ReleaseState.APPROVED)
    held = _in_office(session, current, votes)
    sealed = {"word": cast.word, "reason": cast.reason, "objections": cast.objections}
    if len(held) + 1 < VOTES_NEEDED:
        return release_act(actor, "release.voted", current, detail=sealed)
    words = [*(word_of(one) for one in votes), Word(cast.word)]
    decisive = next(one for one in (Word.REFUSE, Word.RETURN, Word.APPROVE) if one in words)
    current.state = check_transition(RELEASE, "release", current.id, state, _DECIDES[decisive])
    current.decided_at = cast.voted_at
    if decisive != Word.APPROVE:
        cancel_provisions(session, platform, current.id, f"release {_DECIDES[decisive]}")
    named = [
        {"officer": one.approver_id, "word": word_of(one), "objections": len(one.objections)}
        for one in [*votes, cast]
    ]
    return release_act(
        actor,
        "release.approved"
        if decisive == Word.APPROVE
        else "release.returned"
        if decisive == Word.RETURN
        else "release.voted_down",
        current,
        reason=cast.reason,
        votes=named,
        detail=sealed,
    )


def word_of(cast: ReleaseVote) -> Word:
    """Votes from before there were three words said yes or no."""
    return Word(cast.word) if cast.word else Word.APPROVE if cast.approved else Word.REFUSE


def shown_to(asked: OutputRelease, votes: Sequence[ReleaseVote], reader: str) -> list[ReleaseVote]:
    """The votes that somebody may see: all once it is decided, before that their own."""
    decided = asked.state != ReleaseState.REQUESTED
    return [one for one in votes if decided or one.approver_id == reader]


def check_reason(reason: str) -> None:
    if len(reason) > LONGEST_REASON or not is_reason(reason):
        raise REASON_MISSING.error(letters=LETTERS, longest=LONGEST_REASON)
    if identifies(reason):
        raise REASON_IDENTIFIES.error()


def _check_objections(
    platform: Platform, asked: OutputRelease, word: Word, objections: Mapping[str, str]
) -> None:
    """Each is about a file that is there, and says something; with any of them nothing can be approved."""
    if not objections:
        return
    if word == Word.APPROVE:
        raise OBJECTIONS_STAND.error(release=asked.id)
    names = files_of(platform, platform.records.get(EvidencePackage, asked.package_id))
    for name, text in objections.items():
        if name not in names or not text.strip() or len(text) > LONGEST_REASON:
            raise OBJECTION_MALFORMED.error(longest=LONGEST_REASON)
        if identifies(text):
            raise REASON_IDENTIFIES.error()


def files_of(platform: Platform, package: EvidencePackage) -> Mapping[str, str]:
    """Each file of the package with its SHA-256, from its own manifest; nothing where the file is gone."""
    root = package.file_name.removesuffix(".zip")
    try:
        with zipfile.ZipFile(platform.layout.packages / package.file_name) as archive:
            text = archive.read(f"{root}/{MANIFEST}").decode("utf-8")
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return {}
    lines = (line.partition("  ") for line in text.splitlines())
    return {name: digest for digest, _, name in lines if name}


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
    return _in_office(session, asked, [cast for cast in votes if cast.approved])


def _in_office(session: Session, asked: OutputRelease, votes: Sequence[ReleaseVote]) -> list[str]:
    counted: dict[str, str] = {}
    for cast in votes:
        user = session.get(User, cast.approver_id)
        if user is None or user.disabled_at is not None:
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
    votes: Sequence[Mapping[str, Any]] = (),
    detail: Mapping[str, Any] | None = None,
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
            **{name: asked.conditions[name] for name in (JUDICIAL_REQUEST,) if name in asked.conditions},
            **({"provisions": list(provisions)} if provisions else {}),
            **({"votes": list(votes)} if votes else {}),
        },
        detail=detail,
    )
