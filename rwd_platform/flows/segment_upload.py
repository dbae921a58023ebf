"""After admission: the identified zone keeps a file by patient, each patient's lines under a key of their own.

Plain files of lines are cut: NDJSON, CSV and the like, and a document that is one resource. What cannot be
cut by lines stays one blob under the file's own key (raw_frame): compressed files, archives, Bundles, and a
file that could not be read. A line that cannot be read is the patient's if the file is about one alone. It
is safe to do again: a file that is kept by patient already is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deidentify.pseudonym import Pseudonymiser
from ingestion.containers import GZIP_MAGIC, ZIP_MAGICS
from ingestion.mapping import TableMapping, load_mapping
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.admit_upload import units_of
from rwd_platform.flows.judging import lake_pseudonyms, owner_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Upload, UploadFile
from rwd_platform.store.line_owners import NOBODY, LineOwners
from rwd_platform.store.segments import DataKey

Progress = Callable[[str, int, int], None]
_COMPRESSED = (GZIP_MAGIC, *ZIP_MAGICS)


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Nobody is watching."""


def segment_upload(platform: Platform, actor: Actor, upload_id: str, progress: Progress = _silent) -> int:
    """Keep the files of an admitted upload by patient. Returns how many were re-written.

    Raises `vault.key_destroyed` for a file that holds lines of a patient whose key was destroyed.
    """
    upload = platform.records.get(Upload, upload_id)
    mapping = load_mapping(upload.mapping) if upload.mapping else None
    pseudonyms = lake_pseudonyms(platform, upload)
    files = [file for file in files_of(platform, upload_id) if not file.duplicate_of]
    rewritten = 0
    for done, file in enumerate(files):
        progress("segments", done, len(files))
        if platform.landing.is_segmented(file.organisation_id, file.sha256):
            continue
        owners = _owners(platform, file, mapping, pseudonyms)
        if owners is not None:
            rewritten += _segment(platform, actor, file, owners)
    return rewritten


def _segment(platform: Platform, actor: Actor, file: UploadFile, owners: LineOwners) -> bool:
    """Keys on record, then the segments, then that it was done. Died in between, it is done again."""
    keys = _keys(platform, actor, file, owners)
    fresh = platform.landing.segment(file.organisation_id, file.sha256, owners, lambda _org, _ids: keys)
    act = Act(
        actor,
        "upload.file_segmented",
        Object("upload", file.upload_id, file.sha256),
        decision={"patients": len(owners.patients) - 1},
    )
    platform.records.record(act)
    return fresh


def _keys(platform: Platform, actor: Actor, file: UploadFile, owners: LineOwners) -> Mapping[str, DataKey]:
    """A key for everybody who has a line in the file: admission made those of accepted patients."""
    act = Act(actor, "patient_key.made", Object("upload", file.upload_id, file.sha256))
    with platform.records.transaction(audit=act) as session:
        return platform.patient_keys.ensure(session, file.organisation_id, owners.patients)


def _owners(
    platform: Platform, file: UploadFile, mapping: TableMapping | None, pseudonyms: Pseudonymiser
) -> LineOwners | None:
    """Whose each line is; None for a file that cannot be cut by lines."""
    if file.problem is not None or _is_compressed(platform, file):
        return None
    try:
        owners, unreadable = _read_owners(platform, file, mapping, pseudonyms, NOBODY)
        patients = owners.patients - {NOBODY}
        if unreadable and len(patients) == 1:
            owners, _ = _read_owners(platform, file, mapping, pseudonyms, patients.pop())
    except _NotByLines:
        return None
    except PlatformError:
        return None  # admission has said why it cannot be read; the blob stays as it is
    return owners


class _NotByLines(Exception):
    """A Bundle: its entries are several patients' within one line, or over many."""


def _read_owners(
    platform: Platform,
    file: UploadFile,
    mapping: TableMapping | None,
    pseudonyms: Pseudonymiser,
    of_the_unreadable: str,
) -> tuple[LineOwners, bool]:
    """Whose each line is, with those that are no resource given to `of_the_unreadable`; whether there are such."""
    owners, unreadable = LineOwners(), False
    for unit in units_of(platform, file, mapping):
        if unit.place.entry is not None:
            raise _NotByLines
        unreadable |= unit.resource is None
        owner = of_the_unreadable if unit.resource is None else owner_of(unit.resource, pseudonyms)
        owners.add(unit.place.line, unit.raw.count(b"\n") + 1, owner)
    return owners, unreadable


def _is_compressed(platform: Platform, file: UploadFile) -> bool:
    with platform.landing.open(file.organisation_id, file.sha256) as stream:
        return stream.read(4).startswith(_COMPRESSED)
