"""One file out of a package, for somebody to whom the package may be handed out.

It is as much as the package: it passes the same gate, and that it left is in the log. A name is only ever compared with
those that the package's own manifest lists; nothing that came from outside becomes a path.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.errors import Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import CONTENT_CHANGED, DOWNLOAD, check_content, pass_gate
from rwd_platform.flows.release_ledger import PACKAGE_UNREADABLE
from rwd_platform.flows.timestamps import (
    REASONS,
    Standing,
    stamp_file,
    standing_of_package,
    standing_of_protocol,
)
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import EvidencePackage, Study
from rwd_platform.signing.timestamps import MOST_BYTES

MANIFEST = "manifest-sha256.txt"
LARGEST_MANIFEST = 16 << 20
_LINE = re.compile(r"([0-9a-f]{64})  (data/.+)")
_PIECE = 1 << 18

FILE_UNKNOWN = Problem(
    code="package.file_unknown",
    zh="证据包 {package} 的清单中没有这个文件。",
    en="The manifest of package {package} lists no such file.",
    next_zh="请从证据包页面“包里有什么”一栏点击文件名。",
    next_en="Come from the package's page, by clicking a file under “What is inside”.",
    http=404,
)
STAMP_ABSENT = Problem(
    code="package.timestamp_absent",
    zh="没有这个时间戳。{why_zh}",
    en="There is no such time stamp. {why}",
    next_zh="证据包本身不因此失效：签名与日志证明照常核验。",
    next_en="The package holds all the same: its signature and the log's proofs are verified as ever.",
    http=404,
)
# An unknown method of compression and a password are RuntimeErrors; a broken stream is none of zipfile's own.
_BROKEN = (OSError, ValueError, KeyError, RuntimeError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class FileOut:
    """A file on its way out: its path in the package, how many bytes, and these in pieces, read when asked for."""

    name: str
    size: int
    pieces: Iterator[bytes]


def listed_files(archive: zipfile.ZipFile) -> dict[str, str]:
    """Path -> SHA-256, of every file under data/. Raises ValueError for an archive that is no package."""
    [name] = [one for one in archive.namelist() if one.count("/") == 1 and one.endswith(f"/{MANIFEST}")]
    with archive.open(name) as member:
        content = member.read(LARGEST_MANIFEST + 1)
    if len(content) > LARGEST_MANIFEST:
        raise ValueError("no manifest is so long")
    found = (_LINE.fullmatch(line) for line in content.decode("utf-8").splitlines())
    return {match[2]: match[1] for match in found if match}


def package_file(platform: Platform, actor: Actor, package_id: str, name: str) -> FileOut:
    """Raises what a download of the whole package raises, and `package.file_unknown`."""
    package = get_visible(platform.records, actor, DOWNLOAD, EvidencePackage, package_id)
    pass_gate(platform, actor, package)
    with refusals_recorded(platform.records, actor, DOWNLOAD, "evidence_package", package_id):
        check_content(platform, package)
        archive, member, sha256 = _member(platform, package, name)
        if _sha256(archive, member) != sha256:
            archive.close()
            raise CONTENT_CHANGED.error(package=package_id)
    _record(platform, actor, package, name)
    return FileOut(name, member.file_size, _pieces(archive, member))


def timestamp_file(platform: Platform, actor: Actor, package_id: str, what: str) -> FileOut:
    """The stored time stamp of the package, or of its protocol (`what`: package, protocol), by the same gate."""
    package = get_visible(platform.records, actor, DOWNLOAD, EvidencePackage, package_id)
    pass_gate(platform, actor, package)
    standing = _standing(platform, package, what)
    if standing.state != "stamped":
        words = REASONS.get(standing.reason)
        raise STAMP_ABSENT.error(
            why=f"{words.en.capitalize()}." if words else "", why_zh=f"{words.zh}。" if words else ""
        )
    content = stamp_file(platform.layout.home, standing.sha256).read_bytes()[:MOST_BYTES]
    name = f"{package.file_name}.tsr" if what == "package" else f"{package.project_id}-protocol.tsr"
    _record(platform, actor, package, f"timestamp of the {what}")
    return FileOut(name, len(content), iter([content]))


def _standing(platform: Platform, package: EvidencePackage, what: str) -> Standing:
    if what == "package":
        return standing_of_package(platform, package)
    return standing_of_protocol(platform, platform.records.get(Study, package.study_id))


def _member(
    platform: Platform, package: EvidencePackage, name: str
) -> tuple[zipfile.ZipFile, zipfile.ZipInfo, str]:
    """The open archive and its member. It stays open: what was checked is what is read, whatever takes its place."""
    try:
        archive = zipfile.ZipFile(platform.layout.packages / package.file_name)
    except _BROKEN:
        raise PACKAGE_UNREADABLE.error(package=package.id) from None
    try:
        listed = listed_files(archive)
        if name in listed:
            root = package.file_name.removesuffix(".zip")
            return archive, archive.getinfo(f"{root}/{name}"), listed[name]
    except _BROKEN:
        archive.close()
        raise PACKAGE_UNREADABLE.error(package=package.id) from None
    archive.close()
    raise FILE_UNKNOWN.error(package=package.id)


def _sha256(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    digest = hashlib.sha256()
    try:
        with archive.open(member) as opened:
            while piece := opened.read(_PIECE):
                digest.update(piece)
    except _BROKEN:
        return ""
    return digest.hexdigest()


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive, archive.open(member) as opened:
        while piece := opened.read(_PIECE):
            yield piece


def _record(platform: Platform, actor: Actor, package: EvidencePackage, what: str) -> None:
    thing = Object("package", package.id, package.sha256)
    platform.records.record(Act(actor, "package.file_downloaded", thing, purpose=what))
