"""Receive: a hospital's files come to rest, encrypted and named by their content, under a named agreement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import BinaryIO

from sqlmodel import select

from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.permissions import check_can, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.platform import Platform
from rwd_platform.jobs.queue import enqueue
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import UPLOAD, UploadState, check_transition
from rwd_platform.records.tables import Job, Upload, UploadFile
from rwd_platform.store.landing import Incoming
from rwd_platform.store.recording import until_recorded

PLATFORM_ROLES = ("entrusted", "joint", "recipient")
FHIR_VERSIONS = ("R4", "R4B", "R5")
_CHUNK = 1 << 20
_LONGEST_NAME = 200

TERM_MISSING = Problem(
    code="upload.term_missing",
    zh="上传未写明“{term}”，平台不能接收。",
    en="The upload does not name its {term}, so it cannot be received.",
    next_zh="请填写数据协议编号、平台角色、同意书版本与伦理批件号后重新提交。",
    next_en="Name the data agreement, the platform's role, the consent version and the ethics id, then send again.",
    http=422,
    exit=Exit.REFUSED,
)
TERM_IDENTIFIES = Problem(
    code="upload.term_identifies",
    zh="“{term}”含有可识别个人的号码，未予保存。",
    en="The {term} holds a number that identifies a person; it was not kept.",
    next_zh="请只填写数据协议的编号。",
    next_en="Give the number of the data agreement alone.",
    http=422,
)
TERM_UNKNOWN = Problem(
    code="upload.term_unknown",
    zh="“{term}”的取值不在允许范围内：{allowed}。",
    en="{term} must be one of: {allowed}.",
    next_zh="请选择其中一项后重新提交。",
    next_en="Choose one of them and send again.",
    http=422,
)
NO_FILES = Problem(
    code="upload.no_files",
    zh="上传 {upload} 中没有文件。",
    en="Upload {upload} has no file.",
    next_zh="请至少添加一个文件再完成上传。",
    next_en="Add at least one file before completing the upload.",
    http=422,
)
FILE_NAME_UNUSABLE = Problem(
    code="upload.file_name",
    zh="文件名为空、超过 {longest} 个字符或含控制字符。",
    en="The file name is empty, longer than {longest} characters, or holds control characters.",
    next_zh="请改名后重新上传。",
    next_en="Rename the file and send it again.",
    http=422,
)
FILE_NAME_OF_PERSON = Problem(
    code="upload.file_name_of_person",
    zh="文件名形似含有人名、住址或个人号码。回执和日志会列出文件名，因此不接收该文件。",
    en="The file name looks as if it held a person's name, address or number. Receipts list file names, so the file "
    "is not received.",
    next_zh="请改名（不含姓名、住址和个人号码）后重新上传。",
    next_en="Rename the file, without names, addresses and numbers of persons, and send it again.",
    http=422,
    exit=Exit.REFUSED,
)
_ENDINGS = (".gz", ".zip", ".ndjson", ".jsonl", ".json", ".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class UploadTerms:
    """Under what the data are given. Nothing is received without all of them.

    platform_role -- what the platform is in the agreement: entrusted 委托, joint 共同, recipient 接收
    mapping       -- the table mapping's name, when the files are tables
    """

    source_system: str
    agreement: str
    platform_role: str
    consent_version: str
    ethics_id: str
    fhir_version: str = "R4"
    mapping: str = ""
    corrects_upload_id: str = ""


def open_upload(platform: Platform, actor: Actor, terms: UploadTerms) -> Upload:
    """Begin an upload of the actor's own organisation."""
    check_can(actor, "upload.create", actor.organisation)
    _check_terms(terms)
    now = platform.clock()
    upload = Upload(
        id=new_id("upload", now),
        organisation_id=actor.organisation,
        state=UploadState.OPEN,
        received_at=as_text(now),
        received_by=actor.id,
        **{name: value.strip() for name, value in asdict(terms).items()},
    )
    if terms.corrects_upload_id:
        get_visible(platform.records, actor, "upload.create", Upload, terms.corrects_upload_id.strip())
    platform.records.write(
        upload,
        audit=Act(
            actor, "upload.opened", Object("upload", upload.id), purpose=f"agreement {upload.agreement}"
        ),
    )
    return upload


def _check_terms(terms: UploadTerms) -> None:
    for term in ("source_system", "agreement", "platform_role", "consent_version", "ethics_id"):
        if not getattr(terms, term).strip():
            raise TERM_MISSING.error(term=term)
    if identifies(terms.agreement):  # it stands in the log, which nothing is erased from
        raise TERM_IDENTIFIES.error(term="agreement")
    if terms.platform_role not in PLATFORM_ROLES:
        raise TERM_UNKNOWN.error(term="platform_role", allowed=", ".join(PLATFORM_ROLES))
    if terms.fhir_version not in FHIR_VERSIONS:
        raise TERM_UNKNOWN.error(term="fhir_version", allowed=", ".join(FHIR_VERSIONS))


def begin_file(platform: Platform, actor: Actor, upload_id: str, name: str) -> Incoming:
    """A place to stream one file into: write chunks, then `finish_file`, or `abandon()`."""
    upload = get_visible(platform.records, actor, "upload.create", Upload, upload_id)
    _check_open(upload)
    with refusals_recorded(platform.records, actor, "upload.create", "upload", upload_id):
        _check_name(name)
    return platform.landing.begin(upload.organisation_id)


def finish_file(
    platform: Platform, actor: Actor, upload_id: str, name: str, incoming: Incoming
) -> UploadFile:
    """The file is on disk, durable and named by its content; now it is on record too."""
    upload = get_visible(platform.records, actor, "upload.create", Upload, upload_id)
    with until_recorded(platform.layout):
        landed = incoming.finish()
        with platform.records.transaction(
            audit=lambda: Act(actor, "upload.file_received", Object("upload", upload_id, landed.sha256))
        ) as session:
            # Asked again inside the transaction: nobody closes the upload between the question and the row.
            _check_open(session.get_one(Upload, upload_id))
            siblings = session.exec(select(UploadFile).where(UploadFile.upload_id == upload_id)).all()
            file = UploadFile(
                id=new_id("file", platform.clock()),
                organisation_id=upload.organisation_id,
                upload_id=upload_id,
                position=len(siblings),
                name=name,
                sha256=landed.sha256,
                bytes=landed.bytes,
                duplicate_of=_first_with_these_bytes(platform, upload, landed.sha256, siblings),
            )
            session.add(file)
    return file


def _first_with_these_bytes(
    platform: Platform, upload: Upload, sha256: str, siblings: Iterable[UploadFile]
) -> str:
    """The file that brought these bytes before: in this upload, or in one that was admitted.

    An earlier file that could not be read, or of which something was quarantined, is judged again: what
    was missing then - a patient, a listed measure, a mapping - may be there now. What was stored then is
    found to be duplicate.
    """
    for sibling in siblings:
        if sibling.sha256 == sha256:
            return sibling.duplicate_of or sibling.id
    earlier = platform.records.all(
        select(UploadFile)
        .join(Upload)
        .where(
            UploadFile.sha256 == sha256,
            UploadFile.organisation_id == upload.organisation_id,
            UploadFile.duplicate_of == "",
            UploadFile.quarantined == 0,
            Upload.source_system == upload.source_system,
            Upload.mapping == upload.mapping,
            Upload.fhir_version == upload.fhir_version,
            Upload.state == UploadState.ADMITTED,
        )
    )
    return next((file.id for file in earlier if file.problem is None), "")


def close_upload(platform: Platform, actor: Actor, upload_id: str) -> Job:
    """The upload is complete - received now, in the order of closing - and its admission is queued."""
    get_visible(platform.records, actor, "upload.create", Upload, upload_id)
    with platform.records.transaction(
        audit=Act(actor, "upload.received", Object("upload", upload_id))
    ) as session:
        upload = session.get_one(Upload, upload_id)
        if session.exec(select(UploadFile).where(UploadFile.upload_id == upload_id)).first() is None:
            raise NO_FILES.error(upload=upload_id)
        upload.state = check_transition(
            UPLOAD, "upload", upload_id, UploadState(upload.state), UploadState.RECEIVED
        )
        upload.received_at = as_text(platform.clock())
    return enqueue(platform.records, actor, "admit", {"upload_id": upload_id}, key=f"admit/{upload_id}")


def _check_open(upload: Upload) -> None:
    """Raises unless files may still be added."""
    if upload.state != UploadState.OPEN:
        check_transition(UPLOAD, "upload", upload.id, UploadState(upload.state), UploadState.OPEN)


def _check_name(name: str) -> None:
    """A name is only a label and never becomes a path; but it is kept in clear and shown, so it names nobody."""
    # Imported here: its lists of names and places are read when the first file comes, not with the web process.
    from deidentify.file_names import Verdict, judge

    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise FILE_NAME_UNUSABLE.error(longest=_LONGEST_NAME)
    stem = name
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending)
    if judge(stem) is Verdict.REFUSED:
        raise FILE_NAME_OF_PERSON.error()


def receive_upload(
    platform: Platform, actor: Actor, terms: UploadTerms, files: Iterable[tuple[str, BinaryIO]]
) -> Job:
    """The whole step at once, for files at hand (command line, demo)."""
    upload = open_upload(platform, actor, terms)
    for name, stream in files:
        incoming = begin_file(platform, actor, upload.id, name)
        try:
            while chunk := stream.read(_CHUNK):
                incoming.write(chunk)
        except BaseException:
            incoming.abandon()
            raise
        finish_file(platform, actor, upload.id, name, incoming)
    return close_upload(platform, actor, upload.id)
