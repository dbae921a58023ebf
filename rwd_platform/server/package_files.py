"""What a page shows of a package's file: its contents, its numbers, its download and its verification."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.responses import FileResponse, StreamingResponse

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import evidence, trace
from rwd_platform.flows.package_file import FileOut
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import may_read
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import EvidencePackage
from rwd_platform.server import package_places, queries
from rwd_platform.server.deps import Visitor
from studies.evidence.places import printed

if TYPE_CHECKING:
    from studies.evidence.verify import Verification

FILE_MISSING = Problem(
    code="package.file_missing",
    zh="证据包 {package} 的文件不在存储中。",
    en="The file of package {package} is not in the store.",
    next_zh="请联系平台运营人员从备份恢复；记录中的校验和可确认恢复的是同一文件。",
    next_en="Ask the operator to restore it from the backup; the checksum on record tells that it is the same.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


# What a file of a package is called by its ending. A page of a package is none of ours: it comes as bytes to keep.
_KINDS = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".pdf": "application/pdf",
    ".svg": "image/svg+xml",
    ".tsr": "application/timestamp-reply",
    ".txt": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
}


def open_to(platform: Platform, visitor: Visitor) -> list[EvidencePackage]:
    """The packages that the visitor may look at, newest first; from abroad those alone that were released there."""
    found = queries.packages(platform.records, visitor)
    return [one for one in found if _is_open(platform, visitor, one)]


def opened(platform: Platform, visitor: Visitor, package_id: str) -> EvidencePackage:
    """One of them; absent, another's and closed from abroad are the same 404, and leave the same entry."""
    package = queries.owned(platform.records, visitor, "package.read", EvidencePackage, package_id)
    if not _is_open(platform, visitor, package):
        raise NOT_FOUND.error(kind=EvidencePackage.__tablename__, id=package_id)
    return package


def _is_open(platform: Platform, visitor: Visitor, package: EvidencePackage) -> bool:
    return not visitor.actor.abroad or may_read(platform, visitor.actor, package)


@dataclass(frozen=True)
class Folder:
    """A folder of the package with its files: (name, bytes)."""

    name: str
    files: tuple[tuple[str, int], ...]

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.files)


@dataclass(frozen=True)
class PrintedNumber:
    """A number as the report prints it. `ard_id` is "" for one that comes from a file of the package."""

    id: str
    place: Bilingual
    zh: str
    en: str
    ard_id: str
    source: str
    searchable: str = field(repr=False, default="")


def numbers(platform: Platform, visitor: Visitor, package: EvidencePackage) -> list[PrintedNumber]:
    """All printed numbers, in the order of the report."""
    check_present(platform, package)
    listed = trace.numbers_of(platform, visitor.actor, package.id)
    places = package_places.places_of(platform, package)
    return [_printed(one, package_places.said(places, one)) for one in listed]


def _printed(one: Mapping[str, Any], place: Bilingual) -> PrintedNumber:
    ard_id = str(one.get("ard_id", ""))
    source = (
        f"{ard_id} · {one.get('field', '')}" if ard_id else f"{one.get('file', '')}{one.get('pointer', '')}"
    )
    zh, en = printed(str(one["zh"])), printed(str(one["en"]))
    text = " ".join((str(one["id"]), str(one["place"]), *place, source, zh, en)).lower()
    return PrintedNumber(str(one["id"]), place, zh, en, ard_id, source, text)


@dataclass(frozen=True)
class SourceLine:
    """One line of a file, and the variables that it gave."""

    first: trace.SourceLine
    variables: tuple[str, ...]


def by_line(sample: Iterable[trace.SourceLine]) -> list[SourceLine]:
    """The sample of a chain, each source line once."""
    lines: dict[tuple[str, int, str], list[trace.SourceLine]] = {}
    for one in sample:
        lines.setdefault((one.file_sha256, one.line, one.digest), []).append(one)
    return [
        SourceLine(members[0], tuple(dict.fromkeys(one.variable for one in members)))
        for members in lines.values()
    ]


def check_present(platform: Platform, package: EvidencePackage) -> None:
    if not (platform.layout.packages / package.file_name).is_file():
        raise FILE_MISSING.error(package=package.id)


def contents(platform: Platform, package: EvidencePackage) -> tuple[Folder, ...]:
    """The package's folders in order, read from the archive's own directory; nothing is unpacked."""
    check_present(platform, package)
    with zipfile.ZipFile(platform.layout.packages / package.file_name) as archive:
        members = [(one.filename, one.file_size) for one in archive.infolist() if not one.is_dir()]
    folders: dict[str, list[tuple[str, int]]] = {}
    for name, size in members:
        inner = name.split("/", 1)[-1]
        folder, _, _file = inner.removeprefix("data/").partition("/") if "/" in inner else ("", "", "")
        folders.setdefault(folder, []).append((inner, size))
    return tuple(Folder(name, tuple(sorted(files))) for name, files in sorted(folders.items()))


def download(platform: Platform, visitor: Visitor, package: EvidencePackage) -> FileResponse:
    """The archive as it lies in the store. The download is in the log."""
    check_present(platform, package)
    path = evidence.package_path(platform, visitor.actor, package.id)
    return FileResponse(path, media_type="application/zip", filename=package.file_name)


def as_download(file: FileOut) -> StreamingResponse:
    """To be kept, never shown from this origin: a program may lie in a package's page, and in a figure."""
    name = PurePosixPath(file.name).name
    kind = _KINDS.get(PurePosixPath(name).suffix, "application/octet-stream")
    headers = {
        "content-disposition": f"attachment; filename*=utf-8''{quote(name)}",
        "content-length": str(file.size),
    }
    return StreamingResponse(file.pieces, media_type=kind, headers=headers)


def verify(platform: Platform, visitor: Visitor, package: EvidencePackage) -> Verification:
    """The verifier's answer on the stored file, with the platform's own key. The question is in the log."""
    from rwd_platform.flows.verify_package import verify_stored  # the checks are not needed at start

    check_present(platform, package)
    return verify_stored(platform, visitor.actor, package.id)
