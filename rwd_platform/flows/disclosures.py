"""Where one patient's data went: every release that has left, asked of the log and of the persons that were posted.

For the hospital that knows the patient, when the patient asks (PIPL 44, 45), and for privacy officers. The answer
rests on what was posted when a release left; nothing is kept of the question but that it was asked, under a keyed
reference of the patient. Where it cannot be told any more whether the patient is in a release, it says so: such a
release is never left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TypeVar

from sqlmodel import SQLModel, col, select

from rwd_platform.access.permissions import Action, check_may, visible_organisation
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.audit.query import decode
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import withdraw_problems
from rwd_platform.flows.disclosure_persons import Candidates, Search, candidates
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ledger import circle_name
from rwd_platform.flows.withdraw_charts import charts_of, find_patient
from rwd_platform.flows.withdraw_notices import names_of
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import ProvisionState, ReleaseState
from rwd_platform.records.records import is_storable
from rwd_platform.records.tables import (
    AuditEntry,
    EvidencePackage,
    InstrumentRecord,
    Organisation,
    OutputRelease,
    Provision,
    ReleaseLink,
)

READ = "disclosure.read"
REFERENCE = "disclosure-patient"
LONGEST = 200
_REFERENCE_BYTES = 16
_AT_ONCE = 500
_LEFT = (ReleaseState.RELEASED, ReleaseState.RECALLED)
_PROVIDED = (ProvisionState.POSTED, ProvisionState.RECALLED, ProvisionState.DELETED)
_RELEASED = "release.released"
_DOWNLOADS = ("release.downloaded", "package.downloaded")

Row = TypeVar("Row", bound=SQLModel)


class Certainty(StrEnum):
    """Whether the patient is among the persons of a release."""

    INCLUDED = "included"
    NO_MAP = "no_map"  # who the subjects were is not known any more
    UNRESOLVED = "unresolved"  # some persons of the release never could be resolved
    ERASED = "erased"  # the patient's data were erased, and with them the names by which one could look
    DAMAGED = "damaged"  # the persons on record cannot be opened

    @property
    def is_told(self) -> bool:
        return self is Certainty.INCLUDED


WHY_UNTOLD: Mapping[str, Bilingual] = {
    Certainty.NO_MAP: Bilingual(
        "该次发布所用数据锁定的受试者对照表已不存在。",
        "The map of its lock's subjects is not there any more.",
    ),
    Certainty.UNRESOLVED: Bilingual(
        "该次发布中有人无法对应到具体患者。", "Some of the persons in it cannot be resolved to a patient."
    ),
    Certainty.ERASED: Bilingual(
        "该患者的数据已按申请删除，可供比对的名称一并销毁；该次发布所用的数据锁定曾含被删除者。",
        "The patient's data were erased, and the names to look by with them; its lock held somebody who was erased.",
    ),
    Certainty.DAMAGED: Bilingual(
        "该次发布的人员记录缺失、已损坏或被更改。",
        "The record of its persons is missing, damaged or was changed.",
    ),
}


@dataclass(frozen=True)
class Logged:
    """The entry that recorded a release: its place in the log, its leaf hash (hex) and its instant."""

    sequence: int
    leaf_hash: str
    at: str


@dataclass(frozen=True)
class Paper:
    """A paper on file that the provision rested on."""

    id: str
    kind: str
    number: str


@dataclass(frozen=True)
class Disclosure:
    """One release that has left, and whether it was about the patient.

    exporters    -- who provided the patient's data; where it cannot be told, whose part may have held them
    recipient    -- "" where it cannot be told, and the exporter is not the one who asks
    audience     -- `aggregate`: results of many persons; anything else: rows
    logged       -- None where the log has no such entry
    downloads    -- instants of what the recipient downloaded, in order
    deleted_on   -- the day on which the recipient confirmed that every copy is gone; "" while one did not
    """

    certainty: Certainty
    release_id: str
    package_id: str
    package_sha256: str
    audience: str
    recipient: str
    purpose: str
    left_at: str
    exporters: tuple[str, ...]
    papers: tuple[Paper, ...]
    logged: Logged | None
    downloads: tuple[str, ...]
    recalled_at: str
    deleted_on: str


@dataclass(frozen=True)
class Disclosures:
    """What became of one patient's data, the newest first.

    patient    -- a keyed reference; the same for the same patient, and nobody's number
    by_number  -- whether the hospital itself asked, by its own number for the patient
    charts, other_hospitals -- of the person: all charts of this hospital were looked for, and none of others
    """

    hospital: str
    patient: str
    by_number: bool
    charts: int
    other_hospitals: int
    releases: tuple[Disclosure, ...]

    @property
    def told(self) -> tuple[Disclosure, ...]:
        return tuple(one for one in self.releases if one.certainty.is_told)

    @property
    def untold(self) -> tuple[Disclosure, ...]:
        return tuple(one for one in self.releases if not one.certainty.is_told)


def disclosures_of(
    platform: Platform,
    actor: Actor,
    hospital: str,
    patient_number: str,
    source_system: str = "",
    *,
    form: str = "list",
) -> Disclosures:
    """Every release that has left and was about this patient of the hospital, or of which that cannot be told.

    patient_number -- the patient's id at the hospital, or the lake's pseudonym; kept nowhere
    form           -- as what it is read, for the log: `list` or `fhir`

    A patient of another hospital is as unknown as one whom nobody ever sent: `withdrawal.patient_unknown`. Raises
    also `withdrawal.patient_ambiguous` and what permissions refuse; each refusal is in the log, without the number.
    """
    with refusals_recorded(platform.records, actor, Action.DISCLOSURE_READ, "patient", ""):
        own = visible_organisation(actor, Action.DISCLOSURE_READ)
        fits = all(
            len(one) <= LONGEST and one.isprintable() for one in (patient_number, source_system, hospital)
        )
        if not fits or not is_storable(hospital) or (own is not None and hospital not in ("", own)):
            raise withdraw_problems.PATIENT_UNKNOWN.error()
        asked = own if own is not None else hospital
        if platform.records.find(Organisation, asked) is None:
            raise withdraw_problems.PATIENT_UNKNOWN.error()
        patient_id = find_patient(platform, asked, patient_number, source_system)
        who = candidates(platform, asked, patient_id)
        charts = charts_of(platform, (asked, patient_id))
        releases = _releases(platform, who, sees_all=own is None)
        reference = reference_of(platform, asked, patient_id)
    act = Act(actor, READ, Object("patient", reference), purpose=form, decision={"hospital": asked})
    platform.records.record(act)
    by_number = own is not None and patient_number.strip() not in who.names
    return Disclosures(
        asked, reference, by_number, len(charts.charts), charts.other_hospitals, tuple(releases)
    )  # fmt: skip


def check_may_look(actor: Actor) -> str | None:
    """The hospital that the actor may ask about; None for any. Raises 403."""
    check_may(actor, Action.DISCLOSURE_READ)
    return visible_organisation(actor, Action.DISCLOSURE_READ)


def reference_of(platform: Platform, hospital: str, patient_id: str) -> str:
    """Names the patient in the log and in files without saying who it is; a rotation of pseudonyms keeps it."""
    first = names_of(platform, hospital, patient_id)[-1]
    key = platform.keys.derive(REFERENCE, hospital)
    return f"patient-{platform.keys.ciphers.mac(key, first.encode())[:_REFERENCE_BYTES].hex()}"


# -- release by release ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    release: OutputRelease
    package: EvidencePackage
    certainty: Certainty
    parts: Sequence[Provision]


def _releases(platform: Platform, who: Candidates, *, sees_all: bool) -> Iterable[Disclosure]:
    """Those about the patient and those of which it cannot be told, the newest first."""
    left = platform.records.all(
        select(OutputRelease)
        .where(col(OutputRelease.state).in_(_LEFT))
        .order_by(col(OutputRelease.decided_at).desc(), col(OutputRelease.id))
    )
    packages = {one.id: one for one in _rows(platform, EvidencePackage, {row.package_id for row in left})}
    provided, search = _provisions(platform), Search(platform, who)
    found = []
    for release in left:
        package = packages[release.package_id]
        answer = search.told_by(package, provided.get(release.id, ()))
        if answer is not None:
            found.append(_Found(release, package, Certainty(answer.certainty), answer.parts))
    return _described(platform, who, found, sees_all=sees_all)


def _provisions(platform: Platform) -> Mapping[str, Sequence[Provision]]:
    rows = platform.records.all(
        select(Provision)
        .where(Provision.source == "release", col(Provision.state).in_(_PROVIDED))
        .order_by(col(Provision.organisation_id))
    )
    by_release: dict[str, list[Provision]] = defaultdict(list)
    for row in rows:
        by_release[row.source_id].append(row)
    return by_release


def _described(
    platform: Platform, who: Candidates, found: Sequence[_Found], *, sees_all: bool
) -> list[Disclosure]:
    """With what the log, the links and the papers say of each."""
    logged = _logged(platform, {one.release.id for one in found})
    downloads = _downloads(platform, [one.release for one in found])
    papers = _papers(platform, [part for one in found for part in one.parts])
    return [
        _disclosure(
            one,
            logged.get(one.release.id),
            downloads.get(one.release.id, ()),
            papers,
            shows=one.certainty.is_told or sees_all or who.hospital in _exporters(one.parts),
        )
        for one in found
    ]


def _disclosure(
    found: _Found,
    logged: Logged | None,
    downloads: Sequence[str],
    papers: Mapping[str, Paper],
    *,
    shows: bool,
) -> Disclosure:
    """Where it `shows` nothing, the release may be other hospitals' alone: that it left is all that is said."""
    release, package, parts = found.release, found.package, found.parts
    recalled = release.decided_at if release.state == ReleaseState.RECALLED else ""
    return Disclosure(
        certainty=found.certainty,
        release_id=release.id,
        package_id=package.id if shows else "",
        package_sha256=release.content_sha256 if shows else "",
        audience=package.audience if shows else "",
        recipient=release.circle if shows else "",
        purpose=package.purpose if shows else "",
        left_at=logged.at if logged else "" if recalled else release.decided_at,
        exporters=_exporters(parts) if shows else (),
        papers=tuple(papers[id] for id in _resting_on(parts) if id in papers) if shows else (),
        logged=logged,
        downloads=tuple(downloads) if shows else (),
        recalled_at=recalled,
        deleted_on=_deleted_on(parts),
    )


def _exporters(parts: Sequence[Provision]) -> tuple[str, ...]:
    return tuple(part.organisation_id for part in parts)


def _deleted_on(parts: Sequence[Provision]) -> str:
    """The last of the days that the letters name; "" unless there is one for every part."""
    days = [str(part.papers.get("deletion", {}).get("confirmed_on", "")) for part in parts]
    return max(days) if days and all(days) else ""


def _resting_on(parts: Sequence[Provision]) -> list[str]:
    return sorted({str(id) for part in parts for id in part.papers.get("rests_on", {}).values()})


def _papers(platform: Platform, parts: Sequence[Provision]) -> dict[str, Paper]:
    rows = _rows(platform, InstrumentRecord, set(_resting_on(parts)))
    return {row.id: Paper(row.id, row.kind, row.number) for row in rows}


# -- what the log says -------------------------------------------------------------------------------------------


def _logged(platform: Platform, release_ids: set[str]) -> dict[str, Logged]:
    """By release, the entry that says that it left: as hashed, not as the columns beside it say."""
    lines = (decode(row) for row in _entries(platform, release_ids, (_RELEASED,)))
    return {
        line.object_id: Logged(line.sequence, line.leaf_hash, line.at)
        for line in lines
        if line.outcome == "done" and line.object_type == "release"
    }


def _downloads(platform: Platform, releases: Sequence[OutputRelease]) -> Mapping[str, Sequence[str]]:
    """By release, when its recipient downloaded it: by a link, or logged in as the organisation it went to."""
    ids = {one.id for one in releases}
    links = {
        row.id: row.release_id for row in platform.records.all(select(ReleaseLink)) if row.release_id in ids
    }
    by_package: dict[str, list[OutputRelease]] = defaultdict(list)
    for one in releases:
        by_package[one.package_id].append(one)
    found: dict[str, list[str]] = defaultdict(list)
    for row in _entries(platform, {*links, *by_package}, _DOWNLOADS):
        line = decode(row)
        if line.outcome != "done":
            continue
        if line.object_type == "release_link" and line.object_id in links:
            found[links[line.object_id]].append(line.at)
        elif line.object_type == "package":
            taker = circle_name(line.organisation_id)
            for one in by_package.get(line.object_id, ()):
                if one.circle == taker and one.content_sha256 == line.object_version:
                    found[one.id].append(line.at)
    return {id: sorted(instants) for id, instants in found.items()}


def _entries(platform: Platform, object_ids: set[str], actions: Sequence[str]) -> Iterable[AuditEntry]:
    for some in _batches(object_ids):
        yield from platform.records.all(
            select(AuditEntry)
            .where(col(AuditEntry.object_id).in_(some), col(AuditEntry.action).in_(actions))
            .order_by(col(AuditEntry.sequence))
        )


def _rows(platform: Platform, table: type[Row], ids: set[str]) -> Iterable[Row]:
    for some in _batches(ids):
        yield from platform.records.all(select(table).where(col(table.id).in_(some)))  # type: ignore[attr-defined]  # these tables have one


def _batches(ids: set[str]) -> Iterable[list[str]]:
    wanted = sorted(ids)
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]


def as_facts(answer: Disclosures) -> dict[str, object]:
    """For JSON: ids and instants, the patient by the keyed reference."""
    return {
        "hospital": answer.hospital,
        "patient": answer.patient,
        "charts": answer.charts,
        "other_hospitals": answer.other_hospitals,
        "disclosures": len(answer.told),
        "cannot_be_told": len(answer.untold),
        "releases": [asdict(one) for one in answer.releases],
    }
