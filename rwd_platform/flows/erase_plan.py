"""What an erasure has to destroy, found before anything is destroyed, and kept sealed until it is done.

Once the first file is changed the rest could no longer be found; so a run that was cut off goes on by this
list. It holds pseudonyms, line digests and places, no value of the patient. home/erasures/<request>.plan
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
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
from rwd_platform.store.erasing import empty, patients_of, replace_whole
from rwd_platform.store.lake import Lake
from rwd_platform.store.layout import durable_folder, safe_name, sync_folder
from rwd_platform.store.line_owners import NOBODY
from rwd_platform.store.receipts import line_digest
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
    named_beside: int = 0  # of `units`, those of nobody in which the patient is named


@dataclass(frozen=True)
class Plan:
    """Everything that goes. Names: every lake pseudonym that the patient had; digests: of the patient's lines."""

    request_id: str
    organisation_id: str
    names: list[str]
    files: list[FileLines] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    lake_rows: dict[str, int] = field(default_factory=dict)
    locks: dict[str, list[str]] = field(default_factory=dict)  # lock id -> subject ids
    runs: list[str] = field(default_factory=list)


def plan_path(platform: Platform, request_id: str) -> Path:
    return platform.layout.home / ERASURES / f"{safe_name(request_id, 'request id')}.plan"


def make_plan(platform: Platform, row: ErasureRequest, progress: Progress) -> Plan:
    """Find everything and keep the list. The hospital's uploads may not change meanwhile."""
    names = list(names_of(platform, row.organisation_id, row.patient_id))
    plan = Plan(row.id, row.organisation_id, names)
    files, digests = _in_files(platform, plan, progress)
    locks = _standing_locks(platform)
    holding = locks_with(platform, row.organisation_id, names, locks)
    runs = [run.id for run in platform.records.all(select(AnalysisRun)) if run.lock_id in holding]
    plan = replace(
        plan,
        files=files,
        digests=digests,
        lake_rows=_in_lake(platform, plan),
        locks=holding,
        runs=sorted(runs),
    )
    _keep(platform, plan)
    return plan


def _standing_locks(platform: Platform) -> list[DataLockRecord]:
    """Locks whose files are there: one that an earlier erasure destroyed holds nobody."""
    gone = {one.lock_id for one in platform.records.all(select(LockNotice)) if one.kind == "erased"}
    return [lock for lock in platform.records.all(select(DataLockRecord)) if lock.id not in gone]


def _in_lake(platform: Platform, plan: Plan) -> dict[str, int]:
    lake = Lake(platform.layout)
    found = {}
    for table in lake.tables():
        rows = lake.read(table, ["organisation_id", "patient_id"])
        own = (rows["organisation_id"] == plan.organisation_id) & rows["patient_id"].isin(plan.names)
        found[table] = int(own.sum())
    return {table: count for table, count in found.items() if count}


# -- the patient's lines in the files as received ------------------------------------------------------


def dying_key(platform: Platform, organisation_id: str, names: list[str]) -> KeyLookup:
    """Finds keys for the erasure, which alone may still use the one that is out of use for everybody."""
    rows = [platform.records.find(PatientKey, (organisation_id, name)) for name in names]
    dying = {
        row.patient_id: DataKey(
            row.suite, unwrap(platform.keys, PatientKey(**{**row.model_dump(), "destroyed_at": ""}))
        )
        for row in rows
        if row is not None and row.wrapped
    }

    def find(organisation: str, patients: Collection[str]) -> Mapping[str, DataKey | None]:
        own = {
            name: key for name, key in dying.items() if organisation == organisation_id and name in patients
        }
        return {**platform.patient_keys.find(organisation, patients), **own}

    return find


def _in_files(platform: Platform, plan: Plan, progress: Progress) -> tuple[list[FileLines], list[str]]:
    identity = _identity(platform, plan)
    uploads = platform.records.all(select(Upload).where(Upload.organisation_id == plan.organisation_id))
    stored: dict[str, tuple[Upload, UploadFile]] = {}
    for upload in uploads:
        for file in files_of(platform, upload.id):
            if file.problem is None and not file.duplicate_of:
                stored[file.sha256] = (upload, file)
    found, digests = [], set[str]()
    for done, (upload, file) in enumerate(stored.values()):
        progress("search", done, len(stored))
        lines, own = _in_file(platform, plan, upload, file, identity)
        if lines is not None:
            found.append(lines)
            digests |= own
    return found, sorted(digests)


def _in_file(
    platform: Platform, plan: Plan, upload: Upload, file: UploadFile, identity: Identity | None
) -> tuple[FileLines | None, set[str]]:
    path = stored_path(platform, file)
    cut = path.suffix == ".seg"
    present = set(plan.names)
    if cut:
        present = set(patients_of(path, platform.keys, file.organisation_id, platform.patient_keys.find))
    key = platform.keys.derive("line-digest", upload.organisation_id, file.sha256)
    whose = _Whose(
        set(plan.names), lake_pseudonyms(platform, upload), cut and not present - {NOBODY, *plan.names}
    )
    lines, digests, own, others, beside = set[int](), set[str](), 0, 0, 0
    mapping = load_mapping(upload.mapping) if upload.mapping else None
    try:
        for unit in units_of(platform, file, mapping):
            is_own = whose.is_own(unit)
            is_beside = not is_own and whose.is_nobodys(unit) and names_somebody(unit.raw, identity)
            own, beside = own + is_own, beside + is_beside
            others += not (is_own or is_beside)
            if is_own or (is_beside and not cut):
                lines.add(unit.place.line)
                digests.add(line_digest(key, unit.raw))
    except PlatformError:
        pass  # the rest cannot be read: what was found up to there goes, or the file whole
    if not digests and not (cut and present & set(plan.names)) and not beside:
        return None, digests
    found = FileLines(upload.id, file.id, file.sha256, cut, sorted(lines), own, others, beside)
    return found, digests


class _Whose:
    """Whose a unit is, as admission and the segments have it."""

    def __init__(self, names: set[str], pseudonyms: Pseudonymiser, is_alone: bool) -> None:
        self._names, self._pseudonyms = names, pseudonyms
        self._is_alone = is_alone  # an unreadable line of a file about one patient is that patient's

    def is_own(self, unit: Unit) -> bool:
        if unit.resource is None:
            return self._is_alone
        return owner_of(unit.resource, self._pseudonyms) in self._names

    def is_nobodys(self, unit: Unit) -> bool:
        return unit.resource is None or not owner_of(unit.resource, self._pseudonyms)


def names_somebody(raw: bytes, identity: Identity | None) -> bool:
    """Whether a line that is about nobody refers to the patient, or bears one of the patient's numbers."""
    if identity is None:
        return False
    marks = [f'Patient/{identity.resource_id}"'] if identity.resource_id else []
    marks += [value for _, value in identity.identifiers if len(value) >= _FEWEST]
    return any(mark.encode() in raw for mark in marks)


def _identity(platform: Platform, plan: Plan) -> Identity | None:
    """Who it is, for this search alone; None where the vault has no entry that can be opened."""
    for name in plan.names:
        try:
            with platform.records.reading() as session:
                return open_entry(platform, session, plan.organisation_id, name)
        except PlatformError:
            continue
    return None


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
