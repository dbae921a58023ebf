"""Papers on file for a study's project, as a package tells of them: ethics approvals and data use agreements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING

from sqlmodel import col, select

from rwd_platform.compliance.instruments import ANY, Instrument
from rwd_platform.compliance.standing import AGREEMENT
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.instruments import ETHICS_APPROVAL, as_instrument
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import DataLockRecord, InstrumentRecord, Organisation, Study

if TYPE_CHECKING:
    from studies.evidence.papers import Paper, Papers


def papers_on_file(platform: Platform, study: Study, lock: DataLockRecord) -> Papers:
    """Papers of the two kinds that name the project and a hospital of the lock, also those that are over; as of the day
    of the lock.

    A paper that is recorded, replaced or revoked later makes another version of a package.
    """
    from studies.evidence.papers import Papers

    day = shanghai_date(datetime.fromisoformat(lock.made_at))
    rows = platform.records.all(
        select(InstrumentRecord)
        .where(col(InstrumentRecord.kind).in_([ETHICS_APPROVAL, AGREEMENT]))
        .order_by(
            col(InstrumentRecord.organisation_id), col(InstrumentRecord.number), col(InstrumentRecord.id)
        )
    )
    found = [one for one in map(as_instrument, rows) if {study.project_id, ANY} & one.scope.projects]
    told = _teller(platform, day)
    # A lock of before sites were told in its facts: then only what is on file for every site can be told.
    sites = frozenset(lock.manifest["content"]["facts"].get("sites", {}).values())
    return Papers(
        as_of=day.isoformat(),
        approvals=tuple(
            told(one) for one in found if one.kind == ETHICS_APPROVAL and {ANY, *sites} & one.scope.sites
        ),
        agreements=tuple(told(one) for one in found if one.kind == AGREEMENT and one.exporter in sites),
    )


def _teller(platform: Platform, day: date) -> Callable[[Instrument], Paper]:
    from studies.evidence.papers import Paper

    names: dict[str, Bilingual] = {}

    def name_of(id: str) -> Bilingual:
        if id not in names:
            row = platform.records.get(Organisation, id)
            names[id] = Bilingual(row.name_zh, row.name_en)
        return names[id]

    def told(one: Instrument) -> Paper:
        return Paper(
            number=one.number,
            organisation_id=one.exporter,
            name=name_of(one.exporter),
            effective_from=one.effective_from.isoformat(),
            valid_until=one.valid_until.isoformat() if one.valid_until else "",
            revoked_on=one.revoked_on.isoformat() if one.revoked_on else "",
            sites=tuple(sorted(one.scope.sites)),
            sha256=one.evidence_sha256,
            in_force=one.is_in_force(day),
        )

    return told
