"""Is this patient among the persons of a release? By what was posted, and by the lock's sealed map of its subjects.

A posting holds keys of persons and names nobody: it answers for one patient at a time, by computing the keys that the
patient would have. "Not in it" is said only where the map tells every subject of the release; otherwise it cannot be
told, whatever the reason.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlmodel import col, select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.ledger_map import person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_facts import opened_persons
from rwd_platform.flows.provision_people import person_key, subjects_of
from rwd_platform.flows.withdraw_charts import every_chart
from rwd_platform.flows.withdraw_notices import names_of
from rwd_platform.records.tables import (
    AnalysisRun,
    EvidencePackage,
    LockNotice,
    PatientKey,
    PersonLink,
    PersonPosting,
    Provision,
)

Why = Literal["included", "no_map", "unresolved", "erased", "damaged"]

_LONGEST_CHAIN = 1000  # of locks re-issued one after another


@dataclass(frozen=True)
class Lock:
    """What a lock's sealed map says of its subjects, and of the patient among them.

    subjects     -- None where the map is gone or was never there
    own, names   -- the subjects whose rows come from the patient's charts at this hospital; their names in a ledger
    lost_erased  -- the lock was re-issued, so that whoever was erased is not in the map any more
    is_damaged   -- the map is there and cannot be opened
    """

    subjects: frozenset[str] | None
    own: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    lost_erased: bool = False
    is_damaged: bool = False


@dataclass(frozen=True)
class Candidates:
    """Every name under which the patient may have been posted.

    names      -- lake pseudonyms, of all charts of the hospital, through all rotations
    of_charts  -- names of persons in a ledger that are of this hospital's charts alone
    of_person  -- linkage tokens: of the person, at whichever hospital
    is_erased  -- the data of one of the charts were erased
    """

    hospital: str
    names: frozenset[str]
    of_charts: frozenset[str]
    of_person: frozenset[str]
    is_erased: bool

    @property
    def places(self) -> frozenset[tuple[str, str]]:
        return frozenset((self.hospital, name) for name in self.names)


@dataclass(frozen=True)
class Answer:
    """`parts`: the provisions that hold the patient, or of which it cannot be told."""

    certainty: Why
    parts: tuple[Provision, ...]


def candidates(platform: Platform, hospital: str, patient_id: str) -> Candidates:
    with platform.records.reading() as session:
        charts = {patient for _, patient in every_chart(session, [(hospital, patient_id)])}
        own = (PersonLink.organisation_id == hospital, col(PersonLink.patient_id).in_(charts))
        tokens = session.exec(select(PersonLink.link_token).where(*own)).all()
        erased = session.exec(
            select(PatientKey.patient_id).where(
                PatientKey.organisation_id == hospital,
                col(PatientKey.patient_id).in_(charts),
                PatientKey.destroyed_at != "",
            )
        ).first()
    names = frozenset(name for chart in charts for name in names_of(platform, hospital, chart))
    return Candidates(
        hospital=hospital,
        names=names,
        of_charts=frozenset(f"{hospital}|{name}" for name in names),
        of_person=frozenset(tokens),
        is_erased=erased is not None,
    )


class Search:
    """One patient looked for in many releases. What several of them rest on is read once."""

    def __init__(self, platform: Platform, who: Candidates) -> None:
        self._platform, self._who = platform, who
        self._locks: dict[str, Lock] = {}
        self._runs: dict[str, AnalysisRun] = {}
        self._subjects: dict[str, frozenset[str] | None] = {}
        self._keys: dict[tuple[str, frozenset[str]], list[bytes]] = {}

    def told_by(self, package: EvidencePackage, parts: Sequence[Provision]) -> Answer | None:
        """What is known about the patient and a release of the package; None: the patient is certainly not in it."""
        if not parts:
            return self._without_postings(package)
        # What other hospitals provide is of their own patients.
        mine = {self._who.hospital, self._platform.settings.operator, package.organisation_id}
        words = [(self._in_part(package, part), part) for part in parts if part.organisation_id in mine]
        found = tuple(part for word, part in words if word == "included")
        if found:
            return Answer("included", found)
        doubts = [(word, part) for word, part in words if word is not None]
        return Answer(doubts[0][0], tuple(part for _, part in doubts)) if doubts else None

    def _in_part(self, package: EvidencePackage, part: Provision) -> Why | None:
        """Of one exporter's part: in it, not in it (None), or why that cannot be told."""
        posting = self._platform.records.find(PersonPosting, part.id)
        try:
            persons = opened_persons(self._platform, posting) if posting else None
        except PlatformError:
            persons = None
        if persons is None:
            return "damaged"
        if not persons.size:
            return None  # about nobody
        who, lock = self._who, self._lock(package)
        # A hospital's own part holds its own charts alone. In the operator's part a linkage token may stand for the
        # chart of another hospital, of which this one is not told: there the map has to say whose it is.
        known = who.of_charts | lock.names
        if part.organisation_id == who.hospital:
            known |= who.of_person
        if persons.holds_any(self._keys_of(part.organisation_id, known)):
            return "included"
        return self._unless_certain(package, lock)

    def _unless_certain(self, package: EvidencePackage, lock: Lock) -> Why | None:
        """Of a patient who was not found: None where that is certain."""
        if lock.subjects is None:
            return "damaged" if lock.is_damaged else "no_map"
        if self._who.is_erased and lock.lost_erased:
            return "erased"
        behind = self._behind(package)
        return None if behind is not None and behind <= lock.subjects else "unresolved"

    def _without_postings(self, package: EvidencePackage) -> Answer | None:
        """A release of before there were postings: by the subjects whom it is about, as far as they are kept."""
        lock = self._lock(package)
        if lock.own:
            try:
                subjects = subjects_of(self._platform, package, self._run(package), lock.own)
            except PlatformError:
                return Answer("damaged", ())
            if subjects & lock.own:
                return Answer("included", ())
        doubt = self._unless_certain(package, lock)
        return Answer(doubt, ()) if doubt else None

    # -- what is read once ---------------------------------------------------------------------------------------

    def _run(self, package: EvidencePackage) -> AnalysisRun:
        if package.run_id not in self._runs:
            self._runs[package.run_id] = self._platform.records.get(AnalysisRun, package.run_id)
        return self._runs[package.run_id]

    def _lock(self, package: EvidencePackage) -> Lock:
        lock_id = self._run(package).lock_id
        if lock_id not in self._locks:
            self._locks[lock_id] = _opened(self._platform, lock_id, self._who)
        return self._locks[lock_id]

    def _behind(self, package: EvidencePackage) -> frozenset[str] | None:
        """Everybody whom the run's results are about; None where the list cannot be read."""
        if package.run_id not in self._subjects:
            path = self._platform.layout.results / package.run_id / "row_sets.json"
            try:
                kept = json.loads(path.read_bytes())
                found = frozenset(one for members in kept.values() for one in members)
            except (OSError, ValueError, TypeError, AttributeError):
                found = None
            self._subjects[package.run_id] = found
        return self._subjects[package.run_id]

    def _keys_of(self, exporter: str, names: frozenset[str]) -> list[bytes]:
        if (exporter, names) not in self._keys:
            made = [person_key(self._platform, exporter, f"person|{name}") for name in sorted(names)]
            self._keys[exporter, names] = made
        return self._keys[exporter, names]


def _opened(platform: Platform, lock_id: str, who: Candidates) -> Lock:
    """Of a lock that was re-issued at an erasure, the map of the newest: everybody else is the same subject there."""
    reissued = False
    for _ in range(_LONGEST_CHAIN):
        after = select(LockNotice).where(LockNotice.lock_id == lock_id, LockNotice.reissued_as != "")
        notices = platform.records.all(after)
        if not notices:
            break
        lock_id, reissued = notices[0].reissued_as, True
    try:
        persons = person_map(platform, lock_id)
    except PlatformError:
        return Lock(None, lost_erased=reissued, is_damaged=True)
    if persons is None:
        return Lock(None, lost_erased=reissued)
    places = who.places
    own = {subject: one for subject, one in persons.items() if not places.isdisjoint(one.places)}
    names = frozenset(one.ledger_id for one in own.values())
    return Lock(frozenset(persons), frozenset(own), names, lost_erased=reissued)
