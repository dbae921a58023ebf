"""What a package for a purpose needs beside its results: the profile, people's words, the lock's tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.core.canonical import sha256_hex, sha256_of
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.amended import seen_before_amending
from rwd_platform.flows.governance_papers import papers_on_file
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.statements import statements_of
from rwd_platform.flows.study import frozen_protocol
from rwd_platform.flows.validation import validation_of
from rwd_platform.flows.verification_rounds import returned_of
from rwd_platform.records.tables import AnalysisRun, DataLockRecord, FitnessAssessment, Study
from studies.evidence.recipient import LARGEST_CERTIFICATE as LARGEST_CERTIFICATE

if TYPE_CHECKING:
    from rwd_platform.store.lock import OpenedLock
    from studies.dataset import StudyDataset
    from studies.evidence.inputs import DossierInputs
    from studies.evidence.papers import Papers
    from studies.evidence.profiles.profile import Profile
    from studies.evidence.sample.rounds import Verified
    from studies.protocol import Protocol
    from studies.protocol_amendments import Seen

CHOICE_UNKNOWN = Problem(
    code="evidence.choice_unknown",
    zh="{what} 只能是：{allowed}。",
    en="{what} must be one of: {allowed}.",
    next_zh="请选择其中一项。",
    next_en="Choose one of them.",
)
CERTIFICATE_NEEDED = Problem(
    code="evidence.certificate_needed",
    zh="行级数据（T3）只能加密给接收方后装入证据包，但没有给出接收方的证书。",
    en="Rows (tier T3) go into a package only sealed to the recipient, and no certificate was given.",
    next_zh="请提供接收方的 RSA 证书（PEM），或选择不含行级数据的级别。",
    next_en="Give the recipient's RSA certificate (PEM), or choose a tier without rows.",
    http=422,
)
CERTIFICATE_FOR_NOTHING = Problem(
    code="evidence.certificate_for_nothing",
    zh="给出了接收方的证书，但所选级别 {tier} 没有要加密的行级数据。",
    en="A recipient's certificate was given, but the tier {tier} has no rows to seal.",
    next_zh="要附行级数据，请选择 T3；否则请不要给出证书。",
    next_en="Choose T3 to have rows in the package; otherwise give no certificate.",
    http=422,
)


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for.

    tier        -- of row data; "" for the usual one, without rows
    certificate -- as somebody gave it, until `choose` has read it; then the recipient's alone, PEM (T3)
    """

    purpose: str
    audience: str
    tier: str = ""
    certificate: str = ""


@dataclass(frozen=True)
class Chosen:
    """`wanted`, held against what there is: the profile and the tier that it comes to."""

    wanted: Wanted
    profile: Profile
    tier: str

    @property
    def certificate_sha256(self) -> str:
        return sha256_hex(self.wanted.certificate.encode()) if self.wanted.certificate else ""


@dataclass(frozen=True)
class Words:
    """What people wrote and what the programs' own tests certify, read once: a version is of what it is named by.

    statements -- the newest of each, by id
    fitness    -- the newest assessment on this protocol with the judgements in it; None: never assessed
    validation -- the newest certificate of the programs that run; None: none on record
    papers     -- ethics approvals and data use agreements on file for the project
    seen       -- of each text that the protocol amends: whether outcomes were open before, by the log
    returned   -- which sheets of source verification came back for the lock (verification_rounds.returned_of)
    """

    statements: dict[str, Bilingual]
    fitness: dict[str, Any] | None
    validation: dict[str, Any] | None
    papers: Papers
    seen: dict[str, Seen]
    returned: dict[str, Any] | None = None


def words_of(platform: Platform, study: Study, run: AnalysisRun) -> Words:
    return Words(
        statements_of(platform, study.id),
        _fitness(platform, study),
        validation_of(platform),
        papers_on_file(platform, study, platform.records.get(DataLockRecord, run.lock_id)),
        seen_before_amending(platform, study, frozen_protocol(platform, study)),
        returned_of(platform, run.lock_id),
    )


def choose(protocol: Protocol, wanted: Wanted, at: datetime) -> Chosen:
    """As `ordered`, for a study's protocol."""
    from studies.evidence.profiles.choice import product_of

    return ordered(product_of(protocol.exposure.records.table), wanted, at)


def ordered(product: str, wanted: Wanted, at: datetime) -> Chosen:
    """As `chosen_for`, with the certificate read: of what was given it alone is in what comes back.

    Called before anything is stored. Raises also `submission.private_key_given`, `submission.certificate_unreadable`,
    `submission.certificate_key_unfit`, and for one that is out of date at that instant `submission.certificate_expired`
    or `submission.certificate_not_yet_valid`.
    """
    from studies.evidence.recipient import PRIVATE_KEY_GIVEN, holds_private_key, read_recipient

    if holds_private_key(wanted.certificate):  # whatever else is wrong, that is what has to be known
        raise PRIVATE_KEY_GIVEN.error()
    chosen = chosen_for(product, wanted)
    if not wanted.certificate:
        return chosen
    recipient = read_recipient(wanted.certificate)
    recipient.check_in_date(at)
    return replace(chosen, wanted=replace(wanted, certificate=recipient.pem))


def chosen_for(product: str, wanted: Wanted) -> Chosen:
    """What is asked, held against what there is; nothing heavy is loaded.

    Raises `evidence.choice_unknown`, `evidence.product_unknown`, `evidence.audience_not_for`,
    `evidence.tier_not_for`, `evidence.certificate_needed`, `evidence.certificate_for_nothing`.
    """
    from studies.evidence.profiles.choice import check_audience_and_tier, profile_for, purposes, tier_names
    from studies.evidence.profiles.profile import AUDIENCES

    for what, value, allowed in (
        ("purpose", wanted.purpose, tuple(purposes())),
        ("audience", wanted.audience, AUDIENCES),
        ("rows", wanted.tier, ("", *tier_names())),
    ):
        if value not in allowed:
            raise CHOICE_UNKNOWN.error(what=what, allowed=", ".join(filter(None, allowed)))
    profile = profile_for(wanted.purpose, product)
    tier = check_audience_and_tier(profile, wanted.audience, wanted.tier)
    if tier == "T3" and not wanted.certificate:
        raise CERTIFICATE_NEEDED.error()
    if tier != "T3" and wanted.certificate:
        raise CERTIFICATE_FOR_NOTHING.error(tier=tier)
    return Chosen(wanted, profile, tier)


def basis_of(run: AnalysisRun, chosen: Chosen, words: Words) -> str:
    """SHA-256 of what makes one version of a package other than another: run, purpose, tier, recipient, words, and the
    programs that write it: a later release of the platform never writes over what an earlier one made.
    """
    from studies.evidence.code import program_sha256

    return sha256_of(
        {
            "run": run.id,
            "profile": chosen.profile.id,
            "audience": chosen.wanted.audience,
            "tier": chosen.tier,
            "sealed_to": chosen.certificate_sha256,
            "statements": {id: list(text) for id, text in words.statements.items()},
            "fitness": words.fitness,
            "program": program_sha256(),
            "validation": words.validation,
            "papers": asdict(words.papers),
            "seen": words.seen,
            "returned": words.returned,
        }
    )


def _fitness(platform: Platform, study: Study) -> dict[str, Any] | None:
    """Who gave the judgements and when stays in the records."""
    from quality.fitness import with_answers
    from rwd_platform.flows.fitness import answers_to

    found = platform.records.all(
        select(FitnessAssessment)
        .where(
            FitnessAssessment.study_id == study.id,
            FitnessAssessment.protocol_sha256 == study.protocol_sha256,
        )
        .order_by(col(FitnessAssessment.made_at).desc(), col(FitnessAssessment.id).desc())
        .limit(1)
    )
    if not found:
        return None
    document = with_answers(found[0].assessment, answers_to(platform, study))
    given = {"status", "text"}
    items = [
        {**one, "answer": one["answer"] and {key: one["answer"][key] for key in sorted(given)}}
        for one in document["items"]
    ]
    return {**document, "items": items}


def dossier_inputs(
    protocol: Protocol,
    lock: OpenedLock,
    dataset: StudyDataset,
    chosen: Chosen,
    words: Words,
    verified: Verified | None = None,
) -> DossierInputs:
    """`verified`: what the sheets that `words` names say of the lock's rows."""
    from studies.evidence.inputs import DossierInputs, Rows
    from studies.missingness import missingness
    from studies.tables import SUBJECT_TABLE, in_days

    days = in_days(lock.tables)
    return DossierInputs(
        profile=chosen.profile,
        tier=chosen.tier,
        statements=words.statements,
        tables=frozenset(name for name, frame in lock.tables.items() if len(frame)),
        missing=missingness(lock.tables, protocol),
        rows=Rows(dataset, days.get("device_use"), days.get(SUBJECT_TABLE)),
        certificate=chosen.wanted.certificate.encode() or None,
        fitness=words.fitness,
        validation=words.validation,
        papers=words.papers,
        seen=words.seen,
        verified=verified,
    )
