"""What an erasure has to destroy, found before anything is destroyed, and kept sealed until it is done.

Once the first file is changed the rest could no longer be found; so a run that was cut off goes on by this
list. It holds pseudonyms, line digests and places, no value of the patient. home/erasures/<request>.plan
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from sqlmodel import select

from deidentify.pseudonym import Pseudonymiser
from ingestion.mapping import load_mapping
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.units import Unit
from rwd_platform.flows.admit_upload import units_of
from rwd_platform.flows.erase_certificate import ERASURES
from rwd_platform.flows.erase_things import Own, Seen, Whose, find_things
from rwd_platform.flows.first_names import current_name
from rwd_platform.flows.judging import lake_pseudonyms, owner_of
from rwd_platform.flows.patient_keys import unwrap
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.vault import Identity, open_entry
from rwd_platform.flows.withdraw_notices import locks_with, names_of
from rwd_platform.records.tables import (
    AnalysisRun,
    DataLockRecord,
    ErasureRequest,
    LockNotice,
    PatientKey,
    Upload,
    UploadFile,
)
from rwd_platform.signing.suites import NONCE_BYTES
from rwd_platform.store.erasing import Resource, empty, patients_of, replace_whole
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import durable_folder, safe_name, sync_folder
from rwd_platform.store.line_owners import NOBODY
from rwd_platform.store.receipts import line_digest
from rwd_platform.store.replacing import RESOURCE_KEY
from rwd_platform.store.segments import DataKey, KeyLookup

_FEWEST = 6  # characters of a number that a line about nobody is searched for: shorter ones stand anywhere
Progress = Callable[[str, int, int], None]

PLAN_DAMAGED = Problem(
    code="erasure.plan_damaged",
    zh="删除任务 {request} 的工作清单缺失、已损坏，或不能用当前根密钥打开，删除已暂停，数据的使用仍处于冻结状态。",
    en="The work list of erasure {request} is missing, damaged, or cannot be opened with this root key. It has "
    "stopped, and use stays frozen.",
    next_zh="请从备份恢复 home/erasures 下的该文件，检查 RWD_ROOT_KEY_FILE，再点击“继续”。",
    next_en="Restore that file under home/erasures from a backup, check RWD_ROOT_KEY_FILE, and press resume.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class FileLines:
    """What of one stored file is the patient's.

    cut   -- kept by patient, so that the lines alone go; else the whole file goes, for it cannot be cut
    lines -- line numbers, from 1
    """

    upload_id: str
    file_id: str
    sha256: str
    cut: bool
    lines: list[int]
    units: int  # of the patient
    others: int  # units of other people in the file
    named_beside: int = 0  # units of nobody in which the patient is named
    things: int = 0  # of `units`, those of nobody that only the patient's rows name
    of_nobody: list[int] = field(default_factory=list)  # lines of things


@dataclass(frozen=True)
class Plan:
    """Everything that goes.

    names   -- every lake pseudonym that the patient had, under each chart that the request is of
    digests -- of the patient's lines
    unnamed -- (source system, type, id) of resources that are the patient's and have rows that name nobody
    """

    request_id: str
    organisation_id: str
    names: list[str]
    files: list[FileLines] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    lake_rows: dict[str, int] = field(default_factory=dict)
    locks: dict[str, list[str]] = field(default_factory=dict)  # lock id -> subject ids
    runs: list[str] = field(default_factory=list)
    unnamed: list[list[str]] = field(default_factory=list)


def plan_path(platform: Platform, request_id: str) -> Path:
    return platform.layout.home / ERASURES / f"{safe_name(request_id, 'request id')}.plan"


def make_plan(platform: Platform, row: ErasureRequest, progress: Progress) -> Plan:
    """Find everything and keep the list. The hospital's uploads may not change meanwhile."""
    plan = Plan(row.id, row.organisation_id, names_asked(platform, row))
    found = _in_files(platform, plan, progress)
    locks = _standing_locks(platform)
    holding = locks_with(platform, row.organisation_id, plan.names, locks)
    runs = [run.id for run in platform.records.all(select(AnalysisRun)) if run.lock_id in holding]
    lake_rows, unnamed = _in_lake(platform, plan, found)
    plan = replace(
        plan,
        files=[file for id, file in found.files.items() if id in found.concerned],
        digests=sorted(found.digests),
        lake_rows=lake_rows,
        locks=holding,
        runs=sorted(runs),
        unnamed=sorted(map(list, unnamed)),
    )
    _keep(platform, plan)
    return plan


def names_asked(platform: Platform, row: ErasureRequest) -> list[str]:
    """Every pseudonym of the charts that the request is of, the present one of the chart that was named first."""
    asked = [row.patient_id, *row.duties.get("charts", [])]
    charts = dict.fromkeys(current_name(platform, row.organisation_id, patient) for patient in asked)
    names = (name for chart in charts for name in names_of(platform, row.organisation_id, chart))
    return list(dict.fromkeys(names))


def _standing_locks(platform: Platform) -> list[DataLockRecord]:
    """Locks whose files are there: one that an earlier erasure destroyed holds nobody."""
    gone = {one.lock_id for one in platform.records.all(select(LockNotice)) if one.kind == "erased"}
    return [lock for lock in platform.records.all(select(DataLockRecord)) if lock.id not in gone]


def _in_lake(platform: Platform, plan: Plan, found: _Found) -> tuple[dict[str, int], set[Resource]]:
    """How many rows of each table go, and of which resources they are where a row does not say whose it is.

    A row of before its table told whose a device is has no patient; its line and its name tell it.
    """
    lake = Lake(platform.layout)
    counts, unnamed = {}, set[Resource]()
    for table in lake.tables():
        rows = lake.read(table, ["patient_id", "line_digest", *RESOURCE_KEY])
        rows = rows[rows["organisation_id"] == plan.organisation_id]
        of_nobody = rows[rows["patient_id"].fillna("").eq("") & rows["line_digest"].isin(found.digests)]
        keys = list(zip(*(of_nobody[name] for name in RESOURCE_KEY[1:]), strict=True))
        gone = [key for key in keys if key in found.resources]
        unnamed.update(gone)
        counts[table] = int(rows["patient_id"].isin(plan.names).sum()) + len(gone)
    return {table: count for table, count in counts.items() if count}, unnamed


# -- the patient's lines in the files as received ------------------------------------------------------


def dying_key(platform: Platform) -> KeyLookup:
    """Finds keys for an erasure, which alone may still use those that are out of use for everybody.

    Another erasure of the hospital may have been cut off: its patient's lines have to be counted past.
    """

    def find(organisation: str, patients: Collection[str]) -> Mapping[str, DataKey | None]:
        return {
            patient: key or _wrapped(platform, organisation, patient)
            for patient, key in platform.patient_keys.find(organisation, patients).items()
        }

    return find


def _wrapped(platform: Platform, organisation_id: str, patient_id: str) -> DataKey | None:
    """A key that is out of use and not yet gone."""
    row = platform.records.find(PatientKey, (organisation_id, patient_id))
    if row is None or not row.wrapped:
        return None
    return DataKey(row.suite, unwrap(platform.keys, PatientKey(**{**row.model_dump(), "destroyed_at": ""})))


@dataclass
class _Found:
    """What of the files as received is the patient's; `resources` as the lake names them, without the hospital."""

    files: dict[str, FileLines] = field(default_factory=dict)  # every file by its id
    concerned: set[str] = field(default_factory=set)  # those of which something goes
    digests: set[str] = field(default_factory=set)
    resources: set[Resource] = field(default_factory=set)
    own: Own = field(default_factory=Own)


def _in_files(platform: Platform, plan: Plan, progress: Progress) -> _Found:
    files = [_Stored.of(platform, plan, upload, file) for upload, file in _stored_files(platform, plan)]
    identities, found = _identities(platform, plan), _Found()
    for done, one in enumerate(files):
        progress("search", done, len(files))
        _add_file(platform, plan, one, identities, found)

    def look() -> Iterator[Seen]:
        for done, one in enumerate(files):
            progress("things", done, len(files))
            for unit in one.units(platform):
                can_go = unit.place.row is None  # a row of a table may be about others as well
                yield Seen(one.file.id, one.upload.source_system, unit, one.whose(unit), can_go)

    for thing in find_things(look, found.own):
        _add_thing(next(one for one in files if one.file.id == thing.file_id), thing, identities, found)
    return found


def _stored_files(platform: Platform, plan: Plan) -> list[tuple[Upload, UploadFile]]:
    uploads = platform.records.all(select(Upload).where(Upload.organisation_id == plan.organisation_id))
    stored: dict[str, tuple[Upload, UploadFile]] = {}
    for upload in uploads:
        for file in files_of(platform, upload.id):
            if file.problem is None and not file.duplicate_of:
                stored[file.sha256] = (upload, file)
    return list(stored.values())


@dataclass(frozen=True)
class _Stored:
    """One stored file. Whose a unit of it is, is said as admission and the segments have it.

    is_alone -- an unreadable line of a file about one patient is that patient's
    """

    upload: Upload
    file: UploadFile
    cut: bool
    present: frozenset[str]
    names: frozenset[str]
    pseudonyms: Pseudonymiser
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, platform: Platform, plan: Plan, upload: Upload, file: UploadFile) -> _Stored:
        path, names = stored_path(platform, file), frozenset(plan.names)
        cut, present = path.suffix == ".seg", names
        if cut:
            find = platform.patient_keys.find
            present = frozenset(patients_of(path, platform.keys, file.organisation_id, find))
        key = platform.keys.derive("line-digest", upload.organisation_id, file.sha256)
        return cls(upload, file, cut, present, names, lake_pseudonyms(platform, upload), key)

    def units(self, platform: Platform) -> Iterator[Unit]:
        mapping = load_mapping(self.upload.mapping) if self.upload.mapping else None
        return units_of(platform, self.file, mapping)

    def whose(self, unit: Unit) -> Whose:
        is_alone = self.cut and not self.present - {NOBODY} - self.names
        if unit.resource is None:
            return Whose.OWN if is_alone else Whose.NOBODYS
        owner = owner_of(unit.resource, self.pseudonyms)
        if owner in self.names:
            return Whose.OWN
        return Whose.OTHERS if owner else Whose.NOBODYS

    def digest(self, unit: Unit) -> str:
        return line_digest(self.key, unit.raw)

    def resource_of(self, unit: Unit) -> Iterator[Resource]:
        """How the lake names the resource of a unit, if it has one."""
        type, id = (str((unit.resource or {}).get(name, "")) for name in ("resourceType", "id"))
        if type and id:
            yield self.upload.source_system, type, self.pseudonyms.token(type, id)


def _add_file(
    platform: Platform, plan: Plan, stored: _Stored, identities: Sequence[Identity], found: _Found
) -> None:
    lines, own, others, beside = set[int](), 0, 0, 0
    try:
        for unit in stored.units(platform):
            whose = stored.whose(unit)
            is_own = whose is Whose.OWN
            is_beside = whose is Whose.NOBODYS and names_somebody(unit.raw, identities)
            own, beside = own + is_own, beside + is_beside
            others += not (is_own or is_beside)
            if is_own or (is_beside and not stored.cut):
                lines.add(unit.place.line)
                found.digests.add(stored.digest(unit))
            if is_own:
                found.resources.update(stored.resource_of(unit))
                found.own.add(stored.upload.source_system, unit.resource)
    except PlatformError:
        found.own.is_whole = (
            False  # the rest cannot be read: what was found up to there goes, or the file whole
        )
    if lines or beside or (stored.cut and stored.present & set(plan.names)):
        found.concerned.add(stored.file.id)
    file, numbers = stored.file, sorted(lines)
    found.files[file.id] = FileLines(
        stored.upload.id, file.id, file.sha256, stored.cut, numbers, own, others, beside
    )


def _add_thing(stored: _Stored, thing: Seen, identities: Sequence[Identity], found: _Found) -> None:
    """A line of nobody that goes: it is the patient's from here on."""
    unit, file = thing.unit, found.files[thing.file_id]
    gone = range(unit.place.line, unit.place.line + unit.raw.count(b"\n") + 1)
    beside = names_somebody(unit.raw, identities)
    found.files[thing.file_id] = replace(
        file,
        lines=sorted({*file.lines, unit.place.line}),
        units=file.units + 1,
        others=file.others - (not beside),
        named_beside=file.named_beside - beside,
        things=file.things + 1,
        of_nobody=sorted({*file.of_nobody, *gone}),
    )
    found.concerned.add(thing.file_id)
    found.digests.add(stored.digest(unit))
    found.resources.update(stored.resource_of(unit))


def names_somebody(raw: bytes, identities: Sequence[Identity]) -> bool:
    """Whether a line that is about nobody refers to the patient, or bears one of the patient's numbers."""
    marks = [f'Patient/{one.resource_id}"' for one in identities if one.resource_id]
    marks += [value for one in identities for _, value in one.identifiers if len(value) >= _FEWEST]
    return any(mark.encode() in raw for mark in marks)


def _identities(platform: Platform, plan: Plan) -> list[Identity]:
    """Who it is, for this search alone; of a chart whose vault entry cannot be opened nothing."""
    found = []
    for name in plan.names:
        try:
            with platform.records.reading() as session:
                found.append(open_entry(platform, session, plan.organisation_id, name))
        except PlatformError:
            continue
    return found


def stored_path(platform: Platform, file: UploadFile) -> Path:
    """Where the content lies: by patient if it could be cut, else as one blob."""
    folder = platform.layout.landing / safe_name(file.organisation_id, "organisation id") / file.sha256[:2]
    segments = folder / f"{file.sha256}.seg"
    return segments if segments.is_file() else folder / f"{file.sha256}.raw"


# -- the sealed list -----------------------------------------------------------------------------------


def _keep(platform: Platform, plan: Plan) -> None:
    path, nonce = plan_path(platform, plan.request_id), os.urandom(NONCE_BYTES)
    durable_folder(path.parent)
    key = platform.keys.derive(ERASURES, plan.request_id)
    plain = canonical_json(asdict(plan))
    replace_whole(path, nonce + platform.keys.ciphers.seal(key, nonce, plain, plan.request_id.encode()))


def kept_plan(platform: Platform, request_id: str) -> Plan | None:
    """The list of an erasure that was begun; None before it was made. Raises `erasure.plan_damaged`."""
    path = plan_path(platform, request_id)
    if not path.is_file():
        return None
    key, sealed = platform.keys.derive(ERASURES, request_id), path.read_bytes()
    try:
        plain = platform.keys.ciphers.open(
            key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], request_id.encode()
        )
    except InvalidTag:
        raise PLAN_DAMAGED.error(request=request_id) from None
    facts = json.loads(plain)
    return Plan(**{**facts, "files": [FileLines(**one) for one in facts["files"]]})


def drop_plan(platform: Platform, request_id: str) -> None:
    path = plan_path(platform, request_id)
    if path.is_file():
        empty(path)
        path.unlink()
        sync_folder(path.parent)
