"""The landing zone: what a hospital sent, byte for byte, encrypted, named by its content.

An upload is acknowledged only after its bytes are on the disk under their final name: write, fsync the
file, link it to its name, fsync the folder. Until then it is a `.part` that nobody reads. A crash leaves
at most such a part; `sweep` removes it. The same content again is recognised and not written twice.

Once it is known whose each line is, `segment` re-writes a blob (raw_frame) as segments, one key a patient.
The segments are complete, read back and durable before the blob goes; a crash leaves one or both of them,
and either gives the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.signing.keys import KeyRing
from rwd_platform.store.layout import (
    Layout,
    durable_folder,
    open_part,
    remove_if_left,
    safe_name,
    sync_folder,
)
from rwd_platform.store.line_owners import LineOwners
from rwd_platform.store.raw_frame import RawReader, RawWriter
from rwd_platform.store.segments import (
    Gap,
    KeyLookup,
    SegmentReader,
    Segments,
    SegmentWriter,
    destroyed_error,
    no_patient_keys,
)

MAX_BYTES = 8 << 30
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

DISK_FULL = Problem(
    code="landing.disk_full",
    zh="磁盘空间不足，文件未能保存，也没有留下半个文件。",
    en="The disk is full: the file was not stored, and no half of it was left behind.",
    next_zh="请运维人员释放空间后，重新发送同一文件。",
    next_en="Ask the operator to free space, then send the same file again.",
    http=507,
    exit=Exit.BROKEN_ENVIRONMENT,
)
TOO_LARGE = Problem(
    code="landing.too_large",
    zh="文件超过单个文件的上限 {max_bytes} 字节，未保存。",
    en="The file is larger than {max_bytes} bytes, the limit for one file, and was not stored.",
    next_zh="请把文件按患者拆分后分别发送，或请运维人员提高上限。",
    next_en="Split the file by patient and send the parts, or ask the operator to raise the limit.",
    http=413,
)
NOT_FOUND = Problem(
    code="landing.not_found",
    zh="落地区没有内容哈希为 {sha256} 的文件。",
    en="The landing zone holds no file with the content hash {sha256}.",
    next_zh="请核对哈希值与所属医院。",
    next_en="Check the hash, and whose file it is.",
    http=404,
)


@dataclass(frozen=True)
class Landed:
    """A file that is safely stored. `sha256` and `bytes` are those of the plaintext."""

    organisation_id: str
    sha256: str
    bytes: int
    already: bool


@contextlib.contextmanager
def _disk_full_said_plainly() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DISK_FULL.error() from error
        raise


class Incoming:
    """A file on its way in. Leaving the `with` block before `finish` leaves nothing behind."""

    def __init__(self, folder: Path, keys: KeyRing, organisation_id: str, max_bytes: int) -> None:
        self._folder = folder
        self._organisation_id = organisation_id
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._part = folder / f"{uuid.uuid4().hex}.part"
        with _disk_full_said_plainly():
            durable_folder(folder)
            self._sink = open_part(self._part)
        try:
            with _disk_full_said_plainly():
                self._frame = RawWriter(self._sink, keys, organisation_id)
        except BaseException:
            self.abandon()
            raise

    def write(self, chunk: bytes) -> None:
        """Add bytes. When the disk is full or the file too large, nothing stays behind."""
        self._bytes += len(chunk)
        try:
            if self._bytes > self._max_bytes:
                raise TOO_LARGE.error(max_bytes=self._max_bytes)
            self._digest.update(chunk)
            with _disk_full_said_plainly():
                self._frame.write(chunk)
        except BaseException:
            self.abandon()
            raise

    def finish(self) -> Landed:
        """Durable when this returns: only then may the hospital be told so."""
        sha256 = self._digest.hexdigest()
        try:
            with _disk_full_said_plainly():
                self._frame.close()
                self._sink.flush()
                os.fsync(self._sink.fileno())
                already = self._name_it(sha256)
        finally:
            self.abandon()
        return Landed(self._organisation_id, sha256, self._bytes, already)

    def abandon(self) -> None:
        """Remove the part. After `finish` or a second time it has nothing to do."""
        self._part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a full disk fails again when the buffer is flushed
            self._sink.close()

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def _name_it(self, sha256: str) -> bool:
        target = _blob(self._folder, sha256)
        segments = _segments(target)
        durable_folder(target.parent)
        try:
            # A link, unlike a rename, fails when the name exists: of many equal uploads one is the first.
            os.link(self._part, target)
            already = False
        except FileExistsError:
            already = True
        if segments.exists():  # it came before, and is kept by patient: no second copy under one key
            _drop_blob(target)
            already = True
        # Also when it was there: the upload that wrote it may not have come this far yet.
        sync_folder(target.parent)
        return already


def _blob(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / f"{sha256}.raw"


def _segments(blob: Path) -> Path:
    return blob.with_suffix(".seg")


def _drop_blob(blob: Path) -> None:
    """Remove a blob whose segments are there: their name first has to survive a power cut."""
    sync_folder(blob.parent)
    blob.unlink(missing_ok=True)
    sync_folder(blob.parent)


class Landing:
    """The landing zone of one deployment."""

    def __init__(
        self,
        layout: Layout,
        keys: KeyRing,
        max_bytes: int = MAX_BYTES,
        patient_keys: KeyLookup = no_patient_keys,
    ) -> None:
        self._layout = layout
        self._keys = keys
        self._max_bytes = max_bytes
        self._patient_keys = patient_keys

    def begin(self, organisation_id: str) -> Incoming:
        folder = self._layout.landing / safe_name(organisation_id, "organisation id")
        return Incoming(folder, self._keys, organisation_id, self._max_bytes)

    def holds(self, organisation_id: str, sha256: str) -> bool:
        blob = self._path(organisation_id, sha256)
        return _segments(blob).is_file() or blob.is_file()

    def is_segmented(self, organisation_id: str, sha256: str) -> bool:
        """Whether the content is kept by patient (format 2), and no blob beside it."""
        blob = self._path(organisation_id, sha256)
        return _segments(blob).is_file() and not blob.is_file()

    def open(self, organisation_id: str, sha256: str) -> BinaryIO:
        """The plaintext, forward only. Raises `raw.damaged` instead of ending when it is not that content,
        and `raw.patient_destroyed` where a patient's bytes are gone for good.
        """
        blob = self._path(organisation_id, sha256)
        source = self._source(blob, sha256)
        reader: io.RawIOBase
        try:
            if source.name == str(blob):
                reader = RawReader(source, self._keys, organisation_id, blob.name, expected_sha256=sha256)
            else:
                segments = self._opened(source, organisation_id, blob)
                reader = SegmentReader(segments, source, expected_sha256=sha256)
        except BaseException:
            source.close()
            raise
        return cast(BinaryIO, io.BufferedReader(reader, buffer_size=1 << 16))

    def rebuild(self, organisation_id: str, sha256: str, *, gaps: bool = False) -> Iterator[bytes | Gap]:
        """The bytes as received, in pieces. With `gaps` a Gap stands where a patient's bytes are gone for good;
        without, that raises `raw.patient_destroyed` before the first byte.
        """
        blob = self._path(organisation_id, sha256)
        with self._source(blob, sha256) as source:
            if source.name == str(blob):
                whole = RawReader(source, self._keys, organisation_id, blob.name, expected_sha256=sha256)
                yield from iter(lambda: whole.read(1 << 20), b"")
                return
            segments = self._opened(source, organisation_id, blob)
            if not gaps and segments.destroyed():
                raise destroyed_error(segments)
            yield from segments.pieces()

    def segment(
        self, organisation_id: str, sha256: str, owners: LineOwners, patient_keys: KeyLookup | None = None
    ) -> bool:
        """Keep the content by patient from now on; False when it already was. Doing it again is safe.

        Everybody in `owners.patients` has a key. The blob goes only after the segments were read back.
        """
        blob = self._path(organisation_id, sha256)
        target = _segments(blob)
        fresh = not target.is_file()
        if fresh:
            part = blob.parent.parent / f"{uuid.uuid4().hex}.part"
            with _disk_full_said_plainly():
                self._write_segments(
                    organisation_id, sha256, owners, part, patient_keys or self._patient_keys
                )
        _drop_blob(blob)
        return fresh

    def sweep(self) -> int:
        """Remove what dead writers left: parts, and blobs whose segments are complete; returns how many.

        Parts still being written stay.
        """
        removed = sum(remove_if_left(part) for part in sorted(self._layout.landing.glob("*/*.part")))
        for segments in sorted(self._layout.landing.glob("*/*/*.seg")):
            blob = segments.with_suffix(".raw")
            if blob.is_file():
                _drop_blob(blob)
                removed += 1
        return removed

    def _write_segments(
        self, organisation_id: str, sha256: str, owners: LineOwners, part: Path, patient_keys: KeyLookup
    ) -> None:
        target = _segments(self._path(organisation_id, sha256))
        try:
            with open_part(part) as sink:
                writer = SegmentWriter(sink, self._keys, organisation_id, patient_keys)
                with self.open(organisation_id, sha256) as plain:
                    for patient_id, piece in owners.cut(plain):
                        writer.write(patient_id, piece)
                writer.close()
                sink.flush()
                os.fsync(sink.fileno())
                self._read_back(organisation_id, sha256, part, patient_keys)
                with contextlib.suppress(FileExistsError):  # somebody else segmented the same content
                    os.link(part, target)
        finally:
            part.unlink(missing_ok=True)

    def _read_back(self, organisation_id: str, sha256: str, part: Path, patient_keys: KeyLookup) -> None:
        """What is to replace the record of truth gives the same bytes, or nothing is replaced."""
        with part.open("rb") as source:
            segments = Segments(source, self._keys, organisation_id, part.name, patient_keys)
            with SegmentReader(segments, source, expected_sha256=sha256) as reader:
                while reader.read(1 << 20):
                    pass

    def _source(self, blob: Path, sha256: str) -> BinaryIO:
        """The file that holds the content now. Between two looks a blob may have become segments."""
        for path in (_segments(blob), blob, _segments(blob)):
            with contextlib.suppress(FileNotFoundError):
                return path.open("rb")
        raise NOT_FOUND.error(sha256=sha256)

    def _opened(self, source: BinaryIO, organisation_id: str, blob: Path) -> Segments:
        return Segments(source, self._keys, organisation_id, _segments(blob).name, self._patient_keys)

    def _path(self, organisation_id: str, sha256: str) -> Path:
        folder = self._layout.landing / safe_name(organisation_id, "organisation id")
        if not _SHA256.match(sha256):
            raise NOT_FOUND.error(sha256=repr(sha256)[:80])
        return _blob(folder, sha256)
