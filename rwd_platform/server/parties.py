"""Legal entities for the pages: every organisation and registered recipient, and what is on record about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import col, select

from rwd_platform.core.text import Bilingual
from rwd_platform.flows import parties as flow
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_view import OPEN
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import (
    InstrumentRecord,
    LegalParty,
    Organisation,
    Provision,
    ReleaseCircle,
)

QUESTIONS: Mapping[str, Bilingual] = {
    "foreign_controlled": Bilingual("是否由境外控制", "Foreign-controlled"),
    "state_organ": Bilingual(
        "是否为国家机关或行使公共事务职能", "A state organ, or one that exercises public functions"
    ),
    "restricted": Bilingual(
        "是否在限制或者禁止提供个人信息的清单上（《个人信息保护法》第四十二条）",
        "On the list of parties that may not be given personal information (PIPL Art. 42)",
    ),
}
ANSWERS: Mapping[str, Bilingual] = {
    "yes": Bilingual("是", "Yes"),
    "no": Bilingual("否", "No"),
    "unknown": Bilingual("尚未核查", "Not checked"),
}


@dataclass(frozen=True)
class Entity:
    """One legal entity. `party` is None where nothing is on record; `unknown`: questions that nobody has checked."""

    id: str
    name: Bilingual
    kind: str  # of an organisation on record, or of a registered recipient
    party: LegalParty | None

    @property
    def unknown(self) -> tuple[str, ...]:
        if self.party is None:
            return tuple(QUESTIONS)
        return tuple(name for name in QUESTIONS if getattr(self.party, name) == "unknown")

    @property
    def is_checked(self) -> bool:
        return self.party is not None and not self.unknown


def entities(platform: Platform) -> list[Entity]:
    """Organisations and registered recipients: those that somebody has to check first, then by name."""
    known = {row.id: row for row in flow.parties(platform)}
    organisations = platform.records.all(select(Organisation).order_by(col(Organisation.id)))
    circles = platform.records.all(select(ReleaseCircle).order_by(col(ReleaseCircle.id)))
    everybody: list[Organisation | ReleaseCircle] = [*organisations, *circles]
    found = [
        Entity(row.id, Bilingual(row.name_zh, row.name_en), row.kind, known.get(row.id)) for row in everybody
    ]
    return sorted(
        found, key=lambda one: (one.is_checked, one.party is not None, one.name.en.casefold(), one.id)
    )


def entity(platform: Platform, id: str) -> Entity:
    found = next((one for one in entities(platform) if one.id == id), None)
    if found is None:
        raise NOT_FOUND.error(kind="legal_party", id=id if len(id) <= 80 and id.isprintable() else "?")
    return found


def to_check(platform: Platform) -> list[Entity]:
    """Those of whom something is not known and who matter now: registered recipients, holders of papers, and the two
    sides of what is open.
    """
    matter = {row.id for row in platform.records.all(select(ReleaseCircle))}
    matter |= {row.organisation_id for row in platform.records.all(select(InstrumentRecord))}
    for row in platform.records.all(select(Provision).where(col(Provision.state).in_(OPEN))):
        matter |= {row.organisation_id, row.recipient_id}
    return [one for one in entities(platform) if one.id in matter and not one.is_checked]
