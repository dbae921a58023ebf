"""Admit: validate every resource, leave the identifiers behind, and put what is left into the lake.

One pass over the files as received. What was not accepted is on record with its place and reason;
received = accepted + rejected + quarantined + duplicate, per file. Doing it again gives the same
state, so a worker that dies half-way loses nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from sqlmodel import Session, SQLModel, col, select

from ingestion.intake import read_units
from ingestion.mapping import TableMapping, load_mapping
from ingestion.views import load_views
from rwd_platform.core.accounting import Accounting, Outcome
from rwd_platform.core.canonical import sha256_file
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.core.units import Unit
from rwd_platform.flows.admission import FileFindings, Judged, lake_rows, place_fields, settle
from rwd_platform.flows.judging import LAKE_POLICY, Judge
from rwd_platform.flows.leases import LeaseLostError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.uploads import is_admitted
from rwd_platform.flows.vault import Sighting, put_in_vault
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import UPLOAD, UploadState, check_transition
from rwd_platform.records.tables import DroppedElement, UnitIssue, Upload, UploadFile
from rwd_platform.store.admission_guard import all_tables_or_none, one_admission
from rwd_platform.store.lake import Lake
from rwd_platform.store.receipts import ReceiptLine, line_digest, write_receipt

Progress = Callable[[str, int, int], None]  # stage, done, total (0 when unknown)
_REPORT_EVERY = 500


OVERTAKEN = Problem(
    code="upload.overtaken",
    zh="上传 {upload} 之后，同一来源系统的上传 {newer} 已经入库，旧内容不能再覆盖它。",
    en="Upload {newer} of the same source system was admitted after {upload}; older content may not replace it.",
    next_zh="如仍需要这些数据，请作为新的上传重新发送。",
    next_en="If these data are still needed, send them again as a new upload.",
    http=409,
    exit=Exit.REFUSED,
)


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Nobody is watching."""


def admit_upload(
    platform: Platform, actor: Actor, upload_id: str, progress: Progress = _silent
) -> Accounting:
    """Take a received upload into the lake. Returns the upload's account.

    Uploads of one source system go one after the other, in the order in which they were received.
    """
    upload = platform.records.get(Upload, upload_id)
    with one_admission(platform.layout, upload.organisation_id, upload.source_system):
        try:
            upload = _begin(platform, actor, upload_id)
            files = files_of(platform, upload_id)
            findings = _judge_files(platform, upload, files, progress)
            settle(findings, _known(Lake(platform.layout), upload))
            progress("store", 0, 0)
            with all_tables_or_none(platform.layout, upload_id, lambda id: is_admitted(platform, id)):
                _store(Lake(platform.layout), upload, findings)
                return _put_on_record(platform, actor, upload, files, findings)
        except PlatformError as problem:
            _note_failure(platform, actor, upload_id, problem.code)
            raise
        except LeaseLostError:
            raise  # another worker goes on with this upload: nothing failed
        except Exception as error:
            _note_failure(platform, actor, upload_id, type(error).__name__)
            raise


def _begin(platform: Platform, actor: Actor, upload_id: str) -> Upload:
    with platform.records.transaction(
        audit=Act(actor, "upload.admission_started", Object("upload", upload_id))
    ) as session:
        upload = session.get_one(Upload, upload_id)
        _check_order(platform, upload)
        upload.state = check_transition(
            UPLOAD, "upload", upload_id, UploadState(upload.state), UploadState.ADMITTING
        )
    return upload


def _note_failure(platform: Platform, actor: Actor, upload_id: str, why: str) -> None:
    """On record as failed, so that it can be tried again; an upload that is admitted stays admitted."""
    failed = Act(actor, "upload.admission_failed", Object("upload", upload_id), outcome="failed", reason=why)
    with platform.records.transaction(audit=failed) as session:
        upload = session.get_one(Upload, upload_id)
        if upload.state in (UploadState.RECEIVED, UploadState.ADMITTING):
            upload.state = UploadState.FAILED


def _check_order(platform: Platform, upload: Upload) -> None:
    """An upload that failed may not be tried again behind a newer one: it would bring old content back."""
    newer = platform.records.all(
        select(Upload).where(
            Upload.organisation_id == upload.organisation_id,
            Upload.source_system == upload.source_system,
            Upload.state == UploadState.ADMITTED,
            col(Upload.received_at) > upload.received_at,
            Upload.id != upload.id,
        )
    )
    if newer:
        raise OVERTAKEN.error(upload=upload.id, newer=newer[0].id)


# -- judging ---------------------------------------------------------------------------------------


def _judge_files(
    platform: Platform, upload: Upload, files: Sequence[UploadFile], progress: Progress
) -> list[FileFindings]:
    judge = Judge(platform, upload)
    mapping = load_mapping(upload.mapping) if upload.mapping else None
    findings: list[FileFindings] = []
    by_id: dict[str, FileFindings] = {}
    for file in files:
        found = FileFindings(file.id, file.sha256)
        if file.duplicate_of:
            found.repeats = _repeats(platform, file, by_id)
        else:
            found.judged = _judge_file(platform, upload, file, mapping, judge, progress)
        findings.append(found)
        by_id[file.id] = found
    return findings


def _repeats(platform: Platform, file: UploadFile, in_this_upload: dict[str, FileFindings]) -> Accounting:
    """A file whose bytes came before is all duplicate: as many units as it had then.

    A file that could not be read at all has no unit and counts as one.
    """
    if file.duplicate_of in in_this_upload:
        return Accounting(duplicate=max(1, in_this_upload[file.duplicate_of].accounting.received))
    return Accounting(duplicate=platform.records.get(UploadFile, file.duplicate_of).received)


def _judge_file(
    platform: Platform,
    upload: Upload,
    file: UploadFile,
    mapping: TableMapping | None,
    judge: Judge,
    progress: Progress,
) -> list[Judged]:
    key = platform.keys.derive("line-digest", upload.organisation_id, file.sha256)
    file.problem, judged = None, []
    try:
        for number, unit in enumerate(units_of(platform, file, mapping)):
            judged.append(judge.judge(unit, number, line_digest(key, unit.raw)))
            if number % _REPORT_EVERY == 0:
                progress("validate", number, 0)
    except PlatformError as problem:
        # A file that cannot be read to its end is one rejected unit, whole: nothing of it is
        # half-stored, and the rest of the upload goes on.
        file.problem = problem.as_dict()
        return []
    return judged


def units_of(platform: Platform, file: UploadFile, mapping: TableMapping | None) -> Iterator[Unit]:
    """The file's units again, from the bytes as received."""
    return read_units(
        file.name,
        lambda: platform.landing.open(file.organisation_id, file.sha256),
        mapping=mapping,
        temp_dir=platform.layout.tmp,
    )


# -- storing ---------------------------------------------------------------------------------------


def _known(lake: Lake, upload: Upload) -> dict[tuple[str, str], str]:
    """What the lake held from this source before this upload (an earlier try of it does not count)."""
    return lake.known_resources(upload.organisation_id, upload.source_system, except_upload=upload.id)


def _store(lake: Lake, upload: Upload, findings: Sequence[FileFindings]) -> None:
    tables = lake_rows(findings, organisation_id=upload.organisation_id, source_system=upload.source_system)
    accepted = {
        (upload.organisation_id, upload.source_system, row["resource_type"], row["resource_id"]): row[
            "content_sha256"
        ]
        for row in tables["resource"]
    }
    views = load_views()
    for view in views:
        lake.define(view.name, [(column.name, column.type) for column in view.columns])
    # The ledger last: until it is written, another try of this upload starts from the same known state.
    for table in [*(view.name for view in views), "resource"]:
        lake.replace_upload(table, upload.id, tables.get(table, []), accepted)


def _put_on_record(
    platform: Platform,
    actor: Actor,
    upload: Upload,
    files: Sequence[UploadFile],
    findings: Sequence[FileFindings],
) -> Accounting:
    receipt_sha256 = _write_receipt(platform, upload, findings)
    total = _total(files, findings)
    act = Act(actor, "upload.admitted", Object("upload", upload.id, receipt_sha256), decision=total.as_dict())
    with platform.records.transaction(audit=act) as session:
        current = session.get_one(Upload, upload.id)
        current.state = check_transition(
            UPLOAD, "upload", upload.id, UploadState(current.state), UploadState.ADMITTED
        )
        current.receipt_sha256 = receipt_sha256
        for earlier in _rows_of_an_earlier_try(session, upload.id):
            session.delete(earlier)
        session.flush()
        for file, found in zip(files, findings, strict=True):
            for name, count in _account(file, found).as_dict().items():
                setattr(file, name, count)
            session.merge(file)
            session.add_all(_issue_rows(platform, file, found))
        session.add_all(_dropped_rows(upload, findings))
        put_in_vault(platform, session, current, _seen(findings))
    return total


def _seen(findings: Sequence[FileFindings]) -> Iterator[Sighting]:
    """What the upload says of persons, in its order: the last one counts."""
    return (one.seen for found in findings for one in found.judged if one.seen is not None)


def _rows_of_an_earlier_try(session: Session, upload_id: str) -> Iterator[SQLModel]:
    yield from session.exec(select(UnitIssue).where(UnitIssue.upload_id == upload_id)).all()
    yield from session.exec(select(DroppedElement).where(DroppedElement.upload_id == upload_id)).all()


def _account(file: UploadFile, found: FileFindings) -> Accounting:
    account = found.accounting
    return account.counting(Outcome.REJECTED) if file.problem else account


def _total(files: Sequence[UploadFile], findings: Sequence[FileFindings]) -> Accounting:
    return Accounting.total(_account(file, found) for file, found in zip(files, findings, strict=True))


def _write_receipt(platform: Platform, upload: Upload, findings: Sequence[FileFindings]) -> str:
    keys = {
        found.sha256: platform.keys.derive("line-digest", upload.organisation_id, found.sha256)
        for found in findings
    }
    lines = (
        ReceiptLine(
            found.sha256,
            one.place.line,
            one.place.entry,
            one.place.row,
            one.digest,
            one.outcome,
            _member(one.place.file),
        )
        for found in findings
        for one in found.judged
    )
    path = platform.layout.receipt(upload.id)
    write_receipt(path, keys, lines)
    return sha256_file(path)


def _member(file: str) -> str:
    """The member's name in `archive.zip!member.json`, else nothing."""
    return file.partition("!")[2]


def _issue_rows(platform: Platform, file: UploadFile, found: FileFindings) -> Iterator[UnitIssue]:
    for one in found.of_outcome(Outcome.REJECTED, Outcome.QUARANTINED):
        for issue in one.issues:
            yield UnitIssue(
                id=new_id("issue", platform.clock()),
                organisation_id=file.organisation_id,
                upload_id=file.upload_id,
                file_id=file.id,
                unit=one.number,
                outcome=one.outcome,
                resource_type=one.resource_type,
                rule=issue.rule,
                code=issue.code,
                expression=issue.expression,
                zh=issue.zh,
                en=issue.en,
                next_zh=issue.next_zh,
                next_en=issue.next_en,
                **place_fields(one.place),
            )


def _dropped_rows(upload: Upload, findings: Sequence[FileFindings]) -> Iterator[DroppedElement]:
    times = Counter(path for found in findings for one in found.judged for path in one.dropped)
    for path, count in sorted(times.items()):
        yield DroppedElement(
            upload_id=upload.id,
            organisation_id=upload.organisation_id,
            path=path,
            policy=LAKE_POLICY,
            times=count,
        )
