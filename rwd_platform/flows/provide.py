"""Provisions of data: decided on the records, persons reserved, posted with the release, cancelled, recalled.

    decide_provisions    one answer for each exporter, whenever asked; what is allowed reserves its persons
    post_provisions      inside the release's own transaction: decided once more, and posted if every answer is ALLOW
    cancel_provisions    the release was refused: what was reserved is free again

The counters are of distinct persons, per exporter and calendar year in Asia/Shanghai. A reservation counts for
everybody else from the moment it is made, so that two releases below a threshold cannot both pass it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.compliance.rulepack import NATIONAL, RulePack
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_facts import (
    JUDICIAL_REQUEST,
    UNKNOWN,
    Asked,
    Evaluation,
    Genetics,
    evaluate,
    sealed_persons,
)
from rwd_platform.flows.provision_people import Share, shares_of
from rwd_platform.flows.review_anonymity import is_reviewed_as_anonymous
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import PROVISION, ProvisionState, check_transition
from rwd_platform.records.posting_hash import hash_of_facts, posting_in_the_log
from rwd_platform.records.tables import (
    AnalysisRun,
    DataLockRecord,
    EvidencePackage,
    OutputRelease,
    PersonPosting,
    Provision,
    Study,
)

RELEASE = "release"
FILE = "file"
_STATE_OF = {
    "ALLOW": ProvisionState.RESERVED,
    "HOLD": ProvisionState.HELD,
    "BLOCK": ProvisionState.BLOCKED,
}
_OPEN = (ProvisionState.HELD, ProvisionState.BLOCKED, ProvisionState.RESERVED)


PROVISION_HELD = Problem(
    code="release.provision_held",
    zh="发布 {release} 已批准，但今天还不能提供：{why_zh}。",
    en="Release {release} is approved, and may not go today: {why}.",
    next_zh="请由相应负责人补齐后再执行发布；批准继续有效。",
    next_en="Let whoever is named supply it and carry the release out again; the approvals stand.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Content:
    """What of a package the rules look at, read once: it does not change while a release is under way."""

    shares: Sequence[Share]
    fields: frozenset[str]
    core: bool
    minors: bool | None
    anonymised: bool
    genetics: Genetics | None


@dataclass(frozen=True)
class Leaving:
    """A release as the rules are asked about it: what is in it, to whom it goes, by which rules, and who asks."""

    platform: Platform
    actor: Actor
    asked: OutputRelease
    package: EvidencePackage
    content: Content
    pack: RulePack


def leaving(platform: Platform, actor: Actor, asked: OutputRelease) -> Leaving:
    """Reads the package, its lock and its protocol; seconds for a large one, so never inside a transaction."""
    package = platform.records.get(EvidencePackage, asked.package_id)
    return Leaving(platform, actor, asked, package, _content(platform, package), national_pack(platform))


def national_pack(platform: Platform) -> RulePack:
    """The national rules of today in China."""
    return pack_in_force(NATIONAL, shanghai_date(platform.clock()))


def decide_provisions(leaving: Leaving) -> list[Provision]:
    """Ask the rules about each exporter's part of a release. Each answer is one entry of the log, ALLOW or not."""
    made = [_decide_alone(leaving, share) for share in leaving.content.shares]
    make_checkpoint(leaving.platform.records, leaving.platform.log_signer, "transfer")
    return made


def post_provisions(session: Session, leaving: Leaving) -> list[Provision]:
    """Decide once more, now, and post: all of them where every answer is ALLOW, none otherwise.

    The caller's transaction carries the release, the postings and the entry, or nothing.
    """
    rows = [_decide(session, leaving, share) for share in leaving.content.shares]
    if all(row.verdict == "ALLOW" for row in rows):
        now = as_text(leaving.platform.clock())
        for row in rows:
            now_in = ProvisionState(row.state)
            row.state = check_transition(PROVISION, "provision", row.id, now_in, ProvisionState.POSTED)
            session.get_one(PersonPosting, row.id).posted_at = now
    return rows


def cancel_provisions(session: Session, platform: Platform, release_id: str, why: str) -> list[Provision]:
    """Nothing leaves by this release any more: persons that were reserved for it are free again."""
    rows = provisions_in(session, release_id)
    cancelled = [row for row in rows if row.state in _OPEN]
    for row in cancelled:
        row.state, row.year = ProvisionState.CANCELLED, 0
        row.ended_at, row.ended_why = as_text(platform.clock()), why
        _free(session, row.id)
    return cancelled


def provisions_in(session: Session, source_id: str) -> Sequence[Provision]:
    query = select(Provision).where(Provision.source_id == source_id)
    return session.exec(query.order_by(col(Provision.organisation_id))).all()


def provisions_of(platform: Platform, source_id: str) -> Sequence[Provision]:
    with platform.records.reading() as session:
        return provisions_in(session, source_id)


def provision_held(release_id: str, rows: Sequence[Provision], pack: RulePack) -> PlatformError:
    """Why a release stays: the first answer that is not ALLOW."""
    why = why_not(next(row for row in rows if row.verdict != "ALLOW").decision, pack)
    return PROVISION_HELD.error(release=release_id, why=why.en, why_zh=why.zh)


def why_not(decision: Mapping[str, Any], pack: RulePack) -> Bilingual:
    """What is missing, unknown or prohibited, in the pack's words and without a count.

    For readers of a release whom the exporter's ledger does not concern.
    """
    said = [UNKNOWN[one] for one in decision.get("unknown", ()) if one in UNKNOWN]
    undetermined = decision.get("personal_information_path") == "UNDETERMINED"
    if decision.get("missing"):
        duties = [pack.duties[one].sentence for one in decision["missing"] if one in pack.duties]
        lacking = Bilingual("缺少", "missing: ")
        said += [Bilingual(lacking.zh + one.zh, lacking.en + one.en) for one in duties[:1]] + duties[1:]
    elif undetermined or not decision.get("unknown"):
        known = {rule.id: rule.sentence for rule in pack.rules}
        said += [known[one] for one in decision.get("rules", ()) if one in known and "{" not in known[one].zh]
    return Bilingual("；".join(one.zh for one in said), "; ".join(one.en for one in said))


def logged(session: Session, rows: Sequence[Provision]) -> list[dict[str, Any]]:
    """What an entry says of provisions: answer, rules, pack, hash of the facts, and what pins the row and its posting
    (rwd_platform.audit.against_provisions); never a count of few.
    """
    return [
        {
            "provision": row.id,
            "source": row.source_id,
            "exporter": row.organisation_id,
            "recipient": row.recipient_id,
            "state": str(row.state),
            "year": row.year,
            "posting": _posting_logged(session, row.id),
            "facts_sha256": hash_of_facts(row),
            **{name: row.decision[name] for name in _IN_THE_LOG},
        }
        for row in rows
    ]


def _posting_logged(session: Session, provision_id: str) -> dict[str, Any] | None:
    posting = session.get(PersonPosting, provision_id)
    return None if posting is None else posting_in_the_log(posting)


_IN_THE_LOG = (
    "verdict",
    "personal_information_path",
    "genetic_resources_path",
    "rules",
    "missing",
    "unknown",
    "rule_pack",
)


# -- one exporter's part -----------------------------------------------------------------------------------------


def _decide_alone(leaving: Leaving, share: Share) -> Provision:
    """One exporter's answer, in a transaction of its own."""
    decided: list[Provision] = []

    def act() -> Act:  # it names what is made inside
        return _act(session, leaving.actor, decided[0])

    with leaving.platform.records.transaction(audit=act) as session:
        decided.append(_decide(session, leaving, share))
    return decided[0]


def _decide(session: Session, leaving: Leaving, share: Share) -> Provision:
    """The provision with its newest answer, its persons reserved where that is ALLOW and free where it is not."""
    platform, now = leaving.platform, leaving.platform.clock()
    found = {row.organisation_id: row for row in provisions_in(session, leaving.asked.id)}.get(share.exporter)
    row = found or _new(leaving, share, new_id("provision", now))
    on = shanghai_date(now)
    answer = evaluate(session, platform, leaving.pack, _question(leaving, share), on, row.id)
    wanted = _STATE_OF[answer.verdict]
    if found is not None:
        check_transition(PROVISION, "provision", row.id, ProvisionState(row.state), wanted)
    row.state, row.verdict, row.decided_at = wanted, answer.verdict, as_text(now)
    row.facts, row.decision, row.papers = dict(answer.facts), dict(answer.decision), dict(answer.papers)
    row.year = on.year if answer.counts and answer.verdict == "ALLOW" else 0
    _free(session, row.id)
    session.add(row)
    session.flush()  # the posting names the provision
    if answer.verdict == "ALLOW":
        session.add(_posting(platform, row, share, answer, as_text(now)))
        session.flush()  # what is counted next reads it
    return row


def _new(leaving: Leaving, share: Share, id: str) -> Provision:
    asked, package = leaving.asked, leaving.package
    return Provision(
        id=id, organisation_id=share.exporter, project_id=asked.project_id, package_id=package.id, source=RELEASE,
        source_id=asked.id, recipient_id=asked.circle, purpose=package.purpose, mode=FILE,
        state=ProvisionState.HELD, verdict="HOLD", year=0, facts={}, decision={}, papers={},
        asked_by=leaving.actor.id, decided_at="", ended_at="", ended_why="", salt=secrets.token_hex(16),
    )  # fmt: skip


def _question(leaving: Leaving, share: Share) -> Asked:
    content = leaving.content
    return Asked(
        exporter=share.exporter,
        recipient=leaving.asked.circle,
        purpose=leaving.package.purpose,
        mode=FILE,
        project=leaving.asked.project_id,
        persons=share.persons,
        sites=share.sites,
        fields=content.fields,
        core=content.core,
        minors=content.minors,
        anonymised=content.anonymised,
        genetics=content.genetics,
        judicial_request=str(leaving.asked.conditions.get(JUDICIAL_REQUEST, "")),
    )


def _posting(platform: Platform, row: Provision, share: Share, answer: Evaluation, at: str) -> PersonPosting:
    """Who it is about is kept also where it does not count: somebody may ask where their data went."""
    persons = share.persons
    posting = PersonPosting(
        provision_id=row.id,
        organisation_id=row.organisation_id,
        recipient_id=row.recipient_id,
        year=answer.on.year,
        crosses_border=answer.crosses_border,
        counted=answer.counts,
        general=len(persons.general),
        sensitive=len(persons.sensitive),
        sealed=b"",
        reserved_at=at,
        posted_at="",
    )
    posting.sealed = sealed_persons(platform, posting, persons)
    return posting


def _free(session: Session, provision_id: str) -> None:
    posting = session.get(PersonPosting, provision_id)
    if posting is not None:
        session.delete(posting)
        session.flush()


def _act(session: Session, actor: Actor, row: Provision) -> Act:
    return Act(
        actor,
        "transfer.decided",
        Object("provision", row.id, hash_of_facts(row)),
        purpose=row.purpose,
        outcome="done" if row.verdict == "ALLOW" else "refused",
        decision=logged(session, [row])[0],
    )


# -- what the package, the lock and the protocol say -------------------------------------------------------------


def _content(platform: Platform, package: EvidencePackage) -> Content:
    from deidentify.classification import load_catalogue

    run = platform.records.get(AnalysisRun, package.run_id)
    labels = _labels(platform.records.get(DataLockRecord, run.lock_id))
    files = [
        one
        for one in load_catalogue().labels
        if one.zone == "package" and one.column in (package.audience, "*")
    ]
    return Content(
        shares=shares_of(platform, package),
        fields=frozenset(one.category for one in files),
        core=labels.get("importance") == "core",
        minors=_minors(labels),
        anonymised=is_reviewed_as_anonymous(platform, package.id),
        genetics=_genetics(platform.records.get(Study, package.study_id)),
    )


def _labels(lock: DataLockRecord) -> dict[str, Any]:
    found = lock.manifest.get("content", {}).get("facts", {}).get("labels", {})
    return dict(found) if isinstance(found, dict) else {}


def _minors(labels: dict[str, Any]) -> bool | None:
    """Whether somebody is under 14; None where nobody can tell: no ages, unknown ones, or bands that begin below."""
    subjects = labels.get("subjects")
    if not subjects:
        return None
    if subjects["under_14"] and subjects["ages"] == "years":
        return True
    return None if subjects["under_14"] + subjects["age_unknown"] else False


def _genetics(study: Study) -> Genetics | None:
    from studies.protocol import load_protocol

    said = load_protocol(study.protocol).genetic_resources
    if said is None or not said.is_known:
        return None
    return Genetics(
        *(getattr(said, name) == "yes" for name in ("information", "material", "sequencing", "special"))
    )
