"""gzip and zip: opened twice, so that a damaged or hostile one is refused before anything of it is used.

The first pass inflates every byte and throws it away: only that finds a cut transfer, a wrong
checksum, and how much there really is (the sizes that an archive declares are claims). The second
pass streams. Neither holds a member in memory.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from ingestion.problems import (
    BOMB,
    BROKEN,
    EMPTY,
    ENCRYPTED,
    NESTED,
    SAME_NAME,
    SPREADSHEET,
    TOO_MANY_MEMBERS,
    TRUNCATED,
    UNSAFE_NAME,
)
from rwd_platform.core.safe_names import shown_member

OpenStream = Callable[[], BinaryIO]

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
# 7z, rar, xz, bzip2, zstd: not read, and not read inside a zip either.
OTHER_ARCHIVES = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\xfd7zXZ\x00", b"BZh9", b"\x28\xb5\x2f\xfd")

_CHUNK = 1 << 18
_SPOOL_BYTES = 64 << 20
_END_RECORD = struct.Struct("<4s4H2LH")  # APPNOTE 4.3.16
_END_RECORD_64 = struct.Struct("<4sQ2H2L4Q")  # APPNOTE 4.3.14
_LOCATOR_64 = struct.Struct("<4sLQL")  # APPNOTE 4.3.15
# What zipfile lets through of a member whose header lies: an offset before the file, a false method, ...
_BROKEN_MEMBER = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    ValueError,
    RuntimeError,  # an unknown method of compression, a password
)
_CENTRAL_ENTRY_BYTES = 46 + (3 << 16)  # the longest entry of a central directory


@dataclass(frozen=True)
class Limits:
    """What one file may ask of us. Sizes in bytes.

    ratio -- inflated to compressed; asked only beyond `ratio_floor_bytes`, since short texts compress well
    """

    line_bytes: int = 16 << 20
    kept_bytes: int = 1024  # of a line that is too long
    document_bytes: int = 64 << 20
    inflated_bytes: int = 20 << 30
    ratio: int = 200
    ratio_floor_bytes: int = 50_000_000
    entries: int = 10_000


LIMITS = Limits()


@dataclass(frozen=True)
class Member:
    """A file inside an archive.

    `label` is how it is told to people: `archive.zip!member 2`, by its place in the archive's own list, with the
    name only where core/safe_names.py lets it be shown. `name` is what the hospital wrote, and may name a person.
    """

    name: str
    label: str
    open_stream: OpenStream


# --- gzip ------------------------------------------------------------------------------------


def open_gzip(open_stream: OpenStream) -> OpenStream:
    """A way to open the inflated content of a stream that `check_gzip` let through."""
    return lambda: cast(BinaryIO, _Inflation(open_stream()))


class _Inflation(gzip.GzipFile):
    """A GzipFile that closes what it reads from, which the standard one leaves open."""

    def __init__(self, source: BinaryIO) -> None:
        super().__init__(fileobj=source, mode="rb")
        self._source = source

    def close(self) -> None:
        super().close()
        self._source.close()


def check_gzip(name: str, open_stream: OpenStream, limits: Limits) -> None:
    """Raises PlatformError when the file is cut, damaged, empty, nested or inflates to too much."""
    with _Counted(open_stream()) as compressed, gzip.GzipFile(fileobj=cast(BinaryIO, compressed)) as inflated:
        total = 0
        try:
            while chunk := inflated.read(_CHUNK):
                if total == 0:
                    _refuse_nested(name, chunk)
                total += len(chunk)
                _refuse_bomb(name, total, compressed.count, limits)
        except EOFError:
            raise TRUNCATED.error(file=name) from None
        except (OSError, zlib.error):
            raise BROKEN.error(file=name) from None
    if total == 0:
        raise EMPTY.error(file=name)


class _Counted(io.RawIOBase):
    """Counts what is read through it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(size)
        self.count += len(chunk)
        return chunk

    def close(self) -> None:
        self._source.close()
        super().close()


def _refuse_bomb(name: str, inflated: int, compressed: int, limits: Limits) -> None:
    too_much = inflated > limits.inflated_bytes
    too_dense = inflated > limits.ratio_floor_bytes and inflated > limits.ratio * compressed
    if too_much or too_dense:
        raise BOMB.error(file=name, limit=limits.inflated_bytes, ratio=limits.ratio)


def is_archive(beginning: bytes) -> bool:
    """Whether content that begins so is compressed once more."""
    return beginning.startswith((GZIP_MAGIC, *ZIP_MAGICS, *OTHER_ARCHIVES))


def _refuse_nested(name: str, beginning: bytes) -> None:
    if is_archive(beginning):
        raise NESTED.error(file=name)


# --- zip -------------------------------------------------------------------------------------


@contextmanager
def open_zip(
    name: str, open_stream: OpenStream, limits: Limits, temp_dir: Path | None = None
) -> Iterator[tuple[Member, ...]]:
    """The members of a zip that has been read once in whole, in the order of their names.

    A zip has its directory at the end, so a stream is first copied to where one can seek. Beyond
    64 MiB that copy lies in `temp_dir` as the hospital sent it: a directory of the identified zone.
    Raises PlatformError when any part of the archive cannot be trusted.
    """
    spool_dir = None if temp_dir is None else str(temp_dir)
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES, dir=spool_dir) as spool:
        with open_stream() as source:
            while chunk := source.read(_CHUNK):
                spool.write(chunk)
        _refuse_directory(name, spool, limits)
        with _archive(name, spool) as archive:
            members = _trusted_members(name, archive, limits)
            labels = _labels(name, archive)
            _inflate_all(name, archive, members, labels, limits)
            yield tuple(
                Member(info.filename, labels[info.filename], _opener(archive, info)) for info in members
            )


def _labels(name: str, archive: zipfile.ZipFile) -> dict[str, str]:
    """By the name of each member, what it is called to people."""
    return {
        info.filename: f"{name}!{shown_member(info.filename, position)}"
        for position, info in enumerate(archive.infolist(), start=1)
    }


def _archive(name: str, spool: IO[bytes]) -> zipfile.ZipFile:
    """Names that are not marked as UTF-8 are tried as what tools in China write; they are labels only."""
    for encoding in ("utf-8", "gb18030", None):
        try:
            return zipfile.ZipFile(spool, metadata_encoding=encoding)
        except UnicodeDecodeError:
            continue
        except (zipfile.BadZipFile, RuntimeError, ValueError, OSError, struct.error):
            break
    raise TRUNCATED.error(file=name)


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> OpenStream:
    return lambda: cast(BinaryIO, archive.open(info))


def _refuse_directory(name: str, spool: IO[bytes], limits: Limits) -> None:
    """The directory is read as one piece, so its declared size is judged first (APPNOTE 4.3.14-16)."""
    size = spool.seek(0, io.SEEK_END)
    tail_start = max(0, size - _END_RECORD.size - (1 << 16) - _LOCATOR_64.size)
    spool.seek(tail_start)
    tail = spool.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + _END_RECORD.size:
        raise TRUNCATED.error(file=name)
    fields = _END_RECORD.unpack_from(tail, end)
    entries, directory_bytes = int(fields[4]), int(fields[5])
    if end >= _LOCATOR_64.size and tail[end - _LOCATOR_64.size :].startswith(b"PK\x06\x07"):
        spool.seek(min(size, _LOCATOR_64.unpack_from(tail, end - _LOCATOR_64.size)[2]))
        record = spool.read(_END_RECORD_64.size)
        if len(record) < _END_RECORD_64.size:
            raise TRUNCATED.error(file=name)
        wide = _END_RECORD_64.unpack(record)
        entries, directory_bytes = int(wide[7]), int(wide[8])
    if entries > limits.entries or directory_bytes > (limits.entries + 1) * _CENTRAL_ENTRY_BYTES:
        raise TOO_MANY_MEMBERS.error(file=name, limit=limits.entries)


def _trusted_members(name: str, archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    found = archive.infolist()
    if len(found) > limits.entries:
        raise TOO_MANY_MEMBERS.error(file=name, limit=limits.entries)
    if any(info.filename == "[Content_Types].xml" for info in found):
        raise SPREADSHEET.error(file=name)
    seen: set[str] = set()
    for position, info in enumerate(found, start=1):
        if _is_unsafe(info.filename) or _is_unsafe(info.orig_filename):
            raise UNSAFE_NAME.error(file=name, position=position)
        if info.filename in seen:
            raise SAME_NAME.error(file=name, position=position)
        seen.add(info.filename)
        if info.flag_bits & 0x1:
            raise ENCRYPTED.error(file=name)
    members = [info for info in found if not info.is_dir() and not _is_of_the_file_manager(info.filename)]
    if not members:
        raise EMPTY.error(file=name)
    return sorted(members, key=lambda info: info.filename)


def _is_unsafe(member: str) -> bool:
    """Members are never written under their names, but such a name says what the archive is."""
    parts = member.replace("\\", "/").split("/")
    return (
        not member
        or parts[0] == ""
        or ".." in parts
        or (len(parts[0]) > 1 and parts[0][1] == ":")
        or not member.isprintable()
    )


def _is_of_the_file_manager(member: str) -> bool:
    """What macOS and Windows add to an archive unasked; it never holds anything of a hospital's."""
    last = member.rsplit("/", 1)[-1]
    return member.startswith("__MACOSX/") or last in (".DS_Store", "Thumbs.db", "desktop.ini")


def _inflate_all(
    name: str,
    archive: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    labels: Mapping[str, str],
    limits: Limits,
) -> None:
    total, compressed = 0, sum(info.compress_size for info in members)
    for info in members:
        label = labels[info.filename]
        member_bytes = 0
        try:
            with archive.open(info) as stream:
                while chunk := stream.read(_CHUNK):
                    if member_bytes == 0:
                        _refuse_nested(name, chunk)
                    member_bytes += len(chunk)
                    _refuse_bomb(label, member_bytes, info.compress_size, limits)
                    _refuse_bomb(name, total + member_bytes, compressed, limits)
        except EOFError:
            raise TRUNCATED.error(file=label) from None
        except _BROKEN_MEMBER:
            raise BROKEN.error(file=label) from None
        if member_bytes == 0:
            raise EMPTY.error(file=label)
        total += member_bytes
