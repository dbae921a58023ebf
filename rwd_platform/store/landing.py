"""The landing zone: what a hospital sent, byte for byte, encrypted, named by its content.

An upload is acknowledged only after its bytes are on the disk under their final name: write, fsync the
file, link it to its name, fsync the folder. Until then it is a `.part` that nobody reads. A crash leaves
at most such a part; `sweep` removes it. The same content again is recognised and not written twice.
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
from rwd_platform.store.raw_frame import RawReader, RawWriter

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
        durable_folder(target.parent)
        try:
            # A link, unlike a rename, fails when the name exists: of many equal uploads one is the first.
            os.link(self._part, target)
            already = False
        except FileExistsError:
            already = True
        # Also when it was there: the upload that wrote it may not have come this far yet.
        sync_folder(target.parent)
        return already


def _blob(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / f"{sha256}.raw"


class Landing:
    """The landing zone of one deployment."""

    def __init__(self, layout: Layout, keys: KeyRing, max_bytes: int = MAX_BYTES) -> None:
        self._layout = layout
        self._keys = keys
        self._max_bytes = max_bytes

    def begin(self, organisation_id: str) -> Incoming:
        folder = self._layout.landing / safe_name(organisation_id, "organisation id")
        return Incoming(folder, self._keys, organisation_id, self._max_bytes)

    def holds(self, organisation_id: str, sha256: str) -> bool:
        return self._path(organisation_id, sha256).is_file()

    def open(self, organisation_id: str, sha256: str) -> BinaryIO:
        """The plaintext, forward only. Raises `raw.damaged` instead of ending when it is not that content."""
        path = self._path(organisation_id, sha256)
        try:
            source = path.open("rb")
        except FileNotFoundError:
            raise NOT_FOUND.error(sha256=sha256) from None
        try:
            reader = RawReader(source, self._keys, organisation_id, path.name, expected_sha256=sha256)
        except BaseException:
            source.close()
            raise
        return cast(BinaryIO, io.BufferedReader(reader, buffer_size=1 << 16))

    def sweep(self) -> int:
        """Remove the parts that dead writers left; returns how many. Parts still being written stay."""
        return sum(remove_if_left(part) for part in sorted(self._layout.landing.glob("*/*.part")))

    def _path(self, organisation_id: str, sha256: str) -> Path:
        folder = self._layout.landing / safe_name(organisation_id, "organisation id")
        if not _SHA256.match(sha256):
            raise NOT_FOUND.error(sha256=repr(sha256)[:80])
        return _blob(folder, sha256)
