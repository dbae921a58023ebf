"""The free texts of a lock's subjects, found again in the files as received, and who is named in them.

A lock holds no text. Which lines are a subject's, the lake's ledger tells: accepted, still current, and
admitted before the lock. Names and numbers to look for come from every Patient, RelatedPerson and Practitioner
that the hospital ever sent: a former name or a rejected line identifies as well.

What leaves here holds patients' words and names. It stays in memory until flows/free_text.py has cleaned it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlmodel import col, select

from deidentify.account import DropCounter
from deidentify.dates import shift_days
from deidentify.free_text.detector import TextContext
from deidentify.free_text.elements import FoundText, named_beside, texts_in
from deidentify.free_text.seeds import Person, Roster
from deidentify.free_text.spelling import squashed
from deidentify.identifiers_cn import Registry, learn
from deidentify.identifiers_cn.hospital_numbers import OwnedNumber, identifier_values
from deidentify.linkage import link_persons
from deidentify.project import SUBJECT_KIND
from deidentify.pseudonym import Pseudonymiser
from ingestion.mapping import load_mapping
from rwd_platform.core import json_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.units import Resource
from rwd_platform.flows.admit_upload import units_of
from rwd_platform.flows.free_text import TEXT_KEY
from rwd_platform.flows.judging import lake_pseudonyms, owner_of
from rwd_platform.flows.key_versions import DATE, PROJECT
from rwd_platform.flows.ledger_map import person_map
from rwd_platform.flows.lock_rows import link_tokens
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.uploads import admitted_uploads, is_admitted
from rwd_platform.records.tables import AuditEntry, DataLockRecord, Upload
from rwd_platform.store.admission_guard import steady_lake
from rwd_platform.store.receipts import line_digest

_LEDGER_COLUMNS = ("organisation_id", "patient_id", "upload_id", "line_digest")

LOCK_OUTDATED = Problem(
    code="text.lock_outdated",
    zh="数据锁定 {lock} 中有 {count} 名受试者在研究数据库中已找不到（假名密钥已轮换、数据已删除，或锁定时未留对照）。",
    en="{count} subjects of lock {lock} cannot be found in the research store any more: pseudonyms were re-keyed, data "
    "erased, or the lock was made without the map of its subjects.",
    next_zh="请重新锁定数据（`rwd study lock`），再准备文本。",
    next_en="Lock the data again (`rwd study lock`), then prepare the texts.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class RawText:
    """A text as it was written, whose it is, and what to look for in it. Never printed, never stored.

    is_known -- whether the structured record names the patient: without a name no text is cleaned
    """

    line_digest: str
    resource_type: str
    found: FoundText = field(repr=False)
    context: TextContext = field(repr=False)
    is_known: bool


@dataclass(frozen=True)
class _Subject:
    id: str
    days: int = field(repr=False)  # how far the project moves this person's dates


@dataclass(frozen=True)
class _Wanted:
    """Who the lock's subjects are in the lake: of each place (organisation, patient_id), and of each line."""

    of_place: Mapping[tuple[str, str], _Subject]
    of_line: Mapping[str, _Subject]

    @property
    def organisations(self) -> list[str]:
        return sorted({organisation for organisation, _ in self.of_place})


Named = dict[str, tuple[str, Resource]]
"""Content -> (which record it is a version of, the resource as received): each content stands once."""


@dataclass
class _Hospital:
    """What one hospital's files say: texts with their subject, clinicians, and the forms of its numbers."""

    texts: list[tuple[_Subject, str, str, FoundText]] = field(default_factory=list)
    clinicians: Named = field(default_factory=dict)
    registry: Registry = field(default_factory=Registry)


@dataclass
class _People:
    """Who is named in a subject's structured record, at all hospitals."""

    patient: Named = field(default_factory=dict)
    others: Named = field(default_factory=dict)  # relatives, and who is named in the subject's resources


def raw_texts(platform: Platform, lock: DataLockRecord) -> Iterator[RawText]:
    """Every text of the lock's subjects. All files of their hospitals are read before the first one is given.

    Raises `text.lock_outdated`, and whatever opening a file raises: with one missing, names could be too.
    """
    wanted = _wanted(platform, lock)
    people: dict[str, _People] = defaultdict(_People)
    hospitals = {one: _read_hospital(platform, one, wanted, people) for one in wanted.organisations}
    key = platform.keys.derive(TEXT_KEY, lock.project_id, "surrogates")
    for hospital in hospitals.values():
        known: dict[str, tuple[TextContext, bool]] = {}
        for subject, digest, resource_type, found in hospital.texts:
            if subject.id not in known:
                own = people[subject.id]
                context = TextContext(
                    patient=subject.id,
                    project=lock.project_id,
                    key=key,
                    days=subject.days,
                    roster=_roster(
                        [*own.patient.values(), *own.others.values(), *hospital.clinicians.values()]
                    ),
                    registry=hospital.registry,
                    suite=platform.keys.suite,
                )
                is_named = any(person.names for person in _roster(own.patient.values()).people)
                known[subject.id] = (context, is_named)
            yield RawText(digest, resource_type, found, *known[subject.id])


def _roster(named: Iterable[tuple[str, Resource]]) -> Roster:
    """One entry a person. Versions of one record, and records that bear the same full name, are one person:

    otherwise 欧阳医生 would not be known for 欧阳岭南, because two entries claim the surname.
    """
    groups: list[list[Person]] = []
    home: dict[str, list[Person]] = {}  # a name, or a record -> its group
    for record, resource in named:
        for place, person in enumerate(Roster.from_fhir([resource]).people):
            # The contacts that stand in a record are other people than the record's own.
            # 王曉明 at one hospital and 王晓明 at another are one name.
            names = map(squashed, person.names)
            marks = [*names, *([f"record {record}"] if record and place == 0 else [])]
            group: list[Person] = []
            for other in [home[mark] for mark in marks if mark in home]:
                if other is not group:
                    group += other
                    marks += [mark for mark, of in home.items() if of is other]
                    other.clear()
            group.append(person)
            groups.append(group)
            home |= dict.fromkeys(marks, group)
    return Roster(tuple(_joined(str(number), group) for number, group in enumerate(groups) if group))


def _joined(subject: str, people: list[Person]) -> Person:
    def each(values: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(values))

    return Person(
        subject,
        each(name for one in people for name in one.names),
        each(number for one in people for number in one.numbers),
        each(address for one in people for address in one.addresses),
    )


# -- whose ---------------------------------------------------------------------------------------------


def _wanted(platform: Platform, lock: DataLockRecord) -> _Wanted:
    """The lock's subjects by the lake's names. One person's rows are brought together as the lock did it."""
    persons = person_map(platform, lock.id) or {}
    facts = lock.manifest["content"]["facts"]
    names = _project_names(platform, lock.project_id, facts["key_versions"][PROJECT])
    date_key = platform.keys.derive(DATE, lock.project_id, version=facts["key_versions"][DATE])
    with steady_lake(platform.layout, lambda upload: is_admitted(platform, upload)) as lake:
        patients = lake.read("patient")
        ledger = lake.read("resource", _LEDGER_COLUMNS)
    ledger = ledger.assign(own_id=ledger["patient_id"])
    ledger = link_persons({"patient": patients, "resource": ledger}, link_tokens(platform), DropCounter())[
        "resource"
    ]
    before = _admitted_before(platform, lock.made_at)
    subjects: dict[str, _Subject | None] = {}

    def subject_of(patient: str) -> _Subject | None:
        if patient not in subjects:
            id = names.token(SUBJECT_KIND, patient)
            days = shift_days(date_key, lock.project_id, patient, suite=platform.keys.suite)
            subjects[patient] = _Subject(id, days) if id in persons else None
        return subjects[patient]

    of_place: dict[tuple[str, str], _Subject] = {}
    of_line: dict[str, _Subject] = {}
    columns = (
        ledger[name] for name in ("organisation_id", "patient_id", "own_id", "upload_id", "line_digest")
    )
    for organisation, linked, own, upload, digest in zip(*columns, strict=True):
        # A link that came after the lock may have changed what the person is called now.
        subject = (subject_of(linked) or subject_of(own)) if own else None
        if subject is not None:
            of_place[organisation, own] = subject
            if upload in before:
                of_line[digest] = subject
    missing = persons.keys() - {subject.id for subject in of_place.values()}
    if missing or not persons:
        raise LOCK_OUTDATED.error(lock=lock.id, count=len(missing) or _subjects_of(lock))
    return _Wanted(of_place, of_line)


def _subjects_of(lock: DataLockRecord) -> int:
    """How many subjects the lock has, by the last step of its attrition."""
    steps = lock.manifest["content"]["facts"]["attrition"]
    return int(steps[-1]["remaining"]) if steps else 0


def _project_names(platform: Platform, project: str, version: int) -> Pseudonymiser:
    key = platform.keys.derive(PROJECT, project, version=version)
    return Pseudonymiser(key, project, version, platform.keys.suite)


def _admitted_before(platform: Platform, at: str) -> set[str]:
    """Uploads that were on record as admitted at that moment."""
    query = select(AuditEntry).where(AuditEntry.action == "upload.admitted", col(AuditEntry.at) <= at)
    return {entry.object_id for entry in platform.records.all(query)}


# -- reading -------------------------------------------------------------------------------------------


def _read_hospital(
    platform: Platform, organisation_id: str, wanted: _Wanted, people: dict[str, _People]
) -> _Hospital:
    hospital, numbers = _Hospital(), defaultdict[str, set[OwnedNumber]](set)
    for upload in admitted_uploads(platform, organisation_id):
        names = lake_pseudonyms(platform, upload)
        for digest, resource in _resources(platform, upload):
            for system, value in identifier_values(resource):
                numbers[system].add(value)
            kind = str(resource.get("resourceType"))
            if kind in ("Patient", "RelatedPerson", "Practitioner", "Person"):
                owner = wanted.of_place.get((organisation_id, owner_of(resource, names)))
                _note_person(hospital, people[owner.id] if owner else None, kind, organisation_id, resource)
            subject = wanted.of_line.get(digest)
            if subject is not None:
                for name in named_beside(resource):
                    somebody: Resource = {"resourceType": "Person", "name": [{"text": name}]}
                    people[subject.id].others[name] = ("", somebody)
                hospital.texts += [(subject, digest, kind, found) for found in texts_in(resource)]
    hospital.registry = learn(numbers)
    return hospital


def _note_person(
    hospital: _Hospital, people: _People | None, kind: str, organisation_id: str, resource: Resource
) -> None:
    """Keep a record where it is looked for: clinicians in all texts of the hospital, others in the subject's."""
    content, record = json_text.dumps(resource), f"{organisation_id} {kind} {resource.get('id', '')}"
    if kind in ("Practitioner", "Person"):
        hospital.clinicians[content] = (record, resource)
    elif people is not None and kind == "Patient":
        people.patient[content] = ("patient", resource)  # one person, at however many hospitals
    elif people is not None:
        people.others[content] = (record, resource)


def _resources(platform: Platform, upload: Upload) -> Iterator[tuple[str, Resource]]:
    """Each resource of an upload's files with the digest of its line, as admission computed it."""
    mapping = load_mapping(upload.mapping) if upload.mapping else None
    for file in files_of(platform, upload.id):
        if file.problem is None and not file.duplicate_of:
            key = platform.keys.derive("line-digest", upload.organisation_id, file.sha256)
            for unit in units_of(platform, file, mapping):
                if unit.resource is not None:
                    yield line_digest(key, unit.raw), unit.resource
