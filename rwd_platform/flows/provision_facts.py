"""The facts of a provision, out of the records: nobody types them in, and what nobody checked is unknown.

`evaluate` puts them to the rules. It reads inside the caller's transaction, so that what was counted is what is posted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlmodel import Session, col, select

from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.person_sets import Counted, PersonSet, count
from rwd_platform.compliance.rulepack import RulePack
from rwd_platform.compliance.series import adopted_scenarios
from rwd_platform.compliance.standing import (
    AGREEMENT,
    Agreements,
    Standing,
    Wanted,
    agreements,
    is_abroad,
    standing,
)
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.instruments import papers_of
from rwd_platform.flows.parties import party_in
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ledger import PUBLIC
from rwd_platform.flows.sealed import opened_bytes, sealed_bytes
from rwd_platform.records.lifecycles import ProvisionState
from rwd_platform.records.tables import LegalParty, PersonPosting, Provision

POSTING = "provision-posting"
JUDICIAL_REQUEST = "foreign_judicial_request"  # of a release's conditions: yes | no
_HEAD = b"rwd-persons 1 "
# Rules whose persons count towards the year: exempt provisions under Arts 4, 5(1)-(3) and 6 are not added.
_COUNTED_BY = frozenset({"M1", "M3", "M7", "M8", "M9", "M10", "M11"})
# What has left is counted for good, also when it was asked back.
_HOLDING = frozenset(
    {ProvisionState.RESERVED, ProvisionState.POSTED, ProvisionState.RECALLED, ProvisionState.DELETED}
)

POSTING_DAMAGED = Problem(
    code="provision.posting_damaged",
    zh="提供 {id} 的人员台账已损坏或被更改，不能计数。",
    en="The persons of provision {id} are damaged or were changed and cannot be counted.",
    next_zh="请运行 `rwd audit verify`，并从备份恢复数据库；在此之前该提供方不能再提供数据。",
    next_en="Run `rwd audit verify` and restore the database from a backup; until then nothing can be provided.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)

UNKNOWN: Mapping[str, Bilingual] = {
    "recipient": Bilingual("接收方的主体情况尚未登记", "the recipient's legal status is not on record"),
    "recipient.restricted": Bilingual(
        "接收方是否在限制清单上尚未核查", "whether the recipient is on the restricted list was not checked"
    ),
    "recipient.foreign_controlled": Bilingual(
        "接收方是否由境外控制尚未核查", "whether the recipient is foreign-controlled was not checked"
    ),
    "exporter": Bilingual("提供方的主体情况尚未登记", "the exporter's legal status is not on record"),
    "exporter.state_organ": Bilingual(
        "提供方是否为国家机关尚未核查", "whether the exporter is a state organ was not checked"
    ),
    "exporter.foreign_controlled": Bilingual(
        "提供方是否由境外控制尚未核查", "whether the exporter is foreign-controlled was not checked"
    ),
    "genetic_resources": Bilingual(
        "方案没有写明是否涉及人类遗传资源",
        "the protocol does not say whether human genetic resources are involved",
    ),
    JUDICIAL_REQUEST: Bilingual(
        "申请发布时没有回答是否应外国司法或者执法机构的请求提供（请撤回后重新申请并作答）",
        "the request does not say whether it answers a foreign judicial or law-enforcement body (withdraw it, and ask"
        " again with the answer)",
    ),
    AGREEMENT: Bilingual(
        "数据使用协议未在案，或不覆盖本次用途、数据类别、项目或接收方",
        "no data use agreement is on file that covers this purpose, class of data, project and recipient",
    ),
}


@dataclass(frozen=True)
class Genetics:
    """What the frozen protocol says about human genetic resources in the study."""

    information: bool = False
    material: bool = False
    sequenced: bool = False
    special: bool = False  # key pedigrees, people of special regions, or what else must be declared


@dataclass(frozen=True)
class Asked:
    """One exporter's part of what is to be provided. `genetics` is None where the protocol is silent.

    judicial_request -- whether it answers a foreign judicial or law-enforcement body: yes, no, "" if nobody said
    """

    exporter: str
    recipient: str
    purpose: str
    mode: str
    project: str
    persons: PersonSet
    sites: frozenset[str]
    fields: frozenset[str]
    core: bool
    minors: bool | None
    anonymised: bool
    genetics: Genetics | None
    judicial_request: str = ""


@dataclass(frozen=True)
class Evaluation:
    """The answer of the rules to the records. `decision` has the fields of `rwd transfer decide`, and `unknown`."""

    on: date
    crosses_border: bool
    counts: bool
    facts: Mapping[str, Any]
    decision: Mapping[str, Any]
    papers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return str(self.decision["verdict"])


def evaluate(
    session: Session, platform: Platform, pack: RulePack, asked: Asked, on: date, provision_id: str
) -> Evaluation:
    """The facts as the records have them at this moment, and the decision; `provision_id` itself is not counted."""
    giver, taker = party_in(session, asked.exporter), _recipient(session, asked.recipient)
    persons = PersonSet.of() if asked.anonymised else asked.persons
    year = counted_in(session, asked.exporter, on.year, provision_id)
    sets = [opened_persons(platform, one) for one in year]
    to_recipient = {place for place, one in enumerate(year) if one.recipient_id == asked.recipient}
    counted = count(persons, sets, to_recipient)
    wanted = Wanted(
        on, asked.exporter, asked.recipient, asked.purpose, asked.project, asked.fields, asked.sites,
        counted.in_marked, asked.minors, adopted_scenarios(on),
    )  # fmt: skip
    agreed = _agreed(session, wanted)
    unknown = tuple(_unknown(asked, giver, taker))
    abroad = taker is not None and is_abroad(taker.country)
    if unknown or giver is None or taker is None:
        lacking = (AGREEMENT,) if agreed.lacking else ()
        return Evaluation(on, abroad, False, {}, _undetermined(pack, (*unknown, *lacking)))
    papers = papers_of(session, asked.exporter)
    case = _case(asked, giver, taker, counted, on)
    path = decide(_with(case, standing(papers, wanted)), pack).personal_information_path
    held = standing(papers, wanted, path)
    facts = _with(case, held)
    decision = decide(facts, pack)
    counts = abroad and persons.size > 0 and not _COUNTED_BY.isdisjoint(decision.rules)
    answer = {**decision.as_record(), "unknown": []}
    if agreed.lacking and decision.verdict != "BLOCK":
        answer = _without_agreement(pack, answer)
    return Evaluation(on, abroad, counts, facts, answer, _papers(held, agreed))


def _agreed(session: Session, wanted: Wanted) -> Agreements:
    """The hospitals' own agreements, also where somebody else exports what they sent."""
    return agreements([one for site in sorted(wanted.sites) for one in papers_of(session, site)], wanted)


# -- the facts ---------------------------------------------------------------------------------------------------


def _recipient(session: Session, id: str) -> LegalParty | None:
    """What is public goes to everybody, abroad too, and to nobody by name."""
    if id != PUBLIC:
        return party_in(session, id)
    return LegalParty(
        id=PUBLIC, organisation_id="", country="ZZ", foreign_controlled="yes", state_organ="no", restricted="no",
        checked_on="", contact="", recorded_by="", recorded_at="",
    )  # fmt: skip


def _unknown(asked: Asked, giver: LegalParty | None, taker: LegalParty | None) -> Iterable[str]:
    """What nobody checked and the rules would need. Inside China the exporter's kind decides nothing."""
    if taker is None:
        yield "recipient"
        return
    abroad = is_abroad(taker.country)
    if giver is None:
        yield "exporter"
    if asked.genetics is None and (abroad or taker.foreign_controlled != "no"):
        yield "genetic_resources"
    if abroad and asked.judicial_request not in ("yes", "no"):
        yield JUDICIAL_REQUEST
    if abroad and taker.restricted == "unknown":
        yield "recipient.restricted"
    if giver is not None and abroad and giver.state_organ == "unknown":
        yield "exporter.state_organ"
    if asked.genetics is not None and (asked.genetics.information or asked.genetics.material):
        if not abroad and taker.foreign_controlled == "unknown":
            yield "recipient.foreign_controlled"
        if giver is not None and giver.foreign_controlled == "unknown":
            yield "exporter.foreign_controlled"


def _case(
    asked: Asked, giver: LegalParty, taker: LegalParty, counted: Counted, on: date
) -> dict[str, dict[str, Any]]:
    """What the records answer besides papers."""
    abroad, genetics = is_abroad(taker.country), asked.genetics or Genetics()
    everybody = counted.transfer_general + counted.transfer_sensitive
    return {
        "": {"on": on.isoformat(), "crosses_border": abroad},
        **counted.ranges,
        "exporter": {
            "state_organ": giver.state_organ == "yes",
            "foreign_controlled": giver.foreign_controlled == "yes",
        },
        "recipient": {
            "foreign_or_foreign_controlled": abroad or taker.foreign_controlled == "yes",
            "restricted_list": taker.restricted == "yes",
        },
        "data": {
            "anonymised_and_reviewed": asked.anonymised,
            "core_or_secret": asked.core,
            "overseas_origin_only": False,
            "human_genetic_information": genetics.information and not asked.anonymised,
            "key_pedigree_or_special_region": genetics.special,
            "exome_genome_persons": everybody if genetics.sequenced else 0,
            "genetic_material": asked.mode == "sample_shipment",
        },
        "foreign_judicial_request": {"is": asked.judicial_request == "yes"},
    }


def _with(case: Mapping[str, Mapping[str, Any]], held: Standing) -> dict[str, Any]:
    """The whole case: each section's answers from the records and from the papers."""
    sections = {*case, *held.facts} - {""}
    together = {name: {**case.get(name, {}), **held.facts.get(name, {})} for name in sorted(sections)}
    return {**case[""], **together}


def _papers(held: Standing, agreed: Agreements) -> dict[str, Any]:
    fell_short = [
        {"instrument": one.instrument, "kind": one.kind, "dimensions": list(one.dimensions)}
        for one in (*held.shortfalls, *agreed.shortfalls)
    ]
    of_hospitals = {f"{AGREEMENT}.{site}": id for site, id in agreed.papers.items()}
    return {"rests_on": {**held.papers, **of_hospitals}, "fell_short": fell_short}


def _without_agreement(pack: RulePack, answer: Mapping[str, Any]) -> dict[str, Any]:
    """On hold by our own rule, beside the pack's answer, which is said too: what else is missing is not news later."""
    held, why = pack.verdicts["HOLD"], UNKNOWN[AGREEMENT]
    return {
        **answer,
        "verdict": "HOLD",
        "unknown": [AGREEMENT],
        "zh": f"{held.zh}：{why.zh}。按国家规则：{answer['zh']}",
        "en": f"{held.en}: {why.en}. By the national rules: {answer['en']}",
    }


def _undetermined(pack: RulePack, unknown: Sequence[str]) -> dict[str, Any]:
    """On hold: a status that the rules need was not checked."""
    zh = "；".join(UNKNOWN[one].zh for one in unknown)
    en = "; ".join(UNKNOWN[one].en for one in unknown)
    held, path = pack.verdicts["HOLD"], pack.personal_information_paths["UNDETERMINED"]
    return {
        "personal_information_path": "UNDETERMINED",
        "genetic_resources_path": "NONE",
        "verdict": "HOLD",
        "missing": [],
        "rules": [],
        "unknown": list(unknown),
        "rule_pack": {"id": pack.id, "version": pack.version, "sha256": pack.sha256},
        "zh": f"{held.zh}；个人信息路径：{path.zh}。理由：{zh}。{pack.disclaimer.zh}",
        "en": f"{held.en}; personal information: {path.en}. Why: {en}. {pack.disclaimer.en}",
        "advisories": [],
    }


# -- the ledger of the year --------------------------------------------------------------------------------------


def counted_in(session: Session, exporter: str, year: int, but: str = "") -> Sequence[PersonPosting]:
    """What is reserved or posted abroad and counts, in a fixed order; without the provision `but`.

    Nobody is counted less because a row is gone or says otherwise. A provision with a year has a posting that counts
    in it, and a posting of the year has its provision. Raises `provision.posting_damaged` for the first that has not.
    """
    of_year = (col(PersonPosting.organisation_id) == exporter) & (col(PersonPosting.year) == year)
    postings = {one.provision_id: one for one in session.exec(select(PersonPosting).where(of_year))}
    own = (col(Provision.organisation_id) == exporter) & (col(Provision.year) == year)
    posted = col(Provision.id).in_(select(PersonPosting.provision_id).where(of_year))
    provisions = {one.id: one for one in session.exec(select(Provision).where(own | posted))}
    ids = sorted({*provisions, *postings} - {but})
    for id in ids:
        if not _agree(provisions.get(id), postings.get(id)):
            raise POSTING_DAMAGED.error(id=id)
    return [postings[id] for id in ids if postings[id].counted]


def _agree(row: Provision | None, posting: PersonPosting | None) -> bool:
    """Whether the ledger's row is what its provision says."""
    if row is None or posting is None:
        return False
    same = (posting.organisation_id, posting.recipient_id) == (row.organisation_id, row.recipient_id)
    abroad = (row.facts.get("crosses_border") is True) == posting.crosses_border
    return row.state in _HOLDING and same and abroad and row.year == (posting.year if posting.counted else 0)


def sealed_persons(platform: Platform, row: PersonPosting, persons: PersonSet) -> bytes:
    """The persons of a posting, bound to what the row says of them beside their numbers."""
    return sealed_bytes(platform, _HEAD, (POSTING, _bound(row)), persons.to_bytes())


def opened_persons(platform: Platform, row: PersonPosting) -> PersonSet:
    """Nothing stored is believed: what does not open, or is not as many as the row says, is not counted as less."""
    plain = opened_bytes(platform, _HEAD, (POSTING, _bound(row)), row.sealed)
    try:
        found = PersonSet.from_bytes(plain or b"")
    except ValueError:
        raise POSTING_DAMAGED.error(id=row.provision_id) from None
    if (len(found.general), len(found.sensitive)) != (row.general, row.sensitive):
        raise POSTING_DAMAGED.error(id=row.provision_id)
    return found


def _bound(row: PersonPosting) -> str:
    """A column that was edited opens nothing any more."""
    said = (
        row.provision_id, row.organisation_id, row.recipient_id, row.year, bool(row.counted), bool(row.crosses_border)
    )  # fmt: skip
    return canonical_json(list(said)).decode()
