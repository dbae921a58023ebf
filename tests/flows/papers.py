"""Papers and parties on record, so that tests about something else are not about what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import InstrumentRecord, LegalParty

SEEDER = Actor("seeder", "privacy", "org-operator")
EVERYTHING = ["*"]
DOMESTIC_DUTIES = ("impact_assessment", "notice_consent", "guardian_consent", "data_use_agreement")
SCENARIOS = ["medicine-1"]


def party(id: str, **differs: str) -> LegalParty:
    """A legal entity of the mainland, checked: neither foreign-controlled, nor a state organ, nor restricted."""
    stated = {
        "country": "CN", "foreign_controlled": "no", "state_organ": "no", "restricted": "no",
        "checked_on": "2026-01-05", "contact": "dpo@example.org", "group_name": "",
    } | differs  # fmt: skip
    return LegalParty(
        id=id,
        organisation_id="org-operator",
        recorded_by="seeder",
        recorded_at="2026-01-05T00:00:00.000000Z",
        **stated,
    )


def paper(kind: str, exporter: str = "org-operator", **differs: Any) -> InstrumentRecord:
    """A paper of that kind which covers everything of its exporter, from 2026 on and without end."""
    from rwd_platform.compliance.instruments import kind_of

    described = kind_of(kind)
    scope: dict[str, Any] = {name: EVERYTHING for name in described.scope if name != "persons"}
    if "scenarios" in scope:
        scope["scenarios"] = SCENARIOS
    if "persons" in described.scope:
        scope["persons"] = 1_000_000
    stated: dict[str, Any] = {
        "id": f"paper-{exporter}-{kind}", "number": f"No. {kind}", "version": 1,
        "answer": described.answers[0] if described.answers else "", "effective_from": "2026-01-01",
        "valid_until": "2028-12-31" if described.needs_end else "", "filed_on": "", "revoked_on": "", "scope": scope,
        "evidence_sha256": "ab" * 32 if described.needs_evidence else "", "note": "", "replaces": "",
        "recorded_by": "seeder", "recorded_at": "2026-01-05T00:00:00.000000Z",
    } | differs  # fmt: skip
    return InstrumentRecord(organisation_id=exporter, kind=kind, **stated)


def put_papers(platform: Platform, recipients: Iterable[str], exporter: str = "org-operator") -> None:
    """Who the parties are, impact assessment, notice and consent, the hospital's agreement, and that nothing is
    important data.
    """
    for id in {exporter, *recipients}:
        if platform.records.find(LegalParty, id) is None:
            _put(platform, party(id))
    important = paper("important_data_check", exporter, answer="no")
    for row in (important, *(paper(kind, exporter) for kind in DOMESTIC_DUTIES)):
        if platform.records.find(InstrumentRecord, row.id) is None:
            _put(platform, row)


def _put(platform: Platform, row: Any) -> None:
    platform.records.write(row, audit=Act(SEEDER, "seed.written", Object(str(row.__tablename__), row.id)))
