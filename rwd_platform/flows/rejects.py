"""What was not taken in: grouped by reason for people, and as a file to correct and send again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from sqlmodel import col, select

from ingestion.containers import GZIP_MAGIC, LIMITS, ZIP_MAGICS, OpenStream, open_gzip, open_zip
from rwd_platform.access.permissions import get_visible
from rwd_platform.core.units import Place
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import UnitIssue, Upload, UploadFile

_EXAMPLES = 5
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class RejectGroup:
    """All units kept out by one rule: how many, where the first ones are, and what to do."""

    rule: str
    outcome: str
    zh: str
    en: str
    next_zh: str
    next_en: str
    units: int
    examples: tuple[Place, ...]


def reject_groups(platform: Platform, actor: Actor, upload_id: str) -> list[RejectGroup]:
    """The reasons of an upload, the most frequent first."""
    get_visible(platform.records, actor, "upload.read", Upload, upload_id)
    issues = platform.records.all(
        select(UnitIssue)
        .where(UnitIssue.upload_id == upload_id)
        .order_by(col(UnitIssue.file_id), col(UnitIssue.unit), col(UnitIssue.rule))
    )
    groups: dict[tuple[str, str, str, str], list[UnitIssue]] = {}
    for issue in issues:
        groups.setdefault((issue.outcome, issue.rule, issue.expression, issue.zh), []).append(issue)
    return sorted((_group(members) for members in groups.values()), key=lambda one: (-one.units, one.rule))


def _group(members: list[UnitIssue]) -> RejectGroup:
    first = members[0]
    units = {(one.file_id, one.unit): one for one in members}
    return RejectGroup(
        rule=first.rule,
        outcome=first.outcome,
        zh=first.zh,
        en=first.en,
        next_zh=first.next_zh,
        next_en=first.next_en,
        units=len(units),
        examples=tuple(
            Place(one.file, one.line, one.row, one.column, one.entry)
            for one in list(units.values())[:_EXAMPLES]
        ),
    )


def reject_file(platform: Platform, actor: Actor, upload_id: str) -> bytes:
    """A zip with, per file, the lines or rows that were kept out, as they were sent.

    Correct them in place and upload the zip again. Reading it is reading patients' data: it is in
    the log, and only the hospital that sent it may.
    """
    upload = get_visible(platform.records, actor, "reject.download", Upload, upload_id)
    platform.records.record(
        Act(actor, "reject.downloaded", Object("upload", upload_id), purpose="correction")
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in files_of(platform, upload_id):
            for name, content in _kept_out(platform, upload, file):
                out.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _kept_out(platform: Platform, upload: Upload, file: UploadFile) -> Iterable[tuple[str, bytes]]:
    issues = platform.records.all(select(UnitIssue).where(UnitIssue.file_id == file.id))
    # By place and not by number: an erasure takes units out of a file, and the places of the others stay.
    wanted = {(issue.file, issue.line, issue.entry) for issue in issues}
    if not wanted:
        return
    # Imported here: the page of reasons needs neither, and the web process must stay light.
    from ingestion.mapping import load_mapping
    from rwd_platform.flows.admit_upload import units_of

    mapping = load_mapping(upload.mapping) if upload.mapping else None
    own_names = _own_names(platform, file)
    members: dict[tuple[str, bool], dict[tuple[int, int | None], bytes]] = {}
    for unit in units_of(platform, file, mapping):
        place = unit.place
        if (place.file, place.line, place.entry) in wanted:
            # A row of a table may give several resources; it goes back once.
            kept = members.setdefault((place.file, place.row is not None), {})
            kept.setdefault((place.line, place.entry), unit.raw)
    for (label, is_table), raws in members.items():
        if is_table:
            lines = [_header(platform, file, label), *raws.values()]
            yield _member_name(file, own_names[label].removesuffix(".gz")), b"\r\n".join(lines) + b"\r\n"
        else:
            # One unit a line: JSON may hold line breaks only between tokens, where a space serves as well.
            lines = [raw.replace(b"\r", b" ").replace(b"\n", b" ") for raw in raws.values()]
            name = _as_ndjson(_member_name(file, own_names[label].removesuffix(".gz")))
            yield name, b"\n".join(lines) + b"\n"


def _own_names(platform: Platform, file: UploadFile) -> dict[str, str]:
    """What the hospital itself called the file and each file in it, by the label that everybody else sees.

    The hospital gets its own names back: a mapping finds its tables by them.
    """

    def stored() -> BinaryIO:
        return platform.landing.open(file.organisation_id, file.sha256)

    with stored() as stream:
        beginning = io.BufferedReader(stream).read(4)  # type: ignore[type-var]  # a stream that reads is all it needs
    if not beginning.startswith(ZIP_MAGICS):
        return {file.name: file.name}
    with open_zip(file.name, stored, LIMITS, platform.layout.tmp) as archive:
        return {member.label: f"{file.name}!{member.name}" for member in archive}


def _member_name(file: UploadFile, label: str) -> str:
    """A folder for each file of the upload, so that two of one name do not meet; no part of it leads out."""
    parts = label.replace("\\", "/").replace("!", "/").split("/")
    return "/".join([str(file.position + 1), *(part for part in parts if part.strip(". "))])


def _as_ndjson(name: str) -> str:
    return name if name.lower().endswith((".ndjson", ".jsonl")) else f"{name}.ndjson"


def _header(platform: Platform, file: UploadFile, label: str) -> bytes:
    """A table's first row as sent: column names are no patient's data."""

    def stored() -> BinaryIO:
        return platform.landing.open(file.organisation_id, file.sha256)

    with stored() as stream:
        beginning = io.BufferedReader(stream).read(4)  # type: ignore[type-var]  # a stream that reads is all it needs
    if beginning.startswith(ZIP_MAGICS):
        with open_zip(file.name, stored, LIMITS, platform.layout.tmp) as archive:
            member = next(one for one in archive if one.label == label)
            return _first_row(member.open_stream)
    return _first_row(open_gzip(stored) if beginning.startswith(GZIP_MAGIC) else stored)


def _first_row(open_stream: OpenStream) -> bytes:
    with open_stream() as stream:
        buffered = io.BufferedReader(stream)  # type: ignore[type-var]  # a stream that reads is all it needs
        return next(line for line in buffered if line.strip()).rstrip(b"\r\n")
