"""Who is meant by what a clerk typed, and which charts of the hospital are that person's.

A hospital's systems number their patients each for itself: one id may be two people, and one person may have
several charts. Charts of one hospital with the same linkage token are one person's: what freezes one of them
freezes all, and an erasure is of all. Of other hospitals only their number is told; nothing is done there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from deidentify.pseudonym import Pseudonymiser, parse_token
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import withdraw_problems as problems
from rwd_platform.flows.first_names import current_name
from rwd_platform.flows.key_versions import PSEUDONYM, current_version
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Organisation, PatientKey, PersonLink, Upload, VaultEntry

Place = tuple[str, str]
"""(organisation_id, lake pseudonym) of one chart."""

_AT_ONCE = 500


@dataclass(frozen=True)
class Chart:
    """One chart of a person; the systems that sent a Patient for it."""

    patient_id: str
    systems: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'+'.join(self.systems) or '?'} {self.patient_id}"


@dataclass(frozen=True)
class PersonCharts:
    """The charts of a person at one hospital, the one that was named first; at how many others there are some."""

    charts: tuple[Chart, ...]
    other_hospitals: int

    def check_seen(self, seen: int) -> None:
        """Nothing is done to several charts unless somebody has seen how many. Raises `withdrawal.charts_unseen`."""
        count = len(self.charts)
        if count > 1 and seen != count:
            listed = "; ".join(map(str, self.charts))
            raise problems.CHARTS_UNSEEN.error(count=count, charts=listed, others=self.other_hospitals)


# -- who is meant --------------------------------------------------------------------------------------


def find_patient(platform: Platform, organisation_id: str, named: str, source_system: str = "") -> str:
    """The lake pseudonym of a patient of this hospital.

    Raises `withdrawal.patient_unknown`, and `withdrawal.patient_ambiguous` where several source systems have the id.
    """
    platform.records.get(Organisation, organisation_id)
    found = {
        candidate: system
        for system, candidate in _candidates(platform, organisation_id, named.strip(), source_system.strip())
        if platform.records.find(PatientKey, (organisation_id, candidate)) is not None
    }
    if not found:
        raise problems.PATIENT_UNKNOWN.error()
    if len(found) > 1:
        raise problems.PATIENT_AMBIGUOUS.error(systems=", ".join(sorted(found.values())))
    return next(iter(found))


def _candidates(
    platform: Platform, organisation_id: str, named: str, source_system: str
) -> list[tuple[str, str]]:
    """(source system, pseudonym): a pseudonym as it was given, or what an id would be in each system."""
    if not named:
        return []
    try:
        parse_token(named)
        return [("", current_name(platform, organisation_id, named))]
    except PlatformError:
        pass
    version = current_version(platform.records, PSEUDONYM, organisation_id)
    key = platform.keys.derive(PSEUDONYM, organisation_id, version=version)
    sources = platform.records.all(select(Upload).where(Upload.organisation_id == organisation_id))
    systems = {one.source_system for one in sources if source_system in ("", one.source_system)}
    return [
        (system, Pseudonymiser(key, system, version, platform.keys.suite).token("Patient", named))
        for system in sorted(systems)
    ]


# -- all charts of a person ----------------------------------------------------------------------------


def every_chart(session: Session, places: Collection[Place]) -> frozenset[Place]:
    """These charts, and those of the same hospital with the same linkage token. Pseudonyms as they are now."""
    tokens = {(row.organisation_id, row.link_token) for row in _links_of(session, places)}
    linked = (
        (row.organisation_id, row.patient_id)
        for row in _with_tokens(session, {token for _, token in tokens})
        if (row.organisation_id, row.link_token) in tokens
    )
    return frozenset(places).union(linked)


def charts_of(platform: Platform, place: Place) -> PersonCharts:
    """What a clerk has to see before anything is asked for this person."""
    with platform.records.reading() as session:
        patients = [place[1], *sorted({patient for _, patient in every_chart(session, [place])} - {place[1]})]
        systems = session.exec(
            select(VaultEntry.patient_id, VaultEntry.source_system).where(
                VaultEntry.organisation_id == place[0], col(VaultEntry.patient_id).in_(patients)
            )
        ).all()
        tokens = {row.link_token for row in _links_of(session, [place])}
        others = {row.organisation_id for row in _with_tokens(session, tokens)} - {place[0]}
    charts = (
        Chart(patient, tuple(sorted({system for of, system in systems if of == patient})))
        for patient in patients
    )
    return PersonCharts(tuple(charts), len(others))


def _links_of(session: Session, places: Collection[Place]) -> Iterator[PersonLink]:
    wanted = set(places)
    for some in _batches({patient for _, patient in wanted}):
        for row in session.exec(select(PersonLink).where(col(PersonLink.patient_id).in_(some))):
            if (row.organisation_id, row.patient_id) in wanted:
                yield row


def _with_tokens(session: Session, tokens: Iterable[str]) -> Iterator[PersonLink]:
    for some in _batches(tokens):
        yield from session.exec(select(PersonLink).where(col(PersonLink.link_token).in_(some)))


def _batches(names: Iterable[str]) -> Iterator[Sequence[str]]:
    wanted = sorted(set(names))
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]
